"""Quality control as a Markdown report: tables, histograms, the worst examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .quality import GAP, VARIATION, QualityReport, missing_words
from .schema import METRIC_NAMES, Example

__all__ = ["quality_markdown"]

_BINS = 12
_WIDTH = 40
_BLOCKS = " ▏▎▍▌▋▊▉█"
_WORST = 5
_EXCERPT = 300
_MISSING = 20
_METRIC_OF = {VARIATION: "variation_rate", GAP: "alignment_gap"}
_REFERENCE = "Pan et al. (2024), LLMLingua-2, section 3.3"


def quality_markdown(report: QualityReport, *, worst: int = _WORST) -> str:
    """``report`` for people: what was dropped, why, and what it looks like.

    Args:
        report: What `filter_examples` returned.
        worst: How many of the worst examples to show per reason.
    """
    examples = report.examples
    parts = [
        "# Quality control",
        f"{len(report.kept)} of {len(examples)} examples kept, {len(report.dropped)} dropped. "
        f"Metrics as in {_REFERENCE}, over words without punctuation.",
        _dropped_table(report),
        "## Metrics",
        _metric_table(report),
        "## Domains",
        _domain_table(report),
    ]
    for reason, name in _METRIC_OF.items():
        values = [_value(example, name) for example in examples]
        parts += [f"## {reason.capitalize()}", _histogram(values, report.limits[reason])]
        chosen = [example for example, why in report.dropped if why == reason]
        chosen.sort(key=lambda example: -_value(example, name))
        parts += [_worst(example, name) for example in chosen[:worst]]
    return "\n\n".join(parts) + "\n"


def _dropped_table(report: QualityReport) -> str:
    counts = Counter(reason for _, reason in report.dropped)
    rows = [
        (reason, f"{limit:.4f}" if np.isfinite(limit) else "none", counts[reason])
        for reason, limit in report.limits.items()
    ]
    return _table(("reason", "largest value kept", "dropped"), rows)


def _metric_table(report: QualityReport) -> str:
    rows = []
    for name in METRIC_NAMES:
        for label, examples in (("all", report.examples), ("kept", report.kept)):
            values = np.array([_value(example, name) for example in examples])
            if len(values):
                low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
                numbers = (values.mean(), low, middle, high, values.max())
                rows.append(
                    (name.replace("_", " "), label, *(f"{number:.4f}" for number in numbers))
                )
    return _table(("metric", "examples", "mean", "5%", "median", "95%", "max"), rows)


def _domain_table(report: QualityReport) -> str:
    everything = Counter(example.domain for example in report.examples)
    kept = Counter(example.domain for example in report.kept)
    rows = []
    for domain, count in sorted(everything.items()):
        rates = [example.kept_rate for example in report.kept if example.domain == domain]
        rate = f"{sum(rates) / len(rates):.3f}" if rates else ""
        rows.append((_cell(domain) or "(none)", count, kept[domain], rate))
    return _table(("domain", "examples", "kept", "share of words labelled, kept examples"), rows)


def _histogram(values: Sequence[float], limit: float) -> str:
    """Unicode bars; a line marks where dropping begins."""
    if not values:
        return "No examples."
    counts, edges = np.histogram(values, bins=_BINS)
    most = int(counts.max())
    lines = []
    for count, low, high in zip(counts.tolist(), edges[:-1], edges[1:], strict=True):
        cut = "  ← dropped above " + f"{limit:.4f}" if low <= limit < high else ""
        lines.append(f"{low:8.4f} … {high:8.4f} {count:6d} {_bar(count / most)}{cut}")
    return "```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```"


def _bar(share: float) -> str:
    eighths = round(share * _WIDTH * 8)
    # What exists must be seen, however little it is.
    eighths = max(eighths, 1) if share else 0
    return _BLOCKS[8] * (eighths // 8) + _BLOCKS[eighths % 8].strip()


def _worst(example: Example, name: str) -> str:
    missing = missing_words(example)
    shown = ", ".join(f"“{word}”" for word in missing[:_MISSING]) or "none"
    more = f" and {len(missing) - _MISSING} more" if len(missing) > _MISSING else ""
    kept = " ".join(
        word for word, level in zip(example.words, example.levels, strict=True) if level
    )
    return "\n".join(
        (
            f"### {_cell(example.id)}: {name.replace('_', ' ')} {_value(example, name):.4f}",
            "",
            f"- not in the source: {shown}{more}",
            f"- source: {_excerpt(example.text)}",
            f"- compressed: {_excerpt(example.compressed[0])}",
            f"- labelled: {_excerpt(kept)}",
        )
    )


def _excerpt(text: str) -> str:
    # Between backticks, so that the text's own Markdown stays text; it must not close them.
    line = " ".join(text.split()).replace("`", "'")
    return f"`{line[:_EXCERPT]}{'…' if len(line) > _EXCERPT else ''}`" if line else "(empty)"


def _value(example: Example, name: str) -> float:
    return float(getattr(example.metrics, name))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["-"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
