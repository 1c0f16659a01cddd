"""Evaluations from items to the report: readers, resuming, the command line, latency."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from lingua2.cli import main
from lingua2.errors import DatasetError, InputError, OptionError
from lingua2.evaluation import (
    Evaluation,
    Item,
    Method,
    TaskData,
    as_method,
    evaluate,
    load_task,
    measure_latency,
    resolve_reader,
    write_report,
)
from lingua2.evaluation.excerpts import coloured
from lingua2.evaluation.identity import reader_identity, reader_name, reader_settings
from lingua2.evaluation.latency import latency_table
from lingua2.evaluation.paper import PAPER
from lingua2.evaluation.readers import Reader, ReaderSettings
from lingua2.evaluation.store import Store
from lingua2.evaluation.summary import summarise, worst_losses

NAMES = ("Mira Olsen", "Tomas Veld", "Lena Fuchs", "Raj Pillai", "Ines Albrecht", "Owen Hart")


def rows(number: int = 6) -> list[dict[str, Any]]:
    """Questions whose answer stands at the end of their first document."""
    return [
        {
            "id": f"q{i}",
            "question": f"Who built mill {i}?",
            "answers": [NAMES[i]],
            "documents": [
                f"Mill {i}\nIt stands by the sea and was not sold. It was built by {NAMES[i]}.",
                f"Pier {i}\nThe pier of 18{70 + i} is closed, <b>nobody</b> | knows why.",
            ],
            "supporting": [0],
        }
        for i in range(number)
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return path


@pytest.fixture
def data(file: Path) -> TaskData:
    return load_task("qa", file)


def first_words(texts: Sequence[str], query: str, budget: int) -> list[str]:
    """Drops the last two words of every text: the answer."""
    return [" ".join(text.split()[:-2]) for text in texts]


def run(data: TaskData, output: Path, *methods: Any, **options: Any) -> Evaluation:
    options = {"rates": [0.5], "resamples": 200, "progress": False} | options
    return evaluate(data, methods or ["truncation", "random"], output, **options)


def answering(reply: Callable[[str], Any], name: str = "test-reader") -> Any:
    return RunnableLambda(reply, name=name)


def from_context(prompt: str) -> str:
    """A perfect reader: the builder's name if it stands in the prompt."""
    found = re.search(r"built by (\w+ \w+)", prompt)
    return found[1] if found else "unknown"


def test_without_a_reader_survival_is_measured_against_tokens(
    data: TaskData, tmp_path: Path
) -> None:
    drop = as_method("drop", first_words)
    evaluation = run(data, tmp_path / "out", "none", drop, "truncation", rates=[0.5, 0.9])
    lines = {(line.method, line.budget): line for line in summarise(evaluation)}
    assert set(lines) == {
        ("none", "all"), *itertools.product(("drop", "truncation"), ("0.5", "0.9"))
    }  # fmt: skip
    whole, dropped = lines["none", "all"], lines["drop", "0.5"]
    assert whole.quality is not None
    assert whole.quality.mean == whole.achieved == 1.0
    assert dropped.quality is not None
    assert (dropped.quality.mean, dropped.retained, dropped.over) == (0.0, 0.0, 1.0)
    assert lines["truncation", "0.9"].over == 0.0
    assert 0.7 < lines["truncation", "0.9"].achieved <= 0.9
    assert dropped.measures["evidence"] < 1.0 == dropped.measures["negations"]
    assert dropped.measures["stability"] == 1.0


def test_differences_are_paired_with_the_first_compressor(data: TaskData, tmp_path: Path) -> None:
    drop, keep = as_method("drop", first_words), as_method("keep", lambda texts, *_: texts)
    first, second = summarise(run(data, tmp_path / "out", drop, keep))
    assert first.difference is None
    assert second.difference is not None
    assert (second.difference.mean, second.difference.low) == (1.0, 1.0)


def test_what_keeps_everything_can_be_what_the_others_are_compared_with(
    data: TaskData, tmp_path: Path
) -> None:
    drop = as_method("drop", first_words)
    _, dropped = summarise(run(data, tmp_path / "out", "none", drop))
    assert dropped.difference is not None
    assert dropped.difference.mean == -1.0


def test_questions_behind_the_same_examples_are_drawn_on_their_own(tmp_path: Path) -> None:
    shots = tmp_path / "shots.txt"
    shots.write_text("Question: 1 + 1?\nThe answer is 2.\n\nQuestion: 2 + 2?\nThe answer is 4.\n")
    path = tmp_path / "data.jsonl"
    sums = [{"question": f"{i} + {i}?", "answer": f"#### {2 * i}"} for i in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in sums))
    data = load_task("gsm8k", path, demonstrations=shots)

    def add(prompt: str) -> str:
        number = int(prompt.rpartition("Question: ")[2].split()[0])
        whole = "The answer is 2." in prompt
        return f"The answer is {2 * number if whole or number % 2 else 0}."

    found = run(data, tmp_path / "out", as_method("drop", first_words), reader=answering(add))
    whole, dropped = summarise(found)
    assert whole.retained == 1.0
    assert dropped.quality is not None
    # "0 + 0" is right either way, and half of the others.
    assert dropped.quality.mean == pytest.approx(11 / 20)
    assert 0.2 < dropped.quality.high - dropped.quality.low < 0.6
    # Each lost question is shown, not one for all that stand behind these examples.
    assert len(worst_losses(found)["drop"]) == 9


def test_kinds_of_different_size_do_not_widen_the_interval_of_a_perfect_score(
    tmp_path: Path,
) -> None:
    items = [_item(f"a{i}", ("em",), "one") for i in range(40)] + [
        _item(f"b{i}", ("em",), "two") for i in range(2)
    ]
    items = [dataclasses.replace(i, documents=(i.id,), references=("x",)) for i in items]
    data = TaskData("longbench", tuple(items), (), "x", "y")
    (line,) = summarise(run(data, tmp_path, "none", reader=answering(lambda _: "x")))
    assert line.quality is not None
    assert (line.quality.low, line.quality.high) == pytest.approx((1.0, 1.0))


REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, I cannot assist with that request.",
    "I'm sorry, I can't help with that question.",
    "I cannot provide information about that.",
    "I won't comply.",
    "As an AI, I have no opinion.",
]
NOT_FOUND = [
    "I'm sorry, but I can't find that anywhere.",
    "I'm sorry, but I cannot provide an answer, since the passages do not mention the builder.",
    "I cannot provide that from the given context.",
    "I'm sorry, I don't know.",
    "I am sorry to say that it burned down.",
    "I can't help you there: the text does not say.",
]


@pytest.mark.parametrize("answer", NOT_FOUND)
def test_that_a_text_does_not_say_is_an_answer(answer: str) -> None:
    # Else a compressor that loses answers would lose nothing by it.
    assert Reader(FakeListLLM(responses=[answer]), Store()).read(["p"])["p"].status == "ok"


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_is_none(answer: str) -> None:
    assert Reader(FakeListLLM(responses=[answer]), Store()).read(["p"])["p"].status == "refused"


def test_with_a_reader_the_uncompressed_score_is_the_measure(
    data: TaskData, tmp_path: Path
) -> None:
    drop = as_method("drop", first_words)
    evaluation = run(data, tmp_path / "out", drop, reader=answering(from_context))
    assert [method.name for method in evaluation.methods] == ["drop", "none"]
    whole, dropped = summarise(evaluation)
    assert (whole.method, whole.quality and whole.quality.mean) == ("none", 1.0)
    assert dropped.retained == 0.0
    assert whole.statuses == {"ok": 6}
    assert whole.measures["em"] == 1.0
    assert whole.input_tokens > whole.output_tokens > 0


def test_what_was_not_answered_is_counted_and_not_scored(data: TaskData, tmp_path: Path) -> None:
    replies: dict[str, Any] = {
        "mill 0": lambda: "",
        "mill 1": lambda: "I'm sorry, but I can't help with that.",
        "mill 2": lambda: AIMessage("no", response_metadata={"finish_reason": "content_filter"}),
        "mill 3": lambda: (_ for _ in ()).throw(ValueError("broken pipe")),
    }

    async def reply(prompt: str) -> Any:
        for name, answer in replies.items():
            if name in prompt:
                return answer()
        if "mill 4" in prompt:
            await asyncio.sleep(30)
        return from_context(prompt)

    evaluation = run(data, tmp_path / "out", "none", reader=answering(reply), timeout=0.2)
    (line,) = summarise(evaluation)
    assert line.statuses == {"ok": 1, "empty": 1, "refused": 2, "timeout": 1, "error": 1}
    assert line.quality is not None
    assert (line.quality.count, line.quality.mean) == (1, 1.0)
    write_report(evaluation, tmp_path / "out")
    report = (tmp_path / "out" / "report.md").read_text()
    assert "counted here and left out of every mean" in report
    # Failures are asked again, the rest is known.
    replies.clear()
    again = run(data, tmp_path / "out", "none", reader=answering(reply), timeout=0.2)
    assert again.requests == 2
    assert summarise(again)[0].statuses == {"ok": 2, "empty": 1, "refused": 2, "timeout": 1}


def test_a_killed_run_goes_on_where_it_ended(data: TaskData, tmp_path: Path) -> None:
    output, asked, compressed = tmp_path / "out", [], []

    def halting(limit: int) -> Any:
        def compress(texts: Sequence[str], query: str, budget: int) -> list[str]:
            if len(compressed) == limit:
                raise KeyboardInterrupt
            compressed.append(texts[0])
            return list(texts)

        return Method("m", "m 1", lambda request: compress(request.texts, "", request.budget))

    def reply(prompt: str) -> str:
        asked.append(prompt)
        return from_context(prompt)

    with pytest.raises(KeyboardInterrupt):
        run(data, output, halting(4), stability_items=0)
    kept = (output / "compressed.jsonl").read_bytes()
    assert kept.count(b"\n") == 4
    # Half a line is what a killed process leaves.
    (output / "compressed.jsonl").write_bytes(kept + b'{"key": "abc", "te')
    reader = answering(reply)
    first = run(data, output, halting(99), stability_items=0, reader=reader)
    assert len(compressed) == 6
    # The uncompressed prompts are the same here, and each prompt is asked once.
    assert len(asked) == first.requests == 6
    second = run(data, output, halting(0), stability_items=0, reader=reader)
    assert second.requests == 0
    assert second.records == first.records


def test_a_reader_may_be_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "readers_beside_me.py").write_text(
        "from langchain_core.language_models import FakeListChatModel\n"
        "model = FakeListChatModel(responses=['a'])\n"
        "def make(answer): return FakeListChatModel(responses=[answer])\n"
    )
    (tmp_path / "broken_beside_me.py").write_text("import no_such_package\n")
    monkeypatch.chdir(tmp_path)
    assert resolve_reader("readers_beside_me:model").responses == ["a"]
    assert resolve_reader("readers_beside_me:make", answer="b").responses == ["b"]
    for name, options, message in (
        ("readers_beside_me:model", {"answer": "b"}, "is a model already and takes no answer"),
        ("readers_beside_me:make", {}, "cannot be made: .* missing 1 required"),
        ("broken_beside_me:model", {}, "cannot be imported: No module named 'no_such_package'"),
        ("readers_beside_me:other", {}, "the reader 'readers_beside_me:other' cannot be set up"),
    ):
        with pytest.raises(OptionError, match=message):
            resolve_reader(name, **options)


def test_a_chain_with_other_instructions_is_another_reader() -> None:
    model = FakeListChatModel(responses=["a"])

    def chain(text: str, stop: str = "x") -> Any:
        prompt = ChatPromptTemplate.from_messages([("system", text), ("human", "{question}")])
        return RunnableLambda(dict) | prompt | model.bind(stop=[stop]) | StrOutputParser()

    assert reader_identity(chain("Be brief.")) == reader_identity(chain("Be brief."))
    assert reader_identity(chain("Be brief.")) != reader_identity(chain("Think first."))
    assert reader_identity(chain("Be brief.")) != reader_identity(chain("Be brief.", "y"))


def test_another_server_is_another_reader_and_no_secret_is_told() -> None:
    def reader(port: int) -> Any:
        url = f"http://user:hidden@localhost:{port}/v1"
        return FakeServer(responses=["a"], base_url=url, temperature=0.5)

    assert reader_identity(reader(1)) != reader_identity(reader(2))
    assert "hidden" not in reader_identity(reader(1)) + reader_settings(reader(1))
    assert json.loads(reader_settings(reader(1).bind(max_tokens=7))) == {
        "temperature": 0.5, "max_tokens": 7, "base_url": "http://localhost:1/v1",
    }  # fmt: skip
    assert reader_settings(answering(str)) == ""


class FakeServer(FakeListChatModel):
    base_url: str = ""
    temperature: float = 0.0


def test_the_report_tells_how_the_reader_was_set(data: TaskData, tmp_path: Path) -> None:
    reader = FakeServer(responses=["Mira Olsen"], base_url="http://localhost:1", temperature=0.25)
    evaluation = run(data, tmp_path / "out", "none", reader=reader)
    report = write_report(evaluation, tmp_path / "out")[0].read_text()
    assert '| reader settings | {"temperature": 0.25, "base_url": "http://localhost:1"} |' in report


def test_an_edited_function_is_run_again(data: TaskData, tmp_path: Path) -> None:
    keep = as_method("m", lambda texts, *_: list(texts))
    drop = as_method("m", lambda texts, *_: [""] * len(texts))
    assert run(data, tmp_path, keep).records[0].tokens > 0
    assert run(data, tmp_path, drop).records[0].tokens == 0


def test_a_folder_of_something_else_is_refused(data: TaskData, tmp_path: Path) -> None:
    (tmp_path / "compressed.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(DatasetError, match="no row of an earlier evaluation"):
        run(data, tmp_path)


def test_what_cannot_be_evaluated_is_explained(data: TaskData, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="give at least one budget"):
        run(data, tmp_path, rates=[])
    with pytest.raises(OptionError, match="give at least one compressor"):
        evaluate(data, [], tmp_path, rates=[0.5])
    with pytest.raises(OptionError, match="two compressors are called 'random'"):
        run(data, tmp_path, "random", "random")
    with pytest.raises(OptionError, match="did you mean 'rates'"):
        run(data, tmp_path, rate=[0.5])
    with pytest.raises(OptionError, match="both price_input and price_output"):
        run(data, tmp_path, price_input=1)
    with pytest.raises(InputError, match="'m' returned 1 texts for 2 documents"):
        run(data, tmp_path, as_method("m", lambda *_: ["one"]))
    odd = TaskData("qa", (_item("i", ("taste",)),), (), "x", "y")
    with pytest.raises(OptionError, match="unknown metric 'taste'"):
        run(odd, tmp_path)


def _item(name: str, metrics: tuple[str, ...], kind: str = "qa") -> Item:
    return Item(name, ("a b c d",), "", "", ("a",), metrics, kind)


def test_readers_are_models_or_names() -> None:
    with pytest.raises(OptionError, match="a reader is a LangChain chat model or LLM"):
        resolve_reader(42)
    with pytest.raises(OptionError, match="'nowhere:model' cannot be set up"):
        resolve_reader("nowhere:model")
    chat = FakeListChatModel(responses=["a"])
    assert reader_name(chat | StrOutputParser()) == reader_name(chat) == "FakeListChatModel"
    assert reader_name(answering(str, "mine")) == "mine"


@pytest.mark.parametrize(
    "model", [FakeListChatModel(responses=["mill"]), FakeListLLM(responses=["mill"])]
)
def test_chat_models_and_language_models_are_read_alike(model: Any) -> None:
    reply = Reader(model, Store()).read(["What is it?"])["What is it?"]
    assert (reply.text, reply.status) == ("mill", "ok")
    assert reply.input_tokens == 4


def test_what_the_provider_counts_is_taken() -> None:
    usage = {"input_tokens": 11, "output_tokens": 5, "total_tokens": 16}
    model = answering(lambda _: AIMessage("x", usage_metadata=usage))
    reply = Reader(model, Store()).read(["p"])["p"]
    assert (reply.input_tokens, reply.output_tokens) == (11, 5)


def test_no_more_requests_are_in_flight_than_allowed() -> None:
    now, most = [0], [0]

    async def reply(_: str) -> str:
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.01)
        now[0] -= 1
        return "x"

    reader = Reader(answering(reply), Store(), ReaderSettings(concurrency=3))
    assert len(reader.read([f"p{i}" for i in range(12)] * 2)) == 12
    assert most == [3]
    with pytest.raises(OptionError, match="concurrency of at least 1"):
        ReaderSettings(concurrency=0)


def test_other_settings_of_a_model_have_answers_of_their_own(tmp_path: Path) -> None:
    with Store(tmp_path / "answers.jsonl") as store:
        one = Reader(FakeListLLM(responses=["a"]), store)
        two = Reader(FakeListLLM(responses=["b"]), store)
        assert one.read(["p"])["p"].text == "a"
        assert two.read(["p"])["p"].text == "b"
        assert one.read(["p"])["p"].text == "a"
        assert (one.requests, two.requests) == (1, 1)


class _Page(HTMLParser):
    """Tags that are open, and everything that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href") and value]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_holds_everything_and_fetches_nothing(data: TaskData, tmp_path: Path) -> None:
    drop = as_method("drop", first_words)
    evaluation = run(data, tmp_path, drop, "truncation", reader=answering(from_context),
                     rates=[0.5, 0.8], price_input=1, price_output=2)  # fmt: skip
    text, html = write_report(evaluation, tmp_path)
    report = text.read_text()
    for part in (data.digest, "seed", drop.identity, "test-reader", "qa_f1 [95%]", "achieved"):
        assert part in report
    lines = [line for line in report.splitlines() if line.startswith("| 0.5 | truncation")]
    assert len(lines) == 3
    assert "### 1. `q" in report
    page = _Page()
    page.feed(html.read_text())
    assert page.open == []
    assert all(link.startswith("#") for link in page.fetched)
    assert {"svg", "table"} <= set(page.tags)
    # What stands in the documents is text, not markup.
    assert "<b>nobody" not in html.read_text()
    assert '<span class="dropped answer">Olsen</span>' in html.read_text()
    before = html.read_bytes()
    write_report(evaluation, tmp_path)
    assert html.read_bytes() == before


def test_the_worst_losses_are_the_first_compressors_with_most_room(
    data: TaskData, tmp_path: Path
) -> None:
    def odd_ones(texts: Sequence[str], query: str, budget: int) -> list[str]:
        return first_words(texts, query, budget) if int(query[-2]) % 2 else list(texts)

    evaluation = run(data, tmp_path, as_method("odd", odd_ones), rates=[0.2, 0.9])
    worst = worst_losses(evaluation)["odd"]
    assert {(record.item, record.budget) for record in worst} == {
        ("q1", "0.9"), ("q3", "0.9"), ("q5", "0.9"),
    }  # fmt: skip


def test_colours_tell_what_was_kept_by_any_compressor() -> None:
    source = "The mill, built in 1871, was not sold."
    pieces = list(coloured(source, "mill 1871 , not sold"))
    assert "".join(text for text, _ in pieces) == source
    assert [text for text, kept in pieces if kept] == ["mill", "1871", ",", "not", "sold"]


def test_kinds_count_alike_whatever_their_number(tmp_path: Path) -> None:
    items = [_item(f"a{i}", ("em",), "one") for i in range(3)] + [_item("b", ("em",), "two")]
    items = [Item(i.id, (f"{i.id} text",), "", f"{i.id}?", ("x",), ("em",), i.kind) for i in items]
    data = TaskData("longbench", tuple(items), (), "x", "y")
    reader = answering(lambda prompt: "x" if "b?" in prompt else "y")
    (line,) = summarise(run(data, tmp_path, "none", reader=reader))
    assert line.quality is not None
    assert line.quality.mean == pytest.approx(0.5)
    text, _ = write_report(run(data, tmp_path, "none", reader=reader), tmp_path)
    assert "## By kind" in text.read_text()
    # The paper's rows stand beside ours where the task is the same.
    assert PAPER["longbench"][0].rows["LLMLingua-2"] in text.read_text()


def test_the_command_line_writes_the_report(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    words = ["evaluate", "--task", "qa", "--data", str(file), "--output", str(output)]
    words += ["--compressor", "truncation", "--compressor", "random,label=chance"]
    assert main([*words, "--rate", "0.5", "0.25", "--resamples", "200"]) == 0
    printed = capsys.readouterr().out
    assert "qa, 6 items, answer survival" in printed
    assert "chance" in printed
    assert (output / "report.html").is_file()
    assert len((output / "records.jsonl").read_text().splitlines()) == 24


def test_the_command_line_says_what_was_passed_over(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with file.open("a") as out:
        out.write('{"question": "?"}\n')
    words = ["evaluate", "--task", "qa", "--data", str(file), "--output", str(tmp_path / "out")]
    words += ["--compressor", "truncation", "--resamples", "200"]
    assert main(words) == 0
    assert "1 records passed over, the first: data.jsonl, line 7" in capsys.readouterr().err
    (problem,) = (tmp_path / "out" / "problems.jsonl").read_text().splitlines()
    assert json.loads(problem)["where"] == "data.jsonl, line 7"
    assert "data.jsonl, line 7" in (tmp_path / "out" / "report.md").read_text()
    assert main([*words, "--on-error", "raise"]) == 1
    assert "cannot be used" in capsys.readouterr().err
    assert main([*words, "--reader-options", "{}", "--compressor", "zip"]) == 1
    assert "unknown compressor 'zip'" in capsys.readouterr().err


def test_latency_is_that_of_compressing_and_reading(data: TaskData) -> None:
    now = [0.0]

    class Model(FakeListChatModel):
        """A tenth of a second per token to read, one for the answer."""

        def stream(self, prompt: Any, *_: Any, **__: Any) -> Any:
            now[0] += len(prompt.split()) / 10
            yield AIMessage("")
            yield AIMessage("first")
            now[0] += 1.0
            yield AIMessage(" second")

    def half(texts: Sequence[str], query: str, budget: int) -> list[str]:
        now[0] += 0.5
        return [" ".join(text.split()[::2]) for text in texts]

    found = measure_latency(
        data.items,
        as_method("half", half),
        Model(responses=["x"]),
        factors=[2],
        clock=lambda: now[0],
    )
    alone, compressed = found
    words = len(data.items[0].prompt("\n\n".join(data.items[0].documents)).split())
    assert (alone.compress, compressed.compress) == (0.0, pytest.approx(0.5))
    assert alone.first_token == pytest.approx(words / 10)
    assert alone.total == pytest.approx(words / 10 + 1)
    assert compressed.first_token < alone.first_token + 0.5
    assert compressed.speedup == pytest.approx(alone.total / compressed.total)
    assert compressed.paper == 1.6
    table = latency_table(found).splitlines()
    assert len(table) == 4
    assert table[2].startswith("| alone |")


def test_latency_needs_items_and_factors_above_one(data: TaskData) -> None:
    reader, method = FakeListChatModel(responses=["x"]), as_method("none")
    with pytest.raises(InputError, match="no items"):
        measure_latency([], method, reader)
    with pytest.raises(OptionError, match=r"factors must be above 1, got \[1\]"):
        measure_latency(data.items, method, reader, factors=[1])


def test_a_store_keeps_rows_as_they_come(tmp_path: Path) -> None:
    with Store(tmp_path / "new" / "rows.jsonl") as store:
        store.add("a", {"text": "lone \ud800"})
        assert "a" in store
        assert json.loads((tmp_path / "new" / "rows.jsonl").read_text()) == {
            "key": "a", "text": "lone \ud800",
        }  # fmt: skip
    with Store(tmp_path / "new" / "rows.jsonl") as store:
        assert store["a"] == {"text": "lone \ud800"}
