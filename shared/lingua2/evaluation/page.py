"""A page of HTML without anything from elsewhere: tables, curves, and what was lost in colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from .excerpts import Loss, Piece
from .section import Section

__all__ = ["page"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
.table { overflow-x: auto }
th, td { border-bottom: 1px solid #8884; padding: .2rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere }
.document { white-space: pre-wrap; border-left: 3px solid #8884; padding-left: .6em;
  margin: .6em 0 }
.kept { background: rgba(46,160,67,.25) }
.dropped { color: rgba(218,54,51,.75); text-decoration: line-through }
.answer { outline: 2px solid #d29922; outline-offset: 1px }
summary { font-size: 1.2em; margin: 1em 0 .5em; cursor: pointer }
svg { max-width: 100%; height: auto }
"""
_SHOWN_CHARACTERS = 6_000
_SHOWN_TOLD = 500


def page(
    title: str, parts: Sequence[Section], chart: str, losses: Mapping[str, Sequence[Loss]]
) -> str:
    """The whole page.

    Args:
        title: Its heading.
        parts: Tables.
        chart: An SVG element.
        losses: The worst losses by compressor; those of the first are shown at once.
    """
    blocks = [f"<h1>{escape(title)}</h1>", f"<figure>{chart}</figure>"]
    for part in parts:
        blocks.append(f"<h2>{escape(part.title)}</h2>")
        if part.text:
            blocks.append(f"<p>{escape(part.text)}</p>")
        if part.rows:
            blocks.append(_table(part))
    if losses:
        blocks.append("<h2>The worst losses</h2>")
        blocks.append(
            '<p>What was kept is <span class="kept">green</span>, what was dropped '
            '<span class="dropped">struck out</span>, the answer <span class="answer">framed</span>'
            ". Largest loss first, then the mildest budget; one for each set of documents.</p>"
        )
    first = next(iter(losses), None)
    blocks += [_losses(name, own, is_open=name == first) for name, own in losses.items()]
    body = "\n".join(blocks)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n"
        "</body></html>\n"
    )


def _table(part: Section) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in part.header)
    rows = (
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in part.rows
    )
    return f'<div class="table"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _losses(method: str, losses: Sequence[Loss], *, is_open: bool) -> str:
    head = f"{escape(method)}: {len(losses)}"
    shown = "\n".join(_loss(number, loss) for number, loss in enumerate(losses, 1))
    return f"<details{' open' * is_open}><summary>{head}</summary>\n{shown}\n</details>"


def _loss(number: int, loss: Loss) -> str:
    head = f"<h3>{number}. {escape(loss.item.id)} at {escape(loss.record.budget)}</h3>"
    told = "<br>".join(
        f"<b>{escape(name)}</b>: {escape(value[:_SHOWN_TOLD])}" for name, value in loss.told()
    )
    parts, left = [f"{head}<p>{told}</p>"], _SHOWN_CHARACTERS
    for pieces in loss.documents():
        if left <= 0:
            parts.append("<p>…</p>")
            break
        parts.append(f'<div class="document">{"".join(map(_piece, pieces))}</div>')
        left -= sum(len(piece.text) for piece in pieces)
    return "\n".join(parts)


def _piece(piece: Piece) -> str:
    names = {True: "kept", False: "dropped", None: ""}[piece.kept]
    names = f"{names} answer".strip() if piece.answer else names
    content = escape(piece.text)
    return f'<span class="{names}">{content}</span>' if names else content
