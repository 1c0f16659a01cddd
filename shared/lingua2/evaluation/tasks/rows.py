"""Records of published files: read from disk or the hub, and checked field by field."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lingua2._extras import require
from lingua2.errors import DatasetError

from .item import Problem

__all__ = ["Row", "digest_of", "is_hub", "read_rows", "read_text"]

_ENDINGS = ".jsonl, .jsonl.gz, .json or .json.gz"
_HUB = "hf:"


@dataclass(frozen=True, slots=True)
class Row:
    """One record, with fields that say what is wrong with them.

    Attributes:
        where: File and line, for messages.
        number: Its place in the file, from 1.
        values: The fields.
    """

    where: str
    number: int
    values: Mapping[str, Any]

    def fail(self, message: str) -> DatasetError:
        """The error that names this record."""
        return DatasetError(f"{self.where}: {message}")

    def problem(self, error: DatasetError) -> Problem:
        """What `fail` raised, to be listed."""
        return Problem(self.where, str(error).removeprefix(self.where).lstrip(":, "))

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(name) is not None

    def get(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """The field ``name``, of the type ``kind``.

        Raises:
            DatasetError: It is missing or of another type.
        """
        if not self.has(name):
            known = ", ".join(map(str, self.values)) or "none"
            raise self.fail(f"the field {name!r} is missing; fields: {known}")
        value = self.values[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            wanted = " or ".join(_NAMES.get(one, one.__name__) for one in kinds)
            got = _NAMES.get(type(value), type(value).__name__)
            raise self.fail(f"{name!r} must be {wanted}, got {got} {value!r:.60}")
        return value

    def text(self, name: str) -> str:
        """A string that is not blank."""
        value: str = self.get(name, str)
        if not value.strip():
            raise self.fail(f"{name!r} is empty")
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        """A list of strings, at least one of them not blank."""
        value = self.get(name, list)
        for item in value:
            if not isinstance(item, str):
                raise self.fail(f"{name!r} must hold strings only, got {item!r:.60}")
        if not any(item.strip() for item in value):
            raise self.fail(f"{name!r} is empty")
        return tuple(value)

    def inner(self, name: str) -> Iterator[Row]:
        """The records of a list of records."""
        for number, item in enumerate(self.get(name, list), 1):
            where = f"{self.where}, {name}[{number - 1}]"
            if not isinstance(item, dict):
                raise DatasetError(f"{where}: must be an object, got {item!r:.60}")
            yield Row(where, number, item)

    def id(self, default: str, *names: str) -> str:
        """The first of the fields ``names`` that is there, as a string."""
        for name in names:
            if self.has(name):
                return str(self.get(name, (str, int)))
        return default


_NAMES = {str: "a string", list: "a list", dict: "an object", int: "a number", bool: "a boolean"}


def is_hub(source: str | Path) -> bool:
    """Whether ``source`` names a data set on the hub: ``hf:org/name[:config[:split]]``."""
    return str(source).startswith(_HUB)


def read_rows(source: str | Path) -> Iterator[Row | Problem]:
    """The records of a file or of a data set on the hub, and what stands there instead of one.

    Args:
        source: A ``.jsonl`` or ``.json`` file (a list of records, a mapping to records, or SQuAD's
            ``{"data": […]}``, BIG-Bench Hard's ``{"examples": […]}``), perhaps gzipped, or
            ``hf:org/name[:config[:split]]``.

    Raises:
        DatasetError: It cannot be read, or holds something else as a whole.
    """
    if is_hub(source):
        dataset, name = _hub(str(source))
        for number, values in enumerate(dataset, 1):
            yield Row(f"{name}, record {number}", number, values)
        return
    path = Path(source)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        for number, line in enumerate(_unpacked(path).split(b"\n"), 1):
            if line.strip():
                yield _line(f"{path.name}, line {number}", number, line)
        return
    if not path.name.endswith((".json", ".json.gz")):
        raise DatasetError(f"{path} must end in {_ENDINGS}, or be hf:org/name")
    try:
        whole = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} holds no JSON: {error}") from error
    if isinstance(whole, dict) and isinstance(whole.get("examples"), list):
        # A task's file of BIG-Bench Hard.
        whole = [whole]
    elif isinstance(whole, dict):
        whole = whole["data"] if isinstance(whole.get("data"), list) else list(whole.values())
    if not isinstance(whole, list):
        raise DatasetError(f"{path} must hold records, got {type(whole).__name__}")
    for number, values in enumerate(whole, 1):
        where = f"{path.name}, record {number}"
        # Published files mark what their authors left out with null or NaN.
        if values is None or isinstance(values, float):
            continue
        yield _record(where, number, values)


def _line(where: str, number: int, line: bytes) -> Row | Problem:
    try:
        values = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return Problem(where, f"no UTF-8 ({error})")
    except (ValueError, RecursionError) as error:
        return Problem(where, f"no JSON ({error})")
    return _record(where, number, values)


def _record(where: str, number: int, values: object) -> Row | Problem:
    if not isinstance(values, dict):
        return Problem(where, f"expected an object, got {values!r:.60}")
    return Row(where, number, values)


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file, perhaps gzipped.

    Raises:
        DatasetError: The file cannot be read.
    """
    try:
        return _unpacked(Path(path)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def _unpacked(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def digest_of(source: str | Path) -> str:
    """SHA-256 of a file, or the fingerprint of a data set from the hub."""
    if is_hub(source):
        return str(_hub(str(source))[0]._fingerprint)
    try:
        return hashlib.sha256(Path(source).read_bytes()).hexdigest()
    except OSError as error:
        raise DatasetError(f"{source} cannot be read: {error}") from error


def _hub(source: str) -> tuple[Any, str]:
    name, config, split = [*source.removeprefix(_HUB).split(":"), "", ""][:3]
    datasets = require("datasets", "evaluate")
    try:
        dataset = datasets.load_dataset(name, config or None, split=split or "test")
    # Each of its layers (network, scripts, configurations, files) raises errors of its own.
    except Exception as error:
        raise DatasetError(f"{source} cannot be loaded from the hub: {error}") from error
    return dataset, name
