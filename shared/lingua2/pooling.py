"""From the probabilities of tokens to those of units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .backends import FloatArray
from .characters import MARK, UNSPACED, code_points, kinds_of
from .scores import ScoredText, quantised
from .text import BoolArray, IntArray, Units

__all__ = ["Tokens", "pool"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of one text with the characters that they stand for.

    Attributes:
        ids: The ids, ``n`` of them.
        starts: Offset of each token's first character, shape ``(n,)``.
        ends: Offset behind its last one.
    """

    ids: list[int]
    starts: IntArray
    ends: IntArray


def pool(
    text: str, units: Units, tokens: Tokens, values: FloatArray, unknown_id: int | None
) -> ScoredText:
    """Probabilities of units, the mean and the first of their tokens'.

    Of an unknown token the model has read nothing, so its opinion is worth nothing: it gets the
    mean of the known ones. In a script without spaces that would leave single characters of names
    and words standing, so there a run of units moves towards its mean by its share of unknown ones.

    Args:
        text: The text.
        units: Its units.
        tokens: Its tokens, ``n`` of them.
        values: Keep probability of each token, shape ``(n,)``.
        unknown_id: The token that stands for whatever the vocabulary lacks; None where there is no
            such token.
    """
    count = len(units)
    if not count or not len(values):
        zeros = quantised(np.zeros(count))
        return ScoredText(text, units, zeros, zeros)
    # A token covers units first..last; nearly always one, but `."` may be one token and two units.
    first = np.searchsorted(units.ends, tokens.starts, side="right")
    last = np.searchsorted(units.starts, tokens.ends, side="left") - 1
    covered = np.where(tokens.starts < tokens.ends, np.maximum(last - first + 1, 0), 0)
    token = np.repeat(np.arange(len(values)), covered)
    offset = np.arange(len(token)) - np.repeat(np.cumsum(covered) - covered, covered)
    unit = first[token] + offset
    unknown = None
    if unknown_id in tokens.ids:
        unknown = np.array(tokens.ids) == unknown_id
        if not unknown.all():
            values = np.where(unknown, values[~unknown].mean(), values)
    sums = np.bincount(unit, weights=values[token], minlength=count)
    counts = np.bincount(unit, minlength=count)
    mean = np.divide(sums, counts, out=np.zeros(count), where=counts > 0)
    head = np.zeros(count, np.float32)
    # Written back to front, so that a unit's first token is the one that stays.
    head[unit[::-1]] = values[token[::-1]]
    if unknown is not None:
        unread = np.bincount(unit, weights=unknown[token], minlength=count) > 0
        mean, head = (_levelled(text, units, own, unread) for own in (mean, head))
    return ScoredText(text, units, quantised(mean), quantised(head))


def _levelled(text: str, units: Units, values: FloatArray, unread: BoolArray) -> FloatArray:
    """``values`` moved towards the mean of their run by the share of it that was not read.

    A run is what stands in a script without spaces between two marks, spaces or other scripts.
    """
    kinds = kinds_of(code_points(text))[units.starts]
    unspaced = (kinds & UNSPACED != 0) & (kinds & MARK == 0)
    goes_on = np.zeros(len(units), dtype=bool)
    goes_on[1:] = unspaced[1:] & unspaced[:-1] & (units.starts[1:] == units.ends[:-1])
    # Everything else is a run of one, which is its own mean.
    run = (~goes_on).cumsum() - 1
    sizes = np.bincount(run)
    share = (np.bincount(run, weights=unread) / sizes)[run]
    means = (np.bincount(run, weights=values) / sizes)[run]
    levelled: FloatArray = (1 - share) * values + share * means
    return levelled
