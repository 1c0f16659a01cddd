"""What white space stands in front of the units of a set, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .characters import NEWLINE
from .text import BoolArray, IntArray, Units

__all__ = ["Gaps", "find_gaps", "is_spaced"]


class Gaps(NamedTuple):
    """What stands in front of every unit; arrays of shape ``(n,)`` where nothing else is said.

    Of a text's first unit only the indentation means anything.
    """

    broken: BoolArray
    """Whether there is a line break."""
    spaced: BoolArray
    """Whether there is white space."""
    breaks: IntArray
    """Line breaks up to there, counted from the beginning."""
    places: IntArray
    """The last character of every line break, of shape ``(number of breaks,)``."""
    spaces: IntArray
    """Gaps with white space up to there, counted from the beginning."""
    indents: IntArray
    """Where the unit's indentation begins, which stays with it; its own start if it has none."""

    def line_breaks(self, text: str, first: int, last: int) -> str:
        """The line breaks of ``text`` numbered from ``first`` to before ``last``.

        CR LF is returned as it stands, all others as LF, since readers know few of them.
        """
        places = self.places[first:last].tolist()
        return "".join("\r\n" if text[i - 1 : i + 1] == "\r\n" else "\n" for i in places)


def find_gaps(
    units: Units,
    codes: NDArray[np.uint32],
    kinds: NDArray[np.uint16],
    firsts: IntArray,
    origins: IntArray,
) -> Gaps:
    """The gaps in front of ``units``.

    Args:
        units: The units of a set, ``n`` of them.
        codes: The code point of every character.
        kinds: The kind of every character.
        firsts: The first unit of every text that has any.
        origins: Where these texts begin.
    """
    starts, ends, size = units.starts, units.ends, len(units)
    at = np.flatnonzero(kinds & NEWLINE)
    # "\r\n" is one line break.
    follows = np.append(codes, np.uint32(0))[at + 1]
    at = at[(codes[at] != 0x0D) | (follows != 0x0A)]
    gap = np.searchsorted(starts, at)
    breaks = np.bincount(gap, minlength=size + 1)[:size]
    indents = np.append(starts, 0)
    # Of several breaks in a gap the last one counts.
    indents[gap] = at + 1
    indents[firsts] = origins
    spaced = np.ones(size, dtype=bool)
    spaced[1:] = starts[1:] > ends[:-1]
    return Gaps(breaks > 0, spaced, breaks.cumsum(), at, spaced.cumsum(), indents[:size])


def is_spaced(char: str) -> bool:
    """Whether ``char`` is a letter or digit of a script that puts spaces between words."""
    return char.isalnum() and not (
        "\u0e00" <= char <= "\u109f"
        or "\u1780" <= char <= "\u17ff"
        or "\u2e80" <= char <= "\u9fff"
        or char >= "\U00020000"
    )
