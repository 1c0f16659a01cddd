"""One training, from examples to a checkpoint with its card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lingua2._extras import require
from lingua2.compressor import Compressor, encoder_of
from lingua2.dataset import Example
from lingua2.errors import ModelLoadError, TrainingError
from lingua2.evaluation import Question, Survival, answer_survival
from lingua2.loading import Checkpoint, load_checkpoint
from lingua2.options import ModelOptions, validated

from .batches import Steps
from .calibration import calibrate
from .card import write_card
from .features import WindowMaker
from .model import load_encoder, save_checkpoint
from .options import TrainingOptions
from .targets import Targets
from .validation import f1_at_teacher_rate, level_auc, word_probabilities

__all__ = ["SURVIVAL_RATES", "TrainingReport", "split", "train"]

SURVIVAL_RATES = (0.5, 0.33, 0.2)
"""Token rates at which answer survival is measured."""

RECORD = "training.json"
"""Options, data and results of a training, beside its weights."""

# Fewer held-out words than this say little about ordinary text; training texts help out.
_CALIBRATION_WORDS, _CALIBRATION_TEXTS = 5000, 200
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What came of a training.

    Attributes:
        output: Directory of the checkpoint.
        steps: Optimisation steps taken.
        auc: ``{"all" or domain: {level name: AUC}}`` on the held-out examples.
        f1: F1 on the held-out examples when each keeps as many words as its teacher did.
        survival: Answer survival by rate; empty without questions.
        shift: What calibration added to the keep logit.
        data_sha256: Hash of the examples, held-out ones included.
        train_examples: Number of examples trained on.
        validation_examples: Number of held-out examples.
    """

    output: Path
    steps: int
    auc: dict[str, dict[str, float]]
    f1: float
    survival: tuple[Survival, ...]
    shift: float
    data_sha256: str
    train_examples: int
    validation_examples: int


def train(
    examples: Sequence[Example],
    *,
    validation: Sequence[Example] | None = None,
    questions: Sequence[Question] = (),
    **options: Any,
) -> TrainingReport:
    """Train a token classifier on word-labelled examples (paper, section 3.4).

    Args:
        examples: Texts with labelled words, all with the same levels.
        validation: Held-out examples; by default a share of ``examples`` is held out by seed.
        questions: Questions for answer survival, measured at the end.
        **options: The fields of `TrainingOptions`; ``output`` is required.

    Returns:
        The results; the checkpoint lies in ``output`` with its card and ``training.json``.

    Raises:
        OptionError: An option is unknown or out of range.
        TrainingError: The examples do not fit each other or the options, or ``output`` holds
            another training.
        ModelLoadError: There is no encoder at ``model_name``.
        ImportError: accelerate, or TensorBoard where it was asked for, is not installed.
    """
    settings = validated(TrainingOptions, options)
    require("accelerate", "train")
    if settings.tensorboard:
        require("tensorboard", "tensorboard")
    _check_device(settings)
    training, held_out = _checked(examples, validation, settings)
    digest = data_sha256([*training, *held_out])
    record = {
        "options": _plain_options(settings),
        "data_sha256": digest,
        "held_out_sha256": data_sha256(held_out),
    }
    _check_output(settings, record)
    from .trainer import BEST_METRIC, WordTrainer

    checkpoint = load_encoder(settings)
    maker = WindowMaker(checkpoint)
    expected = _expected(training, settings) if settings.guide else None
    steps = Steps(training, maker, settings, checkpoint.pad_token_id, expected)
    _LOG.info("%d steps, %d to an epoch", len(steps), steps.per_epoch)

    def validate() -> dict[str, float]:
        probabilities = word_probabilities(encoder_of(checkpoint), held_out)
        by_level = level_auc(held_out, probabilities)["all"]
        return {
            BEST_METRIC: float(np.mean(list(by_level.values()))),
            **{f"{BEST_METRIC}_{name}": value for name, value in by_level.items()},
            "f1": f1_at_teacher_rate(held_out, probabilities),
        }

    trainer = WordTrainer(checkpoint, steps, settings, validate)
    # Only now, so that what fails before leaves nothing behind.
    settings.output.mkdir(parents=True, exist_ok=True)
    _write(settings.output / RECORD, record)
    state = newest_state(settings.output) if settings.resume else None
    trainer.train(resume_from_checkpoint=None if state is None else str(state))
    checkpoint.model.train(False)
    shift = 0.0
    if settings.calibrate:
        backend = encoder_of(checkpoint).backend
        enough = list(held_out)
        if sum(map(len, held_out)) < _CALIBRATION_WORDS:
            enough += training[:_CALIBRATION_TEXTS]
        shift = calibrate(checkpoint.model, backend, maker, enough)
    report = _report(checkpoint, held_out, questions, settings, shift, trainer, digest, training)
    save_checkpoint(checkpoint, settings.output)
    results = dataclasses.asdict(report)
    del results["output"]
    _write(settings.output / RECORD, {**record, "results": results})
    write_card(settings, report, [*training, *held_out])
    return report


def _expected(examples: Sequence[Example], settings: TrainingOptions) -> list[Targets]:
    """What the model that training starts from says of ``examples``."""
    source = ModelOptions(
        model_name=settings.model_name,
        max_length=settings.max_length,
        trust_remote_code=settings.trust_remote_code,
    )
    try:
        guide = load_checkpoint(source)
    except ModelLoadError as error:
        raise TrainingError(
            f"guide={settings.guide:g} needs a trained compressor to start from; train with "
            f"guide=0 first: {error}"
        ) from error
    found = word_probabilities(encoder_of(guide), examples)
    return [probabilities.astype(np.float32) for probabilities in found]


def _report(
    checkpoint: Checkpoint,
    held_out: Sequence[Example],
    questions: Sequence[Question],
    settings: TrainingOptions,
    shift: float,
    trainer: Any,
    digest: str,
    training: Sequence[Example],
) -> TrainingReport:
    encoder = encoder_of(checkpoint)
    probabilities = word_probabilities(encoder, held_out)
    survival: list[Survival] = []
    if questions:
        survival = answer_survival(Compressor._around(encoder), questions, SURVIVAL_RATES)
    return TrainingReport(
        output=settings.output,
        steps=int(trainer.state.global_step),
        auc=level_auc(held_out, probabilities),
        f1=f1_at_teacher_rate(held_out, probabilities),
        survival=tuple(survival),
        shift=shift,
        data_sha256=digest,
        train_examples=len(training),
        validation_examples=len(held_out),
    )


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


def _check_device(settings: TrainingOptions) -> None:
    import torch

    cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not cuda:
        raise TrainingError("device='cuda', but PyTorch finds none here; use 'auto' or 'cpu'")
    if settings.precision == "fp16" and (settings.device == "cpu" or not cuda):
        raise TrainingError("precision='fp16' needs CUDA; use 'fp32', or 'bf16' where it is fast")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError("train in one process: several would train on the same batches")


def _checked(
    examples: Sequence[Example],
    validation: Sequence[Example] | None,
    settings: TrainingOptions,
) -> tuple[list[Example], list[Example]]:
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


def _check_output(settings: TrainingOptions, record: dict[str, Any]) -> None:
    """Refuse to mix two trainings in one directory."""
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
        if before["options"].get(name) != value
    ]
    if changed:
        raise TrainingError(f"resuming with other options: {', '.join(changed)}")


def _plain_options(settings: TrainingOptions) -> dict[str, Any]:
    options = settings.model_dump(mode="json", exclude={"output", "resume"})
    return {**options, "model_name": settings.base_name}


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
