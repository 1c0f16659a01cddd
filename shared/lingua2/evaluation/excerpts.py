"""A loss as a report shows it: what was asked, why it was lost, and the text around the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from .causes import Lost, explain, kept_text, kept_units
from .records import Record
from .tasks import Item

__all__ = ["Loss", "Piece", "coloured"]

_AROUND = 300
_SHOWN_CHARACTERS = 1_500


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a document.

    Attributes:
        text: The characters.
        kept: Whether the compressor kept them; None for white space.
        answer: Whether the answer stands there.
    """

    text: str
    kept: bool | None
    answer: bool = False


def coloured(source: str, compressed: str) -> Iterator[tuple[str, bool | None]]:
    """``source`` in pieces, each kept (True), dropped (False) or white space (None)."""
    units, flags = kept_units(source, compressed)
    position = 0
    for start, end, kept in zip(units.starts.tolist(), units.ends.tolist(), flags, strict=True):
        if position < start:
            yield source[position:start], None
        yield source[start:end], kept
        position = end
    if position < len(source):
        yield source[position:], None


@dataclass(frozen=True)
class Loss:
    """A record that lost what the uncompressed documents have.

    Attributes:
        item: What was asked.
        record: What came of it.
        whole: The reader's answer from the uncompressed documents; empty without a reader.
    """

    item: Item
    record: Record
    whole: str = ""

    @cached_property
    def lost(self) -> Lost:
        """Why it was lost."""
        return explain(self.item, self.record)

    def told(self) -> list[tuple[str, str]]:
        """Names and values of what there is to say."""
        record = self.record
        told = [
            ("question", self.item.question or "(none)"),
            ("gold", " / ".join(self.item.references)),
            ("kept of everything", f"{record.tokens} of {record.original} tokens"),
        ]
        if self.lost.document is not None:
            told.append(("why", str(self.lost)))
        if record.losses:
            left = (f"{name} {share:.0%}" for name, share in record.losses.items())
            told.append(("what is left", ", ".join(left)))
        if record.status is not None:
            told.append(("the reader, uncompressed", self.whole))
            told.append((f"the reader ({record.status})", record.answer))
        return told

    def excerpt(self) -> list[Piece]:
        """The text around the answer; empty where it stands nowhere."""
        place = self.lost.document
        return [] if place is None else self._pieces(place, _AROUND)

    def documents(self) -> Iterator[list[Piece]]:
        """Every document, that of the answer first, long ones cut; around the answer where it is.

        Yields:
            The pieces of one document.
        """
        first = self.lost.document
        order = sorted(range(len(self.item.documents)), key=lambda place: place != first)
        for place in order:
            yield self._pieces(place, _SHOWN_CHARACTERS)

    def _pieces(self, place: int, around: int) -> list[Piece]:
        text, lost = self.item.documents[place], self.lost
        here = place == lost.document
        low = max(0, lost.start - around) if here else 0
        high = (lost.end if here else 0) + around
        made = [Piece("… ", None)] if low else []
        position = 0
        for piece, kept in coloured(text, kept_text(self.item, self.record, place)):
            end = position + len(piece)
            if end > low and position < high:
                answer = here and position < lost.end and end > lost.start
                made.append(Piece(piece, kept, answer))
            position = end
        return [*made, Piece(" …", None)] if position > high else made
