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
    seed: int = 0,
    resamples: int = 10_000,
) -> Interval | None:
    """The mean of ``values`` and the 95% percentile interval of its bootstrap.

    For a paired difference give the differences.

    Args:
        values: One per item.
        groups: Values of the same group are drawn together, since questions about the same
            documents are not independent.
        seed: Of the resampling.
        resamples: How often to draw.

    Returns:
        None where there are no values.
    """
    if not len(values):
        return None
    numbers: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    places: dict[Hashable, int] = {}
    keys = range(len(values)) if groups is None else groups
    owners = np.array([places.setdefault(key, len(places)) for key in keys])
    sums = np.bincount(owners, numbers).astype(np.float64)
    sizes = np.bincount(owners).astype(np.float64)
    means = _resampled(sums, sizes, np.random.default_rng(seed), resamples)
    low, high = np.percentile(means, _PERCENTILES)
    return Interval(float(numbers.mean()), float(low), float(high), len(values))


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
