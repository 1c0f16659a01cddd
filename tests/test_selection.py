"""Ranking units: values, forced ones, shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2.options import CompressionOptions
from lingua2.rendering import Layout
from lingua2.selection import (
    context_filter,
    digit_units,
    drop_consecutive,
    force_ids,
    ranking,
    spread,
    word_values,
)
from lingua2.text import split_units
from samples import MANY_KINDS, texts


def layout(text: str) -> Layout:
    return Layout(text, split_units(text))


def values(text: str, probabilities: list[float]) -> dict[str, float]:
    cut = layout(text)
    worth, _ = word_values(cut, np.array(probabilities, dtype=np.float32), 0.25)
    return {cut.unit(i): float(v) for i, v in enumerate(worth)}


def test_forced_units_rank_first_then_value_then_position() -> None:
    order = ranking(np.array([0.5, 0.9, 0.5, 0.1], np.float32), np.array([0, 0, 0, 1], bool))
    assert order.tolist() == [3, 1, 0, 2]


def test_a_word_is_worth_more_beside_probable_words() -> None:
    worth = values("a b c d e", [0.9, 0.5, 0.9, 0.1, 0.5])
    assert worth["b"] > worth["e"]
    assert worth["c"] < 0.9


def test_the_words_of_a_phrase_move_towards_its_best_one() -> None:
    worth = values("the old Schools Act of it", [0.01, 0.3, 0.3, 0.9, 0.01, 0.3])
    alone = values("the old, Schools. Act, of it", [0.01, 0.3, 0, 0.3, 0, 0.9, 0, 0.01, 0.3])
    lines = values("the old\nSchools\nAct of it", [0.01, 0.3, 0.3, 0.9, 0.01, 0.3])
    assert worth["old"] > alone["old"]
    assert worth["old"] > lines["old"]
    assert worth["Act"] > worth["Schools"] > worth["old"] > worth["it"] > worth["of"]


def test_neighbours_count_the_more_the_more_room_there_is() -> None:
    cut = layout("low high low")
    probabilities = np.array([0.2, 0.9, 0.2], np.float32)
    worth = [word_values(cut, probabilities, share)[0][1] for share in (0.1, 0.3, 0.6, 0.95)]
    assert worth[0] > worth[1] > worth[2] == pytest.approx(worth[3], abs=0.02)


def test_a_mark_is_worth_less_than_a_word_and_never_more_than_its_own() -> None:
    worth = values('one (two), three. "four', [0.9] * 9)
    assert worth["."] > worth[","] > 0
    assert worth["."] < worth["three"]
    worth = values('sure (not), sure "less', [0.9, 0.9, 0.01, 0.9, 0.9, 0.9, 0.9, 0.02])
    assert max(worth["("], worth[")"], worth[","]) <= worth["not"]
    assert worth['"'] <= worth["less"]


@given(texts)
def test_values_are_probabilities_of_a_sort_for_any_text(text: str) -> None:
    cut = layout(text)
    worth, host = word_values(cut, np.full(len(cut), 0.7, np.float32), 0.5)
    assert worth.shape == (len(cut),)
    assert worth.dtype == np.float32
    assert ((worth >= 0) & (worth <= 0.7001)).all()
    assert (host < len(cut)).all()
    assert (host[host >= 0] != np.flatnonzero(host >= 0)).all()


def test_bullets_and_operators_stand_at_a_word() -> None:
    cut = layout("- item\n- other = 3 | x")
    _, host = word_values(cut, np.full(len(cut), 0.5, np.float32), 0.5)
    at = {i: cut.unit(host[i]) for i in np.flatnonzero(host >= 0).tolist()}
    assert list(at.values()) == ["item", "other", "3", "x"]


@pytest.mark.parametrize("text", MANY_KINDS.values())
def test_marks_are_the_units_without_letters_and_digits_that_edges_split_off(text: str) -> None:
    cut = layout(text)
    marks, _ = cut.marks()
    for i, mark in enumerate(marks.tolist()):
        if mark:
            assert not any(char.isalnum() for char in cut.unit(i))


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("The theory, the end", ["the"], ["the"]),
        ("3.14 is pi. Yes", ["."], ["."]),
        ("in New York, new York", ["New York"], ["New", "York"]),
        ("so!!! what?!", ["!", "?"], ["!!!", "?", "!"]),
        ("a b", ["\n", " "], []),
        ("regex (a+)+ [x] aa", ["(a+)+"], ["(a+)+"]),
    ],
)
def test_force_tokens_are_whole_units(text: str, tokens: list[str], expected: list[str]) -> None:
    cut = layout(text)
    assert [cut.unit(i) for i in np.flatnonzero(force_ids(cut, tokens) != -1)] == expected


def test_digits_of_every_script_count() -> None:
    cut = layout("room 12b, ٣ and three")
    assert [cut.unit(i) for i in np.flatnonzero(digit_units(cut))] == ["12b", "٣"]


def test_equal_force_tokens_in_a_row_are_dropped_within_a_text_only() -> None:
    ids = np.array([0, -1, 0, 0, 1, 0, 0, -2, -2])
    document = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1])
    kept = np.array([0, 2, 3, 4, 5, 6, 7, 8])
    assert drop_consecutive(kept, ids, document).tolist() == [0, 4, 5, 6, 7, 8]


def test_spread_values_cut_every_text_at_the_same_share() -> None:
    raw = np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.1], np.float32)
    document = np.array([0, 0, 0, 0, 1, 1])
    costs = np.ones(6, np.float32)
    order = ranking(spread(raw, np.zeros(6, bool), costs, document), np.zeros(6, bool))
    assert sorted(order[:3].tolist()) == [0, 1, 4]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rate": 0.5}, [1, 2, 3]),
        ({"rate": 0.5, "target_context": 1}, [2]),
        ({"rate": 0.5, "context_level_rate": 0.5}, [2, 3]),
        ({"rate": 0.5, "context_level_target_token": 20}, [1, 2]),
        ({"rate": 0.5, "target_context": 2, "force_context_ids": [0]}, [0, 2]),
        ({"target_token": 5}, [2]),
    ],
)
def test_the_context_level_filter_ranks_texts_by_their_mean(
    options: dict[str, object], expected: list[int]
) -> None:
    sources = ["x" * 10, "x" * 10, "x" * 10, "x" * 30]
    means = np.array([0.1, 0.3, 0.9, 0.5], np.float32)
    chosen = CompressionOptions(use_context_level_filter=True, **options)  # type: ignore[arg-type]
    stay = context_filter(sources, means, chosen, 5, len)
    assert np.flatnonzero(stay).tolist() == expected


@given(st.lists(texts, max_size=5), st.integers(0, 9))
def test_texts_of_a_set_have_no_influence_on_each_others_values(
    sources: list[str], seed: int
) -> None:
    cuts = [layout(text) for text in sources]
    both = Layout.joined(cuts)
    probabilities = np.random.default_rng(seed).random(len(both)).astype(np.float32)
    worth, host = word_values(both, probabilities, 0.4)
    forced = force_ids(both, ["the", "New York", "."])
    for cut, low, high in zip(cuts, both.offsets, both.offsets[1:], strict=False):
        own, at = word_values(cut, probabilities[low:high], 0.4)
        assert worth[low:high].tolist() == own.tolist()
        assert host[low:high].tolist() == np.where(at < 0, -1, at + low).tolist()
        assert forced[low:high].tolist() == force_ids(cut, ["the", "New York", "."]).tolist()
