"""What runtimes share that run a graph, exported from the PyTorch model, on the CPU."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from . import FloatArray
from .batching import IdArray, keep_share, run_windows

if TYPE_CHECKING:
    from lingua2.loading import Tokenization

__all__ = ["GraphBackend"]


class GraphBackend(ABC):
    """A `Backend` around a graph of ids and mask to logits.

    Args:
        name: See `Backend.name`.
        tokenization: Of the checkpoint that was exported.
        max_batch_tokens: Padded tokens of one pass.
    """

    def __init__(self, name: str, tokenization: Tokenization, max_batch_tokens: int) -> None:
        self._name = name
        self._keep_label = tokenization.keep_label
        self._pad_token_id = tokenization.pad_token_id
        self._max_batch_tokens = max_batch_tokens

    @property
    def name(self) -> str:
        """See `Backend.name`."""
        return self._name

    @property
    def precision(self) -> str:
        """See `Backend.precision`."""
        return self._name if self._name.endswith("-int8") else "fp32"

    def keep_probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        """See `Backend.keep_probabilities`."""
        return run_windows(
            windows,
            self._start,
            pad_token_id=self._pad_token_id,
            max_batch_tokens=self._max_batch_tokens,
        )

    def _start(self, ids: IdArray, mask: IdArray | None) -> Callable[[], FloatArray]:
        share = self._share(ids, np.ones_like(ids) if mask is None else mask)
        return lambda: share

    @abstractmethod
    def _share(self, ids: IdArray, mask: IdArray) -> FloatArray:
        """Keep probabilities of a batch; all three have the shape ``(windows, length)``."""

    def _of_logits(self, logits: FloatArray) -> FloatArray:
        return keep_share(logits, self._keep_label)
