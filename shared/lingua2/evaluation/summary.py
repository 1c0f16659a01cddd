"""From records to the lines of a report: means, intervals, paired differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .intervals import Interval, mean_interval
from .losses import LOSSES
from .readers import STATUSES
from .records import UNCOMPRESSED, Record
from .run import Evaluation

__all__ = ["Line", "Measure", "by_kind", "chosen_measure", "summarise", "worst_losses"]

Measure = Callable[[Record], float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One compressor at one budget.

    Attributes:
        method: Its name.
        budget: The budget.
        items: How many items it compressed.
        achieved: Tokens kept, as a share of all.
        over: Share of the calls over budget.
        quality: The measure that the report is about; None where no item has it.
        difference: Quality minus that of the first compressor at this budget, on the items that
            both have; None for itself.
        retained: Quality as a share of that of the uncompressed documents, on the items that both
            have.
        measures: Means of everything else, by name.
        statuses: How many requests to the reader came to what.
        seconds: Mean time of a compression.
        input_tokens: What the reader read.
        output_tokens: What it wrote.
    """

    method: str
    budget: str
    items: int
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
            base = cells.get((budget, first)) if method.name != first else None
            lines.append(_line(evaluation, measure, records, base, whole))
    return lines


def by_kind(evaluation: Evaluation) -> dict[str, dict[tuple[str, str], float]]:
    """Mean quality by kind, and there by compressor and budget; empty with a single kind."""
    _, measure = chosen_measure(evaluation)
    kinds = sorted({record.kind for record in evaluation.records})
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


def worst_losses(evaluation: Evaluation, number: int = 10) -> list[Record]:
    """The records of the first compressor that lost most against the uncompressed documents.

    Without a reader these are answers that did not survive, mildest budget first: what is lost
    where much room was left says most about the model.
    """
    _, measure = chosen_measure(evaluation)
    first = next((m.name for m in evaluation.methods if not m.whole), None)
    whole = {
        record.item: measure(record)
        for record in evaluation.records
        if record.budget == UNCOMPRESSED
    }
    lost = []
    for record in evaluation.records:
        value = measure(record) if record.method == first else None
        if value is None:
            continue
        before = whole.get(record.item)
        loss = (1.0 if before is None else before) - value
        if loss > 0:
            lost.append((loss, record))
    lost.sort(key=lambda pair: (-pair[0], -(pair[1].asked or 0) / max(1, pair[1].original)))
    shown: dict[str, Record] = {}
    for _, record in lost:
        # One document set each, or ten questions about one text fill the list.
        shown.setdefault(record.group, record)
    return list(shown.values())[:number]


def _line(
    evaluation: Evaluation,
    measure: Measure,
    records: Sequence[Record],
    base: Sequence[Record] | None,
    whole: Sequence[Record] | None,
) -> Line:
    settings = evaluation.settings

    def interval(pairs: Sequence[tuple[Record, float]]) -> Interval | None:
        return mean_interval(
            _balanced(pairs),
            [record.group for record, _ in pairs],
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
        method=records[0].method,
        budget=records[0].budget,
        items=len(records),
        achieved=sum(r.tokens for r in records) / max(1, sum(r.original for r in records)),
        over=_mean([float(record.over) for record in records]),
        quality=interval(own),
        difference=difference,
        retained=_retained(own, whole, measure),
        measures=measures,
        statuses={status: statuses[status] for status in STATUSES if statuses[status]},
        seconds=_mean([record.seconds for record in records]),
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
    total = sum(_balanced([(r, b) for r, _, b in both]))
    kept = sum(_balanced([(r, v) for r, v, _ in both]))
    return kept / total if total else None


def _balanced(pairs: Sequence[tuple[Record, float]]) -> list[float]:
    """Values scaled so that their mean is the mean of the kinds' means, as benchmarks average."""
    sizes = Counter(record.kind for record, _ in pairs)
    return [value * len(pairs) / (len(sizes) * sizes[record.kind]) for record, value in pairs]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
