"""Ranks the units of a set: which would be kept first, whatever the budget."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .backends import FloatArray
from .counting import TokenCounter
from .options import CompressionOptions
from .rendering import Layout
from .text import BoolArray, IntArray

__all__ = [
    "context_filter",
    "digit_units",
    "drop_consecutive",
    "force_ids",
    "ranking",
    "repeats",
    "spread",
    "word_values",
]

_DIGIT = re.compile(r"\d")


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
    """What each unit of a text is worth to a budget, and the word that it stands at.

    A word's value is its probability, raised towards that of the best word of its phrase and mixed
    with those of the words beside it. A phrase is a run of words that no punctuation mark, no line
    break and no improbable word interrupts. A mark is worth a part of its probability. Neither a
    mark nor another sign (a bullet, an operator) is worth more than the word that it stands at, nor
    anything without it.

    Args:
        layout: The text and its units.
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
    own = _by_phrase(layout, probabilities[words], words, marks)
    padded = np.concatenate((own[:1], own, own[-1:]))
    beside = (padded[:-2] + padded[2:]) / 2
    weight = min(_NEIGHBOUR_WEIGHT_PER_SHARE * share, _MOST_NEIGHBOUR_WEIGHT)
    values[words] = (1 - weight) * own + weight * beside
    # A sign stands at the word before it where no space is between, else at the word after it.
    following = np.searchsorted(words, np.arange(len(layout)))
    before, after = (
        words[np.maximum(following - 1, 0)],
        words[np.minimum(following, len(words) - 1)],
    )
    host[signs] = np.where(layout.glued() & (following > 0), before, after)[signs]
    values[signs] = np.minimum(values[signs], values[host[signs]])
    return values.astype(np.float32), host


def _by_phrase(layout: Layout, own: FloatArray, words: IntArray, marks: BoolArray) -> FloatArray:
    """``own``, the probabilities of ``words``, raised towards the best of each phrase."""
    between = own < _BETWEEN_PHRASES * own.mean()
    # How many marks and line breaks stand before each word: where that changes a phrase ends.
    ends = np.cumsum(marks | layout.begins_line())[words]
    begins = np.ones(len(words), dtype=bool)
    begins[1:] = between[1:] | between[:-1] | (ends[1:] > ends[:-1])
    first = np.flatnonzero(begins)
    best = np.repeat(np.maximum.reduceat(own, first), np.diff(first, append=len(words)))
    raised: FloatArray = own + _PHRASE_WEIGHT * (best - own)
    return raised


def ranking(values: FloatArray, forced: BoolArray) -> IntArray:
    """Unit indices, first the one to keep before all others.

    Forced units come first, then the higher value, then the earlier position, so that the order
    is total and repeats exactly.

    Args:
        values: Value of each unit of the set, shape ``(n,)``.
        forced: Which units must stay, shape ``(n,)``.
    """
    return np.lexsort((np.arange(len(values)), -values, ~forced))


def force_ids(layout: Layout, tokens: Sequence[str]) -> IntArray:
    """Which force token each unit is; shape ``(len(layout),)``.

    -1 is none, -2 a part of a token of several units ("New York"). A token counts where it begins
    and ends with a unit, so ``"the"`` does not hold "theory" and ``"."`` does not hold "3.14".
    """
    ids = np.full(len(layout), -1, dtype=np.int64)
    begins = {start: i for i, start in enumerate(layout.starts)}
    finishes = {end: i for i, end in enumerate(layout.ends)}
    for number, token in enumerate(tokens):
        if not token.strip():
            continue
        # "!" also holds "!!!", which is one unit.
        run = "+" if len(token) == 1 and not token.isalnum() else ""
        for match in re.finditer(re.escape(token.strip()) + run, layout.text):
            first, last = begins.get(match.start()), finishes.get(match.end())
            if first is not None and last is not None:
                ids[first : last + 1] = number if first == last else -2
    return ids


def digit_units(layout: Layout) -> BoolArray:
    """Which units contain a digit, shape ``(len(layout),)``."""
    bounds = zip(layout.starts, layout.ends, strict=True)
    return np.array([bool(_DIGIT.search(layout.text, *span)) for span in bounds], dtype=bool)


def drop_consecutive(kept: IntArray, ids: IntArray, document: IntArray) -> IntArray:
    """``kept`` without the force tokens that directly follow an equal one in the same text.

    Args:
        kept: Ascending unit indices of the set.
        ids: Force token of every unit of the set, see `force_ids`.
        document: Index of the text of every unit of the set.
    """
    tokens, texts = ids[kept], document[kept]
    repeated = np.zeros(len(kept), dtype=bool)
    repeated[1:] = (tokens[1:] >= 0) & (tokens[1:] == tokens[:-1]) & (texts[1:] == texts[:-1])
    return kept[~repeated]


def repeats(units: IntArray, kept: IntArray, ids: IntArray, document: IntArray) -> BoolArray:
    """Which of ``units``, none of them kept, stand right beside an equal kept force token.

    These `drop_consecutive` took out; others were lost to the budget.
    """
    place = np.searchsorted(kept, units)
    beside = np.zeros(len(units), dtype=bool)
    for shift in (-1, 0):
        near = place + shift
        inside = (near >= 0) & (near < len(kept))
        other = kept[near[inside]]
        same = (ids[other] == ids[units[inside]]) & (document[other] == document[units[inside]])
        beside[inside] |= same
    return beside & (ids[units] >= 0)


def spread(
    values: FloatArray, forced: BoolArray, costs: FloatArray, document: IntArray
) -> FloatArray:
    """Values that give every text the same share of its own length.

    A unit's new value falls with the share of its text's tokens that rank before it, so a cut
    anywhere in the common ranking cuts all texts at the same rate.

    Args:
        values: Value of each unit of the set, shape ``(n,)``.
        forced: Which units must stay.
        costs: Tokens of each unit, shape ``(n,)``.
        document: Index of the text of every unit.
    """
    order = ranking(values, forced)
    # By text, and within a text by rank.
    order = order[np.argsort(document[order], kind="stable")]
    # A word that costs nothing still has its place.
    spent = np.cumsum(np.maximum(costs[order].astype(np.float64), 1e-6))
    starts = np.searchsorted(document[order], np.arange(document.max(initial=-1) + 2))
    before = np.concatenate(([0.0], spent))[starts]
    first, whole = before[:-1][document[order]], np.diff(before)[document[order]]
    shares = np.empty(len(values), dtype=np.float32)
    shares[order] = (spent - first - np.diff(spent, prepend=0.0) / 2) / whole
    return 1 - shares


def context_filter(
    texts: Sequence[str],
    means: FloatArray,
    options: CompressionOptions,
    budget: int | None,
    count: TokenCounter,
) -> BoolArray:
    """Which texts stay before words are ranked (LLMLingua-2's coarse step).

    Texts rank by the mean probability of their words, and by the question where there is one that
    counts. Without an explicit size the step keeps
    twice the token budget or, with ``rate``, the share ``(rate + 1) / 2`` of the texts.

    Args:
        texts: The texts.
        means: Value of each text: its mean keep probability, and what the question adds.
        options: Names the size of the step.
        budget: The budget in the reader's tokens, where there is one.
        count: The reader's token counter.
    """
    order = np.argsort(-means, kind="stable").tolist()
    stay = np.zeros(len(texts), dtype=bool)
    forced = sorted({i for i in options.force_context_ids if i < len(texts)})
    stay[forced] = True
    limit: int | None = options.context_level_target_token
    share = options.context_level_rate
    if limit is None and share is None and options.target_context is None:
        if options.rate is not None:
            share = (options.rate + 1) / 2
        else:
            limit = 2 * (budget or 0)
    if limit is not None:
        limit -= sum(count(texts[i]) for i in forced)
        for rank, i in enumerate(i for i in order if not stay[i]):
            size = count(texts[i])
            # The best text always stays: an empty prompt helps nobody.
            if size <= limit or (rank == 0 and not stay.any()):
                stay[i] = True
                limit -= size
        return stay
    number = options.target_context
    if number is None:
        number = max(1, round((share or 1.0) * len(texts)))
    stay[[i for i in order if not stay[i]][: max(0, number - len(forced))]] = True
    return stay
