"""Puts the kept units of a text back together from verbatim slices.

Between two kept units stands the original white space if nothing was dropped there; else one
newline where the gap held one, one space where it held white space, and nothing where the script
has no spaces. A unit that stood first on its line keeps its indentation.
"""

from __future__ import annotations

import re

import numpy as np

from .text import MARKS, SENTENCE_MARKS, BoolArray, IntArray, Units

__all__ = ["Layout"]

_MARKS, _SENTENCE_MARKS = (
    np.array([ord(char) for char in chars], dtype=np.uint32) for chars in (MARKS, SENTENCE_MARKS)
)
_NEWLINE = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")


class Layout:
    """What stood between the units of one text.

    Attributes:
        text: The text.
        units: Its units.
        starts: Offset of each unit's first character, ``n`` of them.
        ends: Offset behind each unit's last character.
    """

    __slots__ = (
        "_breaks",
        "_indents",
        "_keep_breaks",
        "_spaces",
        "ends",
        "starts",
        "text",
        "units",
    )

    def __init__(self, text: str, units: Units, *, keep_breaks: bool = False) -> None:
        """Prepare ``text`` for rendering.

        Args:
            text: The text.
            units: Its units.
            keep_breaks: Keep every line break of a gap in which words were dropped, not one.
        """
        self.text = text
        self.units = units
        self._keep_breaks = keep_breaks
        # Plain lists: the budget's last steps look at single units, where NumPy is slow.
        self.starts: list[int] = units.starts.tolist()
        self.ends: list[int] = units.ends.tolist()
        breaks = np.zeros(len(units) + 1, dtype=np.int64)
        indents = np.append(units.starts, len(text))
        for match in _NEWLINE.finditer(text):
            gap = int(np.searchsorted(units.starts, match.start()))
            breaks[gap] += 1
            indents[gap] = match.end()
        indents[:1] = 0
        gaps = units.starts > np.concatenate(([0], units.ends[:-1]))
        self._breaks: list[int] = np.cumsum(breaks).tolist()
        self._spaces: list[int] = np.cumsum(gaps).tolist()
        self._indents: list[int] = indents.tolist()

    def __len__(self) -> int:
        return len(self.starts)

    def marks(self) -> tuple[BoolArray, BoolArray]:
        """Which units are punctuation, and which of them can end a sentence."""
        if not len(self):
            return np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)
        codes = np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        first, last = codes[self.starts], codes[np.subtract(self.ends, 1)]
        # Marks are cut off in runs of one character, so a unit that begins and ends with the same
        # mark consists of it.
        marks = np.isin(first, _MARKS) & (first == last)
        return marks, marks & np.isin(first, _SENTENCE_MARKS)

    def begins_line(self) -> BoolArray:
        """Which units stand behind a line break, or behind one and white space."""
        return np.greater(np.diff(self._breaks[: len(self)], prepend=0), 0)

    def signs(self) -> BoolArray:
        """Which units have no letter and no digit: punctuation, bullets, operators, emoji."""
        spelled = np.cumsum([0, *map(str.isalnum, self.text)])
        signs: BoolArray = spelled[self.units.ends] == spelled[self.units.starts]
        return signs

    def glued(self) -> BoolArray:
        """Which units follow the one before them without white space."""
        return np.equal(np.diff(self._spaces, prepend=0), 0)

    def unit(self, index: int) -> str:
        """The unit at ``index``."""
        return self.text[self.starts[index] : self.ends[index]]

    def separator(self, left: int, right: int) -> str:
        """What stands between the kept units ``left`` and ``right`` when none between is kept.

        ``left`` is -1 in front of the first kept unit, ``right`` is ``len(self)`` behind the last.
        """
        if right == len(self):
            return self.text[self.ends[left] :] if left == right - 1 and right else ""
        start = self.starts[right]
        if left < 0:
            return self.text[self._indents[right] : start]
        end = self.ends[left]
        if right == left + 1:
            return self.text[end:start]
        breaks = self._breaks[right] - self._breaks[left]
        if breaks:
            count = breaks if self._keep_breaks else 1
            return "\n" * count + self.text[self._indents[right] : start]
        if self._spaces[right] > self._spaces[left]:
            return " "
        # "PythonとJava" without its "と" must not become "PythonJava".
        return " " if _is_spaced(self.text[end - 1]) and _is_spaced(self.text[start]) else ""

    def render(self, kept: IntArray) -> tuple[str, list[tuple[int, int]]]:
        """The text of the kept units and the spans of ``text`` that it consists of.

        Args:
            kept: Ascending unit indices.

        Returns:
            The compressed text, and per run of units kept together its ``(start, end)`` characters.
        """
        if not len(kept):
            return "", []
        text, starts, ends, indents = self.text, self.starts, self.ends, self._indents
        edges = np.flatnonzero(np.diff(kept) > 1)
        firsts = kept[np.concatenate(([0], edges + 1))].tolist()
        lasts = kept[np.concatenate((edges, [len(kept) - 1]))].tolist()
        parts: list[str] = []
        spans: list[tuple[int, int]] = []
        before = -1
        for first, last in zip(firsts, lasts, strict=True):
            separator = self.separator(before, first)
            # The indentation is the text's own; only the line break before it is put in.
            start = starts[first]
            separator = separator[: len(separator) - (start - indents[first])]
            start = indents[first]
            end = ends[last] if last < len(starts) - 1 else len(text)
            parts += (separator, text[start:end])
            spans.append((start, end))
            before = last
        return "".join(parts), spans


def _is_spaced(char: str) -> bool:
    # Letters and digits of scripts that put spaces between words.
    return char.isalnum() and not (
        "\u0e00" <= char <= "\u109f"
        or "\u1780" <= char <= "\u17ff"
        or "\u2e80" <= char <= "\u9fff"
        or char >= "\U00020000"
    )
