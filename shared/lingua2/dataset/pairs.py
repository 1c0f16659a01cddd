"""Imports texts with their compressions, and labels the words of each."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lingua2._extras import require
from lingua2.errors import DatasetError, OptionError

from .alignment import AlignmentAnnotator
from .annotation import Annotator, annotate_text, split_words
from .files import read_jsonl
from .schema import Example

__all__ = ["MEETINGBANK", "read_meetingbank", "read_pairs"]

MEETINGBANK = "microsoft/MeetingBank-LLMCompressed"
"""The paper's own data on the Hugging Face hub: meeting transcripts, compressed by GPT-4."""

_LOG = logging.getLogger(__name__)
_DONE = "ok"
_LOCAL = (".json", ".jsonl", ".jsonl.gz", ".parquet")


def read_pairs(
    path: str | Path,
    *,
    levels: Sequence[str] = ("compressed", "core"),
    annotator: Annotator | None = None,
) -> list[Example]:
    """Read texts with their compressions and label every word.

    A row has ``id``, ``text`` and one column per level; ``domain``, ``source``, ``license``,
    ``teacher``, ``question`` and ``evidence`` (words of the text that answer the question) where
    they are known. In files that ``lingua2 distill`` wrote, the last row of each chunk counts, and
    chunks that were not answered well at every level are left out, and their number is logged.

    Args:
        path: A ``.jsonl`` or ``.jsonl.gz`` file.
        levels: Columns that hold compressions, from the mildest to the strongest. Those that the
            file has are used.
        annotator: What finds the words; `AlignmentAnnotator` by default.

    Returns:
        One example per row, in order.

    Raises:
        DatasetError: The file cannot be read or has none of ``levels``, an id occurs twice, or a
            field of a row is missing or of another type; the message names file, line and field.
    """
    path = Path(path)
    annotator = annotator or AlignmentAnnotator()
    if isinstance(levels, str):
        raise OptionError(f"levels must be a list of names, got the string {levels!r}")
    rows = _last_answers(_distilled(path) or read_jsonl(path))
    asked = [name for name in levels if any(row.get(name) is not None for _, row in rows)]
    kept = [(number, row) for number, row in rows if _answered(row, asked)]
    if len(kept) < len(rows):
        _LOG.warning(
            "%s: left out %d of %d chunks that the teacher did not answer well",
            path, len(rows) - len(kept), len(rows),
        )  # fmt: skip
    present = tuple(name for name in levels if any(row.get(name) is not None for _, row in kept))
    if kept and not present:
        raise DatasetError(
            f"{path} has none of the levels {', '.join(levels)}; its columns are "
            f"{', '.join(kept[0][1])}"
        )
    examples: dict[str, Example] = {}
    for number, row in kept:
        where = f"{path}, line {number}"
        example = _from_pair(row, present, annotator, where)
        if example.id in examples:
            raise DatasetError(f"{where}: id {example.id!r} occurs twice")
        examples[example.id] = example
    return list(examples.values())


def read_meetingbank(
    data: str | Path | Iterable[dict[str, Any]] = MEETINGBANK,
    *,
    annotator: Annotator | None = None,
) -> list[Example]:
    """Read the paper's data, or data of the same layout, and label every word.

    A row has ``idx``, and ``prompt_list`` and ``compressed_prompt_list``, the chunks of a
    transcript and their compressions. Each pair of chunks becomes an example with the id
    ``<idx>#<n>``. Rows whose lists differ in length cannot be paired; like the authors' script,
    this leaves them out, and logs their number.

    Args:
        data: A ``.json``, ``.jsonl``, ``.jsonl.gz`` or ``.parquet`` file, the name of a dataset on
            the hub (its split ``train``), or the rows themselves, such as a ``datasets.Dataset``.
        annotator: What finds the words; `AlignmentAnnotator` by default.

    Raises:
        DatasetError: A file cannot be read, or a field of a row is missing or of another type.
        ImportError: A Parquet file without pyarrow, or a name on the hub without datasets.
    """
    annotator = annotator or AlignmentAnnotator()
    name = str(data) if isinstance(data, (str, Path)) else type(data).__name__
    examples: dict[str, Example] = {}
    unpaired = 0
    for where, row in _meetingbank_rows(data, name):
        index = _field(row, "idx", (int, str), where)
        texts = _strings(row, "prompt_list", where)
        shorter = _strings(row, "compressed_prompt_list", where)
        if len(texts) != len(shorter):
            unpaired += 1
            continue
        for n, (text, compressed) in enumerate(zip(texts, shorter, strict=True)):
            pair = {"id": f"{index}#{n}", "text": text, "compressed": compressed, **_ABOUT}
            if pair["id"] in examples:
                raise DatasetError(f"{where}: idx {index!r} occurs twice")
            examples[pair["id"]] = _from_pair(pair, ("compressed",), annotator, where)
    if unpaired:
        _LOG.warning(
            "%s: left out %d rows with other numbers of prompts and compressed prompts",
            name, unpaired,
        )  # fmt: skip
    return list(examples.values())


def _distilled(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The answers of a distillation; empty where the file is none."""
    if path.suffix != ".jsonl":
        return []
    # Here, since distillation itself reads its documents with this package.
    from lingua2.distill import read_answers

    _, first = next(read_jsonl(path), (0, {}))
    if not isinstance(first.get("key"), dict):
        return []
    return list(enumerate(read_answers(path), 1))


def _last_answers(rows: Iterable[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    """Of a chunk that a distillation asked again, only the last answer."""
    last: dict[Any, tuple[int, dict[str, Any]]] = {}
    for number, row in rows:
        last[row["id"] if isinstance(row.get("key"), dict) else (number,)] = number, row
    return list(last.values())


def _answered(row: dict[str, Any], levels: Iterable[str]) -> bool:
    """Whether a distillation answered ``levels`` well; other rows are taken as they are."""
    if not isinstance(row.get("key"), dict):
        return True
    status = row["status"]
    return all(row.get(name) is not None and status.get(name) == _DONE for name in levels)


_ABOUT = {
    "domain": "meetings",
    "source": MEETINGBANK,
    "license": "CC BY-NC-SA 4.0",
    "teacher": "gpt-4",
}


def _from_pair(
    row: dict[str, Any], levels: Sequence[str], annotator: Annotator, where: str
) -> Example:
    compressed = tuple(_field(row, name, (str,), where) for name in levels)
    text = _field(row, "text", (str,), where)
    units, marked = annotate_text(text, compressed, annotator)
    question = _optional(row, "question", where) or None
    answer = _optional(row, "evidence", where) if question else ""
    evidence = _evidence(text, answer, annotator) if answer else ()
    about = {name: _optional(row, name, where) for name in _ABOUT}
    return Example(
        id=str(_field(row, "id", (str, int), where)),
        text=text,
        starts=tuple(units.starts.tolist()),
        ends=tuple(units.ends.tolist()),
        levels=tuple(marked.tolist()),
        level_names=tuple(levels),
        compressed=compressed,
        question=question,
        evidence=evidence,
        domain=about["domain"],
        source=about["source"],
        license=about["license"],
        teacher=about["teacher"],
    )


def _evidence(text: str, answer: str, annotator: Annotator) -> tuple[int, ...]:
    words = split_words(text)
    places = annotator.annotate(words, split_words(answer))
    flags = np.zeros(len(words), dtype=np.int64)
    flags[places[places >= 0]] = 1
    return tuple(flags.tolist())


def _field(row: dict[str, Any], name: str, kinds: tuple[type, ...], where: str) -> Any:
    value = row.get(name)
    if type(value) not in kinds:
        expected = " or ".join(kind.__name__ for kind in kinds)
        given = f"{value!r:.60}" if name in row else f"nothing; the row has {', '.join(row)}"
        raise DatasetError(f"{where}: field {name!r} must be {expected}, got {given}")
    return value


def _optional(row: dict[str, Any], name: str, where: str) -> str:
    value: str = "" if row.get(name) is None else _field(row, name, (str,), where)
    return value


def _strings(row: dict[str, Any], name: str, where: str) -> list[str]:
    values: list[str] = _field(row, name, (list,), where)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise DatasetError(f"{where}: field {name!r}[{i}] must be str, got {value!r:.60}")
    return values


def _meetingbank_rows(data: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with words that say where they stand."""
    if isinstance(data, (str, Path)) and (name.endswith(_LOCAL) or Path(name).exists()):
        path = Path(name)
        if name.endswith((".jsonl", ".jsonl.gz")):
            for number, row in read_jsonl(path):
                yield f"{path}, line {number}", row
            return
        data = _read_parquet(path) if path.suffix == ".parquet" else _read_json(path)
    elif isinstance(data, (str, Path)):
        data = require("datasets", "pipeline").load_dataset(name, split="train")
    for number, row in enumerate(data, 1):
        if not isinstance(row, dict):
            raise DatasetError(
                f"{name}, row {number}: expected an object, got {type(row).__name__}"
            )
        yield f"{name}, row {number}", row


def _read_json(path: Path) -> Any:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    # The authors' scripts write one object with the rows under their numbers.
    rows = list(data.values()) if isinstance(data, dict) else data
    if not isinstance(rows, list):
        raise DatasetError(f"{path} must hold a list of rows, got {type(data).__name__}")
    return rows


def _read_parquet(path: Path) -> Any:
    parquet = require("pyarrow.parquet", "pipeline")
    arrow = require("pyarrow", "pipeline")
    try:
        return parquet.read_table(path).to_pylist()
    except (OSError, arrow.ArrowException) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
