"""What the guards mean for the units of a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lingua2.backends import FloatArray
from lingua2.rendering import Layout
from lingua2.text import BoolArray, IntArray

from .finders import Span, spans_by_text
from .negations import governed

__all__ = ["Guards", "guards_of"]

Bounds = tuple[int, int]

_BLOCKS = ("code", "json", "tables")
# More than any unit is worth.
_AHEAD = 1000.0
_INFINITY = np.float32(np.inf)


@dataclass(frozen=True, slots=True)
class Guards:
    """Units that stay before all others, and words that must not stay without their negation.

    Attributes:
        units: Which units of the set are protected, shape ``(n,)``.
        blocks: Which of them are worth little without one another, as the structure of JSON: the
            number of the text that they belong to, else -1, shape ``(n,)``.
        words: Indices of words that a negation governs, shape ``(m,)``, in the order of `governed`.
        negations: The negation of each of them, shape ``(m,)``.
    """

    units: BoolArray
    blocks: IntArray
    words: IntArray
    negations: IntArray

    def steer(
        self, values: FloatArray, hosts: IntArray, forced: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """Rank blocks first, and every negation just before the best of its words.

        From then on these words need it.

        Args:
            values: Value of each unit, changed in place.
            hosts: Per unit the one without which it is not kept, -1 for none; changed in place.
            forced: Which units stay in any case.

        Returns:
            Which units rank first and which come next: the forced and the protected ones, each
            with the negations of its words.
        """
        first, second = forced.copy(), self.units.copy()
        for number in sorted(set(self.blocks[self.blocks >= 0].tolist())):
            whole = self.blocks == number
            values[whole] = values[whole].max() + _AHEAD
        words, negations, chain = self._in_turn()
        np.maximum.at(values, negations, np.nextafter(values[words], _INFINITY))
        first[negations[first[words]]] = True
        second[negations[second[words]]] = True
        for word, negation in chain:
            values[negation] = max(values[negation], np.nextafter(values[word], _INFINITY))
            first[negation] |= first[word]
            second[negation] |= second[word]
        hosts[self.words] = self.negations
        return first, second

    def completed(self, kept: BoolArray) -> BoolArray:
        """``kept`` and the negations of the words in it; shape ``(n,)``."""
        whole = kept.copy()
        words, negations, chain = self._in_turn()
        whole[negations[whole[words]]] = True
        for word, negation in chain:
            whole[negation] |= whole[word]
        return whole

    def _in_turn(self) -> tuple[IntArray, IntArray, list[tuple[int, int]]]:
        """Words with their negations that go all at once, and few that must follow one by one.

        The latter are negations that another one governs, after what may change them.
        """
        governing = np.zeros(len(self.units), dtype=bool)
        governing[self.negations] = True
        chained = governing[self.words]
        words, negations = self.words[chained].tolist(), self.negations[chained].tolist()
        chain = list(zip(words, negations, strict=True))
        return self.words[~chained], self.negations[~chained], chain


def guards_of(
    layouts: Sequence[Layout],
    layout: Layout,
    names: Sequence[str],
    marked: Sequence[Sequence[Bounds]] = (),
) -> Guards:
    """The guards ``names`` over a set.

    Args:
        layouts: The texts of the set one by one.
        layout: The same texts as one.
        names: What ``protect`` holds, see `as_guards`.
        marked: Per text the characters that are protected beside them.
    """
    units = np.zeros(len(layout), dtype=bool)
    blocks = np.full(len(layout), -1, dtype=np.int64)
    found = spans_by_text([text.text for text in layouts], names)
    for i, text in enumerate(layouts):
        own = marked[i] if marked else ()
        spans = [*found[i], *(Span("code", *bounds) for bounds in own)]
        for kind, start, end in spans:
            low = layout.offsets[i] + np.searchsorted(text.units.ends, start, side="right")
            high = layout.offsets[i] + np.searchsorted(text.units.starts, end, side="left")
            units[low:high] = True
            if kind in _BLOCKS:
                blocks[low:high] = i
    nothing = np.zeros(0, dtype=np.int64)
    words, negations = governed(layout) if "negations" in names else (nothing, nothing)
    return Guards(units, blocks, words, negations)
