"""Cuts a text into units with character offsets.

A *unit* is the smallest piece that is kept or dropped whole. In scripts with spaces it is a run of
non-space characters with the punctuation at its edges split off and nothing inside it, so
identifiers, numbers and URLs stay whole; only a long run, such as JSON without spaces, is split at
its commas, brackets and quotes as well. In scripts without spaces the pieces of the model's
tokenizer are the units.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MARKS",
    "SENTENCE_MARKS",
    "BoolArray",
    "IntArray",
    "Units",
    "has_unspaced",
    "split_units",
]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Chinese and Japanese, Thai, Lao, Tibetan, Myanmar, Khmer; with the ideographic full stop, comma
# and brackets, which stand between such words without spaces as well.
_UNSPACED = (
    r"\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3001-\u312f\u31c0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f"
    r"\U00020000-\U0003ffff"
)
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_RUN = re.compile(r"\S+")
_PLAIN = re.compile(r"\w+")
# Marks that are split off. Signs that change what a word means stay with it: "$100", "50%", "-5",
# "#42", "@user", "--flag", "/usr/bin", ".env", "C++", "**bold**".
_LEADING = "([{\"'“‘«„‚¿¡—–…"
_TRAILING = ".,;:!?…)]}\"'”’»—–،؛؟।॥"
_CLOSING = "\"'”’»)]}」』）】》.,;:!?…"
_PAIRS = {")": "(", "]": "[", "}": "{"}
_CLOSERS = {opener: closer for closer, opener in _PAIRS.items()}
_ALL_MARKS = re.compile(f"[{re.escape(_LEADING + _TRAILING)}]+")
_UNSPACED_MARKS = "、。〈〉《》「」『』【】〔〕！（），．：；？［］｛｝｡｢｣､"
MARKS = "".join(sorted({*_LEADING, *_TRAILING, *_UNSPACED_MARKS}))
"""Punctuation that is a unit of its own at the edges of words."""
SENTENCE_MARKS = ".!?…。！？｡．؟।॥"
_SENTENCE_END = re.compile(f"[{SENTENCE_MARKS}]+" + r"[\"'”’»)\]}」』）】》]*\Z")
# "U.S.", "e.g.", "J.": the last full stop belongs to the abbreviation.
_ABBREVIATION = re.compile(r"(?:[^\W\d_]\.)+")
# A page of JSON without spaces must not be one unit, which no budget could hold.
_LONG_RUN = 40
_INNER_MARK = re.compile(r"([,;(){}\[\]\"])\1*")
_LIST_MARKER = re.compile(r"(?:\d{1,3}|[A-Za-z])[.)]")
_NEWLINE = re.compile(r"[\n\r\x0b\x0c\x85\u2028\u2029]")
# Joins what follows to what stands before: variation selectors, zero-width joiners, keycaps, tags.
_JOINERS = "\u200d\ufe0e\ufe0f\u20e3"


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
        end = 0
        for i, (start, stop) in enumerate(
            zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        ):
            closed = _SENTENCE_END.search(text, max(0, end - 4), end) and (
                # A closing quote or bracket still belongs to the sentence.
                end < start or text[start] not in _CLOSING
            )
            if i and (closed or _NEWLINE.search(text, end, start)):
                flags[i] = True
            end = stop
        return flags


def has_unspaced(text: str) -> bool:
    """Whether ``text`` has a script without spaces, whose units need the tokenizer's pieces."""
    return not text.isascii() and _UNSPACED_RUN.search(text) is not None


def split_units(text: str, pieces: IntArray | None = None) -> Units:
    """Cut ``text`` into units.

    Args:
        text: Any string.
        pieces: Character offsets at which the model's tokenizer begins a token, sorted; used in
            scripts without spaces only. Without it every character there is a unit.
    """
    bounds: list[tuple[int, int]] = []
    ascii_only = text.isascii()
    for match in _RUN.finditer(text):
        start, end = match.span()
        run = match.group()
        if ascii_only and _PLAIN.fullmatch(run):
            bounds.append((start, end))
        elif not ascii_only and _UNSPACED_RUN.search(run):
            _split_mixed(text, start, end, pieces, bounds)
        else:
            _split_edges(text, start, end, bounds)
    array = np.array(bounds, dtype=np.int64).reshape(-1, 2)
    return Units(np.ascontiguousarray(array[:, 0]), np.ascontiguousarray(array[:, 1]))


def _split_edges(text: str, start: int, end: int, bounds: list[tuple[int, int]]) -> None:
    """Split punctuation off both edges of ``text[start:end]``, a run without spaces."""
    if _ALL_MARKS.fullmatch(text, start, end):
        _append_marks(text, start, end, bounds)
        return
    if _LIST_MARKER.fullmatch(text, start, end) and _begins_line(text, start):
        bounds.append((start, end))
        return
    left, right = start, end
    while text[left] in _LEADING and not _joined(text, left + 1):
        left += 1
    excess: dict[str, int] = {}
    while (mark := text[right - 1]) in _TRAILING:
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
    if right - left > _LONG_RUN and text.find("://", left, right) < 0:
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
    text: str, start: int, end: int, pieces: IntArray | None, bounds: list[tuple[int, int]]
) -> None:
    """Split a run that holds a script without spaces, perhaps between Latin words and numbers."""
    position = start
    while position < end:
        match = _UNSPACED_RUN.search(text, position, end)
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
    text: str, start: int, end: int, pieces: IntArray | None, bounds: list[tuple[int, int]]
) -> None:
    if pieces is None:
        cuts = set(range(start, end))
    else:
        low, high = np.searchsorted(pieces, (start, end))
        cuts = set(pieces[low:high].tolist())
    # Punctuation stands alone even where a piece holds it together with a word.
    for i in range(start, end):
        if text[i] in _UNSPACED_MARKS:
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
