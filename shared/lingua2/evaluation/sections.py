"""The tables of a report."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from .causes import CAUSES, Cause, explain
from .latency import latency_rows
from .paper import END_TO_END, PAPER, SECONDS, PaperTable
from .provenance import failures, problems, repeat
from .records import UNCOMPRESSED
from .run import Evaluation
from .section import Section
from .summary import Line, by_kind, chosen_measure

__all__ = ["sections"]


def sections(evaluation: Evaluation, lines: Sequence[Line]) -> list[Section]:
    """The tables of the report."""
    made = [_main(evaluation, lines), _measures(lines)]
    if kinds := by_kind(evaluation):
        made.append(_kinds(evaluation, lines, kinds))
    made += [_paper(evaluation, lines, table) for table in PAPER.get(evaluation.data.task, ())]
    made.append(_causes(evaluation))
    if evaluation.reader is not None:
        made.append(_reader(evaluation, lines))
    made += _latency(evaluation)
    if evaluation.data.problems:
        made.append(problems(evaluation))
    if any(record.failure for record in evaluation.records):
        made.append(failures(evaluation))
    made.append(repeat(evaluation))
    return [section for section in made if section.text or section.rows]


def _main(evaluation: Evaluation, lines: Sequence[Line]) -> Section:
    label, _ = chosen_measure(evaluation)
    first = evaluation.methods[0].name
    exact = {method.name: method.is_exact for method in evaluation.methods}
    rows = []
    for line in lines:
        whole = line.budget == UNCOMPRESSED
        over = "" if whole else f"{line.over:.0%}" + ("" if exact[line.method] else " *")
        rows.append(
            (
                line.budget,
                line.method,
                _quality(line),
                "" if line.difference is None or whole else _signed(line),
                "" if line.retained is None else f"{line.retained:.1%}",
                f"{line.asked:.3f}" if line.items else "–",
                f"{line.achieved:.3f}" if line.items else "–",
                over if line.items else "–",
                f"{line.seconds:.3f}" if line.items else "–",
            )
        )
    text = (
        f"Quality is {label}; in brackets the 95% bootstrap interval, items with the same "
        "documents drawn together, and how many items it is of where that is not all. An "
        "interval without width says that all items are alike, not that more would be. Asked, "
        "achieved: tokens as a share of all. *: promises no exact budget. Over budget: the share "
        "of the calls that left more tokens than were asked for. Seconds: the median, as run; "
        "what a compressor knows of a text already is not computed again."
    )
    header = (
        "budget", "compressor", f"{label} [95%]", f"− {first} [95%]", "of the uncompressed",
        "asked", "achieved", "over budget", "seconds",
    )  # fmt: skip
    return Section("Quality against tokens", text, header, tuple(rows))


def _quality(line: Line) -> str:
    if line.quality is None:
        return "–"
    number = line.quality.count
    return f"{line.quality}" + (f" of {number}" if number < line.items else "")


def _signed(line: Line) -> str:
    found = line.difference
    return "" if found is None else f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _measures(lines: Sequence[Line]) -> Section:
    names = tuple(dict.fromkeys(name for line in lines for name in line.measures))
    rows = tuple(
        (
            line.budget,
            line.method,
            *(f"{line.measures[name]:.3f}" if name in line.measures else "–" for name in names),
        )
        for line in lines
    )
    text = (
        "Means. Answer, evidence, numbers, identifiers, negations: the share that is left of what "
        "the documents hold; json: still valid; stability: the beginning of the prompt that stays "
        "as it was when one more document is added."
    )
    return Section("What is left, and every score", text, ("budget", "compressor", *names), rows)


def _kinds(
    evaluation: Evaluation,
    lines: Sequence[Line],
    kinds: dict[str, dict[tuple[str, str], float]],
) -> Section:
    keys = [(line.method, line.budget) for line in lines]
    categories = {item.kind: item.category for item in evaluation.data.items}
    rows = tuple(
        (
            f"{categories[kind]}: {kind}" if categories[kind] else kind,
            *(f"{cells[key]:.3f}" if key in cells else "–" for key in keys),
        )
        for kind, cells in kinds.items()
    )
    header = ("kind", *(f"{method}, {budget}" for method, budget in keys))
    text = "Quality is the mean of these means."
    if any(item.category for item in evaluation.data.items):
        text = "Quality is the mean of the categories' means, each that of its kinds' means."
    return Section("By kind", text, header, tuple(rows))


def _paper(evaluation: Evaluation, lines: Sequence[Line], table: PaperTable) -> Section:
    """The paper's rows and those of this run under one head."""
    names = table.metrics if evaluation.reader is not None else ()
    rows: list[tuple[str, ...]] = []
    for line in lines:
        shares = [line.measures.get(name) for name in names]
        if names == ("",):
            shares = [None if line.quality is None else line.quality.mean]
        values = " / ".join("–" if share is None else f"{share:.1%}"[:-1] for share in shares)
        whole = "" if line.retained is None else f"{line.retained:.0%}"
        rows.append((f"this run: {line.method}, {line.budget}", values or "–", whole))
    original = next((v for name, v in table.rows.items() if name.startswith("original")), "")
    for name, value in table.rows.items():
        rows.append((f"paper: {name}", value, _shares_of(value, original)))
    text = (
        "In per cent; the paper's rows are those of Pan et al. 2024, whose reader is "
        "gpt-3.5-turbo-0613. With another reader compare the share of the uncompressed score."
    )
    if evaluation.reader is None:
        text += " This run had no reader, so its share is that of what survives."
    header = ("method", table.measure, "of the uncompressed")
    return Section(f"Beside the paper: {table.measure}", text, header, tuple(rows))


def _shares_of(value: str, original: str) -> str:
    pairs = itertools.zip_longest(value.split(" / "), original.split(" / "))
    wholes = original.split(" / ")
    return " / ".join(
        f"{float(own) / float(whole or wholes[-1]):.0%}" for own, whole in pairs if own
    )


def _causes(evaluation: Evaluation) -> Section:
    items = {item.id: item for item in evaluation.data.items}
    cells: dict[tuple[str, str], Counter[Cause]] = {}
    for record in evaluation.records:
        if record.losses.get("answer") == 0.0:
            cell = cells.setdefault((record.budget, record.method), Counter())
            cell[explain(items[record.item], record).cause] += 1
    names = [cause for cause in CAUSES if any(found[cause] for found in cells.values())]
    rows = tuple(
        (*key, str(found.total()), *(str(found[name]) for name in names))
        for key, found in cells.items()
    )
    told = "; ".join(f"{name}: {CAUSES[name]}" for name in names)
    text = f"Answers that stood in the documents and did not survive, by what happened. {told}."
    header = ("budget", "compressor", "lost", *names)
    return Section("Why answers were lost", text if rows else "", header, rows)


def _reader(evaluation: Evaluation, lines: Sequence[Line]) -> Section:
    names = tuple(dict.fromkeys(status for line in lines for status in line.statuses))
    settings = evaluation.settings
    rows = []
    for line in lines:
        cost = "–"
        if settings.price_input is not None and settings.price_output is not None:
            spent = line.input_tokens * settings.price_input
            cost = f"{(spent + line.output_tokens * settings.price_output) / 1e6:.4f}"
        counts = (str(line.statuses.get(status, 0)) for status in names)
        tokens = (f"{line.input_tokens:,}", f"{line.output_tokens:,}")
        rows.append((line.budget, line.method, *counts, *tokens, cost))
    text = (
        f"{evaluation.reader}. Only answers with status ok are scored: empty answers, refusals, "
        f"timeouts and errors are counted here and left out of every mean. This run asked "
        f"{evaluation.requests} times; other answers were known."
    )
    header = ("budget", "compressor", *names, "tokens read", "tokens written", "cost")
    return Section("The reader", text, header, tuple(rows))


def _latency(evaluation: Evaluation) -> list[Section]:
    rows: list[tuple[str, ...]] = []
    header: tuple[str, ...] = ()
    for timing in evaluation.timings:
        names, found = latency_rows(timing.times)
        header = ("compressor", *names, "items")
        blank = ("",) * (len(names) - 1)
        measured = [(timing.method, *row, str(timing.times[0].items)) for row in found]
        rows += measured or [(timing.method, timing.problem, *blank, f"0 of {timing.asked}")]
    if rows and evaluation.data.task.startswith("meetingbank"):
        rows += _paper_seconds()
    text = (
        "Compressing and reading against reading alone, one request after the other: medians of "
        "the items, until the first token of the answer and until the last. Nothing is kept "
        "between two measurements here, but a reader may know prompts that begin alike. The "
        "paper's ratios are those of another reader and machine. Items that raised an error or "
        "had no answer are left out."
    )
    return [Section("From the question to the answer", text, header, tuple(rows))] if rows else []


def _paper_seconds() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for method, times in SECONDS.items():
        for factor, (compress, total) in times.items():
            label = "alone" if factor == 1 else f"{factor:g}x"
            ratio = f"{END_TO_END[factor]:g}x" if total and factor > 1 else ""
            rows.append((f"paper: {method}", label, "", compress, "", total, "", ratio, ""))
    return rows
