"""The paper's benchmarks in their published formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lingua2.errors import DatasetError, OptionError

from . import longbench, meetings, reasoning, retrieval, scrolls
from .item import Item, Problem, TaskData
from .rows import Row, digest_of, is_hub, read_rows, read_text

__all__ = ["TASKS", "Item", "Problem", "TaskData", "load_task"]


@dataclass(frozen=True, slots=True)
class _Context:
    """What a record needs besides itself."""

    task: str
    part: str
    templates: Mapping[str, str] = field(default_factory=dict)
    shots: tuple[str, ...] = ()
    transcripts: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[Problem] = ()

    def template(self, default: str) -> str:
        return self.templates.get(self.task, default)


_Parser = Callable[[Row, _Context], Iterator[Item]]


def _retrieval(row: Row, context: _Context) -> Iterator[Item]:
    return retrieval.retrieval_items(row, context.task, context.template(retrieval.PROMPT))


TASKS: Mapping[str, _Parser] = {
    **dict.fromkeys(("qa", "hotpotqa", "2wikimqa", "musique", "squad"), _retrieval),
    "meetingbank_qa": lambda row, context: meetings.meetingbank_qa_items(
        row, context.template(meetings.PROMPT_QA)
    ),
    "meetingbank_summary": lambda row, context: meetings.meetingbank_summary_items(
        row, context.template(meetings.PROMPT_SUMMARY)
    ),
    "qmsum": lambda row, context: meetings.qmsum_items(
        row, context.transcripts, context.template(meetings.PROMPT_QMSUM)
    ),
    "longbench": lambda row, context: longbench.longbench_items(row, context.templates),
    "zeroscrolls": lambda row, context: scrolls.zeroscrolls_items(row, context.part),
    "gsm8k": lambda row, context: reasoning.gsm8k_items(row, context.shots),
    "bbh": lambda row, _: reasoning.bbh_items(row),
}
"""How a record of each task gives items. ``qa`` is for any questions over documents."""


def load_task(
    task: str,
    data: str | Path,
    *,
    on_error: Literal["raise", "skip"] = "skip",
    limit: int | None = None,
    part: str | None = None,
    prompts: str | Path | None = None,
    demonstrations: str | Path | None = None,
    meetings: str | Path | None = None,
) -> TaskData:
    """Read a task.

    Args:
        task: A name in `TASKS`.
        data: A ``.jsonl`` or ``.json`` file in the published format, perhaps gzipped, or
            ``hf:org/name[:config[:split]]``.
        on_error: ``"skip"`` passes over records that cannot be used and lists them, ``"raise"``
            refuses the file and names all of them.
        limit: Only the first items.
        part: Which part of ZeroSCROLLS ``data`` is; its file's or folder's name by default.
        prompts: A JSON file of prompts by task or data set, with ``{context}`` and ``{input}``, as
            LongBench publishes it; replaces ours.
        demonstrations: The text file of GSM8K's worked examples.
        meetings: QMSum's file of transcripts.

    Raises:
        OptionError: The task is unknown, or a file that it needs is not given.
        DatasetError: A file cannot be read, a record is broken with ``on_error="raise"``, or no
            item is left.
    """
    if task not in TASKS:
        raise OptionError(f"unknown task {task!r}; known: {', '.join(TASKS)}")
    if on_error not in ("raise", "skip"):
        raise OptionError(f"on_error must be 'raise' or 'skip', got {on_error!r}")
    if limit is not None and limit < 1:
        raise OptionError(f"limit must be at least 1, got {limit}")
    needed = {"gsm8k": ("demonstrations", demonstrations), "qmsum": ("meetings", meetings)}
    if task in needed and needed[task][1] is None:
        raise OptionError(f"the task {task!r} needs the file {needed[task][0]!r}")
    context = _context(task, data, part, prompts, demonstrations, meetings)
    items, problems = _collect(data, context, limit)
    if problems and on_error == "raise":
        shown = "\n".join(map(str, problems[:20]))
        raise DatasetError(f"{len(problems)} records of {data} cannot be used:\n{shown}")
    if not items:
        first = f"; the first: {problems[0]}" if problems else ""
        raise DatasetError(f"{data} holds no usable item ({len(problems)} were passed over{first})")
    name = str(data) if is_hub(data) else Path(data).name
    options = {} if limit is None else {"limit": str(limit)}
    if task == "zeroscrolls":
        options["part"] = context.part
    used = {"prompts": prompts, "demonstrations": demonstrations, "meetings": meetings}
    for option, path in used.items():
        if path is not None:
            options[option] = f"{Path(path).name}, SHA-256 {digest_of(path)}"
    return TaskData(task, tuple(items), tuple(problems), name, digest_of(data), options)


def _collect(
    data: str | Path, context: _Context, limit: int | None
) -> tuple[list[Item], list[Problem]]:
    items: dict[str, Item] = {}
    problems = list(context.problems)
    for row in read_rows(data):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        parsed = TASKS[context.task](row, context)
        while limit is None or len(items) < limit:
            try:
                item = next(parsed)
                if item.id in items:
                    raise row.fail(f"the id {item.id!r} occurs twice")
            except StopIteration:
                break
            except DatasetError as error:
                problems.append(row.problem(error))
                # A generator that raised has ended; one whose item was refused goes on.
                continue
            items[item.id] = item
        if limit is not None and len(items) >= limit:
            break
    return list(items.values()), problems


def _context(
    task: str,
    data: str | Path,
    part: str | None,
    prompts: str | Path | None,
    shots: str | Path | None,
    transcripts: str | Path | None,
) -> _Context:
    templates: dict[str, str] = {}
    if prompts is not None:
        try:
            templates = json.loads(read_text(prompts))
        except ValueError as error:
            raise DatasetError(f"{prompts} holds no JSON: {error}") from error
        if not isinstance(templates, dict):
            raise DatasetError(f"{prompts} must hold an object of prompts by name")
        for name, template in templates.items():
            if not isinstance(template, str) or template.count("{context}") != 1:
                raise DatasetError(f"{prompts}: the prompt {name!r} must hold {{context}} once")
    texts: tuple[str, ...] = ()
    if shots is not None and task == "gsm8k":
        texts = reasoning.demonstrations(read_text(shots))
        if not texts:
            raise DatasetError(f"{shots} has no example that begins with 'Question:'")
    by_name: dict[str, str] = {}
    problems: list[Problem] = []
    if transcripts is not None and task == "qmsum":
        by_name, problems = meetings.read_meetings(transcripts)
    return _Context(task, part or _part_of(data), templates, texts, by_name, problems)


def _part_of(data: str | Path) -> str:
    if is_hub(data):
        return [*str(data).split(":"), "", ""][2]
    path = Path(data)
    stem = path.name.split(".")[0]
    return stem if stem in scrolls.ZEROSCROLLS else path.parent.name
