"""Quality control of a teacher's compressions (paper, section 3.3)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lingua2.errors import DatasetError, OptionError

from .annotation import is_mark, normalise, pieces, split_words
from .schema import Example, Metrics

__all__ = ["Dropped", "QualityReport", "filter_examples", "measure", "missing_words"]

VARIATION, GAP = "variation rate", "alignment gap"


class Dropped(NamedTuple):
    """An example that was filtered out, and the metric that did it."""

    example: Example
    reason: str


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What quality control kept and dropped.

    Attributes:
        kept: Examples that stay, measured, in their order.
        dropped: The others, measured, each with its reason: ``"variation rate"`` or
            ``"alignment gap"``.
        limits: Per reason the largest value that stays; infinite where nothing was to be dropped.
    """

    kept: tuple[Example, ...]
    dropped: tuple[Dropped, ...]
    limits: dict[str, float]

    @property
    def examples(self) -> tuple[Example, ...]:
        """All examples, kept ones first."""
        return self.kept + tuple(example for example, _ in self.dropped)


def measure(example: Example) -> Metrics:
    """How far the mildest compression of ``example`` can be trusted (paper, equations 3 to 6).

    All rates are over words, without punctuation marks. Words are compared by
    `lingua2.dataset.annotation.normalise`; pieces of compound words occur as well. An empty text or
    compression has rates of 0.

    * variation rate: compressed words that do not occur in the source / compressed words. High
      where the teacher wrote words of its own.
    * hitting rate: compressed words that occur in the source / words of the source.
    * matching rate: words labelled as kept / words of the source.
    * alignment gap: hitting rate - matching rate. High where the annotator could not place what the
      teacher kept; below 0 where it placed words that the source spells differently.

    Raises:
        DatasetError: The example has no compressed text.
    """
    if not example.compressed:
        raise DatasetError(
            f"example {example.id!r} has no compressed text to measure; import it from its pair "
            "with read_pairs, or pass over quality control"
        )
    labelled = [
        level > 0
        for word, level in zip(example.words, example.levels, strict=True)
        if not is_mark(word)
    ]
    size = len(labelled)
    compressed = _compressed_words(example)
    hits = len(compressed) - len(missing_words(example))
    hitting = hits / size if size else 0.0
    matching = sum(labelled) / size if size else 0.0
    return Metrics(
        variation_rate=1 - hits / len(compressed) if compressed else 0.0,
        matching_rate=matching,
        hitting_rate=hitting,
        alignment_gap=hitting - matching,
    )


def missing_words(example: Example) -> list[str]:
    """Words of the mildest compression that do not occur in the source, in order.

    A piece of a compound word occurs, and so does a compound word inside another one.
    """
    known = {normalise(word) for word in example.words}
    known.update(*map(pieces, example.words))
    folded = example.text.casefold()
    return [
        word
        for word in _compressed_words(example)
        if normalise(word) not in known and not (pieces(word) and word.casefold() in folded)
    ]


def filter_examples(
    examples: Iterable[Example],
    *,
    variation_percentile: float = 5.0,
    alignment_percentile: float = 10.0,
    max_variation_rate: float | None = None,
    max_alignment_gap: float | None = None,
) -> QualityReport:
    """Drop the examples with the highest variation rate, then with the highest alignment gap.

    As in the paper the second percentage is of what the first one leaves. Percentages are upper
    bounds: examples that tie with the first one to stay all stay, so never more than the
    percentage goes. Examples whose value is 0 or less are never dropped: there is nothing wrong
    with them, however few are worse.

    Args:
        examples: Examples with their compressed texts.
        variation_percentile: Percentage with the highest variation rate to drop, in [0, 100].
        alignment_percentile: Percentage of the rest with the highest alignment gap to drop.
        max_variation_rate: Highest variation rate that stays, in place of the percentage.
        max_alignment_gap: Highest alignment gap that stays, in place of the percentage.

    Raises:
        OptionError: A percentage or limit is out of range.
        DatasetError: An example has no compressed text.
    """
    _check("variation_percentile", variation_percentile, 100)
    _check("alignment_percentile", alignment_percentile, 100)
    _check("max_variation_rate", max_variation_rate, 1)
    _check("max_alignment_gap", max_alignment_gap, math.inf)
    kept = [dataclasses.replace(item, metrics=measure(item)) for item in examples]
    dropped: list[Dropped] = []
    limits = {}
    for reason, value, percentile, limit in (
        (VARIATION, _variation, variation_percentile, max_variation_rate),
        (GAP, _gap, alignment_percentile, max_alignment_gap),
    ):
        if limit is None:
            limit = _limit([value(item) for item in kept], percentile)
        limits[reason] = limit
        dropped += [Dropped(item, reason) for item in kept if value(item) > limit]
        kept = [item for item in kept if value(item) <= limit]
    return QualityReport(tuple(kept), tuple(dropped), limits)


def _limit(values: Sequence[float], percentile: float) -> float:
    """The largest value that stays when at most ``percentile`` percent of ``values`` go."""
    count = math.floor(len(values) * percentile / 100)
    if not count:
        return math.inf
    if count == len(values):
        return 0.0
    return max(0.0, sorted(values, reverse=True)[count])


def _metric(name: str) -> Callable[[Example], float]:
    return lambda example: float(getattr(example.metrics, name))


_variation, _gap = _metric("variation_rate"), _metric("alignment_gap")


def _compressed_words(example: Example) -> list[str]:
    return [word for word in split_words(example.compressed[0]) if not is_mark(word)]


def _check(name: str, value: float | None, most: float) -> None:
    if value is None and name.endswith("percentile"):
        raise OptionError(f"{name} must be a number in [0, {most:g}], got None")
    if value is not None and not (isinstance(value, (int, float)) and 0 <= value <= most):
        raise OptionError(f"{name} must be a number in [0, {most:g}], got {value!r}")
