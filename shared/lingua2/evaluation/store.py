"""A file of JSON lines that only grows, so that a killed run loses at most its last line."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import json
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any, Self

from lingua2.errors import DatasetError

__all__ = ["Store", "key_of", "source_digest"]


def key_of(*parts: object) -> str:
    """A key for what depends on ``parts`` alone."""
    packed = json.dumps([str(part) for part in parts])
    return hashlib.sha256(packed.encode()).hexdigest()[:32]


def source_digest(function: object) -> str:
    """A key for a function's source and the plain values it was made with.

    So the results of an edited function, or of one with another number in its closure, defaults,
    attributes or fixed arguments, are not reused. Lists and the like are not seen, since functions
    keep what they counted and cached there, and neither is what it takes from its module.
    """
    return key_of(_source(function), *_state(function, ()))


def _source(function: Any) -> object:
    if isinstance(function, functools.partial):
        return _source(function.func)
    for own in (function, type(function)):
        try:
            return inspect.getsource(own)
        except (OSError, TypeError):
            continue
    return type(function)


def _state(function: Any, seen: tuple[object, ...]) -> list[str]:
    seen = (*seen, function)
    if isinstance(function, functools.partial):
        fixed = [*function.args, *sorted(function.keywords.items())]
        return [*_values(fixed, seen), *_state(function.func, seen)]
    cells = list(getattr(function, "__defaults__", None) or ())
    cells += sorted((getattr(function, "__kwdefaults__", None) or {}).items())
    for cell in getattr(function, "__closure__", None) or ():
        # A name that is not bound yet has an empty cell.
        with contextlib.suppress(ValueError):
            cells.append(cell.cell_contents)
    owner = getattr(function, "__self__", None if hasattr(function, "__code__") else function)
    attributes = sorted(getattr(owner, "__dict__", {}).items())
    return _values([*cells, *attributes], seen)


def _values(values: Iterable[object], seen: tuple[object, ...]) -> list[str]:
    found = []
    for value in values:
        if isinstance(value, tuple):
            found += _values(value, seen)
        elif hasattr(value, "__code__"):
            # A function can stand in its own closure.
            if not any(value is one for one in seen):
                found += [str(_source(value)), *_state(value, seen)]
        elif value is None or isinstance(value, str | bytes | int | float | PurePath):
            found.append(repr(value))
    return found


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
