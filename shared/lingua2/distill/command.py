"""The command ``lingua2 distill``."""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import DistillReport, Estimate

__all__ = ["add_command"]

_INTERRUPTED = 130
# Options of `distill` that have the same name here.
_OPTIONS = (
    "levels",
    "refusals",
    "chatter",
    "max_tokens",
    "concurrency",
    "requests_per_second",
    "max_retries",
    "budget",
    "token_budget",
)


def add_command(subparsers: Any) -> None:
    """Add ``distill`` to the parsers of the command line."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "distill",
        help="have a teacher compress documents, as training data",
        description="Cut documents into chunks and have a chat model compress each of them. Run it "
        "again with the same output to go on where it ended. API keys come from the environment "
        "variables of the model's provider.",
    )
    parser.set_defaults(run=_run)
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT",
        help=".jsonl, .jsonl.gz, .parquet, .txt or .md file, a folder of them, or hf:org/name",
    )  # fmt: skip
    parser.add_argument("--teacher", required=True, metavar="NAME", help="such as openai:gpt-4o")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="a .jsonl file")
    parser.add_argument("--text-field", default="text", metavar="NAME", help="column of the text")
    parser.add_argument("--split", default="train", help="split of hub datasets")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N documents")
    parser.add_argument(
        "--levels", type=lambda value: tuple(value.split(",")), default=("compressed",),
        metavar="LEVELS", help="compressed, or compressed,core",
    )  # fmt: skip
    for level in ("", "core-"):
        parser.add_argument(
            f"--{level}instruction", type=Path, metavar="FILE",
            help="replaces lingua2's own instruction; must hold {text} once",
        )  # fmt: skip
    for name in ("refusals", "chatter"):
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar="REGEX",
            help="how they begin in other words or another language; may be given several times",
        )  # fmt: skip
    parser.add_argument("--base-url", metavar="URL", help="another server with the provider's API")
    parser.add_argument("--temperature", type=float, metavar="T")
    parser.add_argument("--max-tokens", type=int, default=512, metavar="N", help="of a chunk")
    parser.add_argument("--concurrency", type=int, default=8, metavar="N")
    parser.add_argument("--requests-per-second", type=float, metavar="X")
    parser.add_argument("--max-retries", type=int, default=4, metavar="N")
    parser.add_argument("--price-input", type=float, metavar="X", help="per million tokens")
    parser.add_argument("--price-output", type=float, metavar="X", help="per million tokens")
    parser.add_argument("--budget", type=float, metavar="X", help="stop at this cost")
    parser.add_argument("--token-budget", type=int, metavar="N", help="stop at so many tokens")
    parser.add_argument("--dry-run", action="store_true", help="print the estimate, ask nothing")


def _run(args: argparse.Namespace) -> int:
    from . import distill, estimate, read_documents, resolve_teacher

    model = {"base_url": args.base_url, "temperature": args.temperature}
    teacher = resolve_teacher(args.teacher, **{k: v for k, v in model.items() if v is not None})
    documents = islice(read_documents(args.inputs, args.text_field, split=args.split), args.limit)
    options = _options(args)
    if args.dry_run:
        _say(_expected(estimate(documents, teacher, args.output, **options)))
        return 0
    try:
        report = distill(
            documents,
            teacher,
            args.output,
            on_estimate=lambda expected: _say(_expected(expected)),
            **options,
        )
    except KeyboardInterrupt:
        _say("interrupted; run the same command again to go on")
        return _INTERRUPTED
    _say(_summary(report))
    return 1 if report.failed else 0


def _options(args: argparse.Namespace) -> Any:
    from lingua2.errors import OptionError

    from . import Price

    prices = (args.price_input, args.price_output)
    if None in prices and prices != (None, None):
        raise OptionError("give both --price-input and --price-output, or neither")
    if args.limit is not None and args.limit < 1:
        raise OptionError(f"--limit must be at least 1, got {args.limit}")
    if args.budget is not None and None in prices:
        raise OptionError("--budget needs --price-input and --price-output, per million tokens")
    instructions = {"compressed": args.instruction, "core": args.core_instruction}
    return {
        **{name: getattr(args, name) for name in _OPTIONS},
        "instruction": {level: path for level, path in instructions.items() if path is not None},
        "price": None if None in prices else Price(*prices),
        "progress": sys.stderr.isatty(),
    }


def _expected(expected: Estimate) -> str:
    cost = "" if expected.cost is None else f", at most about {expected.cost:.4f}"
    return (
        f"{expected.chunks} chunks to ask in {expected.requests} requests: at most about "
        f"{expected.input_tokens} tokens to read and {expected.output_tokens} to write{cost}"
    )


def _summary(report: DistillReport) -> str:
    cost = "" if report.cost is None else f", cost {report.cost:.4f}"
    lines = [
        f"{report.answered} of {report.chunks} chunks answered ({report.reused} earlier); "
        f"{report.input_tokens} tokens read, {report.output_tokens} written{cost}"
    ]
    for level, statuses in report.statuses.items():
        counted = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
        lines.append(f"{level}: {counted or 'none'}")
    if report.chatter:
        lines.append(f"{report.chatter} answers had chatter around the text, which was removed")
    if report.failed:
        lines.append(f"{report.failed} requests failed, the last one with {report.last_error}")
    if report.stopped:
        lines.append(f"stopped: {report.stopped}; run again to go on")
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
