"""The report of an evaluation: Markdown, and a page of HTML that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lingua2.counting import well_formed

from .charts import curves
from .page import page
from .paper import PAPER
from .records import UNCOMPRESSED, Record
from .run import Evaluation
from .summary import Line, by_kind, chosen_measure, summarise, worst_losses

__all__ = ["Section", "markdown", "sections", "write_report"]

_SHOWN_PROBLEMS = 20
_SHOWN_TEXT = 1_500


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a paragraph and a table, any of which but the heading may be missing.

    Attributes:
        title: The heading.
        text: The paragraph.
        header: The table's header.
        rows: Its rows.
    """

    title: str
    text: str = ""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def write_report(evaluation: Evaluation, output: str | Path) -> tuple[Path, Path]:
    """Write ``report.md`` and ``report.html`` into ``output``; returns their paths.

    Raises:
        ImportError: matplotlib is not installed.
    """
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    lines = summarise(evaluation)
    label, _ = chosen_measure(evaluation)
    worst = worst_losses(evaluation)
    parts = sections(evaluation, lines)
    text = folder / "report.md"
    text.write_text(well_formed(markdown(evaluation, parts, worst)), encoding="utf-8")
    html = folder / "report.html"
    items = {item.id: item for item in evaluation.data.items}
    shown = [(items[record.item], record) for record in worst]
    html.write_text(
        well_formed(page(_title(evaluation), parts, curves(lines, label), shown)), encoding="utf-8"
    )
    return text, html


def sections(evaluation: Evaluation, lines: Sequence[Line]) -> list[Section]:
    """The tables of the report."""
    made = [_main(evaluation, lines), _measures(lines)]
    if kinds := by_kind(evaluation):
        made.append(_kinds(lines, kinds))
    for table in PAPER.get(evaluation.data.task, ()):
        rows = tuple(table.rows.items())
        made.append(
            Section(
                f"The paper's own row: {table.measure}",
                "Pan et al. 2024, in per cent. Its reader is gpt-3.5-turbo-0613; with another "
                "reader compare the share of the uncompressed score.",
                ("method", table.measure),
                rows,
            )
        )
    if evaluation.reader is not None:
        made.append(_reader(evaluation, lines))
    if evaluation.data.problems:
        made.append(_problems(evaluation))
    made.append(_repeat(evaluation))
    return [section for section in made if section.text or section.rows]


def markdown(evaluation: Evaluation, parts: Sequence[Section], worst: Sequence[Record] = ()) -> str:
    """The report as Markdown."""
    blocks = [f"# {_title(evaluation)}"]
    for part in parts:
        blocks.append(f"## {part.title}")
        if part.text:
            blocks.append(part.text)
        if part.rows:
            rows = [part.header, ("-",) * len(part.header), *part.rows]
            blocks.append("\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in rows))
    if worst:
        blocks.append("## The worst losses")
        items = {item.id: item for item in evaluation.data.items}
    for number, record in enumerate(worst, 1):
        item = items[record.item]
        blocks.append(f"### {number}. `{record.item}` at {record.budget} ({record.method})")
        told = [f"question: {item.question or '(none)'}", f"gold: {' / '.join(item.references)}"]
        if record.status is not None:
            told.append(f"reader: {record.answer or record.status}")
        blocks.append("\n".join(f"- {_cell(line)[:_SHOWN_TEXT]}" for line in told))
        kept = record.context[:_SHOWN_TEXT].replace("```", "'''")
        blocks.append(f"```text\n{kept}\n```")
    return "\n\n".join(blocks) + "\n"


def _title(evaluation: Evaluation) -> str:
    reader = f", read by {evaluation.reader}" if evaluation.reader else ", without a reader"
    return f"{evaluation.data.task}: {len(evaluation.data.items)} items{reader}"


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")


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
                "–" if line.quality is None else str(line.quality),
                "" if line.difference is None or whole else _signed(line),
                "" if line.retained is None else f"{line.retained:.1%}",
                f"{line.achieved:.3f}",
                over,
                f"{line.seconds:.3f}",
            )
        )
    text = (
        f"Quality is {label}; in brackets the 95% bootstrap interval, items with the same "
        "documents drawn together. Achieved: kept tokens / all tokens. *: promises no exact "
        "budget. Seconds: as run; what a compressor knows of a text already is not computed again."
    )
    header = (
        "budget", "compressor", f"{label} [95%]", f"− {first} [95%]", "of the uncompressed",
        "achieved", "over budget", "seconds",
    )  # fmt: skip
    return Section("Quality against tokens", text, header, tuple(rows))


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


def _kinds(lines: Sequence[Line], kinds: dict[str, dict[tuple[str, str], float]]) -> Section:
    keys = [(line.method, line.budget) for line in lines]
    rows = tuple(
        (kind, *(f"{cells[key]:.3f}" if key in cells else "–" for key in keys))
        for kind, cells in kinds.items()
    )
    header = ("kind", *(f"{method}, {budget}" for method, budget in keys))
    return Section("By kind", "Quality is the mean of these means.", header, rows)


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


def _problems(evaluation: Evaluation) -> Section:
    problems = evaluation.data.problems
    rows = tuple((p.where, p.message) for p in problems[:_SHOWN_PROBLEMS])
    more = len(problems) - len(rows)
    text = f"{len(problems)} records could not be used" + (
        f"; {more} more are not shown." if more else "."
    )
    return Section("Records passed over", text, ("where", "what is wrong"), rows)


def _repeat(evaluation: Evaluation) -> Section:
    settings = json.dumps(
        evaluation.settings.model_dump(exclude={"progress"}), default=str, sort_keys=True
    )
    rows = [
        ("task", evaluation.data.task),
        ("data", evaluation.data.source),
        ("data SHA-256 or fingerprint", evaluation.data.digest),
        ("settings", settings),
        *((f"compressor {method.name}", method.identity) for method in evaluation.methods),
        ("reader", evaluation.reader or "none"),
        *evaluation.versions.items(),
    ]
    return Section("To repeat it", "", ("what", "value"), tuple(rows))
