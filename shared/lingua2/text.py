"""Cuts a text into units with character offsets.

A *unit* is the smallest piece that is kept or dropped whole. In scripts with spaces it is a run of
non-space characters with the punctuation at its edges split off and nothing inside it, so
identifiers, numbers and URLs stay whole; only a long run, such as JSON without spaces, is split at
its commas, brackets and quotes as well. In scripts without spaces the pieces of the model's
tokenizer are the units.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .characters import (
    CUT,
    DIGIT,
    FULL_STOP,
    MARK,
    MARKS,
    SENTENCE_MARKS,
    SPACE,
    UNSPACED,
    code_points,
    has_unspaced,
    kinds_of,
    well_formed,
)
from .runs import LONG_RUN, split_run

__all__ = [
    "MARKS",
    "SENTENCE_MARKS",
    "BoolArray",
    "IntArray",
    "Units",
    "has_unspaced",
    "split_texts",
    "split_units",
    "well_formed",
]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_CLOSING = "\"'”’»)]}」』）】》.,;:!?…"
_CLOSERS = "\"'”’»)]}」』）】》"
_SENTENCE_END = re.compile(f"[{SENTENCE_MARKS}]+[{re.escape(_CLOSERS)}]*\\Z")
_ENDINGS = frozenset(SENTENCE_MARKS + _CLOSERS)
_NEWLINE = re.compile(r"[\n\r\x0b\x0c\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The units of one text, in order and not overlapping.

    Attributes:
        starts: Character offset of each unit's first character, int64, shape ``(n,)``.
        ends: Offset behind each unit's last character, int64, shape ``(n,)``.
    """

    starts: IntArray
    ends: IntArray

    def __len__(self) -> int:
        return len(self.starts)

    def sentence_starts(self, text: str) -> BoolArray:
        """Which units begin a sentence: behind closing punctuation or a line break."""
        flags = np.zeros(len(self), dtype=bool)
        flags[:1] = True
        starts, ends = self.starts[1:].tolist(), self.ends[:-1].tolist()
        for i, (end, start) in enumerate(zip(ends, starts, strict=True), 1):
            closed = text[end - 1] in _ENDINGS and (
                # A closing quote or bracket still belongs to the sentence.
                (end < start or text[start] not in _CLOSING)
                and _SENTENCE_END.search(text, max(0, end - 4), end)
            )
            if closed or (end < start and _NEWLINE.search(text, end, start)):
                flags[i] = True
        return flags


def split_units(text: str, pieces: IntArray | None = None) -> Units:
    """Cut ``text`` into units.

    Args:
        text: Any string.
        pieces: Character offsets at which the model's tokenizer begins a token, sorted; used in
            scripts without spaces only. Without it every character there is a unit.
    """
    return split_texts([text], [pieces])[0]


def split_texts(
    texts: Sequence[str], pieces: Sequence[IntArray | None] | None = None
) -> list[Units]:
    """Cut each of many texts into units, at a fraction of what cutting one by one costs.

    Args:
        texts: Any strings.
        pieces: What `split_units` takes, per text.
    """
    origins = np.array([0, *itertools.accumulate(len(text) + 1 for text in texts)])
    kinds = kinds_of(code_points(" ".join(texts)))
    starts, ends = _runs(kinds)
    marked, odd = _looks(kinds, starts, ends)
    found: list[tuple[int, int]] = []
    document = np.searchsorted(origins, starts[odd], side="right") - 1
    origin = origins[document]
    rows = (document, starts[odd] - origin, ends[odd] - origin, origin)
    for number, start, end, shift in zip(*(row.tolist() for row in rows), strict=True):
        own: list[tuple[int, int]] = []
        split_run(texts[number], start, end, pieces[number] if pieces else None, own)
        found += [(a + shift, b + shift) for a, b in own] if shift else own
    rest = np.array(found, dtype=np.int64).reshape(-1, 2)
    mark_ends = ends[marked]
    common = ~odd
    all_starts = np.concatenate((starts[common], mark_ends - 1, rest[:, 0]))
    all_ends = np.concatenate((ends[common] - marked[common], mark_ends, rest[:, 1]))
    order = all_starts.argsort(kind="stable")
    all_starts, all_ends = all_starts[order], all_ends[order]
    bounds = np.searchsorted(all_starts, origins).tolist()
    return [
        Units(all_starts[low:high] - origin, all_ends[low:high] - origin)
        for low, high, origin in zip(bounds[:-1], bounds[1:], origins[:-1].tolist(), strict=True)
    ]


def _runs(kinds: NDArray[np.uint16]) -> tuple[IntArray, IntArray]:
    """Where runs of characters other than white space begin and end."""
    space = np.ones(len(kinds) + 2, dtype=bool)
    space[1:-1] = kinds & SPACE != 0
    turns = np.flatnonzero(space[1:] != space[:-1])
    return turns[::2], turns[1::2]


def _looks(
    kinds: NDArray[np.uint16], starts: IntArray, ends: IntArray
) -> tuple[BoolArray, BoolArray]:
    """Which runs are a word with one mark behind it, and which are neither that nor a word.

    The words of both begin and end with no mark. These are nearly all runs of most texts.
    """
    if not len(starts):
        return np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)
    size = ends - starts
    first, last, before = kinds[starts], kinds[ends - 1], kinds[ends - 2]
    # "1." may be a list marker, "U.S." is an abbreviation.
    stop = (last & FULL_STOP != 0) & (size > 2) & (before & DIGIT == 0)
    stop &= kinds[np.maximum(ends - 3, 0)] & FULL_STOP == 0
    marked = ((last & CUT != 0) & (size > 1) | stop) & ((first | before) & MARK == 0)
    marked &= size <= LONG_RUN + 1
    word = ((first | last) & MARK == 0) & (size <= LONG_RUN)
    odd = ~(word | marked)
    unspaced = kinds & UNSPACED != 0
    if unspaced.any():
        counts = np.append(0, unspaced.cumsum())
        odd |= counts[ends] > counts[starts]
    return marked & ~odd, odd
