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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._cuts import packed_units, unpacked_units
from ._levels import packed_levels, quantised, unpacked_levels
from .backends import FloatArray
from .text import Units

__all__ = [
    "ScoredText",
    "encoded",
    "pack_scores",
    "packed_text",
    "quantised",
    "raw_bytes",
    "unpack_all",
    "unpack_scores",
    "unscored",
]


_MAGIC = b"L2\x01"
_HEADER = 4
_DIGEST = 16
_BODY = _HEADER + _DIGEST
_HALVES, _HAS_FIRST = 1, 2


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


def pack_scores(scored: ScoredText, fingerprint: str) -> bytes:
    """The scores of a text in about one byte a unit.

    Args:
        scored: What `Compressor.score` returns for the text.
        fingerprint: `Compressor.fingerprint` of the compressor that scored it.

    Returns:
        Bytes from which `unpack_scores` makes the same scores again, given text and fingerprint.
    """
    cuts, halves = packed_units(scored.text, scored.units)
    levels, has_first = packed_levels(scored.mean, scored.first)
    flags = _HALVES * halves | _HAS_FIRST * has_first
    body = len(cuts).to_bytes(4, "little") + cuts + levels
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
    return unpack_all([(text, data)], fingerprint)[0]


def unpack_all(packed: Sequence[tuple[str, Any]], fingerprint: str) -> list[ScoredText | None]:
    """`unpack_scores` for many texts, at a fraction of what one by one costs.

    Args:
        packed: Texts, and what is said to be their packed scores.
        fingerprint: `Compressor.fingerprint` of whoever wants to use them.
    """
    found: list[ScoredText | None] = [None] * len(packed)
    pairs = ((i, text, _opened(data, text, fingerprint)) for i, (text, data) in enumerate(packed))
    opened = [(i, text, parts) for i, text, parts in pairs if parts is not None]
    for halves in (0, _HALVES):
        own = [row for row in opened if row[2].flags & _HALVES == halves]
        if not own:
            continue
        texts, cuts = [text for _, text, _ in own], [parts.cuts for *_, parts in own]
        units = unpacked_units(texts, cuts, halves=bool(halves))
        whole = [(*row, cut) for row, cut in zip(own, units, strict=True) if cut is not None]
        # Where these do not fit the units, these are cut in another way and their version did not
        # change, or somebody else made both: the digest was right.
        levels = unpacked_levels(
            [(parts.levels, len(cut), bool(parts.flags & _HAS_FIRST)) for _, _, parts, cut in whole]
        )
        for (i, text, _, cut), pools in zip(whole, levels, strict=True):
            found[i] = None if pools is None else ScoredText(text, cut, *pools)
    return found


def packed_text(data: bytes) -> str:
    """Packed scores as a string (base64), for metadata that takes no bytes."""
    return base64.b64encode(data).decode("ascii")


def encoded(text: str) -> bytes:
    """Any string as bytes, lone surrogates included, for hashing."""
    return text.encode("utf-8", "surrogatepass")


class _Parts(NamedTuple):
    """What packed scores consist of."""

    flags: int
    cuts: bytes
    levels: bytes


def _opened(data: Any, text: str, fingerprint: str) -> _Parts | None:
    """The parts of packed scores; None where they are damaged or belong to something else."""
    raw = raw_bytes(data)
    if raw is None or len(raw) < _BODY or not raw.startswith(_MAGIC):
        return None
    header, digest, body = raw[:_HEADER], raw[_HEADER:_BODY], raw[_BODY:]
    if digest != _digest(header, body, text, fingerprint):
        return None
    size = 4 + int.from_bytes(body[:4], "little")
    return _Parts(header[3], body[4:size], body[size:]) if len(body) >= size else None


def _digest(header: bytes, body: bytes, text: str, fingerprint: str) -> bytes:
    parts: list[bytes] = []
    for part in (header, encoded(fingerprint), body, encoded(text)):
        parts += (len(part).to_bytes(8, "little"), part)
    return hashlib.blake2b(b"".join(parts), digest_size=_DIGEST).digest()


def raw_bytes(data: Any) -> bytes | None:
    """Packed bytes as they are or of `packed_text`; None for all else."""
    if isinstance(data, str):
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            return None
    return bytes(data) if isinstance(data, (bytes, bytearray, memoryview)) else None
