"""Scored texts, and their compact form that can be stored with a document or in a cache.

A probability is a whole number of 255ths everywhere, so that stored scores are those that a fresh
computation gives. Packed scores are about one byte a unit:

    magic "L2", format, flags         4 bytes
    digest                            16 bytes; BLAKE2b of fingerprint, text and everything else
    size of the next, cuts            4 bytes, 1 byte for each unit that begins without a space
                                      (half a byte in scripts without spaces)
    mean                              1 byte a unit
    [bitmap, first]                   1 bit a unit, 1 byte for each unit whose ``first`` differs
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._cuts import Bytes, packed_units, unpacked_units
from .backends import FloatArray
from .text import Units

__all__ = [
    "UNITS_VERSION",
    "ScoredText",
    "encoded",
    "pack_scores",
    "packed_text",
    "quantised",
    "unpack_scores",
    "unscored",
]

UNITS_VERSION = 1
"""Goes up whenever `split_units` cuts any text in another way or words are scored in another one:
what is stored would not be what a fresh computation gives, and is stale then."""

_MAGIC = b"L2\x01"
_HEADER = 4
_DIGEST = 16
_BODY = _HEADER + _DIGEST
_HALVES, _HAS_FIRST = 1, 2
# All probabilities there are. One table for both directions, so that they agree to the bit.
_LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredText:
    """A text's units and the model's opinion of them. The arrays are shared: do not write to them.

    Attributes:
        text: The text.
        units: Its units, ``n`` of them.
        mean: Mean keep probability of each unit's tokens in 255ths, float32, shape ``(n,)``; 0
            where the tokenizer yields no token for a unit.
        first: Keep probability of each unit's first token in 255ths, float32, shape ``(n,)``.
    """

    text: str
    units: Units
    mean: FloatArray
    first: FloatArray

    def probabilities(self, token_to_word: str) -> FloatArray:
        """Keep probability of each unit, pooled as ``"mean"`` or ``"first"``."""
        return self.first if token_to_word == "first" else self.mean


def unscored(text: str) -> ScoredText:
    """``text`` as it is where it is blank: without any unit."""
    nothing, none = np.zeros(0, np.int64), quantised(np.zeros(0))
    return ScoredText(text, Units(nothing, nothing), none, none)


def quantised(probabilities: NDArray[Any]) -> FloatArray:
    """``probabilities`` rounded to 255ths, read-only; what is not a number counts as 0."""
    return _values(_levels(probabilities))


def pack_scores(scored: ScoredText, fingerprint: str) -> bytes:
    """The scores of a text in about one byte a unit.

    Args:
        scored: What `Compressor.score` returns for the text.
        fingerprint: `Compressor.fingerprint` of the compressor that scored it.

    Returns:
        Bytes from which `unpack_scores` makes the same scores again, given text and fingerprint.
    """
    mean, first = _levels(scored.mean), _levels(scored.first)
    differs = mean != first
    cuts, halves = packed_units(scored.text, scored.units)
    flags = _HALVES if halves else 0
    body = len(cuts).to_bytes(4, "little") + cuts + mean.tobytes()
    if differs.any():
        flags |= _HAS_FIRST
        body += np.packbits(differs).tobytes() + first[differs].tobytes()
    header = _MAGIC + bytes((flags,))
    return header + _digest(header, body, scored.text, fingerprint) + body


def unpack_scores(data: bytes | str, text: str, fingerprint: str) -> ScoredText | None:
    """Scores that `pack_scores` packed.

    Args:
        data: The packed bytes, or what `packed_text` made of them.
        text: The text that they must belong to.
        fingerprint: `Compressor.fingerprint` of whoever wants to use them.

    Returns:
        The scores; None where ``data`` is damaged, or belongs to another text, another model or
        another version. Nothing that is passed as ``data`` raises an error.
    """
    raw = _raw(data)
    if raw is None or len(raw) < _BODY or not raw.startswith(_MAGIC):
        return None
    header, digest, body = raw[:_HEADER], raw[_HEADER:_BODY], raw[_BODY:]
    if digest != _digest(header, body, text, fingerprint):
        return None
    flags, size = raw[3], 4 + int.from_bytes(body[:4], "little")
    if len(body) < size:
        return None
    values = np.frombuffer(body, dtype=np.uint8)
    units = unpacked_units(text, values[4:size], halves=bool(flags & _HALVES))
    if units is None:
        return None
    return _pooled(text, units, values[size:], has_first=bool(flags & _HAS_FIRST))


def packed_text(data: bytes) -> str:
    """Packed scores as a string (base64), for metadata that takes no bytes."""
    return base64.b64encode(data).decode("ascii")


def encoded(text: str) -> bytes:
    """Any string as bytes, lone surrogates included, for hashing."""
    return text.encode("utf-8", "surrogatepass")


def _pooled(text: str, units: Units, values: Bytes, *, has_first: bool) -> ScoredText | None:
    """Scores from their bytes; None where these do not fit the units.

    Their digest was right, so either unit splitting changed and its version did not, or somebody
    else made them.
    """
    count = len(units)
    bitmap_end = count + (-(-count // 8) if has_first else 0)
    if len(values) < bitmap_end:
        return None
    levels, bitmap, other = values[:count], values[count:bitmap_end], values[bitmap_end:]
    differs = np.unpackbits(bitmap, count=count).astype(bool) if has_first else np.zeros(0, bool)
    if np.count_nonzero(differs) != len(other):
        return None
    mean = first = _values(levels)
    if has_first:
        levels = levels.copy()
        levels[differs] = other
        first = _values(levels)
    return ScoredText(text, units, mean, first)


def _levels(probabilities: NDArray[Any]) -> Bytes:
    levels: Bytes = np.rint(np.nan_to_num(probabilities) * 255).clip(0, 255).astype(np.uint8)
    return levels


def _values(levels: Bytes) -> FloatArray:
    values = _LEVELS[levels]
    values.setflags(write=False)
    return values


def _digest(header: bytes, body: bytes, text: str, fingerprint: str) -> bytes:
    digest = hashlib.blake2b(UNITS_VERSION.to_bytes(2, "little"), digest_size=_DIGEST)
    for part in (header, encoded(fingerprint), body, encoded(text)):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _raw(data: Any) -> bytes | None:
    if isinstance(data, str):
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            return None
    return bytes(data) if isinstance(data, (bytes, bytearray, memoryview)) else None
