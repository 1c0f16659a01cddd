"""Measures what a compression keeps, and runs the paper's evaluation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .survival import Question, Survival, answer_survival, normalise, read_questions, survives

if TYPE_CHECKING:
    from .compressors import as_method
    from .latency import measure_latency
    from .method import Method
    from .metrics import METRICS, score_answer
    from .readers import resolve_reader
    from .report import write_report
    from .run import Evaluation, evaluate
    from .specs import parse_method
    from .tasks import TASKS, Item, TaskData, load_task

__all__ = [
    "METRICS",
    "TASKS",
    "Evaluation",
    "Item",
    "Method",
    "Question",
    "Survival",
    "TaskData",
    "answer_survival",
    "as_method",
    "evaluate",
    "load_task",
    "measure_latency",
    "normalise",
    "parse_method",
    "read_questions",
    "resolve_reader",
    "score_answer",
    "survives",
    "write_report",
]

# Training needs survival only; what runs an evaluation is imported with its first use.
_WHERE = {
    **dict.fromkeys(("METRICS", "score_answer"), "metrics"),
    **dict.fromkeys(("Evaluation", "evaluate"), "run"),
    **dict.fromkeys(("TASKS", "Item", "TaskData", "load_task"), "tasks"),
    "Method": "method",
    "as_method": "compressors",
    "measure_latency": "latency",
    "parse_method": "specs",
    "resolve_reader": "readers",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
