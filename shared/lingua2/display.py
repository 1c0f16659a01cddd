"""Shows what was kept: HTML for notebooks, ANSI colours for terminals."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .result import CompressionResult

__all__ = ["summary", "to_ansi", "to_html"]

# A notebook renders every output again on each load; past this many characters it gets slow.
_HTML_CHARACTERS = 200_000
_KEPT, _DROPPED = "46,160,67", "218,54,51"


def summary(result: CompressionResult) -> str:
    """One line: tokens before and after, rate, and the budget."""
    budget = "no budget" if result.budget is None else f"budget {result.budget:,}"
    return (
        f"{result.original_tokens:,} → {result.compressed_tokens:,} tokens "
        f"({result.rate:.1%}, {budget})"
    )


def to_html(result: CompressionResult) -> str:
    """The input with kept words on green and dropped ones struck out, everything escaped.

    The stronger a colour, the surer the model; a word's probability is its tooltip.
    """
    parts = [f"<div><p><b>{escape(summary(result))}</b></p>"]
    shown = 0
    for index in range(len(result.sources)):
        parts.append(
            '<div style="white-space:pre-wrap;border-left:3px solid #8884;padding-left:.6em;'
            f'margin:.6em 0" title="text {index}">'
        )
        for text, kept, probability in result.segments(index):
            shown += len(text)
            if shown > _HTML_CHARACTERS:
                parts.append(f"… (more than {_HTML_CHARACTERS:,} characters)</div></div>")
                return "".join(parts)
            parts.append(_html_piece(text, kept, probability))
        parts.append("</div>")
    parts.append("</div>")
    return "".join(parts)


def _html_piece(text: str, kept: bool, probability: float | None) -> str:
    # Lone surrogates cannot be sent to a browser.
    content = escape(text.encode("utf-8", "replace").decode())
    if probability is None:
        return content
    sure = abs(probability - 0.5) * 2
    style = f"background:rgba({_KEPT if kept else _DROPPED},{0.08 + 0.42 * sure:.2f})"
    if not kept:
        style += ";text-decoration:line-through;opacity:.65"
    return f'<span style="{style}" title="p(keep) = {probability:.3f}">{content}</span>'


def to_ansi(result: CompressionResult) -> str:
    """The input for a terminal: kept words bold green, dropped ones dim and struck out."""
    lines = []
    for index in range(len(result.sources)):
        pieces = []
        for text, kept, probability in result.segments(index):
            code = "1;32" if kept else "2;9;31"
            bare = probability is None and not text.strip()
            pieces.append(text if bare else f"\x1b[{code}m{_printable(text)}\x1b[0m")
        lines.append("".join(pieces))
    return "\n\n".join(lines)


def _printable(text: str) -> str:
    # A retrieved chunk must not be able to drive the terminal.
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
