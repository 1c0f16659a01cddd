"""Probabilities as whole numbers of 255ths, in one byte each.

A unit has two: the mean of its tokens' and that of its first token. They are the same for all units
of one token, so the second is written down where it differs only.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._cuts import Bytes
from .backends import FloatArray

__all__ = ["packed_levels", "quantised", "unpacked_levels"]

# All probabilities there are. One table for both directions, so that they agree to the bit.
_LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)


def quantised(probabilities: NDArray[Any]) -> FloatArray:
    """``probabilities`` rounded to 255ths, read-only; what is not a number counts as 0."""
    return _read_only(_LEVELS[_levels(probabilities)])


def packed_levels(mean: FloatArray, first: FloatArray) -> tuple[bytes, bool]:
    """The probabilities of a text's units, both of shape ``(n,)``.

    Returns:
        A byte for each of ``mean`` and, where ``first`` differs anywhere, a bit for each unit that
        says whether, and a byte for each that does; and whether it differs anywhere.
    """
    means, firsts = _levels(mean), _levels(first)
    differs = means != firsts
    if not differs.any():
        return means.tobytes(), False
    return means.tobytes() + np.packbits(differs).tobytes() + firsts[differs].tobytes(), True


def unpacked_levels(
    packed: Sequence[tuple[bytes, int, bool]],
) -> list[tuple[FloatArray, FloatArray] | None]:
    """The probabilities that `packed_levels` packed, of many texts at once.

    Args:
        packed: Of each text the bytes, the number of its units, and whether ``first`` differs.

    Returns:
        ``mean`` and ``first`` of each text, read-only; None where the bytes do not fit the units.
    """
    fits, means, bitmaps, others = [], [], [], []
    for values, size, differs in packed:
        stop = size + (-(-size // 8) if differs else 0)
        bitmap, other = values[size:stop], values[stop:]
        # Behind the last unit a bit means nothing.
        differing = (int.from_bytes(bitmap, "big") >> -size % 8).bit_count()
        fits.append(len(values) >= stop and differing == len(other))
        if fits[-1]:
            means.append(values[:size])
            bitmaps.append(bitmap or bytes(-(-size // 8)))
            others.append(other)
    levels = np.frombuffer(b"".join(means), dtype=np.uint8)
    mean = _LEVELS.take(levels)
    first = _LEVELS.take(_replaced(levels, means, bitmaps, others)) if any(others) else mean
    bounds = itertools.pairwise(itertools.accumulate(map(len, means), initial=0))
    pools = ((_part(mean, low, high), _part(first, low, high)) for low, high in bounds)
    return [next(pools) if fit else None for fit in fits]


def _replaced(
    levels: Bytes, means: list[bytes], bitmaps: list[bytes], others: list[bytes]
) -> Bytes:
    """The levels of ``first``, given those of ``mean``, all texts in a row."""
    bits = np.unpackbits(np.frombuffer(b"".join(bitmaps), dtype=np.uint8))
    begins = itertools.accumulate((8 * len(bitmap) for bitmap in bitmaps), initial=0)
    parts = [bits[begin : begin + len(own)] for begin, own in zip(begins, means, strict=False)]
    replaced = levels.copy()
    replaced[np.concatenate(parts).view(bool)] = np.frombuffer(b"".join(others), dtype=np.uint8)
    return replaced


def _part(values: FloatArray, low: int, high: int) -> FloatArray:
    # A view would keep the values of all texts alive.
    return _read_only(values[low:high].copy())


def _read_only(values: FloatArray) -> FloatArray:
    values.setflags(write=False)
    return values


def _levels(probabilities: NDArray[Any]) -> Bytes:
    levels: Bytes = np.rint(np.nan_to_num(probabilities) * 255).clip(0, 255).astype(np.uint8)
    return levels
