"""Why an answer was lost: where it stood, and what became of the words around it."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from lingua2._extras import require
from lingua2.text import Units, split_units

from .records import Record
from .survival import normalise
from .tasks import Item

__all__ = ["CAUSES", "Cause", "Lost", "explain", "kept_text", "kept_units"]

Cause = Literal["document", "sentence", "answer", "cut", "torn", "read", "unknown"]
"""What went wrong; `CAUSES` says what each means."""

CAUSES: dict[Cause, str] = {
    "document": "nothing of its document was kept",
    "sentence": "nothing of its sentence was kept, though some of its document",
    "answer": "no word of it was kept, though some of its sentence",
    "cut": "some of its words were kept and others dropped",
    "torn": "all of its words were kept, but no longer side by side",
    "read": "it was kept; the reader made less of it",
    "unknown": "it does not stand in the documents",
}
assert tuple(CAUSES) == get_args(Cause)  # noqa: S101 - the report is sorted by it

_WORD = re.compile(r"\S+")
_OWN = 0.9


@dataclass(frozen=True, slots=True)
class Lost:
    """An answer, where it stood, and what is left there.

    Attributes:
        cause: What went wrong.
        document: The place of the document that it stood in; None where it stood in none.
        start: Offset of its first character there.
        end: Offset behind its last character.
        kept: Share of the answer's words that were kept.
        sentence: Share of its sentence's words that were kept.
        of_document: Share of its document's words that were kept.
    """

    cause: Cause
    document: int | None = None
    start: int = 0
    end: int = 0
    kept: float = 0.0
    sentence: float = 0.0
    of_document: float = 0.0

    def __str__(self) -> str:
        told = CAUSES[self.cause]
        if self.document is None:
            return told
        return (
            f"{told} (kept: {self.kept:.0%} of the answer, {self.sentence:.0%} of its sentence, "
            f"{self.of_document:.0%} of its document)"
        )


def explain(item: Item, record: Record) -> Lost:
    """Why ``record`` has no answer to ``item``, judged where most of the answer is left.

    Compressors of any kind return a text only, so the longest common subsequence of words tells
    what they kept.
    """
    found: list[Lost] = []
    for place, text in enumerate(item.documents):
        spans = _spans(text, item.references)
        if not spans:
            continue
        units, flags = kept_units(text, kept_text(item, record, place))
        found += _all_lost(units, flags, text, place, spans)
    if not found:
        return Lost("unknown")
    best = max(found, key=lambda lost: (lost.kept, lost.sentence, lost.of_document))
    if record.losses.get("answer"):
        # It is there, so whatever became of the words, the reader could have found it.
        return Lost("read", best.document, best.start, best.end,
                    best.kept, best.sentence, best.of_document)  # fmt: skip
    return best


def kept_text(item: Item, record: Record, place: int) -> str:
    """What ``record`` has left of the document in ``place``, perhaps among others."""
    first, *others = record.texts
    if place == 0 or any(others) or not first:
        return record.texts[place]
    # A compressor that joins what it keeps puts all of it into the first text, which then has
    # words that the first document has not.
    flags = kept_units(item.documents[0], first)[1]
    return first if sum(flags) < _OWN * len(split_units(first)) else ""


@lru_cache(maxsize=128)
def kept_units(source: str, compressed: str) -> tuple[Units, tuple[bool, ...]]:
    """The units of ``source``, and which of them ``compressed`` has, in order."""
    opcodes = require("rapidfuzz.distance", "evaluate").LCSseq.opcodes
    units, left = split_units(source), split_units(compressed)
    flags = [False] * len(units)
    for code in opcodes(_texts(source, units), _texts(compressed, left)):
        if code.tag == "equal":
            flags[code.src_start : code.src_end] = [True] * (code.src_end - code.src_start)
    return units, tuple(flags)


def _texts(text: str, units: Units) -> list[str]:
    bounds = zip(units.starts.tolist(), units.ends.tolist(), strict=True)
    return [text[start:end] for start, end in bounds]


def _spans(text: str, references: Sequence[str]) -> list[tuple[int, int]]:
    """Characters of ``text`` in which one of the references stands, as `survives` sees it."""
    gold = [answer for answer in map(normalise, references) if answer]
    if not any(answer in normalise(text) for answer in gold):
        return []
    words = _words(text)
    joined, bounds, at = [], [], 0
    for word, start, end in words:
        bounds.append((at, at + len(word), start, end))
        joined.append(word)
        at += len(word) + 1
    haystack, found = " ".join(joined), []
    lows, highs = [low for low, *_ in bounds], [high for _, high, *_ in bounds]
    for answer in gold:
        begin = haystack.find(answer)
        while begin >= 0:
            end = begin + len(answer)
            first, last = bisect_right(highs, begin), bisect_left(lows, end) - 1
            found.append((bounds[first][2], bounds[last][3]))
            begin = haystack.find(answer, end)
    return found


def _words(text: str) -> list[tuple[str, int, int]]:
    """The words that `normalise` leaves, and the characters that they stand for."""
    found = []
    for match in _WORD.finditer(text):
        start: int | None = None
        for at in range(match.start(), match.end() + 1):
            inside = at < match.end() and unicodedata.category(text[at])[0] not in "PS"
            if inside and start is None:
                start = at
            elif not inside and start is not None:
                if word := normalise(text[start:at]):
                    found.append((word, start, at))
                start = None
    return found


def _all_lost(
    units: Units, flags: Sequence[bool], text: str, place: int, spans: Sequence[tuple[int, int]]
) -> Iterator[Lost]:
    starts, ends = units.starts.tolist(), units.ends.tolist()
    firsts = [*units.sentence_starts(text).nonzero()[0].tolist(), len(units)]
    document = _share(flags)
    for low, high in spans:
        own, behind = bisect_right(ends, low), bisect_left(starts, high)
        first = firsts[max(0, bisect_right(firsts, own) - 1)]
        stop = firsts[bisect_left(firsts, behind)]
        kept, sentence = _share(flags[own:behind]), _share(flags[first:stop])
        cause: Cause = "torn"
        if not document:
            cause = "document"
        elif not sentence:
            cause = "sentence"
        elif not kept:
            cause = "answer"
        elif kept < 1:
            cause = "cut"
        yield Lost(cause, place, low, high, kept, sentence, document)


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0
