"""The model card that goes with a trained checkpoint."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lingua2 import __version__
from lingua2.dataset import Example

from .options import TrainingOptions

if TYPE_CHECKING:
    from .run import TrainingReport

__all__ = ["write_card"]

_MOST_ROWS = 12
_LIMITS = """\
- It learnt what its teachers keep, with their errors: a share of numbers, names and negations is
  lost at every rate below 1. Use `force_tokens`, `force_reserve_digit` and your own tests where
  they must not be.
- It knows the languages and kinds of text it was trained on; elsewhere measure first.
- {question}
- Answer survival says whether an answer is still there, not whether a reader finds it.
- It shortens text. It does not judge whether the text is true, safe or fit to be shown."""
_WITHOUT_QUESTION = "A word's score does not depend on the question."
_WITH_QUESTION = """\
It also reads a question in front of a text; which words answer it, it knows for questions like
  those of its training only."""


def write_card(
    settings: TrainingOptions,
    report: TrainingReport,
    examples: Sequence[Example],
    *,
    reads_questions: bool,
) -> None:
    """Write ``README.md`` into the checkpoint's directory: data, recipe, results, limits.

    Args:
        settings: How it was trained.
        report: What came of it.
        examples: All examples, held-out ones included.
        reads_questions: Whether the model has learnt to, now or before.
    """
    base, name = settings.base_name, settings.output.resolve().name
    # Elsewhere the name of a directory means nothing, or another model.
    on_hub = settings.model_name is not None and not Path(settings.model_name).is_dir()
    lines = [
        "---",
        "pipeline_tag: token-classification",
        *([f"base_model: {base}"] if on_hub else []),
        "library_name: transformers",
        "tags: [prompt-compression, lingua2]",
        "---",
        f"# {name}",
        "",
        "A token classifier (0 drop, 1 keep) for prompt compression after LLMLingua-2 (Pan et al., "
        f"2024), trained with lingua2 {__version__} from {base}.",
        "",
        "```python",
        "from lingua2 import Compressor",
        "",
        f'Compressor("{name}").compress(texts, target_token=500)',
        "```",
        "",
        "## Data",
        "",
        f"{report.train_examples} texts to train on, {report.validation_examples} held out; "
        f"SHA-256 of all examples `{report.data_sha256}`.",
        "",
        *_counts("domain", [example.domain for example in examples]),
        *_counts("licence", [example.license for example in examples]),
        *_counts("teacher", [example.teacher for example in examples]),
        f"What the licence of {base} asks for applies as well.",
        "",
        "## Recipe",
        "",
        f"{report.steps} steps of up to {settings.batch_tokens} tokens, {settings.epochs:g} "
        "epochs. Settings that differ from the defaults of `TrainingOptions`:",
        "",
        "```json",
        json.dumps(_changed(settings), indent=1),
        "```",
        "",
        "## Results on held-out examples",
        "",
        *_chosen(settings),
        f"F1 at the teacher's rate: {report.f1:.3f}. AUC of the words that each level keeps:",
        "",
        *_auc_table(report),
        "",
        *_survival_table(report),
        "## Limits",
        "",
        _LIMITS.format(question=_WITH_QUESTION if reads_questions else _WITHOUT_QUESTION),
    ]
    path = settings.output / "README.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")


def _chosen(settings: TrainingOptions) -> list[str]:
    uses = ["chose the best weights"] if settings.early_stopping is not None else []
    uses += ["set the threshold"] if settings.calibrate else []
    return [f"These examples also {' and '.join(uses)}.", ""] if uses else []


def _changed(settings: TrainingOptions) -> dict[str, object]:
    default = {name: field.default for name, field in TrainingOptions.model_fields.items()}
    plain = settings.model_dump(mode="json", exclude={"model_name", "output", "resume", "device"})
    return {
        name: value for name, value in plain.items() if getattr(settings, name) != default[name]
    }


def _counts(title: str, values: Sequence[str]) -> list[str]:
    counts = Counter(values)
    if not any(counts):
        return []
    shown = counts.most_common(_MOST_ROWS)
    rows = [f"| {_cell(value) or '(unknown)'} | {count} |" for value, count in shown]
    if len(counts) > len(shown):
        rest = sum(counts.values()) - sum(count for _, count in shown)
        rows.append(f"| {len(counts) - len(shown)} others | {rest} |")
    return [f"| {title} | texts |", "|-|-|", *rows, ""]


def _auc_table(report: TrainingReport) -> list[str]:
    levels = list(report.auc["all"])
    rows = [
        f"| {_cell(domain) or '(none)'} | {' | '.join(_number(auc[name]) for name in levels)} |"
        for domain, auc in report.auc.items()
    ]
    return [f"| domain | {' | '.join(map(_cell, levels))} |", "|-" * (len(levels) + 1) + "|", *rows]


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"


def _survival_table(report: TrainingReport) -> list[str]:
    if not report.survival:
        return []
    rows = [
        f"| {item.rate:g} | {item.achieved:.3f} | {item.survival:.3f} |" for item in report.survival
    ]
    count = report.survival[0].questions
    return [
        f"Answer survival on {count} questions:", "",
        "| rate | achieved rate | survival |", "|-|-|-|", *rows, "",
    ]  # fmt: skip


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
