"""The command ``lingua2``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .backends.names import BACKENDS
from .compressor import Compressor
from .counting import well_formed
from .dataset.command import add_command as add_annotate
from .display import summary, to_terminal
from .distill.command import add_command as add_distill
from .errors import BudgetWarning, Lingua2Error, OptionError
from .evaluation.command import add_command as add_evaluate
from .protect import GUARDS
from .result import CompressionResult
from .training.command import add_command as add_train

__all__ = ["main"]

# Options of `compress` that go to the core under their own name.
_FLAGS = ("force_reserve_digit", "drop_consecutive", "use_context_level_filter")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Command-line words behind the program's name; None takes the process's own.

    Returns:
        The exit status: 0, or 1 after an error that was explained on standard error.
    """
    args = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", BudgetWarning)
        try:
            status: int = args.run(args)
        except Lingua2Error as error:
            _explain(f"error: {error}")
            status = 1
        except ImportError as error:
            # Guarded imports say what to install.
            _explain(f"error: {error}")
            status = 1
        except OSError as error:
            # "report.txt: No such file or directory" instead of an errno.
            named = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            _explain(f"error: {named}")
            status = 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lingua2", description="Prompt compression for retrieval-augmented generation."
    )
    parser.add_argument("--version", action="version", version=f"lingua2 {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    compress = commands.add_parser(
        "compress",
        help="compress text files to a token budget",
        description="Compress text files, or standard input, together to one token budget. The "
        "compressed text goes to standard output, everything else to standard error.",
    )
    compress.set_defaults(run=_compress)
    compress.add_argument(
        "files", nargs="+", metavar="FILE", help="UTF-8 text; - is standard input"
    )
    budget = compress.add_mutually_exclusive_group(required=True)
    budget.add_argument("--rate", type=float, help="share of the tokens to keep, in (0, 1]")
    budget.add_argument("--target-token", type=int, metavar="N", help="most tokens to keep")
    budget.add_argument(
        "--threshold", type=float, metavar="P", help="keep words at least this probable"
    )
    compress.add_argument("--query", help="the question; its words decide which sentences stay")
    compress.add_argument("--model", metavar="NAME", help="directory or hub id; default: embedded")
    compress.add_argument(
        "--token-counter", default="cl100k_base", metavar="NAME",
        help="tiktoken encoding or model that counts (default: %(default)s)",
    )  # fmt: skip
    compress.add_argument(
        "--force-token", action="append", default=[], dest="force_tokens", metavar="WORD",
        help="keep this word wherever it stands; may be given several times",
    )  # fmt: skip
    compress.add_argument(
        "--allocation", choices=("global", "uniform"), default="global",
        help="rank words over all files, or give every file the same share",
    )  # fmt: skip
    compress.add_argument("--force-reserve-digit", action="store_true", help="keep all numbers")
    compress.add_argument("--drop-consecutive", action="store_true", help="no force token twice")
    compress.add_argument(
        "--use-context-level-filter", action="store_true", help="drop files first"
    )
    compress.add_argument(
        "--protect", action="append", metavar="NAME",
        help=f"keep {', '.join(GUARDS)} or what a regular expression matches; may be given several "
        "times; default: negations, and 'none' for nothing",
    )  # fmt: skip
    compress.add_argument(
        "--markers", nargs=2, metavar=("OPEN", "CLOSE"),
        help="what stands between these is kept, and they are taken out",
    )  # fmt: skip
    compress.add_argument(
        "--min-tokens", type=int, default=0, metavar="N", help="leave less text than this alone"
    )
    compress.add_argument(
        "--separator", default=r"\n\n", metavar="TEXT", help="between files (default: %(default)s)"
    )
    compress.add_argument(
        "--backend", choices=("auto", *BACKENDS), default="torch",
        help="what runs the model (default: %(default)s)",
    )  # fmt: skip
    compress.add_argument("--score-cache", metavar="FILE", help="remember scores in this file")
    output = compress.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="texts, spans and counts as JSON")
    output.add_argument(
        "--show", action="store_true", help="the input with dropped words struck out"
    )
    for add_command in (add_distill, add_annotate, add_train, add_evaluate):
        add_command(commands)
    return parser


def _compress(args: argparse.Namespace) -> int:
    texts = [_read(name) for name in args.files]
    given = ("rate", "target_token", "threshold")
    options: dict[str, Any] = {name: getattr(args, name) for name in given}
    options.update({name: getattr(args, name) for name in _FLAGS})
    if args.query and args.threshold is not None:
        raise OptionError(
            "--query decides where a budget goes and --threshold has none; give --rate or "
            "--target-token"
        )
    if args.protect is not None:
        options["protect"] = [name for name in args.protect if name != "none"]
    compressor = Compressor(args.model, backend=args.backend, score_cache=args.score_cache)
    result = compressor.compress(
        texts,
        markers=args.markers,
        min_tokens=args.min_tokens,
        document_separator=args.separator.replace(r"\n", "\n").replace(r"\t", "\t"),
        token_counter=args.token_counter,
        allocation=args.allocation,
        force_tokens=["\n" if token == r"\n" else token for token in args.force_tokens],
        query=args.query,
        relevance="bm25" if args.query else None,
        # The coloured view shows words, so it needs them scored even where all of them fit.
        return_word_label=args.show,
        **options,
    )
    if args.json:
        _write(well_formed(json.dumps(_as_json(result), ensure_ascii=False)) + "\n")
    elif args.show:
        _write(to_terminal(result, colour="NO_COLOR" not in os.environ) + "\n")
    else:
        _write(result.prompt)
        if sys.stdout.isatty():
            _write("\n")
    if result.budget is None and not any(result.texts) and any(map(str.strip, texts)):
        # A pipe would go on with nothing. Of a budget that leaves nothing the core warns.
        _explain("warning: nothing is left; no word is as probable as --threshold")
    if sys.stderr.isatty() or args.show:
        _explain(summary(result))
    return 0


def _as_json(result: CompressionResult) -> dict[str, Any]:
    return {
        "texts": result.texts,
        "spans": result.spans,
        "original_tokens": result.original_tokens,
        "compressed_tokens": result.compressed_tokens,
        "rate": result.rate,
        "budget": result.budget,
        "dropped_forced": [item._asdict() for item in result.dropped_forced],
        "dropped_protected": [item._asdict() for item in result.dropped_protected],
    }


def _read(name: str) -> str:
    # Bytes that are no UTF-8 survive the round trip instead of being lost or raising.
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if well_formed(text) != text:
        _explain(f"warning: {name} is not UTF-8; other bytes pass through as they are")
    return text


def _write(text: str) -> None:
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # `lingua2 … | head` closes the pipe; without this Python complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(message: str) -> None:
    print(f"lingua2: {message}", file=sys.stderr)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    shown = str(message).replace("result.dropped_forced lists them", "--json lists them")
    _explain(f"warning: {shown}")
