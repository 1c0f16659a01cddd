"""From texts to scored units: tokenise once, cut windows at sentence ends, run the model, pool.

Scores depend on a text and the checkpoint alone, not on budget or neighbours; nor on the query,
unless the model reads it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .backends import Backend
from .counting import well_formed
from .pooling import Tokens, pool
from .questions import question_prefix
from .scores import ScoredText
from .text import IntArray, Units, has_unspaced, split_units

if TYPE_CHECKING:
    from .loading import Tokenization

__all__ = ["Encoder", "ScoredText"]

# Texts are tokenised in groups, so that the Rust side's memory for one call stays bounded.
_GROUP_CHARACTERS = 4_000_000
# White space by code point; the last entry stands for everything above U+3000.
_SPACES = np.array([chr(code).isspace() for code in range(0x3002)])


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A text on its way to the model; ``bounds`` are those of its windows, see `_cut`."""

    text: str
    tokens: Tokens
    units: Units
    bounds: list[int]


class Encoder:
    """Scores the units of texts with one checkpoint. Safe to use from several threads."""

    def __init__(self, checkpoint: Tokenization, backend: Backend) -> None:
        self._checkpoint = checkpoint
        self._backend = backend

    @property
    def reads_questions(self) -> bool:
        """Whether the model learnt to read a question before the text."""
        return self._checkpoint.reads_questions

    @property
    def backend(self) -> Backend:
        """What runs the model."""
        return self._backend

    def score(self, texts: Sequence[str], question: str = "") -> list[ScoredText]:
        """Score every text; identical texts are scored once.

        Args:
            texts: Any strings; nothing is cut off, however long.
            question: What the model reads before every window, for one that learnt to.

        Returns:
            One `ScoredText` per text, in order.
        """
        distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        prefix = question_prefix(self._checkpoint, question)
        prepared = self._prepared(list(distinct), prefix)
        windows = [window for text in prepared for window in self._windows(text, prefix)]
        probabilities = iter(self._backend.keep_probabilities(windows))
        inner = slice(len(prefix), -len(self._checkpoint.suffix) or None)
        scored = []
        for text in prepared:
            parts = [next(probabilities)[inner] for _ in text.bounds[1:]]
            values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
            scored.append(
                pool(text.text, text.units, text.tokens, values, self._checkpoint.unknown_id)
            )
        return [scored[distinct[text]] for text in texts]

    def windows(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """The token ids that the model reads for ``texts``, window by window."""
        prefix = self._checkpoint.prefix
        prepared = self._prepared(list(texts), prefix)
        return [window for text in prepared for window in self._windows(text, prefix)]

    def _prepared(self, texts: list[str], prefix: Sequence[int]) -> list[_Prepared]:
        longest = self._checkpoint.max_length - len(prefix) - len(self._checkpoint.suffix)
        prepared = []
        for text, tokens in self._tokenize(texts):
            units = self._units(text, tokens)
            prepared.append(_Prepared(text, tokens, units, _cut(text, tokens, units, longest)))
        return prepared

    def _windows(self, text: _Prepared, prefix: Sequence[int]) -> Iterator[Sequence[int]]:
        for low, high in itertools.pairwise(text.bounds):
            yield (*prefix, *text.tokens.ids[low:high], *self._checkpoint.suffix)

    def _tokenize(self, texts: list[str]) -> list[tuple[str, Tokens]]:
        tokens: list[Tokens] = []
        group: list[str] = []
        size = 0
        for i, text in enumerate(texts):
            group.append(text)
            size += len(text)
            if size >= _GROUP_CHARACTERS or i == len(texts) - 1:
                tokens += self._tokenize_group(group)
                group, size = [], 0
        return list(zip(texts, tokens, strict=True))

    def _tokenize_group(self, texts: list[str]) -> list[Tokens]:
        encodings = self._checkpoint.pieces.encode_batch(
            [well_formed(text) for text in texts], add_special_tokens=False
        )
        tokens = []
        for text, encoding in zip(texts, encodings, strict=True):
            offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
            starts, ends = _without_spaces(text, offsets[:, 0], offsets[:, 1])
            tokens.append(Tokens(encoding.ids, starts, ends))
        return tokens

    def _units(self, text: str, tokens: Tokens) -> Units:
        if not has_unspaced(text):
            return split_units(text)
        return split_units(text, np.unique(tokens.starts))


def _cut(text: str, tokens: Tokens, units: Units, longest: int) -> list[int]:
    """Window bounds as token positions: ``bounds[i]:bounds[i + 1]`` is window ``i``.

    Windows of a text get about the same length, so that no tail is scored without context,
    and end at a sentence end where there is one near enough (paper, section 3.2 of the
    reference implementation's chunking), else between two units.
    """
    total = len(tokens.ids)
    if total <= longest:
        return [0, total] if total else [0]
    unit_tokens = np.searchsorted(tokens.ends, units.starts, side="right")
    sentence_tokens = unit_tokens[units.sentence_starts(text)]
    bounds = [0]
    while total - bounds[-1] > longest:
        low = bounds[-1]
        target = low + -(-(total - low) // -(-(total - low) // longest))
        cut = _nearest(sentence_tokens, target, (low + target) // 2, low + longest)
        if cut is None:
            cut = _nearest(unit_tokens, target, (low + target) // 2, low + longest)
        bounds.append(low + longest if cut is None else cut)
    return [*bounds, total]


def _nearest(positions: IntArray, target: int, above: int, most: int) -> int | None:
    """The position nearest to ``target`` among those in ``(above, most]``."""
    low, high = np.searchsorted(positions, (above, most), side="right")
    if low == high:
        return None
    candidates = positions[low:high]
    return int(candidates[np.abs(candidates - target).argmin()])


def _without_spaces(text: str, starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """Token spans without the white space that some tokenizers count to a token."""
    if not len(starts):
        return starts, ends
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    space = _SPACES[np.minimum(codes, len(_SPACES) - 1)]
    starts, ends = starts.copy(), ends.copy()
    last = len(text) - 1
    while (shrink := (starts < ends) & space[np.minimum(starts, last)]).any():
        starts += shrink
    while (shrink := (starts < ends) & space[np.maximum(ends - 1, 0)]).any():
        ends -= shrink
    return starts, ends
