"""Meetings: MeetingBank as the paper asks it, and QMSum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lingua2.errors import DatasetError, OptionError

from .item import Item, Problem, fill
from .rows import Row, read_rows

__all__ = [
    "PROMPT_QA",
    "PROMPT_QMSUM",
    "PROMPT_SUMMARY",
    "meetingbank_qa_items",
    "meetingbank_summary_items",
    "qmsum_items",
    "read_meetings",
]

PROMPT_QA = (
    "Answer the question well from the meeting transcript, which may be compressed.\n{context}\n"
    "Question: {input}\nAnswer:"
)
PROMPT_SUMMARY = "Summarise the meeting transcript, which may be compressed.\n{context}\nSummary:"
PROMPT_QMSUM = (
    "Answer the query in one or more sentences from the meeting transcript, which may be "
    "compressed.\n\nTranscript:\n{context}\n\nQuery: {input}\nAnswer:"
)


def meetingbank_qa_items(row: Row, template: str = PROMPT_QA) -> Iterator[Item]:
    """The three questions of a meeting in LLMLingua's ``meetingbank_test_3qa_pairs_summary`` file.

    The paper's "EM" asks whether the answer's first line contains the gold answer (its evaluation
    script's ``best_subspan_em``).
    """
    transcript = row.text("prompt")
    for own in row.inner("QA_pairs"):
        question = own.text("question")
        before, after = fill(template, question)
        yield Item(
            id=f"{_meeting(row)}-{own.number - 1}",
            documents=(transcript,),
            before=before,
            after=after,
            references=(own.text("answer"),),
            metrics=("contains", "qa_f1"),
            kind="meetingbank_qa",
            question=question,
            extractive=True,
            first_line=True,
        )


def meetingbank_summary_items(row: Row, template: str = PROMPT_SUMMARY) -> Iterator[Item]:
    """The summary of a meeting; its reference is GPT-4's, of the whole transcript."""
    before, after = fill(template)
    yield Item(
        id=_meeting(row),
        documents=(row.text("prompt"),),
        before=before,
        after=after,
        references=(row.text("gpt4_summary"),),
        metrics=("rouge1", "rouge2", "rougeL", "bleu"),
        kind="meetingbank_summary",
        first_line=True,
    )


def qmsum_items(
    row: Row, meetings: Mapping[str, str], template: str = PROMPT_QMSUM
) -> Iterator[Item]:
    """The queries of a meeting as QMSum publishes it, or one whose transcript is in another file.

    Args:
        row: A record with ``meeting_transcripts``, ``general_query_list`` and
            ``specific_query_list``, or one with ``meeting``, ``query`` and ``answer``.
        meetings: Transcripts by name, for the latter.
        template: The prompt.
    """
    if row.has("meeting_transcripts"):
        yield from _published(row, template)
        return
    if not meetings:
        raise OptionError("the task 'qmsum' needs the file 'meetings' for records with a 'meeting'")
    name = str(row.get("meeting", (str, int)))
    if name not in meetings:
        raise row.fail(f"meeting {name!r} is not in the file of meetings")
    yield _query(row, row.id(f"qmsum-{row.number}", "id"), meetings[name], template)


def _published(row: Row, template: str) -> Iterator[Item]:
    turns = row.inner("meeting_transcripts")
    transcript = "\n".join(f"{turn.text('speaker')}: {turn.get('content', str)}" for turn in turns)
    if not transcript:
        raise row.fail("'meeting_transcripts' is empty")
    for kind in ("general", "specific"):
        if row.has(f"{kind}_query_list"):
            for own in row.inner(f"{kind}_query_list"):
                name = f"qmsum-{row.number}-{kind[0]}{own.number - 1}"
                yield _query(own, name, transcript, template)


def _query(row: Row, name: str, transcript: str, template: str) -> Item:
    query = row.text("query")
    before, after = fill(template, query)
    return Item(
        id=name,
        documents=(transcript,),
        before=before,
        after=after,
        references=(row.text("answer"),),
        metrics=("rouge_mean", "rouge1", "rouge2", "rougeL"),
        kind="qmsum",
        question=query,
    )


def read_meetings(path: str | Path) -> tuple[dict[str, str], list[Problem]]:
    """Transcripts by name, from records with ``meeting`` and ``transcript``, and broken records."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for row in read_rows(path):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        try:
            name, transcript = str(row.get("meeting", (str, int))), row.text("transcript")
            if name in found:
                raise row.fail(f"meeting {name!r} occurs twice")
        except DatasetError as error:
            problems.append(row.problem(error))
        else:
            found[name] = transcript
    return found, problems


def _meeting(row: Row) -> str:
    return row.id(f"meeting-{row.number}", "idx", "id")
