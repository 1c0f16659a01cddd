"""What llmlingua 0.2.2 does between a text and its kept words, step by step.

Everything here reproduces the reference (github.com/microsoft/LLMLingua, MIT licence, classes
``PromptCompressor`` and ``TokenClfDataset``), its quirks included: they decide the result. The
package's own path (`lingua2.Compressor`) shares none of it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .errors import OptionError

__all__ = [
    "ForceTokens",
    "TokenizerKind",
    "WordMerger",
    "Words",
    "best_contexts",
    "chunk_slices",
    "context_level",
    "label_words",
    "share",
    "split_unscored",
]

TokenizerKind = Literal["wordpiece", "sentencepiece"]
Probability = Any
"""A np.float32 from the model or the float 1.0 of a forced token; which one decides in which
precision numpy works, so the two are kept apart as in the reference."""

_DIGIT = re.compile(r"\d")
_UNSCORED_WORD = re.compile(r'\b\w+\b|[<>=/!@#$%^&*()?":{}|\\`~;_+-]')


class ForceTokens:
    """Words that are kept come what may; those of several pieces travel as a reserved token.

    Args:
        tokens: What the caller wants to keep.
        reserved: One added token per position, the stand-in of a word of several pieces.
        tokenize: Splits a text into pieces.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        reserved: Sequence[str],
        tokenize: Callable[[str], list[str]],
    ) -> None:
        self.tokens = frozenset(tokens)
        self.stand_ins = {
            token: reserved[i] for i, token in enumerate(tokens) if len(tokenize(token)) != 1
        }
        self.reserved = frozenset(self.stand_ins.values())

    def hide(self, text: str) -> str:
        """``text`` with stand-ins for the force tokens of several pieces."""
        for token, stand_in in self.stand_ins.items():
            text = text.replace(token, stand_in)
        return text

    def restore(self, text: str) -> str:
        """``text`` with the force tokens in the place of their stand-ins."""
        for token, stand_in in self.stand_ins.items():
            text = text.replace(stand_in, token)
        return text


def chunk_slices(tokens: Sequence[str], ends: Collection[str], size: int) -> list[slice]:
    """Cut ``tokens`` into chunks of at most ``size + 1`` that end at the last of ``ends``.

    A chunk without any of ``ends`` is cut where it is full.
    """
    chunks = []
    start = 0
    while start < len(tokens):
        if start + size > len(tokens) - 1:
            chunks.append(slice(start, len(tokens)))
            break
        full = start + size
        end = next((i for i in range(full, start, -1) if tokens[i] in ends), full)
        chunks.append(slice(start, end + 1))
        start = end + 1
    return chunks


def split_unscored(text: str) -> list[str]:
    """The words that the reference lists for a text of which everything is kept."""
    return _UNSCORED_WORD.findall(text)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one chunk, in order; the three lists have one entry per word.

    Attributes:
        texts: The words as pieces put together, a leading ``▁`` included.
        probabilities: Keep probability per word, 1.0 where it is forced.
        unforced: Keep probability of each word's first piece as the model gave it.
    """

    texts: list[str]
    probabilities: list[Probability]
    unforced: list[Probability]


class WordMerger:
    """Puts pieces together to words, for one call.

    Args:
        kind: How pieces mark word boundaries.
        special: Pieces that are no text and are left out.
        force: Force tokens of the call.
        force_digits: Whether pieces with a digit are kept.
        first_only: A word's probability is that of its first piece instead of the mean.
    """

    def __init__(
        self,
        kind: TokenizerKind,
        special: Collection[str],
        force: ForceTokens,
        *,
        force_digits: bool,
        first_only: bool,
    ) -> None:
        self._kind = kind
        self._special = special
        self._force = force
        self._force_digits = force_digits
        self._first_only = first_only
        self._seen: dict[str, tuple[bool, str, bool] | None] = {}

    def merge(self, tokens: Sequence[str], probabilities: Sequence[Probability]) -> Words:
        """Words of the pieces ``tokens`` of one chunk, with ``probabilities`` per piece."""
        texts: list[str] = []
        forced: list[list[Probability]] = []
        unforced: list[list[Probability]] = []
        first: Probability = 0.0
        for token, probability in zip(tokens, probabilities, strict=True):
            if token not in self._seen:
                self._seen[token] = self._inspect(token)
            if (seen := self._seen[token]) is None:
                continue
            begins, text, is_forced = seen
            # The reference fails on a chunk whose first piece continues a word.
            if begins or not texts:
                texts.append(text)
                forced.append([])
                unforced.append([])
                first = probability
            else:
                texts[-1] += text
            forced[-1].append(1.0 if is_forced else probability)
            # The reference repeats the first piece's for every piece of a word.
            unforced[-1].append(first)
        return Words(texts, self._per_word(forced), self._per_word(unforced))

    def _per_word(self, groups: list[list[Probability]]) -> list[Probability]:
        if self._first_only:
            return [group[0] for group in groups]
        return [sum(group) / len(group) for group in groups]

    def _inspect(self, token: str) -> tuple[bool, str, bool] | None:
        if token in self._special:
            return None
        force = self._force
        pure = token.lstrip("#" if self._kind == "wordpiece" else "▁")
        if self._kind == "wordpiece":
            begins = not token.startswith("##") or pure in force.tokens or pure in force.reserved
        else:
            begins = (
                token.startswith("▁")
                # Not a set of characters: a piece such as "()" counts, ")(" does not.
                or token in string.punctuation
                or token in force.tokens
                or token in force.reserved
            )
        text = force.restore(token) if begins else pure
        digit = self._force_digits and _DIGIT.search(text) is not None
        return begins, text, digit or (begins and (pure in force.tokens or pure in force.reserved))


def _mean_probability(words: Sequence[Words]) -> Probability:
    """Mean unforced probability of the words of one context; 0 where it has none."""
    values = [value for chunk in words for value in chunk.unforced]
    return sum(values) / len(values) if values else 0.0


def _percentile(values: Any, per_cent: int, cause: str) -> Any:
    """``np.percentile`` with an error that names the option.

    Raises:
        OptionError: ``per_cent`` lies outside of 0 to 100.
    """
    if not 0 <= per_cent <= 100:
        raise OptionError(
            f"{cause} makes llmlingua cut at percentile {per_cent} of the probabilities, which "
            "must lie within 0 and 100"
        )
    return np.percentile(values, per_cent)


def share(target: float, total: int) -> float:
    """``target`` as a share of ``total``, at most 1."""
    return min(target / total, 1.0) if total else 1.0


def context_level(
    texts: int,
    tokens: int,
    *,
    words_too: bool,
    rate: float,
    target_token: float,
    target_context: float,
    context_level_rate: float,
    context_level_target_token: float,
) -> float:
    """Share of the texts that the context filter keeps.

    Args:
        texts: Number of texts.
        tokens: Number of their tokens.
        words_too: Whether words are dropped afterwards.
        rate: See `PromptCompressor.compress_prompt_llmlingua2`, as for the others.
        target_token: As there.
        target_context: As there.
        context_level_rate: As there.
        context_level_target_token: As there.
    """
    if target_context <= 0 and context_level_rate >= 1.0 and context_level_target_token <= 0:
        # Nothing said about texts: half of what goes are texts, the other half words.
        if target_token >= 0:
            context_level_target_token = target_token * 2 if words_too else target_token
        elif rate < 1.0:
            context_level_rate = (rate + 1.0) / 2 if words_too else rate
    if context_level_target_token >= 0:
        return share(context_level_target_token, tokens)
    if target_context >= 0:
        return min(target_context / texts, 1.0)
    return context_level_rate


def best_contexts(
    scored: Sequence[Sequence[Words]], level: float, forced: Collection[int]
) -> set[int]:
    """Positions of the texts whose mean probability reaches the percentile, and of the forced ones.

    Raises:
        OptionError: ``level`` lies outside of 0 to 1.
    """
    means = [_mean_probability(words) for words in scored]
    threshold = _percentile(means, int(100 * (1 - level)), f"a context level rate of {level:.6g}")
    return {i for i, mean in enumerate(means) if mean >= threshold or i in forced}


def label_words(
    words: Words,
    *,
    reduce_rate: float,
    drop_consecutive: bool,
    force_tokens: frozenset[str],
    count: Callable[[str], int],
) -> list[int]:
    """1 for every word of a chunk that is kept, 0 for the others.

    Kept are the words above the percentile ``100 * reduce_rate + 1`` of the probabilities, in
    which a word weighs as many times as it has tokens of the reader.

    Args:
        words: The words of one chunk.
        reduce_rate: Share of tokens to drop, above 0.
        drop_consecutive: Drop a force token that follows an equal one with nothing kept between.
        force_tokens: The call's force tokens.
        count: Number of the reader's tokens of a word.

    Raises:
        OptionError: ``reduce_rate`` leaves nothing to keep.
    """
    drop_consecutive = drop_consecutive and not force_tokens.isdisjoint(words.texts)
    probabilities = list(words.probabilities)
    if drop_consecutive:
        _silence_repeated(words.texts, probabilities, reduce_rate, force_tokens)
    counts = [count(text) for text in words.texts]
    # Words without tokens go before numpy chooses the precision, as they do in the reference.
    counted = [probability for probability, n in zip(probabilities, counts, strict=True) if n]
    if not counted:
        return [0] * len(counts)
    weighted = np.repeat(np.asarray(counted), [n for n in counts if n])
    threshold = _percentile(weighted, int(100 * reduce_rate + 1), _cause(reduce_rate))
    labels = []
    last = None
    for text, probability in zip(words.texts, probabilities, strict=True):
        keep = probability > threshold or (threshold == 1.0 and probability == threshold)
        if keep and drop_consecutive and text == last and text in force_tokens:
            keep = False
        if keep:
            last = text
        labels.append(int(keep))
    return labels


def _silence_repeated(
    texts: Sequence[str],
    probabilities: list[Probability],
    reduce_rate: float,
    force_tokens: frozenset[str],
) -> None:
    threshold = _percentile(probabilities, int(100 * reduce_rate), _cause(reduce_rate))
    between = False
    previous = None
    for i, (text, probability) in enumerate(zip(texts, probabilities, strict=True)):
        if text not in force_tokens:
            between = between or probability > threshold
        else:
            if not between and text == previous:
                probabilities[i] = 0.0
            between = False
            previous = text


def _cause(reduce_rate: float) -> str:
    return f"rate (or target_token as a share of the tokens) = {1 - reduce_rate:.6g}"
