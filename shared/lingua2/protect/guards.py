"""What the guards mean for the units of a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lingua2.backends import FloatArray
from lingua2.rendering import Layout
from lingua2.text import BoolArray, IntArray

from .finders import protected_spans
from .negations import governed

__all__ = ["Guards", "guards_of"]


@dataclass(frozen=True, slots=True)
class Guards:
    """Units that stay before all others, and words that must not stay without their negation.

    Attributes:
        units: Which units of the set are protected, shape ``(n,)``.
        words: Indices of words that a negation governs, shape ``(m,)``.
        negations: The negation of each of them, shape ``(m,)``.
    """

    units: BoolArray
    words: IntArray
    negations: IntArray

    def steer(self, values: FloatArray, hosts: IntArray, forced: BoolArray) -> None:
        """Rank every negation just before the best of its words, which need it from then on.

        Args:
            values: Value of each unit, changed in place.
            hosts: Per unit the one without which it is not kept, -1 for none; changed in place.
            forced: Which units stay in any case.
        """
        if not len(self.words):
            return
        # A negation in the reach of another one is raised with it, the later one first.
        for word, negation in zip(self.words[::-1], self.negations[::-1], strict=True):
            values[negation] = max(values[negation], np.nextafter(values[word], np.float32(np.inf)))
        hosts[self.words] = np.where(forced[self.words], hosts[self.words], self.negations)

    def completed(self, kept: BoolArray) -> BoolArray:
        """``kept`` and the negations of the words in it; shape ``(n,)``."""
        whole = kept.copy()
        for word, negation in zip(self.words[::-1], self.negations[::-1], strict=True):
            whole[negation] |= whole[word]
        return whole


def guards_of(layouts: Sequence[Layout], layout: Layout, names: Sequence[str]) -> Guards:
    """The guards ``names`` over a set.

    Args:
        layouts: The texts of the set one by one.
        layout: The same texts as one.
        names: What ``protect`` holds, see `as_guards`.
    """
    units = np.zeros(len(layout), dtype=bool)
    if any(name != "negations" for name in names):
        for text, first in zip(layouts, layout.offsets.tolist(), strict=False):
            for span in protected_spans(text.text, names):
                low = np.searchsorted(text.units.ends, span.start, side="right")
                high = np.searchsorted(text.units.starts, span.end, side="left")
                units[first + low : first + high] = True
    nothing = np.zeros(0, dtype=np.int64)
    words, negations = governed(layout) if "negations" in names else (nothing, nothing)
    return Guards(units, words, negations)
