"""The Hugging Face Trainer with soft word targets, layer-wise rates and averaged weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import Sampler, SequentialSampler
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from lingua2.loading import Checkpoint

from .batches import Steps, collate
from .model import layer_depths
from .options import TrainingOptions

__all__ = ["BEST_METRIC", "WordTrainer", "soft_loss"]

BEST_METRIC = "auc"
"""What early stopping looks at: the mean AUC over the levels."""

# The name changed in transformers 5.
_CHECKPOINTING = (
    "activation_checkpointing"
    if "activation_checkpointing" in TrainingArguments.__dataclass_fields__
    else "gradient_checkpointing"
)
_AVERAGE_FILE = "average.safetensors"


def soft_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy against soft targets, the mean over the tokens that have one.

    The paper's loss (section 3.4) for targets of 0 and 1; in between, the expectation over them.

    Args:
        logits: Shape ``(batch, tokens, 2)``; label 1 is kept.
        targets: p(keep), shape ``(batch, tokens)``; negative where a token does not count.
    """
    counted = targets >= 0
    difference = (logits[..., 1] - logits[..., 0]).float()
    return binary_cross_entropy_with_logits(difference[counted], targets[counted])


class WordTrainer(Trainer):
    """Trains a token classifier on `Steps`.

    Args:
        checkpoint: Tokenizer and model.
        steps: The batches, in order.
        options: The settings.
        validate: Scores the held-out examples with the model as it is; names to numbers.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        steps: Steps,
        options: TrainingOptions,
        validate: Callable[[], dict[str, float]],
    ) -> None:
        self._options = options
        self._validate = validate
        self._steps = steps
        self._network: Any = checkpoint.model
        super().__init__(
            model=checkpoint.model,
            args=_arguments(options, len(steps)),
            train_dataset=steps,
            # Not read: `evaluate` is ours, but Trainer wants one where a strategy is set.
            eval_dataset=steps,
            data_collator=collate,
            callbacks=_callbacks(options),
        )

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, *_: Any, **__: Any
    ) -> Any:
        """See `soft_loss`."""
        given = {name: tensor for name, tensor in inputs.items() if name != "targets"}
        outputs = model(**given)
        loss = soft_loss(outputs.logits, inputs["targets"])
        return (loss, outputs) if return_outputs else loss

    def _get_train_sampler(self, *_: Any, **__: Any) -> Sampler[int]:
        # The steps are shuffled already, and a resumed run must find them in the same order.
        return SequentialSampler(self._steps)

    def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
        """AdamW, whose learning rate falls by ``layer_decay`` from layer to layer downwards."""
        if self.optimizer is None:
            groups = []
            for depth, parameters in layer_depths(self._network).items():
                rate = self._options.learning_rate * self._options.layer_decay**depth
                for decays in (True, False):
                    chosen = [p for _, p in parameters if (p.ndim > 1) == decays]
                    decay = self._options.weight_decay if decays else 0.0
                    groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
            self.optimizer = torch.optim.AdamW([group for group in groups if group["params"]])
        return self.optimizer

    def evaluate(self, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> dict[str, float]:
        """The held-out examples' metrics, under Trainer's names."""
        was_training = self._network.training
        self._network.eval()
        found = self._validate()
        self._network.train(was_training)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def _arguments(options: TrainingOptions, steps: int) -> TrainingArguments:
    checkpointing: dict[str, Any] = {_CHECKPOINTING: True} if options.gradient_checkpointing else {}
    every = max(1, -(-steps // options.evaluations))
    arguments = TrainingArguments(
        output_dir=str(options.output / "checkpoints"),
        # One pass over `Steps` is the whole training.
        num_train_epochs=1,
        per_device_train_batch_size=1,
        learning_rate=options.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(options.warmup * steps),
        max_grad_norm=options.max_grad_norm,
        bf16=options.precision == "bf16",
        fp16=options.precision == "fp16",
        **checkpointing,
        use_cpu=options.device == "cpu" or not torch.cuda.is_available(),
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=options.early_stopping is not None,
        metric_for_best_model=BEST_METRIC,
        greater_is_better=True,
        logging_steps=max(1, steps // 50),
        report_to=["tensorboard"] if options.tensorboard else [],
        seed=options.seed,
        data_seed=options.seed,
        remove_unused_columns=False,
        label_names=["targets"],
        dataloader_pin_memory=False,
    )
    # With several, Trainer would ask for several batches at a time and split them.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


def _callbacks(options: TrainingOptions) -> list[TrainerCallback]:
    callbacks: list[TrainerCallback] = []
    if options.average:
        callbacks.append(AverageWeights(options.average))
    if options.early_stopping is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=options.early_stopping))
    return callbacks


class AverageWeights(TrainerCallback):
    """Replaces the weights at the end by their mean over the last ``share`` of the steps."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._count = 0
        self._mean: dict[str, torch.Tensor] = {}

    def on_train_begin(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Take up the mean that was saved beside the state from which training goes on."""
        saved = _state_directory(args, state) / _AVERAGE_FILE
        if state.global_step and saved.is_file():
            self._mean = load_file(saved)
            self._count = int(self._mean.pop("count"))

    def on_step_end(self, args: Any, state: Any, *_: Any, **given: Any) -> None:  # noqa: ARG002
        """Move the mean towards the weights."""
        if state.global_step <= (1 - self._share) * state.max_steps:
            return
        self._count += 1
        for name, parameter in given["model"].named_parameters():
            value = parameter.detach().float().cpu()
            mean = self._mean.setdefault(name, value.clone())
            mean += (value - mean) / self._count

    def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        """Save the mean beside the state."""
        if self._mean:
            values = {**self._mean, "count": torch.tensor(self._count)}
            save_file(values, _state_directory(args, state) / _AVERAGE_FILE)

    def on_train_end(self, *_: Any, **given: Any) -> None:
        """Put the mean in place."""
        with torch.no_grad():
            for name, parameter in given["model"].named_parameters():
                if name in self._mean:
                    parameter.copy_(self._mean[name])


def _state_directory(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
