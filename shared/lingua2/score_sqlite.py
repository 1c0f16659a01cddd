"""The built-in cache of scores: one SQLite file, for several processes and threads at once."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["SqliteScoreCache"]

_logger = logging.getLogger(__name__)
T = TypeVar("T")

# "lin2", in the header of the file: no file of anything else is written to or moved away.
_APPLICATION = 0x6C696E32
_BUSY_SECONDS = 5.0
# Reading would be writing if every use were noted.
_TOUCH_SECONDS = 3600
# SQLite takes 999 parameters a statement in its oldest builds.
_GROUP = 500
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# How every SQLite file begins.
_BEGINNING = b"SQLite format 3\0"
# In order of time, so that what goes frees whole pages.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS scores (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, "
    "value BLOB NOT NULL, used INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS scores_used ON scores (used)",
)
# Connections that a fork brought along; SQLite forbids to use and to close them.
_inherited: list[sqlite3.Connection] = []


class SqliteScoreCache:
    """Packed scores in an SQLite file; the least recently used ones make room.

    A file of ours that is damaged is set aside as ``….corrupt`` and begun anew, and one that was
    deleted or replaced while it was open is opened again. Any other trouble
    (read-only or missing directory, full disk, somebody else's file) raises ``sqlite3.Error`` or
    ``OSError``; a `Compressor` then goes on without.

    Args:
        path: The file, made when it is needed, its directories too; in a directory that exists it
            is called ``scores.sqlite3``.
        max_bytes: About how large the file may become.
    """

    _connection: sqlite3.Connection | None = None
    _process = 0

    def __init__(self, path: str | Path, max_bytes: int = 1_000_000_000) -> None:
        # `Path.is_dir` may raise; this does not, and what is wrong shows at the first use.
        self.path = Path(path) / "scores.sqlite3" if os.path.isdir(path) else Path(path)  # noqa: PTH112
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._inode: int | None = None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The value of each key, in order; None where there is none."""
        return self._retried(lambda connection: _get(connection, keys))

    def set_many(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Keep values under their keys, and let go of old ones where there is no room."""
        self._retried(lambda connection: _set(connection, items, self.max_bytes))

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._close()

    def __del__(self) -> None:
        self._close()

    def __reduce__(self) -> tuple[Any, ...]:
        return SqliteScoreCache, (self.path, self.max_bytes)

    def _retried(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return self._run(work)
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                    raise
                self._set_aside()
            return self._run(work)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._opened()
        try:
            with connection:
                return work(connection)
        except sqlite3.Error:
            # Its file may be gone or replaced; the next call finds out.
            self._close()
            raise

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and self._process != os.getpid():
            _inherited.append(self._connection)
            self._connection = None
        if self._connection is not None and _inode(self.path) != self._inode:
            # Else everything would go on, to and from a file that nobody sees any more.
            self._close()
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
            try:
                self._inode = _inode(self.path)
                _prepare(connection, self.path)
            except BaseException:
                connection.close()
                raise
            self._connection, self._process = connection, os.getpid()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None

    def _set_aside(self) -> None:
        """Move a damaged file of ours out of the way, unless another process has done so."""
        replaced = self._inode is not None and _inode(self.path) != self._inode
        if replaced:
            return
        with self.path.open("rb") as file:
            header = file.read(100)
        # A database that ends within its header holds nothing, whoever began it.
        is_stump = len(header) < 100 and header[:16] == _BEGINNING[: len(header)]
        if not is_stump and int.from_bytes(header[68:72], "big") != _APPLICATION:
            raise sqlite3.DatabaseError(
                f"{str(self.path)!r} is no file of scores and is left as it is; give another path"
            )
        aside = self.path.with_name(self.path.name + ".corrupt")
        self.path.replace(aside)
        for end in ("-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        _logger.warning("%s was damaged and is set aside as %s", self.path, aside.name)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # Switching does not wait for others as everything else does; whoever comes first, does it.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    # A power cut may cost the latest scores, never the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    if _is_ours(connection) and _has_table(connection):
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        known = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        if known and not _is_ours(connection):
            raise sqlite3.DatabaseError(
                f"{str(path)!r} is the database of something else; give another path"
            )
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        for statement in _SCHEMA:
            connection.execute(statement)


def _is_ours(connection: sqlite3.Connection) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return bool(application == _APPLICATION)


def _has_table(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name='scores'")
    return found.fetchone() is not None


def _inode(path: Path) -> int | None:
    """What tells the file at ``path`` from another one; None where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _get(connection: sqlite3.Connection, keys: Sequence[str]) -> list[bytes | None]:
    digests = [_digest(key) for key in keys]
    found: dict[bytes, bytes] = {}
    now, stale = int(time.time()), []
    for low in range(0, len(digests), _GROUP):
        group = digests[low : low + _GROUP]
        marks = ",".join("?" * len(group))
        rows = connection.execute(
            f"SELECT key, value, used FROM scores WHERE key IN ({marks})",  # noqa: S608 - only "?"
            group,
        )
        for key, value, used in rows:
            found[key] = value
            if not 0 <= now - used < _TOUCH_SECONDS:
                stale.append((now, key))
    # Reading must not fail where writing does.
    with suppress(sqlite3.OperationalError):
        connection.executemany("UPDATE scores SET used = ? WHERE key = ?", stale)
    return [found.get(digest) for digest in digests]


def _set(connection: sqlite3.Connection, items: Sequence[tuple[str, bytes]], most: int) -> None:
    now = int(time.time())
    rows = [(_digest(key), value, now) for key, value in items]
    connection.executemany(
        "INSERT OR REPLACE INTO scores (key, value, used) VALUES (?, ?, ?)", rows
    )
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    used = (pages - free) * size
    if used > most:
        (count,) = connection.execute("SELECT count(*) FROM scores").fetchone()
        # A tenth more than is needed, so that this is rare.
        excess = -(-count * (used - 0.9 * most) // used)
        connection.execute(
            "DELETE FROM scores WHERE id IN (SELECT id FROM scores ORDER BY used, id LIMIT ?)",
            (int(excess),),
        )


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
