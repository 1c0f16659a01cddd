"""The options of a distillation, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self, TypedDict

from pydantic import Field, model_validator

from lingua2.errors import OptionError
from lingua2.options import TokenCounterSpec
from lingua2.strict import Number, StrictOptions, Strings

from .phrases import Phrases

__all__ = ["DistillOptions", "DistillSettings", "Price", "Tokens"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one or more requests read and wrote, in the teacher's tokens."""

    input: int = 0
    output: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output)

    def __sub__(self, other: Tokens) -> Tokens:
        return Tokens(self.input - other.input, self.output - other.output)

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Price:
    """What a teacher costs, in any currency per million tokens."""

    input: float
    output: float

    def __post_init__(self) -> None:
        if not (0 <= self.input < float("inf") and 0 <= self.output < float("inf")):
            raise OptionError(f"prices must be numbers of at least 0, got {self}")

    def of(self, tokens: Tokens) -> float:
        """The cost of ``tokens``."""
        return (tokens.input * self.input + tokens.output * self.output) / 1e6


class DistillSettings(StrictOptions):
    """How a teacher is asked, and how much it may cost."""

    levels: Annotated[tuple[str, ...], Strings] = ("compressed",)
    """``("compressed",)`` as in the paper, or ``("compressed", "core")``: the second one shortens
    the first one's answer once more."""

    instruction: str | Path | Mapping[str, str | Path] | None = None
    """Replaces the instruction of the level "compressed" (a string, or a path to a file), or of
    every level in a mapping. It must hold ``{text}`` exactly once."""

    refusals: Annotated[tuple[str, ...], Strings] = ()
    """Regular expressions for the beginnings of refusals in other words or another language than
    the English ones that are known. What the text itself says is no refusal. Answers of earlier
    runs stay what they were taken for."""

    chatter: Annotated[tuple[str, ...], Strings] = ()
    """The same for lines before and after the compressed text that do not belong to it."""

    max_tokens: Annotated[int, Number, Field(ge=1)] = 512
    """Most tokens of a chunk (paper, section 3.2), as ``token_counter`` counts them."""

    token_counter: TokenCounterSpec = "cl100k_base"
    """Counts chunks, estimates, and the usage of a teacher that does not report it."""

    concurrency: Annotated[int, Number, Field(ge=1)] = 8
    """Most requests at a time."""

    requests_per_second: Annotated[float, Number, Field(gt=0, allow_inf_nan=False)] | None = None
    """Most requests started per second, retries included."""

    max_retries: Annotated[int, Number, Field(ge=0)] = 4
    """How often a request that raised is sent again. Answers are never asked for again."""

    backoff: Annotated[float, Number, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Seconds before the first retry; doubles with each further one, up to a minute."""

    teacher_name: str | None = None
    """What the teacher is called in the output, so that answers of another one are not taken for
    its own; None takes the name of the model, which a bare Runnable does not have."""

    price: Price | None = None
    """What the teacher costs; without it there is no estimate of cost."""

    budget: Annotated[float, Number, Field(gt=0)] | None = None
    """Most that this run may cost, in the currency of ``price``."""

    token_budget: Annotated[int, Number, Field(ge=1)] | None = None
    """Most tokens, input and output together, that this run may use."""

    progress: bool = True
    """Show a progress bar on standard error."""

    @cached_property
    def phrases(self) -> Phrases:
        """`refusals` and `chatter` with the known ones."""
        return Phrases.of(self.refusals, self.chatter)

    @model_validator(mode="after")
    def _check_phrases(self) -> Self:
        Phrases.of(self.refusals, self.chatter)
        return self

    @model_validator(mode="after")
    def _check_price(self) -> Self:
        if self.budget is not None and self.price is None:
            raise ValueError("budget needs price=Price(input, output), per million tokens")
        return self


class DistillOptions(TypedDict, total=False):
    """The fields of `DistillSettings` as keyword arguments."""

    levels: tuple[str, ...] | list[str]
    instruction: str | Path | Mapping[str, str | Path] | None
    refusals: tuple[str, ...] | list[str]
    chatter: tuple[str, ...] | list[str]
    max_tokens: int
    token_counter: Any
    concurrency: int
    requests_per_second: float | None
    max_retries: int
    backoff: float
    teacher_name: str | None
    price: Price | None
    budget: float | None
    token_budget: int | None
    progress: bool
