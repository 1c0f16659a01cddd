"""What `protect`, `markers` and `min_tokens` do to a compression."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua2 import (
    BudgetWarning,
    CompressionResult,
    Compressor,
    InputError,
    MarkerWarning,
    OptionError,
)
from lingua2.budget import Prompt, fill_budget
from lingua2.protect import GUARDS, governed
from lingua2.rendering import Layout
from lingua2.scores import ScoredText, quantised
from lingua2.text import split_units
from samples import AWKWARD, CODE, GERMAN, JSON, LOG, MANY_KINDS, PROSE
from samples import texts as any_texts

NUMBERS = (
    "Last year the mill ground 1,250 tons of grain, 12% more than before, although the river "
    "froze for 21 days and the owner had only 3 workers and one horse left to do all of it."
)
TABLE = (
    "| Part | Price |\n|:-----|------:|\n| brass bolt, long | 3.20 |\n| old blue ladder | 45 |\n"
)
FENCED = (
    "Run this first, as it says above:\n\n```sh\nmake  all\n\n    make test\n```\n\nThen go home."
)


class Scorer:
    """Stands in for the encoder: a probability for every unit, drawn from its text alone."""

    reads_questions = False

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def score(self, texts: list[str], question: str = "") -> list[ScoredText]:
        return [self._scored(text) for text in texts]

    def _scored(self, text: str) -> ScoredText:
        units = split_units(text)
        state = [self.seed, *text.encode("utf-8", "surrogatepass")]
        values = quantised(np.random.default_rng(state).random(len(units)))
        return ScoredText(text, units, values, values)


def compress(texts: list[str], seed: int = 0, **options: Any) -> CompressionResult:
    return Compressor.with_encoder(Scorer(seed)).compress(texts, **options)  # type: ignore[arg-type]


def kept(text: str, spans: list[tuple[int, int]]) -> list[bool]:
    units = split_units(text)
    bounds = zip(units.starts.tolist(), units.ends.tolist(), strict=True)
    return [any(a <= start and end <= b for a, b in spans) for start, end in bounds]


@pytest.mark.parametrize("seed", range(5))
def test_protected_numbers_stay_while_the_budget_holds_them(seed: int) -> None:
    result = compress([NUMBERS], seed, rate=0.5, protect=["numbers"])
    for number in ("1,250 tons", "12%", "21 days", "3"):
        assert number in result.texts[0]
    assert not result.dropped_protected


@pytest.mark.parametrize("options", [{"allocation": "uniform"}, {"drop_consecutive": True}, {}])
def test_guards_and_budget_hold_with_every_way_of_choosing(options: dict[str, Any]) -> None:
    result = compress([NUMBERS, PROSE, LOG], rate=0.6, protect=["numbers", "dates"], **options)
    assert "1,250 tons" in result.texts[0]
    assert "3.5 million euros" in result.texts[1]
    assert "2024-03-01T12:00:07Z" in result.texts[2]
    assert result.compressed_tokens <= (result.budget or 0)


def test_a_text_that_the_context_filter_drops_goes_with_all_that_is_protected_in_it() -> None:
    result = compress(
        [NUMBERS, PROSE],
        rate=0.5,
        protect=["numbers"],
        use_context_level_filter=True,
        target_context=1,
    )
    assert sorted(map(bool, result.texts)) == [False, True]
    assert not result.dropped_protected


def test_what_the_budget_cannot_hold_is_listed_behind_what_is_forced() -> None:
    result = compress([NUMBERS], target_token=8, protect=["numbers"], force_tokens=["horse"])
    assert result.compressed_tokens <= 8
    assert "horse" in result.texts[0]
    lost = {item.word for item in result.dropped_protected}
    assert lost
    for item in result.dropped_protected:
        assert NUMBERS[item.start : item.end] == item.word
        assert item.word not in result.texts[0].split()


@st.composite
def negating_texts(draw: st.DrawFn) -> str:
    words = ["not", "never", "no", "without", "don't", "nicht", "ne", "pas", "cannot"]
    others = [
        "river",
        "mill",
        "opened",
        "was",
        "the",
        "old",
        "horse",
        "grain",
        ",",
        ".",
        "\n",
        "!!",
    ]
    chosen = draw(st.lists(st.sampled_from([*words, *others, *others]), max_size=40))
    return " ".join(chosen)


# One that is not additive at spaces, so that the budget is filled by trials as well.
COUNTERS = ["cl100k_base", len, lambda text: -(-len(text) // 3), lambda text: len({*text.split()})]
BUDGETS = st.one_of(
    st.fixed_dictionaries({"rate": st.floats(0.02, 1)}),
    st.fixed_dictionaries({"target_token": st.integers(1, 60)}),
    st.fixed_dictionaries({"threshold": st.floats(0, 1)}),
)
OPTIONS = st.fixed_dictionaries(
    {"token_counter": st.sampled_from(COUNTERS)},
    optional={
        "allocation": st.just("uniform"),
        "force_tokens": st.just(["river", "mill"]),
        "protect": st.just(["negations", "numbers", r"gra\w+"]),
        "drop_consecutive": st.just(True),
    },
)


@settings(max_examples=150)
@given(
    st.lists(negating_texts() | st.sampled_from([PROSE, GERMAN]), min_size=1, max_size=3),
    st.integers(0, 1000),
    BUDGETS,
    OPTIONS,
)
@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
def test_no_word_stays_without_its_negation(
    sources: list[str], seed: int, budget: dict[str, Any], options: dict[str, Any]
) -> None:
    result = compress(sources, seed, **budget, **options)
    for text, spans in zip(sources, result.spans, strict=True):
        flags = kept(text, spans)
        words, negations = governed(Layout(text, split_units(text)))
        for word, negation in zip(words.tolist(), negations.tolist(), strict=True):
            assert flags[negation] or not flags[word]


def test_a_word_whose_negation_had_to_go_again_is_not_tried_without_it() -> None:
    text = "mill not good here"

    def count(given: str) -> int:
        # Not additive: what is counted around a word does not show what it costs as a whole.
        return len(given.split()) + 10 * ("not" in given and "mill" in given)

    prompt = Prompt([Layout(text, split_units(text))], [("", "")], "\n\n", [False])
    order, hosts = np.array([0, 3, 1, 2]), np.array([-1, -1, 1, -1])
    filled, _ = fill_budget(prompt, order, 4, count, hosts=hosts)
    assert prompt.render(filled) == "mill here"


def test_a_forced_word_brings_its_negation() -> None:
    text = "The old mill on the river was not sold to anybody in that year, they say."
    result = compress([text], target_token=4, force_tokens=["sold"])
    assert "not sold" in result.texts[0]
    without = compress([text], target_token=1, force_tokens=["sold"], protect=())
    assert without.texts == ["sold"]


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=12) | any_texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(
    st.dictionaries(st.text(max_size=6), _values, min_size=1, max_size=3),
    st.floats(0, 1),
    st.integers(0, 99),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_json_stays_json_where_its_structure_fits(
    value: dict[str, Any], threshold: float, seed: int, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    result = compress([f"As sent: {text} to you."], seed, threshold=threshold, protect=["json"])
    (left,) = re.findall(r"\{.*\}", result.texts[0], re.DOTALL)
    now = json.loads(left)
    assert now.keys() == value.keys()
    assert all(type(now[key]) is type(value[key]) for key in value)


def test_long_json_values_are_compressed() -> None:
    note = "the pump was checked on site and it works again as it should, they say"
    text = json.dumps({"id": 7, "note": note, "tags": ["a", "b"]})
    result = compress([text], rate=0.8, protect=["json"])
    value = json.loads(result.texts[0])
    assert (value["id"], value["tags"]) == (7, ["a", "b"])
    assert 0 < len(value["note"]) < len(note)


@pytest.mark.parametrize("seed", range(5))
def test_the_structure_of_json_goes_before_what_else_is_protected(seed: int) -> None:
    note = "after 20 days and 3 hours in room 12 they had 400 of 500 parts, then 12 more, then 9"
    text = json.dumps({"id": 7, "note": note})
    result = compress([text], seed, rate=0.45, protect=["numbers", "json"])
    assert result.dropped_protected
    assert json.loads(result.texts[0])["id"] == 7


@pytest.mark.parametrize("seed", range(5))
def test_code_blocks_stay_as_they_are(seed: int) -> None:
    (text,) = compress([FENCED], seed, rate=0.75, protect=["code"]).texts
    assert "```sh\nmake  all\n\n    make test\n```" in text
    assert text != FENCED


@pytest.mark.parametrize("seed", range(5))
def test_table_rows_keep_their_cells_apart(seed: int) -> None:
    (text,) = compress([TABLE], seed, rate=0.7, protect=["tables"]).texts
    rows = text.strip().splitlines()
    assert [row.count("|") for row in rows] == [3] * 4
    assert rows[1] == "|:-----|------:|"
    assert text != TABLE


def test_a_users_expression_protects_what_it_matches() -> None:
    pattern = re.compile(r"ONE horse", re.IGNORECASE)
    assert "one horse" in compress([NUMBERS], rate=0.2, protect=[pattern]).texts[0]


def test_an_expression_without_end_costs_a_warning_and_not_the_call() -> None:
    text = "a" * 40 + "! " + NUMBERS
    with pytest.warns(BudgetWarning, match="took longer than"):
        result = compress([text], rate=0.5, protect=[r"(a|aa|a?)+$", "numbers"])
    assert "1,250 tons" in result.texts[0]


@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
@given(any_texts, st.floats(0.05, 1))
def test_all_guards_together_take_any_text(text: str, rate: float) -> None:
    result = compress([text], rate=rate, protect=GUARDS)
    assert result.compressed_tokens <= (result.budget or 0)
    pieces = [text[start:end] for start, end in result.spans[0]]
    assert "".join("".join(pieces).split()) == "".join(result.texts[0].split())


def test_without_guards_only_the_model_decides() -> None:
    text = "It is not, they said, never and without end, a good year for 12 mills."
    assert compress([text], threshold=1.0, protect=()).texts == [""]
    guarded = compress([text], threshold=1.0, protect=["numbers"])
    assert guarded.texts == ["12"]


# --- markers


KEEP = ("<keep>", "</keep>")


def test_what_stands_between_markers_stays_and_the_markers_go() -> None:
    inside = "and the owner had only 3 workers"
    text = NUMBERS.replace(inside, f"<keep>{inside}</keep>")
    result = compress([text, PROSE], rate=0.5, markers=KEEP)
    assert inside in result.texts[0]
    assert "keep" not in result.prompt
    plain = compress([NUMBERS, PROSE], rate=0.5)
    assert result.original_tokens == plain.original_tokens
    assert result.budget == plain.budget


@given(
    st.lists(any_texts.filter(lambda text: "<" not in text and ">" not in text), max_size=5),
    st.floats(0.05, 1),
    st.booleans(),
)
@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
def test_offsets_are_those_of_the_text_with_markers(
    parts: list[str], rate: float, labels: bool
) -> None:
    text = "".join(f"<keep>{part}</keep>" if i % 2 else part for i, part in enumerate(parts))
    result = compress(
        [text], rate=rate, markers=KEEP, force_reserve_digit=True, return_word_label=labels
    )
    pieces = [text[start:end] for start, end in result.spans[0]]
    assert not any("<keep>" in piece or "</keep>" in piece for piece in pieces)
    left = "".join(result.texts[0].split())
    assert "".join("".join(pieces).split()) == left
    segments = list(result.segments(0))
    assert "".join(piece for piece, _, _ in segments) == text
    assert "".join("".join(piece for piece, kept, _ in segments if kept).split()) == left
    for item in result.dropped_forced:
        assert re.sub(r"</?keep>", "", text[item.start : item.end]) == item.word


def test_one_string_may_open_and_close() -> None:
    result = compress(["one **two three** four five six"], target_token=2, markers=("**", "**"))
    assert result.texts == ["two three"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a <keep>b", r"texts\[1\]: the marker '<keep>' at character 2 is never closed"),
        ("ab</keep>", r"'</keep>' at character 2 closes nothing"),
        ("<keep>a <keep>b</keep>", r"'<keep>' at character 8 opens again"),
    ],
)
def test_markers_that_do_not_match_are_refused_by_place_on_request(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compress([PROSE, text], rate=0.5, markers=KEEP, marker_errors="raise")
    with pytest.warns(MarkerWarning, match=message):
        compress([PROSE, text], rate=0.5, markers=KEEP)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("one two <keep>three four", "three four"),
        ("one two</keep> three four", "one two"),
        ("one</keep> two <keep>three", "one three"),
        ("one <keep>two</keep> three</keep> four", "two"),
        ("one <keep>two <keep>three</keep> four", "two three"),
        ("</keep>one two", ""),
        ("one two<keep>", ""),
    ],
)
def test_a_marker_without_its_counterpart_reaches_to_where_the_text_was_cut(
    text: str, kept: str
) -> None:
    with pytest.warns(MarkerWarning):
        result = compress([text], threshold=1.0, protect=(), markers=KEEP)
    assert result.texts == [kept]
    pieces = [text[start:end].strip() for start, end in result.spans[0]]
    assert " ".join(pieces) == kept


def test_one_warning_tells_of_all_texts_with_stray_markers() -> None:
    halves = ["one <keep>two", "three</keep> four", PROSE]
    with pytest.warns(MarkerWarning) as caught:
        result = compress(halves, rate=1.0, markers=KEEP)
    (warning,) = caught
    assert re.match(r"texts\[0\]: the marker '<keep>' at character 4", str(warning.message))
    assert "In 2 of 3 texts" in str(warning.message)
    assert result.texts == ["one two", "three four", PROSE]


@given(
    st.lists(st.sampled_from(["<keep>", "</keep>", "one ", " 2", "drei."]), max_size=12),
    st.floats(0.05, 1),
)
@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
@pytest.mark.filterwarnings("ignore::lingua2.MarkerWarning")
def test_no_stray_marker_reaches_the_output(parts: list[str], rate: float) -> None:
    text = "".join(parts)
    result = compress([text], rate=rate, markers=KEEP, return_word_label=True)
    assert "keep" not in result.prompt
    assert "".join(piece for piece, _, _ in result.segments(0)) == text


def test_marked_text_that_the_budget_cannot_hold_is_warned_of() -> None:
    text = "one two <keep>" + "three four five six seven " * 3 + "</keep> eight"
    with pytest.warns(BudgetWarning, match="budget of 5 tokens cannot hold all words between mark"):
        result = compress([PROSE, text], target_token=5, markers=KEEP)
    assert {item.text_index for item in result.dropped_protected} == {1}
    with pytest.warns(BudgetWarning, match=r"forced words: .*; .* words between markers: "):
        compress([text], target_token=2, markers=KEEP, force_tokens=["one", "two", "eight"])


def test_what_only_guards_protect_is_counted_and_not_warned_of() -> None:
    result = compress(
        [NUMBERS, "<keep>bare</keep> feet"], target_token=6, markers=KEEP, protect=["numbers"]
    )
    lost = len(result.dropped_protected)
    report = result.losses()
    assert report["dropped_protected"] == lost > 0
    assert [own["dropped_protected"] for own in report["texts"]] == [lost, 0]


@pytest.mark.parametrize("markers", ["<>", ("<keep>",), ("", "x"), (" ", "x"), (1, 2), 7])
def test_markers_are_two_strings(markers: object) -> None:
    with pytest.raises(OptionError, match="markers: expected what opens and what closes"):
        compress([PROSE], rate=0.5, markers=markers)


# --- small sets


def test_a_small_set_comes_back_unchanged() -> None:
    result = compress([PROSE], rate=0.5, min_tokens=1000, use_context_level_filter=True)
    assert result.texts == [PROSE]
    assert result.budget == result.compressed_tokens == result.original_tokens
    size = result.original_tokens
    assert compress([PROSE], rate=0.5, min_tokens=size).texts != [PROSE]
    assert compress([PROSE], rate=0.5, min_tokens=size + 1).texts == [PROSE]


def test_a_number_of_tokens_holds_for_small_sets_too() -> None:
    assert compress([PROSE], target_token=20, min_tokens=1000).compressed_tokens <= 20


def test_with_a_threshold_small_texts_are_spared_one_by_one() -> None:
    note = "Not, not, not, the mill."
    options: dict[str, Any] = {
        "threshold": 0.9,
        "min_tokens": 30,
        "force_tokens": ["not"],
        "drop_consecutive": True,
    }
    texts = compress([note, PROSE], **options).texts
    assert texts[0] == note
    assert texts[1] != PROSE
    assert compress([note], **options).texts == [note]


# --- stable prompts


TURNS = [*MANY_KINDS.values(), *AWKWARD.values(), TABLE, FENCED]


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(TURNS), min_size=1, max_size=4),
    st.floats(0, 1),
    st.fixed_dictionaries(
        {},
        optional={
            "protect": st.sampled_from([(), GUARDS, ("numbers", r"h\w+")]),
            "force_tokens": st.just(["\n", "the", "?", "Dock 7"]),
            "force_reserve_digit": st.just(True),
            "drop_consecutive": st.just(True),
            "min_tokens": st.integers(0, 60),
            "document_separator": st.just(" "),
            "token_counter": st.sampled_from(COUNTERS),
        },
    ),
)
def test_with_a_threshold_a_texts_output_depends_on_that_text_alone(
    conversation: list[str], threshold: float, options: dict[str, Any]
) -> None:
    alone = [compress([text], threshold=threshold, **options).texts[0] for text in conversation]
    together = compress(conversation, threshold=threshold, **options)
    assert together.texts == alone
    backwards = compress(conversation[::-1], threshold=threshold, **options)
    assert backwards.texts == alone[::-1]
    for turns in range(1, len(conversation)):
        prefix = compress(conversation[:turns], threshold=threshold, **options).prompt
        assert together.prompt.startswith(prefix)


def test_the_embedded_model_keeps_a_growing_conversation_stable(compressor: Compressor) -> None:
    turns = [PROSE, CODE, JSON, LOG, GERMAN]
    before = ""
    for number in range(1, len(turns) + 1):
        prompt = compressor.compress(turns[:number], threshold=0.5, protect=GUARDS).prompt
        assert prompt.startswith(before)
        before = prompt


# --- both adapters pass these options on


def test_adapters_take_markers_out_and_leave_small_sets_alone(tiny_bert: Path) -> None:
    langchain = pytest.importorskip("langchain_lingua2")
    llama_index = pytest.importorskip("llamaindex_lingua2")
    documents = pytest.importorskip("langchain_core.documents")
    schema = pytest.importorskip("llama_index.core.schema")
    text = PROSE.replace("second pier", "<keep>second pier</keep>")
    own = {"model_name": tiny_bert, "markers": KEEP, "token_counter": "cl100k_base"}
    for rate, small in ((0.3, 0), (0.3, 1000)):
        options = own | {"rate": rate, "min_tokens": small}
        (document,) = langchain.Lingua2Compressor(**options).compress_documents(
            [documents.Document(text)], "who pays?"
        )
        nodes = [schema.NodeWithScore(node=schema.TextNode(text=text))]
        (node,) = llama_index.Lingua2Postprocessor(**options).postprocess_nodes(nodes)
        for output in (document.page_content, node.text):
            assert "second pier" in output
            assert "keep>" not in output
            assert (output == PROSE) == bool(small)


def test_adapters_count_dropped_protected_words_and_take_stray_markers(tiny_bert: Path) -> None:
    langchain = pytest.importorskip("langchain_lingua2")
    llama_index = pytest.importorskip("llamaindex_lingua2")
    documents = pytest.importorskip("langchain_core.documents")
    schema = pytest.importorskip("llama_index.core.schema")
    text = PROSE.replace("second pier", "<keep>second pier")
    options = {"model_name": tiny_bert, "markers": KEEP, "target_token": 5}
    lenient = langchain.Lingua2Compressor(**options, add_statistics=True)
    with pytest.warns((BudgetWarning, MarkerWarning)):
        (document,) = lenient.compress_documents([documents.Document(text)], "who pays?")
    nodes = [schema.NodeWithScore(node=schema.TextNode(text=text))]
    with pytest.warns((BudgetWarning, MarkerWarning)):
        (node,) = llama_index.Lingua2Postprocessor(
            **options, add_statistics=True
        ).postprocess_nodes(nodes)
    for metadata in (document.metadata, node.node.metadata):
        assert json.loads(metadata["lingua2_losses"])["dropped_protected"] > 0
    strict = {**options, "marker_errors": "raise"}
    with pytest.raises(InputError, match="never closed"):
        langchain.Lingua2Compressor(**strict).compress_documents([documents.Document(text)], "?")
    with pytest.raises(InputError, match="never closed"):
        llama_index.Lingua2Postprocessor(**strict).postprocess_nodes(nodes)
