"""What an evaluation can be told, and the budgets that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import Field, model_validator

from lingua2.options import TokenCounterSpec
from lingua2.strict import Number, StrictOptions

__all__ = ["Budget", "EvaluationOptions", "EvaluationSettings"]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a compressor may keep.

    Attributes:
        kind: A share of the documents' tokens, a number of tokens, or a number of shots.
        value: How much of it.
    """

    kind: Literal["rate", "tokens", "shots"]
    value: float

    def __str__(self) -> str:
        return {
            "rate": f"{self.value:g}",
            "tokens": f"{self.value:g} tokens",
            "shots": f"{self.value:g} shot",
        }[self.kind]

    def tokens(self, original: int, documents: int) -> int:
        """Most tokens for ``documents`` documents of ``original`` tokens together.

        A shot is the mean size of a document (paper, section 4: budgets of one and half a shot).
        """
        if self.kind == "tokens":
            return int(self.value)
        whole = original if self.kind == "rate" else original / max(1, documents)
        # 0.29 * 100 is 28.999999999999996 in floating point. No compressor is asked for nothing.
        return max(1, math.floor(self.value * whole + 1e-9))


class EvaluationSettings(StrictOptions):
    """The options of `evaluate`."""

    rates: tuple[Annotated[float, Number, Field(gt=0, le=1)], ...] = ()
    """Shares of the documents' tokens to keep."""

    target_tokens: tuple[Annotated[int, Number, Field(ge=1)], ...] = ()
    """Numbers of tokens to keep."""

    shots: tuple[Annotated[float, Number, Field(gt=0)], ...] = ()
    """Numbers of worked examples whose mean size is the budget."""

    metrics: tuple[str, ...] = ()
    """Scores of the reader's answers beside the tasks' own, see `METRICS`."""

    token_counter: TokenCounterSpec = "cl100k_base"
    """Counts budgets and prompts, see `CompressionOptions`."""

    seed: Annotated[int, Number, Field(ge=0)] = 0
    """Of random words and of the bootstrap."""

    resamples: Annotated[int, Number, Field(ge=100)] = 10_000
    """How often the bootstrap draws."""

    stability_items: Annotated[int, Number, Field(ge=0)] = 20
    """On how many items with several documents the output's stability is measured."""

    concurrency: Annotated[int, Number, Field(ge=1)] = 4
    """Requests to the reader in flight at most."""

    timeout: Annotated[float, Number, Field(gt=0)] = 120.0
    """Seconds until a request is given up."""

    price_input: Annotated[float, Number, Field(ge=0)] | None = None
    """What a million tokens to read cost."""

    price_output: Annotated[float, Number, Field(ge=0)] | None = None
    """What a million tokens to write cost."""

    latency: tuple[Annotated[float, Number, Field(gt=1)], ...] = ()
    """Compression factors at which compressing and reading is timed against reading alone."""

    latency_items: Annotated[int, Number, Field(ge=1)] = 10
    """On how many items."""

    progress: bool = True
    """Show progress bars."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.rates or self.target_tokens or self.shots):
            raise ValueError("give at least one budget: rates, target_tokens or shots")
        if (self.price_input is None) != (self.price_output is None):
            raise ValueError("give both price_input and price_output, or neither")
        return self

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """All budgets, each once."""
        named = (
            *(Budget("rate", value) for value in self.rates),
            *(Budget("tokens", value) for value in self.target_tokens),
            *(Budget("shots", value) for value in self.shots),
        )
        return tuple(dict.fromkeys(named))


class EvaluationOptions(TypedDict, total=False):
    """The fields of `EvaluationSettings` as keyword arguments."""

    rates: tuple[float, ...] | list[float]
    target_tokens: tuple[int, ...] | list[int]
    shots: tuple[float, ...] | list[float]
    metrics: tuple[str, ...] | list[str]
    token_counter: Any
    seed: int
    resamples: int
    stability_items: int
    concurrency: int
    timeout: float
    price_input: float | None
    price_output: float | None
    latency: tuple[float, ...] | list[float]
    latency_items: int
    progress: bool
