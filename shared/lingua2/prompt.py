"""The texts of a set as the reader sees them: each in its frame, joined by a separator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .counting import TokenCounter
from .rendering import Layout
from .text import IntArray

__all__ = ["Frame", "Prompt", "count_prompt", "join_texts"]

Frame = tuple[str, str]
"""What the reader sees directly before and after a text, such as a node's metadata."""


def join_texts(
    texts: Sequence[str], frames: Sequence[Frame], separator: str, keep_empty: Sequence[bool]
) -> str:
    """The prompt that consists of ``texts``; empty ones are left out but where they stay."""
    return separator.join(_shown(texts, frames, keep_empty))


def count_prompt(
    count: TokenCounter,
    texts: Sequence[str],
    frames: Sequence[Frame],
    separator: str,
    keep_empty: Sequence[bool],
    *,
    strip: bool = False,
) -> int:
    """Tokens of the prompt that consists of ``texts``.

    With ``strip`` a reader may cut off the white space around each framed text and pass over what
    is blank; whichever way costs more counts.
    """
    shown = _shown(texts, frames, keep_empty)
    prompt = separator.join(shown)
    tokens = count(prompt)
    if strip:
        bare = separator.join(filter(None, (text.strip() for text in shown)))
        if bare != prompt:
            return max(tokens, count(bare))
    return tokens


def _shown(texts: Sequence[str], frames: Sequence[Frame], keep_empty: Sequence[bool]) -> list[str]:
    rows = zip(texts, frames, keep_empty, strict=True)
    return [before + text + after for text, (before, after), stays in rows if text or stays]


@dataclass(slots=True)
class Prompt:
    """The texts of a set with what stands around them.

    Attributes:
        layouts: One per text.
        frames: What stands around each text.
        separator: What stands between two texts.
        keep_empty: Per text, whether it still shows its frame where no unit of it is kept.
        strip: Whether the reader may see each text and its frame without outer white space.
        layout: The units of all texts.
    """

    layouts: Sequence[Layout]
    frames: Sequence[Frame]
    separator: str
    keep_empty: Sequence[bool]
    strip: bool = False
    layout: Layout = field(init=False)
    _last: tuple[IntArray, list[str]] | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        self.layout = Layout.joined(self.layouts)

    @property
    def offsets(self) -> IntArray:
        """Number of each text's first unit in the set, and the number of all units."""
        return self.layout.offsets

    @property
    def document(self) -> IntArray:
        """The number of each unit's text."""
        return self.layout.document

    def places(self) -> IntArray:
        """Where each text begins in the prompt with everything kept; -1 where it is left out."""
        places, end, joint = [], 0, 0
        sizes = (np.diff(self.layout.origins) - 1).tolist()
        for size, (before, after), stays in zip(sizes, self.frames, self.keep_empty, strict=True):
            if not size and not stays:
                places.append(-1)
                continue
            places.append(end + joint + len(before))
            end, joint = places[-1] + size + len(after), len(self.separator)
        return np.array(places, dtype=np.int64)

    def split(self, kept: IntArray) -> list[IntArray]:
        """Ascending unit indices of the set as unit indices per text."""
        bounds = np.searchsorted(kept, self.offsets).tolist()
        return [
            kept[low:high] - offset
            for low, high, offset in zip(
                bounds[:-1], bounds[1:], self.offsets[:-1].tolist(), strict=True
            )
        ]

    def render(self, kept: IntArray) -> str:
        """The whole prompt with the given units of the set kept."""
        return join_texts(self.texts(kept), self.frames, self.separator, self.keep_empty)

    def tokens(self, kept: IntArray, count: TokenCounter) -> int:
        """Tokens of the whole prompt with the given units of the set kept."""
        around = self.frames, self.separator, self.keep_empty
        return count_prompt(count, self.texts(kept), *around, strip=self.strip)

    def texts(self, kept: IntArray) -> list[str]:
        """What is left of each text with the given units of the set kept."""
        # What was counted last is what is returned.
        if self._last is None or self._last[0] is not kept:
            self._last = kept, self.layout.texts(kept)
        return self._last[1]
