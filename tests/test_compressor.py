"""What `Compressor.compress` promises."""

from __future__ import annotations

import asyncio
import copy
import math
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from lingua2 import (
    BudgetWarning,
    CompressionResult,
    Compressor,
    InputError,
    OptionError,
    TokenCounterError,
)
from lingua2.counting import resolve_token_counter
from samples import AWKWARD, CHINESE, CODE, JAPANESE, LOG, MANY_KINDS, MARKDOWN, PROSE, texts

count = resolve_token_counter("cl100k_base")
SET = list(MANY_KINDS.values())


@pytest.fixture(scope="module")
def tiny(tiny_bert: Path) -> Compressor:
    """A random model: fast, and as good as any for what must hold whatever the scores."""
    return Compressor(tiny_bert).load()


def assert_faithful(result: CompressionResult) -> None:
    """Every output is made of its input's spans, in order, and white space between them."""
    assert len(result.texts) == len(result.spans) == len(result.sources)
    for source, text, spans in zip(result.sources, result.texts, result.spans, strict=True):
        position = last = 0
        for start, end in spans:
            assert last <= start < end <= len(source)
            piece = source[start:end]
            at = text.index(piece, position)
            assert text[position:at] in ("", " ", "\n", "\r\n")
            position, last = at + len(piece), end
        assert position == len(text)


# --- the budget


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sources=st.lists(texts, min_size=1, max_size=4),
    frame=st.sampled_from([("", ""), (" title: pier\n", "\n"), ("\t", "")]),
    target=st.integers(1, 60),
)
@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
def test_the_budget_holds_for_readers_that_strip(
    tiny: Compressor, sources: list[str], frame: tuple[str, str], target: int
) -> None:
    frames = [frame] * len(sources)
    result = tiny.compress(sources, target_token=target, frames=frames, strip=True)
    shown = [frame[0] + text + frame[1] for text in result.texts if text]
    bare = "\n\n".join(filter(None, (text.strip() for text in shown)))
    assert result.compressed_tokens == max(count(result.prompt), count(bare)) <= target
    assert_faithful(result)
    if result.texts != sources:
        assert all(text == text.strip() for text in result.texts)


def test_an_indentation_that_a_reader_strips_saves_no_tokens(tiny: Compressor) -> None:
    # "sailors" is one token behind a space and two at the beginning.
    source = "  sailors"
    assert count(source) < count(source.strip())
    assert tiny.compress([source], target_token=count(source)).texts == [source]
    with pytest.warns(BudgetWarning, match="holds none of the words"):
        found = tiny.compress([source], target_token=count(source), strip=True)
    assert found.texts == [""]


def test_strip_is_yes_or_no(tiny: Compressor) -> None:
    with pytest.raises(InputError, match="strip must be True or False, got 'no'"):
        tiny.compress(["a text"], rate=0.5, strip="no")


def test_what_is_left_empty_is_said(tiny: Compressor) -> None:
    with pytest.warns(BudgetWarning, match="budget of 9 tokens holds none of the words"):
        assert tiny.compress(["Q" * 4000, ""], target_token=9).texts == ["", ""]
    # Nothing was lost where nothing was.
    assert tiny.compress(["", " \n"], target_token=1).texts == ["", " \n"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sources=st.lists(texts, max_size=4),
    target=st.integers(1, 80),
    allocation=st.sampled_from(["global", "uniform"]),
    force=st.sampled_from([(), (".", "\n"), ("budget", "pier", "!")]),
    consecutive=st.booleans(),
    digits=st.booleans(),
    coarse=st.booleans(),
)
@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
def test_whatever_the_options_the_budget_holds_and_the_output_is_verbatim(
    tiny: Compressor,
    sources: list[str],
    target: int,
    allocation: Any,
    force: tuple[str, ...],
    consecutive: bool,
    digits: bool,
    coarse: bool,
) -> None:
    before = copy.deepcopy(sources)
    result = tiny.compress(
        sources,
        target_token=target,
        allocation=allocation,
        force_tokens=force,
        drop_consecutive=consecutive,
        force_reserve_digit=digits,
        use_context_level_filter=coarse,
    )
    assert sources == before
    assert count(result.prompt) == result.compressed_tokens <= target
    assert_faithful(result)


@pytest.mark.parametrize("rate", [0.1, 0.33, 0.5, 0.9])
def test_a_rate_is_a_share_of_the_joined_texts(compressor: Compressor, rate: float) -> None:
    result = compressor.compress(SET, rate=rate)
    total = count("\n\n".join(SET))
    assert result.original_tokens == total
    assert result.budget == math.floor(rate * total)
    assert result.budget - 1 <= count("\n\n".join(filter(None, result.texts))) <= result.budget
    assert result.rate == result.compressed_tokens / total


def test_the_budget_counts_in_the_readers_tokenizer(
    compressor: Compressor, tiny_bert: Path
) -> None:
    reader = AutoTokenizer.from_pretrained(tiny_bert)
    result = compressor.compress(SET, target_token=200, token_counter=reader)
    assert len(reader(result.prompt, add_special_tokens=False)["input_ids"]) == 200
    result = compressor.compress(SET, target_token=200, token_counter=len)
    assert len(result.prompt) == 200


def test_the_separator_counts(compressor: Compressor) -> None:
    result = compressor.compress(SET, target_token=60, document_separator="\n=====\n")
    assert count("\n=====\n".join(filter(None, result.texts))) == result.compressed_tokens <= 60


@pytest.mark.parametrize(
    "budget", [{"target_token": 10_000}, {"rate": 1.0}, {"threshold": 0.0}], ids=str
)
def test_what_fits_comes_back_unchanged(compressor: Compressor, budget: dict[str, Any]) -> None:
    assert compressor.compress(SET, **budget).texts == SET


def test_what_fits_needs_no_model(tmp_path: Path, tiny_bert: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_bytes((tiny_bert / "config.json").read_bytes())
    (broken / "model.safetensors").write_bytes(b"")
    assert Compressor(broken).compress(SET, rate=1).texts == SET


def test_a_budget_of_one(compressor: Compressor) -> None:
    result = compressor.compress(SET, target_token=1)
    assert count(result.prompt) == 1
    assert sum(map(bool, result.texts)) == 1


def test_a_threshold_keeps_exactly_the_words_above_it(compressor: Compressor) -> None:
    result = compressor.compress([PROSE], threshold=0.6)
    assert result.budget is None
    (words,) = result.words
    assert [word.kept for word in words] == [word.probability >= 0.6 for word in words]
    alone, other = compressor.compress([PROSE, CODE], threshold=0.6).texts
    assert (alone, other) == (result.texts[0], compressor.compress([CODE], threshold=0.6).texts[0])


def test_probable_words_are_kept_first(compressor: Compressor) -> None:
    result = compressor.compress([PROSE, LOG], target_token=60)
    kept = [w.probability for own in result.words for w in own if w.kept]
    dropped = [w.probability for own in result.words for w in own if not w.kept]
    assert sum(kept) / len(kept) > 2 * sum(dropped) / len(dropped)


def test_global_allocation_favours_the_better_text_and_uniform_does_not(
    compressor: Compressor,
) -> None:
    chatter = "well you know it is sort of what it is and that is that, so there we are then. " * 4
    sources = [chatter, PROSE]
    shares = {}
    for allocation in ("global", "uniform"):
        result = compressor.compress(sources, rate=0.4, allocation=allocation)
        shares[allocation] = [
            count(text) / count(source) for text, source in zip(result.texts, sources, strict=True)
        ]
    assert shares["global"][1] > shares["global"][0] + 0.2
    assert shares["uniform"][1] == pytest.approx(shares["uniform"][0], abs=0.08)


# --- LLMLingua-2's options


def test_force_tokens_stay_as_whole_units(compressor: Compressor) -> None:
    text = "The theory of the Isle of Man, 3.14 and more. The end."
    result = compressor.compress([text], rate=0.75, force_tokens=["the", ".", "Isle of Man"])
    kept = {text[w.start : w.end] for w in result.words[0] if w.kept}
    assert {"the", "Isle", "of", "Man"} <= kept
    assert result.texts[0].count(".") >= 2
    assert result.dropped_forced == ()


def test_a_forced_newline_keeps_line_breaks(compressor: Compressor) -> None:
    text = "The first paragraph ends.\n\nIt is so that the second one begins."
    plain = compressor.compress([text], rate=0.6).texts[0]
    forced = compressor.compress([text], rate=0.6, force_tokens=["\n"]).texts[0]
    assert "\n\n" in forced
    assert plain.replace("\n\n", "\n") == forced.replace("\n\n", "\n")


def test_digits_stay(compressor: Compressor) -> None:
    result = compressor.compress([LOG], rate=0.85, force_reserve_digit=True)
    kept = result.texts[0]
    for number in ("2024-03-01T12:00:07Z", "/srv/app/jobs.py:88", "4711", "-9", "30s"):
        assert number in kept


def test_consecutive_force_tokens_are_dropped(compressor: Compressor) -> None:
    text = "So it is. And that is. But then it was. Reactor 4 failed. It was what it was."
    options: dict[str, Any] = {"target_token": 14, "force_tokens": ["."]}
    assert ".." in compressor.compress([text], **options).texts[0].replace(" ", "")
    kept = compressor.compress([text], drop_consecutive=True, **options)
    assert ".." not in kept.texts[0].replace(" ", "")
    assert kept.dropped_forced == ()


def test_forced_text_over_the_budget_goes_by_score_with_a_warning(compressor: Compressor) -> None:
    with pytest.warns(BudgetWarning, match=r"budget of 3 tokens .* had to go"):
        result = compressor.compress([LOG], target_token=3, force_reserve_digit=True)
    assert result.compressed_tokens <= 3
    for item in result.dropped_forced:
        assert LOG[item.start : item.end] == item.word
        assert any(char.isdigit() for char in item.word)
    assert {item.text_index for item in result.dropped_forced} == {0}


def test_pooling_by_first_token(compressor: Compressor) -> None:
    mean = compressor.compress([JAPANESE + PROSE], rate=0.5, token_to_word="mean")
    first = compressor.compress([JAPANESE + PROSE], rate=0.5, token_to_word="first")
    assert mean.words != first.words


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"target_context": 2}, 2),
        ({"context_level_rate": 0.25}, 1),
        ({"target_context": 1, "force_context_ids": [0, 3]}, 2),
        ({"context_level_target_token": 90}, 2),
    ],
)
def test_the_context_level_filter_drops_whole_texts(
    compressor: Compressor, options: dict[str, Any], kept: int
) -> None:
    chatter = "well you know it is what it is, and so on and so on, as it were. "
    sources = [chatter, PROSE, chatter * 2, LOG[: LOG.index("\n")]]
    result = compressor.compress(sources, rate=0.9, use_context_level_filter=True, **options)
    assert sum(map(bool, result.texts)) == kept
    for i in options.get("force_context_ids", ()):
        assert result.texts[i]


def test_word_labels(compressor: Compressor) -> None:
    result = compressor.compress(["A small text."], rate=0.5)
    (labels,) = result.word_labels
    assert [word for word, _ in labels] == ["A", "small", "text", "."]
    assert sum(label for _, label in labels) == 2
    fitting = compressor.compress(["A small text."], rate=1.0)
    assert fitting.words is None
    assert fitting.word_labels is None
    labelled = compressor.compress(["A small text."], rate=1.0, return_word_label=True)
    assert labelled.texts == ["A small text."]
    assert [label for _, label in labelled.word_labels[0]] == [1, 1, 1, 1]


# --- faithful output


@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
@pytest.mark.parametrize("text", [*MANY_KINDS.values(), *AWKWARD.values()])
@pytest.mark.parametrize("rate", [0.3, 0.7])
def test_every_kind_of_text_comes_back_verbatim(
    compressor: Compressor, text: str, rate: float
) -> None:
    result = compressor.compress([text, "", text], rate=rate)
    assert_faithful(result)
    assert result.texts[1] == ""
    assert count(result.prompt) <= result.budget


def test_lists_and_indentation_that_were_kept_stay(compressor: Compressor) -> None:
    kept = compressor.compress([MARKDOWN, CODE], rate=0.7).texts
    for source, text in zip((MARKDOWN, CODE), kept, strict=True):
        indents = {line[: len(line) - len(line.lstrip())] for line in source.splitlines()}
        for line in filter(str.strip, text.splitlines()):
            assert line[: len(line) - len(line.lstrip())] in indents
            assert line.split()[0] in source


def test_chinese_comes_back_without_spaces(compressor: Compressor) -> None:
    kept = compressor.compress([CHINESE], rate=0.5).texts[0]
    assert 0 < len(kept) < len(CHINESE)
    assert " " not in kept
    assert "\ufffd" not in kept


def test_compact_json_larger_than_the_budget_is_not_lost(compressor: Compressor) -> None:
    rows = ",".join(f'{{"id":{i},"name":"pump {i}","ok":true}}' for i in range(30))
    result = compressor.compress([f"[{rows}]".replace(" ", "_")], target_token=100)
    assert 98 <= result.compressed_tokens <= 100


def test_frames_count_and_surround(compressor: Compressor) -> None:
    frames = [("Source: a\n", "\n"), ("Source: b\n", "\n")]
    result = compressor.compress([PROSE, LOG], target_token=50, frames=frames)
    assert result.prompt.startswith("Source: a\n")
    assert count(result.prompt) == result.compressed_tokens <= 50
    assert result.original_tokens == count(f"Source: a\n{PROSE}\n\n\nSource: b\n{LOG}\n")


# --- input and options


def test_no_texts(compressor: Compressor) -> None:
    result = compressor.compress([], target_token=5)
    assert (result.texts, result.spans, result.prompt) == ([], [], "")
    assert (result.original_tokens, result.compressed_tokens, result.rate) == (0, 0, 1.0)


@pytest.mark.parametrize("sources", [[""], [" \n"], ["", " ", "\n\n\n"]])
def test_blank_texts(compressor: Compressor, sources: list[str]) -> None:
    result = compressor.compress(sources, threshold=0.5)
    assert result.texts == [""] * len(sources)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ("one text", r"texts is one str.*write \[text\]"),
        (b"bytes", "texts is one bytes"),
        (None, "must be a list of strings, got NoneType"),
        ({"a": "b"}, "must be a list of strings, got dict"),
        (["fine", 3], r"texts\[1\] is a int"),
        (["fine", None], r"texts\[1\] is a NoneType"),
    ],
)
def test_texts_must_be_a_list_of_strings(
    compressor: Compressor, sources: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compressor.compress(sources, rate=0.5)


def test_generators_are_fine(compressor: Compressor) -> None:
    assert compressor.compress((t for t in ["a", "b"]), rate=1).texts == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of target_token.*got none"),
        ({"rate": 0.5, "target_token": 5}, "exactly one.*got target_token=5, rate=0.5"),
        ({"rate": 0.5, "threshold": 0.5}, "exactly one"),
        ({"rate": 0}, "rate: .*greater than 0, got 0"),
        ({"rate": 1.5}, "rate: .*less than or equal to 1, got 1.5"),
        ({"rate": True}, "rate: expected a number, got True"),
        ({"rate": math.nan}, "rate"),
        ({"target_token": 0}, "target_token: .*got 0"),
        ({"target_token": -3}, "target_token: .*got -3"),
        ({"target_token": 2.5}, "target_token"),
        ({"threshold": -0.1}, "threshold"),
        ({"rate": 0.5, "allocation": "fair"}, "allocation: .*'global' or 'uniform'"),
        ({"rate": 0.5, "token_to_word": "max"}, "token_to_word"),
        ({"rate": 0.5, "force_tokens": "abc"}, "force_tokens: expected a list of strings"),
        ({"rate": 0.5, "force_tokens": [""]}, "must not contain the empty string"),
        ({"rate": 0.5, "target_context": 2}, "use_context_level_filter=True"),
        (
            {"threshold": 0.5, "use_context_level_filter": True},
            "use_context_level_filter with threshold needs one of",
        ),
        (
            {
                "rate": 0.5,
                "use_context_level_filter": True,
                "target_context": 1,
                "context_level_rate": 0.5,
            },
            "at most one of",
        ),
        ({"rate": 0.5, "force_token": ["a"]}, "unknown option 'force_token'; did you mean"),
    ],
)
def test_wrong_options_say_what_is_allowed(
    compressor: Compressor, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        compressor.compress(["a text"], **options)


def test_force_context_ids_that_a_set_does_not_have_are_passed_over(
    compressor: Compressor,
) -> None:
    options: dict[str, Any] = {"rate": 0.5, "use_context_level_filter": True, "target_context": 1}
    expected = compressor.compress([PROSE, LOG], **options).texts
    assert compressor.compress([PROSE, LOG], force_context_ids=[7], **options).texts == expected


def test_wrong_defaults_are_found_by_the_constructor() -> None:
    with pytest.raises(OptionError, match="rate"):
        Compressor(rate=7)
    with pytest.raises(OptionError, match="unknown option 'ratio'"):
        Compressor(ratio=0.5)  # type: ignore[call-arg]
    with pytest.raises(OptionError, match="unknown option 'device'; did you mean 'device_map'"):
        Compressor(device="cpu")  # type: ignore[call-arg]
    with pytest.raises(OptionError, match="relevance steers a budget and threshold has none"):
        Compressor(threshold=0.5, relevance="bm25")


def test_frames_and_flags_of_another_kind_are_refused(compressor: Compressor) -> None:
    with pytest.raises(InputError, match="frames is a int; give a pair of strings"):
        compressor.compress(["a text"], rate=0.5, frames=5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="keep_empty is 'yes'; give True, False or one of them"):
        compressor.compress(["a text"], rate=0.5, keep_empty="yes")


@pytest.mark.parametrize("relevance", [None, "bm25", "model", [], len])
def test_an_empty_set_is_empty_whatever_the_relevance(
    compressor: Compressor, relevance: Any
) -> None:
    assert compressor.compress([], rate=0.5, query="Who?", relevance=relevance).texts == []


def test_a_budget_in_the_call_replaces_the_default(compressor: Compressor) -> None:
    ours = Compressor(rate=0.5, token_counter="o200k_base")
    ours._encoder = compressor._encoder
    assert ours.compress([PROSE]).budget == ours.compress([PROSE], rate=0.5).budget
    assert ours.compress([PROSE], target_token=7).budget == 7


def test_a_query_is_accepted(compressor: Compressor) -> None:
    for query in ("Which pier?", "", None):
        result = compressor.compress([PROSE], rate=0.5, query=query)
        assert result.texts == compressor.compress([PROSE], rate=0.5).texts
    with pytest.raises(InputError, match="query must be a string"):
        compressor.compress([PROSE], rate=0.5, query=["no"])  # type: ignore[arg-type]


def test_frames_that_stay_and_alone_exceed_the_budget_are_a_warning(compressor: Compressor) -> None:
    frames = [("A long title that is not short\n", "")] * 2
    with pytest.warns(BudgetWarning, match=r"costs \d+ tokens on its own.*budget of 5 tokens"):
        result = compressor.compress([PROSE, LOG], target_token=5, frames=frames, keep_empty=True)
    assert result.texts == ["", ""]


def test_one_empty_text_may_stay_and_another_go(compressor: Compressor) -> None:
    frames = [("picture one", ""), ("", ""), ("title: ", "")]
    sources = ["", PROSE, "and so on and on it is"]
    result = compressor.compress(
        sources, target_token=12, frames=frames, keep_empty=[True, False, False]
    )
    assert result.prompt.startswith("picture one\n\n")
    assert "title" not in result.prompt
    assert count(result.prompt) == result.compressed_tokens <= 12
    with pytest.raises(InputError, match="keep_empty has 1 flags for 3 texts"):
        compressor.compress(sources, target_token=12, keep_empty=[True])


def test_copies_share_the_weights_and_pickles_hold_the_options(compressor: Compressor) -> None:
    assert copy.deepcopy(compressor) is compressor
    restored = pickle.loads(  # noqa: S301 - our own
        pickle.dumps(Compressor(rate=0.4, max_length=128))
    )
    assert restored.compress([PROSE], query=None).budget == math.floor(0.4 * count(PROSE))


def test_a_counter_that_counts_special_tokens_is_named(compressor: Compressor) -> None:
    with pytest.raises(TokenCounterError, match="counts 2 tokens for an empty text"):
        compressor.compress([PROSE], target_token=1, token_counter=lambda t: 2 + len(t.split()))


@pytest.mark.filterwarnings("error")
def test_words_that_cost_nothing_get_their_share(compressor: Compressor) -> None:
    result = compressor.compress(
        ["a b c", "d e f g h i j k l m n o p"],
        target_token=2,
        allocation="uniform",
        token_counter=lambda text: len(text) // 4,
    )
    assert all(result.texts)


def test_forced_contexts_count_towards_the_context_level(compressor: Compressor) -> None:
    size = count(PROSE)
    result = compressor.compress(
        [PROSE, "zz yy xx " * 100, PROSE],
        rate=0.95,
        use_context_level_filter=True,
        context_level_target_token=size + 10,
        force_context_ids=[1],
    )
    assert [bool(text) for text in result.texts] == [False, True, False]


def test_marks_and_bullets_do_not_outlive_their_words(compressor: Compressor) -> None:
    for rate in (0.3, 0.5, 0.7):
        for text in compressor.compress([MARKDOWN, CODE], rate=rate).texts:
            for line in filter(str.strip, text.splitlines()):
                assert any(char.isalnum() for char in line), text


def test_equal_results_are_equal(compressor: Compressor) -> None:
    assert compressor.compress(SET, rate=0.4) == compressor.compress(SET, rate=0.4)


@pytest.mark.parametrize("frames", [[("a",)], ["ab"], [(None, "x")], [3]])
def test_frames_must_be_pairs_of_strings(compressor: Compressor, frames: Any) -> None:
    with pytest.raises(InputError, match=r"frames\[0\] is .* give a pair of strings"):
        compressor.compress([PROSE], rate=0.5, frames=frames)


def test_frames_must_fit_the_texts(compressor: Compressor) -> None:
    with pytest.raises(InputError, match="frames has 1 entries for 2 texts"):
        compressor.compress(["a", "b"], rate=0.5, frames=[("", "")])


# --- threads and tasks


def test_sixteen_threads_share_one_compressor(tiny_bert: Path) -> None:
    fresh = Compressor(tiny_bert)
    jobs = [(texts, rate) for texts in ([PROSE], SET, [CHINESE, CODE]) for rate in (0.3, 0.5, 0.8)]
    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(fresh.compress, t, rate=r) for t, r in jobs * 6]
        together = [future.result().texts for future in futures]
    assert together == [fresh.compress(t, rate=r).texts for t, r in jobs] * 6


async def test_acompress_equals_compress_and_leaves_the_loop_free(compressor: Compressor) -> None:
    loop_runs = threading.Event()

    def count(text: str) -> int:
        # Nobody sets it while the loop waits for us.
        assert loop_runs.wait(30)
        return len(text.split())

    task = asyncio.create_task(compressor.acompress(SET, rate=0.4, token_counter=count))
    asyncio.get_running_loop().call_later(0.01, loop_runs.set)
    result = await task
    assert result.texts == compressor.compress(SET, rate=0.4, token_counter=count).texts


def test_warnings_point_at_the_line_that_asked(compressor: Compressor) -> None:
    with pytest.warns(BudgetWarning) as caught:
        compressor.compress([PROSE], target_token=1, force_tokens=["pier", "."])
    assert caught[0].filename == __file__


def test_a_model_that_reads_no_questions_is_found_when_it_is_loaded(tiny_bert: Path) -> None:
    wrong = Compressor(tiny_bert, rate=0.5, relevance="model")
    with pytest.raises(OptionError, match="needs a checkpoint that was trained with questions"):
        wrong.load()
