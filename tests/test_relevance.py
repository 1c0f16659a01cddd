"""The question steers where the budget goes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2 import Compressor, OptionError
from lingua2.counting import resolve_token_counter
from lingua2.relevance import by_sentence, by_text
from lingua2.rendering import Layout
from lingua2.text import split_units
from samples import CHINESE, LOG, PROSE, texts

LIBRARY = (
    "Reading rooms\nThe reading room on the first floor opens at nine. Silence is asked for. "
    "Lockers cost one euro, which is returned. Dogs stay outside."
)
SWIMMING = (
    "Outdoor pool\nThe water is heated to 24 degrees. Lockers are free of charge. Children under "
    "ten swim with an adult only. The slide closes when thunder is heard."
)


def layouts(*sources: str) -> list[Layout]:
    return [Layout(text, split_units(text)) for text in sources]


def relevance(query: str, *sources: str) -> dict[str, float]:
    cut = layouts(*sources)
    scores = iter(by_sentence(cut, query).tolist())
    return {layout.unit(i): next(scores) for layout in cut for i in range(len(layout))}


def test_the_sentence_that_shares_the_questions_words_is_the_best() -> None:
    scores = relevance("How warm is the heated water?", LIBRARY, SWIMMING)
    assert scores["degrees"] == 1.0
    assert scores["thunder"] == scores["Dogs"] == 0.0


def test_a_first_line_speaks_for_every_sentence_of_its_text() -> None:
    scores = relevance("Are lockers free at the outdoor pool?", LIBRARY, SWIMMING)
    assert scores["charge"] > scores["euro"] > scores["Dogs"]
    assert scores["thunder"] > 0


def test_inflected_words_and_other_scripts_match() -> None:
    assert relevance("locker", LIBRARY)["Lockers"] > 0
    (cut,) = layouts(CHINESE)
    scores = by_sentence([cut], "码头的费用")
    best = "".join(cut.unit(i) for i in np.flatnonzero(scores == scores.max()))
    assert "第二个码头的费用" in best


@pytest.mark.parametrize("query", ["", "the of and", "zebra", "\ud800 \x00", "?!"])
def test_a_question_that_matches_nothing_is_no_preference(query: str) -> None:
    assert not by_sentence(layouts(LIBRARY, SWIMMING), query).any()


@given(st.lists(texts, max_size=4), texts)
def test_any_question_and_texts_give_shares(sources: list[str], query: str) -> None:
    cut = layouts(*sources)
    scores = by_sentence(cut, query)
    assert scores.shape == (sum(map(len, cut)),)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_numbers_per_text_count_by_their_distances() -> None:
    cut = layouts("a b", "c", "d e f")
    assert by_text(cut, [-3.0, 1.0, -1.0]).tolist() == [0, 0, 1, 0.5, 0.5, 0.5]
    assert not by_text(cut, [7, 7, 7]).any()


def test_the_budget_goes_to_the_answer(compressor: Compressor) -> None:
    sources = [LIBRARY, SWIMMING, PROSE, LOG]
    query = "Until what age must children swim with an adult?"
    agnostic = compressor.compress(sources, query=query, target_token=25)
    steered = compressor.compress(sources, query=query, target_token=25, relevance="bm25")
    for result in (agnostic, steered):
        assert resolve_token_counter("cl100k_base")(result.prompt) <= 25
    assert "Children under ten swim" in steered.texts[1]
    assert "Children under ten swim" not in agnostic.texts[1]


def test_scores_of_a_retriever_steer_whole_texts(compressor: Compressor) -> None:
    result = compressor.compress([LIBRARY, SWIMMING], target_token=20, relevance=[0.9, 0.2])
    assert result.texts[0]
    assert result.texts[1] == ""


def test_without_a_question_nothing_changes(compressor: Compressor) -> None:
    sources = [LIBRARY, SWIMMING]
    plain = compressor.compress(sources, rate=0.4)
    assert compressor.compress(sources, rate=0.4, relevance="bm25") == plain


def test_relevance_without_a_budget_is_refused(compressor: Compressor) -> None:
    with pytest.raises(OptionError, match="threshold has none"):
        compressor.compress([LIBRARY], threshold=0.5, relevance="bm25", query="pool?")


def test_the_context_filter_sees_the_question(compressor: Compressor) -> None:
    result = compressor.compress(
        [PROSE, LIBRARY, LOG],
        rate=0.5,
        query="Do dogs stay outside the reading room?",
        relevance="bm25",
        use_context_level_filter=True,
        target_context=1,
    )
    assert [bool(text) for text in result.texts] == [False, True, False]


def test_huge_scores_keep_their_order() -> None:
    assert by_text(layouts("a", "b", "c"), [1e308, -1e308, 0.0]).tolist() == [1.0, 0.0, 0.5]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("cosine", "expected 'bm25', one finite number per text, or None, got 'cosine'"),
        ([0.5], "relevance has 1 numbers for 2 texts"),
        ([math.nan, 1.0], "finite"),
        (["high", "low"], "one finite number per text"),
        (0.5, "one finite number per text"),
        ([None, 0.5], "one finite number per text"),
    ],
)
def test_wrong_relevance(compressor: Compressor, value: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        compressor.compress([LIBRARY, SWIMMING], rate=0.5, relevance=value)
