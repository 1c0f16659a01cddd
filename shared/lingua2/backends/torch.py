"""PyTorch runtime: length-bucketed, dynamically padded batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from . import FloatArray

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["TorchBackend"]

# Measured with benchmarks/speed.py: on a CPU about 1,024 padded tokens a batch is fastest (the
# activations stay in the cache); a GPU wants enough work to fill it.
CPU_BATCH_TOKENS = 1024
GPU_BATCH_TOKENS = 32768


class TorchBackend:
    """Runs a two-label token classifier with PyTorch.

    Args:
        model: The classifier, in evaluation mode, on its device.
        keep_label: Index of the keep label among the two logits.
        pad_token_id: Id that fills up shorter windows of a batch; it is masked out.
        max_batch_tokens: Padded tokens of one forward pass; ``None`` chooses by device.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        keep_label: int,
        pad_token_id: int,
        max_batch_tokens: int | None = None,
    ) -> None:
        self._model = model
        self._keep_label = keep_label
        self._pad_token_id = pad_token_id
        on_cpu = model.device.type == "cpu"
        self._max_batch_tokens = max_batch_tokens or (
            CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS
        )

    def keep_probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        """See `Backend.keep_probabilities`."""
        import torch

        results: list[FloatArray | None] = [None] * len(windows)
        with torch.inference_mode():
            for batch in self._batches(windows):
                probabilities = self._forward([windows[i] for i in batch])
                for row, i in enumerate(batch):
                    results[i] = probabilities[row, : len(windows[i])].numpy()
        return [result for result in results if result is not None]

    def _batches(self, windows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        # Longest first: a batch's length is its first window's, and neighbours are alike, so
        # little is padded; memory peaks at the start instead of after half of the work.
        batch: list[int] = []
        for i in sorted(range(len(windows)), key=lambda i: -len(windows[i])):
            if batch and (len(batch) + 1) * len(windows[batch[0]]) > self._max_batch_tokens:
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    def _forward(self, windows: Sequence[Sequence[int]]) -> torch.Tensor:
        import torch

        longest = len(windows[0])
        ids = torch.full((len(windows), longest), self._pad_token_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = torch.tensor(window, dtype=torch.long)
            mask[row, : len(window)] = 1
        # Without padding there is nothing to mask, and attention without a mask is faster.
        padded = len(windows[-1]) < longest
        device = self._model.device
        logits: torch.Tensor = self._model(
            input_ids=ids.to(device), attention_mask=mask.to(device) if padded else None
        ).logits
        return logits.float().softmax(dim=-1)[..., self._keep_label].cpu()
