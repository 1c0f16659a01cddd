"""From examples to windows of token ids with a target for every token."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingua2.counting import well_formed
from lingua2.loading import Checkpoint
from lingua2.questions import question_prefix
from lingua2.text import IntArray

from .targets import Targets

__all__ = ["IGNORED", "Window", "WindowMaker"]

IGNORED = -1.0
"""Target of a token that belongs to no word: it does not count in the loss."""


@dataclass(frozen=True, slots=True)
class Window:
    """What the model sees at once, special tokens included.

    Attributes:
        ids: Token ids, int32, shape ``(n,)``.
        targets: Target p(keep) of each token, float32, shape ``(n,)``; `IGNORED` for special ones.
    """

    ids: NDArray[np.int32]
    targets: Targets

    def __len__(self) -> int:
        return len(self.ids)


class WindowMaker:
    """Turns texts with words and targets into windows of as many tokens as fit."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._pieces = checkpoint.pieces

    def windows(
        self, text: str, starts: IntArray, ends: IntArray, targets: Targets, question: str = ""
    ) -> list[Window]:
        """Windows of ``text``, whose ``n`` words have character spans and targets.

        Each begins with ``question``, where there is one.

        A word's target goes to all its tokens (paper, section 3.4); a token that covers several
        words gets the mean of theirs.
        """
        encoding = self._pieces.encode(well_formed(text), add_special_tokens=False)
        ids = encoding.ids
        offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
        tokens = _token_targets(offsets, starts, ends, targets)
        prefix = question_prefix(self._checkpoint, question)
        room = self._checkpoint.max_length - len(prefix) - len(self._checkpoint.suffix)
        count = -(-len(ids) // room) if ids else 0
        # Equal shares, so that no short tail is learnt without its context.
        bounds = [len(ids) * i // count for i in range(count + 1)] if count else []
        return [
            self._window(prefix, ids[low:high], tokens[low:high])
            for low, high in itertools.pairwise(bounds)
        ]

    def _window(self, prefix: Sequence[int], ids: Sequence[int], targets: Targets) -> Window:
        suffix = self._checkpoint.suffix
        before = np.full(len(prefix), IGNORED, np.float32)
        after = np.full(len(suffix), IGNORED, np.float32)
        whole = np.array((*prefix, *ids, *suffix), dtype=np.int32)
        return Window(whole, np.concatenate([before, targets, after]))


def _token_targets(
    offsets: IntArray, starts: IntArray, ends: IntArray, targets: Targets
) -> Targets:
    first = np.searchsorted(ends, offsets[:, 0], side="right")
    last = np.searchsorted(starts, offsets[:, 1], side="left")
    sums = np.concatenate([[0.0], np.cumsum(targets, dtype=np.float64)])
    covered = np.where(offsets[:, 0] < offsets[:, 1], np.maximum(last - first, 0), 0)
    mean = np.divide(
        sums[first + covered] - sums[first],
        covered,
        out=np.full(len(offsets), float(IGNORED)),
        where=covered > 0,
    )
    tokens: Targets = mean.astype(np.float32)
    return tokens
