"""The question steers where the budget goes."""

from __future__ import annotations

import asyncio
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeWithScore, TextNode

from langchain_lingua2 import Lingua2Compressor
from lingua2 import Compressor, OptionError, RelevanceError, RelevanceWarning, reading_order
from lingua2.counting import resolve_token_counter
from lingua2.relevance import by_sentence, by_text, document_scores, ends_first, question_values
from lingua2.rendering import Layout
from lingua2.text import split_units
from llamaindex_lingua2 import Lingua2Postprocessor
from samples import CHINESE, LOG, PROSE, texts

LIBRARY = (
    "Reading rooms\nThe reading room on the first floor opens at nine. Silence is asked for. "
    "Lockers cost one euro, which is returned. Dogs stay outside."
)
SWIMMING = (
    "Outdoor pool\nThe water is heated to 24 degrees. Lockers are free of charge. Children under "
    "ten swim with an adult only. The slide closes when thunder is heard."
)

# Shares no word with the sentence that answers it.
ANIMALS = "Are pets admitted?"


def embed(texts: list[str]) -> list[list[float]]:
    """A model that knows animals, water, money and that everything is a text."""
    topics = (("dogs", "pets", "animals"), ("pool", "water", "swim"), ("euro", "free", "charge"))
    return [[float(any(w in t.lower() for w in topic)) for topic in topics] + [0.5] for t in texts]


def embed_as_array(texts: list[str]) -> Any:
    return np.array(embed(texts))


class LangChainModel(Embeddings):
    def embed_query(self, text: str) -> list[float]:
        return embed([text])[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return embed(texts)


class LlamaIndexModel(BaseEmbedding):
    def _get_query_embedding(self, query: str) -> list[float]:
        return embed([query])[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return embed([query])[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return embed([text])[0]


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
        ("cosine", "expected 'bm25', .*, one finite number per text, .* or None, got 'cosine'"),
        ([0.5], "relevance has 1 numbers for 2 texts"),
        ([math.nan, 1.0], "finite"),
        (["high", "low"], "one finite number per text"),
        (0.5, "one finite number per text"),
        ([None, 0.5], "one finite number per text"),
        (LangChainModel, "embed_query and embed_documents"),
        ("scores", "which strings do not have; give one number per text"),
    ],
)
def test_wrong_relevance(compressor: Compressor, value: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        compressor.compress([LIBRARY, SWIMMING], rate=0.5, relevance=value)


def test_a_title_counts_once_in_every_sentence_that_lacks_its_word() -> None:
    scores = relevance("pool", "Pool rules\nThe pool opens. Towels dry. A sauna.", "Towels dry.")
    assert scores["opens"] > 0
    assert scores["sauna"] > 0
    alone = relevance("pool", "Rules\nThe pool opens. Towels dry. A sauna.", "Towels dry.")
    assert alone["opens"] == 1
    assert alone["sauna"] == 0


@pytest.mark.parametrize(
    "source", ["İİİ Pool opens.", "straße POOL opens", "ﬁne Pool-opens. Pools"]
)
def test_letters_that_grow_in_lower_case_shift_nothing(source: str) -> None:
    (cut,) = layouts(source)
    scores = by_sentence([cut], "pool")
    assert scores[[i for i in range(len(cut)) if "pool" in cut.unit(i).lower()]].all()


def test_a_question_word_within_another_word_does_not_count() -> None:
    assert not by_sentence(layouts("Carpool whirlpools."), "pool").any()


@pytest.mark.parametrize("model", [LangChainModel(), LlamaIndexModel(), embed, embed_as_array])
def test_embeddings_find_what_shares_no_word(compressor: Compressor, model: Any) -> None:
    sources = [SWIMMING, LIBRARY, PROSE]
    arguments: dict[str, Any] = {"query": ANIMALS, "target_token": 12}
    by_words = compressor.compress(sources, **arguments, relevance="bm25")
    by_meaning = compressor.compress(sources, **arguments, relevance=model)
    assert "Dogs stay outside" in by_meaning.texts[1]
    assert "Dogs stay outside" not in by_words.texts[1]
    assert by_meaning.compressed_tokens <= 12


def test_embeddings_add_to_the_words_of_the_question() -> None:
    (cut,) = layouts("Dogs bark. Cats purr. Lockers are new.")
    both = question_values(cut, "pets and lockers", embed)
    assert both[0] > both[3]
    assert both[-1] > both[3]


def test_embeddings_see_the_title_before_every_sentence() -> None:
    seen: list[list[str]] = []

    def watch(texts: list[str]) -> list[list[float]]:
        seen.append(list(texts))
        return embed(texts)

    (cut,) = layouts("Rules\nNo dogs. No cats.")
    question_values(cut, ANIMALS, watch)
    assert seen == [[ANIMALS], ["Rules", "Rules\nNo dogs.", "Rules\nNo cats."]]


def fail(_: list[str]) -> Any:
    raise TimeoutError("no answer in 5 s")


BROKEN = [
    (fail, "raised TimeoutError: no answer in 5 s"),
    (lambda texts: [[1.0, 2.0]] * (len(texts) + 1), "one vector per text"),
    (lambda texts: [[1.0] * (2 + len(texts[0]) % 7) for _ in texts], "one vector per text"),
    (lambda texts: [[1.0] * (i + 1) for i in range(len(texts))], "no vectors of one size"),
    (lambda texts: [[math.nan, 1.0] for _ in texts], "NaN, infinity"),
    (lambda texts: np.zeros((len(texts), 3)), "vector of zeros"),
    (lambda texts: ["no vector" for _ in texts], "no vectors"),
    (lambda _: None, "raised"),
]


@pytest.mark.parametrize(("model", "message"), BROKEN)
def test_broken_embeddings_leave_it_to_the_words(
    compressor: Compressor, model: Any, message: str
) -> None:
    arguments: dict[str, Any] = {"rate": 0.3, "query": "Do dogs stay outside?"}
    sources = [LIBRARY, SWIMMING]
    words = compressor.compress(sources, **arguments, relevance="bm25")
    with pytest.warns(RelevanceWarning, match=message) as caught:
        result = compressor.compress(sources, **arguments, relevance=model)
    assert result == words
    assert len(caught) == 1
    with pytest.raises(RelevanceError, match=message):
        compressor.compress(sources, **arguments, relevance=model, relevance_errors="raise")


@given(st.lists(texts, max_size=3), texts)
def test_any_texts_can_be_embedded(sources: list[str], query: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cut in layouts(*sources):
            values = question_values(cut, query, embed)
            assert values.shape == (len(cut),)
            assert np.isfinite(values).all()


def test_embeddings_without_a_question_are_not_asked(compressor: Compressor) -> None:
    plain = compressor.compress([LIBRARY], rate=0.4)
    assert compressor.compress([LIBRARY], rate=0.4, relevance=fail, query=" ") == plain


def test_missing_scores_count_as_the_lowest() -> None:
    with pytest.warns(RelevanceWarning, match="2 of 4 texts have no number in the index"):
        scores = document_scores([0.4, None, math.nan, 0.9], "the index")
    assert scores == (0.4, 0.4, 0.4, 0.9)
    with pytest.warns(RelevanceWarning, match="BM25 is used"):
        assert document_scores([None, "high"], "the index") == "bm25"
    with pytest.raises(RelevanceError, match="1 of 2 texts"):
        document_scores([None, 1], "the index", "raise")
    assert document_scores([2, -1.5], "the index", "raise") == (2.0, -1.5)


def test_scores_and_the_question_both_count(compressor: Compressor) -> None:
    sources = [SWIMMING, LIBRARY, LIBRARY]
    result = compressor.compress(
        sources, target_token=4, query="Do dogs stay outside?", relevance=[0, 0, 1]
    )
    assert "Dogs stay outside" in result.texts[2]
    assert result.texts[:2] == ["", ""]


@given(st.lists(st.floats(-9, 9), max_size=9))
def test_the_best_texts_come_first_and_last(values: list[float]) -> None:
    order = ends_first(values)
    assert sorted(order) == list(range(len(values)))
    arranged = [values[i] for i in order]
    if len(set(values)) < 2:
        assert order == sorted(order)
    else:
        assert arranged[0] == max(values)
        assert arranged[-1] == sorted(values)[-2]
        low = arranged.index(min(values))
        assert arranged[: low + 1] == sorted(arranged[: low + 1], reverse=True)
        assert arranged[low:] == sorted(arranged[low:])


def test_the_reading_order_of_strings() -> None:
    sources = [PROSE, SWIMMING, LIBRARY, LOG]
    question = "Are lockers free at the outdoor pool?"
    order = reading_order(sources, question)
    assert (order[0], order[-1]) == (1, 2)
    assert reading_order(sources, "zebra") == reading_order(sources, None) == [0, 1, 2, 3]
    assert reading_order(sources, None, relevance=[1, 2, 3, 4]) == [3, 1, 0, 2]
    assert reading_order([LOG, LIBRARY], ANIMALS, relevance=embed) == [1, 0]
    with pytest.raises(OptionError, match="2 numbers for 1 texts"):
        reading_order([PROSE], None, relevance=[1, 2])
    with pytest.raises(OptionError, match="strings do not have"):
        reading_order([PROSE], None, relevance="scores")


def documents(*scores: Any) -> list[Document]:
    sources = (LIBRARY, SWIMMING, PROSE)
    return [
        Document(page_content=text, metadata={"n": n, **({} if s is None else {"rank": s})})
        for n, (text, s) in enumerate(zip(sources, scores, strict=True))
    ]


def nodes(*scores: float | None) -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(text=text, id_=str(n)), score=score)
        for n, (text, score) in enumerate(zip((LIBRARY, SWIMMING, PROSE), scores, strict=True))
    ]


def test_langchain_takes_the_scores_of_a_reranker(tiny_bert: Path) -> None:
    adapter = Lingua2Compressor(
        model_name=tiny_bert, target_token=20, relevance="scores", score_key="rank"
    )
    returned = adapter.compress_documents(documents(0.1, 0.2, 0.9), None)
    assert [document.metadata["n"] for document in returned] == [2]
    with pytest.warns(RelevanceWarning, match=r"1 of 3 texts have no number in metadata\['rank'\]"):
        adapter.compress_documents(documents(0.1, None, 0.9), None)
    strict = adapter.model_copy(update={"relevance_errors": "raise"})
    with pytest.raises(RelevanceError, match="1 of 3"):
        strict.compress_documents(documents(0.1, None, 0.9), None)


def test_langchain_takes_its_embeddings(tiny_bert: Path) -> None:
    adapter = Lingua2Compressor(
        model_name=tiny_bert, target_token=14, relevance=LangChainModel(), reorder="relevance"
    )
    returned = adapter.compress_documents(documents(1, 2, 3), ANIMALS)
    assert "Dogs stay outside" in returned[0].page_content
    again = asyncio.run(adapter.acompress_documents(documents(1, 2, 3), ANIMALS))
    assert again == returned


def test_llamaindex_takes_the_nodes_scores(tiny_bert: Path) -> None:
    adapter = Lingua2Postprocessor(model_name=str(tiny_bert), target_token=20, relevance="scores")
    returned = adapter.postprocess_nodes(nodes(0.1, 0.2, 0.9))
    assert [item.node.node_id for item in returned] == ["2"]
    with pytest.warns(RelevanceWarning, match="3 of 3 texts have no number in their score; BM25"):
        returned = adapter.postprocess_nodes(nodes(None, None, None), query_str="Silence for dogs?")
    assert "Dogs" in returned[0].node.get_content()
    # Nodes that no retriever returned have no scores, which is no reason to warn.
    assert adapter([TextNode(text=SWIMMING)])


def test_llamaindex_takes_its_embeddings(tiny_bert: Path) -> None:
    adapter = Lingua2Postprocessor(
        model_name=str(tiny_bert), target_token=14, relevance=LlamaIndexModel()
    )
    returned = adapter.postprocess_nodes(nodes(1, 2, 3), query_str=ANIMALS)
    assert any("Dogs stay outside" in item.node.get_content() for item in returned)
    with pytest.raises(ValueError, match="relevance was an object"):
        Lingua2Postprocessor.from_dict(adapter.to_dict())


@pytest.mark.parametrize("relevance", ["scores", "bm25", embed])
def test_adapters_put_the_best_texts_at_the_ends(tiny_bert: Path, relevance: Any) -> None:
    options: dict[str, Any] = {"rate": 0.8, "relevance": relevance, "reorder": "relevance"}
    question = "Outdoor pool water, and silence at the lockers?"
    chain = Lingua2Compressor(model_name=tiny_bert, score_key="rank", **options)
    found = chain.compress_documents(documents(0.3, 0.9, 0.1), question)
    assert [document.metadata["n"] for document in found] == [1, 2, 0]
    engine = Lingua2Postprocessor(model_name=str(tiny_bert), **options)
    items = engine.postprocess_nodes(nodes(0.3, 0.9, 0.1), query_str=question)
    assert [(item.node.node_id, item.score) for item in items] == [
        ("1", 0.9),
        ("2", 0.1),
        ("0", 0.3),
    ]
    count = resolve_token_counter("cl100k_base")
    whole = count("\n\n".join([LIBRARY, SWIMMING, PROSE]))
    assert count("\n\n".join(document.page_content for document in found)) <= 0.8 * whole + 1


@pytest.mark.parametrize("adapter", [Lingua2Compressor, Lingua2Postprocessor])
def test_reorder_needs_a_relevance(adapter: Any) -> None:
    with pytest.raises(ValueError, match="reorder='relevance' needs a relevance"):
        adapter(rate=0.5, reorder="relevance")


def test_an_embedding_that_fails_is_told_once_when_documents_are_reordered(tiny_bert: Path) -> None:
    adapter = Lingua2Compressor(model_name=tiny_bert, rate=0.5, relevance=fail, reorder="relevance")
    with pytest.warns(RelevanceWarning, match="TimeoutError") as caught:
        adapter.compress_documents(documents(1, 2, 3), "Do dogs stay outside?")
    assert len(caught) == 1


def test_a_reordered_set_is_embedded_once(tiny_bert: Path) -> None:
    asked: list[str] = []

    def watch(texts: list[str]) -> list[list[float]]:
        asked.extend(texts)
        return embed(texts)

    adapter = Lingua2Compressor(
        model_name=tiny_bert, rate=0.5, relevance=watch, reorder="relevance"
    )
    adapter.compress_documents(documents(1, 2, 3), ANIMALS)
    assert len(asked) == len(set(asked))
