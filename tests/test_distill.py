"""Distillation: chunks, documents, answers, and runs with a scripted teacher."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

datasets = pytest.importorskip("datasets")
pytest.importorskip("langchain.chat_models")
from langchain_core.language_models import BaseChatModel, FakeListChatModel  # noqa: E402
from langchain_core.messages import AIMessage, BaseMessage  # noqa: E402
from langchain_core.outputs import ChatGeneration, ChatResult  # noqa: E402
from pydantic import Field  # noqa: E402

from lingua2.distill import (  # noqa: E402
    Document,
    Phrases,
    Price,
    adistill,
    chunk_text,
    clean_answer,
    command,
    distill,
    estimate,
    read_answers,
    read_documents,
    resolve_teacher,
)
from lingua2.distill.prompts import fill, load_instructions  # noqa: E402
from lingua2.errors import DatasetError, OptionError, TeacherError  # noqa: E402

SENTENCES = [
    "The harbour committee met on Tuesday in the old hall.",
    "Councillor Okafor asked how much the new pier would cost.",
    "It would cost 4.2 million, said the engineer, if work starts in May.",
    "Nobody objected to the plan, so the chair closed the meeting at nine.",
]
BARE = "{text}"
"""An instruction that leaves the text alone, so that the teacher below sees the source."""
BOTH = {"compressed": BARE, "core": BARE}


def words(text: str) -> int:
    return len(text.split())


def drop_articles(prompt: str) -> str:
    return " ".join(word for word in prompt.split() if word.lower() not in ("the", "a", "it"))


class Script(BaseChatModel):
    """A teacher that answers with a function of the prompt and remembers what it was asked."""

    model_name: str = "script"
    answer: Callable[[str], Any] = drop_articles
    asked: list[str] = Field(default_factory=list)
    seconds: float = 0.0
    most: list[int] = Field(default_factory=lambda: [0, 0])

    @property
    def _llm_type(self) -> str:
        return "script"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise AssertionError("the run must be asynchronous")

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        prompt = str(messages[0].content)
        self.asked.append(prompt)
        self.most[0] += 1
        self.most[1] = max(self.most)
        try:
            await asyncio.sleep(self.seconds)
            reply = self.answer(prompt)
            if inspect.isawaitable(reply):
                reply = await reply
        finally:
            self.most[0] -= 1
        if isinstance(reply, BaseException):
            raise reply
        message = reply if isinstance(reply, AIMessage) else AIMessage(reply)
        return ChatResult(generations=[ChatGeneration(message=message)])


def script(answer: Callable[[str], Any] = drop_articles, **fields: Any) -> Script:
    return Script(answer=answer, **fields)


def documents(number: int = 4) -> list[Document]:
    return [Document(f"d{i}", f"{SENTENCES[i % 4]} Item {i}.", "minutes") for i in range(number)]


def run(teacher: Any, output: Path, docs: list[Document] | None = None, **options: Any) -> Any:
    values = {"instruction": BARE, "token_counter": words, "backoff": 0.0, "progress": False}
    return distill(documents() if docs is None else docs, teacher, output, **values | options)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


# Chunks


def test_chunks_end_where_sentences_end() -> None:
    text = " ".join(SENTENCES)
    chunks = [text[a:b] for a, b in chunk_text(text, words, 24)]
    assert chunks == [" ".join(SENTENCES[:2]), SENTENCES[2], SENTENCES[3]]


@pytest.mark.parametrize(
    "sentence",
    [
        "Then Mrs. Holm of flat 4 asked for a second key.",
        "It was signed by J. R. Okafor and\u00a0Dr. Lind, see p. 7 and Nos. 3 to 5.",
        "The U.S. team, i.e. all six of them, came on Nov. 3 from St. Ives.",
        "Die Firma bzw. Frau Dr. Weiß schickt z.B. Nr. 12 zurück.",
        "(Prof. Adeyemi vs. the board.)",
    ],
)
def test_an_abbreviation_ends_no_sentence(sentence: str) -> None:
    size = len(sentence)
    text = f"It rained all day. {sentence} Nobody came."
    for most in range(size, len(text)):
        chunks = [text[a:b] for a, b in chunk_text(text, len, most)]
        assert sum(sentence in chunk for chunk in chunks) == 1


@pytest.mark.parametrize("first", ["Ask Dr.\n", "It weighs a kilodr. ", "Room 3. "])
def test_other_full_stops_and_ends_of_lines_end_a_sentence(first: str) -> None:
    text = f"{first}The end."
    assert [text[a:b] for a, b in chunk_text(text, len, len(text) - 1)] == [
        first.strip(),
        "The end.",
    ]


def test_a_sentence_that_is_too_long_is_cut_between_words_and_such_a_word_inside() -> None:
    assert [b - a for a, b in chunk_text("one two three four", words, 3)] == [13, 4]
    assert chunk_text("abcdefgh ij", len, 3) == [(0, 3), (3, 6), (6, 8), (9, 11)]


def test_cutting_a_very_long_word_takes_time_in_proportion_to_its_length() -> None:
    counted = []

    def count(text: str) -> int:
        counted.append(len(text))
        return len(text)

    assert len(chunk_text("x" * 20_000, count, 50)) == 400
    assert sum(counted) < 20 * 20_000


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(OptionError, match="at least 1, got 0"):
        chunk_text("a", words, 0)


@given(st.text(max_size=200), st.integers(1, 30))
def test_chunks_fit_and_cover_all_but_white_space(text: str, most: int) -> None:
    chunks = chunk_text(text, len, most)
    assert all(0 < b - a <= most for a, b in chunks)
    edges = [0, *(edge for chunk in chunks for edge in chunk), len(text)]
    assert edges == sorted(edges)
    between = zip(edges[::2], edges[1::2], strict=True)
    assert not "".join(text[a:b] for a, b in between).strip()


@given(st.lists(st.sampled_from(SENTENCES), max_size=8), st.integers(13, 60))
def test_no_chunk_breaks_a_sentence_that_fits(sentences: list[str], most: int) -> None:
    text = "\n".join(sentences)
    ends = {text[a:b][-1] for a, b in chunk_text(text, words, most)}
    assert ends <= {"."}


# Documents


def test_rows_of_json_lines_and_parquet_are_the_same_documents(tmp_path: Path) -> None:
    rows = [{"id": 7, "body": "Tea.", "domain": "food", "license": "CC0"}, {"body": "Rain."}]
    (tmp_path / "x.jsonl").write_text("\n\n".join(map(json.dumps, rows)))
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "x.parquet")
    lines = list(read_documents(tmp_path / "x.jsonl", "body"))
    assert lines == [
        Document("7", "Tea.", "food", "x.jsonl", "CC0"),
        Document("x.jsonl:3", "Rain.", "", "x.jsonl"),
    ]
    table = list(read_documents(tmp_path / "x.parquet", "body"))
    assert [(d.text, d.license) for d in table] == [("Tea.", "CC0"), ("Rain.", "")]


def test_a_folder_is_read_in_order_of_names_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.txt", ".hidden.txt", "c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"\ufefftext of {name}", encoding="utf-8")
    found = [(d.id, d.text) for d in read_documents(tmp_path)]
    assert found == [("a/z.txt", "text of a/z.txt"), ("b.md", "text of b.md")]


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    names = ("x/2024/may.txt", "y/2024/may.txt", "x/notes.jsonl", "y/2024/notes.jsonl", "own.txt")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('{"text": "Tea."}')
    files = [tmp_path / name for name in names]
    ids = [document.id for document in read_documents(files)]
    assert ids == [*names[:2], "x/notes.jsonl:1", "2024/notes.jsonl:1", "own.txt"]
    folders = list(read_documents([str(tmp_path / "x"), str(tmp_path / "y")]))
    assert [(item.id, item.source) for item in folders] == [
        ("x/2024/may.txt", "x/2024/may.txt"),
        ("notes.jsonl:1", "notes.jsonl"),
        ("y/2024/may.txt", "y/2024/may.txt"),
        ("2024/notes.jsonl:1", "2024/notes.jsonl"),
    ]
    with pytest.raises(DatasetError, match=r"may\.txt is given twice"):
        list(read_documents([files[0], tmp_path / "x"]))


def test_a_dataset_is_read_as_it_is_and_from_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    data = datasets.Dataset.from_list([{"text": "One.", "source": "web"}, {"text": "Two."}])
    ids = [(d.id, d.source) for d in read_documents(data)]
    assert ids == [("dataset:1", "web"), ("dataset:2", "dataset")]
    asked = []
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *args, **kwargs: asked.append((args, kwargs)) or data
    )
    assert next(read_documents("hf:org/set:plain", split="test")).id == "org/set:plain:1"
    assert asked == [(("org/set", "plain"), {"split": "test"})]


def test_a_hub_dataset_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DatasetError, match=r"'org/set' .*cannot be loaded from the hub: offline"):
        list(read_documents("hf:org/set"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a"}\n{"body": "b"}', "row 2: the text column 'text' is missing; columns: body"),
        ('{"text": 5}', "row 1: the text column 'text' holds a int"),
        ('{"text": "a"}\n{', "line 2: no JSON"),
        ('{"id": 1, "text": "a"}\n{"id": "1", "text": "b"}', "row 2: id '1' occurs twice"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bad.jsonl").write_text(content)
    with pytest.raises(DatasetError, match=f"bad.jsonl, {message}"):
        list(read_documents(tmp_path / "bad.jsonl"))


def test_what_is_no_source_of_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a")
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "x.parquet").write_bytes(b"no table")
    (tmp_path / "empty").mkdir()
    for source, message in [
        (tmp_path / "x.csv", r"must end in \.jsonl"),
        (tmp_path / "x.txt", "cannot be read"),
        (tmp_path / "x.parquet", "cannot be read"),
        (tmp_path / "missing.txt", "cannot be read"),
        (tmp_path / "empty", r"has no \.jsonl"),
        ({"train": []}, "from a dict; give a path"),
    ]:
        with pytest.raises(DatasetError, match=message):
            list(read_documents(source))


# Answers

SOURCE = " ".join(SENTENCES)
KEPT = "harbour committee met Tuesday. new pier cost 4.2 million, work starts May."


@pytest.mark.parametrize(
    "around",
    [
        "Here is the compressed text: {}",
        "Sure! Here's the compressed text:\n\n{}",
        "Certainly!\n{}",
        "**Compressed text:**\n{}",
        "Voici le texte raccourci :\n{}",
        '"{}"',
        "“{}”",
        "```\n{}\n```",
        "Compressed:\n```text\n{}\n```\nLet me know if you need anything else!",
        "<text>\n{}\n</text>",
        "{}\n</text>",
        "---\n{}\n---",
        "{}\n\nNote: I removed filler words.",
        "{}\n\n(I kept all figures and dropped articles.)",
        "{} (Word count: 12)",
        "<think>Which words matter? The cost does.</think>\n\n{}",
        "Let me see which words go.</think>{}",
        "<think>hm</think>Okay, here is the text:\n“{}”\n\nIs there anything else?",
    ],
)
def test_chatter_around_an_answer_is_stripped(around: str) -> None:
    answer = clean_answer(around.format(KEPT), SOURCE)
    assert (answer.text, answer.status) == (KEPT, "ok")
    assert answer.removed >= 1


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("Here is the compressed text: he said.", "Here is compressed text: he said."),
        ("I'm sorry, I cannot come to the party tonight.", "I'm sorry, I cannot come party."),
        ("Note: the text ends here.\n\nNote: not here.", "Note: text ends\n\nNote: not here"),
        ('He said "stay" and she said "go".', '"stay" "go"'),
        ("```\nx = 1\n```", "```\nx = 1\n```"),
        ("At 10:30 the train left for Rome.", "10:30 train left Rome."),
        ("<think>is a tag</think> of some models", "<think>is tag</think> models"),
        ("Result of the vote: five to three.\nDone.", "Result vote: five to three."),
        ("今天会议讨论了预算问题。", "会议讨论预算。"),
    ],
)
def test_what_stands_in_the_source_stays(source: str, answer: str) -> None:
    cleaned = clean_answer(answer, source)
    assert (cleaned.text, cleaned.status, cleaned.removed) == (answer, "ok", 0)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("", "empty"),
        (" \n…", "empty"),
        ("Here is the compressed text:", "empty"),
        ("<think>I wonder what to", "empty"),
        ("I'm sorry, but I can't help with that request.", "refused"),
        ("As an AI language model, I do not shorten minutes.", "refused"),
        ("Please provide the text you want me to compress.", "refused"),
        (f"{SOURCE} {SENTENCES[0]}", "longer"),
        ("Bananas ripen quickly under tropical sunshine.", "foreign"),
        (SOURCE, "ok"),
    ],
)
def test_an_answer_that_is_no_compression_is_told_apart(answer: str, status: str) -> None:
    assert clean_answer(answer, SOURCE).status == status


GERMAN = "Die Pumpe der Halle wurde am Montag repariert. Hinweis: den Text am Tor lesen."
PHRASES = Phrases.of([r"das kann ich .{0,40}nicht"], ["gerne", "hinweis:"])


@pytest.mark.parametrize(
    ("answer", "text", "status"),
    [
        ("Das kann ich am Montag leider nicht.", "Das kann ich am Montag leider nicht.", "refused"),
        ("Gerne. Die Halle wurde repariert.", "Gerne. Die Halle wurde repariert.", "ok"),
        ("Gerne, der kurze Text!\nPumpe am Montag repariert", "Pumpe am Montag repariert", "ok"),
        ("Pumpe repariert.\nHinweis: den Text gekürzt.", "Pumpe repariert.", "ok"),
        ("Pumpe repariert.\nHinweis: Text lesen.", "Pumpe repariert.\nHinweis: Text lesen.", "ok"),
    ],
)
def test_own_phrases_tell_refusals_and_chatter_of_other_languages(
    answer: str, text: str, status: str
) -> None:
    cleaned = clean_answer(answer, GERMAN, PHRASES)
    assert (cleaned.text, cleaned.status) == (text, status)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.text(max_size=80))
def test_deleting_words_is_always_a_fair_answer(keep: list[bool], noise: str) -> None:
    source = SOURCE.split()
    kept = [word for word, stays in zip(source, keep, strict=False) if stays]
    answer = clean_answer(" ".join(kept), SOURCE)
    assert (answer.text, answer.removed) == (" ".join(kept), 0)
    assert answer.status == ("ok" if kept else "empty")
    assert clean_answer(noise, SOURCE).text in noise


# Instructions


def test_own_instructions_fill_in_any_text_and_leave_braces_alone() -> None:
    for instruction in load_instructions(("compressed", "core")).values():
        assert "a {text} }{" in fill(instruction, "a {text} }{")
    custom = load_instructions(("compressed",), 'Answer {"json": {}} for {text}!')
    assert fill(custom["compressed"], "x\ud800") == 'Answer {"json": {}} for x\ufffd!'


def test_instructions_come_from_files_and_must_hold_the_text_once(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("Shorten: {text}")
    own = {"core": tmp_path / "own.txt"}
    assert load_instructions(("compressed", "core"), own)["core"] == "Shorten: {text}"
    for levels, given_, message in [
        (("compressed",), "no place", "exactly once.* 0 times"),
        (("compressed",), "{text} {text}", "2 times"),
        (("compressed",), tmp_path / "missing.txt", "cannot be read"),
        (("compressed",), own, "instruction for 'core', but the levels are"),
        (("core",), None, "levels must be"),
    ]:
        with pytest.raises(OptionError, match=message):
            load_instructions(levels, given_)


# Runs


def test_every_chunk_becomes_one_row(output: Path) -> None:
    teacher = script()
    docs = [Document("a", f"{SENTENCES[0]} {SENTENCES[1]}", "minutes", "town", "CC0")]
    report = run(teacher, output, [*docs, Document("blank", " \n")], max_tokens=12)
    rows = read_answers(output)
    assert [row["id"] for row in rows] == ["a#0", "a#1"]
    assert [row["text"] for row in rows] == SENTENCES[:2]
    assert rows[0]["compressed"] == "harbour committee met on Tuesday in old hall."
    shared = {"domain": "minutes", "source": "town", "license": "CC0", "teacher": "script"}
    assert rows[0].items() >= {**shared, "status": {"compressed": "ok"}}.items()
    assert (rows[0]["input_tokens"], rows[0]["output_tokens"]) == (10, 8)
    assert (report.chunks, report.answered, report.requests, report.failed) == (2, 2, 2, 0)
    assert report.statuses == {"compressed": {"ok": 2}}
    assert (report.input_tokens, report.stopped, report.cost) == (20, None, None)


def test_the_core_is_asked_from_the_compressed_text(output: Path) -> None:
    teacher = script(lambda prompt: " ".join(prompt.split()[:-1]))
    run(teacher, output, documents(1), levels=["compressed", "core"], instruction=BOTH)
    row = read_answers(output)[0]
    assert row["core"].split() == row["compressed"].split()[:-1]
    assert teacher.asked == [row["text"], row["compressed"]]


def test_a_model_without_asynchronous_calls_or_usage_will_do(output: Path) -> None:
    teacher = FakeListChatModel(responses=["harbour committee met"])
    report = run(teacher, output, documents(1))
    assert read_answers(output)[0]["teacher"] == "FakeListChatModel"
    assert report.output_tokens == 3


def test_usage_and_endings_are_taken_from_the_provider(output: Path) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    endings = {
        "0": AIMessage("harbour committee", response_metadata={"finish_reason": "length"}),
        "1": AIMessage("no", additional_kwargs={"refusal": "no"}),
        "2": AIMessage("It would cost 4.2 million", usage_metadata=usage),
    }
    teacher = script(lambda prompt: endings[prompt.split()[-1][0]])
    report = run(teacher, output, documents(3), price=Price(2, 10))
    rows = {row["id"]: row for row in read_answers(output)}
    assert rows["d0#0"]["status"] == {"compressed": "truncated"}
    assert rows["d1#0"]["status"] == {"compressed": "refused"}
    assert (rows["d0#0"]["compressed"], rows["d0#0"]["raw"]["compressed"]) == (
        None,
        "harbour committee",
    )
    assert report.cost == pytest.approx((1000 * 2 + 500 * 10) / 1e6, rel=0.1)


def test_bad_answers_are_counted_kept_raw_and_not_taken_further(output: Path) -> None:
    answers = ["", "I'm sorry, I can't do that.", "Zebras gallop.", "Sure: harbour committee"]
    given_ = iter(answers)
    teacher = script(lambda _: next(given_))
    options = {"levels": ("compressed", "core"), "concurrency": 1, "instruction": BOTH}
    report = run(teacher, output, documents(3), **options)
    assert report.statuses == {
        "compressed": {"empty": 1, "refused": 1, "foreign": 1},
        "core": {},
    }
    rows = read_answers(output)
    assert [row["raw"]["compressed"] for row in rows] == answers[:3]
    assert {row["status"]["core"] for row in rows} == {"skipped"}
    # An answer is an answer: a bad one is not asked again.
    assert run(teacher, output, documents(3), **options).requests == 0


def test_own_phrases_are_an_option(output: Path) -> None:
    teacher = script(lambda _: "Nein, Item!")
    assert run(teacher, output).statuses == {"compressed": {"ok": 4}}
    report = run(teacher, output.with_name("b.jsonl"), refusals=["nein"])
    assert report.statuses == {"compressed": {"refused": 4}}


def test_chatter_is_counted(output: Path) -> None:
    teacher = script(lambda prompt: f"Sure! Here is the text:\n{prompt}")
    assert run(teacher, output).chatter == 4
    assert read_answers(output)[0]["removed"] == {"compressed": 1}


# Resuming


def test_a_second_run_asks_only_what_is_missing(output: Path) -> None:
    run(script(), output, documents(2))
    before = output.read_bytes()
    teacher = script()
    report = run(teacher, output, documents(4))
    assert (report.reused, report.requests, report.answered) == (2, 2, 4)
    assert output.read_bytes().startswith(before)
    assert run(teacher, output, documents(4)).requests == 0
    assert len(teacher.asked) == 2


def test_a_changed_instruction_is_asked_anew_and_its_answer_counts(output: Path) -> None:
    run(script(), output)
    report = run(script(lambda prompt: prompt.split()[1]), output, instruction="Now {text}")
    assert (report.requests, report.reused) == (4, 0)
    rows = read_answers(output)
    assert len(rows) == 4
    assert [row["compressed"] for row in rows] == ["The", "Councillor", "It", "Nobody"]


def test_a_further_level_asks_only_that_level_and_a_level_less_asks_nothing(output: Path) -> None:
    run(script(), output)
    teacher = script(lambda prompt: prompt.split()[0])
    report = run(teacher, output, levels=("compressed", "core"), instruction=BOTH)
    assert (report.requests, report.answered) == (4, 4)
    assert "The" not in "".join(teacher.asked)
    report = run(teacher, output)
    assert (report.requests, report.reused) == (0, 4)
    assert all(row["core"] for row in read_answers(output))


def test_a_document_that_is_cut_anew_leaves_no_old_chunks(output: Path) -> None:
    long = [Document("long", " ".join(SENTENCES))]
    run(script(), output, long, max_tokens=14)
    assert len(read_answers(output)) == len(SENTENCES)
    run(script(), output, long, max_tokens=1000)
    (row,) = read_answers(output)
    assert row["text"] == " ".join(SENTENCES)
    # Cut as before: what was answered then is written again and not asked again.
    teacher = script()
    report = run(teacher, output, long, max_tokens=14)
    assert (report.requests, teacher.asked) == (0, [])
    assert [row["text"] for row in read_answers(output)] == SENTENCES


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_line_that_a_kill_tore_is_asked_again(output: Path, cut: int) -> None:
    run(script(), output)
    whole = read_answers(output)
    output.write_bytes(output.read_bytes()[:-cut])
    torn = 0 if cut == 1 else 1
    assert len(read_answers(output)) == 4 - torn
    assert run(script(), output).requests == torn
    assert sorted(row["id"] for row in read_answers(output)) == [row["id"] for row in whole]
    assert output.read_bytes().count(b"\n") == 4


def test_the_same_text_is_asked_once(output: Path) -> None:
    docs = [Document(str(i), SENTENCES[0]) for i in range(5)]
    assert estimate(docs, script(), output, instruction=BARE).requests == 1
    report = run(script(), output, docs)
    assert (report.requests, report.answered) == (1, 5)
    assert len({row["compressed"] for row in read_answers(output)}) == 1
    assert len(read_answers(output)) == 5


def test_failed_requests_are_asked_again_by_the_next_run(output: Path) -> None:
    teacher = script(lambda prompt: OSError("busy") if "Item 2" in prompt else prompt)
    report = run(teacher, output, max_retries=2)
    assert (report.failed, report.answered, report.last_error) == (1, 3, "OSError: busy")
    assert sum("Item 2" in prompt for prompt in teacher.asked) == 3
    assert run(script(), output).requests == 1


def test_where_only_the_core_failed_only_the_core_is_asked_again(output: Path) -> None:
    failing = script(lambda prompt: drop_articles(prompt) if "The" in prompt else OSError("busy"))
    options: dict[str, Any] = {"levels": ("compressed", "core"), "instruction": BOTH}
    report = run(failing, output, documents(1), max_retries=0, **options)
    assert (report.requests, report.failed, report.answered) == (1, 1, 0)
    row = read_answers(output)[0]
    assert (row["core"], row["status"]) == (None, {"compressed": "ok"})
    assert run(script(), output, documents(1), **options).requests == 1
    assert read_answers(output)[0]["core"]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """What Ctrl-C does in a terminal; a shell's background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_keeps_what_was_answered(output: Path) -> None:
    def interrupt(prompt: str) -> Any:
        if "The" in prompt:
            return drop_articles(prompt)
        signal.raise_signal(signal.SIGINT)
        return asyncio.sleep(30)

    options: dict[str, Any] = {"levels": ("compressed", "core"), "instruction": BOTH}
    with pytest.raises(KeyboardInterrupt):
        run(script(interrupt), output, documents(1), **options)
    teacher = script()
    assert run(teacher, output, documents(1), **options).requests == 1


async def test_cancelling_ends_all_requests(output: Path) -> None:
    teacher = script(seconds=30)
    task = asyncio.create_task(adistill(documents(), teacher, output, progress=False))
    while teacher.most[0] < 4:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert teacher.most[0] == 0


def test_two_runs_cannot_write_one_file(output: Path) -> None:
    started, release = threading.Event(), threading.Event()

    async def wait(prompt: str) -> str:
        started.set()
        await asyncio.to_thread(release.wait, 10)
        return prompt

    teacher = script(lambda prompt: wait(prompt))
    thread = threading.Thread(target=run, args=(teacher, output, documents(1)))
    thread.start()
    started.wait(10)
    try:
        with pytest.raises(DatasetError, match="another run writes to"):
            run(script(), output)
    finally:
        release.set()
        thread.join()
    assert run(script(), output, documents(1)).reused == 1


def test_a_file_of_something_else_is_left_alone(output: Path) -> None:
    output.write_text('{"name": "mine"}\n')
    with pytest.raises(DatasetError, match=r"line 1: is no answer.*write to another file"):
        run(script(), output)
    output.write_text("{}\nbroken\n{}\n")
    with pytest.raises(DatasetError, match="line 1"):
        read_answers(output)
    assert output.read_text() == "{}\nbroken\n{}\n"
    with pytest.raises(DatasetError, match=r"must end in \.jsonl"):
        run(script(), output.with_suffix(".txt"))


@pytest.mark.slow
def test_a_killed_process_loses_at_most_what_was_in_flight(output: Path, root: Path) -> None:
    code = (
        "import sys; sys.path[:0] = ['tests']\n"
        "from pathlib import Path; import test_distill as t\n"
        "t.run(t.script(seconds=0.05), Path(sys.argv[1]), t.documents(400), concurrency=2)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, output], cwd=root)
    while not output.exists() or output.read_bytes().count(b"\n") < 20:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = len(read_answers(output))
    assert 20 <= done < 400
    assert run(script(), output, documents(400)).requests == 400 - done
    assert len(output.read_text().splitlines()) == 400


# Limits


def test_requests_are_bounded_in_number_and_rate(output: Path) -> None:
    teacher = script(seconds=0.01)
    run(teacher, output, documents(12), concurrency=3)
    assert teacher.most[1] == 3
    begun = time.monotonic()
    run(script(), output, documents(6), requests_per_second=20, instruction=" {text}")
    assert time.monotonic() - begun >= 5 / 20


def test_a_budget_stops_before_it_is_overrun(output: Path) -> None:
    # Each document asks for 12 to 16 words and 8 more of the message; answers are shorter.
    report = run(script(), output, documents(40), price=Price(1e4, 1e4), budget=2.0)
    assert 1.5 < report.cost <= 2.0
    assert "the budget of 2 is used up" in report.stopped
    assert 0 < report.answered < 40
    report = run(script(), output, documents(40), token_budget=200)
    assert 150 < report.input_tokens + report.output_tokens <= 200
    assert "the budget of 200 tokens" in report.stopped
    assert run(script(), output, documents(40)).answered == 40


def test_a_budget_that_is_used_up_still_writes_what_repeats_an_answer(output: Path) -> None:
    docs = [*documents(1), *(Document(f"copy {i}", documents(1)[0].text) for i in range(9))]
    report = run(script(), output, [*docs, *documents(4)[1:]], token_budget=32, concurrency=1)
    assert report.stopped
    assert (report.requests, report.answered, len(read_answers(output))) == (1, 10, 10)


def test_a_budget_below_the_first_request_asks_nothing(output: Path) -> None:
    teacher = script()
    report = run(teacher, output, token_budget=5)
    assert (report.requests, teacher.asked) == (0, [])
    assert report.stopped


def test_the_estimate_bounds_what_is_left(output: Path) -> None:
    options: dict[str, Any] = {"price": Price(1, 2), "token_counter": words, "instruction": BOTH}
    options |= {"levels": ("compressed", "core"), "progress": False}
    before = estimate(documents(), script(), output, **options)
    assert not output.exists()
    seen: list[Any] = []
    report = distill(documents(), script(), output, on_estimate=seen.append, **options)
    assert seen == [before] == [report.estimate]
    assert (before.chunks, before.requests) == (4, 8)
    assert before.input_tokens >= report.input_tokens
    assert before.output_tokens >= report.output_tokens
    assert before.cost >= report.cost > 0
    with pytest.raises(DatasetError, match=r"must end in \.jsonl"):
        estimate(documents(), script(), output.with_suffix(".txt"), **options)
    left = estimate(documents(), script(), output, **options)
    assert (left.chunks, left.requests, left.cost) == (0, 0, 0)


def test_progress_shows_tokens_and_cost(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(script(), output, progress=True, price=Price(1e6, 0))
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert re.search(r"in=\d+, out=\d+, failed=0, cost=\d+\.\d", shown)


# Failures


class DeniedError(Exception):
    status_code = 401


def test_a_run_of_failures_alone_raises_the_last_one(output: Path) -> None:
    teacher = script(lambda _: DeniedError("no key"))
    with pytest.raises(TeacherError, match=r"all 4 requests to script failed.*DeniedError: no key"):
        run(teacher, output, max_retries=3)
    # A wrong key is wrong on every try.
    assert len(teacher.asked) == 4
    assert output.read_text() == ""


def test_a_teacher_that_is_gone_is_not_asked_a_thousand_times(output: Path) -> None:
    teacher = script(lambda prompt: prompt if "Item 0." in prompt else OSError("down"))
    report = run(teacher, output, documents(1000), max_retries=0)
    assert len(teacher.asked) < 50
    assert "failed one after the other" in report.stopped


def test_a_full_disk_ends_the_run_and_leaves_whole_lines(output: Path) -> None:
    resource = pytest.importorskip("resource")
    run(script(), output, documents(4))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for one more line and a half.
    resource.setrlimit(resource.RLIMIT_FSIZE, (output.stat().st_size * 11 // 8, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            run(script(), output, documents(40), concurrency=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    lines = output.read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["id"] for line in lines][4:] == ["d4#0"]
    assert lines[-1].endswith(b"\n")
    assert run(script(), output, documents(40)).reused == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 1.0}, "budget needs price"),
        ({"concurrency": 0}, "concurrency: .*greater than or equal to 1"),
        ({"requests_per_second": 0}, "requests_per_second: .*greater than 0"),
        ({"max_retry": 1}, "did you mean 'max_retries'"),
        ({"levels": "core"}, "expected a list of strings"),
        ({"refusals": ["nein("]}, r"refusals: 'nein\(' is no regular expression"),
        ({"chatter": ["gerne|"]}, r"chatter: 'gerne\|' matches nothing at all"),
    ],
)
def test_options_out_of_range_are_refused(output: Path, options: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        run(script(), output, **options)
    assert not output.exists()


def test_what_is_no_teacher_price_or_document_is_refused(output: Path) -> None:
    with pytest.raises(TeacherError, match="or the name of one"):
        run(5, output)
    with pytest.raises(TeacherError, match="'nonsense' cannot be set up"):
        resolve_teacher("nonsense")
    with pytest.raises(OptionError, match="at least 0"):
        Price(-1, float("nan"))
    with pytest.raises(DatasetError, match="two documents have the id 'd0'"):
        run(script(), output, [*documents(1), *documents(1)])


async def test_a_notebook_can_call_it_though_its_loop_runs(output: Path) -> None:
    assert run(script(), output, documents(1)).answered == 1


def test_a_second_call_finds_the_event_loop_of_the_first(output: Path) -> None:
    # Clients of chat models keep connections, which die with their loop.
    loops = []

    async def remember(prompt: str) -> str:
        loops.append(asyncio.get_running_loop())
        return prompt

    for i in range(2):
        run(script(lambda prompt: remember(prompt)), output.with_name(f"{i}.jsonl"), documents(1))
    assert loops[0] is loops[1]
    assert not loops[0].is_closed()


# The command


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    parser = argparse.ArgumentParser()
    command.add_command(parser.add_subparsers())
    teachers: list[Any] = []
    monkeypatch.setattr(
        "langchain.chat_models.init_chat_model",
        lambda name, **options: teachers.append((name, options)) or script(drop_articles),
    )
    (tmp_path / "in.txt").write_text("\n".join(SENTENCES))
    (tmp_path / "bare.txt").write_text(BARE)

    def call(*words_: str) -> int:
        args = parser.parse_args(
            [
                *("distill", str(tmp_path / "in.txt"), "--teacher", "openai:some-model"),
                *("--output", str(tmp_path / "answers.jsonl")),
                *("--instruction", str(tmp_path / "bare.txt"), *words_),
            ]
        )
        status: int = args.run(args)
        assert teachers[-1] == ("openai:some-model", {"base_url": "http://[::1]/v1"})
        return status

    return call


def test_the_command_estimates_asks_and_sums_up(
    shell: Callable[..., int], output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--base-url", "http://[::1]/v1", "--price-input", "1", "--price-output", "2")
    common += ("--max-tokens", "20")
    assert shell(*common, "--dry-run") == 0
    assert "4 chunks to ask in 4 requests: at most about" in capsys.readouterr().err
    assert not output.exists()
    assert shell(*common, "--budget", "1") == 0
    said = capsys.readouterr().err
    assert "4 chunks to ask" in said
    assert "4 of 4 chunks answered (0 earlier)" in said
    assert "compressed: 4 ok" in said
    with pytest.raises(OptionError, match="both --price-input and --price-output"):
        shell("--base-url", "http://[::1]/v1", "--price-input", "1")
    with pytest.raises(OptionError, match="--budget needs --price-input and --price-output"):
        shell("--base-url", "http://[::1]/v1", "--budget", "1")


def test_the_command_tells_failures_and_ctrl_c_by_its_status(
    shell: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(prompt: str) -> Any:
        return OSError("busy") if "Nobody" in prompt else f"Sure! Here is it:\n{prompt}"

    monkeypatch.setattr(sys.modules[__name__], "drop_articles", fail)
    options = ("--base-url", "http://[::1]/v1", "--max-tokens", "20", "--max-retries", "0")
    assert shell(*options, "--token-budget", "100") == 0
    assert "stopped: the budget of 100 tokens" in capsys.readouterr().err
    assert shell(*options) == 1
    said = capsys.readouterr().err
    assert "1 requests failed, the last one with OSError: busy" in said
    assert "3 answers had chatter" in said

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lingua2.distill.distill", interrupt)
    assert shell(*options) == 130
    assert "run the same command again to go on" in capsys.readouterr().err


def test_importing_the_command_loads_no_framework(root: Path) -> None:
    code = "import lingua2.distill.command, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"langchain_core", "datasets", "pyarrow", "tenacity"} & set(loaded)
