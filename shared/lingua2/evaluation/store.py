"""A file of JSON lines that only grows, so that a killed run loses at most its last line."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any, Self, cast

from lingua2.errors import DatasetError

__all__ = ["Store", "key_of", "source_digest"]


def key_of(*parts: object) -> str:
    """A key for what depends on ``parts`` alone."""
    packed = json.dumps([str(part) for part in parts])
    return hashlib.sha256(packed.encode()).hexdigest()[:32]


def source_digest(function: object) -> str:
    """A key for what a function's source says, so that the results of an edited one are not reused.

    Functions without a source have that of their type.
    """
    try:
        return key_of(inspect.getsource(cast(Any, function)))
    except (OSError, TypeError):
        return key_of(type(function))


class Store:
    """Rows by key.

    Args:
        path: A ``.jsonl`` file, new or written by an earlier run; None keeps everything in memory.

    Raises:
        DatasetError: A line other than the last one is no row of a store.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._rows: dict[str, dict[str, Any]] = {}
        self._file: Any = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            whole = self._read(path) if path.is_file() else 0
            self._file = path.open("a+b")
            # What a killed run left of a line would spoil the next one.
            self._file.truncate(whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._rows[key]

    def add(self, key: str, row: dict[str, Any]) -> None:
        """Keep ``row`` under ``key``, on the disk before this returns."""
        self._rows[key] = row
        if self._file is not None:
            # ASCII, so that lone surrogates in a text survive as well.
            self._file.write(json.dumps({"key": key, **row}).encode() + b"\n")
            self._file.flush()

    def _read(self, path: Path) -> int:
        """Read the rows; returns the size of the complete lines."""
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                row = json.loads(line)
                self._rows[row.pop("key")] = row
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise DatasetError(
                    f"{path}, line {number}: no row of an earlier evaluation ({error!r}); give "
                    "another output folder"
                ) from error
        return whole
