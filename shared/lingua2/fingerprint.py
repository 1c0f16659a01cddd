"""What scores depend on besides the text, as one short hash: a checkpoint and how it is used.

That is its files, the precision, and how lingua2 cuts and scores words. Scores are only ever used
under the fingerprint under which they were made. It is read from the files, without PyTorch or
transformers, so that a process which only uses stored scores never has to load a model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .errors import ModelLoadError
from .model_options import ModelOptions
from .sources import locate

__all__ = ["UNITS_VERSION", "FileState", "Identity", "file_states", "fingerprint"]

UNITS_VERSION = 2
"""Goes up whenever `split_units` cuts any text in another way or words are scored in another one:
what is stored would not be what a fresh computation gives, and is stale then."""

# Everything that transformers reads to build model and tokenizer, where it is there.
_FILES = (
    "config.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
)
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")
# By path and state; a process sees few checkpoints.
_known: dict[FileState, str] = {}


class FileState(NamedTuple):
    """A file of a checkpoint and by what a change of it shows."""

    name: str
    path: str
    size: int
    modified: int
    inode: int


def fingerprint(options: ModelOptions, precision: str = "fp32") -> str | None:
    """The fingerprint of the scores that a checkpoint gives with ``options``.

    Args:
        options: ``model_name``, ``max_length`` and ``trust_remote_code`` matter.
        precision: The arithmetic of the runtime; runtimes that compute in fp32 agree and share one.

    Returns:
        32 hexadecimal digits; None for a hub model that is not in the local cache yet.

    Raises:
        ModelLoadError: ``options.model_name`` is no checkpoint, or its files cannot be read.
    """
    states = file_states(options)
    if states is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{UNITS_VERSION} {precision} {options.max_length}\n".encode())
    with _explained(options):
        for state in states:
            digest.update(f"{state.name} {_file_digest(state)}\n".encode())
    return digest.hexdigest()


def file_states(options: ModelOptions) -> tuple[FileState, ...] | None:
    """The files that the fingerprint covers; it stays the same while they do.

    Returns:
        The files in the order of their names; None for a hub model that is not in the local cache.

    Raises:
        ModelLoadError: ``options.model_name`` is no checkpoint, or its files cannot be read.
    """
    source, _ = locate(options)
    directory = source if isinstance(source, Path) else _snapshot(source)
    if directory is None:
        return None
    with _explained(options):
        return tuple(
            _state(directory / name, name)
            for name in sorted(_names(directory, code=options.trust_remote_code))
        )


class Identity:
    """The fingerprint of one compressor, before its weights are read and after.

    It never names other weights than those that the compressor computes with, even where the
    checkpoint's files are replaced while a process is running.

    Args:
        options: Of the compressor.
        expected: Says in what its runtime will compute, None where only loading it shows that;
            asked once, when the fingerprint is needed.
    """

    def __init__(
        self, options: ModelOptions, expected: Callable[[ModelOptions], str | None]
    ) -> None:
        self._options = options
        self._expected = expected
        self._precision: str | None = None
        self._states: tuple[FileState, ...] | None = None
        self._loaded = False
        self._value: str | None = None

    @property
    def value(self) -> str | None:
        """The fingerprint; None as long as only loading the model can show it.

        Raises:
            ModelLoadError: The files cannot be read, or are others than were loaded.
        """
        if self._precision is None:
            self._precision = self._expected(self._options)
        if self._value is None and self._precision is not None:
            states = file_states(self._options)
            if self._loaded and states != self._states:
                raise ModelLoadError(
                    f"the files of model_name={str(self._options.model_name)!r} changed after "
                    "they were loaded, so that their scores have no fingerprint; make a new "
                    "Compressor"
                )
            self._value, self._states = fingerprint(self._options, self._precision), states
        return self._value

    def loaded(self, precision: str) -> bool:
        """Note that the weights were just read, to compute in ``precision``.

        Returns:
            Whether this is another checkpoint or precision than `value` said before.
        """
        known, before = self._value, (self._states, self._precision)
        self._states, self._precision = file_states(self._options), precision
        self._loaded = True
        if known is None or before == (self._states, self._precision):
            return False
        self._value = fingerprint(self._options, precision)
        return self._value != known


@contextmanager
def _explained(options: ModelOptions) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelLoadError(
            f"the files of model_name={str(options.model_name)!r} cannot be read to compute their "
            f"fingerprint: {type(error).__name__}: {error}"
        ) from error


def _snapshot(name: str) -> Path | None:
    """Where the local cache of the hub has the checkpoint ``name``, without network."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json")
    if not isinstance(config, str):
        return None
    directory = Path(config).parent
    return directory if any(directory.glob("*.safetensors")) else None


def _names(directory: Path, *, code: bool) -> set[str]:
    names = {name for name in _FILES if (directory / name).is_file()}
    if (directory / _WEIGHTS).is_file():
        names.add(_WEIGHTS)
    elif (directory / _INDEX).is_file():
        index = json.loads((directory / _INDEX).read_bytes())
        names |= {_INDEX, *index["weight_map"].values()}
    else:
        names |= {path.name for path in directory.glob("*.safetensors")}
    if code:
        names |= {path.name for path in directory.glob("*.py")}
    return names


def _state(path: Path, name: str) -> FileState:
    real = path.resolve(strict=True)
    status = real.stat()
    return FileState(name, str(real), status.st_size, status.st_mtime_ns, status.st_ino)


def _file_digest(state: FileState) -> str:
    # The hub's cache links to files that are named by their SHA-256, so the same weights have one
    # fingerprint wherever they lie; and processors have instructions for it.
    real = Path(state.path)
    if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):
        return real.name
    if state not in _known:
        with real.open("rb", buffering=0) as file:
            _known[state] = hashlib.file_digest(file, "sha256").hexdigest()
    return _known[state]
