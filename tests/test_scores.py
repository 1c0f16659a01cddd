"""Stored scores: packed, checked, and as good as computed ones."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua2 import Compressor, InputError, ModelLoadError, OptionError, score_memory, scores
from lingua2.fingerprint import fingerprint
from lingua2.model_options import ModelOptions
from lingua2.score_memory import RecentScores
from lingua2.score_store import ScoreStatistics
from lingua2.scores import (
    ScoredText,
    pack_scores,
    packed_text,
    quantised,
    unpack_all,
    unpack_scores,
)
from lingua2.text import has_unspaced, split_units
from samples import AWKWARD, CHINESE, CODE, JAPANESE, MANY_KINDS, PROSE, texts

SET = [PROSE, CHINESE, CODE]
MARK = "a fingerprint"


@pytest.fixture
def tiny(tiny_bert: Path) -> Compressor:
    return Compressor(tiny_bert)


@pytest.fixture
def copied(tiny_bert: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bert, tmp_path / "model")


class Watched:
    """An encoder that notes what it was asked for."""

    def __init__(self, compressor: Compressor) -> None:
        self.inner = compressor._loaded_encoder()
        self.calls: list[list[str]] = []
        compressor._encoder = self  # type: ignore[assignment]

    def score(self, texts: Sequence[str]) -> list[ScoredText]:
        self.calls.append(list(texts))
        return self.inner.score(texts)


def made_up(text: str, seed: int = 0, same: float = 0.7) -> ScoredText:
    """Random scores of ``text`` on units that a tokenizer might have cut."""
    random = np.random.default_rng(seed)
    pieces = np.flatnonzero(random.random(len(text)) < 0.6) if has_unspaced(text) else None
    units = split_units(text, pieces)
    mean, other = random.random(len(units)), random.random(len(units))
    first = np.where(random.random(len(units)) < same, mean, other)
    return ScoredText(text, units, quantised(mean), quantised(first))


def assert_same(found: ScoredText | None, expected: ScoredText) -> None:
    assert found is not None
    assert found.text == expected.text
    for got, wanted in (
        (found.units.starts, expected.units.starts),
        (found.units.ends, expected.units.ends),
        (found.mean, expected.mean),
        (found.first, expected.first),
    ):
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


# --- the packed form


@settings(max_examples=200)
@given(text=texts, seed=st.integers(0, 9), same=st.sampled_from([0.0, 0.7, 1.0]))
def test_what_was_packed_comes_out_again(text: str, seed: int, same: float) -> None:
    scored = made_up(text, seed, same)
    packed = pack_scores(scored, MARK)
    assert_same(unpack_scores(packed, text, MARK), scored)
    assert_same(unpack_scores(packed_text(packed), text, MARK), scored)


@pytest.mark.parametrize("text", [*MANY_KINDS.values(), *AWKWARD.values()])
def test_a_models_scores_come_out_again(compressor: Compressor, text: str) -> None:
    (scored,) = compressor.score([text])
    assert_same(unpack_scores(pack_scores(scored, MARK), text, MARK), scored)


def test_units_that_are_far_apart_come_out_again() -> None:
    text = CHINESE + " word" * 5000 + JAPANESE
    scored = made_up(text)
    assert_same(unpack_scores(pack_scores(scored, MARK), text, MARK), scored)


def test_packed_scores_are_about_a_byte_a_unit(compressor: Compressor) -> None:
    (scored,) = compressor.score([PROSE * 10])
    assert len(pack_scores(scored, MARK)) <= 1.45 * len(scored.units)
    (scored,) = compressor.score([CHINESE * 10])
    assert len(pack_scores(scored, MARK)) <= 1.65 * len(scored.units) + 24


def test_scores_of_another_text_or_model_are_not_used() -> None:
    packed = pack_scores(made_up(PROSE), MARK)
    assert unpack_scores(packed, PROSE + " ", MARK) is None
    assert unpack_scores(packed, PROSE, "another fingerprint") is None


@pytest.mark.parametrize("text", [PROSE, CHINESE])
def test_every_flipped_bit_is_noticed(text: str) -> None:
    packed = pack_scores(made_up(text), MARK)
    for position in range(len(packed)):
        for bit in range(8):
            damaged = bytearray(packed)
            damaged[position] ^= 1 << bit
            assert unpack_scores(bytes(damaged), text, MARK) is None


@pytest.mark.parametrize("text", [PROSE, CHINESE, ""])
def test_truncated_and_extended_scores_are_noticed(text: str) -> None:
    packed = pack_scores(made_up(text), MARK)
    for size in range(len(packed)):
        assert unpack_scores(packed[:size], text, MARK) is None
    assert unpack_scores(packed + b"\0", text, MARK) is None


@settings(max_examples=200)
@given(
    data=st.binary(max_size=80) | st.text(max_size=80) | st.none() | st.integers(),
    text=st.sampled_from(SET),
)
def test_foreign_data_is_no_scores(data: Any, text: str) -> None:
    assert unpack_scores(data, text, MARK) is None
    if isinstance(data, bytes):
        assert unpack_scores(packed_text(data), text, MARK) is None


@settings(max_examples=200)
@given(body=st.binary(max_size=80), flags=st.integers(0, 255), text=st.sampled_from(SET))
def test_data_that_was_signed_by_somebody_else_raises_nothing(
    body: bytes, flags: int, text: str
) -> None:
    header = b"L2\x01" + bytes([flags])
    found = unpack_scores(header + scores._digest(header, body, text, MARK) + body, text, MARK)
    if found is not None:
        assert len(found.mean) == len(found.first) == len(found.units)


@given(rows=st.lists(st.tuples(texts, st.sampled_from([0.0, 0.7, 1.0]), st.booleans()), max_size=6))
def test_many_texts_come_out_as_each_does_alone(rows: list[tuple[str, float, bool]]) -> None:
    made = [made_up(text, seed, same) for seed, (text, same, _) in enumerate(rows)]
    packed = [
        pack_scores(own, MARK)[: -1 if damaged else None]
        for own, (*_, damaged) in zip(made, rows, strict=True)
    ]
    found = unpack_all([(own.text, data) for own, data in zip(made, packed, strict=True)], MARK)
    for own, data, got in zip(made, packed, found, strict=True):
        alone = unpack_scores(data, own.text, MARK)
        assert (got is None) == (alone is None)
        if got is not None:
            assert_same(got, own)


@pytest.mark.parametrize("cut", [0, 2, 4, 5, 9, 10, 11, 40])
def test_cuts_where_none_can_be_spoil_one_text_only(cut: int) -> None:
    text = "some after"
    body = b"\1\0\0\0" + bytes([cut]) + b"\x80" * 3
    header = b"L2\x01\0"
    bad = header + scores._digest(header, body, text, MARK) + body
    good = made_up(PROSE)
    pairs = [(PROSE, pack_scores(good, MARK)), (text, bad), (PROSE, pack_scores(good, MARK))]
    before, spoilt, after = unpack_all(pairs, MARK)
    assert_same(before, good)
    assert_same(after, good)
    assert (spoilt is not None) == (cut in (2, 9))


def test_unpacked_scores_share_no_memory_and_cannot_be_written_to() -> None:
    made = [made_up(PROSE), made_up(CODE)]
    found = unpack_all([(own.text, pack_scores(own, MARK)) for own in made], MARK)
    for own in found:
        assert own is not None
        for array in (own.mean, own.first, own.units.starts, own.units.ends):
            assert array.base is None
        assert not own.mean.flags.writeable
        assert not own.first.flags.writeable


def test_what_is_no_number_counts_as_zero() -> None:
    levels = quantised(np.array([np.nan, -1.0, 0.2, 2.0]))
    assert levels.tolist() == pytest.approx([0.0, 0.0, 0.2, 1.0])


# --- compressing with them


@pytest.mark.parametrize("as_string", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_stored_scores_give_what_computing_gives(
    tiny_bert: Path, as_string: bool, pooling: Any
) -> None:
    packed = list(Compressor(tiny_bert).pack(SET))
    stored: list[Any] = [packed_text(data) for data in packed] if as_string else packed
    query = Compressor(tiny_bert)
    result = query.compress(SET, rate=0.4, scores=stored, token_to_word=pooling)
    fresh = Compressor(tiny_bert).compress(SET, rate=0.4, token_to_word=pooling)
    assert (result.texts, result.words) == (fresh.texts, fresh.words)
    assert query._encoder is None
    assert query.score_statistics == ScoreStatistics(from_documents=3)


@pytest.mark.parametrize(
    "bad", [b"", b"L2\x01", "not base64!", "QUJD", 17, {"scores": 1}, float("nan")], ids=repr
)
def test_unusable_scores_are_ignored_counted_and_logged_once(
    tiny_bert: Path, caplog: pytest.LogCaptureFixture, bad: Any
) -> None:
    compressor, fresh = Compressor(tiny_bert), Compressor(tiny_bert)
    (good,) = compressor.pack([PROSE])
    for rate in (0.3, 0.4):
        result = compressor.compress([PROSE, *SET[1:]], rate=rate, scores=[good, bad, bad])
        assert result.texts == fresh.compress(SET, rate=rate).texts
    assert compressor.score_statistics.ignored == 2
    assert caplog.text.count("stored scores were damaged") == 1


def test_scores_of_another_checkpoint_are_stale(tiny: Compressor, compressor: Compressor) -> None:
    foreign = list(compressor.pack(SET))
    expected = tiny.score(SET)
    fresh = Compressor(tiny._model_options.model_name)
    result = fresh.compress(SET, rate=0.5, scores=foreign)
    assert fresh.score_statistics == ScoreStatistics(computed=3, ignored=3)
    assert [word.probability for word in (result.words or [])[0]] == expected[0].mean.tolist()


def test_only_what_is_missing_is_computed_in_one_call(tiny: Compressor) -> None:
    (packed,) = Compressor(tiny._model_options.model_name).pack([PROSE])
    watched = Watched(tiny)
    tiny.compress([CODE, PROSE, CHINESE, CODE], rate=0.5, scores=[None, packed, None, None])
    assert watched.calls == [[CODE, CHINESE]]


def test_one_valid_copy_is_enough_for_a_text_that_occurs_twice(tiny: Compressor) -> None:
    (packed,) = Compressor(tiny._model_options.model_name).pack([PROSE])
    tiny.compress([PROSE, PROSE], rate=0.5, scores=[b"damaged", packed])
    assert tiny.score_statistics == ScoreStatistics(from_documents=1, ignored=1)


@pytest.mark.parametrize(
    ("given_scores", "message"),
    [
        ([None], "scores has 1 entries for 3 texts"),
        ("text", "scores is a str"),
        (b"bytes", "scores is a bytes"),
        (7, "scores is a int"),
    ],
)
def test_scores_must_come_one_per_text(tiny: Compressor, given_scores: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny.compress(SET, rate=0.5, scores=given_scores)


async def test_the_asynchronous_call_takes_scores(tiny: Compressor) -> None:
    packed = list(Compressor(tiny._model_options.model_name).pack(SET))
    result = await tiny.acompress(SET, rate=0.4, scores=packed)
    assert result.texts == tiny.compress(SET, rate=0.4).texts
    assert tiny.score_statistics.from_documents == 3


# --- in memory


def test_recent_texts_are_not_scored_again(tiny: Compressor) -> None:
    watched = Watched(tiny)
    first = tiny.compress(SET, target_token=60)
    again = tiny.compress([*SET, PROSE + " More.", PROSE], target_token=60)
    assert watched.calls == [SET, [PROSE + " More."]]
    assert tiny.score_statistics == ScoreStatistics(computed=4, from_memory=3)
    assert tiny.compress(SET, target_token=60).words == first.words
    assert max(first.compressed_tokens, again.compressed_tokens) <= 60


def test_memory_can_be_switched_off(tiny_bert: Path) -> None:
    compressor = Compressor(tiny_bert, score_memory=0)
    compressor.score(SET)
    compressor.score(SET)
    assert compressor.score_statistics == ScoreStatistics(computed=6)


def test_the_least_recently_used_text_makes_room() -> None:
    scored = [made_up(f"{i} {PROSE}") for i in range(4)]
    recent = RecentScores(3 * score_memory._weight(scored[0]))
    for item in scored[:3]:
        recent.add(item)
    assert recent.get(scored[0].text) is scored[0]
    recent.add(scored[3])
    assert [recent.get(item.text) is not None for item in scored] == [True, False, True, True]


def test_a_text_that_is_larger_than_the_bound_drives_nothing_out() -> None:
    recent, small = RecentScores(5000), made_up(PROSE)
    recent.add(small)
    recent.add(made_up(PROSE * 100))
    recent.add(small)
    assert len(recent) == 1
    recent.clear()
    assert recent.get(PROSE) is None


def test_threads_that_ask_for_the_same_texts_agree(tiny: Compressor) -> None:
    tiny.load()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: tiny.compress(SET, rate=0.4).texts, range(24)))
    assert all(result == results[0] for result in results)
    known = tiny.score_statistics
    assert known.computed + known.from_memory == 24 * len(SET)


def test_a_model_that_may_go_on_changing_is_asked_every_time(tiny: Compressor) -> None:
    around = Compressor.with_encoder(tiny._loaded_encoder())
    around.score(SET)
    around.score(SET)
    assert around.score_statistics == ScoreStatistics(computed=6)
    with pytest.raises(ModelLoadError, match="in memory only has no fingerprint"):
        _ = around.fingerprint
    packed = list(tiny.pack(SET))
    assert around.compress(SET, rate=0.4, scores=packed).texts == tiny.compress(SET, rate=0.4).texts
    assert around.score_statistics.from_documents == 0


# --- streams


def test_a_stream_is_read_as_it_is_used(tiny: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lingua2._checks._GROUP_CHARACTERS", 1000)
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"{taken} {PROSE}"

    stream = tiny.pack(endless())
    assert taken == 0
    for number in range(1, 8):
        text = f"{number} {PROSE}"
        assert unpack_scores(next(stream), text, tiny.fingerprint) is not None
    assert taken <= 12
    assert tiny.score_statistics.computed == taken


def test_a_stream_gives_the_scores_of_every_text_in_order(tiny: Compressor) -> None:
    stream = tiny.score_stream(iter([*SET, PROSE, ""]), progress=True)
    assert [scored.text for scored in stream] == [*SET, PROSE, ""]
    assert list(tiny.pack([])) == []


def test_a_stream_leaves_the_recent_texts_in_memory(tiny: Compressor) -> None:
    tiny.score([PROSE])
    list(tiny.pack([CODE, PROSE]))
    tiny.score([CODE])
    assert tiny.score_statistics == ScoreStatistics(computed=3, from_memory=1)


def test_what_is_no_stream_of_texts_is_refused(tiny: Compressor) -> None:
    with pytest.raises(InputError, match="one str"):
        tiny.pack(PROSE)
    with pytest.raises(InputError, match=r"texts\[1\] is a int"):
        list(tiny.pack([PROSE, 7]))  # type: ignore[list-item]


# --- the fingerprint


def test_a_fingerprint_is_that_of_the_files_wherever_they_lie(
    tiny_bert: Path, copied: Path
) -> None:
    expected = Compressor(tiny_bert).fingerprint
    (copied / "README.md").write_text("Nothing that a score depends on.")
    assert Compressor(copied).fingerprint == Compressor(str(copied)).fingerprint == expected
    assert Compressor(copied, device_map="cpu", max_batch_tokens=64).fingerprint == expected
    assert len(expected) == 32
    assert set(expected) <= set("0123456789abcdef")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_every_file_that_matters_changes_the_fingerprint(
    tiny_bert: Path, copied: Path, name: str
) -> None:
    data = (copied / name).read_bytes()
    (copied / name).write_bytes(
        data[:-1] + bytes([data[-1] ^ 1]) if name[0] == "m" else data + b" "
    )
    assert fingerprint(ModelOptions(model_name=copied)) != fingerprint(
        ModelOptions(model_name=tiny_bert)
    )


def test_another_way_of_scoring_changes_the_fingerprint(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ModelOptions(model_name=tiny_bert)
    before = fingerprint(options)
    monkeypatch.setattr("lingua2.fingerprint.UNITS_VERSION", 1_000)
    assert fingerprint(options) != before


def test_window_and_precision_change_the_fingerprint(tiny_bert: Path) -> None:
    known = {
        fingerprint(ModelOptions(model_name=tiny_bert, max_length=length), precision)
        for length in (128, 512)
        for precision in ("fp32", "int8", "bf16")
    }
    assert len(known) == 6


def test_every_shard_of_the_weights_counts(copied: Path) -> None:
    shards = ["a.safetensors", "b.safetensors"]
    (copied / "model.safetensors").rename(copied / shards[0])
    (copied / shards[1]).write_bytes(b"1")
    index = {"weight_map": {"x": shards[0], "y": shards[1]}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    before = fingerprint(ModelOptions(model_name=copied))
    (copied / shards[1]).write_bytes(b"2")
    assert fingerprint(ModelOptions(model_name=copied)) != before
    (copied / shards[1]).unlink()
    with pytest.raises(ModelLoadError, match=r"cannot be read.*FileNotFoundError"):
        fingerprint(ModelOptions(model_name=copied))


def test_a_hub_model_has_the_fingerprint_of_its_files(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    options = ModelOptions(model_name="some-org/tiny")
    assert fingerprint(options) is None
    repository = tmp_path / "models--some-org--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(tiny_bert, repository / "snapshots" / ("0" * 40))
    assert fingerprint(options) == fingerprint(ModelOptions(model_name=tiny_bert))


def test_scores_of_replaced_files_are_never_mixed(copied: Path) -> None:
    compressor = Compressor(copied)
    before, packed = compressor.fingerprint, list(Compressor(copied).pack(SET))
    compressor.compress(SET, target_token=60, scores=packed)
    edit(copied)
    # What was stored still belongs to the files as they were; loading shows that they changed.
    compressor.compress([*SET, "One more text."], target_token=60, scores=[*packed, None])
    assert compressor.fingerprint == Compressor(copied).fingerprint != before
    assert compressor.score_statistics.computed == 4


def test_weights_that_were_replaced_after_loading_have_no_fingerprint(
    copied: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compressor = Compressor(copied).load()
    packed = list(Compressor(copied).pack(SET))
    edit(copied)
    with pytest.raises(ModelLoadError, match="changed after they were loaded"):
        _ = compressor.fingerprint
    assert compressor.compress(SET, rate=0.5, scores=packed).texts
    assert compressor.score_statistics == ScoreStatistics(computed=3)
    assert "stored scores are not used" in caplog.text


def edit(path: Path) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"note": "changed"}))


# --- processes that only use stored scores

QUERY = """
import importlib.machinery, json, sys

find = importlib.machinery.PathFinder.find_spec

def not_installed(name, path=None, target=None):
    missing = name.split(".")[0] in ("torch", "transformers", "tokenizers")
    return None if missing else find(name, path, target)

importlib.machinery.PathFinder.find_spec = not_installed
from lingua2 import Compressor

model, texts, scores, cache = json.loads(sys.stdin.read())
result = Compressor(model, score_cache=cache).compress(texts, target_token=60, scores=scores)
assert not {"torch", "transformers", "tokenizers"} & set(sys.modules)
print(json.dumps(result.texts))
"""


@pytest.mark.parametrize("where", ["documents", "cache"])
def test_with_everything_stored_neither_torch_nor_tokenizers_are_needed(
    compressor: Compressor, tmp_path: Path, where: str
) -> None:
    cache, stored = None, None
    if where == "cache":
        cache = str(tmp_path / "scores.sqlite3")
        list(Compressor(score_cache=cache).pack(SET))
    else:
        stored = [packed_text(data) for data in compressor.pack(SET)]
    done = subprocess.run(
        [sys.executable, "-c", QUERY],
        input=json.dumps([None, SET, stored, cache]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == compressor.compress(SET, target_token=60).texts


# --- options


def test_copies_and_pickles_keep_cache_and_memory(tiny_bert: Path, tmp_path: Path) -> None:
    compressor = Compressor(tiny_bert, score_cache=tmp_path / "x", score_memory=5, rate=0.5)
    assert copy.deepcopy(compressor) is compressor
    restored = pickle.loads(pickle.dumps(compressor))  # noqa: S301 - our own
    assert restored._model_options == compressor._model_options
    assert restored.fingerprint == compressor.fingerprint


def test_a_cache_that_cannot_be_pickled_says_so(tiny_bert: Path) -> None:
    class Local:
        def get_many(self, keys: Sequence[str]) -> list[None]:
            return [None] * len(keys)

        def set_many(self, items: Sequence[tuple[str, bytes]]) -> None:
            pass

    with pytest.raises((AttributeError, pickle.PicklingError), match="Local"):
        pickle.dumps(Compressor(tiny_bert, score_cache=Local()))


@pytest.mark.parametrize("bad", [7, "", 3.5, ["a"], b"path"], ids=repr)
def test_what_is_no_cache_is_refused(bad: Any) -> None:
    with pytest.raises(OptionError, match="score_cache: expected a path, a store with mget"):
        Compressor(score_cache=bad)


@pytest.mark.parametrize("bad", [-1, True, "many"])
def test_the_memorys_bound_is_a_number_of_bytes(bad: Any) -> None:
    with pytest.raises(OptionError, match="score_memory"):
        Compressor(score_memory=bad)
