"""Compressed text back to word labels on the original (paper, section 3.2).

A teacher's text cannot be trusted to be a subset of the original's words: it changes case and
inflection, moves phrases and rewrites a little. An `Annotator` says for every compressed word
which source word it stands for; the source words that are hit are the ones labelled as kept.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np

from lingua2.errors import OptionError
from lingua2.text import MARKS, IntArray, Units, split_units

__all__ = [
    "Annotator",
    "WindowAnnotator",
    "annotate_text",
    "is_mark",
    "normalise",
    "pieces",
    "split_words",
]

_LETTERS = re.compile(r"[a-z]+(?:['’][a-z]+)?\Z")
_POSSESSIVE = re.compile(r"['’]s?\Z")
_VOWEL = re.compile(r"[aeiouy]")
_DOUBLED = re.compile(r"([bdfgklmnprtvz])\1\Z")
_EDGES = "*_`~|" + MARKS
_PIECES = re.compile(r"[^\W_]+")
_SHORTEST_PIECE = 3
_SHORTEST_STEM = 3
# How much longer than its prefix a word may be and still count as another form of it.
_PREFIX, _SUFFIX = 4, 3


@runtime_checkable
class Annotator(Protocol):
    """What finds the source words that a compressed text kept."""

    def annotate(self, words: Sequence[str], compressed: Sequence[str]) -> IntArray:
        """The source word that each compressed word stands for.

        Args:
            words: The source, cut into words and marks as `split_words` does; length ``n``.
            compressed: The compressed text, cut likewise; length ``m``.

        Returns:
            int64, shape ``(m,)``: an index into ``words``, or -1 where a compressed word has no
            source. No index occurs twice.
        """
        ...


class WindowAnnotator:
    """The paper's search in a window around the last match (section 3.2, Algorithm 1).

    For each compressed word the original is searched forwards and backwards by turns, beginning at
    the last match; the first word that fits and is not taken yet is marked. Words are compared by
    `normalise`, or by a common prefix, where the authors compare lemmas; commas are passed over.

    Args:
        window: How far from the last match the search goes, in words, at least 1.

    Raises:
        OptionError: ``window`` is less than 1.
    """

    def __init__(self, window: int = 400) -> None:
        if not isinstance(window, int) or window < 1:
            raise OptionError(f"window must be a number of words of at least 1, got {window!r}")
        self.window = window

    def annotate(self, words: Sequence[str], compressed: Sequence[str]) -> IntArray:
        """See `Annotator.annotate`."""
        found = np.full(len(compressed), -1, dtype=np.int64)
        places = _Places(words)
        taken: set[int] = set()
        last = 0
        for i, word in enumerate(compressed):
            if word == ",":
                continue
            # By distance, and the word ahead before the one behind: the order of the search.
            near = [
                (abs(j - last), j < last, j)
                for j in places.of(word)
                if abs(j - last) < self.window and j not in taken
            ]
            if not near:
                continue
            place = min(near)[2]
            taken.add(place)
            found[i] = place
            # The authors let one match move the window by no more than half its size.
            last = min(place, last + max(1, self.window // 2))
        return found


class _Places:
    """Where in the source a word, or another form of it, stands."""

    def __init__(self, words: Sequence[str]) -> None:
        self._places: dict[str, list[int]] = defaultdict(list)
        self._by_prefix: dict[str, set[str]] = defaultdict(set)
        for j, stem in enumerate(map(normalise, words)):
            self._places[stem].append(j)
            if stem.isalpha():
                self._by_prefix[stem[:_PREFIX]].add(stem)

    def of(self, word: str) -> list[int]:
        stem = normalise(word)
        found = list(self._places.get(stem, ()))
        if stem.isalpha() and len(stem) >= _PREFIX:
            for other in self._by_prefix.get(stem[:_PREFIX], ()):
                if other != stem and _same_beginning(stem, other):
                    found += self._places[other]
        return found


def _same_beginning(a: str, b: str) -> bool:
    return abs(len(a) - len(b)) <= _SUFFIX and (a.startswith(b) or b.startswith(a))


@lru_cache(maxsize=1 << 16)
def normalise(word: str) -> str:
    """``word`` without what teachers change: letter case, Unicode form, English inflection.

    A stand-in for the authors' lemmas that needs no language model. Markup and marks at the edges
    are taken off; only ASCII letters are stemmed, so that numbers, identifiers and other languages
    are compared as they are.

    >>> normalise("Measured"), normalise("measuring"), normalise("parties"), normalise("v2.0")
    ('measur', 'measur', 'party', 'v2.0')
    """
    word = unicodedata.normalize("NFKC", word).casefold()
    # Teachers drop the markup of "**Bold:**" and "`code`", and what it encloses.
    word = word.strip(_EDGES) or word
    if not _LETTERS.match(word):
        return word
    return _stem(_POSSESSIVE.sub("", word) or word)


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > _SHORTEST_STEM + 1:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for suffix in ("ing", "ied", "ed"):
        stem = word.removesuffix(suffix)
        if stem != word and len(stem) >= _SHORTEST_STEM and _VOWEL.search(stem):
            word = _DOUBLED.sub(r"\1", stem) + ("y" if suffix == "ied" else "")
            break
    else:
        word = _DOUBLED.sub(r"\1", word) if len(word) > _SHORTEST_STEM + 1 else word
    return word.removesuffix("e") if len(word) > _SHORTEST_STEM else word


def pieces(word: str) -> set[str]:
    """What a compound word is made of, as `normalise` has it; empty for a simple word.

    Teachers cut links, paths and ``key=value`` apart, which are one word for a compressor.

    >>> sorted(pieces("status=200")), pieces("status")
    (['200', 'status'], set())
    """
    found = _PIECES.findall(word)
    if len(found) < 2:
        return set()
    return {normalise(piece) for piece in found if len(piece) >= _SHORTEST_PIECE or piece.isdigit()}


def is_mark(word: str) -> bool:
    """Whether ``word`` is punctuation that `lingua2.text.split_units` splits off."""
    return all(char in MARKS for char in word)


def split_words(text: str) -> list[str]:
    """The words and marks of ``text``, as annotators take them."""
    units = split_units(text)
    return [text[a:b] for a, b in zip(units.starts.tolist(), units.ends.tolist(), strict=True)]


def annotate_text(
    text: str, compressed: Sequence[str], annotator: Annotator
) -> tuple[Units, IntArray]:
    """Label every word of ``text`` with the number of compressions that keep it.

    Levels are nested: what a stronger compression keeps counts as kept by the milder ones. A
    stronger one is therefore looked up among the words that the milder one kept first, and in the
    whole text only for words that are not there.

    Args:
        text: The source.
        compressed: Its compressions, from the mildest to the strongest.
        annotator: What finds the words.

    Returns:
        The words of ``text`` (n of them), and their levels, int64, shape ``(n,)``, in
        ``0..len(compressed)``.
    """
    units = split_units(text)
    bounds = zip(units.starts.tolist(), units.ends.tolist(), strict=True)
    words = [text[a:b] for a, b in bounds]
    levels = np.zeros(len(units), dtype=np.int64)
    for level, shorter in enumerate(map(split_words, compressed), 1):
        pool = np.flatnonzero(levels == level - 1)
        found = annotator.annotate([words[j] for j in pool], shorter)
        places = np.where(found >= 0, pool[found] if len(pool) else -1, -1)
        if len(pool) < len(words) and (places < 0).any():
            free = annotator.annotate(words, shorter)
            free[np.isin(free, places)] = -1
            places = np.where(places < 0, free, places)
        levels[places[places >= 0]] = level
    return units, levels
