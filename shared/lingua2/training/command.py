"""The command ``lingua2 train``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from lingua2.errors import OptionError

from .options import TrainingOptions

if TYPE_CHECKING:
    from .run import TrainingReport

__all__ = ["add_command"]

_BY_HAND = ("model_name", "output")


def add_command(subparsers: Any) -> None:
    """Add ``train`` to the subparsers of `lingua2.cli`."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "train",
        help="train a token classifier on labelled examples",
        description="Train a token classifier on what `lingua2 annotate` wrote, and write a "
        "checkpoint with its card. All further options are fields of "
        "lingua2.training.TrainingOptions.",
    )
    command.set_defaults(run=_train)
    command.add_argument(
        "data", nargs="+", metavar="DATA", help="labelled examples: .jsonl, .jsonl.gz or .parquet"
    )
    command.add_argument(
        "--model",
        metavar="NAME",
        help="encoder to start from: directory or hub id; default: go on with the embedded model",
    )
    command.add_argument("--output", required=True, metavar="DIR", help="where the result goes")
    command.add_argument(
        "--validation", action="append", default=[], metavar="FILE",
        help="held-out examples; default: a share of DATA",
    )  # fmt: skip
    command.add_argument(
        "--answers", action="append", default=[], metavar="FILE",
        help="questions with answers and documents (.jsonl), for answer survival",
    )  # fmt: skip
    for name, field in TrainingOptions.model_fields.items():
        if name not in _BY_HAND:
            flag = f"--{name.replace('_', '-')}"
            shown = "" if field.default is None else f" (default: {field.default})"
            explained = " ".join((field.description or "").split())
            command.add_argument(
                flag, default=None, help=(explained + shown).replace("%", "%%"), **_kind(field)
            )


def _kind(field: Any) -> dict[str, Any]:
    """How argparse reads a field; pydantic checks what it read."""
    annotation = field.annotation
    if annotation is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(annotation) is Literal:
        return {"choices": get_args(annotation)}
    if annotation in (int, float):
        return {"type": annotation, "metavar": "X"}
    if annotation is str:
        return {"metavar": "NAME"}
    if any(get_origin(part) is tuple for part in get_args(annotation)):
        return {"type": _numbers, "metavar": "X,X,…"}
    return {"type": int, "metavar": "N"}


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers with commas, got {text!r}") from error


def _train(args: argparse.Namespace) -> int:
    from lingua2.dataset import read_examples
    from lingua2.evaluation import read_questions

    from .run import train

    logging.basicConfig(level=logging.WARNING, format="lingua2: %(message)s")
    logging.getLogger("lingua2").setLevel(logging.INFO)
    options = {
        name: value
        for name in TrainingOptions.model_fields
        if name not in _BY_HAND and (value := getattr(args, name)) is not None
    }
    for path in (*args.data, *args.validation, *args.answers):
        if not Path(path).is_file():
            raise OptionError(f"no file {str(path)!r}")
    questions = [question for path in args.answers for question in read_questions(path)]
    held_out = [example for path in args.validation for example in read_examples(path)]
    report = train(
        [example for path in args.data for example in read_examples(path)],
        validation=held_out or None,
        questions=questions,
        model_name=args.model,
        output=Path(args.output),
        **options,
    )
    sys.stdout.write(_summary(report) + "\n")
    return 0


def _summary(report: TrainingReport) -> str:
    auc = ", ".join(f"{name} {value:.3f}" for name, value in report.auc["all"].items())
    lines = [
        f"{report.output}: {report.steps} steps on {report.train_examples} texts",
        f"held out ({report.validation_examples} texts): AUC {auc}; F1 {report.f1:.3f}",
    ]
    lines += [
        f"answer survival at {item.rate:g} ({item.achieved:.3f} of the tokens kept): "
        f"{item.survival:.3f}"
        for item in report.survival
    ]
    return "\n".join(lines)
