"""The tiktoken vocabularies that ship with lingua2, and a counter that knows them well."""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import tiktoken
from numpy.typing import NDArray

from .characters import well_formed
from .text import IntArray

__all__ = ["BundledCounter", "bundled_encoding", "bundled_encodings"]

_ENCODINGS = Path(__file__).parent / "encodings"
# tiktoken keeps these inside functions that also download the vocabulary; a test compares them.
_PATTERNS = {
    "cl100k_base": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    "o200k_base": (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
# The same vocabulary and pattern, with other special tokens, which are never used here.
_SAME_RANKS = {"o200k_harmony": "o200k_base"}


class BundledCounter:
    """Counts tokens of a bundled encoding.

    Its patterns split a text in front of every space that stands alone between two words, before
    anything is merged. So the tokens on both sides of such a space do not depend on each other, and
    a text has as many as its parts.
    """

    def __init__(self, name: str) -> None:
        """Count with the bundled encoding ``name``."""
        self._encoding, self._lengths = _bundled(_SAME_RANKS.get(name, name))

    def __call__(self, text: str) -> int:
        """Number of tokens."""
        return len(self._encoding.encode_ordinary(well_formed(text)))

    def encode(self, text: str) -> list[int]:
        """The tokens."""
        return self._encoding.encode_ordinary(well_formed(text))

    def ends(self, tokens: Sequence[int]) -> IntArray:
        """Offset behind each token in the bytes of the text (UTF-8)."""
        return np.cumsum(self._lengths[np.array(tokens, dtype=np.int64)], dtype=np.int64)


def bundled_encodings() -> tuple[str, ...]:
    """Names of the tiktoken encodings that ship with lingua2 and never need network."""
    return (*_PATTERNS, *_SAME_RANKS)


def bundled_encoding(name: str) -> tiktoken.Encoding:
    """The bundled encoding ``name``, without special tokens."""
    return _bundled(_SAME_RANKS.get(name, name))[0]


@cache
def _bundled(name: str) -> tuple[tiktoken.Encoding, NDArray[np.uint8]]:
    """An encoding and how many bytes each of its tokens has."""
    data = lzma.decompress((_ENCODINGS / f"{name}.xz").read_bytes())
    size = int.from_bytes(data[:4], "big")
    lengths = np.frombuffer(data, dtype=np.uint8, count=size, offset=4)
    ranks: dict[bytes, int] = {}
    start = 4 + size
    for rank, length in enumerate(lengths.tolist()):
        ranks[data[start : start + length]] = rank
        start += length
    encoding = tiktoken.Encoding(
        name, pat_str=_PATTERNS[name], mergeable_ranks=ranks, special_tokens={}
    )
    return encoding, lengths.copy()
