"""Loads a token-classification checkpoint and checks that it is one.

Everything that depends on the checkpoint (special tokens, padding, maximum length, the keep
label) is read from its tokenizer and config, never guessed from its name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ModelLoadError
from .model_options import ModelOptions
from .questions import READS_QUESTIONS
from .sources import check_labels, locate

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "Checkpoint",
    "Tokenization",
    "as_checkpoint",
    "load_checkpoint",
    "load_tokenizer",
    "quiet_loading",
]

KEEP_NAMES = {"keep", "kept", "preserve", "preserved", "reserve", "reserved", "retain", "include"}
DROP_NAMES = {"drop", "dropped", "discard", "delete", "deleted", "remove", "removed", "exclude"}


@dataclass(frozen=True, slots=True)
class Tokenization:
    """What scoring needs to know of a checkpoint beside its model."""

    name: str
    pieces: Tokenizer
    """The tokenizer's Rust core, without truncation or padding: safe from many threads."""
    keep_label: int
    pad_token_id: int
    prefix: tuple[int, ...]
    """Special tokens before a window."""
    suffix: tuple[int, ...]
    """Special tokens after a window."""
    max_length: int
    """Longest window in tokens, special tokens included."""
    reads_questions: bool
    """Whether the model learnt to read a question before the text."""
    unknown_id: int | None
    """The token that stands for whatever the vocabulary lacks, if there is one."""


@dataclass(frozen=True, slots=True)
class Checkpoint(Tokenization):
    """A loaded classifier and what its tokenizer and config say about it."""

    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel


def load_checkpoint(options: ModelOptions) -> Checkpoint:
    """Load tokenizer and weights for ``options``.

    Weights are read from safetensors only. A local directory is read without network; a hub id is
    fetched by ``huggingface_hub``, which honours ``HF_HUB_OFFLINE`` and the local cache.

    Raises:
        ModelLoadError: The checkpoint is missing, broken, has another number of labels than two,
            has no fast tokenizer, or its weights do not fit its config.
    """
    source, kwargs = locate(options)
    name = str(source)
    with _explained(name):
        config = _load_config(name, kwargs)
        tokenizer = load_tokenizer(name, config, kwargs)
        model = _load_model(name, config, options.device_map, kwargs)
        return as_checkpoint(name, tokenizer, config, model, options.max_length)


def as_checkpoint(
    name: str,
    tokenizer: PreTrainedTokenizerBase,
    config: Any,
    model: PreTrainedModel,
    max_length: int,
) -> Checkpoint:
    """What scoring needs to know of a tokenizer and a model in memory."""
    prefix, suffix, pieces = _special_tokens(name, tokenizer)
    pad = tokenizer.pad_token_id
    return Checkpoint(
        name=name,
        tokenizer=tokenizer,
        pieces=pieces,
        model=model,
        keep_label=_keep_label(config.id2label),
        pad_token_id=int(pad) if pad is not None else 0,
        prefix=prefix,
        suffix=suffix,
        max_length=_max_length(tokenizer, config, model, max_length),
        reads_questions=getattr(config, READS_QUESTIONS, False) is True,
        unknown_id=tokenizer.unk_token_id,
    )


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except ModelLoadError:
        raise
    # transformers reports a broken checkpoint with whatever its layers happen to raise.
    except Exception as error:
        needed = (
            "Needed: config.json, a fast tokenizer (tokenizer.json) and model.safetensors of a "
            "token classifier with two labels"
        )
        local = Path(name).is_dir()
        raise ModelLoadError(
            f"cannot load the {'directory' if local else 'hub model'} {name!r}: "
            f"{type(error).__name__}: {_first_line(error)}. "
            + (needed if local else f"It must be reachable or in the local cache. {needed}")
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")


def _load_config(name: str, kwargs: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(name, **kwargs)
    check_labels(name, list(config.id2label.values()))
    return config


def load_tokenizer(name: str, config: Any, kwargs: dict[str, Any]) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a checkpoint.

    Raises:
        ModelLoadError: It has none, or one of another checkpoint.
    """
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name, **kwargs)
    if not getattr(tokenizer, "is_fast", False):
        raise ModelLoadError(
            f"{name!r} has only the slow tokenizer {type(tokenizer).__name__}; character offsets "
            "need a fast one: save the checkpoint with a tokenizer.json"
        )
    # Without files transformers makes up a tokenizer that knows its special tokens only.
    if tokenizer.vocab_size <= len(tokenizer.all_special_ids):
        raise ModelLoadError(
            f"{name!r} has no tokenizer files; save the tokenizer beside the weights with "
            "tokenizer.save_pretrained(directory)"
        )
    if tokenizer.vocab_size > config.vocab_size:
        raise ModelLoadError(
            f"the tokenizer of {name!r} has {tokenizer.vocab_size} tokens and its model "
            f"{config.vocab_size}; they belong to different checkpoints"
        )
    return tokenizer


def _special_tokens(
    name: str, tokenizer: PreTrainedTokenizerBase
) -> tuple[tuple[int, ...], tuple[int, ...], Tokenizer]:
    from tokenizers import Tokenizer

    # A copy: transformers switches truncation and padding of its own one on and off per call,
    # which cuts texts and is what "Already borrowed" comes from when threads share it.
    pieces = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    pieces.no_truncation()
    pieces.no_padding()
    # The post-processor is opaque, so see what it puts around a probe.
    inner = pieces.encode("a", add_special_tokens=False).ids
    outer = pieces.encode("a", add_special_tokens=True).ids
    for start in range(len(outer) - len(inner) + 1):
        if inner and outer[start : start + len(inner)] == inner:
            return tuple(outer[:start]), tuple(outer[start + len(inner) :]), pieces
    raise ModelLoadError(f"{name!r}: the tokenizer yields no tokens for the text 'a'")


def _load_model(name: str, config: Any, device_map: str, kwargs: dict[str, Any]) -> Any:
    import torch
    from transformers import AutoModelForTokenClassification

    device = device_map
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch_device = torch.device(device)
    except RuntimeError as error:
        raise ModelLoadError(
            f"device_map={device_map!r} is not a torch device; use 'auto', 'cpu', 'cuda', 'cuda:0' "
            "or 'mps'"
        ) from error
    with quiet_loading():
        model, info = AutoModelForTokenClassification.from_pretrained(
            name,
            config=config,
            use_safetensors=True,
            output_loading_info=True,
            **kwargs,
        )
    misfit = {key: sorted(map(str, info[key])) for key in ("missing_keys", "mismatched_keys")}
    for key, names in misfit.items():
        if names:
            raise ModelLoadError(
                f"the weights of {name!r} do not fit its config: {key.replace('_', ' ')} "
                f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''}; is it a trained "
                "token-classification checkpoint?"
            )
    try:
        # fp16 on disk, fp32 in memory: CPUs have no fast fp16.
        return model.float().to(torch_device).eval()
    # A build without CUDA asserts, others raise RuntimeError.
    except (AssertionError, RuntimeError) as error:
        raise ModelLoadError(
            f"device_map={device_map!r} is not available here: {_first_line(error)}"
        ) from error


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep transformers from reporting what it loads and resizes."""
    from transformers.utils import logging as hf_logging

    # A progress bar for 45 MB and a table of keys that we turn into an error ourselves are noise.
    shown, level = hf_logging.is_progress_bar_enabled(), hf_logging.get_verbosity()
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    hf_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if shown:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _keep_label(id2label: dict[int, str]) -> int:
    for index, label in id2label.items():
        if str(label).lower() in KEEP_NAMES:
            return int(index)
    for index, label in id2label.items():
        if str(label).lower() in DROP_NAMES:
            return 1 - int(index)
    return 1


def _max_length(tokenizer: Any, config: Any, model: Any, wanted: int) -> int:
    limits = [wanted, int(tokenizer.model_max_length)]
    if isinstance(positions := getattr(config, "max_position_embeddings", None), int):
        limits.append(positions)
    # RoBERTa-like models number positions from behind the padding index, so their table of 514
    # holds 512 tokens.
    limits += [
        module.num_embeddings - module.padding_idx - 1
        for name, module in model.named_modules()
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None
    ]
    return min(limits)
