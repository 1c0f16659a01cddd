"""OpenVINO: a graph converted once from the PyTorch model, in fp32 or int8."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lingua2._extras import require

from . import FloatArray
from .batching import IdArray
from .graphs import GraphBackend
from .tracing import example_inputs, quiet, traceable, tracing

if TYPE_CHECKING:
    from lingua2.loading import Checkpoint, Tokenization

__all__ = ["CPU_BATCH_TOKENS", "INT8", "OpenVinoBackend", "export_openvino", "quantise_openvino"]

INT8 = "openvino-int8"
# Measured on AVX2: within a tenth from 256 to 4,096 padded tokens; a small model likes large
# batches, one of BERT-base size likes small ones.
CPU_BATCH_TOKENS = 512
_FILE = "model.xml"


class OpenVinoBackend(GraphBackend):
    """Runs an exported classifier with OpenVINO on the CPU.

    Args:
        directory: What `export_openvino` or `quantise_openvino` wrote.
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
        openvino = require("openvino", "openvino")
        config: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            # A thread bound to a core that another process keeps busy waits for it (measured: six
            # times as long).
            "ENABLE_CPU_PINNING": False,
        }
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        self._model = openvino.Core().compile_model(str(directory / _FILE), "CPU", config)
        # A request serves one thread at a time.
        self._requests: queue.LifoQueue[Any] = queue.LifoQueue()
        super().__init__(
            INT8 if int8 else "openvino", tokenization, max_batch_tokens or CPU_BATCH_TOKENS
        )

    def _share(self, ids: IdArray, mask: IdArray) -> FloatArray:
        try:
            request = self._requests.get_nowait()
        except queue.Empty:
            request = self._model.create_infer_request()
        feed = {"input_ids": ids, "attention_mask": mask}
        # The result is the request's own memory: it is used up before another thread gets it.
        share = self._of_logits(request.infer(feed, share_outputs=True)[0])
        self._requests.put(request)
        return share


def export_openvino(checkpoint: Checkpoint, directory: Path) -> None:
    """Write the model of ``checkpoint`` as a graph for any number and length of windows.

    Raises:
        ImportError: OpenVINO is missing.
        ModelLoadError: OpenVINO cannot convert this architecture.
    """
    openvino = require("openvino", "openvino")
    with tracing(checkpoint, "openvino"):
        example = example_inputs(checkpoint)
        model = openvino.convert_model(traceable(checkpoint.model), example_input=example)
        for name, port in zip(example, model.inputs, strict=True):
            port.get_tensor().set_names({name})
        openvino.save_model(model, str(directory / _FILE), compress_to_fp16=False)


def quantise_openvino(source: Path, windows: Sequence[Sequence[int]], directory: Path) -> None:
    """Write the graph in ``source`` again, with weights and activations in int8.

    Args:
        source: What `export_openvino` wrote.
        windows: Token ids of typical windows; the ranges of the activations are set by them, once
            and for all, so that no window depends on its neighbours.
        directory: Where the graph goes.

    Raises:
        ImportError: OpenVINO or NNCF is missing.
    """
    openvino = require("openvino", "openvino")
    nncf = require("nncf", "openvino")
    arrays = [np.array([window], dtype=np.int64) for window in windows]
    feeds = [{"input_ids": ids, "attention_mask": np.ones_like(ids)} for ids in arrays]
    with quiet():
        model = openvino.Core().read_model(str(source / _FILE))
        smaller = nncf.quantize(
            model,
            nncf.Dataset(feeds),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(feeds),
        )
        openvino.save_model(smaller, str(directory / _FILE), compress_to_fp16=False)
