"""The command ``lingua2 annotate``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingua2.errors import DatasetError

if TYPE_CHECKING:
    from .quality import QualityReport
    from .schema import Example

__all__ = ["add_command"]

_OUTPUTS = (".jsonl", ".jsonl.gz", ".parquet")


def add_command(subparsers: Any) -> None:
    """Add ``annotate`` to the subparsers of `lingua2.cli`."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "annotate",
        help="label the words of texts by their compressions, and filter bad ones",
        description="Label every word of a text by the compressions that keep it, drop the "
        "examples that a teacher rewrote or that could not be aligned, and write the rest.",
    )
    command.set_defaults(run=_annotate)
    command.add_argument(
        "input",
        metavar="INPUT",
        help=".jsonl, .jsonl.gz or .parquet; meetingbank: also .json, or a name on the hub",
    )
    command.add_argument(
        "--output", required=True, type=Path, metavar="FILE",
        help="labelled examples: .jsonl, .jsonl.gz or .parquet",
    )  # fmt: skip
    command.add_argument(
        "--format", choices=("pairs", "meetingbank"), default="pairs",
        help="columns of INPUT (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--annotator", choices=("alignment", "window"), default="alignment",
        help="global alignment, or the paper's search in a window (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--variation-percentile", type=float, default=5.0, metavar="P",
        help="drop at most this percentage, with the highest variation rate (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--alignment-percentile", type=float, default=10.0, metavar="P",
        help="of the rest drop this, with the highest alignment gap (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--max-variation-rate", type=float, metavar="X",
        help="drop what is above this instead; of use where there are few examples",
    )  # fmt: skip
    command.add_argument(
        "--max-alignment-gap", type=float, metavar="X", help="the same for the alignment gap"
    )
    command.add_argument("--no-filter", action="store_true", help="measure, but drop nothing")
    command.add_argument("--report", type=Path, metavar="FILE", help="quality control as Markdown")


def _annotate(args: argparse.Namespace) -> int:
    from . import AlignmentAnnotator, Annotator, WindowAnnotator
    from .files import write_examples
    from .meetingbank import read_meetingbank
    from .pairs import read_pairs
    from .quality import filter_examples
    from .report import quality_markdown

    if not args.output.name.endswith(_OUTPUTS):
        # Before the minutes that annotating takes, not behind them.
        raise DatasetError(f"--output must end in {', '.join(_OUTPUTS)}, got {args.output}")
    places = [Path(args.input), args.output, *([args.report] if args.report else [])]
    if len({place.resolve() for place in places}) < len(places):
        raise DatasetError("INPUT, --output and --report must be different files")
    annotator: Annotator = WindowAnnotator() if args.annotator == "window" else AlignmentAnnotator()
    read = read_meetingbank if args.format == "meetingbank" else read_pairs
    report = filter_examples(
        read(args.input, annotator=annotator),
        variation_percentile=0.0 if args.no_filter else args.variation_percentile,
        alignment_percentile=0.0 if args.no_filter else args.alignment_percentile,
        max_variation_rate=None if args.no_filter else args.max_variation_rate,
        max_alignment_gap=None if args.no_filter else args.max_alignment_gap,
    )
    write_examples(args.output, report.kept)
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text(
            quality_markdown(report), encoding="utf-8", errors="backslashreplace"
        )
    sys.stdout.write(_summary(report, args) + "\n")
    return 0


def _summary(report: QualityReport, args: argparse.Namespace) -> str:
    total = len(report.examples)
    counts = Counter(reason for _, reason in report.dropped)
    dropped = ", ".join(f"{counts[reason]} for their {reason}" for reason in report.limits)
    text = f"{total} examples annotated ({args.annotator}); dropped {dropped}. "
    if report.kept:
        text += f"{len(report.kept)} written to {args.output}, {_levels(report.kept)}."
    else:
        text += f"None is left; {args.output} is empty."
    return text + (f" Report: {args.report}." if args.report else "")


def _levels(examples: tuple[Example, ...]) -> str:
    words = sum(map(len, examples))
    shares = []
    for level, name in enumerate(examples[0].level_names, 1):
        kept = sum(mark >= level for example in examples for mark in example.levels)
        shares.append(f"{kept / max(1, words):.1%} labelled {name!r}")
    return f"{words} words, " + ", ".join(shares)
