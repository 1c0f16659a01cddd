"""Ranks the units of a set: which would be kept first, whatever the budget."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from .backends import FloatArray
from .characters import DIGIT
from .counting import TokenCounter
from .options import CompressionOptions
from .rendering import Layout
from .text import BoolArray, IntArray
from .values import word_values

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


def ranking(values: FloatArray, forced: BoolArray, protected: BoolArray | None = None) -> IntArray:
    """Unit indices, first the one to keep before all others.

    Forced units come first, then protected ones, then the higher value, then the earlier position,
    so that the order is total and repeats exactly.

    Args:
        values: Value of each unit of the set, shape ``(n,)``.
        forced: Which units must stay, shape ``(n,)``.
        protected: Which units come next, shape ``(n,)``.
    """
    # A stable sort, so that the position decides last.
    last = ~forced if protected is None else np.where(forced, 0, 2 - protected)
    return np.lexsort((-values, last))


def force_ids(layout: Layout, tokens: Sequence[str]) -> IntArray:
    """Which force token each unit is; shape ``(len(layout),)``.

    -1 is none, -2 a part of a token of several units ("New York"). A token counts where it begins
    and ends with a unit, so ``"the"`` does not hold "theory" and ``"."`` does not hold "3.14".
    """
    ids = np.full(len(layout), -1, dtype=np.int64)
    tokens = [token.strip() and token for token in tokens]
    if not any(tokens):
        return ids
    begins = {start: i for i, start in enumerate(layout.starts)}
    finishes = {end: i for i, end in enumerate(layout.ends)}
    texts = list(itertools.pairwise(layout.origins.tolist()))
    for number, token in enumerate(tokens):
        if not token:
            continue
        # "!" also holds "!!!", which is one unit.
        run = "+" if len(token) == 1 and not token.isalnum() else ""
        pattern = re.compile(re.escape(token.strip()) + run)
        # Text by text, so that none reaches from one into the next.
        for match in itertools.chain.from_iterable(
            pattern.finditer(layout.text, start, end - 1) for start, end in texts
        ):
            first, last = begins.get(match.start()), finishes.get(match.end())
            if first is not None and last is not None:
                ids[first : last + 1] = number if first == last else -2
    return ids


def digit_units(layout: Layout) -> BoolArray:
    """Which units contain a digit, shape ``(len(layout),)``."""
    return layout.holds(DIGIT)


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
