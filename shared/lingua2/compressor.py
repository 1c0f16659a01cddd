"""The compressor: scores words, ranks them, and keeps what the budget holds."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from .budget import Frame
from .counting import resolve_token_counter
from .encoder import Encoder, ScoredText
from .errors import BudgetWarning, InputError, OptionError, TokenCounterError
from .job import Job
from .loading import Checkpoint, check_source, load_checkpoint
from .options import (
    BUDGET_OPTIONS,
    ModelOptions,
    OptionOverrides,
    resolve_options,
    validated,
)
from .result import CompressionResult

__all__ = ["Compressor", "encoder_of"]


class Compressor:
    """Compresses texts to a hard token budget (LLMLingua-2, Pan et al. 2024).

    A bidirectional encoder gives every word a probability of being kept; the words of all texts
    are ranked together and the best stay, verbatim and in order, as far as the budget reaches.

    One compressor may be used from many threads. Weights are loaded at the first call that needs
    them, or by `load`.
    """

    def __init__(
        self,
        model_name: str | Path | None = None,
        *,
        device_map: str = "auto",
        trust_remote_code: bool = False,
        max_length: int = 512,
        max_batch_tokens: int | None = None,
        **options: Unpack[OptionOverrides],
    ) -> None:
        """Choose the checkpoint and, optionally, defaults for `compress`.

        Args:
            model_name: A local directory or a Hugging Face hub id of a token classifier with two
                labels; None is the embedded model, which needs no network.
            device_map: A torch device ("cpu", "cuda:0"); "auto" is CUDA where there is one.
            trust_remote_code: Run Python code that comes with a hub checkpoint.
            max_length: Longest window in model tokens.
            max_batch_tokens: Padded tokens of one forward pass; None chooses by device.
            **options: Defaults for the options of `compress`.

        Raises:
            OptionError: An option is unknown or has a value that is not allowed.
            ModelLoadError: ``model_name`` is no directory with a checkpoint and no hub id. What
                only reading the weights shows is raised by `load` or the first call.
        """
        self._model_options = validated(
            ModelOptions,
            {
                "model_name": model_name,
                "device_map": device_map,
                "trust_remote_code": trust_remote_code,
                "max_length": max_length,
                "max_batch_tokens": max_batch_tokens,
            },
        )
        check_source(self._model_options)
        self._defaults: dict[str, Any] = dict(options)
        # A budget may come with the call; everything else can be checked now.
        has_budget = any(self._defaults.get(name) is not None for name in BUDGET_OPTIONS)
        resolve_options({} if has_budget else {"rate": 1.0}, self._defaults)
        self._encoder: Encoder | None = None
        self._lock = threading.Lock()

    def load(self) -> Compressor:
        """Load tokenizer and weights now instead of at the first call that needs them.

        Raises:
            ModelLoadError: The checkpoint is missing, broken, has another number of labels than
                two, has no fast tokenizer, or its weights do not fit its config.
        """
        self._loaded_encoder()
        return self

    def score(self, texts: Iterable[str]) -> list[ScoredText]:
        """Keep probabilities of the units of every text, whatever the budget.

        Raises:
            InputError: ``texts`` is not a sequence of strings.
            ModelLoadError: See `load`.
        """
        return self._loaded_encoder().score(_checked(texts))

    def compress(
        self,
        texts: Iterable[str],
        *,
        query: str | None = None,
        frames: Sequence[Frame] | None = None,
        keep_empty: bool | Sequence[bool] = False,
        **options: Unpack[OptionOverrides],
    ) -> CompressionResult:
        """Compress ``texts`` together to one budget.

        Exactly one of ``target_token``, ``rate`` and ``threshold`` says how much is kept, here or
        in the constructor. A set that fits comes back unchanged, without running the model.

        Args:
            texts: The texts, in the order in which the reader will see them.
            query: The question. It steers a budget where ``relevance`` says how; without a
                relevance it has no influence.
            frames: What the reader sees directly before and after each text, such as a title from
                a prompt template; it counts towards the budget where the text is not empty.
            keep_empty: Texts of which nothing was kept still show their frame and separator, and
                these count: all such texts, or one flag per text.
            **options: The fields of `CompressionOptions`.

        Returns:
            The texts, in number and order as given, with the characters they came from.

        Raises:
            OptionError: Options are out of range or exclude each other.
            InputError: ``texts`` is not a sequence of strings, or ``frames`` or ``keep_empty`` do
                not fit it.
            TokenCounterError: ``token_counter`` is unknown or does not count.
            ModelLoadError: See `load`.

        Warns:
            BudgetWarning: Forced units did not fit into the budget.
        """
        sources = _checked(texts)
        if query is not None and not isinstance(query, str):
            raise InputError(f"query must be a string or None, got {type(query).__name__}")
        resolved = resolve_options(self._defaults, dict(options))
        around = _checked_frames(frames, len(sources))
        if resolved.relevance is not None and resolved.threshold is not None:
            raise OptionError(
                "relevance steers a budget and threshold has none: leave relevance out, or give "
                "rate or target_token"
            )
        if isinstance(resolved.relevance, tuple) and len(resolved.relevance) != len(sources):
            raise OptionError(
                f"relevance has {len(resolved.relevance)} numbers for {len(sources)} texts; give "
                "one per text"
            )
        count = resolve_token_counter(resolved.token_counter)
        stay = _checked_flags(keep_empty, len(sources))
        job = Job(sources, around, stay, query or "", resolved, count)
        if job.fits():
            labels = resolved.return_word_label
            return job.unchanged(self._loaded_encoder().score(sources) if labels else None)
        result = job.finish(self._loaded_encoder().score(sources))
        _warn(result)
        return result

    async def acompress(
        self,
        texts: Iterable[str],
        *,
        query: str | None = None,
        frames: Sequence[Frame] | None = None,
        keep_empty: bool | Sequence[bool] = False,
        **options: Unpack[OptionOverrides],
    ) -> CompressionResult:
        """`compress` in a worker thread, so that the event loop stays free."""
        call = partial(
            self.compress, texts, query=query, frames=frames, keep_empty=keep_empty, **options
        )
        return await asyncio.to_thread(call)

    @classmethod
    def _around(cls, encoder: Encoder) -> Compressor:
        """A compressor that scores with ``encoder``, for models that exist in memory only."""
        made = cls()
        made._encoder = encoder
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Compressor:
        # Nothing in it changes but what is loaded, which is worth sharing.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle holds the options; the other process loads its own weights.
        return partial(Compressor, **self._model_options.model_dump(), **self._defaults), ()

    def _loaded_encoder(self) -> Encoder:
        if self._encoder is None:
            with self._lock:
                if self._encoder is None:
                    self._encoder = _build_encoder(self._model_options)
        return self._encoder


def _build_encoder(options: ModelOptions) -> Encoder:
    return encoder_of(load_checkpoint(options), options.max_batch_tokens)


def encoder_of(checkpoint: Checkpoint, max_batch_tokens: int | None = None) -> Encoder:
    """What scores texts with ``checkpoint``, whose model may go on changing."""
    from .backends.torch import TorchBackend

    backend = TorchBackend(
        checkpoint.model,
        keep_label=checkpoint.keep_label,
        pad_token_id=checkpoint.pad_token_id,
        max_batch_tokens=max_batch_tokens,
    )
    return Encoder(checkpoint, backend)


def _checked(texts: Any) -> list[str]:
    if isinstance(texts, (str, bytes)):
        raise InputError(
            f"texts is one {type(texts).__name__}, not a list of strings; write [text] to compress "
            "a single text"
        )
    if isinstance(texts, (Mapping, set, frozenset)) or not isinstance(texts, Iterable):
        raise InputError(f"texts must be a list of strings, got {type(texts).__name__}")
    checked = list(texts)
    for i, text in enumerate(checked):
        if not isinstance(text, str):
            hint = "; pass its page_content" if hasattr(text, "page_content") else ""
            raise InputError(
                f"texts[{i}] is a {type(text).__name__}; every text must be a string{hint}"
            )
    return checked


def _checked_frames(frames: Sequence[Frame] | None, size: int) -> Sequence[Frame]:
    if frames is None:
        return [("", "")] * size
    checked = list(frames)
    if len(checked) != size:
        raise InputError(f"frames has {len(checked)} entries for {size} texts; give one per text")
    for i, frame in enumerate(checked):
        pair = isinstance(frame, Sequence) and not isinstance(frame, str) and len(frame) == 2
        if not pair or not all(isinstance(part, str) for part in frame):
            raise InputError(f"frames[{i}] is {frame!r}; give a pair of strings (before, after)")
    return checked


def _checked_flags(keep_empty: bool | Sequence[bool], size: int) -> Sequence[bool]:
    if not isinstance(keep_empty, Sequence):
        return [bool(keep_empty)] * size
    if len(keep_empty) != size:
        raise InputError(f"keep_empty has {len(keep_empty)} flags for {size} texts; give one each")
    return keep_empty


def _warn(result: CompressionResult) -> None:
    message = ""
    if result.budget is not None and result.compressed_tokens > result.budget:
        if not result.prompt:
            raise TokenCounterError(
                f"the token_counter counts {result.compressed_tokens} tokens for an empty text, "
                f"more than the budget of {result.budget}; it must leave special tokens out"
            )
        message = (
            f"what surrounds the texts costs {result.compressed_tokens} tokens on its own and "
            f"keep_empty keeps all of it, so the budget of {result.budget} tokens cannot hold; no "
            "text was kept"
        )
    elif result.dropped_forced:
        words = ", ".join(repr(item.word) for item in result.dropped_forced[:5])
        more = "" if len(result.dropped_forced) <= 5 else ", …"
        message = (
            f"the budget of {result.budget} tokens cannot hold all forced words: "
            f"{len(result.dropped_forced)} had to go ({words}{more}); result.dropped_forced lists "
            "them"
        )
    if message:
        warnings.warn(message, BudgetWarning, stacklevel=3)
