"""What a compression returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .encoder import ScoredText
from .prompt import Frame, join_texts
from .text import IntArray

__all__ = ["CompressionResult", "DroppedForced", "Word"]


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

    def segments(self, index: int) -> Iterator[tuple[str, bool, float | None]]:
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
                yield from _piece(text[position : word.start], before and word.kept)
                yield text[word.start : word.end], word.kept, word.probability
                position, before = word.end, word.kept
        yield from _piece(text[position:], False)

    def _repr_html_(self) -> str:
        """A notebook's view: kept words on green, dropped ones struck out, by probability."""
        from .display import to_html

        return to_html(self)


def _piece(text: str, kept: bool) -> Iterator[tuple[str, bool, float | None]]:
    if text:
        yield text, kept, None
