"""Fills a hard token budget exactly, without encoding the whole prompt for every word.

The reader's tokens are not additive: a word's cost depends on what it joins. So a prefix of the
ranking is found by counting whole renderings (few times), the rest is filled unit by unit by
counting only what changes around a unit, and the result is counted as a whole once more. What
was counted locally steers; what was counted as a whole decides.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from .counting import TokenCounter
from .filling import Filler
from .prompt import Frame, Prompt
from .text import IntArray

__all__ = ["Frame", "Prompt", "fill_budget"]

# Whole counts that may be spent on counters that are not additive even at spaces.
_EXACT_TRIALS = 48


def fill_budget(
    prompt: Prompt,
    order: IntArray,
    budget: int,
    count: TokenCounter,
    *,
    clean: Callable[[IntArray], IntArray] = lambda kept: kept,
    allowed: Callable[[int, int, int], bool] = lambda *_: True,
    hosts: IntArray | None = None,
) -> tuple[IntArray, int]:
    """Keep units in the given order as long as the whole prompt fits.

    Args:
        prompt: The set.
        order: Unit indices of the set, best first; units that are not in it are never kept.
        budget: Most tokens of the whole prompt.
        count: The reader's token counter.
        clean: Takes units out of a selection that must not stand there (ascending indices in and
            out).
        allowed: Whether a unit may be put between two kept ones; called with the indices of the
            unit, of its left and of its right neighbour (-1 where there is none).
        hosts: Per unit of the set the one without which it is not put in to fill up, -1 for none.

    Returns:
        Ascending indices of the kept units, and the tokens of the prompt, at most ``budget``
        (only frames that ``keep_empty`` keeps can cost more on their own).
    """

    def measure(kept: IntArray) -> int:
        return prompt.tokens(kept, count)

    kept, used, position = _prefix(prompt, order, budget, measure, clean)
    if used >= budget or position == len(order):
        return kept, used
    filler = Filler(prompt, kept, lru_cache(maxsize=1 << 16)(count), allowed, hosts)
    added, estimate = filler.fill(order[position:], budget, used)

    def with_units(units: list[int]) -> IntArray:
        # Cleaned as a whole, since a unit may bring back what was taken out without it.
        return clean(np.sort(np.concatenate((order[:position], np.array(units, dtype=np.int64)))))

    kept = with_units(added)
    used = measure(kept)
    while used > budget:
        added.pop()
        kept = with_units(added)
        used = measure(kept)
    if used == estimate:
        return kept, used
    # The counter is not additive even at spaces, so go on with whole counts.
    taken = set(added)
    standing = set(kept.tolist())
    trials = 0
    for unit in order[position:].tolist():
        host = -1 if hosts is None else int(hosts[unit])
        # Not what the filler knows, whose last units may have had to go again.
        if unit in taken or (host >= 0 and host not in standing):
            continue
        trials += 1
        if trials > _EXACT_TRIALS:
            break
        trial = with_units([*added, unit])
        tokens = measure(trial)
        if used < tokens <= budget:
            added.append(unit)
            kept, used = trial, tokens
            standing = set(kept.tolist())
    return kept, used


def _prefix(
    prompt: Prompt,
    order: IntArray,
    budget: int,
    measure: Callable[[IntArray], int],
    clean: Callable[[IntArray], IntArray],
) -> tuple[IntArray, int, int]:
    """A prefix of ``order`` that fits and nearly fills the budget: units, tokens, its length."""
    units = prompt.layout.units
    lengths = units.ends - units.starts
    # A rough cost, good for the first guess; later guesses interpolate between counted prefixes.
    rough = np.concatenate(([0.0], np.cumsum(1 + lengths[order] / 8)))
    low, high = 0, len(order)
    best = np.zeros(0, dtype=np.int64)
    used = low_tokens = measure(best)
    high_tokens: float | None = None
    near = max(8, budget // 50)
    while used <= budget and low < high and budget - used > near:
        if high_tokens is None:
            wanted = rough[low] + (budget - low_tokens) * 1.5
        else:
            share = (budget - near / 2 - low_tokens) / max(1.0, high_tokens - low_tokens)
            wanted = rough[low] + share * (rough[high] - rough[low])
        guess = min(max(int(np.searchsorted(rough, wanted)), low + 1), high)
        if high_tokens is not None and guess >= high:
            guess = (low + high) // 2
            if guess == low:
                break
        candidate = clean(np.sort(order[:guess]))
        tokens = measure(candidate)
        if tokens <= budget:
            low, low_tokens, best, used = guess, tokens, candidate, tokens
        else:
            high, high_tokens = guess, tokens
    return best, used, low
