"""Tasks in their published formats, and what is said about records that cannot be used."""

from __future__ import annotations

import gzip
import json
import types
from pathlib import Path
from typing import Any

import pytest

from lingua2.errors import DatasetError, OptionError
from lingua2.evaluation import TASKS, TaskData, load_task
from lingua2.evaluation.metrics import METRICS
from lingua2.evaluation.tasks.longbench import LONGBENCH
from lingua2.evaluation.tasks.scrolls import ZEROSCROLLS

QUESTION = {
    "id": "q1",
    "question": "Who built the mill in Norrvik?",
    "answers": ["Mira Olsen"],
    "documents": [
        "Norrvik\nThe town lies by the sea. Its mill was built by Mira Olsen in 1871.",
        "Hallsted\nA village without a mill. Nobody knows why.",
    ],
    "supporting": [0],
}


def write(path: Path, rows: Any) -> Path:
    """``rows`` as the file's name says."""
    whole = path.name.endswith((".json", ".json.gz"))
    text = json.dumps(rows) if whole else "".join(json.dumps(row) + "\n" for row in rows)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def load(
    tmp_path: Path, task: str, rows: Any, name: str = "data.jsonl", **options: Any
) -> TaskData:
    return load_task(task, write(tmp_path / name, rows), **options)


def test_questions_over_documents_know_their_evidence(tmp_path: Path) -> None:
    data = load(tmp_path, "qa", [QUESTION], "data.jsonl.gz")
    (item,) = data.items
    assert item.id == "q1"
    assert item.evidence == ("Its mill was built by Mira Olsen in 1871.",)
    assert item.metrics[0] == "qa_f1"
    assert item.extractive
    prompt = item.prompt("CONTEXT")
    assert prompt.index("CONTEXT") < prompt.index("Who built the mill")
    assert data.source == "data.jsonl.gz"
    assert len(data.digest) == 64


def test_hotpotqa_as_published_and_as_on_the_hub_are_the_same(tmp_path: Path) -> None:
    sentences = ["The mill stands in Norrvik.", " Mira Olsen built it."]
    common = {"question": "Who built the mill?", "answer": "Mira Olsen"}
    published = {
        **common,
        "_id": "a",
        "context": [["Mill", sentences]],
        # The published files hold facts that point behind the paragraph's end.
        "supporting_facts": [["Mill", 1], ["Mill", 7]],
    }
    hub = {
        **common,
        "id": "a",
        "context": {"title": ["Mill"], "sentences": [sentences]},
        "supporting_facts": {"title": ["Mill"], "sent_id": [1]},
    }
    first = load(tmp_path, "hotpotqa", [published], "one.json").items
    second = load(tmp_path, "hotpotqa", [hub], "two.jsonl").items
    assert first == second
    assert first[0].documents == ("Mill\nThe mill stands in Norrvik. Mira Olsen built it.",)
    assert first[0].evidence == ("Mira Olsen built it.",)


def test_musique_takes_aliases_and_marked_paragraphs(tmp_path: Path) -> None:
    row = {
        "id": "2hop",
        "question": "When was the mill built?",
        "answer": "1871",
        "answer_aliases": ["in 1871"],
        "paragraphs": [
            {"title": "Mill", "paragraph_text": "Old. It is of 1871.", "is_supporting": True},
            {"title": "Pier", "paragraph_text": "It is new.", "is_supporting": False},
        ],
    }  # fmt: skip
    (item,) = load(tmp_path, "musique", [row]).items
    assert item.references == ("1871", "in 1871")
    assert item.documents == ("Mill\nOld. It is of 1871.", "Pier\nIt is new.")
    assert item.evidence == ("It is of 1871.",)


def test_squad_is_read_nested_and_flat(tmp_path: Path) -> None:
    context, question = "The mill dates from 1871.", "When?"
    qa = {"id": "s", "question": question, "answers": [{"text": "1871", "answer_start": 20}] * 2}
    no = {"id": "n", "question": "Who?", "answers": [], "is_impossible": True}
    nested = {"data": [{"title": "t", "paragraphs": [{"context": context, "qas": [qa, no]}]}]}
    flat = {"id": "s", "context": context, "question": question, "answers": {"text": ["1871"]}}
    assert (
        load(tmp_path, "squad", nested, "dev.json").items == load(tmp_path, "squad", [flat]).items
    )


def test_meetingbank_gives_questions_and_summaries(tmp_path: Path) -> None:
    meeting = {
        "idx": 4,
        "prompt": "Speaker 1: The ferry costs 300 crowns.",
        "QA_pairs": [
            {"question": "What does it cost?", "answer": "300 crowns"},
            {"question": "What is bought?", "answer": "The ferry"},
        ],
        "gpt4_summary": "A ferry is bought.",
    }
    # The published file is a mapping in which a few meetings are missing.
    rows = {"4": meeting, "5": None}
    questions = load(tmp_path, "meetingbank_qa", rows, "m.json").items
    assert [item.id for item in questions] == ["4-0", "4-1"]
    assert questions[1].references == ("The ferry",)
    assert questions[0].metrics[0] == "contains"
    (summary,) = load(tmp_path, "meetingbank_summary", rows, "m.json").items
    assert summary.references == ("A ferry is bought.",)
    assert summary.metrics == ("rouge1", "rouge2", "rougeL", "bleu")


def test_qmsum_finds_its_meetings(tmp_path: Path) -> None:
    meetings = write(tmp_path / "meetings.jsonl", [{"meeting": "m0", "transcript": "A: Hello."}])
    rows = [
        {"id": "a", "meeting": "m0", "query": "Who spoke?", "answer": "A spoke."},
        {"id": "b", "meeting": "m9", "query": "Who spoke?", "answer": "B spoke."},
    ]
    data = load(tmp_path, "qmsum", rows, meetings=meetings)
    assert [item.documents for item in data.items] == [("A: Hello.",)]
    assert "meeting 'm9' is not in the file" in str(data.problems[0])


def test_qmsum_is_read_as_published(tmp_path: Path) -> None:
    meeting = {
        "topic_list": [],
        "general_query_list": [{"query": "Summarise it.", "answer": "A ferry is bought."}],
        "specific_query_list": [
            {"query": "Who spoke?", "answer": "Mira.", "relevant_text_span": [["0", "1"]]},
            {"query": "", "answer": "Nobody."},
        ],
        "meeting_transcripts": [
            {"speaker": "Mira", "content": "We buy it."},
            {"speaker": "Jon", "content": ""},
        ],
    }
    data = load(tmp_path, "qmsum", [meeting])
    assert [item.question for item in data.items] == ["Summarise it.", "Who spoke?"]
    assert {item.documents for item in data.items} == {("Mira: We buy it.\nJon: ",)}
    assert data.problems[0].message == "specific_query_list[1]: 'query' is empty"
    with pytest.raises(OptionError, match="'qmsum' needs the file 'meetings'"):
        load(tmp_path, "qmsum", [{"meeting": "m0", "query": "?", "answer": "A."}])


def longbench(name: str, **values: Any) -> dict[str, Any]:
    row = {
        "input": "What is it?",
        "context": "It is a mill.",
        "answers": ["a mill"],
        "dataset": name,
        "all_classes": None,
        "_id": "x",
        "length": 4,
    }
    return row | values


def test_every_part_of_longbench_has_a_known_metric_and_one_place_for_the_context() -> None:
    for name, part in LONGBENCH.items():
        assert part.metric in METRICS, name
        assert part.template.count("{context}") == 1, name
        assert part.template.count("{input}") <= 1, name
    assert len(LONGBENCH) == 16
    assert set(ZEROSCROLLS.values()) <= set(METRICS)


def test_longbench_chooses_the_metric_by_data_set(tmp_path: Path) -> None:
    rows = [
        longbench("trec", all_classes=["Place", "Date"], answers=["Date"]),
        longbench("lcc", input="", answers=["return 1"]),
        longbench("dureader"),
        longbench("trec"),
    ]
    data = load(tmp_path, "longbench", rows)
    assert [item.metrics[0] for item in data.items] == ["classification", "code_similarity"]
    assert data.items[0].classes == ("Place", "Date")
    assert data.items[0].first_line
    assert "unknown dataset 'dureader'; known: narrativeqa" in data.problems[0].message
    assert "needs 'all_classes'" in data.problems[1].message


def test_official_prompts_replace_ours(tmp_path: Path) -> None:
    prompts = write(tmp_path / "dataset2prompt.json", {"hotpotqa": "<{context}> {input}?"})
    (item,) = load(
        tmp_path, "longbench", [longbench("hotpotqa", input="{context}")], prompts=prompts
    ).items
    # A question that spells a placeholder stays as it is.
    assert item.prompt("C") == "<C> {context}?"
    broken = write(tmp_path / "broken.json", {"hotpotqa": "no place"})
    with pytest.raises(DatasetError, match=r"must hold \{context\} once"):
        load(tmp_path, "longbench", [longbench("hotpotqa")], prompts=broken)


def test_prompts_that_would_not_be_used_are_refused(tmp_path: Path) -> None:
    prompts = write(tmp_path / "prompts.json", {"hotpot": "{context} {input}"})
    with pytest.raises(DatasetError, match="no prompt for 'qa'; give it one named qa, it has hot"):
        load(tmp_path, "qa", [QUESTION], prompts=prompts)
    # A reader would never see the question.
    prompts = write(tmp_path / "prompts.json", {"qa": "{context} {question}"})
    with pytest.raises(DatasetError, match=r"'qa' must hold \{input\}, where the question goes"):
        load(tmp_path, "qa", [QUESTION], prompts=prompts)
    # A summary has no question.
    prompts = write(tmp_path / "prompts.json", {"meetingbank_summary": "{context}"})
    rows = [{"prompt": "Hello.", "gpt4_summary": "A greeting."}]
    (item,) = load(tmp_path, "meetingbank_summary", rows, prompts=prompts).items
    assert item.prompt("C") == "C"


@pytest.mark.parametrize(
    ("task", "option", "takers"),
    [
        ("qa", "part", "zeroscrolls"),
        ("hotpotqa", "demonstrations", "gsm8k, bbh"),
        ("gsm8k", "meetings", "qmsum"),
        ("bbh", "prompts", "qa, hotpotqa"),
    ],
)
def test_an_option_that_would_not_be_used_is_refused(
    tmp_path: Path, task: str, option: str, takers: str
) -> None:
    options = {"demonstrations": "x"} | {option: "x"} if task == "gsm8k" else {option: "x"}
    with pytest.raises(OptionError, match=f"{task!r} takes no {option!r}; it is for {takers}"):
        load(tmp_path, task, [QUESTION], **options)


def test_zeroscrolls_compresses_the_document_between_its_offsets(tmp_path: Path) -> None:
    row = {
        "id": "z",
        "pid": "z_0",
        "input": "Read this.\n\nOld mills grind.\n\nWhat grinds?\nAnswer:",
        "output": "Old mills",
        "document_start_index": 12,
        "document_end_index": 28,
        "query_start_index": 30,
        "query_end_index": 42,
    }
    (tmp_path / "qasper").mkdir()
    (item,) = load(tmp_path, "zeroscrolls", [row], "qasper/validation.jsonl").items
    assert item.documents == ("Old mills grind.",)
    assert item.question == "What grinds?"
    assert item.prompt(item.documents[0]) == row["input"]
    assert item.metrics == ("qa_f1",)
    with pytest.raises(DatasetError, match="unknown part 'poems'; known: gov_report"):
        load(tmp_path, "zeroscrolls", [row], part="poems")
    beyond = {**row, "document_end_index": 999}
    with pytest.raises(DatasetError, match="12:999 do not fit an input of 50 characters"):
        load(tmp_path, "zeroscrolls", [beyond], part="qasper")
    # A question with several references has a record for each.
    again = {**row, "pid": "z_1", "output": "the mills"}
    (item,) = load(tmp_path, "zeroscrolls", [row, again], part="qasper").items
    assert item.references == ("Old mills", "the mills")


def test_gsm8k_compresses_its_demonstrations(tmp_path: Path) -> None:
    shots = tmp_path / "prompt.txt"
    shots.write_text("Question: 1 + 1?\nThe answer is 2.\n\nQuestion: 2 + 2?\n\nThe answer is 4.\n")
    rows = [
        {"question": "3 + 3?", "answer": "3 + 3 = 6\n#### 6"},
        {"question": "4 + 4?", "answer": "eight"},
    ]
    data = load(tmp_path, "gsm8k", rows, demonstrations=shots)
    (item,) = data.items
    assert item.documents == (
        "Question: 1 + 1?\nThe answer is 2.",
        "Question: 2 + 2?\n\nThe answer is 4.",
    )
    assert item.references == ("6",)
    assert "3 + 3?" in item.after
    assert "must end in #### and a number, got 'eight'" in data.problems[0].message
    with pytest.raises(OptionError, match="'gsm8k' needs the file 'demonstrations'"):
        load(tmp_path, "gsm8k", rows)


def test_bbh_keeps_the_instruction_in_front(tmp_path: Path) -> None:
    row = {
        "task": "colours",
        "cot_prompt": "Name the colour.\n\nQ: Snow?\nA: It is white.\n\nQ: Coal?\nA: It is black.",
        "examples": [{"input": "Grass?", "target": "green"}, {"input": "Sky?", "target": "(B)"}],
    }
    first, second = load(tmp_path, "bbh", [row]).items
    assert first.before == "Name the colour.\n\n"
    assert first.documents == ("Q: Snow?\nA: It is white.", "Q: Coal?\nA: It is black.")
    assert (second.id, second.references) == ("colours-1", ("(B)",))


def test_bbh_is_read_as_published(tmp_path: Path) -> None:
    shots = tmp_path / "colours.txt"
    shots.write_text("A mark.\n-----\nName the colour.\n\nQ: Snow?\nA: The answer is white.\n")
    whole = {"canary": "A mark.", "examples": [{"input": "Grass?", "target": "green"}]}
    (item,) = load(tmp_path, "bbh", whole, "colours.json", demonstrations=shots).items
    assert (item.id, item.before) == ("colours-0", "Name the colour.\n\n")
    assert item.documents == ("Q: Snow?\nA: The answer is white.",)
    # On the hub every example is a record.
    (same,) = load(tmp_path, "bbh", whole["examples"], "colours.jsonl", demonstrations=shots).items
    assert same == item
    with pytest.raises(OptionError, match="'bbh' needs 'demonstrations' for records without"):
        load(tmp_path, "bbh", whole, "colours.json")


BROKEN = [
    ({"answers": None}, "the field 'answers' is missing; fields: id, question"),
    ({"answers": "Mira"}, "'answers' must be a list, got a string 'Mira'"),
    ({"answers": [3]}, "'answers' must hold strings only, got 3"),
    ({"question": 7}, "'question' must be a string, got a number 7"),
    ({"documents": ["", " "]}, "'documents' is empty"),
    ({"answers": ["Lena Fuchs"]}, "no answer stands in the documents: Lena Fuchs"),
    ({"supporting": [5]}, "'supporting' must hold places of the 2 documents, got 5"),
    ({}, "the id 'q1' occurs twice"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_a_broken_record_is_named_by_its_line(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    rows = [QUESTION, QUESTION | change]
    data = load(tmp_path, "qa", rows)
    assert len(data.items) == 1
    (problem,) = data.problems
    assert problem.where == "data.jsonl, line 2"
    assert message in problem.message
    with pytest.raises(DatasetError, match=r"1 records of .* cannot be used") as raised:
        load(tmp_path, "qa", rows, on_error="raise")
    assert f"line 2: {message}" in str(raised.value)


def test_one_broken_question_of_an_article_leaves_the_others(tmp_path: Path) -> None:
    qas = [{"id": str(i), "question": "When?", "answers": [{"text": "1871"}]} for i in (1, 1, 2)]
    article = {"paragraphs": [{"context": "Built in 1871.", "qas": qas}]}
    data = load(tmp_path, "squad", {"data": [article]}, "dev.json")
    assert [item.id for item in data.items] == ["1", "2"]
    assert len(data.problems) == 1


def test_yes_and_no_need_not_stand_in_the_documents(tmp_path: Path) -> None:
    assert load(tmp_path, "qa", [QUESTION | {"answers": ["yes"]}]).problems == ()


def test_a_limit_reads_no_further(tmp_path: Path) -> None:
    rows = [QUESTION | {"id": str(i)} for i in range(5)]
    assert [item.id for item in load(tmp_path, "qa", rows, limit=2).items] == ["0", "1"]
    with pytest.raises(OptionError, match="limit must be at least 1, got 0"):
        load(tmp_path, "qa", rows, limit=0)


def test_a_data_set_from_the_hub_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Rows(list[dict[str, Any]]):
        _fingerprint = "f1"

    def load_dataset(*names: Any, **options: Any) -> Rows:
        asked.append((names, options))
        if names[0] == "org/none":
            raise FileNotFoundError("no such data set")
        return Rows([QUESTION])

    hub = types.SimpleNamespace(load_dataset=load_dataset)
    monkeypatch.setattr("lingua2.evaluation.tasks.rows.require", lambda *_: hub)
    data = load_task("qa", "hf:org/name:small:validation")
    assert [item.id for item in data.items] == ["q1"]
    assert (data.source, data.digest) == ("hf:org/name:small:validation", "f1")
    assert asked[0] == (("org/name", "small"), {"split": "validation"})
    with pytest.raises(DatasetError, match="hf:org/none cannot be loaded from the hub"):
        load_task("qa", "hf:org/none")


def test_files_that_hold_no_task_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="unknown task 'quiz'; known: qa, hotpotqa") as raised:
        load(tmp_path, "quiz", [QUESTION])
    assert all(name in str(raised.value) for name in TASKS)
    with pytest.raises(DatasetError, match="cannot be read"):
        load_task("qa", tmp_path / "missing.jsonl")
    with pytest.raises(DatasetError, match=r"must end in \.jsonl"):
        load_task("qa", tmp_path / "data.csv")
    with pytest.raises(DatasetError, match="holds no usable item"):
        load(tmp_path, "qa", [{"question": "?"}])
    with pytest.raises(DatasetError, match="must hold records, got str"):
        load(tmp_path, "qa", "text", "data.json")
    with pytest.raises(DatasetError, match=r"^23 records (?s:.*)line 20: .*\nand 3 more$"):
        load(tmp_path, "qa", [{"question": "?"}] * 23, on_error="raise")
    with pytest.raises(OptionError, match="on_error must be 'raise' or 'skip', got 'ignore'"):
        load(tmp_path, "qa", [QUESTION], on_error="ignore")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": \n')
    with pytest.raises(DatasetError, match="line 1: no JSON"):
        load_task("qa", broken)
