"""Cuts one run without spaces into units: the few that are more than a word and a mark."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from .characters import LEADING, TRAILING, UNSPACED_MARKS, UNSPACED_RUN, has_unspaced

__all__ = ["LONG_RUN", "split_run"]

_PAIRS = {")": "(", "]": "[", "}": "{"}
_CLOSERS = {opener: closer for closer, opener in _PAIRS.items()}
_ALL_MARKS = re.compile(f"[{re.escape(LEADING + TRAILING)}]+")
# "U.S.", "e.g.", "J.": the last full stop belongs to the abbreviation.
_ABBREVIATION = re.compile(r"(?:[^\W\d_]\.)+")
# A page of JSON without spaces must not be one unit, which no budget could hold.
LONG_RUN = 40
"""Characters that a unit may have without a look inside."""
_INNER_MARK = re.compile(r"([,;(){}\[\]\"])\1*")
_LIST_MARKER = re.compile(r"(?:\d{1,3}|[A-Za-z])[.)]")
# Joins what follows to what stands before: variation selectors, zero-width joiners, keycaps, tags.
_JOINERS = "\u200d\ufe0e\ufe0f\u20e3"


def split_run(
    text: str,
    start: int,
    end: int,
    pieces: NDArray[np.int64] | None,
    bounds: list[tuple[int, int]],
) -> None:
    """Append the units of the run ``text[start:end]`` to ``bounds``, see `split_units`."""
    if has_unspaced(text[start:end]):
        _split_mixed(text, start, end, pieces, bounds)
    else:
        _split_edges(text, start, end, bounds)


def _split_edges(text: str, start: int, end: int, bounds: list[tuple[int, int]]) -> None:
    """Split punctuation off both edges of ``text[start:end]``, a run without spaces."""
    if _ALL_MARKS.fullmatch(text, start, end):
        _append_marks(text, start, end, bounds)
        return
    if _LIST_MARKER.fullmatch(text, start, end) and _begins_line(text, start):
        bounds.append((start, end))
        return
    left, right = start, end
    while text[left] in LEADING and not _joined(text, left + 1):
        left += 1
    excess: dict[str, int] = {}
    while (mark := text[right - 1]) in TRAILING:
        # The bracket of `f(x)` and `a[0]` belongs to the word; that of `(see below)` does not.
        if mark in _PAIRS:
            if mark not in excess:
                closing, opening = (text.count(c, left, right) for c in (mark, _PAIRS[mark]))
                excess[mark] = closing - opening
            if excess[mark] <= 0:
                break
            excess[mark] -= 1
        if mark == "." and right - left < 12 and _ABBREVIATION.fullmatch(text, left, right):
            break
        right -= 1
    # Likewise the opening bracket of `[link](url)`, whose partner stands inside the word.
    missing: dict[str, int] = {}
    while left > start and (closer := _CLOSERS.get(text[left - 1])):
        if closer not in missing:
            closing, opening = (text.count(c, left, right) for c in (closer, text[left - 1]))
            missing[closer] = closing - opening
        if missing[closer] <= 0:
            break
        missing[closer] -= 1
        left -= 1
    _append_marks(text, start, left, bounds)
    if right - left > LONG_RUN and text.find("://", left, right) < 0:
        _split_inside(text, left, right, bounds)
    else:
        bounds.append((left, right))
    _append_marks(text, right, end, bounds)


def _split_inside(text: str, start: int, end: int, bounds: list[tuple[int, int]]) -> None:
    for match in _INNER_MARK.finditer(text, start, end):
        if _joined(text, match.end()):
            continue
        if start < match.start():
            bounds.append((start, match.start()))
        bounds.append(match.span())
        start = match.end()
    if start < end:
        bounds.append((start, end))


def _begins_line(text: str, start: int) -> bool:
    while start and text[start - 1] in " \t":
        start -= 1
    return start == 0 or text[start - 1] in "\n\r"


def _append_marks(text: str, start: int, end: int, bounds: list[tuple[int, int]]) -> None:
    # "..." and "!!" are one mark each; `)."` is three.
    while start < end:
        stop = start + 1
        while stop < end and text[stop] == text[start]:
            stop += 1
        bounds.append((start, stop))
        start = stop


def _split_mixed(
    text: str, start: int, end: int, pieces: NDArray[np.int64] | None, bounds: list[tuple[int, int]]
) -> None:
    """Split a run that holds a script without spaces, perhaps between Latin words and numbers."""
    position = start
    while position < end:
        match = UNSPACED_RUN.search(text, position, end)
        stop = match.start() if match else end
        while match and stop < end and _joined(text, stop):
            stop += 1
        if position < stop:
            _split_edges(text, position, stop, bounds)
        if not match:
            return
        stop, last = max(stop, match.start()), match.end()
        while last < end and _joined(text, last):
            last += 1
        _split_unspaced(text, stop, last, pieces, bounds)
        position = last


def _split_unspaced(
    text: str, start: int, end: int, pieces: NDArray[np.int64] | None, bounds: list[tuple[int, int]]
) -> None:
    if pieces is None:
        cuts = set(range(start, end))
    else:
        low, high = np.searchsorted(pieces, (start, end))
        cuts = set(pieces[low:high].tolist())
    # Punctuation stands alone even where a piece holds it together with a word.
    for i in range(start, end):
        if text[i] in UNSPACED_MARKS:
            cuts.update((i, i + 1))
    previous = start
    for cut in sorted(cuts):
        if previous < cut < end and not _joined(text, cut):
            bounds.append((previous, cut))
            previous = cut
    if previous < end:
        bounds.append((previous, end))


def _joined(text: str, position: int) -> bool:
    """Whether the character at ``position`` must not be cut off from the one before it."""
    if position >= len(text) or text[position] < "\u0300":
        return False
    char = text[position]
    return (
        char in _JOINERS
        or text[position - 1] == "\u200d"
        or unicodedata.category(char) in ("Mn", "Mc", "Me")
    )
