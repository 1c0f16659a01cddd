"""``llmlingua.PromptCompressor`` on the LLMLingua-2 path, as a drop-in.

The same arguments give the same words, labels and counts as llmlingua 0.2.2 on the same
checkpoint, BERT-like (WordPiece) or XLM-R-like (SentencePiece). Better than there: checkpoints are
recognised by their tokenizer instead of their path, the model runs once per text and on batches
that are not padded to 512, no global state is seeded, nothing of the caller's is changed, remote
code is off, no network is needed, and blank texts and several threads work. Where the old results
are not needed, `Compressor` is the better choice: it keeps the budget, and the text as it was.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn, NotRequired, TypedDict

from ._compat_model import ChunkScorer
from ._compat_words import (
    ForceTokens,
    WordMerger,
    Words,
    best_contexts,
    context_level,
    label_words,
    share,
    split_unscored,
)
from .counting import tiktoken_encoding, well_formed
from .errors import InputError, OptionError
from .loading import load_checkpoint
from .model_options import ModelOptions

__all__ = ["CompressedPrompt", "PromptCompressor"]

_MODEL_CONFIG = {
    "trust_remote_code": False,
    "torch_dtype": None,
    "dtype": None,
    "pad_to_left": True,
}
_LLMLINGUA2_CONFIG = {"max_batch_size": 50, "max_force_token": 100}
# Arguments that llmlingua takes and LLMLingua-2 does not look at, with their defaults.
_V1_DEFAULTS: dict[str, Any] = {
    "iterative_size": 200,
    "force_context_number": None,
    "use_sentence_level_filter": False,
    "keep_split": False,
    "keep_first_sentence": 0,
    "keep_last_sentence": 0,
    "keep_sentence_number": 0,
    "high_priority_bonus": 100,
    "context_budget": "+100",
    "token_budget_ratio": 1.4,
    "condition_in_question": "none",
    "reorder_context": "original",
    "dynamic_context_compression_ratio": 0.0,
    "condition_compare": False,
    "add_instruction": False,
    "rank_method": "llmlingua",
    "concate_question": True,
    "context_segs": None,
    "context_segs_rate": None,
    "context_segs_compress": None,
    "strict_preserve_uncompressed": True,
}


class CompressedPrompt(TypedDict):
    """What `PromptCompressor.compress_prompt` returns; the same keys as in llmlingua."""

    compressed_prompt: str
    """The compressed texts, joined by blank lines."""
    compressed_prompt_list: list[str]
    """The compressed texts without those that the context filter dropped."""
    origin_tokens: int
    """cl100k_base tokens of the texts, without what joins them."""
    compressed_tokens: int
    """cl100k_base tokens of the compressed texts, without what joins them."""
    ratio: str
    rate: str
    saving: str
    fn_labeled_original_prompt: NotRequired[str]
    """Every word with its label, 1 where it was kept; with ``return_word_label=True``."""


class PromptCompressor:
    """Drop-in for ``llmlingua.PromptCompressor`` with ``use_llmlingua2=True``.

    Args:
        model_name: A local directory or a hub id; ``None`` is the embedded model.
        device_map: A torch device; ``"auto"`` is CUDA where there is one.
        model_config: ``trust_remote_code`` (False), ``torch_dtype`` or ``dtype`` (float32; the
            reference takes that of the file on CUDA), ``pad_to_left`` (True; as there, it decides
            whether a padding token that is spelled out in a text counts as text).
        open_api_config: Must be empty; LLMLingua-2 calls no API.
        use_llmlingua2: Must be true, which is the default here and not in llmlingua.
        llmlingua2_config: ``max_batch_size`` (50), the most chunks of one forward pass, and
            ``max_force_token`` (100), the most force tokens of one call.
        bert_special_tokens: Put ``[CLS]`` and ``[SEP]`` around every chunk even where the
            tokenizer does not know them, so that they turn into unknown tokens; llmlingua does
            that to XLM-R. ``False`` takes the tokenizer's own: the way the model was trained, and
            other results than the reference's.

    Raises:
        ModelLoadError: The checkpoint cannot be loaded, or its tokenizer is a byte-level BPE,
            which llmlingua cannot handle.
        OptionError: An argument has a value that LLMLingua-2 has no use for.
    """

    def __init__(
        self,
        model_name: str | Path | None = None,
        device_map: str = "auto",
        model_config: Mapping[str, Any] | None = None,
        open_api_config: Mapping[str, Any] | None = None,
        use_llmlingua2: bool = True,
        llmlingua2_config: Mapping[str, Any] | None = None,
        *,
        bert_special_tokens: bool = True,
    ) -> None:
        if not use_llmlingua2:
            raise OptionError(
                "use_llmlingua2=False: only LLMLingua-2 is implemented here; leave the argument "
                "out, or use the llmlingua package for LLMLingua and LongLLMLingua"
            )
        if open_api_config:
            raise OptionError(
                f"open_api_config={dict(open_api_config)!r}: LLMLingua-2 calls no API; leave it out"
            )
        config = _merged("model_config", model_config, _MODEL_CONFIG)
        limits = _merged("llmlingua2_config", llmlingua2_config, _LLMLINGUA2_CONFIG)
        for name, limit in limits.items():
            if not isinstance(limit, int) or limit < 1:
                raise OptionError(f"llmlingua2_config: {name}={limit!r} is not a positive integer")
        checkpoint = load_checkpoint(
            ModelOptions(
                model_name=model_name,
                device_map=device_map,
                trust_remote_code=config["trust_remote_code"],
            )
        )
        self._scorer = ChunkScorer(
            checkpoint,
            reserved=[f"[NEW{i}]" for i in range(limits["max_force_token"])],
            batch_size=limits["max_batch_size"],
            dtype=config["dtype"] or config["torch_dtype"],
            pad_to_left=config["pad_to_left"],
            bert_special_tokens=bert_special_tokens,
        )
        self.model_name = checkpoint.name
        self.model = checkpoint.model
        self.tokenizer = checkpoint.tokenizer
        self.device = checkpoint.model.device
        self.max_batch_size: int = limits["max_batch_size"]
        self.max_force_token: int = limits["max_force_token"]
        self.oai_tokenizer = tiktoken_encoding("cl100k_base")

    def __call__(self, *args: Any, **kwargs: Any) -> CompressedPrompt:
        """The same as `compress_prompt`."""
        return self.compress_prompt(*args, **kwargs)

    def compress_prompt(
        self,
        context: str | Sequence[str],
        instruction: str = "",
        question: str = "",
        rate: float = 0.5,
        target_token: float = -1,
        iterative_size: int = 200,
        force_context_ids: Collection[int] | None = None,
        force_context_number: int | None = None,
        use_sentence_level_filter: bool = False,
        use_context_level_filter: bool = True,
        use_token_level_filter: bool = True,
        keep_split: bool = False,
        keep_first_sentence: int = 0,
        keep_last_sentence: int = 0,
        keep_sentence_number: int = 0,
        high_priority_bonus: int = 100,
        context_budget: str = "+100",
        token_budget_ratio: float = 1.4,
        condition_in_question: str = "none",
        reorder_context: str = "original",
        dynamic_context_compression_ratio: float = 0.0,
        condition_compare: bool = False,
        add_instruction: bool = False,
        rank_method: str = "llmlingua",
        concate_question: bool = True,
        context_segs: Sequence[str] | None = None,
        context_segs_rate: Sequence[float] | None = None,
        context_segs_compress: Sequence[bool] | None = None,
        target_context: int = -1,
        context_level_rate: float = 1.0,
        context_level_target_token: float = -1,
        return_word_label: bool = False,
        word_sep: str = "\t\t|\t\t",
        label_sep: str = " ",
        token_to_word: str = "mean",
        force_tokens: Sequence[str] = (),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = False,
        chunk_end_tokens: Sequence[str] = (".", "\n"),
        strict_preserve_uncompressed: bool = True,
    ) -> CompressedPrompt:
        """Compress texts; see `compress_prompt_llmlingua2` for the arguments that do something.

        ``instruction`` and ``question`` have no influence, as in llmlingua, and a warning says so.

        Raises:
            InputError: ``context`` is not a string or a sequence of strings.
            OptionError: An argument of LLMLingua or LongLLMLingua is set, or a value is not
                allowed.
        """
        given = locals()
        for name, default in _V1_DEFAULTS.items():
            if given[name] is not default and given[name] != default:
                raise OptionError(
                    f"{name}={given[name]!r} belongs to LLMLingua v1 / LongLLMLingua and does "
                    f"nothing in LLMLingua-2; leave it at its default, {default!r}"
                )
        if instruction or question:
            warnings.warn(
                "LLMLingua-2 does not look at instruction and question and does not add them to "
                "the prompt: put them around it yourself, or use lingua2.Compressor with query=…",
                UserWarning,
                stacklevel=2,
            )
        return self.compress_prompt_llmlingua2(
            context,
            rate=rate,
            target_token=target_token,
            use_context_level_filter=use_context_level_filter,
            use_token_level_filter=use_token_level_filter,
            target_context=target_context,
            context_level_rate=context_level_rate,
            context_level_target_token=context_level_target_token,
            force_context_ids=force_context_ids,
            return_word_label=return_word_label,
            word_sep=word_sep,
            label_sep=label_sep,
            token_to_word=token_to_word,
            force_tokens=force_tokens,
            force_reserve_digit=force_reserve_digit,
            drop_consecutive=drop_consecutive,
            chunk_end_tokens=chunk_end_tokens,
        )

    def compress_prompt_llmlingua2(
        self,
        context: str | Sequence[str],
        rate: float = 0.5,
        target_token: float = -1,
        use_context_level_filter: bool = False,
        use_token_level_filter: bool = True,
        target_context: int = -1,
        context_level_rate: float = 1.0,
        context_level_target_token: float = -1,
        force_context_ids: Collection[int] | None = None,
        return_word_label: bool = False,
        word_sep: str = "\t\t|\t\t",
        label_sep: str = " ",
        token_to_word: str = "mean",
        force_tokens: Sequence[str] = (),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = False,
        chunk_end_tokens: Sequence[str] = (".", "\n"),
    ) -> CompressedPrompt:
        """Compress texts by dropping texts, words or both.

        Args:
            context: The texts, or a single one.
            rate: Share of the tokens to keep, in (0, 1]; met roughly, per chunk.
            target_token: Number of tokens to keep, over all texts; replaces ``rate``.
            use_context_level_filter: Drop whole texts of a low mean probability first.
            use_token_level_filter: Drop words.
            target_context: Context filter: number of texts to keep.
            context_level_rate: Context filter: share of the texts to keep.
            context_level_target_token: Context filter: number of tokens to keep.
            force_context_ids: Context filter: positions of texts that stay in any case.
            return_word_label: Return every word with its label as well.
            word_sep: What stands between two labelled words.
            label_sep: What stands between a word and its label.
            token_to_word: A word's probability is the ``"mean"`` of its tokens' or the ``"first"``.
            force_tokens: Words that are kept, at most ``max_force_token``.
            force_reserve_digit: Keep tokens that contain a digit.
            drop_consecutive: Drop a force token that directly follows an equal one.
            chunk_end_tokens: Tokens at which texts of more than 510 are cut.

        Raises:
            InputError: ``context`` is not a string or a sequence of strings.
            OptionError: A value is not allowed.
        """
        texts = _texts(context)
        numbers = {
            "rate": rate,
            "target_token": target_token,
            "target_context": target_context,
            "context_level_rate": context_level_rate,
            "context_level_target_token": context_level_target_token,
        }
        for name, number in numbers.items():
            if not isinstance(number, Real) or not math.isfinite(number):
                raise OptionError(f"{name}={number!r} is not a finite number")
        if token_to_word not in ("mean", "first"):
            raise OptionError(f"token_to_word={token_to_word!r} must be 'mean' or 'first'")
        force = self._force_tokens(force_tokens)
        merger = WordMerger(
            self._scorer.kind,
            self._scorer.special_tokens,
            force,
            force_digits=force_reserve_digit,
            first_only=token_to_word == "first",
        )
        ends = {*chunk_end_tokens}
        ends |= {stand_in for token, stand_in in force.stand_ins.items() if token in ends}
        chunks = [self._scorer.split(force.hide(text), ends) for text in texts]
        origin_tokens = sum(map(_count, texts))

        scored: list[list[Words]] | None = None
        kept: Collection[int] = range(len(texts))
        if use_context_level_filter and len(texts) > 1:
            level = context_level(
                len(texts), origin_tokens, words_too=use_token_level_filter, **numbers
            )
            scored = self._scorer.score(chunks, merger)
            kept = best_contexts(scored, level, force_context_ids or ())
            if target_token >= 0:
                rate = share(target_token, sum(_count(c) for i in kept for c in chunks[i]))
        elif target_token > 0:
            rate = share(target_token, origin_tokens)
        reduce_rate = max(0, 1 - rate) if use_token_level_filter else 0
        if scored is None and reduce_rate > 0:
            scored = self._scorer.score(chunks, merger)

        compressed: list[str] = []
        labelled: list[tuple[str, int]] = []
        for i, pieces in enumerate(chunks):
            if i in kept and reduce_rate <= 0:
                pieces = [force.restore(chunk) for chunk in pieces]
                labelled += [(word, 1) for chunk in pieces for word in split_unscored(chunk)]
                compressed.append("".join(pieces))
                continue
            text = ""
            for words in scored[i] if scored else ():
                labels = [0] * len(words.texts)
                if i in kept:
                    labels = label_words(
                        words,
                        reduce_rate=reduce_rate,
                        drop_consecutive=drop_consecutive,
                        force_tokens=force.tokens,
                        count=_count_word,
                    )
                    text += self._scorer.join(
                        [word for word, label in zip(words.texts, labels, strict=True) if label]
                    )
                labelled += zip(self._scorer.shown(words), labels, strict=True)
            if i in kept:
                compressed.append(text)
        result = _result(compressed, origin_tokens)
        if return_word_label:
            result["fn_labeled_original_prompt"] = word_sep.join(
                f"{word}{label_sep}{label}" for word, label in labelled
            )
        return result

    def get_token_length(
        self, text: str, add_special_tokens: bool = True, use_oai_tokenizer: bool = False
    ) -> int:
        """Number of tokens of ``text``: the model's, or those of cl100k_base."""
        if use_oai_tokenizer:
            return _count(well_formed(text))
        return self._scorer.count(well_formed(text), add_special_tokens=add_special_tokens)

    def structured_compress_prompt(self, *_: Any, **__: Any) -> NoReturn:
        """Not available.

        Raises:
            OptionError: Always; it belongs to LLMLingua v1.
        """
        raise OptionError(
            "structured_compress_prompt belongs to LLMLingua v1: LLMLingua-2 does not look at the "
            "<llmlingua> tags. Compress the parts one by one with compress_prompt"
        )

    def compress_json(self, *_: Any, **__: Any) -> NoReturn:
        """Not available.

        Raises:
            OptionError: Always; it belongs to LLMLingua v1.
        """
        raise OptionError(
            "compress_json belongs to LLMLingua v1: LLMLingua-2 does not look at the <llmlingua> "
            "tags that it writes. Compress the values one by one with compress_prompt"
        )

    def _force_tokens(self, tokens: Sequence[str]) -> ForceTokens:
        if isinstance(tokens, str):
            raise OptionError(f"force_tokens={tokens!r} is a single string; write [{tokens!r}]")
        if len(tokens) > self.max_force_token:
            raise OptionError(
                f"{len(tokens)} force_tokens, but max_force_token={self.max_force_token}; raise it "
                'with llmlingua2_config={"max_force_token": …}'
            )
        tokens = [well_formed(token) for token in tokens]
        return ForceTokens(tokens, self._scorer.reserved, self._scorer.tokenize)


def _merged(
    name: str, given: Mapping[str, Any] | None, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    if unknown := sorted((given or {}).keys() - defaults.keys()):
        raise OptionError(
            f"{name} has no {', '.join(map(repr, unknown))} here; known: {', '.join(defaults)}"
        )
    return {**defaults, **(given or {})}


def _texts(context: Any) -> list[str]:
    texts = [context] if isinstance(context, str) else context
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"context must be a string or a sequence of strings, got {type(context).__name__}"
        )
    return [well_formed(text) for text in texts]


def _count(text: str) -> int:
    # encode() refuses text that spells a special token; in a context it is text like any other.
    return len(tiktoken_encoding("cl100k_base").encode_ordinary(text))


_count_word = lru_cache(maxsize=1 << 16)(_count)


def _result(compressed: list[str], origin_tokens: int) -> CompressedPrompt:
    compressed_tokens = sum(map(_count, compressed))
    ratio = origin_tokens / compressed_tokens if origin_tokens and compressed_tokens else 1
    saving = (origin_tokens - compressed_tokens) * 0.06 / 1000
    return {
        "compressed_prompt": "\n\n".join(compressed),
        "compressed_prompt_list": compressed,
        "origin_tokens": origin_tokens,
        "compressed_tokens": compressed_tokens,
        "ratio": f"{ratio:.1f}x",
        "rate": f"{1 / ratio * 100:.1f}%",
        "saving": f", Saving ${saving:.1f} in GPT-4.",
    }
