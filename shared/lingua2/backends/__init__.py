"""Runtimes that turn windows of token ids into keep probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Backend", "BackendChoice", "FloatArray", "Measurement"]

FloatArray = NDArray[np.float32]


@runtime_checkable
class Backend(Protocol):
    """What the encoder needs from a runtime. Safe to call from several threads at once.

    Probabilities depend on a window alone, not on what else is in the batch, but for the noise of
    floating-point arithmetic.
    """

    @property
    def name(self) -> str:
        """The runtime, as the option ``backend`` names it."""
        ...

    @property
    def precision(self) -> str:
        """Its arithmetic: ``"fp32"`` for all that agree with PyTorch in fp32, else its own name."""
        ...

    def keep_probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Probability of the keep label for every token of every window.

        Args:
            windows: Token ids with their special tokens, each at most the model's maximum length.

        Returns:
            One float32 array per window, in the same order, of shape ``(len(window),)``.

        Raises:
            DeviceMemoryError: Not even one window fits into the device's memory.
        """
        ...


@dataclass(frozen=True, slots=True)
class Measurement:
    """What ``backend="auto"`` found out about one runtime.

    Attributes:
        name: The runtime.
        precision: Its arithmetic.
        tokens_per_second: Model tokens a second over ten passages; 0 where it does not run.
        agreement: Share of the keep decisions at rate 0.5 that are PyTorch's in fp32; None where
            a faster runtime had passed already.
        survival_loss: Points of answer survival lost against PyTorch in fp32; None likewise.
        verdict: Why it was taken or not, in words.
    """

    name: str
    precision: str
    tokens_per_second: float
    agreement: float | None
    survival_loss: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """Which runtime scores, and why.

    Attributes:
        name: The runtime, as the option ``backend`` names it.
        precision: Its arithmetic; see `Backend.precision`.
        why: The reason in words.
        processor: The machine's processor, where runtimes were measured; else empty.
        versions: The packages that were installed then, with their versions.
        measurements: What was measured, fastest first.
    """

    name: str
    precision: str
    why: str
    processor: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    measurements: tuple[Measurement, ...] = ()
