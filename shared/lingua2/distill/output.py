"""The append-only file of answers, which a later run goes on with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lingua2._extras import require
from lingua2.errors import DatasetError

from .answers import Status

__all__ = ["AnswerFile", "Known", "LevelAnswer", "read_answers", "read_known"]


@dataclass(frozen=True, slots=True)
class LevelAnswer:
    """What a teacher answered for one level of one chunk.

    Attributes:
        key: Hash of the chunk, the instructions up to this level, and the teacher's name.
        text: The compressed text, or None where the status is not "ok".
        status: See `lingua2.distill.answers.Status`.
        removed: How many pieces of chatter were stripped.
        raw: The answer as it came, where it differs from ``text``: it was paid for.
    """

    key: str
    text: str | None
    status: Status
    removed: int = 0
    raw: str | None = None


class Known:
    """What a file of answers holds already.

    Attributes:
        answers: Every answer by its key.
        rows: Per chunk id the keys of its last row, by level.
        chunkings: Per chunk id how its document was cut, see `Chunk.chunking`.
    """

    def __init__(self) -> None:
        self.answers: dict[str, LevelAnswer] = {}
        self.rows: dict[str, dict[str, str]] = {}
        self.chunkings: dict[str, str] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in one row.

        Raises:
            DatasetError: The row is not one of a distillation.
        """
        try:
            for level, key in row["key"].items():
                self.answers[key] = LevelAnswer(
                    key,
                    row[level],
                    row["status"][level],
                    row["removed"].get(level, 0),
                    row["raw"].get(level),
                )
            self.rows[row["id"]] = dict(row["key"])
            self.chunkings[row["id"]] = row["chunking"]
        except (KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"is no answer of a distillation ({error!r}); write to another file"
            ) from error


def read_answers(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a distillation, one per chunk.

    Where a chunk was asked again, with another instruction for example, the last row counts. Where
    a document was cut anew, because it or the size of chunks had changed, its old chunks are left
    out. A row that a killed run left unfinished is passed over.

    Args:
        path: The output of `distill`.

    Raises:
        DatasetError: The file cannot be read, or holds something else.
    """
    known, rows, newest = Known(), {}, {}
    for row in _rows(Path(path), known):
        # Chunks keep the place of their first row.
        rows[row["id"]] = row
        newest[_document(row)] = row["chunking"]
    return [row for row in rows.values() if row["chunking"] == newest[_document(row)]]


def _document(row: Mapping[str, Any]) -> str:
    return str(row["id"]).rpartition("#")[0]


def read_known(path: Path) -> Known:
    """What is in the file at ``path``, which need not exist; takes no lock and changes nothing."""
    _check_ending(path)
    known = Known()
    if path.exists():
        for _ in _rows(path, known):
            pass
    return known


class AnswerFile(AbstractContextManager["AnswerFile"]):
    """An output that one run at a time appends to.

    Args:
        path: A ``.jsonl`` file; its folder is made where it is missing.

    Attributes:
        known: What the file holds, kept up to date.
    """

    def __init__(self, path: Path) -> None:
        _check_ending(path)
        self._path = path
        self.known = Known()

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        filelock = require("filelock", "distill")
        self._lock = filelock.FileLock(self._path.with_name(f".{self._path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise DatasetError(f"another run writes to {self._path}; wait until it ends") from None
        try:
            # Without a buffer nothing is left to be written after an error.
            self._file = self._path.open("ab", buffering=0)
            try:
                self._mend()
                self.known = read_known(self._path)
            except BaseException:
                self._file.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._lock.release()

    def append(self, row: Mapping[str, Any]) -> None:
        """Write ``row`` and hand it to the operating system before returning."""
        # ASCII, so that lone surrogates in a text survive as well.
        line = json.dumps(row).encode() + b"\n"
        end = self._file.seek(0, 2)
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError:
            # A full disk: half a line must not stand between whole ones.
            self._file.truncate(end)
            raise
        self.known.add(row)

    def _mend(self) -> None:
        """Cut off the unfinished line that a killed run left."""
        last = b""
        with self._path.open("rb") as file:
            for line in file:
                last = line
            end = file.tell()
        if not last or last.endswith(b"\n"):
            return
        if _finished(last):
            # Only the line break is missing, as some editors leave it.
            self._file.write(b"\n")
        else:
            self._file.truncate(end - len(last))


def _check_ending(path: Path) -> None:
    if path.suffix != ".jsonl":
        raise DatasetError(f"the output must end in .jsonl (rows are appended), got {path}")


def _finished(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _rows(path: Path, known: Known) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip() or not (line.endswith(b"\n") or _finished(line)):
                    continue
                place = f"{path}, line {number}"
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise DatasetError(f"{place}: no JSON ({error})") from error
                try:
                    known.add(row)
                except DatasetError as error:
                    raise DatasetError(f"{place}: {error}") from error
                yield row
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
