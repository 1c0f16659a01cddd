"""The vectors of one text's sentences in a compact form, to be stored beside its scores.

A component is a whole number from -127 to 127 everywhere, in which the vector's largest one is 127:
vectors only ever count by their cosine with the question's, in which their length cancels out. So
stored vectors give what fresh ones do. Packed they are one byte a component:

    magic "LV", format, flags         4 bytes
    digest                            16 bytes; BLAKE2b of identity, sentences and everything else
    components of a vector            4 bytes
    components                        1 byte each, one vector behind the other
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scores import encoded, raw_bytes

__all__ = ["Levels", "levels_of", "pack_vectors", "unpack_vectors"]

Levels = NDArray[np.int8]
"""Vectors as whole numbers, shape ``(vectors, components)``."""

_MAGIC = b"LV\x01\x00"
_DIGEST = 16
_BODY = len(_MAGIC) + _DIGEST
_MOST = 127


def levels_of(vectors: NDArray[np.float64]) -> Levels:
    """``vectors`` in whole numbers.

    Args:
        vectors: Finite vectors other than zero, shape ``(vectors, components)``.
    """
    if not vectors.size:
        return vectors.astype(np.int8)
    scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True)
    levels: Levels = np.rint(scaled * _MOST).astype(np.int8)
    return levels


def pack_vectors(levels: Levels, sentences: Sequence[str], identity: str) -> bytes:
    """The vectors of a text in one byte a component.

    Args:
        levels: The vectors of ``sentences``.
        sentences: What was embedded, in order.
        identity: What embedded it.

    Returns:
        Bytes from which `unpack_vectors` makes the same vectors again, given sentences and
        identity.
    """
    body: bytes = int(levels.shape[1]).to_bytes(4, "little") + levels.tobytes()
    return _MAGIC + _digest(body, sentences, identity) + body


def unpack_vectors(data: Any, sentences: Sequence[str], identity: str) -> Levels | None:
    """Vectors that `pack_vectors` packed.

    Args:
        data: The packed bytes, or what `packed_text` made of them.
        sentences: The sentences that they must belong to.
        identity: What they must come from.

    Returns:
        The vectors, read-only; None where ``data`` is damaged, or belongs to other sentences,
        another identity or another version. Nothing that is passed as ``data`` raises an error.
    """
    raw = raw_bytes(data)
    if raw is None or len(raw) < _BODY + 4 or not raw.startswith(_MAGIC):
        return None
    body = raw[_BODY:]
    if raw[len(_MAGIC) : _BODY] != _digest(body, sentences, identity):
        return None
    size = int.from_bytes(body[:4], "little")
    # The digest was right, but somebody else may have made it.
    if len(body) - 4 != len(sentences) * size:
        return None
    levels = np.frombuffer(body, dtype=np.int8, offset=4).reshape(len(sentences), size)
    return levels if levels.any(axis=1).all() else None


def _digest(body: bytes, sentences: Sequence[str], identity: str) -> bytes:
    digest = hashlib.blake2b(_MAGIC, digest_size=_DIGEST)
    for part in (encoded(identity), body, *map(encoded, sentences)):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()
