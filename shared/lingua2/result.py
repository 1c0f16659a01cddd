"""What a compression returns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .prompt import Frame, join_texts
from .scores import ScoredText
from .text import IntArray

if TYPE_CHECKING:
    from .protect.markers import Marked

__all__ = ["CompressionResult", "DroppedForced", "Word"]

_Segment = tuple[str, bool, float | None]


class Word(NamedTuple):
    """One unit of a text: its characters ``text[start:end]``, p(keep), and whether it was kept."""

    start: int
    end: int
    probability: float
    kept: bool


class DroppedForced(NamedTuple):
    """A forced or protected unit that the budget could not hold."""

    text_index: int
    """Position of its text in the input."""
    start: int
    end: int
    word: str


@dataclass(frozen=True, slots=True)
class CompressionResult:
    """Compressed texts and where they came from.

    Attributes:
        texts: One per input text, in order; ``""`` where nothing was kept.
        spans: Per text the ``(start, end)`` characters of the input that were kept, ascending.
        original_tokens: The reader's tokens of the non-empty input texts, framed and joined.
        compressed_tokens: The reader's tokens of `prompt`.
        budget: The most tokens that `prompt` was allowed to have; None with ``threshold``.
        separator: What joins the texts.
        sources: The input texts.
        frames: What the reader sees around each text; empty strings unless given.
        keep_empty: Per text, whether its frame stays where nothing of the text was kept.
        dropped_forced: Forced units that the budget could not hold.
        dropped_protected: The same for units that ``protect`` names and that are not forced.
    """

    texts: list[str]
    spans: list[list[tuple[int, int]]]
    original_tokens: int
    compressed_tokens: int
    budget: int | None
    separator: str
    sources: Sequence[str] = field(repr=False)
    frames: Sequence[Frame] = field(repr=False)
    keep_empty: Sequence[bool] = field(repr=False)
    dropped_forced: tuple[DroppedForced, ...] = ()
    dropped_protected: tuple[DroppedForced, ...] = ()
    _scored: Sequence[ScoredText] | None = field(default=None, repr=False, compare=False)
    _kept: Sequence[IntArray] | None = field(default=None, repr=False, compare=False)
    _pooling: str = field(default="mean", repr=False, compare=False)
    _counter: Any = field(default=None, repr=False, compare=False)
    _marked: Sequence[Marked] | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> list[Any]:
        # A counter may be anything, also what cannot be pickled; only the loss report needs it.
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        if not isinstance(self._counter, str):
            values["_counter"] = None
        return list(values.values())

    @property
    def prompt(self) -> str:
        """What the budget counted: the texts in their frames, joined, empty ones left out.

        They stay in where `keep_empty` says so.
        """
        return join_texts(self.texts, self.frames, self.separator, self.keep_empty)

    @property
    def rate(self) -> float:
        """Share of the reader's tokens that was kept; 1.0 for an input without tokens."""
        return self.compressed_tokens / self.original_tokens if self.original_tokens else 1.0

    @property
    def saved_tokens(self) -> int:
        """The reader's tokens that need not be read."""
        return self.original_tokens - self.compressed_tokens

    @property
    def words(self) -> list[list[Word]] | None:
        """Every unit of every text with its probability and whether it was kept.

        None where the model was not needed because everything fitted; ``return_word_label=True``
        runs it in any case.
        """
        if self._scored is None or self._kept is None:
            return None
        words = []
        for scored, kept in zip(self._scored, self._kept, strict=True):
            flags = np.zeros(len(scored.units), dtype=bool)
            flags[kept] = True
            columns = (
                scored.units.starts,
                scored.units.ends,
                scored.probabilities(self._pooling),
                flags,
            )
            rows = zip(*(column.tolist() for column in columns), strict=True)
            words.append([Word(*row) for row in rows])
        return words

    @property
    def word_labels(self) -> list[list[tuple[str, int]]] | None:
        """Per text its words with label 1 (kept) or 0 (dropped); None as for `words`."""
        words = self.words
        if words is None:
            return None
        return [
            [(text[word.start : word.end], int(word.kept)) for word in own]
            for text, own in zip(self.sources, words, strict=True)
        ]

    def segments(self, index: int) -> Iterator[_Segment]:
        """The whole input text ``index`` in pieces: text, whether it was kept, p(keep).

        White space and, where the model was not run, everything has no probability. The pieces
        joined are the input text.
        """
        text, position = self.sources[index], 0
        words = self.words
        if words is None:
            for start, end in self.spans[index]:
                yield from _piece(text[position:start], False)
                yield from _piece(text[start:end], True)
                position = end
        else:
            before = True
            for word in words[index]:
                if self._marked is None:
                    yield from _piece(text[position : word.start], before and word.kept)
                else:
                    yield from self._around_markers(index, position, word.start)
                yield text[word.start : word.end], word.kept, word.probability
                position, before = word.end, word.kept
        yield from _piece(text[position:], False)

    def _around_markers(self, index: int, start: int, end: int) -> Iterator[_Segment]:
        """What stands between two words, where the markers were dropped and the rest maybe not."""
        text, spans = self.sources[index], self.spans[index]
        for low, high in spans[max(0, bisect_right(spans, (start, start)) - 1) :]:
            if low >= end:
                break
            if high > start:
                yield from _piece(text[start : max(start, low)], False)
                yield from _piece(text[max(start, low) : min(high, end)], True)
                start = min(high, end)
        yield from _piece(text[start:end], False)

    def losses(self) -> dict[str, Any]:
        """What compression cost: for the set, and under ``"texts"`` the same for every text.

        ``tokens_before`` and ``tokens_after`` are the reader's; ``sentences`` and those of which
        nothing was kept, ``sentences_dropped``; how many ``numbers``, ``identifiers`` and
        ``negations`` there are, and the distinct ones that were dropped, in part or as a whole, as
        in ``numbers_dropped``; how many protected units were, ``dropped_protected``, as the budget
        could not hold them; the ``most_probable_dropped`` and the ``least_probable_kept`` word
        with its probability, None where the model was not needed. `json.dumps` takes it.

        A result that was pickled has None for the tokens of its texts, unless the counter was named
        by a string.
        """
        from .losses import losses_of

        return losses_of(self)

    def _repr_html_(self) -> str:
        """A notebook's view: kept words on green, dropped ones struck out, by probability."""
        from .display import to_html

        return to_html(self)


def _piece(text: str, kept: bool) -> Iterator[_Segment]:
    if text:
        yield text, kept, None
