"""Ranks the units of a set: which would be kept first, whatever the budget."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .backends import FloatArray
from .counting import TokenCounter
from .options import CompressionOptions
from .rendering import Layout
from .text import IntArray

__all__ = [
    "BoolArray",
    "context_filter",
    "digit_units",
    "drop_consecutive",
    "force_ids",
    "ranking",
    "spread",
]

BoolArray = NDArray[np.bool_]

_DIGIT = re.compile(r"\d")


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
    shares = np.zeros(len(values), dtype=np.float32)
    order = ranking(values, forced)
    for index in range(int(document.max(initial=-1)) + 1):
        own = order[document[order] == index]
        spent = np.cumsum(costs[own])
        if len(own):
            shares[own] = (spent - costs[own] / 2) / spent[-1]
    return 1 - shares


def context_filter(
    texts: Sequence[str],
    means: FloatArray,
    options: CompressionOptions,
    budget: int | None,
    count: TokenCounter,
) -> BoolArray:
    """Which texts stay before words are ranked (LLMLingua-2's coarse step).

    Texts rank by the mean probability of their words. Without an explicit size the step keeps
    twice the token budget or, with ``rate``, the share ``(rate + 1) / 2`` of the texts.

    Args:
        texts: The texts.
        means: Mean keep probability of each text.
        options: Names the size of the step.
        budget: The budget in the reader's tokens, where there is one.
        count: The reader's token counter.
    """
    order = np.argsort(-means, kind="stable").tolist()
    stay = np.zeros(len(texts), dtype=bool)
    forced = [i for i in options.force_context_ids if i < len(texts)]
    stay[forced] = True
    limit: int | None = options.context_level_target_token
    share = options.context_level_rate
    if limit is None and share is None and options.target_context is None:
        if options.rate is not None:
            share = (options.rate + 1) / 2
        else:
            limit = 2 * (budget or 0)
    if limit is not None:
        for rank, i in enumerate(order):
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
