"""A page of HTML without anything from elsewhere: tables, curves, and what was lost in colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from lingua2._extras import require
from lingua2.text import split_units

from .records import Record
from .survival import normalise
from .tasks import Item

if TYPE_CHECKING:
    from .report import Section

__all__ = ["coloured", "page"]

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
svg { max-width: 100%; height: auto }
"""
_SHOWN_CHARACTERS = 6_000


def page(
    title: str, parts: Sequence[Section], chart: str, worst: Sequence[tuple[Item, Record]]
) -> str:
    """The whole page.

    Args:
        title: Its heading.
        parts: Tables.
        chart: An SVG element.
        worst: Items and records of the worst losses.
    """
    blocks = [f"<h1>{escape(title)}</h1>", f"<figure>{chart}</figure>"]
    for part in parts:
        blocks.append(f"<h2>{escape(part.title)}</h2>")
        if part.text:
            blocks.append(f"<p>{escape(part.text)}</p>")
        if part.rows:
            blocks.append(_table(part))
    if worst:
        blocks.append("<h2>The worst losses</h2>")
        blocks.append(
            '<p>What was kept is <span class="kept">green</span>, what was dropped '
            '<span class="dropped">struck out</span>. Documents with an answer come first.</p>'
        )
    blocks += [_loss(number, item, record) for number, (item, record) in enumerate(worst, 1)]
    body = "\n".join(blocks)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n"
        "</body></html>\n"
    )


def coloured(source: str, compressed: str) -> Iterator[tuple[str, bool | None]]:
    """``source`` in pieces, each kept (True), dropped (False) or white space (None).

    Compressors of any kind return a text only, so the longest common subsequence of words tells
    what they kept.
    """
    opcodes = require("rapidfuzz.distance", "evaluate").LCSseq.opcodes
    bounds, words = _words(source)
    _, kept_words = _words(compressed)
    flags = [False] * len(words)
    for code in opcodes(words, kept_words):
        if code.tag == "equal":
            flags[code.src_start : code.src_end] = [True] * (code.src_end - code.src_start)
    position = 0
    for (start, end), kept in zip(bounds, flags, strict=True):
        if position < start:
            yield source[position:start], None
        yield source[start:end], kept
        position = end
    if position < len(source):
        yield source[position:], None


def _words(text: str) -> tuple[list[tuple[int, int]], list[str]]:
    units = split_units(text)
    bounds = list(zip(units.starts.tolist(), units.ends.tolist(), strict=True))
    return bounds, [text[start:end] for start, end in bounds]


def _table(part: Section) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in part.header)
    rows = (
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in part.rows
    )
    return f'<div class="table"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _loss(number: int, item: Item, record: Record) -> str:
    told = [f"gold: {' / '.join(item.references)}"[:500]]
    if record.status is not None:
        told.append(f"reader ({record.status}): {record.answer[:500]}")
    head = f"<h3>{number}. {escape(record.item)} at {escape(record.budget)}</h3>"
    head += f"<p><b>{escape(item.question or '(no question)')}</b><br>"
    parts = [head + "<br>".join(escape(line) for line in told) + "</p>"]
    left = _SHOWN_CHARACTERS
    joined = len(record.texts) == len(item.documents) and not any(record.texts[1:])
    for place in _order(item):
        if left <= 0:
            parts.append("<p>…</p>")
            break
        # A compressor that joins what it keeps puts it into the first text.
        compressed = record.texts[0] if joined else record.texts[place]
        pieces = []
        for text, kept in coloured(item.documents[place], compressed):
            shown, left = text[: max(0, left)], left - len(text)
            css = {True: "kept", False: "dropped", None: ""}[kept]
            content = escape(shown)
            pieces.append(f'<span class="{css}">{content}</span>' if css else content)
            if left <= 0:
                break
        parts.append(f'<div class="document">{"".join(pieces)}</div>')
    return "\n".join(parts)


def _order(item: Item) -> list[int]:
    """Places of the documents, those with a gold answer first."""
    gold = [answer for answer in map(normalise, item.references) if answer]
    with_answer = [
        place
        for place, document in enumerate(item.documents)
        if item.extractive and any(answer in normalise(document) for answer in gold)
    ]
    return with_answer + [p for p in range(len(item.documents)) if p not in with_answer]
