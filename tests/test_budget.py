"""The budget: never exceeded, filled as far as another unit fits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua2.budget import Prompt, fill_budget
from lingua2.counting import resolve_token_counter, tiktoken_encoding
from lingua2.rendering import Layout
from lingua2.selection import ranking
from lingua2.text import split_units
from samples import CHINESE, MANY_KINDS, PROSE, texts

COUNTERS = {
    "cl100k_base": resolve_token_counter("cl100k_base"),
    "o200k_base": resolve_token_counter("o200k_base"),
    "words": lambda text: len(text.split()),
    "characters": len,
    "a quarter of the bytes": lambda text: math.ceil(len(text.encode(errors="replace")) / 4),
}


def prompt(
    sources: list[str], frames: list[tuple[str, str]] | None = None, keep_empty: bool = False
) -> Prompt:
    layouts = [Layout(text, split_units(text)) for text in sources]
    return Prompt(layouts, frames or [("", "")] * len(sources), "\n\n", [keep_empty] * len(sources))


def random_order(size: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).random(size).astype(np.float32)
    return ranking(values, np.zeros(size, dtype=bool))


@settings(max_examples=200)
@given(
    st.lists(texts, max_size=5),
    st.integers(1, 120),
    st.sampled_from(sorted(COUNTERS)),
    st.integers(0, 3),
)
def test_no_counter_ever_counts_more_than_the_budget(
    sources: list[str], budget: int, counter: str, seed: int
) -> None:
    count, job = COUNTERS[counter], prompt(sources)
    kept, used = fill_budget(job, random_order(len(job.document), seed), budget, count)
    assert count(job.render(kept)) == used <= budget


@pytest.mark.parametrize("counter", sorted(COUNTERS))
@pytest.mark.parametrize("budget", [50, 90, 150, 300])
def test_the_budget_is_filled_to_the_last_unit_that_fits(counter: str, budget: int) -> None:
    count, job = COUNTERS[counter], prompt([*MANY_KINDS.values(), PROSE])
    order = random_order(len(job.document), 1)
    kept, used = fill_budget(job, order, budget, count)
    if counter == "words":
        # Punctuation costs no words, so only a full budget is certain.
        assert used == min(budget, count(job.render(np.sort(order))))
        return
    assert used >= budget - 1
    for unit in sorted(set(order.tolist()) - set(kept.tolist())):
        with_unit = np.sort(np.append(kept, unit))
        # A unit may melt into its neighbours and cost nothing; a full budget stops looking.
        assert count(job.render(with_unit)) > budget or used == budget


def test_better_units_go_first() -> None:
    job = prompt(["alpha beta gamma delta epsilon zeta eta theta"])
    kept, _ = fill_budget(job, np.array([5, 2, 7, 0, 1, 3, 4, 6]), 4, lambda t: len(t.split()))
    assert kept.tolist() == [0, 2, 5, 7]


def test_a_unit_that_is_too_long_is_passed_over() -> None:
    job = prompt(["small incomprehensibilities tiny"])
    kept, used = fill_budget(job, np.array([1, 0, 2]), 3, tiktoken_encoding_count)
    assert job.render(kept) == "small tiny"
    assert used == 2


def tiktoken_encoding_count(text: str) -> int:
    return len(tiktoken_encoding("cl100k_base").encode_ordinary(text))


def test_frames_and_separators_count() -> None:
    frames = [("Title: one\n", "\n---"), ("Title: two\n", "\n---")]
    job = prompt(["alpha beta gamma", "delta epsilon zeta"], frames)
    order = np.arange(6)
    for budget in range(1, 30):
        kept, used = fill_budget(job, order, budget, tiktoken_encoding_count)
        assert tiktoken_encoding_count(job.render(kept)) == used <= budget
    assert "Title: two" not in job.render(np.array([0, 1]))


def test_empty_texts_that_stay_show_their_frames_within_the_budget() -> None:
    frames = [("Title: one\n", ""), ("Title: two\n", "")]
    job = prompt(["alpha beta gamma", "delta epsilon zeta"], frames, keep_empty=True)
    kept, used = fill_budget(job, np.arange(6), 12, tiktoken_encoding_count)
    assert "Title: two" in job.render(kept)
    assert tiktoken_encoding_count(job.render(kept)) == used <= 12


def test_local_counts_agree_with_whole_counts_so_few_whole_counts_are_needed() -> None:
    calls = []

    def count(text: str) -> int:
        if len(text) > 2000:
            calls.append(len(text))
        return tiktoken_encoding_count(text)

    sources = [PROSE * 20, CHINESE * 20, MANY_KINDS["markdown"] * 20]
    job = prompt(sources)
    order = random_order(len(job.document), 2)
    _, used = fill_budget(job, order, 1500, count)
    assert used == 1500
    assert len(calls) < 20
