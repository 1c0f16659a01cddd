"""Caches of scores: SQLite, LangChain's and LlamaIndex's stores, and all that can go wrong."""

from __future__ import annotations

import logging
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.stores import InMemoryByteStore
from llama_index.core.storage.kvstore import SimpleKVStore

from lingua2 import Compressor
from lingua2.score_cache import ScoreCache, score_key
from lingua2.score_sqlite import SqliteScoreCache
from lingua2.score_store import ScoreStatistics, ScoreStore
from lingua2.scores import ScoredText, unscored
from samples import CHINESE, CODE, PROSE

SET = [PROSE, CHINESE, CODE]
ITEMS = [(f"key {i}", bytes([i]) * 100) for i in range(20)]
KEYS = [key for key, _ in ITEMS]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "scores.sqlite3"


@pytest.fixture(scope="module")
def expected(tiny_bert: Path) -> list[str]:
    return Compressor(tiny_bert).compress(SET, rate=0.4).texts


class DictCache:
    """The smallest cache that there is."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.values.get(key) for key in keys]

    def set_many(self, items: Sequence[tuple[str, bytes]]) -> None:
        self.values.update(items)


# --- every kind of cache


@pytest.mark.parametrize("kind", ["path", "string", "ours", "langchain", "llamaindex"])
def test_what_one_compressor_computed_another_one_finds(
    tiny_bert: Path, file: Path, expected: list[str], kind: str
) -> None:
    cache: Any = {
        "path": file,
        "string": str(file),
        "ours": DictCache(),
        "langchain": InMemoryByteStore(),
        "llamaindex": SimpleKVStore(),
    }[kind]
    first = Compressor(tiny_bert, score_cache=cache)
    assert first.compress(SET, rate=0.4).texts == expected
    assert first.score_statistics == ScoreStatistics(computed=3)
    second = Compressor(tiny_bert, score_cache=cache)
    assert second.compress(SET, rate=0.4).texts == expected
    assert second.score_statistics == ScoreStatistics(from_cache=3)
    assert second._encoder is None


def test_streams_are_cached_too(tiny_bert: Path) -> None:
    cache = DictCache()
    packed = list(Compressor(tiny_bert, score_cache=cache).pack(iter(SET)))
    again = Compressor(tiny_bert, score_cache=cache)
    assert list(again.pack(iter(SET))) == packed == list(cache.values.values())
    assert again.score_statistics == ScoreStatistics(from_cache=3)


def test_the_memory_comes_before_the_cache(tiny_bert: Path) -> None:
    compressor = Compressor(tiny_bert, score_cache=DictCache())
    compressor.score(SET)
    compressor.score(SET)
    assert compressor.score_statistics == ScoreStatistics(computed=3, from_memory=3)


def some_scores(texts: list[str]) -> list[ScoredText]:
    return [unscored(text) for text in texts]


def test_threads_that_want_the_same_texts_have_them_scored_once() -> None:
    texts = [f"text {i}" for i in range(30)]
    store, together, scored = ScoreStore(None, 1_000_000), threading.Barrier(8), []

    def score(missing: list[str]) -> list[ScoredText]:
        scored.extend(missing)
        time.sleep(0.05)
        return some_scores(missing)

    def work(number: int) -> list[str]:
        own = texts[number:] + texts[:number]
        together.wait()
        found = store.find(own, [], None)
        found |= store.compute([text for text in own if text not in found], score, None)
        return [found[text].text for text in texts]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [texts] * 8
    assert sorted(scored) == sorted(texts)
    assert store.statistics == ScoreStatistics(computed=30, from_memory=210)


@pytest.mark.parametrize("memory", [0, 1_000_000])
def test_a_text_that_another_thread_could_not_score_is_scored_here(memory: int) -> None:
    store, begun, waited = ScoreStore(None, memory), threading.Event(), threading.Event()

    def fail(missing: list[str]) -> list[ScoredText]:
        begun.set()
        assert waited.wait(10)
        raise MemoryError

    def second() -> dict[str, ScoredText]:
        assert begun.wait(10)
        # Gives the other thread leave to fail while this one is waiting for it, or about to.
        threading.Timer(0.05, waited.set).start()
        return store.compute(["one", "two"], some_scores, None)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.compute, ["one"], fail, None)
        assert sorted(pool.submit(second).result()) == ["one", "two"]
        with pytest.raises(MemoryError):
            first.result()
    assert store.statistics == ScoreStatistics(computed=2)


def test_compressors_score_through_the_store(tiny_bert: Path) -> None:
    compressor = Compressor(tiny_bert).load()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(compressor.score, [SET] * 8))
    assert compressor.score_statistics == ScoreStatistics(computed=3, from_memory=21)


def test_keys_tell_texts_and_fingerprints_apart() -> None:
    pairs = [("a", "b"), ("ab", ""), ("", "ab"), ("b", "a"), ("\ud800", "b")]
    keys = {score_key(text, fingerprint) for text, fingerprint in pairs}
    assert len(keys) == len(pairs)
    assert all(len(key) == 64 and key.isalnum() for key in keys)


@pytest.mark.parametrize("damage", ["swap", "flip", "cut", "type", "other"])
def test_a_cache_that_lies_changes_nothing(
    tiny_bert: Path, expected: list[str], damage: str
) -> None:
    cache = DictCache()
    Compressor(tiny_bert, score_cache=cache).score(SET)
    values = list(cache.values.values())
    worse: dict[str, list[Any]] = {
        "swap": values[::-1],
        "flip": [value[:-1] + bytes([value[-1] ^ 4]) for value in values],
        "cut": [value[:30] for value in values],
        "type": [7, {"a": 1}, ["b"]],
        "other": [b"", b"something else", "text"],
    }
    cache.values = dict(zip(cache.values, worse[damage], strict=True))
    compressor = Compressor(tiny_bert, score_cache=cache)
    assert compressor.compress(SET, rate=0.4).texts == expected
    known = compressor.score_statistics
    # Swapped around, the one in the middle stays.
    assert (known.ignored, known.computed) == ((2, 2) if damage == "swap" else (3, 3))
    assert [*cache.values.values()] == values


class Failing(DictCache):
    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        raise ConnectionError("the server is away")

    def set_many(self, items: Sequence[tuple[str, bytes]]) -> None:
        raise OSError("no space left on device")


class Short(DictCache):
    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return []


def test_a_cache_that_fails_costs_time_and_is_reported_once(
    tiny_bert: Path, expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    compressor = Compressor(tiny_bert, score_cache=Failing(), score_memory=0)
    for _ in range(3):
        assert compressor.compress(SET, rate=0.4).texts == expected
    assert compressor.score_statistics == ScoreStatistics(computed=9, cache_errors=6)
    assert caplog.text.count("ConnectionError: the server is away") == 1
    assert Compressor(tiny_bert, score_cache=Short()).compress(SET, rate=0.4).texts == expected


def test_damaged_values_of_a_key_value_store_are_ignored(
    tiny_bert: Path, expected: list[str]
) -> None:
    store = SimpleKVStore()
    Compressor(tiny_bert, score_cache=store).score(SET)
    keys = list(store.get_all(collection="lingua2_scores"))
    for key, value in zip(keys, [{"scores": "%"}, {"scores": 7}, {"else": ""}], strict=True):
        store.put(key, value, collection="lingua2_scores")
    compressor = Compressor(tiny_bert, score_cache=store)
    assert compressor.compress(SET, rate=0.4).texts == expected
    assert compressor.score_statistics == ScoreStatistics(computed=3, ignored=3)


# --- the SQLite file


def test_values_come_back_in_the_order_of_the_keys(file: Path) -> None:
    cache = SqliteScoreCache(file)
    assert isinstance(cache, ScoreCache)
    cache.set_many(ITEMS)
    wanted = [*KEYS[::-1], "unknown", *KEYS * 60]
    values = dict(ITEMS)
    assert cache.get_many(wanted) == [values.get(key) for key in wanted]
    cache.set_many([(KEYS[0], b"new")])
    assert SqliteScoreCache(file).get_many(KEYS[:2]) == [b"new", ITEMS[1][1]]
    assert cache.get_many([]) == []


def test_the_file_stays_within_its_bound_and_keeps_what_was_used(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000_000.0]
    monkeypatch.setattr("lingua2.score_sqlite.time.time", lambda: clock[0])
    cache = SqliteScoreCache(file, max_bytes=500_000)
    cache.set_many([("loved", b"x" * 1000)])
    for group in range(30):
        clock[0] += 2 * 3600
        cache.set_many([(f"{group} {i}", b"x" * 1000) for i in range(40)])
        assert cache.get_many(["loved"]) == [b"x" * 1000]
    kept = [group for group in range(30) if cache.get_many([f"{group} 1"]) != [None]]
    assert kept == list(range(kept[0], 30))
    assert 5 < len(kept) < 15
    cache.close()
    assert file.stat().st_size < 600_000


def test_a_directory_gets_a_file(tmp_path: Path) -> None:
    cache = SqliteScoreCache(tmp_path)
    cache.set_many(ITEMS)
    assert (tmp_path / "scores.sqlite3").is_file()
    restored = pickle.loads(pickle.dumps(cache))  # noqa: S301 - our own
    assert restored.get_many(KEYS) == [value for _, value in ITEMS]


def test_threads_share_a_cache(file: Path) -> None:
    cache = SqliteScoreCache(file)

    def work(number: int) -> bool:
        own = [(f"{number} {key}", value) for key, value in ITEMS]
        cache.set_many(own)
        return cache.get_many([key for key, _ in own]) == [value for _, value in own]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))


WRITER = """
import sys
from lingua2.score_sqlite import SqliteScoreCache
cache = SqliteScoreCache(sys.argv[1])
for i in range(50):
    cache.set_many([(f"{sys.argv[2]} {i}", b"x" * 200), ("shared", b"y" * 200)])
    assert cache.get_many([f"{sys.argv[2]} {i}", "shared"]) == [b"x" * 200, b"y" * 200]
"""


def test_processes_share_a_file_from_the_first_moment(file: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(file)]
    running = [
        subprocess.Popen([*command, str(i)], stderr=subprocess.PIPE, text=True) for i in range(4)
    ]
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    keys = [f"{number} {i}" for number in range(4) for i in range(50)]
    assert None not in SqliteScoreCache(file).get_many([*keys, "shared"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_opens_the_file_itself(file: Path) -> None:
    cache = SqliteScoreCache(file)
    cache.set_many(ITEMS)
    child = os.fork()
    if not child:
        right = cache.get_many(KEYS) == [value for _, value in ITEMS]
        cache.set_many([("of the child", b"1")])
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.get_many(["of the child", KEYS[3]]) == [b"1", ITEMS[3][1]]


# --- files that are damaged, foreign, locked, read-only or gone


def filled(tiny_bert: Path, file: Path) -> None:
    cache = SqliteScoreCache(file)
    Compressor(tiny_bert, score_cache=cache).score(SET)
    cache.set_many([(f"{i}", b"z" * 300) for i in range(300)])
    cache.close()


@pytest.mark.parametrize("damage", ["pages", "truncated"])
def test_a_damaged_file_is_set_aside_and_begun_anew(
    tiny_bert: Path,
    file: Path,
    expected: list[str],
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    filled(tiny_bert, file)
    data = bytearray(file.read_bytes())
    data[100:] = b"\xff" * (len(data) - 100)
    file.write_bytes(data if damage == "pages" else data[:5000])
    for computed in (3, 0):
        compressor = Compressor(tiny_bert, score_cache=file)
        assert compressor.compress(SET, rate=0.4).texts == expected
        assert compressor.score_statistics.computed == computed
    assert file.with_name("scores.sqlite3.corrupt").is_file()
    assert caplog.text.count("was damaged and is set aside") == 1


def test_any_flipped_byte_of_the_file_changes_no_result(
    tiny_bert: Path, file: Path, expected: list[str]
) -> None:
    filled(tiny_bert, file)
    data = file.read_bytes()
    for position in range(0, len(data), len(data) // 40):
        for leftover in file.parent.iterdir():
            leftover.unlink()
        file.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        cache = SqliteScoreCache(file)
        assert Compressor(tiny_bert, score_cache=cache).compress(SET, rate=0.4).texts == expected
        cache.close()


@pytest.mark.parametrize("kind", ["text", "database"])
def test_somebody_elses_file_is_left_alone(
    tiny_bert: Path,
    file: Path,
    expected: list[str],
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file.parent.mkdir()
    if kind == "text":
        file.write_text("notes that nobody wants to lose. " * 100)
    else:
        other = sqlite3.connect(file)
        other.execute("CREATE TABLE scores (player TEXT, points INTEGER)")
        other.execute("INSERT INTO scores VALUES ('Ada', 3)")
        other.commit()
        other.close()
    content = Path(file).read_bytes()
    compressor = Compressor(tiny_bert, score_cache=file)
    assert compressor.compress(SET, rate=0.4).texts == expected
    assert compressor.score_statistics.cache_errors == 2
    assert "give another path" in caplog.text
    if kind == "text":
        assert file.read_bytes() == content
    else:
        other = sqlite3.connect(file)
        assert other.execute("SELECT * FROM scores").fetchall() == [("Ada", 3)]
        other.close()


def test_a_read_only_file_can_be_read(
    tiny_bert: Path, file: Path, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tiny_bert, file)
    connect = sqlite3.connect
    # Permissions do not bind whoever runs tests as root.
    monkeypatch.setattr(
        "lingua2.score_sqlite.sqlite3.connect",
        lambda path, **kwargs: connect(f"file:{path}?mode=ro", uri=True, **kwargs),
    )
    monkeypatch.setattr("lingua2.score_sqlite.time.time", lambda: 4e9)
    compressor = Compressor(tiny_bert, score_cache=file)
    assert compressor.compress(SET, rate=0.4).texts == expected
    assert compressor.score_statistics == ScoreStatistics(from_cache=3)
    compressor.score(["something new"])
    assert compressor.score_statistics.cache_errors == 1


def test_a_directory_that_cannot_be_made_costs_no_result(
    tiny_bert: Path, tmp_path: Path, expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    compressor = Compressor(tiny_bert, score_cache=tmp_path / "file" / "scores.sqlite3")
    assert compressor.compress(SET, rate=0.4).texts == expected
    assert compressor.score_statistics == ScoreStatistics(computed=3, cache_errors=2)
    assert caplog.text.count("score_cache failed") == 1
    nul = Compressor(tiny_bert, score_cache="nul\0byte")
    assert nul.compress(SET, rate=0.4).texts == expected


def test_a_directory_that_vanishes_costs_no_result(
    tiny_bert: Path, file: Path, expected: list[str]
) -> None:
    compressor = Compressor(tiny_bert, score_cache=file, score_memory=0)
    compressor.score(SET)
    for leftover in file.parent.iterdir():
        leftover.unlink()
    file.parent.rmdir()
    for _ in range(3):
        assert compressor.compress(SET, rate=0.4).texts == expected


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_deleted_while_it_is_open_is_begun_anew(file: Path, replaced: bool) -> None:
    cache = SqliteScoreCache(file)
    cache.set_many(ITEMS)
    for leftover in file.parent.iterdir():
        leftover.unlink()
    if replaced:
        other = SqliteScoreCache(file)
        other.set_many([("of another process", b"1")])
        other.close()
    cache.set_many(ITEMS[:2])
    found = SqliteScoreCache(file).get_many([*KEYS[:3], "of another process"])
    assert found == [ITEMS[0][1], ITEMS[1][1], None, b"1" if replaced else None]
    assert cache.get_many(KEYS[:1]) == [ITEMS[0][1]]


def test_a_file_of_ours_without_its_table_gets_one(file: Path) -> None:
    cache = SqliteScoreCache(file)
    cache.set_many(ITEMS)
    cache.close()
    other = sqlite3.connect(file)
    other.execute("DROP TABLE scores")
    other.commit()
    other.close()
    cache.set_many(ITEMS[:1])
    assert SqliteScoreCache(file).get_many(KEYS[:2]) == [ITEMS[0][1], None]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 50, 71, 72, 99, 100, 511])
def test_a_file_that_ends_within_its_header_is_begun_anew(file: Path, size: int) -> None:
    cache = SqliteScoreCache(file)
    cache.set_many(ITEMS)
    cache.close()
    stump = file.read_bytes()[:size]
    file.write_bytes(stump)
    cache.set_many(ITEMS[:1])
    assert SqliteScoreCache(file).get_many(KEYS[:1]) == [ITEMS[0][1]]
    # SQLite takes a file of one byte for an empty one.
    if size > 1:
        assert file.with_name("scores.sqlite3.corrupt").read_bytes() == stump


@pytest.mark.parametrize("content", ["SQLite is a library", "S!", "notes"])
def test_a_short_file_of_somebody_else_is_left_alone(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(sqlite3.DatabaseError, match="left as it is"):
        SqliteScoreCache(file).get_many(KEYS)
    assert file.read_text() == content
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_another_process_holds_is_not_waited_for_long(
    tiny_bert: Path, file: Path, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lingua2.score_sqlite._BUSY_SECONDS", 0.05)
    filled(tiny_bert, file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    compressor = Compressor(tiny_bert, score_cache=file)
    assert compressor.compress(SET, rate=0.4).texts == expected
    assert compressor.score_statistics == ScoreStatistics(from_cache=3)
    compressor.score(["something new"])
    assert compressor.score_statistics.cache_errors == 1
    other.execute("ROLLBACK")
    other.close()
    compressor.score(["something newer"])
    assert compressor.score_statistics.cache_errors == 1


def test_nothing_is_reported_where_all_is_well(
    tiny_bert: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            Compressor(tiny_bert, score_cache=file).score(SET)
    assert not caplog.records
