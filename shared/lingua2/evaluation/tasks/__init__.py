"""The paper's benchmarks in their published formats."""

from __future__ import annotations

import dataclasses
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
    prompt: str = ""
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
    "bbh": lambda row, context: reasoning.bbh_items(row, context.prompt, context.part),
}
"""How a record of each task gives items. ``qa`` is for any questions over documents."""


_TAKEN_BY: Mapping[str, Sequence[str]] = {
    "part": ("zeroscrolls",),
    "prompts": tuple(task for task in TASKS if task not in ("zeroscrolls", "gsm8k", "bbh")),
    "demonstrations": ("gsm8k", "bbh"),
    "meetings": ("qmsum",),
}
_SHOWN = 20


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
            refuses the file and names the first of them.
        limit: Only the first items.
        part: Which part of ZeroSCROLLS ``data`` is; its file's or folder's name by default.
        prompts: A JSON file of prompts by task or data set, with ``{context}`` and ``{input}``, as
            LongBench publishes it; replaces ours.
        demonstrations: The text file of worked examples, of GSM8K or of a task of BIG-Bench Hard.
        meetings: A file of transcripts, where QMSum's queries stand in one of their own.

    Raises:
        OptionError: The task is unknown, a file that it needs is not given, or one is given that it
            does not take.
        DatasetError: A file cannot be read, a record is broken with ``on_error="raise"``, or no
            item is left.
    """
    if task not in TASKS:
        raise OptionError(f"unknown task {task!r}; known: {', '.join(TASKS)}")
    if on_error not in ("raise", "skip"):
        raise OptionError(f"on_error must be 'raise' or 'skip', got {on_error!r}")
    if limit is not None and limit < 1:
        raise OptionError(f"limit must be at least 1, got {limit}")
    if task == "gsm8k" and demonstrations is None:
        raise OptionError("the task 'gsm8k' needs the file 'demonstrations'")
    given = {
        "part": part,
        "prompts": prompts,
        "demonstrations": demonstrations,
        "meetings": meetings,
    }
    for option, value in given.items():
        if value is not None and task not in _TAKEN_BY[option]:
            raise OptionError(
                f"the task {task!r} takes no {option!r}; it is for {', '.join(_TAKEN_BY[option])}"
            )
    context = _context(task, data, part, prompts, demonstrations, meetings)
    items, problems = _collect(data, context, limit)
    if problems and on_error == "raise":
        shown = "\n".join(map(str, problems[:_SHOWN]))
        more = f"\nand {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise DatasetError(f"{len(problems)} records of {data} cannot be used:\n{shown}{more}")
    if not items:
        first = f"; the first: {problems[0]}" if problems else ""
        raise DatasetError(f"{data} holds no usable item ({len(problems)} were passed over{first})")
    if task == "zeroscrolls":
        items = _merged(items)
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


def _merged(items: Sequence[Item]) -> list[Item]:
    """One item per prompt: ZeroSCROLLS has a record for each of a question's references."""
    found: dict[tuple[object, ...], Item] = {}
    for item in items:
        key = (item.documents, item.before, item.after)
        known = found.get(key, item)
        references = tuple(dict.fromkeys((*known.references, *item.references)))
        found[key] = dataclasses.replace(known, references=references)
    return list(found.values())


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
        _check_templates(task, prompts, templates)
    texts: tuple[str, ...] = ()
    prompt = ""
    if shots is not None:
        prompt = read_text(shots)
        texts = reasoning.demonstrations(prompt)
        if not texts:
            raise DatasetError(f"{shots} has no example that begins with 'Question:' or 'Q:'")
    by_name: dict[str, str] = {}
    problems: list[Problem] = []
    if transcripts is not None:
        by_name, problems = meetings.read_meetings(transcripts)
    return _Context(task, part or _part_of(task, data), templates, texts, prompt, by_name, problems)


def _check_templates(task: str, path: str | Path, templates: Mapping[str, object]) -> None:
    known = {name: own.template for name, own in longbench.LONGBENCH.items()}
    if task != "longbench":
        known = {task: _PROMPTS.get(task, retrieval.PROMPT)}
    if not known.keys() & templates.keys():
        raise DatasetError(
            f"{path} has no prompt for {task!r}; give it one named {' or '.join(known)}, it has "
            f"{', '.join(templates) or 'none'}"
        )
    for name, template in templates.items():
        if not isinstance(template, str) or template.count("{context}") != 1:
            raise DatasetError(f"{path}: the prompt {name!r} must hold {{context}} once")
        if "{input}" in known.get(name, "") and "{input}" not in template:
            raise DatasetError(
                f"{path}: the prompt {name!r} must hold {{input}}, where the question goes"
            )


_PROMPTS: Mapping[str, str] = {
    "meetingbank_qa": meetings.PROMPT_QA,
    "meetingbank_summary": meetings.PROMPT_SUMMARY,
    "qmsum": meetings.PROMPT_QMSUM,
}


def _part_of(task: str, data: str | Path) -> str:
    """The part of ZeroSCROLLS or the task of BIG-Bench Hard that a file is named after."""
    if is_hub(data):
        return [*str(data).split(":"), "", ""][2]
    path = Path(data)
    stem = path.name.split(".")[0]
    return stem if task == "bbh" or stem in scrolls.ZEROSCROLLS else path.parent.name
