"""Stored sentence vectors: packed, checked, and as good as computed ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2 import (
    Compressor,
    EmbeddingStatistics,
    InputError,
    OptionError,
    RelevanceError,
    RelevanceWarning,
    pack_embeddings,
    packed_text,
    reading_order,
)
from lingua2.embedding_store import refreshed
from lingua2.relevance import embedder_of, find_sentences
from lingua2.rendering import Layout
from lingua2.scores import ScoredText, quantised
from lingua2.sentence_vectors import _digest, levels_of, pack_vectors, unpack_vectors
from lingua2.text import split_texts, split_units
from samples import CHINESE, JAPANESE, MANY_KINDS, PROSE, THAI, texts

MARK = "an embedder"
SENTENCES = ["Ferries", "Ferries\nThe last one leaves at ten."]
SET = [
    "Harbour rules\nBoats keep to the right. Swimming is not allowed. The crane lifts 12 tonnes.",
    "Allotments\nEvery plot has water. Bonfires are for Saturdays. Sheds need no permit.",
    PROSE,
    CHINESE,
]
QUESTION = "May I bathe between the ships?"


class Letters:
    """Embeds by counting letters; notes what it was asked for."""

    def __init__(self, size: int = 24, model_name: str = "letters") -> None:
        self.size, self.model_name = size, model_name
        self.asked: list[list[str]] = []

    def __call__(self, given: list[str]) -> list[list[float]]:
        self.asked.append(list(given))
        return [self.vector(text) for text in given]

    def vector(self, text: str) -> list[float]:
        random = np.random.default_rng(len(text))
        counts = np.bincount([ord(char) % self.size for char in text], minlength=self.size)
        return (counts + 0.01 * random.random(self.size)).tolist()


def packed(given: Sequence[str] = SET, **options: Any) -> list[bytes]:
    return list(pack_embeddings(given, Letters(**options)))


def made_up(seed: int = 0, size: int = 16) -> Any:
    return levels_of(np.random.default_rng(seed).normal(size=(len(SENTENCES), size)))


# --- the packed form


@given(
    given=st.lists(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3), max_size=6),
    seed=st.integers(0, 99),
)
def test_what_was_packed_comes_out_again(given: list[list[float]], seed: int) -> None:
    vectors = np.array(given, dtype=np.float64).reshape(-1, 3)
    vectors = vectors[np.linalg.norm(vectors, axis=1) > 0]
    levels = levels_of(vectors)
    sentences = [f"sentence {seed + i}" for i in range(len(levels))]
    data = pack_vectors(levels, sentences, MARK)
    for form in (data, packed_text(data), bytearray(data)):
        found = unpack_vectors(form, sentences, MARK)
        assert found is not None
        np.testing.assert_array_equal(found, levels)


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=40).filter(any),
    st.floats(1e-3, 1e3),
)
def test_a_vector_keeps_its_direction_whatever_its_length(row: list[int], factor: float) -> None:
    vector = np.array([row], dtype=np.float64)
    (level,) = levels_of(vector).astype(np.float64)
    assert np.abs(level).max() == 127
    cosine = level @ vector[0] / (np.linalg.norm(level) * np.linalg.norm(vector[0]))
    # Each component is off by half a level at most.
    assert cosine >= 1 - len(row) * 0.5**2 / 127**2
    assert np.abs(levels_of(vector * factor) - levels_of(vector)).max() <= 1


def test_a_sentence_costs_a_byte_a_component() -> None:
    (data,) = packed(SET[:1], size=384)
    assert len(data) == 24 + 4 * 384
    assert len(packed_text(data)) / 4 < 523


def test_every_flipped_bit_is_noticed() -> None:
    data = pack_vectors(made_up(), SENTENCES, MARK)
    for position in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            assert unpack_vectors(bytes(damaged), SENTENCES, MARK) is None


@pytest.mark.parametrize("sentences", [SENTENCES, []])
def test_truncated_and_extended_vectors_are_noticed(sentences: list[str]) -> None:
    data = pack_vectors(made_up()[: len(sentences)], sentences, MARK)
    for size in range(len(data)):
        assert unpack_vectors(data[:size], sentences, MARK) is None
    assert unpack_vectors(data + b"\0", sentences, MARK) is None


@pytest.mark.parametrize(
    ("sentences", "identity"),
    [
        ([SENTENCES[0], SENTENCES[1] + "!"], MARK),
        (SENTENCES[::-1], MARK),
        (SENTENCES[:1], MARK),
        (["".join(SENTENCES), ""], MARK),
        (SENTENCES, "another embedder"),
    ],
)
def test_vectors_of_other_sentences_or_embedders_are_not_used(
    sentences: list[str], identity: str
) -> None:
    assert unpack_vectors(pack_vectors(made_up(), SENTENCES, MARK), sentences, identity) is None


@given(
    data=st.binary(max_size=80) | st.text(max_size=80) | st.none() | st.integers() | st.floats(),
)
def test_foreign_data_is_no_vectors(data: Any) -> None:
    assert unpack_vectors(data, SENTENCES, MARK) is None
    if isinstance(data, bytes):
        assert unpack_vectors(packed_text(data), SENTENCES, MARK) is None


@given(body=st.binary(max_size=80), sentences=st.sampled_from([SENTENCES, []]))
def test_data_that_was_signed_by_somebody_else_gives_usable_vectors_or_none(
    body: bytes, sentences: list[str]
) -> None:
    signed = b"LV\x01\x00" + _digest(body, sentences, MARK) + body
    found = unpack_vectors(signed, sentences, MARK)
    if found is not None:
        assert len(found) == len(sentences)
        assert found.any(axis=1).all()


# --- what is embedded, and under which name


@pytest.mark.parametrize("text", [*MANY_KINDS.values(), CHINESE + JAPANESE + THAI])
def test_sentences_do_not_depend_on_the_tokenizer(compressor: Compressor, text: str) -> None:
    (scored,) = compressor.score([text])
    layouts = Layout(text, scored.units), Layout(text, split_units(text))
    with_pieces, without = (find_sentences(layout).by_text() for layout in layouts)
    assert with_pieces == without


@given(st.lists(texts, max_size=4))
def test_sentences_do_not_depend_on_the_other_texts(sources: list[str]) -> None:
    layouts = [Layout(text, own) for text, own in zip(sources, split_texts(sources), strict=True)]
    together = find_sentences(Layout.joined(layouts)).by_text()
    assert together == [own for layout in layouts for own in find_sentences(layout).by_text()]


def test_every_sentence_is_embedded_once_behind_its_title() -> None:
    letters = Letters()
    sources = ["Ferries\nTen. Eleven. Ten.", "", "Ferries\nTen.", " \n"]
    found = list(pack_embeddings(sources, letters))
    assert letters.asked == [["Ferries", "Ferries\nTen.", "Ferries\nEleven."]]
    assert found == [data for text in sources for data in pack_embeddings([text], Letters())]


def test_many_sentences_are_embedded_in_batches_and_texts_read_as_needed() -> None:
    letters = Letters(size=3)
    stream = pack_embeddings((f"Number {i}.\n" * 2 + PROSE for i in range(3000)), letters)
    assert letters.asked == []
    next(stream)
    assert max(map(len, letters.asked)) == 256
    assert sum(map(len, letters.asked)) < 8000


class Unnamed:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def embed_query(self, text: str) -> list[float]:
        return Letters().vector(text)

    def embed_documents(self, given: list[str]) -> list[list[float]]:
        return Letters()(given)

    def encode(self, given: list[str]) -> list[list[float]]:
        return Letters()(given)


def plain(given: list[str]) -> list[list[float]]:
    return Letters()(given)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (Letters(model_name="small-v2"), "small-v2"),
        (Unnamed(model="ada"), "ada"),
        (Unnamed(model_id="titan"), "titan"),
        (Unnamed(model=object(), model_id="titan"), "titan"),
        (Unnamed(model="ada").encode, "ada"),
        (Unnamed(model_name="unknown"), "test_sentence_vectors.Unnamed"),
        (plain, "test_sentence_vectors.plain"),
        (lambda given: plain(given), None),
        (partial(plain), None),
    ],
)
def test_the_name_is_that_of_the_model_or_else_of_the_class(source: Any, name: str | None) -> None:
    own, given_name = embedder_of(source), embedder_of(source, "mine")
    assert own is not None
    assert own.name == name
    assert given_name is not None
    assert given_name.name == "mine"


def test_what_cannot_be_found_again_is_not_packed() -> None:
    with pytest.raises(OptionError, match="no name of its own"):
        pack_embeddings(SET, lambda given: plain(given))
    with pytest.raises(OptionError, match="embed_query and embed_documents"):
        pack_embeddings(SET, "all-MiniLM")
    with pytest.raises(InputError, match="write \\[text\\]"):
        pack_embeddings(PROSE, plain)
    assert list(pack_embeddings(SET, lambda given: plain(given), name="x"))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda _: 1 / 0, "raised ZeroDivisionError"),
        (lambda given: [[math.nan] * 3 for _ in given], "NaN"),
        (lambda given: [[0.0] * 3 for _ in given], "zeros"),
        (lambda given: [[1.0] * 3 for _ in given[1:]], "one vector per text"),
        (lambda given: [1.0 for _ in given], "one vector per text"),
        (lambda given: [[1.0] * (i + 1) for i in range(len(given))], "no vectors of one size"),
        (lambda given: np.ones((len(given), 1 + len(given) % 2)), "each of 1 numbers"),
    ],
)
def test_broken_embeddings_are_not_packed(broken: Any, message: str) -> None:
    many = [f"Number {i}." for i in range(256 + 1)]
    with pytest.raises(RelevanceError, match=message):
        list(pack_embeddings([" ".join(many)], broken, name="broken"))


# --- compressing with them


@pytest.fixture
def tiny(tiny_bert: Path) -> Compressor:
    return Compressor(tiny_bert, rate=0.3)


@pytest.mark.parametrize("as_string", [False, True])
def test_stored_vectors_give_what_embedding_gives_and_only_the_question_is_embedded(
    tiny: Compressor, as_string: bool
) -> None:
    fresh, letters = Letters(), Letters()
    stored: list[Any] = [packed_text(data) for data in packed()] if as_string else packed()
    expected = tiny.compress(SET, query=QUESTION, relevance=fresh)
    result = tiny.compress(SET, query=QUESTION, relevance=letters, embeddings=stored)
    assert result == expected
    assert letters.asked == [[QUESTION]]
    assert len(fresh.asked) == 2
    assert tiny.embedding_statistics == EmbeddingStatistics(computed=4, from_documents=4)


@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
@given(st.lists(texts, min_size=1, max_size=4), st.data())
def test_any_stored_vectors_give_what_embedding_gives(
    sources: list[str], data: st.DataObject
) -> None:
    compressor = Compressor()
    compressor._store.keep(map(some_scores, dict.fromkeys(sources)), None)
    some = [data.draw(st.sampled_from([one, one[:-1], None])) for one in packed(sources)]
    arguments: dict[str, Any] = {"query": QUESTION, "rate": 0.5, "relevance": Letters()}
    result = compressor.compress(sources, **arguments, embeddings=some)
    assert result.texts == compressor.compress(sources, **arguments).texts


def some_scores(text: str) -> ScoredText:
    units = split_units(text)
    values = quantised(np.random.default_rng(len(text)).random(len(units)))
    return ScoredText(text, units, values, values)


def test_whatever_is_missing_is_embedded_in_one_call(tiny: Compressor) -> None:
    letters, vectors = Letters(), packed()
    stored = [None, vectors[1], b"damaged", vectors[3]]
    result = tiny.compress(SET, query=QUESTION, relevance=letters, embeddings=stored)
    assert result == tiny.compress(SET, query=QUESTION, relevance=Letters())
    question, missing = letters.asked
    assert question == [QUESTION]
    assert missing[0] == "Harbour rules"
    assert missing[-1].endswith("Dock 7 starts in April.")
    assert not any("Allotments" in sentence for sentence in missing)


def test_a_sentence_that_one_text_has_stored_is_not_embedded_for_another(tiny: Compressor) -> None:
    letters = Letters()
    sources = [PROSE, PROSE, SET[0]]
    stored = [None, packed([PROSE])[0], packed([SET[0]])[0]]
    tiny.compress(sources, query=QUESTION, relevance=letters, embeddings=stored)
    assert letters.asked == [[QUESTION]]


@pytest.mark.parametrize(
    "bad", [b"", b"LV\x01\x00", "not base64!", "QUJD", 17, {"a": 1}, float("nan")], ids=repr
)
def test_unusable_vectors_are_ignored_counted_and_logged_once(
    tiny: Compressor, caplog: pytest.LogCaptureFixture, bad: Any
) -> None:
    good, *_ = packed()
    expected = tiny.compress(SET, query=QUESTION, relevance=Letters())
    for _ in range(2):
        found = tiny.compress(
            SET, query=QUESTION, relevance=Letters(), embeddings=[good, bad, bad, None]
        )
        assert found == expected
    assert tiny.embedding_statistics == EmbeddingStatistics(10, 2, 4)
    assert caplog.text.count("stored embeddings were damaged") == 1


@pytest.mark.parametrize(
    "stale",
    [
        packed(size=25),
        packed(model_name="other letters"),
        [*packed()[1:], packed()[0]],
        packed([text + " It changed." for text in SET]),
    ],
    ids=["another size", "another name", "other texts", "edited texts"],
)
def test_stale_vectors_are_not_used(tiny: Compressor, stale: list[bytes]) -> None:
    expected = tiny.compress(SET, query=QUESTION, relevance=Letters())
    assert tiny.compress(SET, query=QUESTION, relevance=Letters(), embeddings=stale) == expected
    assert tiny.embedding_statistics.ignored == len(SET)


def test_a_given_name_is_needed_again(tiny: Compressor) -> None:
    stored = list(pack_embeddings(SET, Letters(), name="mine"))
    arguments: dict[str, Any] = {"query": QUESTION, "relevance": Letters(), "embeddings": stored}
    tiny.compress(SET, **arguments)
    assert tiny.embedding_statistics == EmbeddingStatistics(computed=4, ignored=4)
    tiny.compress(SET, **arguments, embeddings_name="mine")
    assert tiny.embedding_statistics.from_documents == 4
    tiny.compress(SET, **arguments | {"relevance": lambda given: plain(given)})
    assert tiny.embedding_statistics.ignored == 8


@pytest.mark.parametrize("relevance", [None, "bm25", [1, 2, 3, 4]])
def test_where_nothing_embeds_stored_vectors_are_not_looked_at(
    tiny: Compressor, relevance: Any
) -> None:
    plain_result = tiny.compress(SET, query=QUESTION, relevance=relevance)
    found = tiny.compress(SET, query=QUESTION, relevance=relevance, embeddings=[b"damaged"] * 4)
    assert found == plain_result
    assert tiny.embedding_statistics == EmbeddingStatistics()


def test_a_question_that_cannot_be_embedded_leaves_it_to_the_words(tiny: Compressor) -> None:
    class Down(Letters):
        def __call__(self, given: list[str]) -> Any:
            raise TimeoutError("no answer in 5 s")

    words = tiny.compress(SET, query=QUESTION, relevance="bm25")
    with pytest.warns(RelevanceWarning, match="no answer in 5 s; BM25 alone"):
        found = tiny.compress(SET, query=QUESTION, relevance=Down(), embeddings=packed())
    assert found == words


async def test_the_asynchronous_call_takes_vectors(tiny: Compressor) -> None:
    letters = Letters()
    await tiny.acompress(SET, query=QUESTION, relevance=letters, embeddings=packed())
    assert letters.asked == [[QUESTION]]


def test_markers_make_only_the_marked_text_new(tiny: Compressor) -> None:
    letters = Letters()
    sources = ["Keep <k>12 May</k> free.", *SET[1:]]
    stored = packed(sources)
    found = tiny.compress(
        sources, query=QUESTION, relevance=letters, embeddings=stored, markers=("<k>", "</k>")
    )
    assert letters.asked == [[QUESTION], ["Keep 12 May free."]]
    assert "12 May" in found.texts[0]


@pytest.mark.parametrize(
    ("given_vectors", "message"),
    [([None], "embeddings has 1 entries for 4 texts"), ("text", "embeddings is a str")],
)
def test_vectors_must_come_one_per_text(tiny: Compressor, given_vectors: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny.compress(SET, embeddings=given_vectors)
    with pytest.raises(OptionError, match="embeddings_name"):
        tiny.compress(SET, embeddings_name="")


def test_the_reading_order_takes_vectors() -> None:
    letters = Letters()
    order = reading_order(SET, QUESTION, relevance=letters, embeddings=packed())
    assert letters.asked == [[QUESTION]]
    assert order == reading_order(SET, QUESTION, relevance=Letters())


# --- in metadata


def test_only_what_is_missing_or_stale_is_embedded_for_the_metadata() -> None:
    strings = [packed_text(data) for data in packed()]
    letters = Letters()
    assert refreshed(SET, strings, letters) == strings
    assert letters.asked == []
    stored = [strings[0], strings[0], 7, None]
    assert refreshed(SET, stored, letters) == strings
    assert not any("Harbour" in sentence for sentence in letters.asked[0])
    assert stored == [strings[0], strings[0], 7, None]
