"""PyTorch: fp32 on CPUs, fp16 arithmetic on CUDA, optionally int8 on CPUs."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from lingua2.errors import ModelLoadError

from . import FloatArray
from .batching import IdArray, OutOfMemory, run_windows

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["CPU_BATCH_TOKENS", "GPU_BATCH_TOKENS", "INT8", "TorchBackend", "quantised"]

INT8 = "torch-int8"
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
        precision: ``"fp32"`` computes in the model's own precision, ``"fp16"`` under autocast (on
            CUDA), ``"torch-int8"`` says that the model is `quantised`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        keep_label: int,
        pad_token_id: int,
        max_batch_tokens: int | None = None,
        precision: str = "fp32",
    ) -> None:
        self._model = model
        self._keep_label = keep_label
        self._pad_token_id = pad_token_id
        self._precision = precision
        on_cpu = model.device.type == "cpu"
        self._max_batch_tokens = max_batch_tokens or (
            CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS
        )
        if precision == INT8:
            # The scale of the activations is that of a whole batch, so a window that is not alone
            # would depend on its neighbours.
            self._max_batch_tokens = 1

    @property
    def name(self) -> str:
        """See `Backend.name`."""
        return INT8 if self._precision == INT8 else "torch"

    @property
    def precision(self) -> str:
        """See `Backend.precision`."""
        return self._precision

    def keep_probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        """See `Backend.keep_probabilities`."""
        return run_windows(
            windows,
            self._start,
            pad_token_id=self._pad_token_id,
            max_batch_tokens=self._max_batch_tokens,
        )

    def _start(self, ids: IdArray, mask: IdArray | None) -> Callable[[], FloatArray]:
        half = self._precision == "fp16"
        wait = self._forward(ids, mask, half=half)
        if not half:
            return wait

        def finish() -> FloatArray:
            probabilities = wait()
            # Few checkpoints have activations beyond what fp16 holds.
            if np.isfinite(probabilities).all():
                return probabilities
            return self._forward(ids, mask, half=False)()

        return finish

    def _forward(
        self, ids: IdArray, mask: IdArray | None, *, half: bool
    ) -> Callable[[], FloatArray]:
        import torch

        device = self._model.device
        try:
            cast = torch.autocast(device.type, dtype=torch.float16) if half else nullcontext()
            with torch.inference_mode(), cast:
                logits: torch.Tensor = self._model(
                    input_ids=_on(device, ids), attention_mask=_on(device, mask)
                ).logits
                share = logits.float().softmax(dim=-1)[..., self._keep_label]
                if device.type != "cuda":
                    return lambda: _array(share)
                host = share.to("cpu", non_blocking=True)
                copied: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
                copied.record()
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            raise OutOfMemory(str(error).partition("\n")[0].rstrip(".")) from error

        def wait() -> FloatArray:
            copied.synchronize()
            return _array(host)

        return wait


def quantised(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of ``model`` whose linear layers multiply in int8.

    Weights are quantised per output channel, activations as they come (dynamic quantisation).

    Raises:
        ModelLoadError: The model is not on a CPU, or this build of PyTorch cannot do it.
    """
    import torch

    if model.device.type != "cpu":
        raise ModelLoadError(
            f"backend={INT8!r} runs on CPUs only and the model is on {model.device}; give "
            "device_map='cpu', or backend='torch'"
        )
    try:
        with warnings.catch_warnings():
            # PyTorch moves this into a package of its own, which is not here yet.
            warnings.simplefilter("ignore")
            per_channel = torch.ao.quantization.per_channel_dynamic_qconfig
            quantise: Any = torch.ao.quantization.quantize_dynamic
            smaller = quantise(
                copy.deepcopy(model), {torch.nn.Linear: per_channel}, dtype=torch.qint8
            )
    except (AttributeError, RuntimeError) as error:
        raise ModelLoadError(
            f"backend={INT8!r} does not work with this PyTorch ({torch.__version__}): "
            f"{str(error).partition(chr(10))[0]}; take backend='torch' or 'onnx-int8'"
        ) from error
    return smaller  # type: ignore[no-any-return]


def _on(device: torch.device, ids: IdArray | None) -> torch.Tensor | None:
    import torch

    if ids is None:
        return None
    tensor = torch.from_numpy(ids)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def _array(tensor: torch.Tensor) -> FloatArray:
    values: FloatArray = tensor.cpu().numpy()
    return values


def _is_out_of_memory(error: RuntimeError) -> bool:
    # Also raised as a plain RuntimeError, by libraries that PyTorch calls and by older versions.
    message = str(error).lower()
    return (
        type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in message
        or "can't allocate memory" in message
    )
