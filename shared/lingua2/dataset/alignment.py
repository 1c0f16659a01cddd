"""A global alignment of a compressed text with its source."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingua2.text import SENTENCE_MARKS, BoolArray, IntArray

from .annotation import is_mark, normalise, pieces

__all__ = ["AlignmentAnnotator"]

FloatArray = NDArray[np.float64]

# How well two words fit: as written, in another letter case, another inflection, a typo away, a
# piece of a compound word.
_EXACT, _CASE, _STEM, _NEAR, _PIECE = 1.0, 0.97, 0.85, 0.6, 0.5
_NEAR_RATIO = 0.8
_NEAR_LENGTH = 5
# A word's weight falls with its frequency, so that a "the" does not tear its context apart.
_LIGHTEST = 0.4
# Marks weigh less than a gap that would have to be opened for them alone.
_MARK, _SENTENCE_MARK = 0.15, 0.25
# Cost of leaving out k source words: the smaller of two lines (open + k * extend), hence concave:
# one long gap and contiguous rest are better than scattered words.
_GAPS = ((0.15, 0.01), (0.35, 0.0005))
_OPEN, _EXTEND = np.array(_GAPS).T[:, :, None]
# A closing mark belongs to the word before it, where everything else is equal.
_TIE = 1e-6
_OPENING = "([{“‘«„¿¡"
_ROUNDS = 3
# A moved word or phrase of this weight is placed anywhere; a lighter one only this near.
_SURE = 0.9
_REACH = 12
_CHAIN = 3


class AlignmentAnnotator:
    """Aligns all words at once, where the paper's search takes one after the other.

    A monotone alignment is found by dynamic programming: exact words count more than another case,
    inflection or spelling and than pieces of compound words, rare words count more than frequent
    ones, and gaps in the source cost, so that among repeated words those in context are taken. What
    the teacher has moved is aligned among the words that are left, in up to three rounds, and
    single words go to the nearest place. Punctuation is found only next to words that are.

    Time is O(m * n) in vectorised rows, memory O(n + candidate pairs), for ``m`` compressed and
    ``n`` source words.
    """

    def annotate(self, words: Sequence[str], compressed: Sequence[str]) -> IntArray:
        """See `lingua2.dataset.Annotator.annotate`."""
        found = np.full(len(compressed), -1, dtype=np.int64)
        if not len(words) or not len(compressed):
            return found
        candidates = _candidates(words, compressed)
        taken = np.zeros(len(words), dtype=bool)
        marks = np.array([is_mark(word) for word in compressed])
        for i, place in _align(range(len(compressed)), candidates, ~taken):
            found[i] = place
            taken[place] = True
        for _ in range(_ROUNDS):
            rows = np.flatnonzero((found < 0) & ~marks).tolist()
            moved = _phrases(_align(rows, candidates, ~taken), candidates)
            for i, place in moved:
                found[i] = place
                taken[place] = True
            if not moved:
                break
        _place_nearest(found, taken, candidates, marks)
        return found


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Source words that one compressed word may stand for: ascending places, and their weights."""

    places: IntArray
    weights: FloatArray
    bonus: float = 0.0


def _candidates(words: Sequence[str], compressed: Sequence[str]) -> list[_Candidates]:
    source = _Source(words)
    made: dict[str, _Candidates] = {}
    for word in compressed:
        if word not in made:
            made[word] = source.candidates(word)
    return [made[word] for word in compressed]


class _Source:
    """Looks up the forms of a word in the source."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        self._by_piece: dict[str, list[int]] = defaultdict(list)
        for j, word in enumerate(words):
            self._by_stem[normalise(word)].append(j)
            for piece in pieces(word):
                self._by_piece[piece].append(j)
        self._vocabulary = _Vocabulary(self._by_stem)

    def candidates(self, word: str) -> _Candidates:
        """Where ``word`` may stand, and how much that would count."""
        stem, folded = normalise(word), word.casefold()
        fits = dict.fromkeys(self._by_piece.get(stem, ()), _PIECE)
        for j in self._by_stem.get(stem, ()):
            other = self._words[j]
            same_case = _EXACT if other == word else _CASE
            fits[j] = same_case if other.casefold() == folded else _STEM
        if not fits and (near := self._vocabulary.near(stem)):
            fits = dict.fromkeys(self._by_stem[near], _NEAR)
        if not fits and pieces(word):
            fits = dict.fromkeys(self._around(folded), _PIECE)
        if is_mark(word):
            weight = _SENTENCE_MARK if word[0] in SENTENCE_MARKS else _MARK
        else:
            weight = max(_LIGHTEST, max(1, len(fits)) ** -0.5)
        places = sorted(fits)
        return _Candidates(
            np.array(places, dtype=np.int64),
            weight * np.array([fits[j] for j in places], dtype=np.float64),
            _TIE if is_mark(word) and word[0] not in _OPENING else 0.0,
        )

    def _around(self, folded: str) -> Iterator[int]:
        """Compound words that a compound word is part of, such as the link around an address."""
        for j, word in enumerate(self._words):
            if len(word) > len(folded) and folded in word.casefold():
                yield j


class _Vocabulary:
    """Finds the source's spelling of a word that does not occur in it as it is."""

    def __init__(self, stems: Iterable[str]) -> None:
        self._by_initial: dict[str, list[str]] = defaultdict(list)
        for stem in stems:
            if len(stem) >= _NEAR_LENGTH and stem.isalpha():
                self._by_initial[stem[0]].append(stem)

    def near(self, stem: str) -> str | None:
        # Numbers and identifiers that differ in a character are different things.
        if len(stem) < _NEAR_LENGTH or not stem.isalpha():
            return None
        close = difflib.get_close_matches(stem, self._by_initial[stem[0]], 1, _NEAR_RATIO)
        return close[0] if close else None


def _align(
    rows: Sequence[int], candidates: Sequence[_Candidates], free: BoolArray
) -> list[tuple[int, int]]:
    """The best monotone pairs of the compressed words ``rows`` and the ``free`` source words."""
    size = len(free) + 1
    # best[j + 1]: score of the best alignment so far whose last source word is j. Beside it the
    # same plus the extension of a gap up to j, so that a running maximum finds the best gap.
    best = np.full(size, -np.inf)
    lines = np.full((len(_GAPS), size), -np.inf)
    slopes = _EXTEND * np.arange(size)
    # What a gap before source word j takes away again, and costs to open.
    costs = slopes - _EXTEND + _OPEN
    steps: list[tuple[list[int], list[int]]] = []
    for i in rows:
        of = candidates[i]
        usable = free[of.places]
        places, scores = of.places[usable], of.weights[usable]
        if not len(places):
            steps.append(([], []))
            continue
        reach = np.maximum.accumulate(lines, axis=1)
        gapped = reach[:, places] - costs[:, places]
        adjacent = best[places] + of.bonus
        entry = np.maximum(np.maximum(adjacent, gapped.max(axis=0)), 0.0)
        scores = scores + entry
        before = np.where(entry == adjacent, places, 0)
        for line, gap in zip(reach, gapped, strict=True):
            chosen = (entry == gap) & (before == 0)
            before[chosen] = line.searchsorted(line[places[chosen]])
        columns = places + 1
        better = scores > best[columns]
        columns, scores = columns[better], scores[better]
        best[columns] = scores
        lines[:, columns] = scores + slopes[:, columns]
        steps.append((columns.tolist(), before[better].tolist()))
    pairs = []
    column = int(np.argmax(best))
    for i, (reached, before_them) in zip(reversed(rows), reversed(steps), strict=True):
        if column in reached:
            pairs.append((i, column - 1))
            column = before_them[reached.index(column)]
    return pairs[::-1]


def _phrases(
    pairs: list[tuple[int, int]], candidates: Sequence[_Candidates]
) -> list[tuple[int, int]]:
    """Those of ``pairs`` that are part of a phrase that cannot be there by chance."""
    chains: list[list[tuple[int, int]]] = []
    for pair in pairs:
        last = chains[-1][-1] if chains else (-_CHAIN - 1, 0)
        if pair[0] - last[0] <= _CHAIN and pair[1] - last[1] <= _CHAIN:
            chains[-1].append(pair)
        else:
            chains.append([pair])
    kept: list[tuple[int, int]] = []
    for chain in chains:
        if sum(_weight(candidates[i], place) for i, place in chain) >= _SURE:
            kept += chain
    return kept


def _weight(of: _Candidates, place: int) -> float:
    return float(of.weights[np.searchsorted(of.places, place)])


def _place_nearest(
    found: IntArray,
    taken: BoolArray,
    candidates: Sequence[_Candidates],
    marks: BoolArray,
) -> None:
    """Put single words that are left next to where their neighbours stand, nearest first."""
    placed = np.flatnonzero((found >= 0) & ~marks)
    offers: list[tuple[int, int, int]] = []
    for i in np.flatnonzero((found < 0) & ~marks).tolist():
        places = candidates[i].places[~taken[candidates[i].places]]
        k = int(np.searchsorted(placed, i))
        around = found[placed[max(0, k - 1) : k + 1]]
        if len(places) and len(around):
            distance = np.abs(places[:, None] - around[None, :]).min(axis=1)
            offers += [
                (d, i, place)
                for d, place in zip(distance.tolist(), places.tolist(), strict=True)
                if d <= _REACH
            ]
    for _, i, place in sorted(offers):
        if found[i] < 0 and not taken[place]:
            found[i] = place
            taken[place] = True
