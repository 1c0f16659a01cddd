"""The compressor: scores words, ranks them, and keeps what the budget holds."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack

from ._checks import (
    check_result,
    checked_flags,
    checked_frames,
    checked_stored,
    checked_stream,
    checked_texts,
    grouped,
)
from ._extras import require
from .backends import BackendChoice
from .budget import Frame
from .counting import resolve_token_counter
from .embedding_store import EmbeddingStatistics, EmbeddingStore
from .errors import InputError, ModelLoadError, OptionError
from .fingerprint import Identity
from .job import Job
from .model_options import ModelOptions
from .options import BUDGET_OPTIONS, CompressionOptions, OptionOverrides, resolve_options
from .relevance import STRINGS_HAVE_NO_SCORES, check_number
from .result import CompressionResult
from .score_store import ScoreStatistics, ScoreStore
from .scores import ScoredText, pack_scores, unscored
from .sources import check_source
from .strict import unknown_option, validated

if TYPE_CHECKING:
    from .encoder import Encoder
    from .loading import Checkpoint

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
        backend: str = "torch",
        score_cache: Any = None,
        score_memory: int = 64_000_000,
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
            backend: What runs the model: "torch" (fp16 on CUDA), "torch-fp32", "torch-int8",
                "onnx", "onnx-int8", "openvino", "openvino-int8", or "auto" for the fastest that is
                installed and decides as PyTorch in fp32 does.
            score_cache: Where scores outlive the process: the path of an SQLite file, a LangChain
                ``ByteStore``, a LlamaIndex key-value store or a `ScoreCache`.
            score_memory: Bytes for the scores of recent texts in memory; 0 turns it off.
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
                "backend": backend,
                "score_cache": score_cache,
                "score_memory": score_memory,
            },
        )
        check_source(self._model_options)
        self._defaults: dict[str, Any] = dict(options)
        for name in options.keys() - CompressionOptions.model_fields.keys():
            raise unknown_option(
                name, (*ModelOptions.model_fields, *CompressionOptions.model_fields)
            )
        # A budget may come with the call; everything else can be checked now.
        has_budget = any(self._defaults.get(name) is not None for name in BUDGET_OPTIONS)
        resolve_options({} if has_budget else {"rate": 1.0}, self._defaults)
        self._encoder: Encoder | None = None
        self._lock = threading.Lock()
        self._identity: Identity | None = Identity(self._model_options, _expected_precision)
        self._store = ScoreStore(score_cache, self._model_options.score_memory)
        self._embeddings = EmbeddingStore(self._store.tell)

    def load(self) -> Compressor:
        """Load tokenizer and weights now instead of at the first call that needs them.

        Raises:
            ModelLoadError: The checkpoint is missing, broken, has another number of labels than
                two, has no fast tokenizer, or its weights do not fit its config.
            OptionError: ``relevance="model"`` was set for a checkpoint that reads no questions.
        """
        encoder = self._loaded_encoder()
        if self._defaults.get("relevance") == "model":
            self._check_reads(encoder)
        return self

    @property
    def fingerprint(self) -> str:
        """What the scores of this compressor depend on besides the text, as 32 hex digits.

        Packed scores are only ever used under the fingerprint under which they were packed. The
        checkpoint's files are hashed; the model is not loaded, but for a hub model that is not in
        the local cache yet.

        Raises:
            ModelLoadError: See `load`; or the files changed after they were loaded.
        """
        if self._identity is None:
            raise ModelLoadError(
                "a model that exists in memory only has no fingerprint; save it and give "
                "Compressor its directory"
            )
        if self._identity.value is None:
            self.load()
        return self._identity.value or ""

    @property
    def backend(self) -> BackendChoice:
        """What runs the model, and why it was taken; loads the model.

        Raises:
            ModelLoadError: See `load`.
        """
        from .backends.choice import choice_of

        return choice_of(self._model_options, self._loaded_encoder().backend)

    @property
    def score_statistics(self) -> ScoreStatistics:
        """Where the scores came from so far."""
        return self._store.statistics

    @property
    def embedding_statistics(self) -> EmbeddingStatistics:
        """Where the vectors of sentences came from so far."""
        return self._embeddings.statistics

    def score(self, texts: Iterable[str]) -> list[ScoredText]:
        """Keep probabilities of the units of every text, whatever the budget.

        Raises:
            InputError: ``texts`` is not a sequence of strings.
            ModelLoadError: See `load`.
        """
        return self._scored(checked_texts(texts))

    def score_stream(self, texts: Iterable[str], *, progress: bool = False) -> Iterator[ScoredText]:
        """`score` for any number of texts: they are read, and scores handed out, bit by bit.

        Args:
            texts: Any iterable of strings; a few hundred thousand characters are held at a time.
            progress: Show a progress bar.

        Returns:
            The scores of every text, in order.

        Raises:
            InputError: ``texts`` does not consist of strings.
            ImportError: ``progress`` needs tqdm.
            ModelLoadError: See `load`.
        """
        bar = require("tqdm.auto", "distill").tqdm if progress else None
        stream = checked_stream(texts)
        total = len(texts) if isinstance(texts, Sized) else None
        scored = (item for group in grouped(stream) for item in self._scored(group, recent=False))
        return iter(bar(scored, total=total, unit=" texts") if bar else scored)

    def pack(self, texts: Iterable[str], *, progress: bool = False) -> Iterator[bytes]:
        """Scores of every text as bytes to store with it and to give to `compress` later.

        About one byte a word. `packed_text` makes a string of it for metadata without bytes.

        Args:
            texts: Any iterable of strings, as long as it may be; see `score_stream`.
            progress: Show a progress bar.

        Returns:
            Packed scores of every text, in order.

        Raises:
            InputError: ``texts`` does not consist of strings.
            ImportError: ``progress`` needs tqdm.
            ModelLoadError: See `load`.
        """
        scored = self.score_stream(texts, progress=progress)
        # Asked for each text, since loading the weights may show another one.
        return (pack_scores(item, self.fingerprint) for item in scored)

    def compress(
        self,
        texts: Iterable[str],
        *,
        query: str | None = None,
        frames: Sequence[Frame] | None = None,
        keep_empty: bool | Sequence[bool] = False,
        scores: Sequence[bytes | str | None] | None = None,
        embeddings: Sequence[bytes | str | None] | None = None,
        strip: bool = False,
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
            scores: What `pack` gave for each text, as bytes or as `packed_text` made of it, or
                None. Damaged or stale ones are ignored; what has no scores anywhere is scored.
            embeddings: What `pack_embeddings` gave for each text, as bytes or as `packed_text` made
                of it, or None. Where ``relevance`` embeds, the sentences of such texts are not
                embedded again; damaged or stale ones are ignored.
            strip: The reader may cut off the white space around each framed text, as LlamaIndex's
                response synthesizers do. What is left of a text then has none, and whichever way
                of showing the prompt costs more counts.
            **options: The fields of `CompressionOptions`.

        Returns:
            The texts, in number and order as given, with the characters they came from.

        Raises:
            OptionError: Options are out of range or exclude each other.
            InputError: ``texts`` is not a sequence of strings, ``frames``, ``keep_empty``,
                ``scores`` or ``embeddings`` do not fit it, or ``markers`` are not balanced in a
                text and ``marker_errors`` is "raise".
            TokenCounterError: ``token_counter`` is unknown or does not count.
            ModelLoadError: See `load`.
            RelevanceError: Embeddings given as ``relevance`` cannot be used, and
                ``relevance_errors`` is "raise".

        Warns:
            BudgetWarning: Forced or marked units did not fit into the budget, or a regular
                expression in ``protect`` took too long.
            MarkerWarning: A marker has no counterpart in its text.
            RelevanceWarning: Embeddings given as ``relevance`` cannot be used; BM25 is.
        """
        sources = checked_texts(texts)
        if not isinstance(strip, bool):
            raise InputError(f"strip must be True or False, got {strip!r}")
        if query is not None and not isinstance(query, str):
            raise InputError(f"query must be a string or None, got {type(query).__name__}")
        resolved = resolve_options(self._defaults, dict(options))
        around = checked_frames(frames, len(sources))
        if resolved.relevance == "scores":
            raise OptionError(STRINGS_HAVE_NO_SCORES)
        check_number(resolved.relevance, len(sources))
        reads = resolved.relevance == "model" and bool(query)
        count = resolve_token_counter(resolved.token_counter)
        stay = checked_flags(keep_empty, len(sources))
        packed = checked_stored(scores, len(sources), "scores")
        vectors = checked_stored(embeddings, len(sources), "embeddings")
        stored = self._embeddings.stored(vectors, resolved.embeddings_name)
        job = Job(sources, around, stay, query or "", resolved, count, stored, strip=strip)
        if job.fits():
            labels = resolved.return_word_label
            return job.unchanged(self._scored(job.sources, packed) if labels else None)
        scored = self._asked(job.sources, query) if reads else self._scored(job.sources, packed)
        result = job.finish(scored)
        check_result(result)
        return result

    async def acompress(
        self,
        texts: Iterable[str],
        *,
        query: str | None = None,
        frames: Sequence[Frame] | None = None,
        keep_empty: bool | Sequence[bool] = False,
        scores: Sequence[bytes | str | None] | None = None,
        embeddings: Sequence[bytes | str | None] | None = None,
        strip: bool = False,
        **options: Unpack[OptionOverrides],
    ) -> CompressionResult:
        """`compress` in a worker thread, so that the event loop stays free."""
        # Whoever awaits this has it imported; others need not wait for that.
        import asyncio

        call = partial(
            self.compress,
            texts,
            query=query,
            frames=frames,
            keep_empty=keep_empty,
            scores=scores,
            embeddings=embeddings,
            strip=strip,
            **options,
        )
        return await asyncio.to_thread(call)

    @classmethod
    def with_encoder(cls, encoder: Encoder) -> Compressor:
        """A compressor around a model that exists in memory only, such as one in training.

        Args:
            encoder: Scores the texts; nothing is remembered, since its weights may go on changing.

        Returns:
            A compressor with default options and without stored scores.
        """
        made = cls(score_memory=0)
        made._encoder, made._identity = encoder, None
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Compressor:
        # Nothing in it changes but what is loaded, which is worth sharing.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle holds the options; the other process loads its own weights.
        # Not `model_dump`, which would take a store that is a pydantic model apart.
        return partial(Compressor, **dict(self._model_options), **self._defaults), ()

    def _scored(
        self, texts: list[str], packed: Sequence[Any] = (), *, recent: bool = True
    ) -> list[ScoredText]:
        """The scores of ``texts`` from wherever they are, and else from the model, in one call."""
        distinct = dict.fromkeys(texts)
        stored = [pair for pair in zip(texts, packed, strict=False) if pair[1] is not None]
        known = self._known_fingerprint() if stored or self._store.is_persistent else None
        found = self._store.find(distinct, stored, known)
        # A blank text has nothing to score, and must not be why the weights are loaded.
        found.update((text, unscored(text)) for text in distinct if not text.strip())
        missing = [text for text in distinct if text not in found]
        if missing:
            encoder = self._loaded_encoder()
            if known and known != self._known_fingerprint():
                # The files had changed since they were hashed: what was found is not theirs.
                return self._scored(texts, packed, recent=recent)
            found.update(self._store.compute(missing, encoder.score, known, recent=recent))
        return [found[text] for text in texts]

    def _asked(self, texts: list[str], query: str | None) -> list[ScoredText]:
        """Scores behind the question, which nothing can have stored."""
        encoder = self._loaded_encoder()
        self._check_reads(encoder)
        return encoder.score(texts, query or "")

    def _check_reads(self, encoder: Encoder) -> None:
        if not encoder.reads_questions:
            raise OptionError(
                "relevance='model' needs a checkpoint that was trained with questions, which "
                f"{str(self._model_options.model_name or 'the embedded model')!r} was not; use "
                "relevance='bm25'"
            )

    def _known_fingerprint(self) -> str | None:
        """The fingerprint; None where there is none, which costs stored scores and no more."""
        try:
            return self.fingerprint
        except ModelLoadError as error:
            self._store.tell("fingerprint", f"stored scores are not used: {error}")
            return None

    def _loaded_encoder(self) -> Encoder:
        if self._encoder is None:
            with self._lock:
                if self._encoder is None:
                    encoder = _build_encoder(self._model_options)
                    precision = encoder.backend.precision
                    if self._identity is not None and self._identity.loaded(precision):
                        self._store.forget()
                    self._encoder = encoder
        return self._encoder


def _expected_precision(options: ModelOptions) -> str | None:
    if options.backend != "auto":
        from .backends.names import fixed_precision

        return fixed_precision(options)
    from .backends.choice import precision_of

    return precision_of(options)


def _build_encoder(options: ModelOptions) -> Encoder:
    from .backends.build import build_encoder

    return build_encoder(options)


def encoder_of(checkpoint: Checkpoint, max_batch_tokens: int | None = None) -> Encoder:
    """What scores texts with ``checkpoint``, whose model may go on changing."""
    from .backends.torch import TorchBackend
    from .encoder import Encoder

    backend = TorchBackend(
        checkpoint.model,
        keep_label=checkpoint.keep_label,
        pad_token_id=checkpoint.pad_token_id,
        max_batch_tokens=max_batch_tokens,
    )
    return Encoder(checkpoint, backend)
