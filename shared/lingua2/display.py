"""Shows what was kept: HTML for notebooks, colours for terminals."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .result import CompressionResult

__all__ = ["summary", "to_html", "to_terminal"]

# A notebook renders every output again on each load; past this many characters it gets slow.
_HTML_CHARACTERS = 200_000
_HTML_ITEMS = 20
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
    if sum(map(len, result.sources)) <= _HTML_CHARACTERS:
        parts.append(_html_losses(result.losses()))
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


def _html_losses(losses: dict[str, Any]) -> str:
    """What was lost, folded up."""
    lines = [f"{losses['sentences_dropped']:,} of {losses['sentences']:,} sentences"]
    for kind in ("numbers", "identifiers", "negations"):
        lost = losses[f"{kind}_dropped"]
        more = f", … ({len(lost):,} in all)" if len(lost) > _HTML_ITEMS else ""
        lines.append(f"{kind}: {', '.join(lost[:_HTML_ITEMS]) or 'none'}{more}")
    for name in ("most_probable_dropped", "least_probable_kept"):
        if word := losses[name]:
            label = name.replace("_", " ")
            lines.append(f"{label}: {word['word']} ({word['probability']:.3f})")
    items = "".join(f"<li>{_escaped(line)}</li>" for line in lines)
    return f"<details><summary>What was dropped</summary><ul>{items}</ul></details>"


def _escaped(text: str) -> str:
    # Lone surrogates cannot be sent to a browser.
    return escape(text.encode("utf-8", "replace").decode())


def _html_piece(text: str, kept: bool, probability: float | None) -> str:
    content = _escaped(text)
    if probability is None:
        return content
    sure = abs(probability - 0.5) * 2
    style = f"background:rgba({_KEPT if kept else _DROPPED},{0.08 + 0.42 * sure:.2f})"
    if not kept:
        style += ";text-decoration:line-through;opacity:.65"
    return f'<span style="{style}" title="p(keep) = {probability:.3f}">{content}</span>'


def to_terminal(result: CompressionResult, *, colour: bool = True) -> str:
    """The input for a terminal: kept words bold green, dropped ones red and struck out.

    Without colour, what was dropped stands in ``[-…-]``, as in a word diff.
    """
    texts = []
    for index in range(len(result.sources)):
        pieces = []
        for text, kept, _ in result.segments(index):
            shown = _printable(text)
            if not text.strip() or (kept and not colour):
                pieces.append(shown)
            elif colour:
                pieces.append(f"\x1b[{'1;32' if kept else '2;9;31'}m{shown}\x1b[0m")
            else:
                pieces.append(f"[-{shown}-]")
        texts.append("".join(pieces))
    return "\n\n".join(texts)


def _printable(text: str) -> str:
    # A retrieved chunk must not be able to drive the terminal.
    text = text.replace("\r\n", "\n")
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
