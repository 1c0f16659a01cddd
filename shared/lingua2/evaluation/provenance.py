"""What a report rests on: data that could not be used, errors, and how to repeat it."""

from __future__ import annotations

import json

from .run import Evaluation
from .section import Section

__all__ = ["failures", "problems", "repeat"]

_SHOWN_PROBLEMS = 20


def problems(evaluation: Evaluation) -> Section:
    """Records that could not be used."""
    found = evaluation.data.problems
    rows = tuple((p.where, p.message) for p in found[:_SHOWN_PROBLEMS])
    more = len(found) - len(rows)
    text = f"{len(found)} records could not be used" + (
        f"; the other {more} stand in problems.jsonl." if more else "."
    )
    return Section("Records passed over", text, ("where", "what is wrong"), rows)


def failures(evaluation: Evaluation) -> Section:
    """What compressors raised, and on how many items."""
    cells: dict[tuple[str, str, str], list[str]] = {}
    for record in evaluation.records:
        if record.failure:
            cells.setdefault((record.budget, record.method, record.failure), []).append(record.item)
    rows = tuple((*key, str(len(items)), items[0]) for key, items in cells.items())
    text = (
        "Errors that compressors raised. What they raised them on is left out of every mean of "
        "theirs, so their means are of other items than those of the others; the differences in "
        "brackets above are of the items that both have."
    )
    header = ("budget", "compressor", "error", "items", "the first")
    return Section("Compressors that failed", text, header, rows)


def repeat(evaluation: Evaluation) -> Section:
    """Everything needed to repeat the evaluation."""
    settings = json.dumps(
        evaluation.settings.model_dump(exclude={"progress"}), default=str, sort_keys=True
    )
    rows = [
        ("task", evaluation.data.task),
        ("data", evaluation.data.source),
        ("data SHA-256 or fingerprint", evaluation.data.digest),
        *((f"data: {name}", value) for name, value in evaluation.data.options.items()),
        ("settings", settings),
        *((f"compressor {method.name}", method.identity) for method in evaluation.methods),
        ("reader", evaluation.reader or "none"),
        *([("reader settings", evaluation.reader_settings)] if evaluation.reader_settings else []),
        *evaluation.versions.items(),
    ]
    return Section("To repeat it", "", ("what", "value"), tuple(rows))
