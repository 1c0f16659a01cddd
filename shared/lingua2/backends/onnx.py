"""ONNX Runtime: a graph exported once from the PyTorch model, in fp32 or int8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lingua2._extras import require

from . import FloatArray
from .batching import IdArray
from .graphs import GraphBackend
from .tracing import example_inputs, quiet, traceable, tracing

if TYPE_CHECKING:
    from lingua2.loading import Checkpoint, Tokenization

__all__ = ["CPU_BATCH_TOKENS", "INT8", "OnnxBackend", "export_onnx", "quantise_onnx"]

INT8 = "onnx-int8"
# Measured on AVX2: 1.0 at 256, 1.08 at 512, 1.27 at 1,024 and 1.4 at 4,096 padded tokens.
CPU_BATCH_TOKENS = 256
_FILE = "model.onnx"
_OPSET = 17


class OnnxBackend(GraphBackend):
    """Runs an exported classifier with ONNX Runtime on the CPU.

    Args:
        directory: What `export_onnx` or `quantise_onnx` wrote.
        tokenization: Of the checkpoint that was exported.
        max_batch_tokens: Padded tokens of one pass; None takes what was measured best.
        threads: Of one pass; None leaves it to the runtime.
        int8: Whether the graph is quantised.
    """

    def __init__(
        self,
        directory: Path,
        tokenization: Tokenization,
        *,
        max_batch_tokens: int | None = None,
        threads: int | None = None,
        int8: bool = False,
    ) -> None:
        runtime = require("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        # Errors come as exceptions; warnings are about optimisations that the user cannot change.
        options.log_severity_level = 3
        if threads:
            options.intra_op_num_threads = threads
        self._session = runtime.InferenceSession(
            str(directory / _FILE), options, providers=["CPUExecutionProvider"]
        )
        # The scale of the activations is that of a whole batch, so a window that is not alone
        # would depend on its neighbours.
        batch_tokens = 1 if int8 else max_batch_tokens or CPU_BATCH_TOKENS
        super().__init__(INT8 if int8 else "onnx", tokenization, batch_tokens)

    def _share(self, ids: IdArray, mask: IdArray) -> FloatArray:
        (logits,) = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
        return self._of_logits(logits)


def export_onnx(checkpoint: Checkpoint, directory: Path) -> None:
    """Write the model of ``checkpoint`` as a graph for any number and length of windows.

    Raises:
        ImportError: The package onnx is missing.
        ModelLoadError: PyTorch cannot export this architecture.
    """
    require("onnx", "onnx")
    import torch

    names = ["input_ids", "attention_mask"]
    with tracing(checkpoint, "onnx"):
        torch.onnx.export(
            traceable(checkpoint.model),
            tuple(example_inputs(checkpoint).values()),
            str(directory / _FILE),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "windows", 1: "length"} for name in [*names, "logits"]},
            opset_version=_OPSET,
            # The other exporter takes ten times as long and needs onnxscript.
            dynamo=False,
        )


def quantise_onnx(source: Path, directory: Path) -> None:
    """Write the graph in ``source`` again, with linear layers that multiply in int8.

    Weights get 7 bits and a scale per output channel, activations 8 bits as they come. With 8 bits
    for both, the sums overflow on processors without VNNI, and each would give other scores.

    Raises:
        ImportError: The package onnx is missing.
    """
    require("onnx", "onnx")
    quantization = require("onnxruntime.quantization", "onnx")
    with quiet():
        quantization.quantize_dynamic(
            str(source / _FILE),
            str(directory / _FILE),
            per_channel=True,
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
            use_external_data_format=_is_large(source),
            # Attention multiplies two activations, which gains nothing and loses most.
            extra_options={"MatMulConstBOnly": True},
        )


def _is_large(source: Path) -> bool:
    # Protobuf ends at 2 GB; beyond that the weights lie beside the graph.
    return sum(file.stat().st_size for file in source.iterdir()) > 1_900_000_000
