"""Runtimes that turn windows of token ids into keep probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Backend", "FloatArray"]

FloatArray = NDArray[np.float32]


@runtime_checkable
class Backend(Protocol):
    """What the encoder needs from a runtime. Safe to call from several threads at once."""

    def keep_probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Probability of the keep label for every token of every window.

        Args:
            windows: Token ids with their special tokens, each at most the model's maximum length.

        Returns:
            One float32 array per window, in the same order, of shape ``(len(window),)``.
        """
        ...
