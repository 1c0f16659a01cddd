"""The bundled counters: tiktoken's numbers, and no word encoded twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua2 import vocabularies
from lingua2.vocabularies import BundledCounter, bundled_encoding
from samples import AWKWARD, MANY_KINDS, PROSE, texts

NAMES = ("cl100k_base", "o200k_base")
# What may stand between two words: one space alone, and everything that is not that.
GAPS = [
    " ",
    "  ",
    "\n",
    " \n",
    "\n ",
    "\t",
    "\u00a0",
    " \u00a0",
    "\u3000",
    "\x1c ",
    "\x85",
    "",
    ".",
]
WORDS = ["a", "don't", "'s", "//", "12345", "\ud800", "é", "码头", "e\u0301", "."]
spaced = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(GAPS)), max_size=12).map(
    lambda pairs: "".join(word + gap for word, gap in pairs)
)


def whole(name: str, text: str) -> int:
    return len(bundled_encoding(name).encode_ordinary(vocabularies.well_formed(text)))


class Encoding:
    """An encoding that remembers what it was given."""

    def __init__(self, name: str) -> None:
        self.name, self.seen = name, list[str]()

    def encode_ordinary(self, text: str) -> list[int]:
        self.seen.append(text)
        return bundled_encoding(self.name).encode_ordinary(text)


def listening(name: str = "cl100k_base") -> tuple[Any, Encoding]:
    """A counter that knows no words yet, and what it encodes with."""
    counter: Any = BundledCounter(name)
    counter._known, counter._encoding = {}, Encoding(name)
    return counter, counter._encoding


@settings(max_examples=300)
@given(first=spaced | texts, other=spaced | texts, name=st.sampled_from(NAMES))
def test_counts_are_those_of_the_whole_text(first: str, other: str, name: str) -> None:
    counter, _ = listening(name)
    for text in (first, other, first, f"{first} {other}", f" {first}", f"{other} "):
        assert counter(text) == whole(name, text)


@pytest.mark.parametrize("text", [*MANY_KINDS.values(), *AWKWARD.values()])
@pytest.mark.parametrize("name", NAMES)
def test_texts_of_many_kinds_have_the_same_number_twice(name: str, text: str) -> None:
    counter, _ = listening(name)
    assert counter(text) == counter(text) == whole(name, text)


def test_new_words_are_encoded_in_one_go_and_known_ones_not_at_all() -> None:
    counter, encoding = listening()
    counter(PROSE)
    assert encoding.seen == [PROSE]
    counter(PROSE)
    assert encoding.seen == [PROSE]
    counter(PROSE.replace("budget of", "estimate of").replace("Dock", "Quay"))
    assert encoding.seen[1:] == [" estimate Quay"]


def test_a_word_at_the_beginning_is_not_that_behind_a_space() -> None:
    counter, encoding = listening()
    counter("harbourmasters wait")
    counter("Two harbourmasters wait")
    assert encoding.seen[1] == "Two harbourmasters"


def test_what_stands_beside_more_than_one_space_is_counted_with_it() -> None:
    counter, encoding = listening()
    counter("one two three four")
    counter("one two  three four")
    assert encoding.seen[1] == " two  three"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabularies, "_MOST_BLOCKS", 20)
    counter, _ = listening()
    for text in MANY_KINDS.values():
        assert counter(text) == whole("cl100k_base", text)
        assert len(counter._known) <= 20
    counter("word " + "x" * 1000)
    assert max(map(len, counter._known)) <= 40


def test_counters_of_one_encoding_share_what_they_know() -> None:
    assert BundledCounter("o200k_harmony")._known is BundledCounter("o200k_base")._known
