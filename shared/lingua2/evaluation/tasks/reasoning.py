"""Chain-of-thought prompts, whose demonstrations are compressed: GSM8K and BIG-Bench Hard."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from lingua2.errors import OptionError

from .item import Item
from .rows import Row

__all__ = ["bbh_items", "demonstrations", "gsm8k_items"]

_BEFORE = "Solve the last question in the way of the examples, which may be compressed.\n\n"
_THINK = "\nLet's think step by step."


def demonstrations(text: str) -> tuple[str, ...]:
    """The worked examples of a prompt, each beginning with ``Question:`` or ``Q:``.

    What stands before the first of them is not one of them.
    """
    starts = [match.start() for match in re.finditer(r"^(?:Question|Q):", text, re.MULTILINE)]
    bounds = [*starts, len(text)]
    return tuple(text[a:b].strip() for a, b in itertools.pairwise(bounds))


def gsm8k_items(row: Row, shots: Sequence[str]) -> Iterator[Item]:
    """A question of GSM8K behind worked examples (paper, section 4: the examples are compressed).

    Args:
        row: A record with ``question`` and ``answer``, which ends in ``#### 42``.
        shots: The examples.
    """
    question, answer = row.text("question"), row.text("answer")
    _, mark, final = answer.rpartition("####")
    if not mark or not re.search(r"\d", final):
        raise row.fail(f"'answer' must end in #### and a number, got {answer[-40:]!r}")
    yield Item(
        id=row.id(f"gsm8k-{row.number}", "id", "idx"),
        documents=tuple(shots),
        before=_BEFORE,
        after=f"\n\nQuestion: {question}{_THINK}",
        references=(final.strip(),),
        metrics=("number",),
        kind="gsm8k",
        question=question,
        examples=True,
    )


def bbh_items(row: Row, prompt: str = "", task: str = "") -> Iterator[Item]:
    """The questions of a task of BIG-Bench Hard behind its own worked examples.

    Args:
        row: A record with ``examples`` (``input`` and ``target``) as a task's file has them, or one
            of these, perhaps with ``task`` and ``cot_prompt``.
        prompt: The text of the task's file of worked examples, where the record has none.
        task: Its name, likewise.
    """
    task = row.text("task") if row.has("task") or not task else task
    prompt = row.text("cot_prompt") if row.has("cot_prompt") else prompt
    if not prompt:
        raise OptionError("the task 'bbh' needs 'demonstrations' for records without 'cot_prompt'")
    shots = demonstrations(prompt)
    if not shots:
        raise row.fail("the worked examples have none that begins with 'Q:'")
    # Published files begin with a mark against training on them.
    instruction = prompt[: prompt.index(shots[0])].rpartition("-----\n")[2]
    for own in row.inner("examples") if row.has("examples") else (row,):
        question = own.text("input")
        yield Item(
            id=f"{task}-{own.number - 1}",
            documents=shots,
            before=instruction,
            after=f"\n\nQ: {question}\nA:{_THINK.strip()}\n",
            references=(own.text("target"),),
            metrics=("bbh",),
            kind=task,
            question=question,
            examples=True,
        )
