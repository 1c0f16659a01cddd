"""How a token classifier is trained; every setting with its default, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from lingua2.strict import Number, StrictOptions

__all__ = ["TrainingOptions"]

Share = Annotated[float, Number, Field(ge=0, le=1)]
# Room above what answers nothing, and enough below it to rank that among itself.
_BEHIND_QUESTION = 0.3


class TrainingOptions(StrictOptions):
    """Settings of `train`."""

    # The command line shows them.
    model_config = ConfigDict(use_attribute_docstrings=True)

    model_name: str | Path | None = None
    """The encoder to start from: a local directory or a Hugging Face hub id; None goes on with the
    embedded model."""

    output: Path
    """Directory for the finished checkpoint; ``checkpoints/`` in it holds the state to resume."""

    level_targets: tuple[Share, ...] | None = None
    """Target probability of a word by its level, from 0 (dropped by all) upwards; None spreads
    evenly over [0, 1] for one level, and takes (0, 0.6, 1) for two."""

    coherence: Share = 0.0
    """How far the words of a phrase move towards the highest target among them, so that names and
    terms stay or go as a whole; 0 leaves each word its own target. Compression does the like with
    what a model says, so this is for other users of the checkpoint."""

    emphasis: Share = 0.0
    """What is added to the targets of numbers and names."""

    guide: Share = 0.0
    """How much of a target comes from the model that training starts from, which must be a
    compressor then, instead of from the labels. Labels are chance, probabilities are what to
    expect: with a guide `coherence` follows a phrase's best word and not its luckiest."""

    with_question: Share = 0.0
    """Share of the examples with a question that are shown a second time in each epoch, behind
    their question: the model learns to keep what answers it, and serves with and without."""

    negatives: Share = 0.0
    """Share of the examples with a question whose question is shown before another text as well,
    mostly one that resembles it, so that the model learns what answers nothing."""

    question_targets: tuple[Share, ...] | None = None
    """Target probability behind a question of a word that does not answer it, by level as in
    ``level_targets``; None takes 0.3 of those. Words that answer it have 1, or 0.5 where every
    compression drops them."""

    epochs: Annotated[float, Number, Field(gt=0, allow_inf_nan=False)] = 3.0
    """Passes over the training examples."""

    learning_rate: Annotated[float, Number, Field(gt=0, allow_inf_nan=False)] = 3e-4
    """Highest learning rate of AdamW; warm-up, then linear decay to zero."""

    warmup: Share = 0.06
    """Share of the steps with a rising learning rate."""

    weight_decay: Annotated[float, Number, Field(ge=0, allow_inf_nan=False)] = 0.01
    """Weight decay of AdamW; biases and norms have none."""

    layer_decay: Annotated[float, Number, Field(gt=0, le=1)] = 1.0
    """Factor on the learning rate from each layer to the one below it; 1 is the same for all."""

    dropout: Annotated[float, Number, Field(ge=0, lt=1)] = 0.0
    """Dropout everywhere in the encoder; a step without takes two thirds of the time."""

    max_grad_norm: Annotated[float, Number, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Gradients are clipped at this norm."""

    batch_tokens: Annotated[int, Number, Field(ge=16)] = 4096
    """Most padded tokens of one step; examples are grouped by length."""

    max_length: Annotated[int, Number, Field(ge=16)] = 512
    """Longest window in tokens, special tokens included; longer examples become several windows."""

    crop: Share = 0.0
    """Share of the examples that are cut to some of their sentences, anew in each epoch."""

    lower_case: Share = 0.0
    """Share of the examples that lose their capitals; of no use with an uncased vocabulary."""

    strip_markup: Share = 0.0
    """Share of the examples that lose their Markdown signs."""

    pack: Annotated[int, Number, Field(ge=1)] = 1
    """Up to this many examples share one window, as chunks of a document do."""

    balance: Share = 0.0
    """How far domains are evened out: 0 takes every example once an epoch, 1 draws every domain as
    often as the mean one."""

    average: Share = 0.0
    """Weights are averaged over this last share of the steps; 0 takes the last weights."""

    validation_share: Annotated[float, Number, Field(gt=0, lt=1)] = 0.05
    """Share of the examples that is held out; ignored where validation examples are given."""

    early_stopping: Annotated[int, Number, Field(ge=1)] | None = None
    """Stop after this many evaluations without a better result, and take the best weights."""

    evaluations: Annotated[int, Number, Field(ge=1)] = 3
    """How often the held-out examples are scored, evenly spread over the training."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Arithmetic of the forward pass; bf16 is slower than fp32 on processors without support."""

    gradient_checkpointing: bool = False
    """Compute activations twice instead of storing them: less memory, a third slower."""

    calibrate: bool = True
    """Shift the logits at the end, so that half of the tokens of held-out texts reach 0.5."""

    seed: Annotated[int, Number, Field(ge=0)] = 0
    """Seed of the split, of the batches, of the augmentation and of the new head."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``"auto"`` is CUDA where there is one."""

    resume: bool = False
    """Go on from the newest state in ``output``."""

    tensorboard: bool = False
    """Write TensorBoard logs; needs ``pip install "lingua2[tensorboard]"``."""

    trust_remote_code: bool = False
    """Run Python code that comes with a hub checkpoint. Off: such checkpoints are refused."""

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        for name in ("level_targets", "question_targets"):
            targets = getattr(self, name)
            if targets is not None and (
                len(targets) < 2 or list(targets) != sorted(targets) or targets[0] == targets[-1]
            ):
                raise ValueError(
                    f"{name} must be two or more rising probabilities, the first for dropped "
                    f"words, got {targets}"
                )
        if self.negatives and not self.with_question:
            raise ValueError(f"negatives={self.negatives:g} needs with_question above 0; it is 0")
        if self.early_stopping is not None and self.average:
            raise ValueError("early_stopping takes the best weights, average the mean of the last")
        return self

    @property
    def base_name(self) -> str:
        """What the encoder is called; where it lies on one machine says nothing on another."""
        if self.model_name is None:
            return "lingua2's embedded model"
        path = Path(self.model_name)
        return path.resolve().name if path.is_dir() else str(self.model_name)

    def targets(self, levels: int) -> tuple[float, ...]:
        """Target probability of levels ``0..levels``."""
        if self.level_targets is not None:
            return self.level_targets
        return {2: (0.0, 0.6, 1.0)}.get(levels, tuple(i / levels for i in range(levels + 1)))

    def targets_behind_question(self, levels: int) -> tuple[float, ...]:
        """The same behind a question that a word does not answer."""
        if self.question_targets is not None:
            return self.question_targets
        return tuple(_BEHIND_QUESTION * target for target in self.targets(levels))
