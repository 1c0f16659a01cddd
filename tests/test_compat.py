"""`lingua2.compat` against the real llmlingua 0.2.2 on the same checkpoints."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import math
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import llmlingua
import numpy as np
import pytest
import torch

import checkpoints
from lingua2.compat import PromptCompressor
from lingua2.dataset import Example
from lingua2.errors import InputError, Lingua2Error, ModelLoadError, OptionError
from lingua2.sources import DEFAULT_MODEL
from lingua2.training import train

PROSE = (
    "The old bridge over the river Lenn was closed on Monday after an inspector found cracks in "
    "two of its pillars. Drivers now take the road through Oberau, which adds 14 minutes to the "
    "trip. The mayor, who had asked for repairs in 2019, said that the work would cost about "
    "3.2 million euros and would not be finished before spring. Nobody was hurt. "
)
TEXTS = {
    "prose": PROSE,
    "long": (PROSE * 9).replace("Monday", "Sunday", 3),
    "long without ends": " ".join(f"word{i % 37} and part {i}" for i in range(260)),
    "dialogue": (
        "Anna: Did you call them?\nBen: Yes, twice!! They didn't pick up...\n"
        'Anna: "Hm," she said -- "then I\'ll go there; will you come?"\nBen: No. No! No?'
    ),
    "code": (
        "def area(width: float, height=2.5) -> float:\n    # not negative\n"
        "    if width < 0 or height < 0:\n        raise ValueError(f'{width=}')\n"
        "    return width * height  # m^2\n\nfor i in range(10):\n\tprint(area(i), end='')\n"
    ),
    "markdown": (
        "# Release 1.4.0\n\n- **fixed** the `--dry-run` flag (#812)\n- added [docs](docs/a_b.md)\n"
        "  1. install\n  2. run\n\n| key | value |\n|---|---|\n| a | 1 |\n\n> quoted ~~old~~\n"
    ),
    "json": '{"id": 77, "tags": ["x", "y z"], "ok": true, "sub": {"v": -1.5e-3}}',
    "urls": (
        "Look at https://shop.example.com/cart?item=42&lang=de#pay, mail bob_x@mail.example.org "
        "or open C:\\Temp\\new file.txt and /etc/hosts."
    ),
    "digits": "2024-05-01 17:30:05 v1.2.3 $1,499.99 50% +49 30 1234567 0x1F 3/4 1e9 ½ ² Ⅷ",
    "chinese": "昨天下午，市长在会议上说：新桥要到二〇二五年才能完工。没有人受伤！费用约320万元。",
    "japanese": "橋は月曜日に閉鎖されました。修理には3億円かかるそうです。ﾊﾝｶｸ カタカナも。",
    "german": "Übermäßig große Straßenbauämter prüfen Brückenpfeiler; das kostet 3,2 Mio. €.",
    "arabic": "أُغلق الجسر القديم يوم الاثنين، ولم يُصب أحد بأذى. تبلغ الكلفة ٣٫٢ مليون يورو؟",
    "emoji": "Done ✅ thanks 🙏🏽 👩‍💻 see you 😀😀 🇩🇪 !! ❤️",
    "newlines": "\n\n\nfirst line\n\n\n\nsecond  line   \r\n\r\n\tthird\n\n",
    "unknown": "ꙮ rare 𓀀 ☃ signs ⟦x⟧ \u200b\ufeff\u0000\x07 end \ufffd",
    "special": "a [SEP] b [PAD] c [UNK] <s> d </s> [MASK] <mask> [NEW3] e <pad> [CLS]. f",
    "marks": "C# and ## or ##ing, ((x)) ()[]{} ... !!! ?! a.b._c ▁x ▁▁ y -- __init__",
    "repeated": "no no no no. no no. . . yes yes\n\n\n. ! ! ?",
    "mixed": "İstanbul ŁÓDŹ naïve Çelik ﬁne ǅ Ωmega straße 東京tower café\u0301",
    "one word": "budget",
}
CONTEXTS = [
    [TEXTS["prose"], TEXTS["dialogue"], TEXTS["code"], TEXTS["german"], TEXTS["json"]],
    [TEXTS["chinese"], TEXTS["markdown"], TEXTS["long"], TEXTS["newlines"].strip()],
    [TEXTS["urls"], TEXTS["digits"]],
    [TEXTS["prose"]],
]
FORCED = ["\n", "?", "!", ".", "the", "mayor", "in 2019", "##ing", "unbreakable", "▁No", "，", "14"]
JOINTS = [
    *("\n", "\n\n", " ", "  ", "", "\t", "...", "(", "。", "☃", "é", " 14 ", "a b", "no", "s"),
    *("##", "▁", "[SEP]", "[PAD]", "[UNK]", "[NEW0]", "[NEW7]", "<s>", "</s>", "<|endoftext|>"),
]
WORDS: dict[str, dict[str, Any]] = {
    "default": {},
    "rate": {"rate": 0.33},
    "strict": {"rate": 0.02, "return_word_label": True},
    "everything": {"rate": 1.0, "return_word_label": True, "force_tokens": ["\n", "in 2019"]},
    "more than everything": {"rate": 1.7},
    "target": {"target_token": 25},
    "large target": {"target_token": 10_000},
    "labels": {"return_word_label": True, "word_sep": "|", "label_sep": "=", "rate": 0.4},
    "first": {"token_to_word": "first", "rate": 0.6, "return_word_label": True},
    "published": {"rate": 0.33, "force_tokens": ["\n", "?", "!", "."], "drop_consecutive": True},
    "forced": {"rate": 0.2, "force_tokens": FORCED, "return_word_label": True},
    "forced once": {"rate": 0.7, "force_tokens": FORCED, "drop_consecutive": True},
    "digits": {"rate": 0.25, "force_reserve_digit": True, "return_word_label": True},
    "digits first": {
        "rate": 0.3,
        "force_reserve_digit": True,
        "token_to_word": "first",
        "force_tokens": ["14 minutes"],
    },
    "chunk ends": {"chunk_end_tokens": [",", "\n", "on"], "force_tokens": ["\n", "\n"]},
    "no chunk ends": {"chunk_end_tokens": (), "rate": 0.45},
    "no words": {"use_token_level_filter": False, "return_word_label": True},
}
LEVELS: dict[str, dict[str, Any]] = {
    "default": {},
    "rate": {"rate": 0.2, "return_word_label": True},
    "everything": {"rate": 1.0, "return_word_label": True},
    "target": {"target_token": 60, "return_word_label": True},
    "no words": {"rate": 0.5, "use_token_level_filter": False, "return_word_label": True},
    "no words, target": {"target_token": 200, "use_token_level_filter": False},
    "contexts": {"target_context": 2, "return_word_label": True},
    "no contexts": {"target_context": 0},
    "forced contexts": {"target_context": 1, "force_context_ids": [1, 3, 99], "rate": 0.3},
    "level rate": {"context_level_rate": 0.6, "rate": 0.4, "token_to_word": "first"},
    "level target": {"context_level_target_token": 150, "target_token": 70},
    "level target 0": {"context_level_target_token": 0, "force_context_ids": (2,)},
    "both levels": {"target_context": 3, "context_level_target_token": 90},
    "forced words": {
        "target_token": 80,
        "force_tokens": FORCED,
        "drop_consecutive": True,
        "force_reserve_digit": True,
        "return_word_label": True,
    },
    "off": {"use_context_level_filter": False, "target_token": 90, "return_word_label": True},
}


class Pair(NamedTuple):
    reference: Any
    ours: PromptCompressor


@pytest.fixture(scope="module", autouse=True)
def vocabulary() -> Iterator[None]:
    """The reference needs tiktoken's cl100k_base, and finds the one that LlamaIndex ships."""
    spec = importlib.util.find_spec("llama_index.core")
    assert spec is not None
    assert spec.origin is not None
    with pytest.MonkeyPatch.context() as patch:
        folder = Path(spec.origin).parent / "_static" / "tiktoken_cache"
        patch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
        # The reference sets it; this puts it back.
        patch.setenv("PYTHONHASHSEED", "0")
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    embedded = root / "embedded-bert-base-multilingual-cased"
    embedded.symlink_to(DEFAULT_MODEL)
    return {
        "bert": checkpoints.build_bert(root / "tiny-bert-base-multilingual-cased"),
        "xlmr": checkpoints.build_xlmr(root / "tiny-xlm-roberta-large"),
        "embedded": embedded,
    }


@pytest.fixture(scope="module")
def pairs(folders: dict[str, Path]) -> dict[str, Pair]:
    return {kind: load(folder) for kind, folder in folders.items()}


@pytest.fixture
def bert(pairs: dict[str, Pair]) -> Pair:
    return pairs["bert"]


@pytest.fixture
def xlmr(pairs: dict[str, Pair]) -> Pair:
    return pairs["xlmr"]


def load(folder: Path) -> Pair:
    reference = llmlingua.PromptCompressor(str(folder), device_map="cpu", use_llmlingua2=True)
    return Pair(reference, PromptCompressor(folder, device_map="cpu"))


def compare(pair: Pair, context: str | list[str], options: dict[str, Any]) -> str:
    """Asserts that both give the same, or ours something sensible where the reference fails."""
    arguments = copy.deepcopy(options)
    if isinstance(arguments.get("chunk_end_tokens"), tuple):
        arguments["chunk_end_tokens"] = list(arguments["chunk_end_tokens"])
    try:
        expected = pair.reference.compress_prompt(copy.deepcopy(context), **arguments)
    except Exception:
        try:
            result = pair.ours.compress_prompt(context, **options)
        except Lingua2Error:
            return "refused"
        assert isinstance(result["compressed_prompt"], str)
        assert all(isinstance(text, str) for text in result["compressed_prompt_list"])
        assert result["compressed_tokens"] >= 0
        return "mended"
    assert pair.ours.compress_prompt(context, **options) == expected, (context, options)
    return "equal"


KINDS = ("bert", "xlmr", "embedded")
# The embedded model is real and slow: the tiny ones take the long texts and the full matrix.
SHORT = [name for name in TEXTS if not name.startswith("long")]


@pytest.mark.parametrize("options", WORDS)
@pytest.mark.parametrize("kind", KINDS)
def test_words_labels_and_counts_equal_the_references(
    pairs: dict[str, Pair], kind: str, options: str
) -> None:
    names = SHORT[::4] if kind == "embedded" else TEXTS
    outcomes = Counter(compare(pairs[kind], TEXTS[name], WORDS[options]) for name in names)
    assert outcomes["equal"] > len(names) // 2, outcomes


@pytest.mark.parametrize("options", LEVELS)
@pytest.mark.parametrize("kind", KINDS)
def test_several_contexts_equal_the_references(
    pairs: dict[str, Pair], kind: str, options: str
) -> None:
    sets = CONTEXTS[2:3] if kind == "embedded" else CONTEXTS
    outcomes = Counter(compare(pairs[kind], contexts, LEVELS[options]) for contexts in sets)
    assert outcomes["equal"] == len(sets), outcomes


def random_text(random: random.Random) -> str:
    if random.random() < 0.04:
        return random.choice(["", " ", "\n", "☃", "[PAD]", "."])
    text = ""
    for _ in range(random.choice([1, 1, 2, 3, 6])):
        source = random.choice(list(TEXTS.values()))
        start = random.randrange(len(source))
        text += source[start : start + random.choice([3, 20, 80, 300, 900])]
        text += random.choice(JOINTS) if random.random() < 0.3 else ""
    return text


def random_case(random: random.Random) -> tuple[str | list[str], dict[str, Any]]:
    contexts = [random_text(random) for _ in range(random.choice([1, 1, 2, 3, 4]))]
    if len(contexts) > 1 and random.random() < 0.1:
        contexts[1] = contexts[0]
    options: dict[str, Any] = {
        "token_to_word": random.choice(["mean", "first"]),
        "force_tokens": random.sample(FORCED + JOINTS, random.choice([0, 0, 1, 3, 6])),
        "force_reserve_digit": random.random() < 0.3,
        "drop_consecutive": random.random() < 0.5,
        "return_word_label": random.random() < 0.8,
        "use_context_level_filter": random.random() < 0.6,
        "use_token_level_filter": random.random() < 0.9,
        "chunk_end_tokens": random.choice([[".", "\n"], [".", "\n"], [], [",", "▁the", "mayor"]]),
    }
    # Values at and beyond the edge are among them.
    if random.random() < 0.5:
        odd = random.choice([0, 0.005, 0.99, 0.999, 1, 1.2, -0.5])
        options["rate"] = odd if random.random() < 0.2 else random.uniform(0.01, 0.99)
    else:
        odd = random.choice([0, 1, -1, -3, 2.5, 9999])
        options["target_token"] = odd if random.random() < 0.2 else random.randint(2, 200)
    levels = {
        "target_context": random.randint(-1, 5),
        "context_level_rate": random.choice([random.random(), random.random(), 0, 1.0, 1.3, -0.2]),
        "context_level_target_token": random.randint(-2, 400),
        "force_context_ids": random.sample(range(6), 2),
    }
    options |= {name: value for name, value in levels.items() if random.random() < 0.2}
    return contexts[0] if random.random() < 0.05 else contexts, options


def run_random_cases(pair: Pair, *, seed: int, rounds: int) -> Counter[str]:
    generator = random.Random(seed)  # noqa: S311
    return Counter(compare(pair, *random_case(generator)) for _ in range(rounds))


@pytest.mark.parametrize("kind", ["bert", "xlmr"])
def test_random_options_equal_the_references(pairs: dict[str, Pair], kind: str) -> None:
    outcomes = run_random_cases(pairs[kind], seed=7, rounds=100)
    assert outcomes["equal"] > 70, outcomes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "rounds"), [("bert", 3000), ("xlmr", 3000), ("cased", 1000), ("deberta", 1000)]
)
def test_many_random_options_equal_the_references(
    pairs: dict[str, Pair], tmp_path: Path, kind: str, rounds: int
) -> None:
    builders = {
        "cased": lambda: checkpoints.build_bert(
            tmp_path / "bert-base-multilingual-cased", lowercase=False
        ),
        "deberta": lambda: checkpoints.build_deberta(tmp_path / "xlm-roberta-large"),
    }
    pair = load(builders[kind]()) if kind in builders else pairs[kind]
    outcomes = run_random_cases(pair, seed=11, rounds=rounds)
    print(kind, dict(outcomes))
    assert outcomes["equal"] > rounds * 0.7, outcomes


@pytest.mark.slow
def test_many_random_options_equal_the_references_on_the_embedded_model(
    pairs: dict[str, Pair],
) -> None:
    outcomes = run_random_cases(pairs["embedded"], seed=13, rounds=250)
    print(dict(outcomes))
    assert outcomes["equal"] > 175, outcomes


def test_equal_contexts_are_scored_once_and_stay_or_go_together(
    xlmr: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In batches of different lengths their scores would differ in the last digits.
    contexts = [TEXTS["arabic"], TEXTS["arabic"], TEXTS["one word"], TEXTS["markdown"] * 2]
    for share in (0.1, 0.3, 0.5, 0.7):
        assert compare(xlmr, contexts, {"context_level_rate": share, "rate": 0.5}) == "equal"
    backend = xlmr.ours._scorer._backend
    seen: list[Any] = []
    run = backend.keep_probabilities
    monkeypatch.setattr(backend, "keep_probabilities", lambda ids: seen.extend(ids) or run(ids))
    xlmr.ours.compress_prompt(contexts)
    assert len(seen) == len(set(seen)) == 3


def test_the_signatures_are_the_references() -> None:
    for method in ("compress_prompt", "compress_prompt_llmlingua2", "__init__"):
        theirs = inspect.signature(getattr(llmlingua.PromptCompressor, method)).parameters
        ours = inspect.signature(getattr(PromptCompressor, method)).parameters
        assert [name for name in ours if name != "bert_special_tokens"] == list(theirs)


def test_the_tokenizers_own_special_tokens_are_a_switch(folders: dict[str, Path]) -> None:
    fixed = PromptCompressor(folders["xlmr"], device_map="cpu", bert_special_tokens=False)
    like = PromptCompressor(folders["xlmr"], device_map="cpu")
    options = {"rate": 0.5, "return_word_label": True}
    results = [c.compress_prompt(TEXTS["long"], **options) for c in (fixed, like)]
    assert results[0]["origin_tokens"] == results[1]["origin_tokens"]
    assert results[0] != results[1]


@pytest.mark.parametrize("context", ["", " ", [""], [" \n", ""], []])
def test_blank_contexts_come_back_blank(bert: Pair, context: Any) -> None:
    result = bert.ours.compress_prompt(context, rate=0.5)
    assert result["compressed_prompt"].strip() == ""
    assert result["compressed_tokens"] <= 1


def test_a_path_with_any_name_is_loaded_by_its_tokenizer(
    folders: dict[str, Path], tmp_path: Path, bert: Pair
) -> None:
    (tmp_path / "anything").symlink_to(folders["bert"])
    ours = PromptCompressor(str(tmp_path / "anything"), device_map="cpu")
    for options in (WORDS["published"], WORDS["forced"]):
        assert ours.compress_prompt(PROSE, **options) == bert.reference.compress_prompt(
            PROSE, **options
        )


def test_without_a_name_it_is_the_embedded_model(pairs: dict[str, Pair]) -> None:
    ours = PromptCompressor(device_map="cpu")
    assert ours(PROSE, rate=0.4) == pairs["embedded"].ours.compress_prompt(PROSE, rate=0.4)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("iterative_size", 100),
        ("force_context_number", 2),
        ("use_sentence_level_filter", True),
        ("keep_split", True),
        ("keep_first_sentence", 1),
        ("keep_last_sentence", 1),
        ("keep_sentence_number", 1),
        ("high_priority_bonus", 5),
        ("context_budget", "*1.5"),
        ("token_budget_ratio", 2.0),
        ("condition_in_question", "after"),
        ("reorder_context", "sort"),
        ("dynamic_context_compression_ratio", 0.3),
        ("condition_compare", True),
        ("add_instruction", True),
        ("rank_method", "longllmlingua"),
        ("concate_question", False),
        ("context_segs", [["a"]]),
        ("context_segs_rate", [[0.5]]),
        ("context_segs_compress", [[True]]),
        ("strict_preserve_uncompressed", False),
    ],
)
def test_arguments_of_llmlingua_v1_are_refused(bert: Pair, argument: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"{argument}=.*LLMLingua v1 / LongLLMLingua"):
        bert.ours.compress_prompt(PROSE, **{argument: value})


def test_an_instruction_or_a_question_changes_nothing_and_says_so(bert: Pair) -> None:
    for argument in ("instruction", "question"):
        with pytest.warns(UserWarning, match="does not look at instruction and question"):
            result = bert.ours.compress_prompt(PROSE, rate=0.5, **{argument: "Which bridge?"})
        assert result == bert.reference.compress_prompt(PROSE, rate=0.5, **{argument: "Which?"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"use_llmlingua2": False}, "only LLMLingua-2 is implemented"),
        ({"open_api_config": {"api_key": "x"}}, "calls no API"),
        ({"model_config": {"revision": "main"}}, "model_config has no 'revision'"),
        ({"llmlingua2_config": {"max_batch": 1}}, "llmlingua2_config has no 'max_batch'"),
        ({"llmlingua2_config": {"max_batch_size": 0}}, "not a positive integer"),
        ({"model_config": {"dtype": "int8"}}, "not a floating-point"),
    ],
)
def test_wrong_constructor_arguments(
    folders: dict[str, Path], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        PromptCompressor(folders["bert"], device_map="cpu", **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": "half"}, "rate='half' is not a finite number"),
        ({"target_token": math.nan}, "target_token=nan is not a finite number"),
        ({"rate": 0}, r"tokens\) = 0 makes llmlingua cut at percentile 101"),
        ({"token_to_word": "max"}, "must be 'mean' or 'first'"),
        ({"force_tokens": "abc"}, "is a single string"),
        ({"force_tokens": ["x"] * 101}, "101 force_tokens, but max_force_token=100"),
    ],
)
def test_wrong_options(bert: Pair, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        bert.ours.compress_prompt(PROSE, **options)
    with pytest.raises(InputError, match="string or a sequence of strings"):
        bert.ours.compress_prompt(7)  # type: ignore[arg-type]


def test_a_byte_level_tokenizer_is_sent_to_the_compressor(tmp_path: Path) -> None:
    checkpoints.build_roberta(tmp_path)
    with pytest.raises(ModelLoadError, match=r"use lingua2\.Compressor"):
        PromptCompressor(tmp_path, device_map="cpu")


@pytest.mark.parametrize("method", ["structured_compress_prompt", "compress_json"])
def test_the_structured_methods_are_refused(bert: Pair, method: str) -> None:
    with pytest.raises(OptionError, match=f"{method} belongs to LLMLingua v1"):
        getattr(bert.ours, method)([PROSE])


def test_nothing_of_the_callers_is_changed(folders: dict[str, Path]) -> None:
    config: dict[str, Any] = {}
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    ours = PromptCompressor(folders["bert"], device_map="cpu", model_config=config)
    contexts, force, ends = [PROSE, TEXTS["code"]], ["in 2019", "\n"], [".", "in 2019"]
    given = copy.deepcopy((contexts, force, ends))
    ours.compress_prompt(contexts, rate=0.4, force_tokens=force, chunk_end_tokens=ends)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert config == {}
    assert (contexts, force, ends) == given
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_eight_threads_give_what_one_gives(xlmr: Pair) -> None:
    jobs = [(text, options) for text in CONTEXTS for options in (WORDS["forced"], {"rate": 0.3})]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: xlmr.ours.compress_prompt(job[0], **job[1]), jobs * 3))
    assert together == [xlmr.ours.compress_prompt(text, **options) for text, options in jobs] * 3


def test_the_reference_loads_what_a_training_writes(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    texts = [f"The council of hall {i} approved the new library budget." for i in range(8)]
    examples = [
        Example(str(i), text, (0, 4, 12), (3, 11, 14), (0, 1, 0)) for i, text in enumerate(texts)
    ]
    home = tmp_path / "trained-bert-base-multilingual-cased"
    train(examples, model_name=folders["bert"], output=home, epochs=1, evaluations=1, device="cpu")
    pair = load(home)
    reference, ours = (model.compress_prompt(texts, rate=0.5) for model in pair)
    assert ours["compressed_prompt_list"] == reference["compressed_prompt_list"]
