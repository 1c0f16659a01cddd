"""From options to a running encoder: which runtime, which export, which device."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from lingua2.encoder import Encoder
from lingua2.errors import ModelLoadError
from lingua2.fingerprint import fingerprint
from lingua2.loading import Checkpoint, Tokenization, load_checkpoint
from lingua2.model_options import ModelOptions

from . import Backend
from .exports import exported
from .names import BACKENDS, threads

__all__ = ["Source", "build_encoder", "named_encoder"]

_FORMAT = 3
"""Goes up whenever exports are made in another way, or `Tokenization` has another field."""
_TOKENIZER, _FACTS = "tokenizer.json", "checkpoint.json"
_FACT_NAMES = tuple(f.name for f in dataclasses.fields(Tokenization) if f.name != "pieces")


class Source:
    """One checkpoint, loaded with PyTorch only when something needs it."""

    def __init__(self, options: ModelOptions) -> None:
        self.options = options

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint with its PyTorch model."""
        return load_checkpoint(self.options)

    @cached_property
    def on_cpu(self) -> Checkpoint:
        """The same on the CPU."""
        if "checkpoint" in self.__dict__ and self.checkpoint.model.device.type == "cpu":
            return self.checkpoint
        return load_checkpoint(self.options.model_copy(update={"device_map": "cpu"}))

    @cached_property
    def key(self) -> str:
        """The fingerprint of the checkpoint in fp32."""
        found = fingerprint(self.options)
        if found is None:
            # A hub model that is not in the local cache yet: loading it fetches it.
            _ = self.on_cpu
            found = fingerprint(self.options)
        return found or "unknown"


def build_encoder(options: ModelOptions) -> Encoder:
    """What scores texts with ``options``.

    Raises:
        ModelLoadError: The checkpoint cannot be loaded, or the runtime cannot run it.
        ImportError: The runtime is not installed; the message says which extra brings it.
    """
    if options.backend == "auto":
        from .choice import automatic_encoder

        return automatic_encoder(options)
    return named_encoder(options.backend, Source(options))


def named_encoder(name: str, source: Source) -> Encoder:
    """What scores texts with the checkpoint in ``source`` and the runtime ``name``.

    Raises:
        ModelLoadError: The checkpoint cannot be loaded, or the runtime cannot run it.
        ImportError: The runtime is not installed.
    """
    if name.startswith("torch"):
        return _torch_encoder(name, source)
    directory, tokenization = _exported(name, source)
    backend: Backend
    if name.startswith("onnx"):
        from .onnx import OnnxBackend as Runtime
    else:
        from .openvino import OpenVinoBackend as Runtime  # type: ignore[assignment]
    backend = Runtime(
        directory,
        tokenization,
        max_batch_tokens=source.options.max_batch_tokens,
        threads=threads(),
        int8=name.endswith("-int8"),
    )
    return Encoder(tokenization, backend)


def _torch_encoder(name: str, source: Source) -> Encoder:
    from .torch import INT8, TorchBackend, quantised

    checkpoint = source.on_cpu if name == INT8 else source.checkpoint
    precision = "fp32"
    model = checkpoint.model
    if name == INT8:
        model, precision = quantised(model), INT8
    elif name == "torch" and model.device.type == "cuda":
        precision = "fp16"
    backend = TorchBackend(
        model,
        keep_label=checkpoint.keep_label,
        pad_token_id=checkpoint.pad_token_id,
        max_batch_tokens=source.options.max_batch_tokens,
        precision=precision,
    )
    return Encoder(checkpoint, backend)


def _exported(name: str, source: Source) -> tuple[Path, Tokenization]:
    """The export of ``source`` for ``name``, and what was noted about the checkpoint with it.

    Once it exists, neither PyTorch nor transformers is needed.
    """
    from lingua2._extras import require

    require(*BACKENDS[name], name.partition("-")[0])
    build = _BUILDERS[name]
    key = f"{source.key}-{name}-{_FORMAT}"

    def build_all(directory: Path) -> None:
        build(source, directory)
        _note(source.on_cpu, directory)

    directory = exported(key, build_all)
    return directory, _noted(directory)


def _note(checkpoint: Checkpoint, directory: Path) -> None:
    facts = {name: getattr(checkpoint, name) for name in _FACT_NAMES}
    (directory / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    (directory / _TOKENIZER).write_text(checkpoint.pieces.to_str(), encoding="utf-8")


def _noted(directory: Path) -> Tokenization:
    from tokenizers import Tokenizer

    facts = json.loads((directory / _FACTS).read_text(encoding="utf-8"))
    pieces = Tokenizer.from_file(str(directory / _TOKENIZER))
    # JSON has no tuples.
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()
    }
    return Tokenization(pieces=pieces, **values)


def _onnx(source: Source, directory: Path) -> None:
    from .onnx import OnnxBackend, export_onnx

    export_onnx(source.on_cpu, directory)
    _check(OnnxBackend(directory, source.on_cpu), source.on_cpu)


def _onnx_int8(source: Source, directory: Path) -> None:
    from .onnx import quantise_onnx

    quantise_onnx(_exported("onnx", source)[0], directory)


def _openvino(source: Source, directory: Path) -> None:
    from .openvino import OpenVinoBackend, export_openvino

    export_openvino(source.on_cpu, directory)
    _check(OpenVinoBackend(directory, source.on_cpu), source.on_cpu)


def _openvino_int8(source: Source, directory: Path) -> None:
    from .gate import passages
    from .openvino import quantise_openvino

    base, tokenization = _exported("openvino", source)
    windows = [
        (*tokenization.prefix, *ids[: tokenization.max_length - 8], *tokenization.suffix)
        for ids in (
            tokenization.pieces.encode(p.text, add_special_tokens=False).ids for p in passages()
        )
    ]
    quantise_openvino(base, windows, directory)


_BUILDERS: dict[str, Callable[[Source, Path], None]] = {
    "onnx": _onnx,
    "onnx-int8": _onnx_int8,
    "openvino": _openvino,
    "openvino-int8": _openvino_int8,
}


def _check(backend: Backend, checkpoint: Checkpoint) -> None:
    """Refuse an export that computes something else than the model, whatever the length.

    Tracing writes down what a model does with one example; what depends on the length of a window
    in Python would be a constant of that example.
    """
    import numpy as np

    from .torch import TorchBackend

    reference = TorchBackend(
        checkpoint.model, keep_label=checkpoint.keep_label, pad_token_id=checkpoint.pad_token_id
    )
    size, longest = checkpoint.pieces.get_vocab_size(), checkpoint.max_length
    rng = np.random.default_rng(1)
    lengths = (longest, max(3, longest // 2 - 1), 9, 8, 3)
    windows = [rng.integers(0, size, length).tolist() for length in lengths]
    for batch in (windows[:1], windows):
        ours = backend.keep_probabilities(batch)
        for one, other in zip(ours, reference.keep_probabilities(batch), strict=True):
            if not np.allclose(one, other, atol=1e-3):
                raise ModelLoadError(
                    f"backend={backend.name!r}: the exported graph of {checkpoint.name!r} differs "
                    f"from its model by {np.abs(one - other).max():.3f}; take backend='torch'"
                )
