"""Fills a hard token budget exactly, without encoding the whole prompt for every word.

The reader's tokens are not additive: a word's cost depends on what it joins. So a prefix of the
ranking is found by counting whole renderings (few times), the rest is filled unit by unit by
counting only what changes around a unit, and the result is counted as a whole once more. What
was counted locally steers; what was counted as a whole decides.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from .counting import TokenCounter
from .rendering import Layout
from .text import IntArray

__all__ = ["Frame", "Prompt", "fill_budget"]

Frame = tuple[str, str]
"""What the reader sees directly before and after a text, such as a node's metadata."""

# White space is where tokenizers split before they merge, so the tokens on both sides of a single
# space do not depend on each other; past this many units the rest is taken as independent anyway.
_REACH = 24
# Whole counts that may be spent on counters that are not additive even at spaces.
_EXACT_TRIALS = 48


@dataclass(slots=True)
class Prompt:
    """The texts of a set as the reader will see them: framed and joined.

    Attributes:
        layouts: One per text.
        frames: What stands around each text.
        separator: What stands between two texts.
        keep_empty: Per text, whether it still shows its frame where no unit of it is kept.
    """

    layouts: Sequence[Layout]
    frames: Sequence[Frame]
    separator: str
    keep_empty: Sequence[bool]
    offsets: IntArray = field(init=False)
    document: IntArray = field(init=False)

    def __post_init__(self) -> None:
        sizes = [len(layout) for layout in self.layouts]
        self.offsets = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        self.document = np.repeat(np.arange(len(sizes)), sizes)

    def split(self, kept: IntArray) -> list[IntArray]:
        """Ascending unit indices of the set as unit indices per text."""
        bounds = np.searchsorted(kept, self.offsets)
        return [
            kept[low:high] - offset
            for low, high, offset in zip(bounds[:-1], bounds[1:], self.offsets[:-1], strict=True)
        ]

    def render(self, kept: IntArray) -> str:
        """The whole prompt with the given units of the set kept."""
        texts = [
            layout.render(own)[0]
            for layout, own in zip(self.layouts, self.split(kept), strict=True)
        ]
        return self.join(texts)

    def join(self, texts: Sequence[str]) -> str:
        """The prompt that consists of ``texts``, each in its frame."""
        rows = zip(texts, self.frames, self.keep_empty, strict=True)
        return self.separator.join(
            before + text + after for text, (before, after), stays in rows if text or stays
        )


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
        return count(prompt.render(kept))

    kept, used, position = _prefix(prompt, order, budget, measure, clean)
    if used >= budget or position == len(order):
        return kept, used
    filler = _Filler(prompt, kept, lru_cache(maxsize=1 << 16)(count), allowed, hosts)
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
    rest = [u for u in order[position:].tolist() if u not in taken and filler.has_host(u)]
    for unit in rest[:_EXACT_TRIALS]:
        trial = with_units([*added, unit])
        tokens = measure(trial)
        if used < tokens <= budget:
            added.append(unit)
            kept, used = trial, tokens
    return kept, used


def _prefix(
    prompt: Prompt,
    order: IntArray,
    budget: int,
    measure: Callable[[IntArray], int],
    clean: Callable[[IntArray], IntArray],
) -> tuple[IntArray, int, int]:
    """A prefix of ``order`` that fits and nearly fills the budget: units, tokens, its length."""
    lengths = np.concatenate(
        [np.subtract(layout.ends, layout.starts) for layout in prompt.layouts] or [np.zeros(0)]
    )
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
        guess = int(np.clip(np.searchsorted(rough, wanted), low + 1, high))
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


class _Filler:
    """A selection that grows unit by unit and knows what one more unit costs around its place."""

    def __init__(
        self,
        prompt: Prompt,
        kept: IntArray,
        count: TokenCounter,
        allowed: Callable[[int, int, int], bool],
        hosts: IntArray | None,
    ) -> None:
        self._prompt = prompt
        self._hosts = hosts
        self._count = count
        self._allowed = allowed
        self._kept: list[list[int]] = [own.tolist() for own in prompt.split(kept)]
        self._shown = [i for i, own in enumerate(self._kept) if own or prompt.keep_empty[i]]

    def fill(self, order: IntArray, budget: int, used: int) -> tuple[list[int], int]:
        """Add units in order while they fit; returns them and the tokens they should lead to."""
        added = []
        for unit in order.tolist():
            if used >= budget:
                break
            cost = self.cost(unit)
            if cost is not None and used + cost <= budget:
                self.add(unit)
                added.append(unit)
                used += cost
        return added, used

    def add(self, unit: int) -> None:
        """Keep ``unit``."""
        document, index = self._locate(unit)
        if not self._kept[document] and not self._prompt.keep_empty[document]:
            insort(self._shown, document)
        insort(self._kept[document], index)

    def has_host(self, unit: int) -> bool:
        """Whether the unit that ``unit`` stands at is kept, or it needs none."""
        host = -1 if self._hosts is None else int(self._hosts[unit])
        return host < 0 or self._find(*self._locate(host))[1]

    def _find(self, document: int, index: int) -> tuple[int, bool]:
        own = self._kept[document]
        place = bisect_left(own, index)
        return place, place < len(own) and own[place] == index

    def cost(self, unit: int) -> int | None:
        """Tokens that ``unit`` adds, None where it is kept already or must not stand there."""
        document, index = self._locate(unit)
        own = self._kept[document]
        place, kept = self._find(document, index)
        if kept or not self.has_host(unit):
            return None
        left = own[place - 1] if place else -1
        right = own[place] if place < len(own) else len(self._prompt.layouts[document])
        offset = unit - index
        if not self._allowed(
            unit,
            offset + left if place else -1,
            offset + right if place < len(own) else -1,
        ):
            return None
        layout = self._prompt.layouts[document]
        if place and place < len(own):
            ahead, behind = layout.separator(left, index), layout.separator(index, right)
            if ahead == behind == layout.separator(left, right) == " ":
                return self._count(" " + layout.unit(index))
        low = self._reach_left(layout, own, place)
        high = self._reach_right(layout, own, place)
        before, after = own[low:place], own[place:high]
        old = self._local(document, low, before + after, high)
        new = self._local(document, low, [*before, index, *after], high)
        return self._count(new) - self._count(old)

    def _locate(self, unit: int) -> tuple[int, int]:
        document = int(self._prompt.document[unit])
        return document, unit - int(self._prompt.offsets[document])

    @staticmethod
    def _reach_left(layout: Layout, own: list[int], place: int) -> int:
        low = place
        while low > 0 and place - low < _REACH:
            low -= 1
            if low and layout.separator(own[low - 1], own[low]) == " ":
                break
        return low

    @staticmethod
    def _reach_right(layout: Layout, own: list[int], place: int) -> int:
        high = place
        while high < len(own) and high - place < _REACH:
            high += 1
            if high < len(own) and layout.separator(own[high - 1], own[high]) == " ":
                break
        return high

    def _local(self, document: int, low: int, window: list[int], high: int) -> str:
        """What the reader sees around ``window``, units kept between positions low and high."""
        prompt, own = self._prompt, self._kept[document]
        layout, (before, after) = prompt.layouts[document], prompt.frames[document]
        opened, closed = low == 0, high >= len(own)
        shown = bool(window) or prompt.keep_empty[document]
        content = ""
        previous = own[low - 1] if low else -1
        for index in window:
            content += layout.separator(previous, index) + layout.unit(index)
            previous = index
        if closed and window:
            content += layout.separator(previous, len(layout))
        ahead, behind = self._around(document) if opened or closed else ("", "")
        joint = prompt.separator
        if shown:
            if opened:
                content = (ahead + joint if ahead else "") + before + content
            if closed:
                content += after + (joint + behind if behind else "")
            return content
        return ahead + joint + behind if ahead and behind else ahead + behind

    def _around(self, document: int) -> tuple[str, str]:
        """The end of the text shown before ``document`` and the start of the one after it."""
        prompt, shown = self._prompt, self._shown
        place = bisect_left(shown, document)
        ahead = behind = ""
        if place:
            other = shown[place - 1]
            layout, own = prompt.layouts[other], self._kept[other]
            low = self._reach_left(layout, own, len(own))
            previous = own[low - 1] if low else -1
            ahead = "" if low else prompt.frames[other][0]
            for index in own[low:]:
                ahead += layout.separator(previous, index) + layout.unit(index)
                previous = index
            if own:
                ahead += layout.separator(previous, len(layout))
            ahead += prompt.frames[other][1]
        place += place < len(shown) and shown[place] == document
        if place < len(shown):
            other = shown[place]
            layout, own = prompt.layouts[other], self._kept[other]
            behind, previous = prompt.frames[other][0], -1
            for index in own[: self._reach_right(layout, own, 0)]:
                behind += layout.separator(previous, index) + layout.unit(index)
                previous = index
        return ahead, behind
