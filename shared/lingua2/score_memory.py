"""Scores of recent texts in memory."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict

from .scores import ScoredText

__all__ = ["RecentScores"]

# What Python's objects around the numbers weigh: four arrays, two dataclasses, an entry.
_OVERHEAD = 800


class RecentScores:
    """Scored texts, the least recently used of which make room. Safe from many threads.

    Args:
        max_bytes: Bound on what texts and arrays weigh together; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._items: OrderedDict[str, ScoredText] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, text: str) -> ScoredText | None:
        """The scores of ``text``, which is now the most recent one."""
        with self._lock:
            scored = self._items.get(text)
            if scored is not None:
                self._items.move_to_end(text)
        return scored

    def add(self, scored: ScoredText) -> None:
        """Keep ``scored``; one that is larger than the bound alone is passed over."""
        size = _weight(scored)
        if size > self._max_bytes:
            return
        with self._lock:
            if (old := self._items.pop(scored.text, None)) is not None:
                self._size -= _weight(old)
            self._items[scored.text] = scored
            self._size += size
            while self._size > self._max_bytes:
                _, oldest = self._items.popitem(last=False)
                self._size -= _weight(oldest)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()
            self._size = 0


def _weight(scored: ScoredText) -> int:
    units = scored.units
    # Units take two 64-bit and two 32-bit numbers each.
    return sys.getsizeof(scored.text) + _OVERHEAD + len(units) * 24
