"""The sentences of a set of texts, each with its text's title."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from lingua2.rendering import Layout, Span
from lingua2.text import IntArray

__all__ = ["Sentences", "find_sentences"]


@dataclass(frozen=True, slots=True, eq=False)
class Sentences:
    """The sentences of a set.

    A text's first line counts as the title of every sentence in it, since retrieved chunks often
    name their subject only there. A text of one line has no title.

    Attributes:
        text: The texts of the set, joined as in `Layout.joined`.
        owner: The number of each unit's sentence, shape ``(units,)``.
        starts: Where each sentence begins in ``text``, shape ``(n,)``.
        ends: Where each sentence's last unit ends, shape ``(n,)``.
        document: The number of each sentence's text, shape ``(n,)``.
        words: How many words each sentence has, shape ``(n,)``.
        titles: Where each text's title stands in ``text``; None where it has none.
    """

    text: str
    owner: IntArray
    starts: IntArray
    ends: IntArray
    document: IntArray
    words: IntArray
    titles: list[Span | None]

    def __len__(self) -> int:
        return len(self.starts)

    def by_text(self) -> list[list[str]]:
        """Of every text, its sentences, each behind the title, which is the first one itself."""
        rows = zip(self.starts.tolist(), self.ends.tolist(), self.document.tolist(), strict=True)
        shown: list[list[str]] = [[] for _ in self.titles]
        for start, end, number in rows:
            title, sentence = self.titles[number], self.text[start:end]
            if title is not None and start >= title[1]:
                sentence = f"{self.text[title[0] : title[1]]}\n{sentence}"
            shown[number].append(sentence)
        return shown


def find_sentences(layout: Layout) -> Sentences:
    """The sentences of ``layout``, the texts of a set.

    Args:
        layout: One layout of all texts, see `Layout.joined`.
    """
    units, text = layout.units, layout.text
    offsets: list[int] = layout.offsets.tolist()
    flags = units.sentence_starts(text)
    flags[[first for first in offsets[:-1] if first < len(units)]] = True
    first = np.flatnonzero(flags)
    last = np.append(first[1:], len(units))[: len(first)] - 1
    counts = np.append(0, np.cumsum(~layout.signs()))
    titles: list[Span | None] = []
    for low, high in itertools.pairwise(offsets):
        title = None
        if low < high:
            start = layout.starts[low]
            stop = text.find("\n", start, layout.ends[high - 1])
            title = None if stop < 0 else (start, stop)
        titles.append(title)
    return Sentences(
        text=text,
        owner=np.cumsum(flags) - 1,
        starts=units.starts[first],
        ends=units.ends[last],
        document=layout.document[first],
        words=counts[last + 1] - counts[first],
        titles=titles,
    )
