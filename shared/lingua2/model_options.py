"""Which checkpoint scores the words, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from .score_cache import is_score_cache
from .strict import Number, StrictOptions

__all__ = ["ModelOptions"]


def _usable_cache(value: Any) -> Any:
    if not is_score_cache(value):
        raise ValueError(
            "expected a path, a store with mget and mset (LangChain), with get and put "
            f"(LlamaIndex) or with get_many and set_many, or None, got {str(value)[:80]!r}"
        )
    return value


class ModelOptions(StrictOptions):
    """Which checkpoint scores the words, and where it runs."""

    model_name: str | Path | None = None
    """A local directory or a Hugging Face hub id; ``None`` is the embedded model (no network)."""

    device_map: str = "auto"
    """A torch device such as ``"cpu"`` or ``"cuda:0"``; ``"auto"`` is CUDA where there is one."""

    backend: Literal[
        "torch",
        "torch-fp32",
        "torch-int8",
        "onnx",
        "onnx-int8",
        "openvino",
        "openvino-int8",
        "auto",
    ] = "torch"
    """What runs the model. ``"torch"`` computes in fp16 on CUDA and in fp32 elsewhere, the others
    run on the CPU; ``"auto"`` measures what is installed and takes the fastest that decides as
    PyTorch in fp32 does."""

    trust_remote_code: bool = False
    """Run Python code that comes with a hub checkpoint. Off: such checkpoints are refused."""

    max_length: Annotated[int, Number, Field(ge=8)] = 512
    """Longest window in model tokens, special tokens included; capped by the model's own limit."""

    max_batch_tokens: Annotated[int, Number, Field(ge=1)] | None = None
    """Padded tokens of one forward pass; ``None`` takes what was measured best for the device."""

    score_cache: Annotated[Any, BeforeValidator(_usable_cache)] = None
    """Where scores outlive the process: the path of an SQLite file, a LangChain ``ByteStore``, a
    LlamaIndex key-value store or a `ScoreCache`; ``None`` keeps them in memory only."""

    score_memory: Annotated[int, Number, Field(ge=0)] = 64_000_000
    """Bytes for the scores of recent texts in memory; 0 scores a text anew in every call."""

    @model_validator(mode="after")
    def _check_device(self) -> Self:
        cpu_only = self.backend not in ("auto", "torch", "torch-fp32")
        if cpu_only and self.device_map not in ("auto", "cpu"):
            raise ValueError(
                f"backend={self.backend!r} runs on the CPU and device_map={self.device_map!r} is "
                "another device; give device_map='cpu' or backend='torch'"
            )
        return self
