"""What the exporters share: the model as a traceable module, and example inputs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from lingua2.errors import ModelLoadError

from .batching import IdArray

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from lingua2.loading import Checkpoint

__all__ = ["example_inputs", "quiet", "traceable", "tracing"]

_NOISY = ("root", "torch.onnx", "transformers", "nncf", "onnxruntime")
# Longer than the sliding window of any architecture that has one, so that it is traced, too.
_EXAMPLE_LENGTH = 160


def traceable(model: PreTrainedModel) -> torch.nn.Module:
    """``model`` as a function of ids and mask that returns the logits alone."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(
                input_ids=input_ids, attention_mask=attention_mask
            ).logits
            return logits.float()

    return Logits().eval()


def example_inputs(checkpoint: Checkpoint, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Ids and mask of two windows of different length, padded."""
    import torch

    rng = np.random.default_rng(seed)
    length = min(_EXAMPLE_LENGTH, checkpoint.max_length)
    ids: IdArray = rng.integers(0, checkpoint.pieces.get_vocab_size(), (2, length))
    mask = np.ones_like(ids)
    ids[1, length // 2 :], mask[1, length // 2 :] = checkpoint.pad_token_id, 0
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


@contextmanager
def tracing(checkpoint: Checkpoint, backend: str) -> Iterator[None]:
    """Export without chatter, and say what to do where an architecture cannot be exported."""
    import torch

    try:
        with quiet(), torch.inference_mode(False), torch.no_grad():
            yield
    except (ImportError, MemoryError, OSError):
        raise
    # Exporters raise whatever the layer at hand happens to raise.
    except Exception as error:
        kind = type(checkpoint.model).__name__
        raise ModelLoadError(
            f"backend={backend!r} cannot export {kind} ({checkpoint.name!r}): "
            f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}; take "
            "backend='torch'"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep exporters and quantisers from reporting what the user cannot change."""
    loggers: list[Any] = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
