"""Shifts the logits so that ``threshold=0.5`` keeps about half of ordinary text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua2.backends import Backend
from lingua2.dataset import Example
from lingua2.errors import TrainingError

from .features import IGNORED, WindowMaker
from .model import head

__all__ = ["calibrate", "median_shift"]

_LOG = logging.getLogger(__name__)
_STEPS = 60
_FARTHEST = 30.0


def calibrate(
    model: Any, backend: Backend, maker: WindowMaker, examples: Sequence[Example]
) -> float:
    """Shift the keep logit of ``model`` until half of the tokens of ``examples`` reach 0.5.

    Returns:
        What was added to the keep logit; 0 where the head has no bias to hold it.

    Raises:
        TrainingError: The model's probabilities are not finite.
    """
    import torch

    layer = head(model)
    if layer.bias is None:
        _LOG.warning("the head of this architecture has no bias, so it cannot be calibrated")
        return 0.0
    windows, words, first = [], [], 0
    for example in examples:
        # The number of the word takes the place of its target.
        numbers = np.arange(first, first + len(example), dtype=np.float32)
        starts, ends = (np.array(x, dtype=np.int64) for x in (example.starts, example.ends))
        for window in maker.windows(example.text, starts, ends, numbers):
            windows.append(window.ids.tolist())
            words.append(window.targets)
        first += len(example)
    found = backend.keep_probabilities(windows)
    probabilities, numbers = np.concatenate(found), np.concatenate(words)
    if not np.isfinite(probabilities).all():
        raise TrainingError(
            "the training diverged: the model's probabilities are no numbers; lower learning_rate"
        )
    counted = numbers != IGNORED
    shift = median_shift(probabilities[counted], numbers[counted].astype(np.int64))
    with torch.no_grad():
        layer.bias[1] += shift
    return shift


def median_shift(
    probabilities: NDArray[np.float32], words: NDArray[np.int64], share: float = 0.5
) -> float:
    """What to add to the keep logit for ``share`` of the tokens to be kept at a threshold of 0.5.

    A token is kept where the mean probability of its word is at least 0.5, as a compression
    decides.

    Args:
        probabilities: p(keep) of each token, shape ``(n,)``.
        words: Number of the word that each token belongs to, shape ``(n,)``.
        share: Share of the tokens to keep.
    """
    clipped = probabilities.astype(np.float64).clip(1e-9, 1 - 1e-9)
    logits = np.log(clipped / (1 - clipped))
    _, words = np.unique(words, return_inverse=True)
    counts = np.bincount(words)

    def kept(shift: float) -> float:
        means = np.bincount(words, weights=1 / (1 + np.exp(-(logits + shift)))) / counts
        return float((means[words] >= 0.5).mean())

    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if kept(middle) >= share else (middle, high)
    return (low + high) / 2
