"""From records to the lines of a report: means, intervals, paired differences."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .intervals import Interval, mean_interval
from .losses import LOSSES
from .readers import STATUSES
from .records import UNCOMPRESSED, Record
from .run import Evaluation

__all__ = [
    "Line",
    "Measure",
    "by_kind",
    "chosen_measure",
    "lost_records",
    "summarise",
    "worst_losses",
]

Measure = Callable[[Record], float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One compressor at one budget.

    Attributes:
        method: Its name.
        budget: The budget.
        items: How many items it compressed.
        failed: How many more it raised an error on; they are part of nothing else here.
        asked: Tokens asked for, as a share of all; 1 for what keeps everything.
        achieved: Tokens kept, likewise.
        over: Share of the calls over budget.
        quality: The measure that the report is about; None where no item has it.
        difference: Quality minus that of the first compressor at this budget, on the items that
            both have; None for itself.
        retained: Quality as a share of that of the uncompressed documents, on the items that both
            have.
        measures: Means of everything else, by name.
        statuses: How many requests to the reader came to what.
        seconds: Median time of a compression.
        input_tokens: What the reader read.
        output_tokens: What it wrote.
    """

    method: str
    budget: str
    items: int
    failed: int
    asked: float
    achieved: float
    over: float
    quality: Interval | None
    difference: Interval | None
    retained: float | None
    measures: dict[str, float]
    statuses: dict[str, int]
    seconds: float
    input_tokens: int
    output_tokens: int


def chosen_measure(evaluation: Evaluation) -> tuple[str, Measure]:
    """What a report is about: the task's own metric with a reader, else the first loss there is."""
    if evaluation.reader is not None:
        metrics = {item.id: item.metrics[0] for item in evaluation.data.items}
        names = set(metrics.values())
        label = names.pop() if len(names) == 1 else "score (each kind's own metric)"
        return label, lambda record: record.scores.get(metrics[record.item])
    there = {name for record in evaluation.records for name in record.losses}
    name = next((name for name in LOSSES if name in there), LOSSES[0])
    return f"{name} survival", lambda record: record.losses.get(name)


def summarise(evaluation: Evaluation) -> list[Line]:
    """One line per compressor and budget, budgets together, compressors in the order given."""
    _, measure = chosen_measure(evaluation)
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in evaluation.records:
        cells.setdefault((record.budget, record.method), []).append(record)
    whole = next((cells[key] for key in cells if key[0] == UNCOMPRESSED), None)
    first = evaluation.methods[0].name
    budgets = list(dict.fromkeys(record.budget for record in evaluation.records))
    # What is uncompressed is what everything else is compared with.
    budgets.sort(key=lambda budget: budget != UNCOMPRESSED)
    lines = []
    for budget in budgets:
        for method in evaluation.methods:
            if (records := cells.get((budget, method.name))) is None:
                continue
            base = cells.get((budget, first), whole if evaluation.methods[0].whole else None)
            base = base if method.name != first else None
            lines.append(_line(evaluation, measure, records, base, whole))
    return lines


def by_kind(evaluation: Evaluation) -> dict[str, dict[tuple[str, str], float]]:
    """Mean quality by kind, and there by compressor and budget; empty with a single kind."""
    _, measure = chosen_measure(evaluation)
    kinds = [kind for _, kind in sorted({(r.category, r.kind) for r in evaluation.records})]
    if len(kinds) < 2:
        return {}
    found: dict[str, dict[tuple[str, str], list[float]]] = {kind: {} for kind in kinds}
    for record in evaluation.records:
        if (value := measure(record)) is not None:
            cell = found[record.kind].setdefault((record.method, record.budget), [])
            cell.append(value)
    return {
        kind: {key: sum(values) / len(values) for key, values in cells.items()}
        for kind, cells in found.items()
    }


def lost_records(evaluation: Evaluation) -> dict[str, list[Record]]:
    """By compressor, the records that lost something against the uncompressed documents.

    Largest loss first, and among equal ones the mildest budget: what is lost where much room was
    left says most about the model. Answers that the uncompressed documents do not have cannot be
    lost; with a reader, neither can those that it did not find there.
    """
    _, measure = chosen_measure(evaluation)
    whole = {
        record.item: value
        for record in evaluation.records
        if record.budget == UNCOMPRESSED and (value := measure(record)) is not None
    }
    lost: dict[str, list[tuple[float, Record]]] = {
        method.name: [] for method in evaluation.methods if not method.whole
    }
    for record in evaluation.records:
        value = measure(record) if record.method in lost else None
        # Without a reader a share is of what the documents hold, all of which they have.
        before = whole.get(record.item, 1.0 if evaluation.reader is None else None)
        if value is not None and before is not None and before > value:
            lost[record.method].append((before - value, record))
    for pairs in lost.values():
        pairs.sort(key=lambda pair: (-pair[0], -(pair[1].asked or 0) / max(1, pair[1].original)))
    return {name: [record for _, record in pairs] for name, pairs in lost.items()}


def worst_losses(evaluation: Evaluation, number: int = 10) -> dict[str, list[Record]]:
    """The first of `lost_records` of every compressor, one for each set of documents.

    Ten questions about one text would fill the list otherwise.
    """
    shown: dict[str, list[Record]] = {}
    for name, records in lost_records(evaluation).items():
        groups: dict[str, Record] = {}
        for record in records:
            groups.setdefault(record.group, record)
        if groups:
            shown[name] = list(groups.values())[:number]
    return shown


def _line(
    evaluation: Evaluation,
    measure: Measure,
    records: Sequence[Record],
    base: Sequence[Record] | None,
    whole: Sequence[Record] | None,
) -> Line:
    settings = evaluation.settings
    method, budget, failed = records[0].method, records[0].budget, len(records)
    records = [record for record in records if not record.failure]
    failed -= len(records)
    original = max(1, sum(record.original for record in records))

    def interval(pairs: Sequence[tuple[Record, float]]) -> Interval | None:
        return mean_interval(
            [value for _, value in pairs],
            [record.group for record, _ in pairs],
            weights=_weights([record for record, _ in pairs]),
            strata=[record.kind for record, _ in pairs],
            seed=settings.seed,
            resamples=settings.resamples,
        )

    own = [(record, value) for record in records if (value := measure(record)) is not None]
    difference = None
    if base is not None:
        against = {record.item: measure(record) for record in base}
        both = [(r, v - a) for r, v in own if (a := against.get(r.item)) is not None]
        difference = interval(both)
    names = dict.fromkeys(name for record in records for name in (*record.losses, *record.scores))
    measures = {
        name: _mean([v for r in records if (v := {**r.losses, **r.scores}.get(name)) is not None])
        for name in names
    }
    stable = [record.stability for record in records if record.stability is not None]
    if stable:
        measures["stability"] = _mean(stable)
    statuses = Counter(record.status for record in records if record.status is not None)
    return Line(
        method=method,
        budget=budget,
        items=len(records),
        failed=failed,
        # A budget above what there is asks for all of it.
        asked=sum(min(r.original, r.asked or r.original) for r in records) / original,
        achieved=sum(r.tokens for r in records) / original,
        over=_mean([float(record.over) for record in records]),
        quality=interval(own),
        difference=difference,
        retained=_retained(own, whole, measure),
        measures=measures,
        statuses={status: statuses[status] for status in STATUSES if statuses[status]},
        # Not the mean: the first one also loads the model.
        seconds=statistics.median([record.seconds for record in records] or [0.0]),
        input_tokens=sum(record.input_tokens for record in records),
        output_tokens=sum(record.output_tokens for record in records),
    )


def _retained(
    own: Sequence[tuple[Record, float]], whole: Sequence[Record] | None, measure: Measure
) -> float | None:
    if whole is None:
        return None
    before = {record.item: measure(record) for record in whole}
    both = [(r, v, b) for r, v in own if (b := before.get(r.item)) is not None]
    weights = _weights([record for record, _, _ in both])
    total = sum(weight * b for weight, (_, _, b) in zip(weights, both, strict=True))
    kept = sum(weight * v for weight, (_, v, _) in zip(weights, both, strict=True))
    return kept / total if total else None


def _weights(records: Sequence[Record]) -> list[float]:
    """What records count in the mean of the categories' means, as benchmarks average.

    The mean of a category is that of its kinds' means.
    """
    sizes = Counter(record.kind for record in records)
    kinds = Counter({record.kind: record.category for record in records}.values())
    return [1 / (len(kinds) * kinds[record.category] * sizes[record.kind]) for record in records]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
