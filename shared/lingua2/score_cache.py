"""Where packed scores are kept between processes: any of the stores that users already have."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from .scores import encoded

__all__ = ["ScoreCache", "is_score_cache", "open_score_cache", "score_key"]

_COLLECTION = "lingua2_scores"


@runtime_checkable
class ScoreCache(Protocol):
    """A store of packed scores. Safe to call from several threads at once.

    It may lose, mix up or damage what it holds: scores are checked before they are used. It may
    raise anything: then texts are scored without it.
    """

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """The value of each key, in order; None where there is none."""
        ...

    def set_many(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Keep values under their keys."""
        ...


def score_key(text: str, fingerprint: str) -> str:
    """The key of a text's scores in a cache: 64 hexadecimal digits."""
    digest = hashlib.blake2b(encoded(fingerprint), digest_size=32)
    digest.update(b"\0")
    digest.update(encoded(text))
    return digest.hexdigest()


def is_score_cache(value: object) -> bool:
    """Whether ``value`` can be given as ``score_cache``."""
    return (
        value is None
        or (isinstance(value, (str, Path)) and str(value) != "")
        or isinstance(value, ScoreCache)
        or _has(value, "mget", "mset")
        or _has(value, "get", "put")
    )


def open_score_cache(value: Any) -> ScoreCache | None:
    """What ``score_cache=value`` means.

    Args:
        value: None, the path of an SQLite file, a `ScoreCache`, a LangChain ``ByteStore`` or a
            LlamaIndex key-value store.
    """
    if value is None:
        return None
    if isinstance(value, (str, Path)):
        from .score_sqlite import SqliteScoreCache

        return SqliteScoreCache(value)
    if isinstance(value, ScoreCache):
        return value
    return _ByteStoreCache(value) if _has(value, "mget", "mset") else _KeyValueCache(value)


class _ByteStoreCache:
    """LangChain: ``mget(keys)`` and ``mset(pairs)`` with bytes."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        values: Sequence[bytes | None] = self._store.mget(list(keys))
        return values

    def set_many(self, items: Sequence[tuple[str, bytes]]) -> None:
        self._store.mset(list(items))


class _KeyValueCache:
    """LlamaIndex: ``get(key, collection)`` and ``put(key, value, collection)`` with dicts."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [_value(self._store.get(key, collection=_COLLECTION)) for key in keys]

    def set_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        for key, data in items:
            value = {"scores": base64.b64encode(data).decode("ascii")}
            self._store.put(key, value, collection=_COLLECTION)


def _value(entry: Any) -> bytes | None:
    if entry is None:
        return None
    packed = entry.get("scores") if isinstance(entry, dict) else None
    try:
        return base64.b64decode(packed or b"")
    # Damaged: an empty value is one that does not fit and counts as such.
    except (TypeError, ValueError):
        return b""


def _has(value: object, *names: str) -> bool:
    return all(callable(getattr(value, name, None)) for name in names)
