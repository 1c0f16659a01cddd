"""Reads the documents that are to be compressed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lingua2._extras import require
from lingua2.dataset.files import read_jsonl
from lingua2.errors import DatasetError

__all__ = ["Document", "read_documents"]

_TABLES = (".jsonl", ".jsonl.gz", ".parquet")
_TEXTS = (".txt", ".md")
_HUB = "hf:"
# A NUL-separated dump or a book per row must not fill the memory a thousand times.
_ROWS = 256


@dataclass(frozen=True, slots=True)
class Document:
    """One text to compress.

    Attributes:
        id: Unique among the documents of a run.
        text: The text, verbatim.
        domain: What kind of text it is, for balance and for validation by domain.
        source: Where the text comes from.
        license: Under which terms it may be used.
    """

    id: str
    text: str
    domain: str = ""
    source: str = ""
    license: str = ""


def read_documents(
    source: str | Path | Any, text_field: str = "text", *, split: str = "train"
) -> Iterator[Document]:
    """Read documents one after the other.

    Rows of tables may have ``id``, ``domain``, ``source`` and ``license`` beside their text; other
    columns are passed over. A row without id is called after its file and its number.

    Args:
        source: A ``.jsonl``, ``.jsonl.gz``, ``.parquet``, ``.txt`` or ``.md`` file, a folder of
            such files, ``"hf:org/name"`` or ``"hf:org/name:config"`` for a dataset of the Hugging
            Face hub, or a ``datasets.Dataset`` or ``IterableDataset``.
        text_field: The column that holds the text.
        split: Which split of a hub dataset to read.

    Raises:
        DatasetError: The source is none of these or cannot be read, a row has no text (named by
            file and row), or an id occurs twice.
        ImportError: A package that the kind of source needs is not installed.
    """
    seen: set[str] = set()
    for place, document in _documents(source, text_field, split):
        if document.id in seen:
            raise DatasetError(f"{place}: id {document.id!r} occurs twice; ids must be unique")
        seen.add(document.id)
        yield document


def _documents(source: Any, field: str, split: str) -> Iterator[tuple[str, Document]]:
    if isinstance(source, str) and source.startswith(_HUB):
        name = source.removeprefix(_HUB)
        yield from _rows(name, enumerate(_load_hub(name, split), 1), field)
    elif isinstance(source, (str, Path)):
        path = Path(source)
        files = _files_below(path) if path.is_dir() else [(path.name, path)]
        for name, file in files:
            yield from _file(name, file, field)
    else:
        datasets = require("datasets", "distill")
        if not isinstance(source, (datasets.Dataset, datasets.IterableDataset)):
            raise DatasetError(
                f"cannot read documents from a {type(source).__name__}; give a path, "
                "'hf:org/name' or a datasets.Dataset (of a DatasetDict choose one split)"
            )
        yield from _rows("dataset", enumerate(source, 1), field)


def _files_below(folder: Path) -> list[tuple[str, Path]]:
    files = sorted(
        (path.relative_to(folder).as_posix(), path)
        for path in folder.rglob("*")
        if path.is_file() and path.name.endswith(_TABLES + _TEXTS)
    )
    # Half-written and cached copies hide behind a dot.
    files = [(name, path) for name, path in files if not f"/{name}".count("/.")]
    if not files:
        raise DatasetError(f"{folder} has no {', '.join(_TABLES + _TEXTS)} file")
    return files


def _file(name: str, path: Path, field: str) -> Iterator[tuple[str, Document]]:
    if path.name.endswith(".parquet"):
        yield from _rows(name, _read_parquet(path), field)
    elif path.name.endswith(_TABLES):
        yield from _rows(name, read_jsonl(path), field)
    elif path.name.endswith(_TEXTS):
        try:
            # Verbatim, line ends included.
            with path.open(encoding="utf-8-sig", newline="") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path} cannot be read: {error}") from error
        yield name, Document(name, text, source=name)
    else:
        raise DatasetError(f"{path} must end in {', '.join(_TABLES + _TEXTS)}, or be a folder")


def _rows(
    name: str, rows: Iterator[tuple[int, dict[str, Any]]], field: str
) -> Iterator[tuple[str, Document]]:
    for number, row in rows:
        place = f"{name}, row {number}"
        text = row.get(field)
        if not isinstance(text, str):
            found = f"holds a {type(text).__name__}" if field in row else "is missing"
            raise DatasetError(
                f"{place}: the text column {field!r} {found}; columns: {', '.join(map(str, row))}"
            )
        values = {key: row.get(key) for key in ("domain", "source", "license")}
        values["source"] = values["source"] or name
        given = row.get("id")
        id_ = f"{name}:{number}" if given is None else str(given)
        known = {key: str(value) for key, value in values.items() if value is not None}
        yield place, Document(id_, text, **known)


def _read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    parquet = require("pyarrow.parquet", "distill")
    arrow = require("pyarrow", "distill")
    try:
        with parquet.ParquetFile(path) as file:
            rows = (row for batch in file.iter_batches(_ROWS) for row in batch.to_pylist())
            yield from enumerate(rows, 1)
    except (OSError, arrow.ArrowException) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def _load_hub(name: str, split: str) -> Any:
    datasets = require("datasets", "distill")
    repository, _, config = name.partition(":")
    try:
        return datasets.load_dataset(repository, config or None, split=split)
    # What the hub client raises has no common base.
    except Exception as error:
        raise DatasetError(
            f"the dataset {name!r} (split {split!r}) cannot be loaded from the hub: {error}"
        ) from error
