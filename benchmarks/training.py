"""What does each part of the recipe do? Short trainings that differ in one setting.

    python benchmarks/training.py --examples labelled.parquet --encoder DIR --data DIR

Every variant trains from the same checkpoint on the same texts for the same number of epochs, and
is judged by the AUC of kept words and of the strongest level on held-out texts, and by answer
survival on the question sets. The result is written after each variant, and a second run goes on
with what is missing. Short trainings tell large differences from none; the intervals say which.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _common
import numpy as np

from lingua2 import Compressor, ModelLoadError
from lingua2.dataset import Example, read_examples
from lingua2.evaluation import Question, answer_survival, read_questions
from lingua2.training import train

RATES = (0.5, 0.33, 0.2)
SETS = ("xquad_en_dev", "hotpotqa_dev")
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "coherence 0.5": {"coherence": 0.5},
    "coherence 1": {"coherence": 1.0},
    "emphasis 0.1": {"emphasis": 0.1},
    "coherence 0.5, emphasis 0.1": {"coherence": 0.5, "emphasis": 0.1},
    "hard targets (0, 1, 1)": {"level_targets": (0.0, 1.0, 1.0)},
    "targets (0, 0.4, 1)": {"level_targets": (0.0, 0.4, 1.0)},
    "guide 0.5": {"guide": 0.5},
    "guide 0.7, coherence 0.5, emphasis 0.1": {"guide": 0.7, "coherence": 0.5, "emphasis": 0.1},
    "whitespace words": {"unit": "whitespace"},
    "crop half of the texts": {"crop": 0.5},
    "up to three texts to a window": {"pack": 3},
    "Markdown dropped from half": {"strip_markup": 0.5},
    "domains evened out": {"balance": 1.0},
    "layer decay 0.8": {"layer_decay": 0.8},
    "mean of the last 30% of the weights": {"average": 0.3},
    "dropout 0.1": {"dropout": 0.1},
    "learning rate halved": {"learning_rate": 0.5},
    "learning rate doubled": {"learning_rate": 2.0},
    "twice the epochs": {"epochs": 2.0},
}
# Words are pooled when a model is used, so these need no training of their own.
POOLINGS = {"base, first token of a word": {"token_to_word": "first"}}


def whitespace_words(example: Example) -> Example:
    """Levels as if a word were all that stands between two spaces."""
    runs: list[list[int]] = []
    for i, start in enumerate(example.starts):
        if runs and start == example.ends[i - 1]:
            runs[-1].append(i)
        else:
            runs.append([i])
    levels = list(example.levels)
    for run in runs:
        words = [levels[i] for i in run if any(c.isalnum() for c in example.words[i])]
        for i in run:
            levels[i] = max(words, default=levels[i])
    return dataclasses.replace(example, levels=tuple(levels))


def measured(
    model: Path | str | None, sets: dict[str, list[Question]], **options: Any
) -> dict[str, Any]:
    compressor = Compressor(model, **options)
    found = {}
    for name, questions in sets.items():
        rows = answer_survival(compressor, questions, RATES)
        found[name] = [
            {
                "rate": row.rate,
                "achieved": round(row.achieved, 4),
                "survival": round(row.survival, 4),
                "half_width_95": round(
                    1.96 * math.sqrt(row.survival * (1 - row.survival) / row.questions), 4
                ),
            }
            for row in rows
        ]
    return found


def variant(
    settings: dict[str, Any],
    texts: Sequence[Example],
    held_out: Sequence[Example],
    sets: dict[str, list[Question]],
    base: dict[str, Any],
) -> dict[str, Any]:
    chosen = {**settings}
    if chosen.pop("unit", None):
        texts = [whitespace_words(example) for example in texts]
    for name in ("learning_rate", "epochs"):
        # Factors, so that they mean the same whatever the base is.
        chosen[name] = base[name] * chosen.get(name, 1.0)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = train(
            texts, validation=held_out, output=Path(folder) / "model", **{**base, **chosen}
        )
        seconds = time.perf_counter() - began
        return {
            "settings": settings,
            "seconds": round(seconds),
            "auc": {name: round(value, 4) for name, value in report.auc["all"].items()},
            "f1": round(report.f1, 4),
            "survival": measured(report.output, sets),
            "pooling": {
                name: measured(report.output, sets, **options)
                for name, options in (POOLINGS.items() if not settings else ())
            },
        }


def show(results: dict[str, Any]) -> None:
    header = ["variant", "AUC kept", "AUC core"]
    header += [f"{name} {rate:g}" for name, rate in itertools.product(SETS, RATES)]
    rows = []
    for name, result in results.items():
        lines = {name: (result.get("auc", {}), result["survival"])}
        lines |= {other: ({}, found) for other, found in result.get("pooling", {}).items()}
        for label, (auc, survival) in lines.items():
            values = [f"{value:.3f}" for value in auc.values()] or ["", ""]
            values += [f"{row['survival']:.3f}" for rows_ in survival.values() for row in rows_]
            rows.append([label, *values])
    print(_common.table(header, rows))


def main() -> None:
    made = _common.parser(__doc__ or "", "training")
    made.add_argument("--examples", type=Path, required=True, help="what `lingua2 annotate` wrote")
    made.add_argument("--data", type=Path, required=True, help="directory of question sets")
    made.add_argument("--encoder", help="checkpoint to start from; the embedded model")
    made.add_argument("--texts", type=int, default=600, help="texts to train on")
    made.add_argument("--held-out", type=int, default=100, help="texts for the AUC")
    made.add_argument("--questions", type=int, default=10**6, help="most questions of a set")
    made.add_argument("--epochs", type=float, default=1.0)
    made.add_argument("--learning-rate", type=float, default=1.5e-4)
    made.add_argument("--batch-tokens", type=int, default=2048)
    made.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    args = made.parse_args()

    examples = read_examples(args.examples)
    order = np.random.default_rng(args.seed).permutation(len(examples))
    chosen = [examples[i] for i in order[: args.held_out + args.texts]]
    held_out, texts = chosen[: args.held_out], chosen[args.held_out :]
    sets = {}
    for name in SETS:
        sets[name] = read_questions(_common.find(args.data, f"{name}.jsonl.gz"))[: args.questions]
    base = {
        "model_name": args.encoder,
        "epochs": args.epochs,
        "learning_rate": args.learning_rate,
        "batch_tokens": args.batch_tokens,
        "evaluations": 1,
        "seed": args.seed,
    }
    result: dict[str, Any] = {"results": {}}
    if args.output.is_file():
        result = json.loads(args.output.read_text(encoding="utf-8"))
    result["environment"] = _common.environment()
    shown = {**base, "model_name": Path(args.encoder or "embedded").name}
    result["setup"] = {
        **shown,
        "texts": len(texts),
        "held_out": len(held_out),
        "questions": {name: len(questions) for name, questions in sets.items()},
    }
    results = result["results"]
    if "not trained further" not in results:
        # An encoder that is no compressor yet has nothing to be measured.
        with contextlib.suppress(ModelLoadError):
            results["not trained further"] = {"survival": measured(args.encoder, sets)}
    for name in args.variants:
        if name not in results:
            _common.note(f"training: {name}")
            results[name] = variant(VARIANTS[name], texts, held_out, sets, base)
            _common.write_result(args.output, result)
    show(results)


if __name__ == "__main__":
    main()
