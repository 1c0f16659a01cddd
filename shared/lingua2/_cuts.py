"""Where the units of a text are, in as few bytes as possible beside the text.

Units fill the runs between white space. So only the cuts inside of runs are written down: where one
unit ends and the next one begins without a space, about every fifth unit in English prose.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .text import BoolArray, IntArray, Units

__all__ = ["packed_units", "unpacked_units"]

Bytes = NDArray[np.uint8]

# White space by code point; the last entry stands for everything above U+3000.
_SPACES = np.array([chr(code).isspace() for code in range(0x3002)])
_ASCII_SPACES = _SPACES[:128]


def packed_units(text: str, units: Units) -> tuple[bytes, bool]:
    """The cuts of ``text`` as distances from one to the next.

    A distance is a sum of digits that ends with the first one below the largest: bytes where cuts
    are far apart as in scripts with spaces, half bytes where nearly every unit begins with one.

    Returns:
        The digits, and whether they are half bytes.
    """
    starts, _ = _runs(text)
    cuts = np.setdiff1d(units.starts, starts, assume_unique=True)
    distances = np.diff(cuts, prepend=0)
    whole, half = _digits(distances, 255), _digits(distances, 15)
    if len(whole) <= -(-len(half) // 2):
        return whole.tobytes(), False
    if len(half) % 2:
        half = np.append(half, np.uint8(15))
    pairs: Bytes = half[::2] << np.uint8(4) | half[1::2]
    return pairs.tobytes(), True


def unpacked_units(
    texts: Sequence[str], packed: Sequence[bytes], *, halves: bool
) -> list[Units | None]:
    """The units that `packed_units` packed, of many texts at once.

    Args:
        texts: Any strings.
        packed: The digits of each.
        halves: Whether these are half bytes.

    Returns:
        The units of each text; None where ``packed`` cannot be of it.
    """
    origins = np.array([0, *itertools.accumulate(len(text) + 1 for text in texts)])
    starts, ends = _runs(" ".join(texts))
    base, digits = 255, np.frombuffer(b"".join(packed), dtype=np.uint8)
    begins = np.array([0, *itertools.accumulate(map(len, packed))])
    if halves:
        base, begins = 15, 2 * begins
        digits = np.stack([digits >> np.uint8(4), digits & np.uint8(15)], axis=1).ravel()
    damaged: set[int] = set()
    if len(digits):
        sums = np.zeros(len(digits) + 1, dtype=np.int64)
        digits.cumsum(out=sums[1:])
        stops = np.flatnonzero(digits < base) + 1
        own = np.searchsorted(begins, stops) - 1
        cuts = sums[stops] + (origins - sums[begins])[own]
        outside = (cuts <= origins[own]) | (cuts >= origins[own + 1] - 1)
        if outside.any():
            damaged.update(own[outside].tolist())
            cuts = cuts[~outside]
        starts, ends = np.concatenate((starts, cuts)), np.concatenate((ends, cuts))
        # Stable sorting is fast where there are two sorted parts.
        starts.sort(kind="stable")
        ends.sort(kind="stable")
        # No unit is empty, and none spans white space.
        wrong = starts >= ends
        wrong[1:] |= starts[1:] < ends[:-1]
        if wrong.any():
            damaged.update((np.searchsorted(origins, starts[wrong], side="right") - 1).tolist())
    places = np.searchsorted(starts, origins)
    shift = origins[:-1].repeat(places[1:] - places[:-1])
    starts, ends = starts - shift, ends - shift
    return [
        None if i in damaged else Units(starts[low:high].copy(), ends[low:high].copy())
        for i, (low, high) in enumerate(itertools.pairwise(places.tolist()))
    ]


def _digits(distances: IntArray, base: int) -> Bytes:
    ends = np.cumsum(distances // base + 1) - 1
    digits = np.full(int(ends[-1]) + 1 if len(ends) else 0, base, dtype=np.uint8)
    digits[ends] = distances % base
    return digits


def _runs(text: str) -> tuple[IntArray, IntArray]:
    """Begin and end of every run of characters that are no white space."""
    inside = np.zeros(len(text) + 2, dtype=bool)
    np.logical_not(_spaces(text), out=inside[1:-1])
    changes = np.flatnonzero(inside[1:] != inside[:-1])
    return changes[::2], changes[1::2]


def _spaces(text: str) -> BoolArray:
    if text.isascii():
        return _ASCII_SPACES.take(np.frombuffer(text.encode("ascii"), dtype=np.uint8))
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    spaces: BoolArray = _SPACES.take(codes, mode="clip")
    return spaces
