"""Markers that a user puts around what must stay, and that nobody else is to see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lingua2._warnings import warn
from lingua2.errors import InputError, MarkerWarning
from lingua2.rendering import Span
from lingua2.scores import ScoredText
from lingua2.text import IntArray, Units

__all__ = ["Marked", "unmarked"]


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A text without its markers, and the way back.

    Attributes:
        source: The text with its markers.
        text: The text without them.
        spans: Characters of `text` that stood between two markers.
        cuts: Where in `text` something was taken out, ascending.
        shifts: How many characters were taken out up to and including each cut.
    """

    source: str
    text: str
    spans: tuple[Span, ...]
    cuts: IntArray
    shifts: IntArray

    def in_source(self, spans: Sequence[Span]) -> list[Span]:
        """``spans`` of `text` as those of `source`, in pieces where a marker stands inside."""
        if not len(self.cuts) or not len(spans):
            return list(spans)
        starts, ends, _ = self._split(*np.array(spans, dtype=np.int64).T)
        return list(zip(starts.tolist(), ends.tolist(), strict=True))

    def in_text(self, spans: Sequence[Span]) -> list[Span]:
        """``spans`` of `source`, none of them inside a marker, as those of `text`."""
        ends = self.cuts + self.shifts
        removed = np.append(0, self.shifts)
        moved = [int(p - removed[np.searchsorted(ends, p, side="right")]) for s in spans for p in s]
        return list(zip(moved[::2], moved[1::2], strict=True))

    def scored_in_source(self, scored: ScoredText, kept: IntArray) -> tuple[ScoredText, IntArray]:
        """Scores and kept units of `text` as those of `source`.

        A unit in which a marker stands becomes two, each with its probability.
        """
        if not len(self.cuts):
            return scored, kept
        starts, ends, origin = self._split(scored.units.starts, scored.units.ends)
        moved = ScoredText(
            self.source, Units(starts, ends), scored.mean[origin], scored.first[origin]
        )
        return moved, np.flatnonzero(np.isin(origin, kept))

    def _split(self, starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Spans in the source, and of each the number of the one that it is a piece of."""
        low = np.searchsorted(self.cuts, starts, side="right")
        high = np.searchsorted(self.cuts, ends, side="left")
        # A cut more than once in one place, as in "</keep><keep>", still makes two pieces.
        inside = [np.unique(self.cuts[a:b]) for a, b in zip(low, high, strict=True)]
        origin = np.repeat(np.arange(len(starts)), [len(own) + 1 for own in inside])
        none = np.zeros(0, dtype=np.int64)
        firsts = [np.append(start, own) for start, own in zip(starts, inside, strict=True)]
        lasts = [np.append(own, end) for end, own in zip(ends, inside, strict=True)]
        begin, stop = np.concatenate([none, *firsts]), np.concatenate([none, *lasts])
        removed = np.append(0, self.shifts)
        begin += removed[np.searchsorted(self.cuts, begin, side="right")]
        stop += removed[np.searchsorted(self.cuts, stop, side="left")]
        return begin, stop, origin


def unmarked(
    texts: Sequence[str],
    markers: tuple[str, str] | None,
    errors: Literal["warn", "raise"] = "warn",
) -> list[Marked]:
    """``texts`` without their markers.

    A splitter may have cut between two markers. So what never closes reaches to the end of its
    text, and what closes first of all begins with it; any other marker without its counterpart is
    taken out and means nothing.

    Args:
        texts: Any strings.
        markers: What opens and what closes; both may be the same. None leaves the texts alone.
        errors: What to do about markers without their counterpart beside that.

    Raises:
        InputError: ``errors`` is "raise", and a marker opens twice, closes what was not opened, or
            is never closed.

    Warns:
        MarkerWarning: The same with "warn", once for all texts.
    """
    if markers is None:
        nothing = np.zeros(0, dtype=np.int64)
        return [Marked(text, text, (), nothing, nothing) for text in texts]
    # Where one begins like the other the longer one is meant.
    either = re.compile("|".join(map(re.escape, sorted(markers, key=len, reverse=True))))
    results = [_without(text, markers, either) for text in texts]
    strays = [(number, stray) for number, (_, stray) in enumerate(results) if stray is not None]
    if strays:
        sentence = _sentence(*strays[0], markers)
        if errors == "raise":
            raise InputError(sentence)
        count = f"{len(strays)} of {len(texts)} text{'s' * (len(texts) > 1)}"
        warn(
            f"{sentence}. In {count} a marker has no counterpart; what was cut off there is "
            "protected to the end or from the beginning of its text; marker_errors='raise' refuses "
            "such texts",
            MarkerWarning,
        )
    return [marked for marked, _ in results]


_Stray = tuple[re.Match[str], str]


def _without(
    text: str, markers: tuple[str, str], either: re.Pattern[str]
) -> tuple[Marked, _Stray | None]:
    """A text without its markers, and the first one that has no counterpart with what it does."""
    strays: list[_Stray] = []
    parts: list[str] = []
    spans: list[Span] = []
    cuts: list[int] = []
    shifts: list[int] = []
    opened: re.Match[str] | None = None
    position = removed = begin = 0
    for match in either.finditer(text):
        parts.append(text[position : match.start()])
        here = match.start() - removed
        if opened is None and match.group() == markers[0]:
            opened, begin = match, here
        elif opened is not None and match.group() == markers[1]:
            opened = None
            spans.append((begin, here))
        else:
            strays.append((match, "opens again" if opened else "closes nothing"))
            if not opened and not cuts:
                spans.append((0, here))
        removed += len(match.group())
        position = match.end()
        cuts.append(here)
        shifts.append(removed)
    if opened is not None:
        strays.append((opened, "is never closed"))
        spans.append((begin, len(text) - removed))
    marked = Marked(
        source=text,
        text="".join([*parts, text[position:]]),
        spans=tuple(spans),
        cuts=np.array(cuts, dtype=np.int64),
        shifts=np.array(shifts, dtype=np.int64),
    )
    return marked, strays[0] if strays else None


def _sentence(number: int, stray: _Stray, markers: tuple[str, str]) -> str:
    match, what = stray
    return (
        f"texts[{number}]: the marker {match.group()!r} at character {match.start()} {what}; every "
        f"{markers[0]!r} needs one {markers[1]!r} behind it, without another one inside"
    )
