"""What a task asks: documents to compress, a prompt around them, and the references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Item", "Problem", "TaskData", "fill"]


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt of a task.

    Attributes:
        id: Unique within the task.
        documents: What is compressed, in order.
        before: What the reader sees in front of the compressed documents.
        after: What it sees behind them, mostly the question.
        references: Gold answers, each as good as the others.
        metrics: Names in `lingua2.evaluation.metrics.METRICS`; the first is the task's own.
        kind: The task or its part, such as ``"hotpotqa"``.
        category: What several kinds are averaged to before all are, such as LongBench's
            ``"code"``; empty where a kind stands for itself.
        question: What steers compressors that know the question; empty for summaries.
        classes: All labels, for classification.
        evidence: Sentences of the documents that the answer rests on.
        extractive: The references stand in the documents, so their survival can be measured.
        first_line: Only the first line of a reader's answer is scored.
        examples: The documents are worked examples that all items of a kind share, so the items
            are drawn on their own and not together.
    """

    id: str
    documents: tuple[str, ...]
    before: str
    after: str
    references: tuple[str, ...]
    metrics: tuple[str, ...]
    kind: str
    category: str = ""
    question: str = ""
    classes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    extractive: bool = False
    first_line: bool = False
    examples: bool = False

    def prompt(self, context: str) -> str:
        """What the reader is asked, with ``context`` for the documents."""
        return f"{self.before}{context}{self.after}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record of a file gives no item.

    Attributes:
        where: File and line, or file and record.
        message: What is wrong there.
    """

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class TaskData:
    """A task that was read.

    Attributes:
        task: Its name in `TASKS`.
        items: What is asked.
        problems: Records that were passed over.
        source: Name of the file or data set.
        digest: SHA-256 of the file, or the fingerprint of a data set from the hub.
        options: What it was read with: limit, part, and other files with their SHA-256.
    """

    task: str
    items: tuple[Item, ...]
    problems: tuple[Problem, ...]
    source: str
    digest: str
    options: Mapping[str, str] = field(default_factory=dict)


def fill(template: str, question: str = "", names: Sequence[str] = ("{input}",)) -> tuple[str, str]:
    """What stands before and behind ``{context}`` in ``template``, with the question filled in.

    The parts are filled on their own, so that a question that spells a placeholder stays as it is.
    """
    before, _, after = template.partition("{context}")
    for name in names:
        before, after = before.replace(name, question), after.replace(name, question)
    return before, after
