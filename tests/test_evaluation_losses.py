"""Why answers were lost, which losses are shown, and what is counted instead of scored."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda

from lingua2.cli import main
from lingua2.counting import resolve_token_counter
from lingua2.errors import DatasetError, InputError, OptionError
from lingua2.evaluation import (
    TASKS,
    Evaluation,
    Item,
    Method,
    TaskData,
    as_method,
    evaluate,
    load_task,
    measure_latency,
    write_report,
)
from lingua2.evaluation.causes import explain
from lingua2.evaluation.excerpts import Loss
from lingua2.evaluation.latency import timings
from lingua2.evaluation.method import Request
from lingua2.evaluation.records import Record
from lingua2.evaluation.summary import summarise, worst_losses

MILL = "The mill is old. Mira Olsen built it by the sea."
PIER = "The pier is new. Nobody walks there."


def item(name: str = "i", *documents: str, **values: Any) -> Item:
    base: dict[str, Any] = {
        "id": name, "documents": documents or (MILL, PIER), "before": "", "after": f"{name}?",
        "references": ("Mira Olsen",), "metrics": ("em",), "kind": "qa", "extractive": True,
        "question": f"Who built {name}?",
    }  # fmt: skip
    return Item(**base | values)


def record(*texts: str, **losses: float) -> Record:
    return Record("i", "qa", "qa", "g", "m", "0.5", 10, 20, 10, 0.0, texts, losses)


def task(*items: Item, name: str = "qa") -> TaskData:
    return TaskData(name, items, (), "x", "y")


def run(data: TaskData, output: Path, *methods: Any, **options: Any) -> Evaluation:
    given: dict[str, Any] = {"rates": [0.5], "resamples": 100, "progress": False} | options
    return evaluate(data, methods, output, **given)


@pytest.mark.parametrize(
    ("texts", "cause", "kept", "sentence"),
    [
        (("", PIER), "document", 0, 0),
        # Of the second sentence none of seven words and a full stop.
        (("mill", ""), "sentence", 0, 0),
        (("mill built sea", ""), "answer", 0, 2 / 8),
        (("mill Mira built sea", ""), "cut", 1 / 2, 3 / 8),
        (("Mira the tall Olsen built", ""), "torn", 1, 3 / 8),
        # What a compressor joins stands in the first text.
        (("pier new Nobody Mira built", ""), "cut", 1 / 2, 2 / 8),
    ],
)
def test_a_cause_is_what_became_of_the_words(
    texts: Sequence[str], cause: str, kept: float, sentence: float
) -> None:
    lost = explain(item(), record(*texts, answer=0.0))
    assert lost.cause == cause
    assert MILL[lost.start : lost.end] == "Mira Olsen"
    assert (lost.document, lost.kept) == (0, kept)
    assert lost.sentence == pytest.approx(sentence)


def test_the_answer_is_judged_where_most_of_it_is_left() -> None:
    documents = ("Mira Olsen came.", "It was Mira Olsen.")
    lost = explain(item("i", *documents), record("came", "It was Mira", answer=0.0))
    assert (lost.cause, lost.document) == ("cut", 1)


def test_an_answer_that_was_kept_was_lost_by_the_reader() -> None:
    assert explain(item(), record("Mira Olsen built", "", answer=1.0)).cause == "read"
    elsewhere = explain(item("i", PIER), record("pier"))
    assert (elsewhere.cause, elsewhere.document) == ("unknown", None)
    assert str(elsewhere) == "it does not stand in the documents"


def test_punctuation_and_articles_within_an_answer_do_not_hide_it() -> None:
    text = 'In the "(U.S.) State" it rains.'
    lost = explain(item("i", text, references=("the u s state",)), record("rains", answer=0.0))
    assert text[lost.start : lost.end] == "U.S.) State"


def test_an_excerpt_is_cut_around_the_answer() -> None:
    text = "Rain fell. " * 200 + MILL + " Snow fell." * 200
    loss = Loss(item("i", PIER, text), record("", "mill Mira built sea", answer=0.0))
    pieces = loss.excerpt()
    shown = "".join(piece.text for piece in pieces)
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert MILL in shown
    assert len(shown) < 700
    marked = [(piece.text, piece.kept) for piece in pieces if piece.answer and piece.text.strip()]
    assert marked == [("Mira", True), ("Olsen", False)]
    first, second = (list(pieces) for pieces in loss.documents())
    assert any(piece.answer for piece in first)
    assert "".join(piece.text for piece in second) == PIER
    assert dict(loss.told())["why"].startswith("some of its words were kept and others dropped (")


def drop(texts: Sequence[str], query: str, budget: int) -> list[str]:
    return [text.replace("Olsen", "") for text in texts]


def keep(texts: Sequence[str], query: str, budget: int) -> list[str]:
    return list(texts)


def test_every_compressor_has_its_worst_losses_without_a_reader(tmp_path: Path) -> None:
    items = [item(f"i{n}", MILL, f"Text {n}.") for n in range(12)]
    # An answer that the documents do not have cannot be lost.
    items.append(item("none", PIER))
    methods = [as_method("drop", drop), as_method("keep", keep), "truncation"]
    evaluation = run(task(*items), tmp_path, *methods, rates=[0.2, 0.9])
    worst = worst_losses(evaluation)
    assert set(worst) == {"drop", "truncation"}
    assert len(worst["drop"]) == 10
    assert {own.budget for own in worst["drop"]} == {"0.9"}
    assert {own.budget for own in worst["truncation"]} == {"0.2"}
    text, html = write_report(evaluation, tmp_path)
    report = text.read_text()
    assert "## Worst losses of drop: 10" in report
    assert "Mira ~~Olsen~~ built" in report
    assert "| budget | compressor | lost | sentence | cut |" in report
    assert "| 0.9 | drop | 12 | 0 | 12 |" in report
    assert '<span class="dropped answer">Olsen</span>' in html.read_text()
    assert html.read_text().count("<details") == 2


def test_with_a_reader_only_what_it_found_uncompressed_is_lost(tmp_path: Path) -> None:
    items = [item(f"i{n}", MILL, f"Text {n}.") for n in range(3)]

    def reply(prompt: str) -> str:
        if "i1?" in prompt:
            return "unknown"
        if "i2?" in prompt:
            return "" if "Olsen" in prompt else "unknown"
        return "Mira Olsen" if "Olsen" in prompt else "unknown"

    evaluation = run(
        task(*items), tmp_path, as_method("drop", drop), reader=RunnableLambda(reply, name="r")
    )
    worst = worst_losses(evaluation)
    # Of i2 the reader said nothing where everything was there to be read.
    assert [own.item for own in worst["drop"]] == ["i0"]
    text, _ = write_report(evaluation, tmp_path)
    assert "- the reader, uncompressed: Mira Olsen" in text.read_text()
    assert "- the reader (ok): unknown" in text.read_text()


def test_every_loss_of_the_report_is_that_computed_by_hand(tmp_path: Path) -> None:
    one = item(
        "i", '{"a": "Mira Olsen did not sell 12 of 14"}', "It is (b). It is not c.",
        evidence=("Mira Olsen sell 12",),
    )  # fmt: skip

    def half(texts: Sequence[str], query: str, budget: int) -> list[str]:
        # The prompt begins differently when there is one document more.
        if len(texts) == 1:
            return ['"a": "Olsen"']
        return ['"a": "Mira Olsen sell 12', "It is not c."]

    evaluation = run(task(one), tmp_path, as_method("half", half), rates=[0.1, 0.9])
    first, second = summarise(evaluation)
    assert first.measures == pytest.approx(
        {
            "answer": 1.0,
            "evidence": 1.0,
            # 12 of 12 and 14; one "not" of two; no document still is JSON.
            "numbers": 1 / 2,
            "negations": 1 / 2,
            "json": 0.0,
            # '"a": "' of '"a": "Olsen"'.
            "stability": 6 / 12,
        }
    )
    assert (first.over, second.over) == (1.0, 0.0)
    report = write_report(evaluation, tmp_path)[0].read_text()
    names = "answer | evidence | numbers | negations | json | stability"
    assert f"| budget | compressor | {names} |" in report
    assert "| 0.1 | half | 1.000 | 1.000 | 0.500 | 0.500 | 0.000 | 0.500 |" in report
    assert "| 100% * |" in report


def test_a_compressor_that_raises_is_counted_and_not_scored(tmp_path: Path) -> None:
    broken = [True]

    def sometimes(texts: Sequence[str], query: str, budget: int) -> list[str]:
        if broken[0] and "i1" in query:
            raise ValueError("cannot unpack")
        return list(texts)

    asked: list[str] = []

    def reply(prompt: str) -> str:
        asked.append(prompt)
        return "Mira Olsen"

    items = [item(f"i{n}", MILL, f"Text {n}.") for n in range(3)]
    method = Method("m", "m 1", lambda r: sometimes(r.texts, r.query, 0), query=True)
    reader = RunnableLambda(reply, name="r")
    evaluation = run(task(*items), tmp_path, method, "truncation", reader=reader)
    line = next(line for line in summarise(evaluation) if line.method == "m")
    assert (line.items, line.failed, line.statuses) == (2, 1, {"ok": 2})
    assert line.achieved == 1.0
    other = next(line for line in summarise(evaluation) if line.method == "truncation")
    assert other.difference is not None
    # Only what both have is compared.
    assert other.difference.count == 2
    report = write_report(evaluation, tmp_path)[0].read_text()
    assert "## Compressors that failed" in report
    assert "| 0.5 | m | ValueError: cannot unpack | 1 | i1 |" in report
    # The next run tries again.
    broken[0] = False
    again = run(task(*items), tmp_path, method, "truncation", reader=reader)
    assert not any(own.failure for own in again.records)


def test_a_line_that_is_no_json_is_one_of_the_broken_records(tmp_path: Path) -> None:
    good = {"question": "Who?", "answers": ["Mira Olsen"], "documents": [MILL]}
    lines = [
        b"\xef\xbb\xbf" + json.dumps(good).encode(), b'{"question": ', b"", b"[1]", b'"\xff"',
        b"null", b"[" * 100_000, json.dumps(good).encode(),
    ]  # fmt: skip
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\r\n".join(lines))
    data = load_task("qa", path)
    assert [item.id for item in data.items] == ["qa-1", "qa-8"]
    assert [problem.where for problem in data.problems] == [
        f"data.jsonl, line {number}" for number in (2, 4, 5, 6, 7)
    ]
    messages = ["no JSON", "expected an object", "no UTF-8", "expected an object", "no JSON"]
    for problem, message in zip(data.problems, messages, strict=True):
        assert problem.message.startswith(message)
    with pytest.raises(DatasetError, match=r"5 records of .*\n.*line 2: no JSON"):
        load_task("qa", path, on_error="raise")
    whole = tmp_path / "data.json"
    whole.write_text(json.dumps([good, 7]))
    assert str(load_task("qa", whole).problems[0]) == (
        "data.json, record 2: expected an object, got 7"
    )


def test_broken_meetings_are_listed_as_well(tmp_path: Path) -> None:
    meetings = tmp_path / "meetings.jsonl"
    meetings.write_text(
        '{"meeting": "a", "transcript": "A: Hello."}\n{"meeting": "a", "transcript": "x"}\n{\n'
    )
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"meeting": "a", "query": "Who?", "answer": "A."}\n')
    problems = load_task("qmsum", queries, meetings=meetings).problems
    assert [str(problem)[:40] for problem in problems] == [
        "meetings.jsonl, line 2: meeting 'a' occu", "meetings.jsonl, line 3: no JSON (Expecti",
    ]  # fmt: skip


def longbench_item(name: str, kind: str, category: str) -> Item:
    return item(name, f"{name} text", kind=kind, category=category, extractive=False)


def test_longbench_is_the_mean_of_its_categories_beside_the_paper(tmp_path: Path) -> None:
    items = [
        longbench_item("a", "hotpotqa", "multi-document QA"),
        longbench_item("b", "musique", "multi-document QA"),
        longbench_item("c", "musique", "multi-document QA"),
        longbench_item("d", "lcc", "code"),
    ]

    def reply(prompt: str) -> str:
        return "Mira Olsen" if prompt[0] in "abd" else "x"

    reader = RunnableLambda(reply, name="r")
    evaluation = run(task(*items, name="longbench"), tmp_path, "none", reader=reader)
    (line,) = summarise(evaluation)
    assert line.quality is not None
    # Code 1; of the others 1 and 1/2.
    assert line.quality.mean == pytest.approx((1 + (1 + 1 / 2) / 2) / 2)
    report = write_report(evaluation, tmp_path)[0].read_text()
    assert "| this run: none, all | 87.5 | 100% |" in report
    assert "| paper: LLMLingua-2 | 39.1 | 89% |" in report
    assert "| code: lcc | 1.000 |" in report


class Streaming(FakeListChatModel):
    """Answers one prompt in two pieces, and another one not at all."""

    def stream(self, prompt: Any, *_: Any, **__: Any) -> Any:
        if "Text 1" in prompt:
            raise ConnectionError("gone")
        yield from (["", "Mira", " Olsen"] if "Text 2" not in prompt else [""])


def test_latency_leaves_out_what_failed(tmp_path: Path) -> None:
    items = [item(f"i{n}", MILL, f"Text {n}.") for n in range(4)]
    reader = Streaming(responses=["x"])
    found = measure_latency(items, as_method("keep", keep), reader, factors=[2])
    assert [one.items for one in found] == [2, 2]
    with pytest.raises(InputError, match="none of 1 items could be measured; the last: Connect"):
        measure_latency(items[1:2], as_method("keep", keep), reader)
    (timing,) = timings(items[2:3], [as_method("keep", keep), as_method("none")], reader)
    assert timing.times == ()
    assert "answered nothing" in timing.problem


def test_times_are_taken_with_scores_computed_and_stored() -> None:
    seen: list[str] = []

    def made(kind: str, **more: Any) -> Method:
        def compress(request: Request) -> Sequence[str]:
            seen.append(kind)
            return request.texts

        return Method("m", "m", compress, **more)

    method = made(
        "remembers", fresh=lambda: made("computed"), stored=lambda texts: made(f"stored {texts}")
    )
    found = timings([item()], [method], Streaming(responses=["x"]), factors=[2], warm_up=False)
    assert [timing.method for timing in found] == ["m, scores computed", "m, scores stored"]
    assert seen == ["computed", f"stored {[MILL, PIER]}"]


def test_ours_is_timed_without_its_memory_and_with_stored_scores() -> None:
    count, texts = resolve_token_counter("cl100k_base"), (MILL, PIER)
    method = as_method("lingua2")
    assert method.fresh is not None
    assert method.stored is not None
    request = Request(texts, "", 12, 0.5, count)
    kept = method.fresh().compress(request)
    assert method.stored(texts).compress(request) == kept
    assert 0 < count("\n\n".join(kept)) <= 12


def test_the_command_line_times_compressing_and_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.jsonl"
    rows = [
        {"question": "Who?", "answers": ["Mira Olsen"], "documents": [MILL, f"Text {n}."]}
        for n in (0, 0, 3)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(
        "lingua2.evaluation.readers.resolve_reader", lambda *_, **__: Streaming(responses=["x"])
    )
    words = ["evaluate", "--task", "qa", "--data", str(data), "--output", str(tmp_path / "out")]
    words += ["--compressor", "truncation", "--rate", "0.5", "--resamples", "100"]
    assert main([*words, "--reader", "test:model", "--latency", "2,3"]) == 0
    report = (tmp_path / "out" / "report.md").read_text()
    assert "## From the question to the answer" in report
    lines = [line for line in report.splitlines() if line.startswith("| truncation | ")]
    assert [line.split(" | ")[1] for line in lines] == ["alone", "2x", "3x"]
    # Two questions about the same documents are timed once.
    assert all(line.endswith("| 2 |") for line in lines)
    assert lines[1].split(" | ")[-2] == "1.6x"
    assert main([*words, "--latency", "2"]) == 1
    assert "--latency needs --reader" in capsys.readouterr().err
    assert main([*words, "--reader", "test:model", "--latency", "1"]) == 1
    with pytest.raises(SystemExit):
        main([*words, "--latency", "fast"])
    assert "such as 2,3,5, got 'fast'" in capsys.readouterr().err
    with pytest.raises(OptionError, match="latency is of use with a reader"):
        run(task(item()), tmp_path / "other", "none", latency=[2])


def test_a_cache_of_pairs_goes_on_where_it_was_cut() -> None:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from lingua2.evaluation.caches import TupleCaches

    torch.manual_seed(0)
    plain = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_positions=16, n_embd=8, n_layer=2, n_head=2))
    plain.train(False)
    model = TupleCaches(plain)
    assert model.config is plain.config
    ids = torch.tensor([[1, 2, 3, 4, 5, 6, 7]])
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        whole = plain(ids, attention_mask=mask).logits
        first = model(ids[:, :5], attention_mask=mask[:, :5], past_key_values=None, use_cache=True)
        # As llmlingua does: unpacked, cut, and handed back as lists.
        cut = [[keys[:, :, :3], values[:, :, :3]] for keys, values in first.past_key_values]
        rest = model(ids[:, 3:], attention_mask=mask, past_key_values=cut, use_cache=True)
    assert torch.allclose(first.logits, whole[:, :5], atol=1e-5)
    assert torch.allclose(rest.logits, whole[:, 3:], atol=1e-5)
    assert [tuple(keys.shape) for keys, _ in rest.past_key_values] == [(1, 2, 7, 4)] * 2
    assert cut[0][0].shape[2] == 3


def test_more_metrics_stand_beside_the_tasks_own(tmp_path: Path) -> None:
    reader: Any = RunnableLambda(lambda _: "It was Mira Olsen.", name="r")
    evaluation = run(task(item()), tmp_path, "none", reader=reader, metrics=["contains", "em"])
    assert evaluation.records[0].scores == {"em": 0.0, "contains": 1.0}
    with pytest.raises(OptionError, match="unknown metric 'taste'; known: em, qa_f1"):
        run(task(item()), tmp_path, "none", reader=reader, metrics=["taste"])


def test_the_report_names_every_file_and_what_was_asked(tmp_path: Path) -> None:
    shots = tmp_path / "shots.txt"
    shots.write_text("Question: 1 + 1?\nThe answer is 2.\n\nQuestion: 2 + 2?\nThe answer is 4.\n")
    path = tmp_path / "data.jsonl"
    path.write_text('{"question": "3 + 3?", "answer": "#### 6"}\n' * 2)
    data = load_task("gsm8k", path, demonstrations=shots, limit=1)
    digest = hashlib.sha256(shots.read_bytes()).hexdigest()
    assert data.options == {"limit": "1", "demonstrations": f"shots.txt, SHA-256 {digest}"}
    evaluation = run(data, tmp_path / "out", "truncation", rates=(), shots=[0.5])
    (line,) = summarise(evaluation)
    # Half of one of two examples.
    assert line.asked == pytest.approx(0.25, abs=0.03)
    report = write_report(evaluation, tmp_path / "out")[0].read_text()
    assert f"| data: demonstrations | shots.txt, SHA-256 {digest} |" in report
    assert "| asked | achieved |" in report


def test_what_only_a_reader_needs_is_refused_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ({"metrics": ["em"]}, {"price_input": 1.0, "price_output": 1.0}):
        with pytest.raises(OptionError, match="is of use with a reader only"):
            run(task(item()), tmp_path, "none", **option)
    reader: Any = RunnableLambda(lambda _: "x", name="r")
    with pytest.raises(OptionError, match="'classification' needs labels, which 'qa' does not"):
        run(task(item()), tmp_path, "none", reader=reader, metrics=["classification"])
    words = ["evaluate", "--task", "qa", "--data", "x.jsonl", "--output", str(tmp_path)]
    assert main([*words, "--metric", "rougeL"]) == 1
    assert "--metric needs --reader" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--reader-options", "{temperature: 0}"])
    assert 'a JSON object such as {"temperature": 0}, got' in capsys.readouterr().err


def test_a_missing_package_is_told_before_a_reader_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: str) -> None:
        raise ImportError("pip install 'lingua2[bertscore]'")

    monkeypatch.setattr("lingua2.evaluation.metrics.require", missing)
    monkeypatch.setattr("lingua2.evaluation.metrics._bert", [])
    asked: list[str] = []
    reader: Any = RunnableLambda(asked.append, name="r")
    with pytest.raises(ImportError, match=r"lingua2\[bertscore\]"):
        run(task(item()), tmp_path, "none", reader=reader, metrics=["bertscore"])
    assert not asked


def test_repeated_budgets_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.jsonl"
    row = {"question": "Who?", "answers": ["Mira Olsen"], "documents": [MILL]}
    path.write_text(json.dumps(row) + "\n")
    words = ["evaluate", "--task", "qa", "--data", str(path), "--output", str(tmp_path / "out")]
    assert main([*words, "--compressor", "random", "--rate", "0.5", "--rate", "0.3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if " random " in line] == ["0.5", "0.3"]


def test_a_quality_of_some_items_says_of_how_many(tmp_path: Path) -> None:
    answered = item("b", PIER, references=("yes",))
    evaluation = run(
        task(item("a"), answered), tmp_path, "truncation", rates=(), target_tokens=[99]
    )
    (line,) = summarise(evaluation)
    # A budget above what there is asks for all of it.
    assert (line.asked, line.achieved) == (1.0, 1.0)
    report = write_report(evaluation, tmp_path)[0].read_text()
    assert "| 99 tokens | truncation | 1.000 [1.000, 1.000] of 1 |" in report


def test_an_answer_that_stands_everywhere_is_judged_where_it_is_left() -> None:
    # Judging each of thousands of places on its own once took minutes.
    words = MILL.split() * 1500
    lost = explain(item("i", " ".join(words)), record(" ".join([*words[:-11], "Mira by the sea."])))
    assert (lost.cause, lost.kept) == ("torn", 1.0)
    assert lost.of_document > 0.99


def test_the_papers_seconds_stand_beside_the_times_of_its_own_task(tmp_path: Path) -> None:
    for name in ("meetingbank_qa", "qa"):
        data = task(item(), name=name)
        reader = Streaming(responses=["Mira Olsen"])
        evaluation = run(data, tmp_path / name, "truncation", reader=reader, latency=[2])
        report = write_report(evaluation, tmp_path / name)[0].read_text()
        row = "| paper: LLMLingua-2 | 2x |  | 0.5 |  | 9.4 |  | 1.6x |  |"
        assert (row in report) == (name == "meetingbank_qa")


def test_the_help_names_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    words = set(re.findall(r"[\w-]+", capsys.readouterr().out))
    assert TASKS.keys() | {"--demonstrations", "--meetings"} <= words
