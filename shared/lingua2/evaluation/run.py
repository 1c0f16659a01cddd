"""An evaluation: items through compressors, perhaps to a reader, into a folder."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

from lingua2._extras import require
from lingua2.dataset.files import write_jsonl
from lingua2.errors import OptionError
from lingua2.strict import validated

from .compressors import as_method
from .latency import Timing, timings
from .method import Method
from .metrics import check_metric, score_answer
from .readers import Reader, ReaderSettings, Reply
from .records import Compressing, Record, with_reply
from .settings import EvaluationOptions, EvaluationSettings
from .store import Store
from .tasks import Item, TaskData

__all__ = ["Evaluation", "evaluate"]

_PACKAGES = (
    "lingua2", "torch", "transformers", "tokenizers", "tiktoken", "numpy", "llmlingua",
    "rouge-score", "sacrebleu", "rapidfuzz", "bert-score", "langchain", "langchain-core",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of an evaluation, and everything needed to repeat it.

    Attributes:
        data: The task.
        methods: The compressors, the first of which the others are compared with.
        settings: Budgets, seeds and so on.
        records: One per item, compressor and budget.
        reader: Name of the reader; None without one.
        requests: How many requests to the reader this run made.
        reader_settings: Temperature and so on, as far as the reader tells.
        versions: Of Python and of the packages that matter.
        timings: Times of compressing and reading; empty where ``latency`` was not asked for.
    """

    data: TaskData
    methods: tuple[Method, ...]
    settings: EvaluationSettings
    records: tuple[Record, ...]
    reader: str | None
    requests: int
    versions: dict[str, str]
    timings: tuple[Timing, ...] = ()
    reader_settings: str = ""


def evaluate(
    data: TaskData,
    methods: Iterable[Method | str],
    output: str | Path,
    *,
    reader: Any = None,
    **options: Unpack[EvaluationOptions],
) -> Evaluation:
    """Compress every item with every compressor to every budget, and measure what is left.

    Everything is kept in ``output`` as soon as it is known: ``compressed.jsonl``,
    ``answers.jsonl`` and, at the end, ``records.jsonl``; ``problems.jsonl`` lists the records of
    the data that were passed over. A run that was killed goes on where it ended. `write_report`
    adds the report.

    Args:
        data: What `load_task` returns.
        methods: Compressors (`as_method`), or their names. With a reader, the uncompressed
            documents are added, since only the share of their score tells what compression costs.
            What one of them raises on an item is kept in its record and counted; errors of lingua2
            itself and missing packages end the run.
        output: A folder, new or of an earlier run.
        reader: A LangChain model or the name of one, see `resolve_reader`; None measures without.
        **options: The fields of `EvaluationSettings`.

    Raises:
        OptionError: An option is not allowed, or two compressors have the same name.
        DatasetError: ``output`` holds something else.
        ImportError: A package of the extra "evaluate" is missing.
    """
    settings = validated(EvaluationSettings, {**options})
    chosen = _chosen(methods, with_reader=reader is not None)
    own = {metric for item in data.items for metric in item.metrics}
    for metric in (*sorted(own), *settings.metrics):
        check_metric(metric)
    if "classification" in settings.metrics and not all(item.classes for item in data.items):
        raise OptionError(f"'classification' needs labels, which {data.task!r} does not have")
    folder = Path(output)
    if reader is not None:
        for metric in (*sorted(own), *settings.metrics):
            # What is missing is better told before a reader was asked.
            score_answer(metric, "a", ["a"])
    else:
        for option in ("latency", "metrics", "price_input", "price_output"):
            if getattr(settings, option) not in ((), None):
                raise OptionError(f"{option} is of use with a reader only; give one, or leave it")
    if data.problems:
        write_jsonl(folder / "problems.jsonl", map(asdict, data.problems))
    name, requests, identity = None, 0, ""
    with Store(folder / "compressed.jsonl") as compressed:
        records = _compressed(data.items, chosen, compressed, settings)
    if reader is not None:
        with Store(folder / "answers.jsonl") as answers:
            asking = ReaderSettings(settings.concurrency, settings.timeout, settings.token_counter)
            asked = Reader(reader, answers, asking)
            records = _read(data.items, records, asked, settings)
            name, requests, identity = asked.name, asked.requests, asked.settings
    write_jsonl(folder / "records.jsonl", (record.as_dict() for record in records))
    timed = _timed(data.items, chosen, reader, settings) if settings.latency else ()
    return Evaluation(
        data,
        tuple(chosen),
        settings,
        tuple(records),
        name,
        requests,
        _versions(),
        timings=timed,
        reader_settings=identity,
    )


def _chosen(methods: Iterable[Method | str], *, with_reader: bool) -> list[Method]:
    chosen = [as_method(one) if isinstance(one, str) else one for one in methods]
    if not chosen:
        raise OptionError("give at least one compressor")
    if with_reader and not any(method.whole for method in chosen):
        chosen.append(as_method("none"))
    names = [method.name for method in chosen]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise OptionError(f"two compressors are called {twice[0]!r}; give them different labels")
    return chosen


def _compressed(
    items: Sequence[Item], methods: Sequence[Method], store: Store, settings: EvaluationSettings
) -> list[Record]:
    passes = sum(1 if method.whole else len(settings.budgets) for method in methods)
    with _bar(len(items) * passes, "compress", settings) as bar:
        return list(Compressing(store, settings).records(items, methods, bar.update))


def _read(
    items: Sequence[Item], records: Sequence[Record], reader: Reader, settings: EvaluationSettings
) -> list[Record]:
    by_id = {item.id: item for item in items}
    # Nothing is asked where there is nothing to read.
    prompts = [
        None if record.failure else by_id[record.item].prompt(record.context) for record in records
    ]
    asked = [prompt for prompt in prompts if prompt is not None]
    with _bar(len(set(asked)), "read", settings) as bar:
        replies = reader.read(asked, bar.update)
    return [
        record
        if prompt is None
        else with_reply(
            record, replies[prompt], _scores(by_id[record.item], replies[prompt], settings.metrics)
        )
        for record, prompt in zip(records, prompts, strict=True)
    ]


def _timed(
    items: Sequence[Item], methods: Sequence[Method], reader: Any, settings: EvaluationSettings
) -> tuple[Timing, ...]:
    shown = sum(1 + (method.stored is not None) for method in methods if not method.whole)
    # A reader that keeps prompts would know questions about the same documents.
    distinct = list({item.documents: item for item in reversed(items)}.values())[::-1]
    with _bar(shown, "time", settings) as bar:
        found = timings(
            distinct[: settings.latency_items],
            methods,
            reader,
            on_method=bar.update,
            factors=settings.latency,
            token_counter=settings.token_counter,
        )
    return tuple(found)


def _scores(item: Item, reply: Reply, more: Sequence[str]) -> dict[str, float]:
    if reply.status != "ok":
        return {}
    return {
        metric: score_answer(
            metric, reply.text, item.references, classes=item.classes, first_line=item.first_line
        )
        for metric in dict.fromkeys((*item.metrics, *more))
    }


def _bar(total: int, label: str, settings: EvaluationSettings) -> Any:
    tqdm = require("tqdm", "evaluate").tqdm
    return tqdm(total=total, desc=label, disable=not settings.progress)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
