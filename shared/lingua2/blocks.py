"""Counts a selection by what the original's tokens say already.

The original was encoded to know its length, and most of what a selection keeps stands in it as it
did there. So nothing but the rest needs to be encoded to know how long a selection is.
"""

from __future__ import annotations

import numpy as np

from .prompt import Prompt
from .text import IntArray
from .vocabularies import BundledCounter

__all__ = ["KnownBlocks"]


class KnownBlocks:
    """The tokens of every block of a set: of what stands between one single space and the next.

    A block that is kept whole between two single spaces costs what it cost in the original, and
    what is left without it has as many tokens as before, see `BundledCounter`. So the numbers here
    are no estimates.
    """

    def __init__(
        self, prompt: Prompt, counter: BundledCounter, original: str, tokens: list[int]
    ) -> None:
        """Find the blocks.

        Args:
            prompt: The set.
            counter: The reader's token counter.
            original: The prompt with everything kept.
            tokens: Its tokens.
        """
        self._prompt = prompt
        self._counter = counter
        layout = prompt.layout
        starts, ends, document = layout.units.starts, layout.units.ends, layout.document
        opens = np.zeros(len(layout), dtype=bool)
        opens[1:] = (
            (starts[1:] - ends[:-1] == 1)
            & (document[1:] == document[:-1])
            & (layout.codes[ends[:-1]] == ord(" "))
        )
        heads = np.flatnonzero(opens)
        # What follows a text's last single space is no block: the frame joins it.
        heads, stops = heads[:-1], heads[1:]
        breaks, spaces = layout.gaps.breaks, layout.gaps.spaces
        # Without a block that holds a line break its neighbours would not stand on one line.
        inside = (document[heads] == document[stops]) & (breaks[heads] == breaks[stops])
        heads, stops = heads[inside], stops[inside]
        shift = (prompt.places() - layout.origins[:-1])[document[heads]]
        bounds = np.stack((ends[heads - 1], ends[stops - 1])) + shift
        behind = counter.ends(tokens)
        before, after = np.searchsorted(behind, _in_bytes(original, bounds), side="right")
        self._opens = opens
        self._sizes = np.zeros(len(layout), dtype=np.int64)
        self._sizes[heads] = stops - heads
        self._costs = np.zeros(len(layout), dtype=np.int64)
        self._costs[heads] = after - before
        # Numbers that differ where a line or a text ends between two units.
        self._lines, self._spaces = breaks + document * (len(original) + 1), spaces

    def count(self, kept: IntArray) -> int:
        """Tokens of the whole prompt with the given units kept, ascending indices of the set."""
        size = len(kept)
        if not size:
            return self._counter(self._prompt.render(kept))
        left, right = kept[:-1], kept[1:]
        lines, spaces = self._lines[kept], self._spaces[kept]
        # Where a single space stands in front of a kept unit, from the original or put in.
        spaced = np.zeros(size + 1, dtype=bool)
        spaced[1:size] = (
            (lines[1:] == lines[:-1])
            & (spaces[1:] > spaces[:-1])
            & ((right - left > 1) | self._opens[right])
        )
        sizes = self._sizes[kept]
        first = np.flatnonzero(spaced[:size] & (sizes > 0))
        behind = first + sizes[first]
        first, behind = first[behind < size], behind[behind < size]
        whole = spaced[behind] & (kept[behind - 1] - kept[first] == behind - 1 - first)
        first, behind = first[whole], behind[whole]
        depth = np.zeros(size + 1, dtype=np.int64)
        depth[first] += 1
        depth[behind] -= 1
        rest = kept[np.cumsum(depth)[:size] == 0]
        known = int(self._costs[kept[first]].sum())
        return known + self._counter(self._prompt.render(rest))


def _in_bytes(text: str, places: IntArray) -> IntArray:
    """Offsets in the characters of ``text`` as offsets in its bytes (UTF-8)."""
    if text.isascii():
        return places
    # A lone surrogate has three bytes, and so has the U+FFFD that is counted for it.
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
    return np.flatnonzero(data & 0xC0 != 0x80)[places]
