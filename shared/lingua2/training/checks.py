"""What must be right before a training starts: machine, examples, output."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lingua2.dataset import Example
from lingua2.errors import TrainingError

from .options import TrainingOptions

__all__ = [
    "RECORD",
    "check_device",
    "check_output",
    "checked_examples",
    "data_sha256",
    "newest_state",
    "split",
]

RECORD = "training.json"
"""Options, data and results of a training, beside its weights."""

# What may be another when a training goes on.
_FREE = ("device", "tensorboard")


def split(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """Examples to train on and a ``share`` of them, at least one, to hold out, by ``seed``.

    Chunks of one document (``"<document>#<number>"``) stay on the same side.
    """
    documents = sorted({_document(example) for example in examples})
    order = np.random.default_rng(seed).permutation(len(documents))
    held = {documents[i] for i in order[: max(1, round(share * len(documents)))]}
    return (
        [example for example in examples if _document(example) not in held],
        [example for example in examples if _document(example) in held],
    )


def data_sha256(examples: Sequence[Example]) -> str:
    """Hash of ``examples``, whatever their order."""
    rows = sorted(json.dumps(example.to_dict(), sort_keys=True) for example in examples)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _document(example: Example) -> str:
    return example.id.rpartition("#")[0] or example.id


def check_device(settings: TrainingOptions) -> None:
    """Raise a `TrainingError` where ``settings`` ask for what this machine does not have."""
    import torch

    cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not cuda:
        raise TrainingError("device='cuda', but PyTorch finds none here; use 'auto' or 'cpu'")
    if settings.precision == "fp16" and (settings.device == "cpu" or not cuda):
        raise TrainingError("precision='fp16' needs CUDA; use 'fp32', or 'bf16' where it is fast")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError("train in one process: several would train on the same batches")


def checked_examples(
    examples: Sequence[Example],
    validation: Sequence[Example] | None,
    settings: TrainingOptions,
) -> tuple[list[Example], list[Example]]:
    """The examples to train on and those held out, once it is sure that something can be learnt.

    Raises:
        TrainingError: They are of different kinds, share ids, or leave nothing to learn or measure.
    """
    examples = list(examples)
    for example in (*examples, *(validation or ())):
        if not isinstance(example, Example):
            raise TrainingError(
                f"examples must be lingua2.dataset.Example objects, got {type(example).__name__}; "
                "read_examples() and read_pairs() make them"
            )
    if validation is None:
        training, held_out = split(examples, settings.validation_share, settings.seed)
    else:
        training, held_out = examples, list(validation)
    if not training or not held_out:
        raise TrainingError(
            f"{len(training)} examples to train on and {len(held_out)} to validate with; at least "
            "one of each is needed, from different documents"
        )
    counts = Counter(example.id for example in (*training, *held_out))
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise TrainingError(
            f"{len(repeated)} ids occur twice, {repeated[0]!r} first; ids must be unique over the "
            "examples to train on and to validate with"
        )
    names = training[0].level_names
    for example in (*training, *held_out):
        if example.level_names != names:
            raise TrainingError(
                f"example {example.id!r} has the levels {list(example.level_names)}, the first one "
                f"has {list(names)}; train on one kind at a time"
            )
    count = len(settings.targets(len(names)))
    if count != len(names) + 1:
        raise TrainingError(
            f"level_targets has {count} probabilities; the levels {list(names)} need "
            f"{len(names) + 1}: for dropped words and for each level"
        )
    for what, group in (("to train on", training), ("to validate with", held_out)):
        levels = np.array([level for example in group for level in example.levels])
        for k, name in enumerate(names):
            if not (levels > k).any() or (levels > k).all():
                raise TrainingError(
                    f"the examples {what} keep none or all of their words at the level {name!r}, "
                    "so there is nothing to learn or to measure; add examples"
                )
    return training, held_out


def newest_state(output: Path) -> Path | None:
    """The newest complete state of a training in ``output``, or None."""
    found = [
        path
        for path in (output / "checkpoints").glob("checkpoint-*")
        # Written last, so what a kill left unfinished has none.
        if (path / "trainer_state.json").is_file() and path.name.rpartition("-")[2].isdigit()
    ]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def check_output(settings: TrainingOptions, record: dict[str, Any]) -> None:
    """Refuse to mix two trainings in one directory.

    Raises:
        TrainingError: It holds something else, or a training with other data or options.
    """
    path, shown = settings.output / RECORD, str(settings.output)
    if settings.output.exists() and not settings.output.is_dir():
        raise TrainingError(f"output={shown!r} is a file; choose a directory")
    if not path.is_file():
        if settings.output.is_dir() and any(settings.output.iterdir()):
            raise TrainingError(f"{shown!r} is not empty; choose another output")
        if settings.resume:
            raise TrainingError(f"{shown!r} holds no training to resume; leave resume out")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    if "results" not in before and newest_state(settings.output) is None:
        # It ended before anything was saved, so there is nothing to mix with.
        return
    if not settings.resume:
        raise TrainingError(
            f"{shown!r} holds a training already; set resume=True to go on with it, or choose "
            "another output"
        )
    if any(before.get(name) != record[name] for name in ("data_sha256", "held_out_sha256")):
        raise TrainingError("the examples differ from those of the training to resume")
    changed = [
        f"{name}={value!r} (was {before['options'].get(name)!r})"
        for name, value in record["options"].items()
        if name not in _FREE and before["options"].get(name) != value
    ]
    if changed:
        raise TrainingError(f"resuming with other options: {', '.join(changed)}")
