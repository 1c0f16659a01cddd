"""Bootstrap intervals of means and of paired differences."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interval", "mean_interval"]

_PERCENTILES = (2.5, 97.5)
# Resamples are drawn in slices, so that memory stays bounded for large sets.
_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95% bootstrap interval.

    Attributes:
        mean: The mean of the values.
        low: Lower bound.
        high: Upper bound.
        count: Number of values.
    """

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean_interval(
    values: Sequence[float],
    groups: Sequence[Hashable] | None = None,
    *,
    weights: Sequence[float] | None = None,
    strata: Sequence[Hashable] | None = None,
    seed: int = 0,
    resamples: int = 10_000,
) -> Interval | None:
    """The mean of ``values`` and the 95% percentile interval of its bootstrap.

    For a paired difference give the differences.

    Args:
        values: One per item.
        groups: Values of the same group are drawn together, since questions about the same
            documents are not independent.
        weights: What each value counts; all alike by default.
        strata: Values of the same stratum are drawn from each other, so that every sample holds
            all strata with their weight. Strata of a single group are one together.
        seed: Of the resampling.
        resamples: How often to draw.

    Returns:
        None where there are no values.
    """
    number = len(values)
    if not number:
        return None
    numbers = np.asarray(values, dtype=np.float64)
    counts = np.ones(number) if weights is None else np.asarray(weights, dtype=np.float64)
    owners = range(number) if groups is None else groups
    generator = np.random.default_rng(seed)
    means = np.zeros(resamples)
    for places in _strata(owners, [None] * number if strata is None else strata):
        units: dict[Hashable, int] = {}
        unit = np.array([units.setdefault(owners[place], len(units)) for place in places])
        own = counts[places]
        sums = np.bincount(unit, numbers[places] * own).astype(np.float64)
        sizes = np.bincount(unit, own).astype(np.float64)
        means += own.sum() * _resampled(sums, sizes, generator, resamples)
    low, high = np.percentile(means / counts.sum(), _PERCENTILES)
    return Interval(float(numbers @ counts / counts.sum()), float(low), float(high), number)


def _strata(groups: Sequence[Hashable], strata: Sequence[Hashable]) -> list[list[int]]:
    """The places of the values of every stratum."""
    found: dict[Hashable, list[int]] = {}
    for place, stratum in enumerate(strata):
        found.setdefault(stratum, []).append(place)
    single = [own for own in found.values() if len({groups[place] for place in own}) == 1]
    several = [own for own in found.values() if len({groups[place] for place in own}) > 1]
    # A single group has no spread of its own; together they have that between them.
    return several + ([[place for own in single for place in own]] if single else [])


def _resampled(
    sums: NDArray[np.float64],
    sizes: NDArray[np.float64],
    generator: np.random.Generator,
    resamples: int,
) -> NDArray[np.float64]:
    step = max(1, _CELLS // len(sums))
    parts = []
    for low in range(0, resamples, step):
        drawn = generator.integers(len(sums), size=(min(step, resamples - low), len(sums)))
        parts.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(parts)
