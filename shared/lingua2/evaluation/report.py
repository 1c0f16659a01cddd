"""The report of an evaluation: Markdown, and a page of HTML that needs nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from lingua2.counting import well_formed

from .charts import curves
from .excerpts import Loss, Piece
from .page import page
from .records import UNCOMPRESSED
from .run import Evaluation
from .section import Section
from .sections import sections
from .summary import chosen_measure, summarise, worst_losses

__all__ = ["markdown", "write_report"]

_SHOWN_TEXT = 1_500
_NONE: Mapping[str, Sequence[Loss]] = MappingProxyType({})


def write_report(evaluation: Evaluation, output: str | Path) -> tuple[Path, Path]:
    """Write ``report.md`` and ``report.html`` into ``output``; returns their paths.

    Raises:
        ImportError: matplotlib is not installed.
    """
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    lines = summarise(evaluation)
    label, _ = chosen_measure(evaluation)
    parts, losses = sections(evaluation, lines), _worst(evaluation)
    text = folder / "report.md"
    text.write_text(well_formed(markdown(evaluation, parts, losses)), encoding="utf-8")
    html = folder / "report.html"
    made = page(_title(evaluation), parts, curves(lines, label), losses)
    html.write_text(well_formed(made), encoding="utf-8")
    return text, html


def markdown(
    evaluation: Evaluation, parts: Sequence[Section], losses: Mapping[str, Sequence[Loss]] = _NONE
) -> str:
    """The report as Markdown.

    Args:
        evaluation: What it is about.
        parts: The tables.
        losses: The worst losses by compressor.
    """
    blocks = [f"# {_title(evaluation)}"]
    for part in parts:
        blocks.append(f"## {part.title}")
        if part.text:
            blocks.append(part.text)
        if part.rows:
            rows = [part.header, ("-",) * len(part.header), *part.rows]
            blocks.append("\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in rows))
    for method, shown in losses.items():
        blocks.append(f"## Worst losses of {method}: {len(shown)}")
        for number, loss in enumerate(shown, 1):
            blocks.append(f"### {number}. `{loss.item.id}` at {loss.record.budget}")
            lines = [f"{name}: {_cell(value)[:_SHOWN_TEXT]}" for name, value in loss.told()]
            if excerpt := loss.excerpt():
                lines.append(f"where it stood, dropped words struck out: {_struck(excerpt)}")
            blocks.append("\n".join(f"- {line}" for line in lines))
            kept = loss.record.context[:_SHOWN_TEXT].replace("```", "'''")
            blocks.append(f"```text\n{kept}\n```")
    return "\n\n".join(blocks) + "\n"


def _worst(evaluation: Evaluation) -> dict[str, list[Loss]]:
    items = {item.id: item for item in evaluation.data.items}
    replies = {r.item: r.answer for r in evaluation.records if r.budget == UNCOMPRESSED}
    return {
        method: [
            Loss(items[record.item], record, replies.get(record.item, "")) for record in records
        ]
        for method, records in worst_losses(evaluation).items()
    }


def _struck(pieces: Sequence[Piece]) -> str:
    """Neighbouring dropped words under one pair of marks."""
    made = []
    for dropped, own in itertools.groupby(pieces, _is_dropped):
        text = "".join(piece.text for piece in own)
        core = text.strip().replace("~", "\\~")
        marked = text.replace(text.strip(), f"~~{core}~~") if dropped and core else text
        made.append(marked)
    return _cell("".join(made))


def _is_dropped(piece: Piece) -> bool:
    return piece.kept is False or not piece.text.strip()


def _title(evaluation: Evaluation) -> str:
    reader = f", read by {evaluation.reader}" if evaluation.reader else ", without a reader"
    return f"{evaluation.data.task}: {len(evaluation.data.items)} items{reader}"


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")
