"""Reads the documents that are to be compressed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lingua2._extras import require
from lingua2.dataset.files import load_hub, read_jsonl, read_parquet
from lingua2.errors import DatasetError

__all__ = ["Document", "read_documents"]

_TABLES = (".jsonl", ".jsonl.gz", ".parquet")
_TEXTS = (".txt", ".md")
_HUB = "hf:"


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
    source: str | Path | Sequence[str | Path] | Any,
    text_field: str = "text",
    *,
    split: str = "train",
) -> Iterator[Document]:
    """Read documents one after the other.

    Rows of tables may have ``id``, ``domain``, ``source`` and ``license`` beside their text; other
    columns are passed over. A text file is called by its name, a row without id by that of its file
    and its number. Of files that have one name, as many folders as tell them apart belong to it.

    Args:
        source: A ``.jsonl``, ``.jsonl.gz``, ``.parquet``, ``.txt`` or ``.md`` file, a folder of
            such files, ``"hf:org/name"`` or ``"hf:org/name:config"`` for a dataset of the Hugging
            Face hub, or a ``datasets.Dataset`` or ``IterableDataset``; or a list of these, which
            are read one after the other.
        text_field: The column that holds the text.
        split: Which split of a hub dataset to read.

    Raises:
        DatasetError: The source is none of these or cannot be read, a file is given twice, a row
            has no text (named by file and row), or an id occurs twice.
        ImportError: A package that the kind of source needs is not installed.
    """
    seen: set[str] = set()
    sources = source if isinstance(source, (list, tuple)) else [source]
    for place, document in _documents(sources, text_field, split):
        if document.id in seen:
            raise DatasetError(f"{place}: id {document.id!r} occurs twice; ids must be unique")
        seen.add(document.id)
        yield document


def _documents(sources: Sequence[Any], field: str, split: str) -> Iterator[tuple[str, Document]]:
    files = [_files(source) for source in sources]
    names = _told_apart([file for found in files for file in found])
    for source, found in zip(sources, files, strict=True):
        if isinstance(source, str) and source.startswith(_HUB):
            name = source.removeprefix(_HUB)
            repository, _, config = name.partition(":")
            data = load_hub(repository, config or None, split=split, extra="distill")
            yield from _rows(name, enumerate(data, 1), field)
        elif isinstance(source, (str, Path)):
            for _, file in found:
                yield from _file(names[file], file, field)
        else:
            datasets = require("datasets", "distill")
            if not isinstance(source, (datasets.Dataset, datasets.IterableDataset)):
                raise DatasetError(
                    f"cannot read documents from a {type(source).__name__}; give a path, "
                    "'hf:org/name' or a datasets.Dataset (of a DatasetDict choose one split)"
                )
            yield from _rows("dataset", enumerate(source, 1), field)


def _files(source: Any) -> list[tuple[str, Path]]:
    """The names and paths of the files that ``source`` stands for; none for other sources."""
    if not isinstance(source, (str, Path)) or str(source).startswith(_HUB):
        return []
    path = Path(source)
    return _files_below(path) if path.is_dir() else [(path.name, path)]


def _told_apart(files: list[tuple[str, Path]]) -> dict[Path, str]:
    """A name of its own for each file."""
    alike: dict[str, list[Path]] = defaultdict(list)
    for name, path in files:
        alike[name].append(path)
    names: dict[Path, str] = {}
    for name, paths in alike.items():
        parts = [path.resolve().parts for path in paths]
        if len(set(parts)) < len(parts) or not names.keys().isdisjoint(paths):
            raise DatasetError(f"{paths[0]} is given twice; ids must be unique")
        size = 1 + name.count("/")
        while len(paths) > 1 and len({part[-size:] for part in parts}) < len(parts):
            size += 1
        for path, part in zip(paths, parts, strict=True):
            names[path] = name if len(paths) == 1 else "/".join(part[-size:])
    return names


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
        yield from _rows(name, read_parquet(path, extra="distill"), field)
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
