"""Batches of windows: alike in length, bounded in tokens, smaller where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lingua2.errors import DeviceMemoryError

from . import FloatArray

__all__ = ["Forward", "IdArray", "OutOfMemory", "keep_share", "run_windows"]

IdArray = NDArray[np.int64]
Forward = Callable[[IdArray, IdArray | None], Callable[[], FloatArray]]
"""Starts one pass over ids and mask, both of shape ``(windows, length)``, and returns what waits
for its probabilities of the same shape. The mask is None where nothing is padded."""


class OutOfMemory(Exception):  # noqa: N818 - a signal between a runtime and `run_windows`
    """A pass did not fit into memory; a smaller one may."""


def run_windows(
    windows: Sequence[Sequence[int]],
    forward: Forward,
    *,
    pad_token_id: int,
    max_batch_tokens: int,
) -> list[FloatArray]:
    """Probabilities of every window, in order, computed in length-bucketed batches.

    Args:
        windows: Token ids, each window with its special tokens.
        forward: The pass over one batch.
        pad_token_id: Fills up the shorter windows of a batch; the mask is 0 there.
        max_batch_tokens: Padded tokens of one pass; a longer window is a batch of its own.

    Returns:
        One array per window, of its length.

    Raises:
        DeviceMemoryError: `OutOfMemory` came from a pass over a single window.
    """
    results: list[FloatArray] = [np.zeros(0, np.float32)] * len(windows)
    running: tuple[list[int], Callable[[], FloatArray]] | None = None

    def collect() -> None:
        if running is not None:
            batch, finish = running
            for row, i in zip(finish(), batch, strict=True):
                results[i] = row[: len(windows[i])]

    # Longest first: a batch's length is its first window's, and neighbours are alike, so little is
    # padded; memory peaks at the start instead of after half of the work.
    order = sorted(range(len(windows)), key=lambda i: -len(windows[i]))
    start = 0
    while start < len(order):
        longest = len(windows[order[start]])
        batch = order[start : start + max(1, max_batch_tokens // max(1, longest))]
        try:
            finish = forward(*_padded([windows[i] for i in batch], pad_token_id))
        except OutOfMemory as error:
            if len(batch) == 1:
                raise DeviceMemoryError(
                    f"a window of {longest} tokens does not fit into memory: {error}; set "
                    "max_length below that, or take another device with device_map"
                ) from error
            # The rest is about as long, so it starts with the smaller batch, too.
            max_batch_tokens = len(batch) // 2 * longest
            continue
        # One pass behind, so that a device computes while the next batch is put together.
        collect()
        running = batch, finish
        start += len(batch)
    collect()
    return results


def keep_share(logits: NDArray[np.floating], keep_label: int) -> FloatArray:
    """Softmax over two labels; ``logits`` has shape ``(windows, length, 2)``."""
    difference = logits[..., 1 - keep_label].astype(np.float32) - logits[..., keep_label]
    # Beyond this the share is 0 or 1 in fp32, and the exponential would overflow.
    share: FloatArray = 1 / (1 + np.exp(np.clip(difference, -80, 80)))
    return share


def _padded(windows: Sequence[Sequence[int]], pad: int) -> tuple[IdArray, IdArray | None]:
    # Sorted by length, so that the first is the longest and the last the shortest.
    longest = len(windows[0])
    if len(windows[-1]) == longest:
        # Without padding there is nothing to mask, and attention without a mask is faster.
        return np.array(windows, dtype=np.int64).reshape(len(windows), longest), None
    ids = np.full((len(windows), longest), pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = window
        mask[row, : len(window)] = 1
    return ids, mask
