"""Curves of quality against the achieved rate, as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence

from lingua2._extras import require

from .records import UNCOMPRESSED
from .summary import Line

__all__ = ["curves"]

_MARKERS = "osD^vPX*"


def curves(lines: Sequence[Line], label: str) -> str:
    """An SVG element: one curve per compressor with its intervals, the uncompressed as a line.

    Args:
        lines: What `summarise` returns.
        label: What quality means.

    Raises:
        ImportError: matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "evaluate")
    # A figure of its own, without the global state and the windows of pyplot.
    figures = require("matplotlib.figure", "evaluate")
    # The same bytes for the same numbers.
    with matplotlib.rc_context({"svg.hashsalt": "lingua2", "font.size": 9}):
        figure = figures.Figure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.subplots()
        methods = dict.fromkeys(line.method for line in lines if line.budget != UNCOMPRESSED)
        for number, method in enumerate(methods):
            points = sorted(
                (line.achieved, line.quality)
                for line in lines
                if line.method == method and line.quality is not None
            )
            if not points:
                continue
            means = [quality.mean for _, quality in points]
            below = [quality.mean - quality.low for _, quality in points]
            above = [quality.high - quality.mean for _, quality in points]
            axes.errorbar(
                [rate for rate, _ in points],
                means,
                # A mean outside of its own interval is possible, a negative bar is not.
                yerr=[[max(0.0, x) for x in below], [max(0.0, x) for x in above]],
                label=method,
                marker=_MARKERS[number % len(_MARKERS)],
                markersize=4,
                linewidth=1.2,
                capsize=2,
            )
        for line in lines:
            if line.budget == UNCOMPRESSED and line.quality is not None:
                axes.axhline(line.quality.mean, color="grey", linestyle=":", label=line.method)
        axes.set_xlabel("achieved rate (kept tokens / all tokens)")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    # Within a page the XML declaration and the document type have no place.
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]
