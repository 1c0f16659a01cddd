"""Cutting texts into units."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2.text import has_unspaced, split_texts, split_units
from samples import AWKWARD, CHINESE, EMOJI, JAPANESE, MANY_KINDS, texts


def units(text: str, pieces: list[int] | None = None) -> list[str]:
    cut = split_units(text, None if pieces is None else np.array(pieces))
    return [text[a:b] for a, b in zip(cut.starts, cut.ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He said no.", ["He", "said", "no", "."]),
        ('"Yes," (she) said…', ['"', "Yes", ",", '"', "(", "she", ")", "said", "…"]),
        ("wait... what?!", ["wait", "...", "what", "?", "!"]),
        # Identifiers, numbers and signs stay whole.
        ("v2.4.1, -5 or $1,200.50; 50%", ["v2.4.1", ",", "-5", "or", "$1,200.50", ";", "50%"]),
        ("f(x), a[0] (f(y))", ["f(x)", ",", "a[0]", "(", "f(y)", ")"]),
        ("/usr/bin/env .env --flag C++ #42", ["/usr/bin/env", ".env", "--flag", "C++", "#42"]),
        ("mail a.b@c.org, [x](http://y/z).", ["mail", "a.b@c.org", ",", "[x](http://y/z)", "."]),
        ("U.S. and e.g. J. Doe.", ["U.S.", "and", "e.g.", "J.", "Doe", "."]),
        ("1. one\n  b) two in 1999.", ["1.", "one", "b)", "two", "in", "1999", "."]),
        ("don't stop", ["don't", "stop"]),
        ("مرحبا، بالعالم؟", ["مرحبا", "،", "بالعالم", "؟"]),
    ],
)
def test_words_stay_whole_and_edge_punctuation_is_split_off(text: str, expected: list[str]) -> None:
    assert units(text) == expected


def test_a_long_run_is_split_at_its_structure_but_an_address_is_not() -> None:
    compact = '{"id":4711,"tags":["red","dark-blue"],"note":"handle(with)care"}'
    assert units(compact)[:9] == ["{", '"', "id", '"', ":4711", ",", '"', "tags", '"']
    assert "dark-blue" in units(compact)
    address = "https://example.org/a,b;c(d)/e?f=[1,2]&g=" + "h" * 40
    assert units(address) == [address]
    digest = "sha256:" + "0a1b2c3d" * 8
    assert units(digest) == [digest]


def test_scripts_without_spaces_follow_the_tokenizers_pieces() -> None:
    text = "我们使用Python3.11版本。好"
    assert units(text, [0, 2, 4, 14, 16, 17]) == ["我们", "使用", "Python3.11", "版本", "。", "好"]


def test_punctuation_between_ideographs_stands_alone_even_inside_a_piece() -> None:
    assert units("好。我", [0]) == ["好", "。", "我"]


def test_has_unspaced_is_about_the_script() -> None:
    assert has_unspaced(CHINESE)
    assert has_unspaced(JAPANESE)
    assert not has_unspaced("naïve café — 한국어 문장")


def test_nothing_is_cut_inside_an_emoji_sequence_or_before_a_combining_mark() -> None:
    for text in (EMOJI, "你e\u0301好\u0301们", "か\u3099き"):
        for unit in units(text):
            assert unicodedata.category(unit[0]) not in ("Mn", "Me")
            assert unit[0] not in "\u200d\ufe0f\u20e3"


@given(texts)
def test_units_are_ordered_disjoint_and_cover_all_but_white_space(text: str) -> None:
    cut = split_units(text)
    position = 0
    for start, end in zip(cut.starts.tolist(), cut.ends.tolist(), strict=True):
        assert position <= start < end
        assert not text[position:start].strip()
        assert not any(char.isspace() for char in text[start:end])
        position = end
    assert not text[position:].strip()


def test_sentences_begin_behind_closing_marks_and_line_breaks() -> None:
    text = 'One. "Two!" he said.\n- three\n你好。四'
    cut = split_units(text)
    starts = cut.starts[cut.sentence_starts(text)].tolist()
    assert [text[start:][:4] for start in starts] == [
        "One.",
        '"Two',
        "he s",
        "- th",
        "你好。四",
        "四",
    ]


@pytest.mark.parametrize("text", [*MANY_KINDS.values(), *AWKWARD.values()])
def test_every_kind_of_text_can_be_cut(text: str) -> None:
    assert "".join(units(text)) == "".join(text.split())


@pytest.mark.parametrize("unit", [".", "()", "(", "你", "\u0301", "a)", "1.", "word, "])
def test_long_texts_are_cut_in_linear_work(unit: str) -> None:
    # Quadratic work would take hours here.
    assert len(split_units(unit * (1_000_000 // len(unit)))) > 0


@given(st.lists(texts, max_size=5))
def test_texts_cut_together_are_cut_as_each_alone(sources: list[str]) -> None:
    together = [
        [text[a:b] for a, b in zip(cut.starts, cut.ends, strict=True)]
        for text, cut in zip(sources, split_texts(sources), strict=True)
    ]
    assert together == [units(text) for text in sources]


def test_each_text_has_its_own_pieces() -> None:
    sources = ["我们使用", "plain", "我们使用"]
    cut = split_texts(sources, [np.array([0, 2]), None, np.array([0, 1])])
    assert [own.starts.tolist() for own in cut] == [[0, 2], [0], [0, 1]]
