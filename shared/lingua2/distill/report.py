"""What a run did, and where its output stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .gate import Gate
from .output import Known
from .plan import Estimate, Plan

__all__ = ["DistillReport"]


@dataclass(frozen=True, slots=True)
class DistillReport:
    """What a run did, and where the output stands.

    Attributes:
        chunks: Chunks of all documents.
        answered: Chunks that need nothing more, from this run or an earlier one.
        reused: Those of them that an earlier run had answered.
        requests: Requests that were answered in this run.
        failed: Requests of this run that raised on every try; a later run asks them again.
        statuses: Per level the number of chunks with each status, earlier runs included.
        chatter: Answers that had chatter stripped, earlier runs included.
        input_tokens: What this run's requests read.
        output_tokens: What they wrote.
        cost: What they cost in the currency of the price, or None without one.
        stopped: Why the run ended before everything was asked, or None.
        last_error: What the last failed request raised, or None.
        estimate: What the run was expected to use at most.
    """

    chunks: int
    answered: int
    reused: int
    requests: int
    failed: int
    statuses: Mapping[str, Mapping[str, int]]
    chatter: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    stopped: str | None
    last_error: str | None
    estimate: Estimate

    @classmethod
    def of(cls, plan: Plan, known: Known, gate: Gate, **counts: Any) -> Self:
        """The report of a run that ended."""
        statuses = {level: Counter[str]() for level in plan.instructions}
        chatter = answered = 0
        for chunk in plan.chunks:
            found, complete = plan.known(chunk, known)
            answered += complete
            for level, answer in found.items():
                statuses[level][answer.status] += 1
                chatter += answer.removed > 0
        error = counts.pop("last_error")
        return cls(
            chunks=len(plan.chunks),
            answered=answered,
            statuses={level: dict(counted) for level, counted in statuses.items()},
            chatter=chatter,
            input_tokens=gate.spent.input,
            output_tokens=gate.spent.output,
            cost=gate.cost,
            stopped=gate.stopped,
            last_error=None if error is None else f"{type(error).__name__}: {error}",
            **counts,
        )
