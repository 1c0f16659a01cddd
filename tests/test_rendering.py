"""Putting kept units back together."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2.rendering import Layout
from lingua2.text import split_units
from samples import CODE, texts


def keep(text: str, words: set[str] | None = None, *, keep_breaks: bool = False) -> str:
    layout = Layout(text, split_units(text), keep_breaks=keep_breaks)
    kept = [i for i in range(len(layout)) if words is None or layout.unit(i) in words]
    return layout.render(np.array(kept, dtype=np.int64))[0]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("one two  three", {"one", "two"}, "one two"),
        ("one two  three", {"two", "three"}, "two  three"),
        ("one two  three", {"one", "three"}, "one three"),
        ("one,\n\ntwo three", {"one", "three"}, "one\nthree"),
        ("one,\n\ntwo three", {",", "two"}, ",\n\ntwo"),
        ("one,\r\ntwo three", {"one", "three"}, "one\r\nthree"),
        ("one,\r\n\ntwo three", {"one", "three"}, "one\nthree"),
        ("one,\r\n  two three\r\n", {"one", "two"}, "one\r\n  two"),
        ("one,\rtwo\x0cthree", {"one", "three"}, "one\nthree"),
        ("(one) two.", {"(", ")", "."}, "() ."),
        ("- a b\n  - c d\n  - e f", {"-", "b", "d", "f"}, "- b\n  - d\n  - f"),
        ("你好世界", {"你", "界"}, "你界"),
        ("Python与Java", {"Python", "Java"}, "Python Java"),
        ("  lead tail  ", {"lead"}, "  lead"),
        ("  lead tail  ", {"tail"}, "tail  "),
        ("a b", set(), ""),
    ],
)
def test_white_space_between_kept_words(text: str, words: set[str], expected: str) -> None:
    assert keep(text, words) == expected


def test_kept_lines_of_code_keep_their_indentation() -> None:
    kept = keep(CODE, {"def", "if", "raise", "return", "width", "*", "height", "<", "0"})
    assert kept.splitlines() == [
        "def height",
        "    if width < 0 height < 0",
        "        raise width height",
        "    return width * height",
    ]


def test_line_breaks_are_kept_on_request() -> None:
    assert keep("a b\n\nc d", {"a", "d"}, keep_breaks=True) == "a\n\nd"
    assert keep("a b\r\n\r\nc d", {"a", "d"}, keep_breaks=True) == "a\r\n\r\nd"
    assert keep("a b\r\nx\n\rc d", {"a", "d"}, keep_breaks=True) == "a\r\n\n\nd"


@given(texts, st.booleans(), st.integers(0, 9))
def test_windows_line_breaks_stay_windows_line_breaks(
    text: str, keep_breaks: bool, seed: int
) -> None:
    plain = re.sub("[\r\x0b\x0c\x85\u2028\u2029]", " ", text)

    def half(text: str) -> str:
        layout = Layout(text, split_units(text), keep_breaks=keep_breaks)
        chosen = np.random.default_rng(seed).random(len(layout)) < 0.5
        return layout.render(np.flatnonzero(chosen))[0]

    assert half(plain.replace("\n", "\r\n")) == half(plain).replace("\n", "\r\n")


@given(texts)
def test_all_units_kept_is_the_identity(text: str) -> None:
    assert keep(text) == (text if text.strip() else "")


@given(texts, st.randoms(use_true_random=False))
def test_spans_are_the_text_and_agree_with_the_separators(text: str, random) -> None:
    layout = Layout(text, split_units(text))
    kept = np.array([i for i in range(len(layout)) if random.random() < 0.5], dtype=np.int64)
    rendered, spans = layout.render(kept)
    rest, last = rendered, 0
    for start, end in spans:
        assert last <= start < end
        # Only white space stands between two spans of the output.
        filler = rest[: rest.index(text[start:end])] if spans else ""
        assert filler in ("", " ", "\n", "\r\n")
        rest = rest[len(filler) :].removeprefix(text[start:end])
        last = end
    assert rest == ""
    # The budget's local counting builds the same string from separators.
    built, previous = "", -1
    for i in kept.tolist():
        built += layout.separator(previous, i) + layout.unit(i)
        previous = i
    if len(kept):
        built += layout.separator(previous, len(layout))
    assert built == rendered


@given(st.lists(texts, max_size=5), st.booleans(), st.integers(0, 9))
def test_a_set_is_rendered_as_each_text_alone(
    sources: list[str], keep_breaks: bool, seed: int
) -> None:
    layouts = [Layout(text, split_units(text), keep_breaks=keep_breaks) for text in sources]
    both = Layout.joined(layouts)
    chosen = np.random.default_rng(seed).random(len(both)) < 0.5
    alone = [
        layout.render(np.flatnonzero(chosen[low:high]))
        for layout, low, high in zip(layouts, both.offsets, both.offsets[1:], strict=False)
    ]
    kept = np.flatnonzero(chosen)
    assert both.texts(kept) == [text for text, _ in alone]
    assert both.spans(kept) == [spans for _, spans in alone]
