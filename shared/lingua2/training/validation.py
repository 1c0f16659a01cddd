"""How good a scorer is: AUC by level and domain, F1 at the teacher's rate, answer survival."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lingua2.dataset import Example
from lingua2.encoder import Encoder, ScoredText
from lingua2.text import BoolArray

if TYPE_CHECKING:
    from lingua2.compressor import Compressor

__all__ = ["auc", "f1_at_teacher_rate", "level_auc", "word_probabilities"]

Scores = NDArray[np.float64]


def word_probabilities(scorer: Encoder | Compressor, examples: Sequence[Example]) -> list[Scores]:
    """p(keep) of the words of each example, scored as a compression would score them.

    Args:
        scorer: What scores texts.
        examples: Texts with words.

    Returns:
        One float64 array of shape ``(len(example),)`` per example.
    """
    scored = scorer.score([example.text for example in examples])
    return [_by_word(example, item) for example, item in zip(examples, scored, strict=True)]


def _by_word(example: Example, scored: ScoredText) -> Scores:
    """Means over the units of each word; words of other datasets may not be our units."""
    starts = np.array(example.starts, dtype=np.int64)
    ends = np.array(example.ends, dtype=np.int64)
    first = np.searchsorted(scored.units.ends, starts, side="right")
    last = np.searchsorted(scored.units.starts, ends, side="left")
    sums = np.concatenate([[0.0], np.cumsum(scored.mean, dtype=np.float64)])
    count = np.maximum(last - first, 0)
    means: Scores = np.divide(
        sums[first + count] - sums[first], count, out=np.zeros(len(starts)), where=count > 0
    )
    return means


def auc(scores: Scores, positive: BoolArray) -> float:
    """Probability that a random positive scores above a random negative; ties count half.

    Args:
        scores: Shape ``(n,)``.
        positive: Shape ``(n,)``.

    Returns:
        A number in [0, 1]; NaN where all or none are positive.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Mean rank of each group of equal scores (Mann-Whitney U).
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / positives / negatives)


def level_auc(
    examples: Sequence[Example], probabilities: Sequence[Scores]
) -> dict[str, dict[str, float]]:
    """AUC of the words that each level keeps, over all examples and by domain.

    Returns:
        ``{"all" or domain: {level name: AUC}}``; domains in alphabetical order.
    """
    by_domain: dict[str, list[int]] = defaultdict(list)
    for i, example in enumerate(examples):
        # The row over all domains has the name "all".
        by_domain[example.domain if example.domain != "all" else "all (domain)"].append(i)
    groups = {"all": range(len(examples)), **dict(sorted(by_domain.items()))}
    found = {}
    for name, members in groups.items():
        scores = np.concatenate([probabilities[i] for i in members])
        levels = np.concatenate([np.array(examples[i].levels) for i in members])
        found[name] = {
            level: auc(scores, levels > k) for k, level in enumerate(examples[0].level_names)
        }
    return found


def f1_at_teacher_rate(examples: Sequence[Example], probabilities: Sequence[Scores]) -> float:
    """Mean F1 of keeping as many words of each example as its teacher kept.

    With equal numbers on both sides precision, recall and F1 are the same.
    """
    values = []
    for example, scores in zip(examples, probabilities, strict=True):
        kept = np.array(example.levels) > 0
        count = int(kept.sum())
        if count:
            chosen = np.argsort(-scores, kind="stable")[:count]
            values.append(float(kept[chosen].mean()))
    return float(np.mean(values)) if values else float("nan")
