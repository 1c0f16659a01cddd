"""Imports texts with their compressions, and labels the words of each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lingua2.errors import DatasetError, OptionError

from .alignment import AlignmentAnnotator
from .annotation import Annotator, annotate_text, split_words
from .files import read_jsonl, read_parquet
from .schema import Example

__all__ = ["ABOUT", "field", "from_pair", "read_pairs"]

_LOG = logging.getLogger(__name__)
_DONE = "ok"

ABOUT = ("domain", "source", "license", "teacher")
"""Where a pair comes from, as far as its row says."""


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
        path: A ``.jsonl``, ``.jsonl.gz`` or ``.parquet`` file.
        levels: Columns that hold compressions, from the mildest to the strongest. Those that the
            file has are used.
        annotator: What finds the words; `AlignmentAnnotator` by default.

    Returns:
        One example per row, in order.

    Raises:
        ImportError: A Parquet file without pyarrow installed.
        DatasetError: The file cannot be read or has none of ``levels``, an id occurs twice, or a
            field of a row is missing or of another type; the message names file, line and field.
    """
    path = Path(path)
    annotator = annotator or AlignmentAnnotator()
    if isinstance(levels, str):
        raise OptionError(f"levels must be a list of names, got the string {levels!r}")
    read = read_parquet if path.suffix == ".parquet" else read_jsonl
    rows = _last_answers(_distilled(path) or read(path))
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
        where = f"{path}, {'row' if path.suffix == '.parquet' else 'line'} {number}"
        example = from_pair(row, present, annotator, where)
        if example.id in examples:
            raise DatasetError(f"{where}: id {example.id!r} occurs twice")
        examples[example.id] = example
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


def from_pair(
    row: dict[str, Any], levels: Sequence[str], annotator: Annotator, where: str
) -> Example:
    """The example of one row, which `where` names in errors."""
    compressed = tuple(field(row, name, (str,), where) for name in levels)
    text = field(row, "text", (str,), where)
    units, marked = annotate_text(text, compressed, annotator)
    question = _optional(row, "question", where) or None
    answer = _optional(row, "evidence", where) if question else ""
    evidence = _evidence(text, answer, annotator) if answer else ()
    about = {name: _optional(row, name, where) for name in ABOUT}
    return Example(
        id=str(field(row, "id", (str, int), where)),
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


def field(row: dict[str, Any], name: str, kinds: tuple[type, ...], where: str) -> Any:
    """The value of ``name``, which must be of one of ``kinds``."""
    value = row.get(name)
    if type(value) not in kinds:
        expected = " or ".join(kind.__name__ for kind in kinds)
        given = f"{value!r:.60}" if name in row else f"nothing; the row has {', '.join(row)}"
        raise DatasetError(f"{where}: field {name!r} must be {expected}, got {given}")
    return value


def _optional(row: dict[str, Any], name: str, where: str) -> str:
    value: str = "" if row.get(name) is None else field(row, name, (str,), where)
    return value
