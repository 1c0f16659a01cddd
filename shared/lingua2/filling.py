"""What one more unit costs, counted around its place instead of over the whole prompt."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable

import numpy as np

from .counting import TokenCounter
from .prompt import Prompt
from .text import IntArray

__all__ = ["Filler"]

# White space is where tokenizers split before they merge, so the tokens on both sides of a single
# space do not depend on each other; past this many units the rest is taken as independent anyway.
_REACH = 24


class Filler:
    """A selection that grows unit by unit and knows what one more unit costs around its place."""

    def __init__(
        self,
        prompt: Prompt,
        kept: IntArray,
        count: TokenCounter,
        allowed: Callable[[int, int, int], bool],
        hosts: IntArray | None,
    ) -> None:
        """Begin with the units ``kept``; the other arguments are those of `fill_budget`."""
        self._prompt = prompt
        self._layout = prompt.layout
        self._offsets: list[int] = prompt.offsets.tolist()
        self._hosts = hosts
        self._count = count
        self._allowed = allowed
        self._kept: list[int] = kept.tolist()
        inside = np.bincount(prompt.document[kept], minlength=len(prompt.keep_empty))
        self._shown = [i for i, own in enumerate(inside.tolist()) if own or prompt.keep_empty[i]]

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
        document = int(self._prompt.document[unit])
        place = bisect_left(self._shown, document)
        if self._shown[place : place + 1] != [document]:
            self._shown.insert(place, document)
        insort(self._kept, unit)

    def has_host(self, unit: int) -> bool:
        """Whether the unit that ``unit`` stands at is kept, or it needs none."""
        host = -1 if self._hosts is None else int(self._hosts[unit])
        return host < 0 or self._has(host, bisect_left(self._kept, host))

    def _has(self, unit: int, place: int) -> bool:
        return place < len(self._kept) and self._kept[place] == unit

    def cost(self, unit: int) -> int | None:
        """Tokens that ``unit`` adds, None where it is kept already or must not stand there."""
        kept, layout = self._kept, self._layout
        place = bisect_left(kept, unit)
        if self._has(unit, place) or not self.has_host(unit):
            return None
        document = int(self._prompt.document[unit])
        first, stop = self._offsets[document], self._offsets[document + 1]
        left = kept[place - 1] if place and kept[place - 1] >= first else -1
        right = kept[place] if place < len(kept) and kept[place] < stop else -1
        if not self._allowed(unit, left, right):
            return None
        if left >= 0 and right >= 0:
            ahead, behind = layout.separator(left, unit), layout.separator(unit, right)
            if ahead == behind == layout.separator(left, right) == " ":
                return self._count(" " + layout.unit(unit))
        low, high = self._reach_left(document, place), self._reach_right(document, place)
        before, after = kept[low:place], kept[place:high]
        old = self._local(document, low, before + after, high)
        new = self._local(document, low, [*before, unit, *after], high)
        return self._count(new) - self._count(old)

    def _places(self, document: int) -> tuple[int, int]:
        """Where the kept units of a text begin and end among all kept ones."""
        first, stop = self._offsets[document], self._offsets[document + 1]
        return bisect_left(self._kept, first), bisect_left(self._kept, stop)

    def _reach_left(self, document: int, place: int) -> int:
        kept, first = self._kept, self._places(document)[0]
        low = place
        while low > first and place - low < _REACH:
            low -= 1
            if low > first and self._layout.separator(kept[low - 1], kept[low]) == " ":
                break
        return low

    def _reach_right(self, document: int, place: int) -> int:
        kept, stop = self._kept, self._places(document)[1]
        high = place
        while high < stop and high - place < _REACH:
            high += 1
            if high < stop and self._layout.separator(kept[high - 1], kept[high]) == " ":
                break
        return high

    def _string(self, previous: int, units: list[int]) -> str:
        """Units of a text that follow its kept unit ``previous``, -1 where they come first."""
        parts: list[str] = []
        for index in units:
            parts += (self._layout.separator(previous, index), self._layout.unit(index))
            previous = index
        return "".join(parts)

    def _tail(self, units: list[int]) -> str:
        return self._layout.separator(units[-1], len(self._layout)) if units else ""

    def _local(self, document: int, low: int, window: list[int], high: int) -> str:
        """What the reader sees around ``window``, units kept between positions low and high."""
        prompt, kept = self._prompt, self._kept
        before, after = prompt.frames[document]
        first, stop = self._places(document)
        opened, closed = low == first, high >= stop
        shown = bool(window) or prompt.keep_empty[document]
        content = self._string(-1 if opened else kept[low - 1], window)
        if closed:
            content += self._tail(window)
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
        shown, frames, kept = self._shown, self._prompt.frames, self._kept
        place = bisect_left(shown, document)
        ahead = behind = ""
        if place:
            other = shown[place - 1]
            first, stop = self._places(other)
            low = self._reach_left(other, stop)
            own = kept[low:stop]
            opened = low == first
            ahead = "" if low > first else frames[other][0]
            ahead += self._string(-1 if opened else kept[low - 1], own) + self._tail(own)
            ahead += frames[other][1]
        place += place < len(shown) and shown[place] == document
        if place < len(shown):
            other = shown[place]
            first, _ = self._places(other)
            behind = frames[other][0]
            behind += self._string(-1, kept[first : self._reach_right(other, first)])
        return ahead, behind
