"""Counting a selection from the original's tokens: the same numbers, hardly anything encoded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2.blocks import KnownBlocks
from lingua2.budget import fill_budget
from lingua2.prompt import Prompt
from lingua2.rendering import Layout
from lingua2.selection import ranking
from lingua2.text import split_texts
from lingua2.vocabularies import BundledCounter
from samples import MANY_KINDS, PROSE, texts

COUNTERS = {name: BundledCounter(name) for name in ("cl100k_base", "o200k_base")}
FRAMES = [("", ""), ("Title: one\n", "\n"), ("<a>", "</a>"), (" ", " "), ("é", "")]
SEPARATORS = ["\n\n", " ", "", "x"]


class Listening(BundledCounter):
    """Remembers how much text it encoded."""

    characters = 0

    def __call__(self, text: str) -> int:
        self.characters += len(text)
        return super().__call__(text)


def prompt(
    sources: list[str], frames: list[tuple[str, str]], separator: str, keep_breaks: bool = False
) -> Prompt:
    pairs = zip(sources, split_texts(sources), strict=True)
    layouts = [Layout(text, units, keep_breaks=keep_breaks) for text, units in pairs]
    return Prompt(layouts, frames, separator, [i % 3 == 2 for i in range(len(sources))])


def blocks(job: Prompt, counter: BundledCounter) -> KnownBlocks:
    original = job.join([layout.text for layout in job.layouts])
    return KnownBlocks(job, counter, original, counter.encode(original))


@given(
    st.lists(st.tuples(texts, st.sampled_from(FRAMES)), max_size=5),
    st.sampled_from(SEPARATORS),
    st.sampled_from(sorted(COUNTERS)),
    st.sampled_from([0.0, 0.3, 0.6, 0.9, 1.0]),
    st.booleans(),
)
def test_known_counts_are_whole_counts(
    rows: list[tuple[str, tuple[str, str]]],
    separator: str,
    counter: str,
    share: float,
    keep_breaks: bool,
) -> None:
    count = COUNTERS[counter]
    job = prompt([text for text, _ in rows], [own for _, own in rows], separator, keep_breaks)
    chosen = np.random.default_rng(len(job.document)).random(len(job.document)) < share
    kept = np.flatnonzero(chosen)
    assert blocks(job, count).count(kept) == count(job.render(kept))


def test_only_what_differs_from_the_original_is_encoded() -> None:
    counter = Listening("cl100k_base")
    job = prompt([PROSE * 5, PROSE * 3], [("", "")] * 2, "\n\n")
    known = blocks(job, counter)
    kept = np.flatnonzero(np.random.default_rng(0).random(len(job.document)) < 0.6)
    assert known.count(kept) == COUNTERS["cl100k_base"](job.render(kept))
    assert counter.characters < len(job.render(kept)) / 2


@pytest.mark.parametrize("budget", [3, 40, 150, 300])
def test_the_same_units_are_kept_with_known_counts(budget: int) -> None:
    count = COUNTERS["cl100k_base"]
    job = prompt([*MANY_KINDS.values(), PROSE], [("", "")] * (len(MANY_KINDS) + 1), "\n\n")
    values = np.random.default_rng(1).random(len(job.document)).astype(np.float32)
    order = ranking(values, np.zeros(len(values), dtype=bool))
    kept, used = fill_budget(job, order, budget, count)
    again, tokens = fill_budget(job, order, budget, count, known=blocks(job, count))
    assert again.tolist() == kept.tolist()
    assert tokens == used == count(job.render(kept))


@given(texts)
def test_token_ends_are_offsets_in_bytes(text: str) -> None:
    counter = COUNTERS["o200k_base"]
    ends = counter.ends(counter.encode(text)).tolist()
    assert ends == sorted(ends)
    assert (ends[-1] if ends else 0) == len(text.encode("utf-8", "surrogatepass"))
