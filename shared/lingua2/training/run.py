"""One training, from examples to a checkpoint with its card."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
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
from lingua2.model_options import ModelOptions
from lingua2.strict import validated

from .batches import Steps
from .calibration import calibrate
from .card import write_card
from .checks import (
    RECORD,
    check_device,
    check_output,
    checked_examples,
    data_sha256,
    newest_state,
)
from .features import WindowMaker
from .model import load_encoder, save_checkpoint
from .options import TrainingOptions
from .targets import Targets
from .validation import f1_at_teacher_rate, level_auc, word_probabilities

__all__ = ["SURVIVAL_RATES", "TrainingReport", "train"]

SURVIVAL_RATES = (0.5, 0.33, 0.2)
"""Token rates at which answer survival is measured."""

# Fewer held-out words than this say little about ordinary text; training texts help out.
_CALIBRATION_WORDS, _CALIBRATION_TEXTS = 5000, 200
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What came of a training.

    Attributes:
        output: Directory of the checkpoint.
        steps: Optimisation steps taken.
        auc: ``{"all" or domain: {level name: AUC}}`` on the held-out examples; NaN for a domain
            whose words are all kept or all dropped.
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
    check_device(settings)
    training, held_out = checked_examples(examples, validation, settings)
    digest = data_sha256([*training, *held_out])
    record = {
        "options": _plain_options(settings),
        "data_sha256": digest,
        "held_out_sha256": data_sha256(held_out),
    }
    check_output(settings, record)
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
    everything = [*training, *held_out]
    write_card(settings, report, everything, reads_questions=checkpoint.reads_questions)
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
        survival = answer_survival(Compressor.with_encoder(encoder), questions, SURVIVAL_RATES)
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


def _plain_options(settings: TrainingOptions) -> dict[str, Any]:
    options = settings.model_dump(mode="json", exclude={"output", "resume"})
    return {**options, "model_name": settings.base_name}


def _write(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(_finite(record), indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    """``value`` with None for numbers that JSON has no word for, as the AUC of a few words is."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
