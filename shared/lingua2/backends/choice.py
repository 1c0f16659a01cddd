"""``backend="auto"``: the fastest installed runtime that decides as PyTorch in fp32 does."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingua2.encoder import Encoder
from lingua2.errors import ModelLoadError
from lingua2.fingerprint import fingerprint
from lingua2.model_options import ModelOptions

from . import Backend, BackendChoice, Measurement
from .build import Source, named_encoder
from .exports import cache_directory, write_atomically
from .gate import agreement, decide, passages, passes, survival_loss
from .names import (
    BACKENDS,
    fixed_precision,
    installed,
    installed_versions,
    multiplies_int8,
    on_cuda,
    processor,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["automatic_encoder", "choice_of", "precision_of"]

_LOG = logging.getLogger(__name__)
_FORMAT = 1
_TIMED_PASSAGES = 10
_REPEATS = 3
# Below this a runtime is not worth another set of weights on disk.
_WORTHWHILE = 1.05
_lock = threading.Lock()
# Also for machines where nothing can be written.
_known: dict[str, BackendChoice] = {}


def automatic_encoder(options: ModelOptions) -> Encoder:
    """What scores texts with the best runtime for this checkpoint on this machine.

    What was found is kept beside the exports and used again until a package changes.

    Raises:
        ModelLoadError: The checkpoint cannot be loaded.
    """
    source = Source(options)
    with _lock:
        known = _recorded(options, source.key)
        if known is not None and all(map(installed, BACKENDS[known.name])):
            return named_encoder(known.name, source)
        choice, encoder = choose(source)
        _record(options, source.key, choice)
    _LOG.info("backend='auto' takes %s: %s", choice.name, choice.why)
    return encoder


def choice_of(options: ModelOptions, backend: Backend) -> BackendChoice:
    """Which runtime ``backend`` is, and why it was taken for ``options``."""
    if options.backend == "auto":
        found = _recorded(options, fingerprint(options))
        if found is not None:
            return found
    return BackendChoice(
        getattr(backend, "name", type(backend).__name__),
        getattr(backend, "precision", "fp32"),
        f"backend={options.backend!r}",
    )


def precision_of(options: ModelOptions) -> str | None:
    """The precision of the scores that ``options`` give, without loading anything.

    Returns:
        See `Backend.precision`; None where only loading the model shows it.
    """
    if options.backend != "auto":
        return fixed_precision(options)
    try:
        choice = _recorded(options, fingerprint(options))
    except ModelLoadError:
        return None
    return None if choice is None else choice.precision


def choose(
    source: Source, build: Callable[[str, Source], Encoder] = named_encoder
) -> tuple[BackendChoice, Encoder]:
    """Measure the installed runtimes, and take the fastest that passes the gate.

    Args:
        source: The checkpoint.
        build: Makes an encoder of a runtime's name.

    Returns:
        The choice, and its encoder.
    """
    reference = build("torch-fp32", source)
    encoders: dict[str, Encoder] = {}
    failed: list[Measurement] = []
    for name in _candidates(source.options):
        try:
            encoders[name] = build(name, source)
        # Whatever a runtime raises here, there is one that works.
        except Exception as error:
            _LOG.info("backend='auto' passes over %s: %s", name, error)
            failed.append(Measurement(name, "", 0.0, None, None, f"does not run: {error}"))
    speeds = _speeds({"torch-fp32": reference, **encoders}, source.checkpoint.pieces)
    slowest = speeds["torch-fp32"]
    # On a CPU, PyTorch in fp32 is PyTorch.
    plain = "torch-fp32" if "torch" in encoders else "torch"
    chosen, encoder, why = plain, reference, "no other runtime is faster and decides alike"
    expected = None
    measured: list[Measurement] = []
    for name in sorted(encoders, key=lambda name: -speeds[name]):
        precision = encoders[name].backend.precision
        agreed = lost = None
        if chosen != plain:
            verdict = "slower than the one taken"
        elif speeds[name] < _WORTHWHILE * slowest:
            verdict = "no faster than PyTorch in fp32"
        else:
            expected = expected or decide(reference)
            found = decide(encoders[name])
            agreed, lost = agreement(found, expected), survival_loss(found, expected)
            verdict = "decides differently"
            if passes(precision, agreed, lost):
                verdict, chosen, encoder = "taken", name, encoders[name]
                why = (
                    f"{speeds[name]:,.0f} tokens/s against {slowest:,.0f} with PyTorch in fp32, "
                    f"{agreed:.2%} of the keep decisions alike, {lost:+.2f} points of answer "
                    "survival lost"
                )
        measured.append(Measurement(name, precision, speeds[name], agreed, lost, verdict))
    verdict = "taken" if chosen == plain else "the reference"
    measured.append(Measurement(plain, "fp32", slowest, 1.0, 0.0, verdict))
    measured.sort(key=lambda item: -item.tokens_per_second)
    choice = BackendChoice(
        chosen,
        encoder.backend.precision,
        why,
        processor(),
        tuple(installed_versions().items()),
        (*measured, *failed),
    )
    return choice, encoder


def _candidates(options: ModelOptions) -> Iterator[str]:
    if on_cuda(options.device_map) or options.device_map not in ("auto", "cpu"):
        # The other runtimes are for CPUs.
        if on_cuda(options.device_map):
            yield "torch"
        return
    yield "torch-int8"
    if installed("onnxruntime"):
        yield from ("onnx", "onnx-int8")
    if installed("openvino"):
        yield "openvino"
        # Calibrating takes minutes, and without these instructions it is no faster than fp32.
        if installed("nncf") and multiplies_int8():
            yield "openvino-int8"


def _speeds(encoders: dict[str, Encoder], pieces: Tokenizer) -> dict[str, float]:
    """Tokens a second of each; they take turns, so that a busy machine slows all alike."""
    texts = [passage.text for passage in passages()[:_TIMED_PASSAGES]]
    tokens = sum(len(encoding.ids) for encoding in pieces.encode_batch(texts))
    best = dict.fromkeys(encoders, float("inf"))
    for encoder in encoders.values():
        encoder.score(texts)
    for _ in range(_REPEATS):
        for name, encoder in encoders.items():
            start = time.perf_counter()
            encoder.score(texts)
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: tokens / seconds for name, seconds in best.items()}


def _key(options: ModelOptions, fingerprint: str) -> str | None:
    device = options.device_map.partition(":")[0]
    if device == "auto":
        cuda = on_cuda("auto")
        if cuda is None:
            return None
        device = "cuda" if cuda else "cpu"
    return f"{fingerprint}-{device}-{_FORMAT}"


def _file(key: str) -> Path:
    return cache_directory() / "choices" / f"{key}.json"


def _record(options: ModelOptions, fingerprint: str, choice: BackendChoice) -> None:
    key = _key(options, fingerprint)
    if key is None:
        return
    _known[key] = choice
    try:
        write_atomically(_file(key), json.dumps(dataclasses.asdict(choice), indent=1))
    except OSError as error:
        _LOG.warning("what backend='auto' found cannot be kept for the next start: %s", error)


def _recorded(options: ModelOptions, fingerprint: str | None) -> BackendChoice | None:
    """What was found before, unless the machine or a package has changed since."""
    key = _key(options, fingerprint) if fingerprint else None
    if key is None:
        return None
    choice = _known.get(key) or _read(_file(key))
    if choice is None or choice.name not in BACKENDS or choice.processor != processor():
        return None
    # A package that is missing now is no reason: a process that only uses stored scores needs none.
    then = dict(choice.versions)
    if any(then.get(name) != version for name, version in installed_versions().items()):
        return None
    _known[key] = choice
    return choice


def _read(file: Path) -> BackendChoice | None:
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        values["measurements"] = tuple(Measurement(**item) for item in values["measurements"])
        values["versions"] = tuple((name, version) for name, version in values["versions"])
        return BackendChoice(**values)
    # Whatever is wrong with it, it can be found out anew.
    except (OSError, ValueError, TypeError, KeyError):
        return None
