"""From texts to scored units: tokenise once, cut windows at sentence ends, run the model, pool.

Scores depend on a text and the checkpoint alone, not on budget, query or neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .backends import Backend, FloatArray
from .counting import well_formed
from .text import IntArray, Units, has_unspaced, split_units

if TYPE_CHECKING:
    from .loading import Checkpoint

__all__ = ["Encoder", "ScoredText"]

# Texts are tokenised in groups, so that the Rust side's memory for one call stays bounded.
_GROUP_CHARACTERS = 4_000_000
# White space by code point; the last entry stands for everything above U+3000.
_SPACES = np.array([chr(code).isspace() for code in range(0x3002)])


@dataclass(frozen=True, slots=True, eq=False)
class ScoredText:
    """A text's units and the model's opinion of them.

    Attributes:
        text: The text.
        units: Its units, ``n`` of them.
        mean: Mean keep probability of each unit's tokens, float32, shape ``(n,)``; 0 where the
            tokenizer yields no token for a unit.
        first: Keep probability of each unit's first token, float32, shape ``(n,)``.
    """

    text: str
    units: Units
    mean: FloatArray
    first: FloatArray

    def probabilities(self, token_to_word: str) -> FloatArray:
        """Keep probability of each unit, pooled as ``"mean"`` or ``"first"``."""
        return self.first if token_to_word == "first" else self.mean


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Token ids of one text with the characters that they stand for."""

    ids: list[int]
    starts: IntArray
    ends: IntArray


class Encoder:
    """Scores the units of texts with one checkpoint. Safe to use from several threads."""

    def __init__(self, checkpoint: Checkpoint, backend: Backend) -> None:
        self._checkpoint = checkpoint
        self._backend = backend
        self._window = checkpoint.max_length - len(checkpoint.prefix) - len(checkpoint.suffix)

    @property
    def backend(self) -> Backend:
        """What runs the model."""
        return self._backend

    def score(self, texts: Sequence[str]) -> list[ScoredText]:
        """Score every text; identical texts are scored once.

        Args:
            texts: Any strings; nothing is cut off, however long.

        Returns:
            One `ScoredText` per text, in order.
        """
        distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        tokens = self._tokenize(list(distinct))
        units = [self._units(text, item) for text, item in zip(distinct, tokens, strict=True)]
        windows: list[Sequence[int]] = []
        cuts: list[list[int]] = []
        for text, item, unit in zip(distinct, tokens, units, strict=True):
            bounds = self._cut(text, item, unit)
            cuts.append(bounds)
            windows += [
                (*self._checkpoint.prefix, *item.ids[low:high], *self._checkpoint.suffix)
                for low, high in itertools.pairwise(bounds)
            ]
        probabilities = iter(self._backend.keep_probabilities(windows))
        inner = slice(len(self._checkpoint.prefix), -len(self._checkpoint.suffix) or None)
        scored = []
        for text, item, unit, bounds in zip(distinct, tokens, units, cuts, strict=True):
            parts = [next(probabilities)[inner] for _ in bounds[1:]]
            values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
            scored.append(_pool(text, unit, item, values))
        return [scored[distinct[text]] for text in texts]

    def _tokenize(self, texts: list[str]) -> list[_Tokens]:
        tokens: list[_Tokens] = []
        group: list[str] = []
        size = 0
        for i, text in enumerate(texts):
            group.append(text)
            size += len(text)
            if size >= _GROUP_CHARACTERS or i == len(texts) - 1:
                tokens += self._tokenize_group(group)
                group, size = [], 0
        return tokens

    def _tokenize_group(self, texts: list[str]) -> list[_Tokens]:
        encodings = self._checkpoint.pieces.encode_batch(
            [well_formed(text) for text in texts], add_special_tokens=False
        )
        tokens = []
        for text, encoding in zip(texts, encodings, strict=True):
            offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
            starts, ends = _without_spaces(text, offsets[:, 0], offsets[:, 1])
            tokens.append(_Tokens(encoding.ids, starts, ends))
        return tokens

    def _units(self, text: str, tokens: _Tokens) -> Units:
        if not has_unspaced(text):
            return split_units(text)
        return split_units(text, np.unique(tokens.starts))

    def _cut(self, text: str, tokens: _Tokens, units: Units) -> list[int]:
        """Window bounds as token positions: ``bounds[i]:bounds[i + 1]`` is window ``i``.

        Windows of a text get about the same length, so that no tail is scored without context,
        and end at a sentence end where there is one near enough (paper, section 3.2 of the
        reference implementation's chunking), else between two units.
        """
        total, longest = len(tokens.ids), self._window
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


def _pool(text: str, units: Units, tokens: _Tokens, values: FloatArray) -> ScoredText:
    """Word probabilities from token probabilities; ``values`` has shape ``(len(tokens.ids),)``."""
    count = len(units)
    if not count or not len(values):
        zeros = np.zeros(count, np.float32)
        return ScoredText(text, units, zeros, zeros)
    # A token covers units first..last; nearly always one, but `."` may be one token and two units.
    first = np.searchsorted(units.ends, tokens.starts, side="right")
    last = np.searchsorted(units.starts, tokens.ends, side="left") - 1
    covered = np.where(tokens.starts < tokens.ends, np.maximum(last - first + 1, 0), 0)
    token = np.repeat(np.arange(len(values)), covered)
    offset = np.arange(len(token)) - np.repeat(np.cumsum(covered) - covered, covered)
    unit = first[token] + offset
    sums = np.bincount(unit, weights=values[token], minlength=count)
    counts = np.bincount(unit, minlength=count)
    mean = np.divide(sums, counts, out=np.zeros(count), where=counts > 0)
    head = np.zeros(count, np.float32)
    # Written back to front, so that a unit's first token is the one that stays.
    head[unit[::-1]] = values[token[::-1]]
    return ScoredText(text, units, mean.astype(np.float32), head)
