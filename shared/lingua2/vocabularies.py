"""The tiktoken vocabularies that ship with lingua2, and a counter that knows them well."""

from __future__ import annotations

import itertools
import lzma
import operator
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import tiktoken
from numpy.typing import NDArray

from .characters import well_formed

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
# Words to remember: a few megabytes at most. Longer blocks hardly ever come again.
_MOST_BLOCKS, _LONGEST_BLOCK = 1 << 15, 32


class BundledCounter:
    """Counts tokens of a bundled encoding, and encodes no word twice.

    Its patterns split a text in front of every space that stands alone between two characters,
    before anything is merged. So the tokens on both sides of such a space do not depend on each
    other, and a text has as many as its blocks: what stands between one such space and the next.
    Most blocks are words that were counted before.
    """

    def __init__(self, name: str) -> None:
        """Count with the bundled encoding ``name``."""
        self._encoding, self._lengths, self._known = _bundled(_SAME_RANKS.get(name, name))

    def __call__(self, text: str) -> int:
        """Number of tokens."""
        blocks = text.split(" ")
        # The first one has no space in front of it, and none of the others has one behind.
        blocks[0] += " "
        try:
            return sum(map(self._known.__getitem__, blocks))
        except KeyError:
            return self._counted(blocks)

    def _counted(self, blocks: list[str]) -> int:
        """Number of tokens where some blocks are new: they are encoded together, and remembered."""
        counts = [*map(self._known.get, blocks)]
        new = [i for i, count in enumerate(counts) if count is None]
        blocks[0] = blocks[0][:-1]
        groups = _groups(blocks, new)
        for start, stop in groups:
            counts[start:stop] = [0] * (stop - start)
        opened = counts[0] is None
        words = [blocks[i] for i in new if counts[i] is None and i]
        # What begins the text goes first, and what ends it last: one of the groups, if any.
        head = blocks[0] if opened else ""
        if groups and groups[0][0] == 0:
            head = " ".join(blocks[: groups.pop(0)[1]])
        tail = [block for start, stop in groups for block in blocks[start:stop]]
        tokens = self._encoding.encode_ordinary(well_formed(" ".join([head, *words, *tail])))
        before, *sizes = self._sizes([head, *words], tokens)
        self._remember(words, sizes)
        if opened:
            self._remember([blocks[0] + " "], [before])
        return sum(filter(None, counts)) + len(tokens)

    def _sizes(self, parts: list[str], tokens: list[int]) -> list[int]:
        """How many of the ``tokens`` are those of each of the first ``parts``."""
        data: Iterable[str | bytes] = parts
        if not all(map(str.isascii, parts)):
            # A lone surrogate has three bytes, and so has the U+FFFD that is counted for it.
            data = [part.encode("utf-8", "surrogatepass") for part in parts]
        ends = self._lengths[np.array(tokens, dtype=np.int64)].cumsum(dtype=np.int64)
        # One byte more for the space between two of them.
        bounds = np.fromiter(map(len, data), np.int64, len(parts)).cumsum() + np.arange(len(parts))
        behind: list[int] = np.searchsorted(ends, bounds, side="right").tolist()
        return [behind[0], *map(operator.sub, behind[1:], behind)]

    def _remember(self, keys: list[str], counts: list[int]) -> None:
        known = self._known
        if len(known) + len(keys) > _MOST_BLOCKS:
            known.clear()
        pairs: Iterable[tuple[str, int]] = zip(keys[:_MOST_BLOCKS], counts, strict=False)
        if max(map(len, keys), default=0) > _LONGEST_BLOCK:
            pairs = (pair for pair in pairs if len(pair[0]) <= _LONGEST_BLOCK)
        known.update(pairs)


def _groups(blocks: list[str], new: list[int]) -> list[tuple[int, int]]:
    """Where blocks must be counted as one since the space between them does not stand alone.

    Each such group begins or ends with white space somewhere inside, in a block that is new,
    since such blocks are never remembered.
    """
    groups: list[tuple[int, int]] = []
    stop = 0
    for i in new:
        block = blocks[i]
        if i < stop or (block and not block[0].isspace() and not block[-1].isspace()):
            continue
        start, stop = i, i + 1
        while start and not _stands_alone(blocks, start):
            start -= 1
        while stop < len(blocks) and not _stands_alone(blocks, stop):
            stop += 1
        # White space at the very beginning touches no other block.
        if stop > 1 or block[-1:].isspace():
            groups.append((start, stop))
    return groups


def _stands_alone(blocks: list[str], i: int) -> bool:
    """Whether the space in front of ``blocks[i]`` stands between two characters that are none.

    The beginning of the text is as good as the first of them.
    """
    before, behind = blocks[i - 1], blocks[i]
    opened = not before[-1].isspace() if before else i == 1
    return opened and behind != "" and not behind[0].isspace()


def bundled_encodings() -> tuple[str, ...]:
    """Names of the tiktoken encodings that ship with lingua2 and never need network."""
    return (*_PATTERNS, *_SAME_RANKS)


def bundled_encoding(name: str) -> tiktoken.Encoding:
    """The bundled encoding ``name``, without special tokens."""
    return _bundled(_SAME_RANKS.get(name, name))[0]


@cache
def _bundled(name: str) -> tuple[tiktoken.Encoding, NDArray[np.uint8], dict[str, int]]:
    """An encoding, how many bytes each of its tokens has, and what was counted with it."""
    data = lzma.decompress((_ENCODINGS / f"{name}.xz").read_bytes())
    size = int.from_bytes(data[:4], "big")
    lengths = np.frombuffer(data, dtype=np.uint8, count=size, offset=4)
    bounds = itertools.pairwise(itertools.accumulate(lengths.tolist(), initial=4 + size))
    ranks = {data[start:end]: rank for rank, (start, end) in enumerate(bounds)}
    encoding = tiktoken.Encoding(
        name, pat_str=_PATTERNS[name], mergeable_ranks=ranks, special_tokens={}
    )
    return encoding, lengths.copy(), {}
