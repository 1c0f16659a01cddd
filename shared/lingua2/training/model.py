"""Loads an encoder with a new two-label head, and writes what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingua2.errors import ModelLoadError, TrainingError
from lingua2.loading import Checkpoint, as_checkpoint, load_tokenizer, quiet_loading
from lingua2.model_options import ModelOptions
from lingua2.questions import READS_QUESTIONS
from lingua2.sources import locate

from .options import TrainingOptions

if TYPE_CHECKING:
    from torch.nn import Linear, Parameter

__all__ = ["LABELS", "head", "layer_depths", "load_encoder", "save_checkpoint"]

LABELS = {0: "drop", 1: "keep"}
"""Names of the two labels, as every loader of the field expects them: 1 is kept."""


def load_encoder(options: TrainingOptions) -> Checkpoint:
    """Tokenizer and encoder of ``options.model_name`` with a two-label head.

    A token classifier with two labels keeps its head and is trained on; any other checkpoint gets
    a new one.

    Raises:
        ModelLoadError: There is no such checkpoint, or it has no fast tokenizer.
        TrainingError: The checkpoint cannot take windows of ``options.max_length``.
    """
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification

    wanted = ModelOptions(
        model_name=options.model_name,
        max_length=options.max_length,
        trust_remote_code=options.trust_remote_code,
    )
    source, kwargs = locate(wanted)
    name = str(source)
    torch.manual_seed(options.seed)
    try:
        config = AutoConfig.from_pretrained(name, **kwargs)
        config.num_labels = len(LABELS)
        config.id2label = dict(LABELS)
        config.label2id = {label: index for index, label in LABELS.items()}
        if options.with_question:
            setattr(config, READS_QUESTIONS, True)
        _set_dropout(config, options.dropout)
        tokenizer = load_tokenizer(name, config, kwargs)
        with quiet_loading():
            model = AutoModelForTokenClassification.from_pretrained(
                name, config=config, use_safetensors=True, ignore_mismatched_sizes=True, **kwargs
            )
    except ModelLoadError:
        raise
    # transformers reports a broken checkpoint with whatever its layers happen to raise.
    except Exception as error:
        raise ModelLoadError(
            f"cannot load the encoder {name!r}: {type(error).__name__}: {error}. Needed: a "
            "directory or hub id with config.json, tokenizer.json and model.safetensors"
        ) from error
    checkpoint = as_checkpoint(name, tokenizer, config, model.float(), options.max_length)
    if checkpoint.max_length < options.max_length:
        raise TrainingError(
            f"max_length={options.max_length}, but {name!r} takes at most {checkpoint.max_length} "
            f"tokens; set max_length={checkpoint.max_length}"
        )
    return checkpoint


def save_checkpoint(checkpoint: Checkpoint, directory: Path) -> None:
    """Write weights (fp16 safetensors), config and tokenizer, as all loaders read them."""
    import torch

    directory.mkdir(parents=True, exist_ok=True)
    model: Any = checkpoint.model
    state = {
        name: tensor.detach().cpu().to(torch.float16) if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    with quiet_loading():
        model.save_pretrained(directory, state_dict=state, safe_serialization=True)
    # save_pretrained() writes the type of the weights in memory.
    path = directory / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    names = [name for name in ("dtype", "torch_dtype") if name in config] or ["torch_dtype"]
    config |= dict.fromkeys(names, "float16")
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    checkpoint.tokenizer.save_pretrained(str(directory))


def _set_dropout(config: Any, rate: float) -> None:
    # Every architecture has names of its own: hidden_dropout_prob, attention_dropout, mlp_dropout.
    for name, value in vars(config).items():
        if "dropout" in name and isinstance(value, float):
            setattr(config, name, rate)


def head(model: Any) -> Linear:
    """The layer that makes the two logits."""
    from torch.nn import Linear

    layers: Iterator[Linear] = (
        module
        for module in model.modules()
        if isinstance(module, Linear) and module.out_features == len(LABELS)
    )
    *_, last = layers
    return last


def layer_depths(model: Any) -> dict[int, list[tuple[str, Parameter]]]:
    """Trainable parameters by how far they lie below the head, which has depth 0."""
    prefix = f"{model.base_model_prefix}."
    config = model.config
    count = int(getattr(config, "num_hidden_layers", 0))
    depths: dict[int, list[tuple[str, Parameter]]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        numbers = [int(part) for part in name.split(".") if part.isdigit()]
        if not name.startswith(prefix):
            depth = 0
        elif ".layer" in name and numbers:
            depth = count - numbers[0]
        elif "embeddings" in name:
            depth = count + 1
        else:
            depth = 1
        depths.setdefault(depth, []).append((name, parameter))
    return depths
