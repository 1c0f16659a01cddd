"""Distillation: documents in, a file of compressed chunks out (paper, sections 3.1 and 3.2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Unpack

from lingua2._extras import require
from lingua2.errors import TeacherError
from lingua2.strict import validated

from .answers import Status, clean_answer
from .background import run_in_background
from .documents import Document
from .gate import Gate
from .output import AnswerFile, Known, LevelAnswer, read_known
from .phrases import Phrases
from .plan import Chunk, Estimate, Plan
from .report import DistillReport
from .settings import DistillOptions, DistillSettings, Tokens
from .teacher import Reply, Teacher

__all__ = ["adistill", "distill", "estimate"]

_log = logging.getLogger(__name__)


def estimate(
    documents: Iterable[Document],
    teacher: Any,
    output: str | Path | None = None,
    **options: Unpack[DistillOptions],
) -> Estimate:
    """What `distill` with the same arguments would ask at most; asks nothing and writes nothing.

    Args:
        documents: What is to be compressed.
        teacher: See `distill`.
        output: Answers that are in this file already are not counted.
        **options: The fields of `DistillSettings`.

    Raises:
        Lingua2Error: As `distill` does before its first request.
    """
    settings = validated(DistillSettings, {**options})
    plan = Plan(documents, Teacher(teacher, settings).name, settings)
    return plan.estimate(Known() if output is None else read_known(Path(output)))


def distill(
    documents: Iterable[Document],
    teacher: Any,
    output: str | Path,
    *,
    on_estimate: Callable[[Estimate], Any] | None = None,
    **options: Unpack[DistillOptions],
) -> DistillReport:
    """Have a teacher compress every chunk of ``documents``.

    One row per chunk is appended to ``output`` as soon as it is answered. A later run with the same
    output asks only what is missing there: after a crash or Ctrl-C, at most the requests in flight
    are lost. `read_answers` reads the file.

    Args:
        documents: What is to be compressed, see `read_documents`. Ids must be unique.
        teacher: A LangChain chat model, or a name for ``init_chat_model``, see `resolve_teacher`.
        output: A ``.jsonl`` file, new or with the answers of earlier runs.
        on_estimate: Called with what is left to be asked, before the first request.
        **options: The fields of `DistillSettings`.

    Returns:
        Counts, tokens and cost.

    Raises:
        OptionError: An option or an instruction is not allowed.
        DatasetError: Ids are not unique, the output holds something else, or another run has it.
        TeacherError: The teacher cannot be set up, or every request failed.
        ImportError: A package of the extra "distill" is missing.
    """
    run = adistill(documents, teacher, output, on_estimate=on_estimate, **options)
    return run_in_background(run)


async def adistill(
    documents: Iterable[Document],
    teacher: Any,
    output: str | Path,
    *,
    on_estimate: Callable[[Estimate], Any] | None = None,
    **options: Unpack[DistillOptions],
) -> DistillReport:
    """`distill` for asynchronous code, which it does not block while the teacher is asked."""
    settings = validated(DistillSettings, {**options})
    asked = Teacher(teacher, settings)
    plan = Plan(documents, asked.name, settings)
    with AnswerFile(Path(output)) as file:
        run = _Run(plan, asked, file, settings)
        expected = plan.estimate(file.known)
        _log.info("%s", expected)
        if on_estimate is not None:
            on_estimate(expected)
        reused = sum(plan.is_written(chunk, file.known) for chunk in plan.chunks)
        await run.all()
        if run.last_error is not None and not run.requests:
            raise TeacherError(
                f"all {run.failed} requests to {asked.name} failed, the last one with "
                f"{type(run.last_error).__name__}: {run.last_error}"
            ) from run.last_error
        return DistillReport.of(
            plan,
            file.known,
            run.gate,
            reused=reused,
            requests=run.requests,
            failed=run.failed,
            last_error=run.last_error,
            estimate=expected,
        )


class _Run:
    def __init__(
        self, plan: Plan, teacher: Teacher, file: AnswerFile, settings: DistillSettings
    ) -> None:
        self._plan = plan
        self._teacher = teacher
        self._file = file
        self._settings = settings
        self.gate = Gate(settings)
        self.requests = 0
        self.failed = 0
        self.last_error: Exception | None = None

    async def all(self) -> None:
        tqdm = require("tqdm", "distill").tqdm
        passes = self._plan.passes(self._file.known)
        total = sum(map(len, passes))
        with tqdm(total=total, unit="chunk", disable=not self._settings.progress) as bar:
            for chunks in passes:
                remaining = iter(chunks)
                workers = [
                    asyncio.create_task(self._work(remaining, bar))
                    for _ in range(min(self._settings.concurrency, len(chunks)))
                ]
                try:
                    await asyncio.gather(*workers)
                finally:
                    # One that raised must not leave the others writing to a closed file.
                    for worker in workers:
                        worker.cancel()
                    await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, chunks: Iterator[Chunk], bar: Any) -> None:
        for chunk in chunks:
            await self._answer(chunk)
            # Behind a stop, chunks that repeat an answered one are still written.
            if self.gate.stopped is None:
                spent, cost = self.gate.spent, self.gate.cost
                shown = {"in": spent.input, "out": spent.output, "failed": self.failed}
                bar.set_postfix(shown if cost is None else {**shown, "cost": f"{cost:.4f}"})
                bar.update()

    async def _answer(self, chunk: Chunk) -> None:
        answers, complete = self._plan.known(chunk, self._file.known)
        spent = Tokens()
        keys = self._plan.keys(chunk)
        try:
            for level in [] if complete else [level for level in keys if level not in answers]:
                source = ([chunk.text] + [a.text for a in answers.values() if a.text])[-1]
                if (reply := await self._ask(level, source)) is None:
                    break
                spent += reply.tokens
                answers[level] = _level_answer(keys[level], reply, source, self._settings.phrases)
                if answers[level].status != "ok":
                    break
        finally:
            # Also on Ctrl-C, and where a later level failed: what was answered is not asked again.
            written = self._file.known.rows.get(chunk.id, {})
            keys_answered = {level: a.key for level, a in answers.items()}
            cut_alike = self._file.known.chunkings.get(chunk.id) == chunk.chunking
            if answers and not (cut_alike and keys_answered.items() <= written.items()):
                self._file.append(_row(chunk, keys, answers, self._teacher.name, spent))

    async def _ask(self, level: str, text: str) -> Reply | None:
        prompt, tokens = self._plan.request(level, text)
        if not await self.gate.admit(tokens):
            return None
        reply: Reply | None = None
        try:
            reply = await self._teacher.ask(prompt)
        # Providers raise errors without a common base; the run goes on with the next chunk.
        except Exception as error:
            self.last_error = error
            self.failed += 1
            _log.warning("a request failed: %s: %s", type(error).__name__, error)
        await self.gate.settle(tokens, None if reply is None else reply.tokens)
        if reply is not None:
            self.requests += 1
        return reply


def _level_answer(key: str, reply: Reply, source: str, phrases: Phrases) -> LevelAnswer:
    answer = clean_answer(reply.text, source, phrases)
    status: Status = (
        "refused" if reply.refused else "truncated" if reply.truncated else answer.status
    )
    text = answer.text if status == "ok" else None
    raw = reply.text if reply.text.strip() != text else None
    return LevelAnswer(key, text, status, answer.removed, raw)


def _row(
    chunk: Chunk,
    levels: Iterable[str],
    answers: Mapping[str, LevelAnswer],
    teacher: str,
    spent: Tokens,
) -> dict[str, Any]:
    texts = {level: answers[level].text if level in answers else None for level in levels}
    ended = any(answer.status != "ok" for answer in answers.values())
    skipped = dict.fromkeys(texts, "skipped") if ended else {}
    return {
        "id": chunk.id,
        "text": chunk.text,
        **texts,
        "status": skipped | {level: answer.status for level, answer in answers.items()},
        "domain": chunk.document.domain,
        "source": chunk.document.source,
        "license": chunk.document.license,
        "teacher": teacher,
        # Of this row's own requests, so that the sum over all rows is what was spent.
        "input_tokens": spent.input,
        "output_tokens": spent.output,
        "key": {level: answer.key for level, answer in answers.items()},
        "chunking": chunk.chunking,
        "removed": {level: answer.removed for level, answer in answers.items() if answer.removed},
        "raw": {level: a.raw for level, a in answers.items() if a.raw is not None},
    }
