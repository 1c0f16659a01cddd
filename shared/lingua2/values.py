"""What each unit of a set is worth to a budget, given the model's opinion of it."""

from __future__ import annotations

import itertools

import numpy as np

from .backends import FloatArray
from .rendering import Layout
from .text import BoolArray, IntArray

__all__ = ["word_values"]

# Measured with benchmarks/quality.py: against bare probabilities these keep 4 to 11 more answers in
# a hundred at the same budget. Marks cost a token each and say little once words around them are
# gone, but the end of a sentence tells a reader more than a comma; and a word is worth more where
# its neighbours stay, since phrases answer questions: the more so the more room there is.
_SENTENCE_MARK_WEIGHT = 0.75
_MARK_WEIGHT = 0.25
_NEIGHBOUR_WEIGHT_PER_SHARE, _MOST_NEIGHBOUR_WEIGHT = 0.8, 0.5
# Most answers that a hard budget loses are lost in part: "South African" without "Schools Act". So
# the words of a phrase move towards its best one. What the model finds hardly worth keeping, below
# this share of the text's mean, is what stands between phrases: "of the", "which were".
_PHRASE_WEIGHT = 0.5
_BETWEEN_PHRASES = 0.4


def word_values(
    layout: Layout, probabilities: FloatArray, share: float
) -> tuple[FloatArray, IntArray]:
    """What each unit of a set is worth to a budget, and the word that it stands at.

    A word's value is its probability, raised towards that of the best word of its phrase and mixed
    with those of the words beside it. A phrase is a run of words that no punctuation mark, no line
    break and no improbable word interrupts. A mark is worth a part of its probability. Neither a
    mark nor another sign (a bullet, an operator) is worth more than the word that it stands at, nor
    anything without it. No text has an influence on the units of another one.

    Args:
        layout: The texts and their units.
        probabilities: Keep probability of each unit.
        share: Which share of the set's tokens the budget holds.

    Returns:
        Values, and the index of each unit's word, -1 for words; both of shape ``(len(layout),)``.
    """
    marks, closing = layout.marks()
    signs = layout.signs()
    words = np.flatnonzero(~signs)
    weights = np.where(closing, _SENTENCE_MARK_WEIGHT, np.where(marks, _MARK_WEIGHT, 1.0))
    values = probabilities * weights
    host = np.full(len(layout), -1, dtype=np.int64)
    if not len(words):
        return values.astype(np.float32), host
    bounds = np.searchsorted(words, layout.offsets)
    own = _by_phrase(layout, probabilities[words], words, marks, bounds)
    opens, closes = _edges(bounds)
    before, after = np.append(own[:1], own[:-1]), np.append(own[1:], own[-1:])
    # At a text's edge a word stands in for the neighbour that it does not have.
    before[opens], after[closes] = own[opens], own[closes]
    beside = (before + after) / 2
    weight = min(_NEIGHBOUR_WEIGHT_PER_SHARE * share, _MOST_NEIGHBOUR_WEIGHT)
    values[words] = (1 - weight) * own + weight * beside
    at = np.flatnonzero(signs)
    host[at] = _hosts(layout, at, words, bounds)
    at = at[host[at] >= 0]
    values[at] = np.minimum(values[at], values[host[at]])
    return values.astype(np.float32), host


def _hosts(layout: Layout, signs: IntArray, words: IntArray, bounds: IntArray) -> IntArray:
    """The word that each sign stands at, -1 in texts without words.

    That is the word before it where no space is between, else the one after it.
    """
    document = layout.document[signs]
    first, last = bounds[document], bounds[document + 1] - 1
    following = np.searchsorted(words, signs)
    behind = ~layout.gaps.spaced[signs] & (following > first)
    place = np.where(behind, following - 1, np.minimum(following, last))
    return np.where(last >= first, words[np.maximum(place, 0)], -1)


def _by_phrase(
    layout: Layout, own: FloatArray, words: IntArray, marks: BoolArray, bounds: IntArray
) -> FloatArray:
    """``own``, the probabilities of ``words``, raised towards the best of each phrase."""
    opens, _ = _edges(bounds)
    sizes = bounds[1:] - bounds[:-1]
    texts = itertools.pairwise(bounds.tolist())
    # The sum and division of `mean`, which takes longer to call than to compute here.
    sums = [np.add.reduce(own[low:high]) for low, high in texts]
    means = (np.array(sums, dtype=np.float64) / np.maximum(sizes, 1)).astype(own.dtype)
    between = own < (_BETWEEN_PHRASES * means).repeat(sizes)
    # How many marks and line breaks stand before each word: where that changes a phrase ends.
    ends = (marks | layout.begins_line()).cumsum()[words]
    begins = np.ones(len(words), dtype=bool)
    begins[1:] = between[1:] | between[:-1] | (ends[1:] > ends[:-1])
    begins[opens] = True
    first = np.flatnonzero(begins)
    best = np.maximum.reduceat(own, first)[begins.cumsum() - 1]
    raised: FloatArray = own + _PHRASE_WEIGHT * (best - own)
    return raised


def _edges(bounds: IntArray) -> tuple[IntArray, IntArray]:
    """First and last place of every text that has any, given where each text begins and ends."""
    filled = bounds[1:] > bounds[:-1]
    return bounds[:-1][filled], bounds[1:][filled] - 1
