"""LongBench (Bai et al. 2023): its English and code tasks, each with its official metric.

The prompts have the structure of the official ones in words of our own. For scores that compare
with published ones, give LongBench's ``dataset2prompt.json`` as ``prompts``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .item import Item, fill
from .rows import Row

__all__ = ["LONGBENCH", "longbench_items"]

_BRIEF = "Answer as briefly as you can, with a single phrase if possible, and explain nothing."
_ONLY = "Give the answer only and no other words."
_PASSAGES = (
    f"Answer the question from the passages below. {_ONLY}\n\nPassages:\n{{context}}\n\nAnswer the "
    f"question from the passages above. {_ONLY}\n\nQuestion: {{input}}\nAnswer:"
)
_SUMMARY = (
    "Write a one-page summary of the {} below.\n\n{}:\n{{context}}\n\nNow write a one-page summary "
    "of the {} above.\n\nSummary:"
)


_SINGLE, _MULTI, _SUMMARISING = "single-document QA", "multi-document QA", "summarisation"
_FEW, _SYNTHETIC, _CODE = "few-shot", "synthetic", "code"


@dataclass(frozen=True, slots=True)
class _Part:
    category: str
    metric: str
    template: str
    first_line: bool = False


LONGBENCH: Mapping[str, _Part] = {
    "narrativeqa": _Part(
        _SINGLE,
        "qa_f1",
        f"Below are a story and a question about it. {_BRIEF}\n\nStory: {{context}}\n\nNow answer "
        f"the question about the story. {_BRIEF}\n\nQuestion: {{input}}\n\nAnswer:",
    ),
    "qasper": _Part(
        _SINGLE,
        "qa_f1",
        f"Below are a scientific article and a question about it. {_BRIEF} Write yes or no where "
        'that answers it, and "unanswerable" where the article does not tell.\n\nArticle: '
        f"{{context}}\n\nNow answer the question about the article. {_BRIEF}\n\nQuestion: {{input}}"
        "\n\nAnswer:",
    ),
    "multifieldqa_en": _Part(
        _SINGLE,
        "qa_f1",
        "Read the text below and answer briefly.\n\n{context}\n\nNow answer the question about the "
        f"text. {_ONLY}\n\nQuestion: {{input}}\nAnswer:",
    ),
    "hotpotqa": _Part(_MULTI, "qa_f1", _PASSAGES),
    "2wikimqa": _Part(_MULTI, "qa_f1", _PASSAGES),
    "musique": _Part(_MULTI, "qa_f1", _PASSAGES),
    "gov_report": _Part(
        _SUMMARISING, "rougeL", _SUMMARY.format("government report", "Report", "report")
    ),
    "qmsum": _Part(
        _SUMMARISING,
        "rougeL",
        "Below are a meeting's transcript and a query about it. Answer in one or more sentences."
        "\n\nTranscript:\n{context}\n\nNow answer the query about the meeting.\n\nQuery: {input}\n"
        "Answer:",
    ),
    "multi_news": _Part(_SUMMARISING, "rougeL", _SUMMARY.format("news passages", "News", "news")),
    "trec": _Part(
        _FEW,
        "classification",
        "Tell the type of the last question. Examples:\n\n{context}\n{input}",
        first_line=True,
    ),
    "triviaqa": _Part(
        _FEW,
        "qa_f1",
        f"Answer the question from the passage. {_ONLY} Examples:\n\n{{context}}\n\n{{input}}",
        first_line=True,
    ),
    "samsum": _Part(
        _FEW,
        "rougeL",
        "Summarise the dialogue in a few short sentences. Examples:\n\n{context}\n\n{input}",
        first_line=True,
    ),
    "passage_count": _Part(
        _SYNTHETIC,
        "count",
        "Some of the paragraphs below are repeated. How many different ones are there?\n\n"
        "{context}\n\nGive their number only, such as 1, 2 or 3.\n\nDifferent paragraphs: ",
    ),
    "passage_retrieval_en": _Part(
        _SYNTHETIC,
        "retrieval",
        "Below are numbered paragraphs and an abstract of one of them.\n\n{context}\n\nAbstract:"
        '\n\n{input}\n\nWhich paragraph is it of? Answer like "Paragraph 1".\n\nAnswer: ',
    ),
    "lcc": _Part(_CODE, "code_similarity", "Complete the code.\n{context}Next line of code:\n"),
    "repobench-p": _Part(
        _CODE, "code_similarity", "Complete the code.\n{context}{input}Next line of code:\n"
    ),
}
"""Category, metric and prompt by ``dataset``.

The first line alone is scored where LongBench does so.
"""


def longbench_items(row: Row, templates: Mapping[str, str]) -> Iterator[Item]:
    """The item of a record with ``input``, ``context``, ``answers``, ``dataset``, ``all_classes``.

    Args:
        row: The record.
        templates: Prompts by data set that replace ours.
    """
    name = row.text("dataset").removesuffix("_e")
    if name not in LONGBENCH:
        raise row.fail(f"unknown dataset {name!r}; known: {', '.join(LONGBENCH)}")
    part = LONGBENCH[name]
    classes = row.strings("all_classes") if row.has("all_classes") else ()
    if part.metric == "classification" and not classes:
        raise row.fail(f"{name} needs 'all_classes', the list of labels")
    question = row.values.get("input") or ""
    if not isinstance(question, str):
        raise row.fail(f"'input' must be a string, got {question!r:.60}")
    before, after = fill(templates.get(name, part.template), question)
    yield Item(
        id=f"{name}-{row.id(str(row.number), '_id', 'id')}",
        documents=(row.text("context"),),
        before=before,
        after=after,
        references=row.strings("answers"),
        metrics=(part.metric,),
        kind=name,
        category=part.category,
        # What is to be completed, or an abstract, steers as a question does.
        question=question,
        classes=classes,
        # Answers of other kinds stand in their documents by chance.
        extractive=part.metric == "qa_f1",
        first_line=part.first_line,
    )
