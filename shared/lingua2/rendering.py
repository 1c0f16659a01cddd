"""Puts the kept units of texts back together from verbatim slices.

Between two kept units stands the original white space if nothing was dropped there; else the last
line break of the gap if it held one, one space where it held white space, and nothing where the
script has no spaces. A unit that stood first on its line keeps its indentation. A line break is
CR LF where that stands in the text; all others become LF, since readers know few of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .characters import ALNUM, MARK, SENTENCE_MARK, code_points, kinds_of
from .gaps import Gaps, find_gaps, is_spaced
from .text import BoolArray, IntArray, Units

__all__ = ["Layout", "Span"]

Span = tuple[int, int]
"""Characters ``text[start:end]``."""


class Layout:
    """The units of one text, or of a set of texts, and what stood between them.

    The texts of a set share one string and one numbering of units, so that looking at all of them
    costs hardly more than looking at one.

    Attributes:
        text: The text; those of a set with a space between any two.
        units: The units.
        origins: Offset at which each text begins, and that of one more behind the last.
        offsets: Number of each text's first unit, and ``n``.
    """

    def __init__(
        self, text: str, units: Units, *, keep_breaks: bool = False, strip: bool = False
    ) -> None:
        """Prepare ``text`` for rendering.

        Args:
            text: The text.
            units: Its units.
            keep_breaks: Keep every line break of a gap in which words were dropped, not one.
            strip: Leave out what white space would stand around what is left of a text.
        """
        self.text = text
        self.units = units
        self.origins = np.array([0, len(text) + 1])
        self.offsets = np.array([0, len(units)])
        self._keep_breaks = keep_breaks
        self._strip = strip

    @classmethod
    def joined(cls, layouts: Sequence[Layout]) -> Layout:
        """The texts of several layouts of one text each, all made with the same options."""
        if len(layouts) == 1:
            return layouts[0]
        # Not a newline: one text may end with the "\r" that would swallow it.
        text = " ".join([layout.text for layout in layouts])
        lengths = [len(layout.text) + 1 for layout in layouts]
        sizes = [len(layout.units) for layout in layouts]
        origins = np.array([0, *itertools.accumulate(lengths)])
        shift = np.repeat(origins[:-1], sizes)
        none = np.zeros(0, dtype=np.int64)
        starts = np.concatenate([layout.units.starts for layout in layouts] or [none]) + shift
        ends = np.concatenate([layout.units.ends for layout in layouts] or [none]) + shift
        keep_breaks = any(layout._keep_breaks for layout in layouts)
        strip = any(layout._strip for layout in layouts)
        made = cls(text, Units(starts, ends), keep_breaks=keep_breaks, strip=strip)
        made.origins = origins
        made.offsets = np.array([0, *itertools.accumulate(sizes)])
        return made

    def __len__(self) -> int:
        return len(self.units)

    # A view gives plain integers one by one, where NumPy gives slow scalars.
    @cached_property
    def starts(self) -> memoryview:
        """Offset of each unit's first character in `text`, ``n`` of them."""
        return self.units.starts.data

    @cached_property
    def ends(self) -> memoryview:
        """Offset behind each unit's last character."""
        return self.units.ends.data

    @cached_property
    def document(self) -> IntArray:
        """The number of each unit's text, shape ``(n,)``."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.offsets[1:] - self.offsets[:-1])

    def marks(self) -> tuple[BoolArray, BoolArray]:
        """Which units are punctuation, and which of them can end a sentence."""
        first, last = self.codes[self.units.starts], self.codes[self.units.ends - 1]
        kinds = self._kinds[self.units.starts]
        # Marks are cut off in runs of one character, so a unit that begins and ends with the same
        # mark consists of it.
        marks = (kinds & MARK != 0) & (first == last)
        return marks, marks & (kinds & SENTENCE_MARK != 0)

    def begins_line(self) -> BoolArray:
        """Which units but a text's first one stand behind a line break."""
        return self.gaps.broken

    def signs(self) -> BoolArray:
        """Which units have no letter and no digit: punctuation, bullets, operators, emoji."""
        return self._signs

    def holds(self, kind: int) -> BoolArray:
        """Which units have a character of a kind, one of `characters`' bits."""
        counts = np.zeros(len(self._kinds) + 1, dtype=np.int64)
        (self._kinds & kind != 0).cumsum(out=counts[1:])
        return counts[self.units.ends] > counts[self.units.starts]

    def unit(self, index: int) -> str:
        """The unit at ``index``."""
        return self.text[self.starts[index] : self.ends[index]]

    def separator(self, left: int, right: int) -> str:
        """What stands between the kept units ``left`` and ``right`` when none between is kept.

        ``left`` is -1 in front of a text's first kept unit, ``right`` is ``len(self)`` behind its
        last.
        """
        if right == len(self):
            return self.text[self.ends[left] : self._stops[left]] if left >= 0 else ""
        start = self.starts[right]
        if left < 0:
            return "" if self._strip else self.text[self._indents[right] : start]
        end = self.ends[left]
        if right == left + 1:
            return self.text[end:start]
        last, first = self._breaks[right], self._breaks[left]
        if last > first:
            first = first if self._keep_breaks else last - 1
            indent = self.text[self._indents[right] : start]
            return self.gaps.line_breaks(self.text, first, last) + indent
        if self._spaces[right] > self._spaces[left]:
            return " "
        # "PythonとJava" without its "と" must not become "PythonJava".
        return " " if is_spaced(self.text[end - 1]) and is_spaced(self.text[start]) else ""

    def render(self, kept: IntArray) -> tuple[str, list[Span]]:
        """The first text and its spans."""
        return self.texts(kept)[0], self.spans(kept)[0]

    def texts(self, kept: IntArray) -> list[str]:
        """What is left of each text.

        Args:
            kept: Ascending unit indices.
        """
        if not len(kept):
            return [""] * (len(self.offsets) - 1)
        firsts, lasts = self._runs(kept)
        starts, stops = self._characters(firsts, lasts)
        text = self.text
        parts = [""] * (2 * len(firsts))
        parts[::2] = self._between_runs(firsts, lasts)
        parts[1::2] = [text[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
        # What stands in front of the first run of a text belongs to the text before.
        return ["".join(parts[2 * a + 1 : 2 * b]) for a, b in self._bounds(firsts)]

    def spans(self, kept: IntArray) -> list[list[Span]]:
        """The characters of each text that are left, per run of units kept together.

        Args:
            kept: Ascending unit indices.
        """
        firsts, lasts = self._runs(kept)
        starts, stops = self._characters(firsts, lasts)
        origins = self.origins[self.document[firsts]]
        pairs = list(zip((starts - origins).tolist(), (stops - origins).tolist(), strict=True))
        return [pairs[a:b] for a, b in self._bounds(firsts)]

    def _characters(self, firsts: IntArray, lasts: IntArray) -> tuple[IntArray, IntArray]:
        """Where runs begin and end in ``text``."""
        starts = self.gaps.indents[firsts]
        if self._strip and len(firsts):
            document = self.document[firsts]
            first = np.append(True, document[1:] != document[:-1])
            starts = np.where(first, self.units.starts[firsts], starts)
        return starts, self._stop_array[lasts]

    def _bounds(self, firsts: IntArray) -> list[tuple[int, int]]:
        """Which runs are those of each text, given the first unit of every run."""
        return list(itertools.pairwise(np.searchsorted(firsts, self.offsets).tolist()))

    def _runs(self, kept: IntArray) -> tuple[IntArray, IntArray]:
        """First and last unit of every run of units of one text that are kept together."""
        document = self.document[kept]
        cuts = np.ones(len(kept) + 1, dtype=bool)
        cuts[1:-1] = (kept[1:] - kept[:-1] > 1) | (document[1:] != document[:-1])
        return kept[cuts[:-1]], kept[cuts[1:]]

    def _between_runs(self, firsts: IntArray, lasts: IntArray) -> list[str]:
        """What stands in front of every run, without the indentation that is part of it."""
        separators = [" "] * len(firsts)
        left, right = lasts[:-1], firsts[1:]
        gaps = self.gaps
        plain = (gaps.breaks[left] == gaps.breaks[right]) & (gaps.spaces[left] < gaps.spaces[right])
        for i in np.flatnonzero(~plain).tolist():
            unit = int(right[i])
            separator = self.separator(int(left[i]), unit)
            indented = self.starts[unit] - self._indents[unit]
            separators[i + 1] = separator[: len(separator) - indented]
        return separators

    @cached_property
    def codes(self) -> NDArray[np.uint32]:
        """The code point of every character."""
        return code_points(self.text)

    @cached_property
    def _signs(self) -> BoolArray:
        return ~self.holds(ALNUM)

    @cached_property
    def _kinds(self) -> NDArray[np.uint16]:
        return kinds_of(self.codes)

    @cached_property
    def gaps(self) -> Gaps:
        """What stands in front of every unit."""
        filled = self._filled
        return find_gaps(
            self.units, self.codes, self._kinds, self.offsets[filled], self.origins[filled]
        )

    @cached_property
    def _filled(self) -> IntArray:
        """Numbers of the texts that have units."""
        return np.flatnonzero(self.offsets[1:] > self.offsets[:-1])

    @cached_property
    def _stop_array(self) -> IntArray:
        """Where each unit ends; the last one of a text takes with it what follows."""
        stops = self.units.ends.copy()
        if self._strip:
            return stops
        filled = self._filled
        stops[self.offsets[filled + 1] - 1] = self.origins[filled + 1] - 1
        return stops

    @cached_property
    def _breaks(self) -> memoryview:
        return self.gaps.breaks.data

    @cached_property
    def _spaces(self) -> memoryview:
        return self.gaps.spaces.data

    @cached_property
    def _indents(self) -> memoryview:
        return self.gaps.indents.data

    @cached_property
    def _stops(self) -> memoryview:
        return self._stop_array.data
