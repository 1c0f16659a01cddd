"""Reads and writes examples as JSON lines or Parquet; ``datasets`` loads both as they are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lingua2._extras import require
from lingua2.errors import DatasetError

from .schema import METRIC_NAMES, SCHEMA_VERSION, Example

__all__ = [
    "load_hub",
    "read_examples",
    "read_jsonl",
    "read_parquet",
    "write_examples",
    "write_jsonl",
]

_FORMATS = ".jsonl, .jsonl.gz or .parquet"
_VERSION_KEY = "lingua2_schema_version"
# A book per row must not fill the memory a thousand times.
_ROWS = 256


def read_examples(path: str | Path) -> list[Example]:
    """Read what `write_examples` wrote.

    Args:
        path: A ``.jsonl``, ``.jsonl.gz`` or ``.parquet`` file.

    Raises:
        DatasetError: The file is of another kind or of a newer version, a record is broken (named
            by its number), or an id occurs twice.
        ImportError: A Parquet file without pyarrow installed.
    """
    path = Path(path)
    rows = _read_parquet(path) if path.suffix == ".parquet" else read_jsonl(path)
    examples: dict[str, Example] = {}
    for number, row in rows:
        version = row.pop(_VERSION_KEY, SCHEMA_VERSION)
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise DatasetError(
                f"{path}: record {number} has schema version {version!r}, this lingua2 reads up "
                f"to {SCHEMA_VERSION}; upgrade lingua2"
            )
        try:
            example = Example.from_dict(row)
        except DatasetError as error:
            raise DatasetError(f"{path}: record {number}: {error}") from error
        if example.id in examples:
            raise DatasetError(f"{path}: record {number}: id {example.id!r} occurs twice")
        examples[example.id] = example
    return list(examples.values())


def write_examples(path: str | Path, examples: Iterable[Example]) -> int:
    """Write ``examples`` to a ``.jsonl``, ``.jsonl.gz`` or ``.parquet`` file.

    The file appears when it is complete; an existing one is replaced.

    Returns:
        The number of examples written.

    Raises:
        DatasetError: The file name has another ending.
        ImportError: A Parquet file without pyarrow installed.
    """
    path = Path(path)
    rows = (example.to_dict() for example in examples)
    if path.suffix == ".parquet":
        return _write_parquet(path, rows)
    return write_jsonl(path, ({_VERSION_KEY: SCHEMA_VERSION, **row} for row in rows))


def read_jsonl(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and objects of a ``.jsonl`` or ``.jsonl.gz`` file; blank lines are passed over.

    Raises:
        DatasetError: The file cannot be read, or a line is no JSON object.
    """
    path = Path(path)
    opener = _opener(path)
    try:
        with opener(path, "rt", encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise DatasetError(f"{path}, line {number}: no JSON ({error})") from error
                if not isinstance(row, dict):
                    raise DatasetError(
                        f"{path}, line {number}: expected an object, got {type(row).__name__}"
                    )
                yield number, row
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def read_parquet(
    path: str | Path, *, extra: str = "pipeline"
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbers and rows of a ``.parquet`` file.

    Args:
        path: The file.
        extra: The extra that the caller's users install pyarrow with.

    Raises:
        DatasetError: The file cannot be read.
        ImportError: pyarrow is not installed.
    """
    for number, row, _ in _parquet_rows(Path(path), extra):
        yield number, row


def load_hub(name: str, config: str | None = None, *, split: str, extra: str) -> Any:
    """A dataset of the Hugging Face hub.

    Raises:
        DatasetError: It cannot be had.
        ImportError: datasets is not installed.
    """
    datasets = require("datasets", extra)
    try:
        return datasets.load_dataset(name, config, split=split)
    # What the hub client raises has no common base.
    except Exception as error:
        raise DatasetError(
            f"the dataset {name!r} (split {split!r}) cannot be loaded from the hub: {error}"
        ) from error


def write_jsonl(path: str | Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write ``rows`` to a ``.jsonl`` or ``.jsonl.gz`` file at once; returns their number."""
    path = Path(path)
    opener = _opener(path)
    count = 0
    with _replaced(path) as part, opener(part, "wt", encoding="utf-8") as file:
        for row in rows:
            # ASCII, so that lone surrogates in a text survive as well.
            file.write(json.dumps(row) + "\n")
            count += 1
    return count


def _opener(path: Path) -> Any:
    if path.name.endswith(".jsonl.gz"):
        return gzip.open
    if path.suffix == ".jsonl":
        return open
    raise DatasetError(f"{path} must end in {_FORMATS}")


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Where to write what becomes ``path`` if all goes well, and nothing otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row, metadata in _parquet_rows(path, "pipeline"):
        version = int(metadata.get(_VERSION_KEY.encode(), SCHEMA_VERSION))
        yield number, {_VERSION_KEY: version, **row}


def _parquet_rows(
    path: Path, extra: str
) -> Iterator[tuple[int, dict[str, Any], dict[bytes, bytes]]]:
    parquet = require("pyarrow.parquet", extra)
    arrow = require("pyarrow", extra)
    try:
        with parquet.ParquetFile(path) as file:
            metadata = file.schema_arrow.metadata or {}
            rows = (row for batch in file.iter_batches(_ROWS) for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                yield number, row, metadata
    except (OSError, arrow.ArrowException) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    parquet = require("pyarrow.parquet", "pipeline")
    arrow = require("pyarrow", "pipeline")
    strings, numbers = arrow.list_(arrow.string()), arrow.list_(arrow.int32())
    kinds = {
        **dict.fromkeys(("starts", "ends", "levels", "evidence"), numbers),
        **dict.fromkeys(("level_names", "compressed"), strings),
        "metrics": arrow.struct([(name, arrow.float64()) for name in METRIC_NAMES]),
    }
    names = Example.__dataclass_fields__
    schema = arrow.schema(
        [(name, kinds.get(name, arrow.string())) for name in names],
        metadata={_VERSION_KEY: str(SCHEMA_VERSION)},
    )
    count = 0
    with _replaced(path) as part, parquet.ParquetWriter(part, schema) as writer:
        while chunk := [row for _, row in zip(range(_ROWS), rows, strict=False)]:
            try:
                writer.write_table(arrow.Table.from_pylist(chunk, schema=schema))
            except UnicodeEncodeError as error:
                raise DatasetError(
                    f"{path}: a text holds a lone surrogate ({error}), which Parquet cannot; "
                    "write .jsonl instead"
                ) from error
            count += len(chunk)
    return count
