"""Compressors side by side, what they lose, and intervals."""

from __future__ import annotations

import functools
import math
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from lingua2.counting import resolve_token_counter
from lingua2.errors import ModelLoadError, OptionError
from lingua2.evaluation import Item, as_method, normalise, parse_method
from lingua2.evaluation.controls import best_words, join
from lingua2.evaluation.intervals import mean_interval
from lingua2.evaluation.losses import losses, stability
from lingua2.evaluation.method import Method, Request
from lingua2.evaluation.reference import LLMLingua2
from lingua2.evaluation.settings import Budget
from lingua2.evaluation.store import source_digest

COUNT = resolve_token_counter("cl100k_base")
TEXTS = (samples.PROSE, samples.LOG)


def ask(method: Method, texts: Sequence[str], budget: int, query: str = "") -> list[str]:
    rate = min(1.0, budget / max(1, COUNT(join(texts))))
    return list(method.compress(Request(tuple(texts), query, budget, rate, COUNT)))


def is_subset(text: str, source: str) -> bool:
    remaining = iter(source)
    return all(char in remaining for char in text if not char.isspace())


CONTROLS = [as_method(name) for name in ("random", "truncation", "sentences")]


@pytest.mark.parametrize("method", CONTROLS, ids=lambda method: method.name)
@given(st.lists(samples.texts, max_size=4), st.integers(0, 60))
def test_a_control_holds_its_budget_with_words_of_the_texts(
    method: Method, texts: list[str], budget: int
) -> None:
    kept = ask(method, texts, budget, "mill")
    assert len(kept) == len(texts)
    assert COUNT(join(kept)) <= budget or not join(kept)
    assert all(is_subset(own, text) for own, text in zip(kept, texts, strict=True))


@pytest.mark.parametrize("method", CONTROLS, ids=lambda method: method.name)
def test_a_control_uses_its_budget(method: Method) -> None:
    total = COUNT(join(TEXTS))
    assert COUNT(join(ask(method, TEXTS, total // 2))) > 0.3 * total


def test_random_words_depend_on_the_seed_alone() -> None:
    method = as_method("random")

    def drawn(seed: int) -> list[str]:
        return list(method.compress(Request(TEXTS, "", 30, 0.3, COUNT, seed)))

    assert drawn(1) == drawn(1) != drawn(2)


@pytest.mark.parametrize("name", ["random", "truncation"])
def test_a_word_of_chinese_is_a_character_and_not_a_whole_clause(name: str) -> None:
    source = samples.CHINESE + samples.CHINESE
    total = COUNT(source)
    (kept,) = ask(as_method(name), (source,), total // 2)
    # Whole clauses would leave much of the budget over.
    assert COUNT(kept) >= total // 2 - 4
    assert " " not in kept or " " in source
    assert is_subset(kept, source)


def test_words_of_both_kinds_keep_what_stood_between_them() -> None:
    values = [1.0] * 5 + [0.0]
    assert best_words(["ok 国中 fine, ok 中"], values, 99, len) == ["ok 国中 fine, ok 中"]
    assert best_words(["ok 国中 fine, ok 中"], [0, 1, 1, 0, 0, 1], 4, len) == ["国中 中"]


def test_sentences_follow_the_question() -> None:
    texts = ("The mill is old. The pier is new.", "Rain is expected. The ferry costs 300 crowns.")
    method = as_method("sentences")
    assert ask(method, texts, 8, "What does the ferry cost?") == ["", "The ferry costs 300 crowns."]
    assert ask(method, texts, 8, "How new is the pier?")[0] == "The pier is new."


def test_ours_takes_any_option_and_holds_the_budget() -> None:
    method = parse_method("lingua2,relevance=bm25,drop_consecutive=true,label=with question")
    kept = ask(method, TEXTS, 40, "Who chairs the works committee?")
    assert method.name == "with question"
    assert 30 < COUNT(join(kept)) <= 40
    assert "committee" in kept[0]
    # Forced words that do not fit are a loss to be measured, not a warning for every item.
    digits = ask(as_method("d", "lingua2", force_reserve_digit=True), TEXTS, 12)
    assert 0 < COUNT(join(digits)) <= 12


def test_what_an_option_changes_has_another_identity() -> None:
    plain, steered = as_method("lingua2"), as_method("x", "lingua2", relevance="bm25")
    assert plain.identity != steered.identity
    assert plain.identity == as_method("other name", "lingua2").identity


@pytest.mark.slow
def test_llmlingua2_runs_on_our_model_without_network() -> None:
    pytest.importorskip("llmlingua")
    kept = ask(as_method("llmlingua2"), [samples.PROSE, ""], 35)
    assert kept[1] == ""
    assert 10 < COUNT(kept[0]) < COUNT(samples.PROSE)
    assert not as_method("llmlingua2").is_exact


def test_a_rate_reaches_llmlingua_as_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Fake:
        def compress_prompt(self, texts: list[str], **options: Any) -> dict[str, str]:
            seen.append((texts, options))
            return {"compressed_prompt": "kept"}

    monkeypatch.setattr("lingua2.evaluation.reference._load", lambda *_, **__: Fake())
    assert LLMLingua2(drop_consecutive=True).compress(["a b", "", "a b"], 0.33) == [
        "kept",
        "",
        "kept",
    ]
    options = {"rate": 0.33, "use_context_level_filter": False, "drop_consecutive": True}
    assert seen == [(["a b"], options)]


def test_self_information_keeps_what_is_unexpected(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        def __init__(self, model: str) -> None:
            assert model == "tiny"

        def bits(self, texts: Sequence[str]) -> list[list[float]]:
            return [[float(len(word)) for word in text.split()] for text in texts]

    monkeypatch.setattr("lingua2.evaluation.compressors.SelfInformation", Fake)
    method = as_method("selfinfo", model="tiny")
    assert ask(method, ["a lighthouse is on a cliff"], 4) == ["lighthouse is cliff"]


def test_self_information_of_a_tiny_language_model(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    from lingua2.evaluation.selfinfo import SelfInformation

    words = ["<|endoftext|>", "the", "mill", "is", "old"]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=_word_level(words))
    tokenizer.save_pretrained(tmp_path)
    config = GPT2Config(vocab_size=5, n_positions=16, n_embd=4, n_layer=1, n_head=1)
    model = GPT2LMHeadModel(config)
    # Without weights every token is as likely as any other: log2 of 5 bits each.
    for parameter in model.parameters():
        parameter.data.zero_()
    model.save_pretrained(tmp_path)
    language_model = SelfInformation(tmp_path)
    assert language_model.bits(["the mill  is old", "", "mill"]) == [
        pytest.approx([math.log2(5)] * 4), [], pytest.approx([math.log2(5)])
    ]  # fmt: skip
    with pytest.raises(ModelLoadError, match="the language model"):
        SelfInformation(tmp_path / "missing")


def _word_level(words: list[str]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=words[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zip", "unknown compressor 'zip'; known: lingua2, llmlingua2"),
        ("random,rate", "write option=value, got 'rate'"),
        ("random,weight=2", "takes no option 'weight'"),
        ("lingua2,rate=0.5", "rate cannot be set"),
        ("lingua2,relevanse=bm25", "did you mean 'relevance'"),
        ("selfinfo", "needs model="),
        ("json:nothing", "cannot be imported"),
        ("json:__name__", "is a str; name a function"),
    ],
)
def test_a_compressor_that_cannot_be_is_explained(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_method(text)


def test_a_function_is_a_compressor() -> None:
    def shout(texts: Sequence[str], query: str, budget: int) -> list[str]:
        return [f"{text.upper()} {query} {budget}" for text in texts]

    assert ask(as_method("mine", shout), ["a"], 3, "q") == ["A q 3"]
    assert parse_method("textwrap:dedent,label=d").name == "d"


def test_a_function_beside_the_user_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shortening_beside_me.py").write_text("def cut(texts, query, budget): return texts")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert ask(parse_method("shortening_beside_me:cut"), ["a b"], 1) == ["a b"]
    assert sys.path == before


def test_options_may_be_lists_and_objects() -> None:
    method = parse_method('lingua2,force_tokens=["Mira","?"],relevance=bm25,label=mine')
    same = as_method("mine", "lingua2", force_tokens=["Mira", "?"], relevance="bm25")
    assert (method.name, method.identity) == ("mine", same.identity)


def test_a_control_is_what_it_does_whatever_it_is_called() -> None:
    one, two = parse_method("random,label=base"), parse_method("truncation,label=base")
    assert (one.name, one.identity) == ("base", as_method("random").identity)
    assert one.identity != two.identity


def keep_first(number: int, texts: Sequence[str], query: str, budget: int) -> list[str]:
    return [text[:number] for text in texts]


class Keeping:
    def __init__(self, number: int) -> None:
        self.number = number
        self.calls: list[str] = []

    def __call__(self, texts: Sequence[str], query: str, budget: int) -> list[str]:
        return keep_first(self.number, texts, query, budget)

    def keep(self, texts: Sequence[str], query: str, budget: int) -> list[str]:
        return self(texts, query, budget)


def closure(number: int) -> Any:
    return lambda texts, query, budget: keep_first(number, texts, query, budget)


def wrapped(number: int) -> Any:
    inner = closure(number)
    return lambda *request: inner(*request)


def with_default(number: int) -> Any:
    return lambda texts, query, budget, own=number: keep_first(own, texts, query, budget)


MAKERS = [
    closure,
    wrapped,
    with_default,
    Keeping,
    lambda number: Keeping(number).keep,
    lambda number: functools.partial(keep_first, number),
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_function_made_with_another_value_is_another_compressor(make: Any) -> None:
    assert source_digest(make(1)) == source_digest(make(1))
    assert source_digest(make(1)) != source_digest(make(2))


def test_what_a_function_keeps_for_itself_does_not_change_what_it_is() -> None:
    keeping = Keeping(1)
    before = source_digest(keeping)
    keeping.calls.append("a")
    assert source_digest(keeping) == before

    def again(texts: Sequence[str], query: str, budget: int) -> Any:
        return again(texts[1:], query, budget) if texts else []

    # It stands in its own closure.
    assert source_digest(again) == source_digest(again)


def item(*documents: str, **values: Any) -> Item:
    base: dict[str, Any] = {
        "id": "i", "documents": documents, "before": "", "after": "", "references": ("Mira Olsen",),
        "metrics": ("em",), "kind": "qa", "extractive": True,
    }  # fmt: skip
    return Item(**base | values)


def test_losses_are_shares_of_what_the_documents_hold() -> None:
    one = item(
        "In 1871 Mira Olsen did not sell mill_7 for 3.50 crowns. See /srv/mill/plan.txt.",
        evidence=("Mira Olsen did not sell mill_7.",),
    )
    assert losses(one, one.documents) == {
        "answer": 1.0, "evidence": 1.0, "numbers": 1.0, "identifiers": 1.0, "negations": 1.0,
    }  # fmt: skip
    left = losses(one, ["1871 Mira Olsen sell mill_7 crowns."])
    assert left["answer"] == 1.0
    # Of mira, olsen, did, not, sell, mill, 7 two are lost.
    assert left["evidence"] == pytest.approx(5 / 7)
    assert left["numbers"] == pytest.approx(2 / 3)
    assert left["identifiers"] == 0.5
    assert left["negations"] == 0.0
    assert losses(one, ["Mira sold; Olsen did not."])["answer"] == 0.0


def test_an_answer_of_yes_or_one_that_is_not_there_cannot_survive() -> None:
    assert "answer" not in losses(item("Mira Olsen.", references=("Yes",)), [""])
    assert "answer" not in losses(item("Nobody."), ["Nobody."])
    assert "answer" not in losses(item("Mira Olsen.", extractive=False), [""])


@given(samples.texts | st.text())
def test_punctuation_and_symbols_of_any_script_are_spaces(text: str) -> None:
    spaced = "".join(" " if unicodedata.category(c)[0] in "PS" else c for c in text.lower())
    words = [word for word in spaced.split() if word not in ("a", "an", "the")]
    assert normalise(text) == " ".join(words)


def test_json_must_stay_json() -> None:
    one = item('{"a": [1, 2]}', "prose", "[1]")
    assert losses(one, ['{"a": [1]}', "", "[1"])["json"] == 0.5
    assert "json" not in losses(item("prose", "42"), ["prose", "42"])


def test_stability_is_the_common_beginning() -> None:
    assert stability(["abcd"], ["abcd", "ef"]) == 1.0
    assert stability(["abcd"], ["abxy", "ef"]) == 0.5
    assert stability([""], ["abxy"]) == 1.0


def test_a_budget_is_a_share_a_number_or_shots() -> None:
    assert Budget("rate", 0.29).tokens(100, 4) == 29
    assert Budget("tokens", 300).tokens(100, 4) == 300
    assert [Budget("shots", n).tokens(100, 4) for n in (1, 0.5)] == [25, 12]
    # Nothing at all would be over budget with the first word.
    assert Budget("rate", 0.1).tokens(3, 1) == 1
    assert [str(Budget("rate", 0.5)), str(Budget("shots", 0.5))] == ["0.5", "0.5 shot"]


def test_an_interval_holds_its_mean_and_shrinks_with_the_number_of_values() -> None:
    few, many = mean_interval([0.0, 1.0] * 10), mean_interval([0.0, 1.0] * 200)
    assert few is not None
    assert many is not None
    assert few.low < few.mean == 0.5 < few.high
    # The standard error of 400 fair coins is 0.025.
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.025, rel=0.1)
    assert many.high - many.low < few.high - few.low
    assert mean_interval([0.0, 1.0] * 10) == few
    assert mean_interval([]) is None


def test_values_of_a_group_are_drawn_together() -> None:
    values = [0.0] * 20 + [1.0] * 20
    alone = mean_interval(values)
    grouped = mean_interval(values, [i // 10 for i in range(40)])
    assert alone is not None
    assert grouped is not None
    assert grouped.high - grouped.low > alone.high - alone.low


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.booleans())
def test_equal_values_leave_no_doubt_whatever_they_count(sizes: list[int], strata: bool) -> None:
    kinds = [kind for kind, size in enumerate(sizes) for _ in range(size)]
    found = mean_interval(
        [1.0] * len(kinds),
        weights=[1 / sizes[kind] for kind in kinds],
        strata=kinds if strata else None,
        resamples=100,
    )
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


def test_every_sample_holds_all_strata_with_their_weight() -> None:
    # What differs between two kinds is no doubt about their mean; what differs within them is.
    kinds = [0] * 10 + [1] * 90
    weights = [1 / 10] * 10 + [1 / 90] * 90
    apart = mean_interval([float(kind) for kind in kinds], weights=weights, strata=kinds)
    assert apart is not None
    assert (apart.mean, apart.low, apart.high) == pytest.approx((0.5, 0.5, 0.5))
    values = [0.0, 1.0] * 50
    within = mean_interval(values, weights=weights, strata=kinds)
    assert within is not None
    # Half the mean of 10 fair coins and half that of 90.
    deviation = math.sqrt((0.25 / 10 + 0.25 / 90) / 4)
    assert within.high - within.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)


def test_kinds_of_one_item_have_the_spread_between_them() -> None:
    found = mean_interval([0.0, 1.0] * 10, strata=range(20))
    assert found == mean_interval([0.0, 1.0] * 10)
