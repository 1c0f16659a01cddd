"""From the levels of words to the probabilities that a model learns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingua2.dataset import Example
from lingua2.text import MARKS, BoolArray

__all__ = ["Targets", "word_targets"]

Targets = NDArray[np.float32]

_LONGEST_GAP = 2


def word_targets(
    example: Example, by_level: Sequence[float], coherence: float = 0.0, gap_target: float = 0.0
) -> Targets:
    """Target p(keep) of each word of ``example``.

    An answer is of use only whole, so words that the teacher kept side by side learn to share
    their fate: a *phrase* is a run of kept words, with gaps of at most two dropped words, that no
    punctuation mark and no line break interrupts.

    Args:
        example: ``n`` words with levels.
        by_level: Target of each level, ascending; ``example`` has at most ``len(by_level) - 1``.
        coherence: Weight of the phrase's mean in the target of its kept words, in [0, 1].
        gap_target: Target of a dropped word inside a phrase, as a share of the smaller of the
            targets that stand next to the gap, in [0, 1].

    Returns:
        Float32 array of shape ``(n,)``.
    """
    levels = np.array(example.levels, dtype=np.int64)
    plain = np.array(by_level, dtype=np.float32)[levels]
    targets = plain.copy()
    if not coherence and not gap_target:
        return targets
    kept = levels > 0
    breaks = _breaks(example)
    for phrase in _phrases(kept, breaks):
        mean = plain[phrase].mean()
        targets[phrase] = (1 - coherence) * plain[phrase] + coherence * mean
        for low, high in itertools.pairwise(phrase):
            gap = slice(low + 1, high)
            targets[gap] = np.maximum(plain[gap], gap_target * min(targets[low], targets[high]))
    return targets


def _breaks(example: Example) -> BoolArray:
    """Where a phrase cannot go on: at marks, and at words behind a line break."""
    flags = [all(char in MARKS for char in word) for word in example.words]
    ends = (0, *example.ends)
    newline = ["\n" in example.text[a:b] for a, b in zip(ends, example.starts, strict=False)]
    return np.array([flags, newline], dtype=bool).reshape(2, -1)


def _phrases(kept: BoolArray, breaks: BoolArray) -> list[list[int]]:
    """Positions of the kept words of each phrase."""
    phrases: list[list[int]] = []
    current: list[int] = []
    for i in range(len(kept)):
        is_mark, after_newline = breaks[:, i]
        too_far = bool(current) and i - current[-1] > _LONGEST_GAP + 1
        if current and (is_mark or after_newline or too_far):
            phrases.append(current)
            current = []
        if kept[i] and not is_mark:
            current.append(i)
    return [*phrases, current] if current else phrases
