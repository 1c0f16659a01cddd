"""The command ``lingua2 evaluate``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingua2.errors import OptionError

if TYPE_CHECKING:
    from .run import Evaluation

__all__ = ["add_command"]

_INTERRUPTED = 130
_TASK_NAMES = (
    "qa (any questions over documents), hotpotqa, 2wikimqa, musique, squad, meetingbank_qa, "
    "meetingbank_summary, qmsum, longbench, zeroscrolls, gsm8k or bbh"
)
_EXAMPLES = """\
examples:
  lingua2 evaluate --task hotpotqa --data hotpot_dev_distractor_v1.json --limit 200 --output out
  lingua2 evaluate --task squad --data dev-v2.0.json --rate 0.5 0.33 --output out
  lingua2 evaluate --task qmsum --data queries.jsonl --meetings meetings.jsonl \\
      --target-token 2000 --output out
  lingua2 evaluate --task gsm8k --data test.jsonl --demonstrations prompt.txt --shots 1 0.5 \\
      --reader openai:gpt-4o --output out
  lingua2 evaluate --task zeroscrolls --data qasper/validation.jsonl --part qasper --output out
  lingua2 evaluate --task qa --data questions.jsonl --compressor lingua2 \\
      --compressor lingua2,relevance=bm25,label=question --compressor truncation \\
      --reader openai:local --reader-options '{"base_url": "http://localhost:8000/v1"}' \\
      --latency 2,3,5 --output out

A line of questions.jsonl: {"question": "…", "answers": ["…"], "documents": ["…", "…"]}
"""


def add_command(subparsers: Any) -> None:
    """Add ``evaluate`` to the parsers of the command line."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "evaluate",
        help="measure compressors on the paper's benchmarks, with or without a reader",
        description="Compress the documents of a task with several compressors to several budgets, "
        "measure what is left, have a reader answer, and write report.md and report.html. Run it "
        "again with the same output to go on where it ended. API keys come from the environment "
        "variables of the reader's provider.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_run)
    parser.add_argument("--task", required=True, metavar="NAME", help=_TASK_NAMES)
    parser.add_argument(
        "--data", required=True, metavar="DATA",
        help=".jsonl or .json file, perhaps gzipped, or hf:org/name[:config[:split]]",
    )  # fmt: skip
    parser.add_argument(
        "--compressor", action="append", dest="compressors", metavar="NAME[,OPTION=VALUE…]",
        help="lingua2, llmlingua2, llmlingua, selfinfo, random, truncation, sentences, none or "
        "module:function, with options such as relevance=bm25, force_tokens='[\"?\",\"!\"]' and "
        "label=NAME; several times, the first is what the others are compared with (default: "
        "lingua2, random, truncation)",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=float, nargs="+", action="extend", default=[], metavar="R", dest="rates",
        help="budgets as shares of the documents' tokens (default, without another budget: 0.5, "
        "0.33 and 0.2)",
    )  # fmt: skip
    parser.add_argument(
        "--target-token", type=int, nargs="+", action="extend", default=[], metavar="N",
        dest="target_tokens", help="budgets as numbers of tokens",
    )  # fmt: skip
    parser.add_argument(
        "--shots", type=float, nargs="+", action="extend", default=[], metavar="N",
        help="budgets as numbers of worked examples, for gsm8k and bbh",
    )  # fmt: skip
    parser.add_argument(
        "--metric", action="append", default=[], dest="metrics", metavar="NAME",
        help="a score of the reader's answers beside the task's own, such as bertscore; several "
        "times",
    )  # fmt: skip
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="folder of report and results"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N items")
    parser.add_argument("--part", metavar="NAME", help="which part of ZeroSCROLLS the data is")
    parser.add_argument("--prompts", metavar="FILE", help="prompts as JSON, instead of ours")
    parser.add_argument(
        "--demonstrations", metavar="FILE", help="worked examples, for gsm8k, or for a file of bbh"
    )
    parser.add_argument(
        "--meetings",
        metavar="FILE",
        help="transcripts, where qmsum's queries stand in another file",
    )
    parser.add_argument(
        "--on-error", choices=("raise", "skip"), default="skip",
        help="refuse a file with broken records, or pass over and list them (default: skip)",
    )  # fmt: skip
    parser.add_argument(
        "--reader", metavar="NAME",
        help="such as openai:gpt-4o, or module:name of a LangChain model or of a function that "
        "makes one (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--reader-options", type=_object, default={}, metavar="JSON",
        help='such as {"temperature": 0, "base_url": "http://localhost:8000/v1"}',
    )  # fmt: skip
    parser.add_argument(
        "--latency", type=_factors, default=(), metavar="N,N…",
        help="time compressing and reading against reading alone at these compression factors, "
        "such as 2,3,5; with scores computed on the spot, and with stored ones",
    )  # fmt: skip
    parser.add_argument(
        "--latency-items", type=int, default=10, metavar="N",
        help="on how many items (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--concurrency", type=int, default=4, metavar="N")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--price-input", type=float, metavar="X", help="per million tokens")
    parser.add_argument("--price-output", type=float, metavar="X", help="per million tokens")
    parser.add_argument("--token-counter", default="cl100k_base", metavar="NAME")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--resamples", type=int, default=10_000, metavar="N")
    parser.add_argument("--stability-items", type=int, default=20, metavar="N")


def _factors(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(factor) for factor in text.split(","))
    except ValueError as error:
        message = f"expected numbers with commas between them, such as 2,3,5, got {text!r}"
        raise argparse.ArgumentTypeError(message) from error


def _object(text: str) -> dict[str, Any]:
    message = f'expected a JSON object such as {{"temperature": 0}}, got {text!r}'
    try:
        found = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{message}: {error}") from error
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(message)
    return found


def _run(args: argparse.Namespace) -> int:
    from .readers import resolve_reader
    from .report import write_report
    from .run import evaluate
    from .specs import parse_method
    from .tasks import load_task

    for option in ("reader_options", "latency", "metrics", "price_input", "price_output"):
        if getattr(args, option) not in _NOTHING and args.reader is None:
            name = "metric" if option == "metrics" else option.replace("_", "-")
            raise OptionError(f"--{name} needs --reader")
    reader = None if args.reader is None else resolve_reader(args.reader, **args.reader_options)
    data = load_task(
        args.task,
        args.data,
        on_error=args.on_error,
        **{name: getattr(args, name) for name in _TASK_OPTIONS},
    )
    if data.problems:
        more = "" if len(data.problems) == 1 else "; all of them: problems.jsonl in the output"
        _say(f"{len(data.problems)} records passed over, the first: {data.problems[0]}{more}")
    budgets = {"rates": args.rates, "target_tokens": args.target_tokens, "shots": args.shots}
    if not any(budgets.values()):
        budgets["rates"] = [0.5, 0.33, 0.2]
    names = args.compressors or ["lingua2", "random", "truncation"]
    try:
        evaluation = evaluate(
            data,
            [parse_method(name) for name in names],
            args.output,
            reader=reader,
            progress=sys.stderr.isatty(),
            **budgets,
            **{name: getattr(args, name) for name in _OPTIONS},
        )
    except KeyboardInterrupt:
        _say("interrupted; run the same command again to go on")
        return _INTERRUPTED
    text, html = write_report(evaluation, args.output)
    sys.stdout.write(_summary(evaluation) + f"\n{text}\n{html}\n")
    return 1 if _failed(evaluation) else 0


_NOTHING: tuple[Any, ...] = (None, {}, [], ())
_TASK_OPTIONS = ("limit", "part", "prompts", "demonstrations", "meetings")
_OPTIONS = (
    "token_counter", "seed", "resamples", "stability_items", "concurrency", "timeout",
    "price_input", "price_output", "metrics", "latency", "latency_items",
)  # fmt: skip


def _summary(evaluation: Evaluation) -> str:
    from .summary import chosen_measure, summarise

    label, _ = chosen_measure(evaluation)
    lines = [f"{evaluation.data.task}, {len(evaluation.data.items)} items, {label}:"]
    for line in summarise(evaluation):
        retained = "" if line.retained is None else f", {line.retained:.1%} of the uncompressed"
        if not line.items:
            lines.append(f"  {line.budget:>12}  {line.method:<24} failed on all {line.failed}")
            continue
        lines.append(
            f"  {line.budget:>12}  {line.method:<24} {line.quality or '–'}  "
            f"achieved {line.achieved:.3f}, {line.over:.0%} over budget{retained}"
            + (f", failed on {line.failed} of {line.failed + line.items}" if line.failed else "")
        )
    if failed := _failed(evaluation):
        lines.append(f"{failed} requests to the reader failed; run again to ask them again")
    return "\n".join(lines)


def _failed(evaluation: Evaluation) -> int:
    return sum(record.status in ("timeout", "error") for record in evaluation.records)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
