"""Where the units of a text are, in as few bytes as possible beside the text.

Units fill the runs between white space. So only the cuts inside of runs are written down: where one
unit ends and the next one begins without a space, about every fifth unit in English prose.
"""

from __future__ import annotations

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


def unpacked_units(text: str, packed: Bytes, *, halves: bool) -> Units | None:
    """The units that `packed_units` packed; None where ``packed`` cannot be of this text."""
    starts, ends = _runs(text)
    if not len(packed):
        return Units(starts, ends)
    base, digits = 255, packed
    if halves:
        base, digits = 15, np.stack([packed >> np.uint8(4), packed & np.uint8(15)], axis=1).ravel()
    cuts = np.cumsum(digits, dtype=np.int64)[digits < base]
    starts, ends = np.concatenate([starts, cuts]), np.concatenate([ends, cuts])
    # Stable sorting is fast where there are two sorted parts.
    starts.sort(kind="stable")
    ends.sort(kind="stable")
    # No unit is empty, and none spans white space.
    fits = (starts < ends).all() and (starts[1:] >= ends[:-1]).all()
    return Units(starts, ends) if fits else None


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
    return changes[::2].copy(), changes[1::2].copy()


def _spaces(text: str) -> BoolArray:
    if text.isascii():
        return _ASCII_SPACES[np.frombuffer(text.encode("ascii"), dtype=np.uint8)]
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    spaces: BoolArray = _SPACES.take(codes, mode="clip")
    return spaces
