"""Imports the paper's own data."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lingua2.errors import DatasetError

from .alignment import AlignmentAnnotator
from .annotation import Annotator
from .files import load_hub, read_jsonl, read_parquet
from .pairs import field, from_pair
from .schema import Example

__all__ = ["MEETINGBANK", "read_meetingbank"]

MEETINGBANK = "microsoft/MeetingBank-LLMCompressed"
"""The paper's own data on the Hugging Face hub: meeting transcripts, compressed by GPT-4."""

_LOG = logging.getLogger(__name__)
_LOCAL = (".json", ".jsonl", ".jsonl.gz", ".parquet")
_ABOUT = {
    "domain": "meetings",
    "source": MEETINGBANK,
    # As the dataset's card on the hub says (cc-by-nc-sa-4.0).
    "license": "CC BY-NC-SA 4.0",
    "teacher": "gpt-4",
}


def read_meetingbank(
    data: str | Path | Iterable[dict[str, Any]] = MEETINGBANK,
    *,
    annotator: Annotator | None = None,
) -> list[Example]:
    """Read the paper's data, or data of the same layout, and label every word.

    A row has ``idx``, and ``prompt_list`` and ``compressed_prompt_list``, the chunks of a
    transcript and their compressions. Each pair of chunks becomes an example with the id
    ``<idx>#<n>``. Rows whose lists differ in length cannot be paired; like the authors' script,
    this leaves them out, and logs their number. Data of your own in this layout should say its
    ``domain``, ``source``, ``license`` and ``teacher`` in columns of these names; a row without is
    taken for the paper's.

    Args:
        data: A ``.json``, ``.jsonl``, ``.jsonl.gz`` or ``.parquet`` file, the name of a dataset on
            the hub (its split ``train``), or the rows themselves, such as a ``datasets.Dataset``.
        annotator: What finds the words; `AlignmentAnnotator` by default.

    Raises:
        DatasetError: A file or the hub cannot be read, or a field of a row is missing or of another
            type.
        ImportError: A Parquet file without pyarrow, or a name on the hub without datasets.
    """
    annotator = annotator or AlignmentAnnotator()
    name = str(data) if isinstance(data, (str, Path)) else type(data).__name__
    examples: dict[str, Example] = {}
    unpaired = 0
    for where, row in _meetingbank_rows(data, name):
        index = field(row, "idx", (int, str), where)
        texts = _strings(row, "prompt_list", where)
        shorter = _strings(row, "compressed_prompt_list", where)
        if len(texts) != len(shorter):
            unpaired += 1
            continue
        about = _ABOUT | {name: row[name] for name in _ABOUT if row.get(name)}
        for n, (text, compressed) in enumerate(zip(texts, shorter, strict=True)):
            pair = {"id": f"{index}#{n}", "text": text, "compressed": compressed, **about}
            if pair["id"] in examples:
                raise DatasetError(f"{where}: idx {index!r} occurs twice")
            examples[pair["id"]] = from_pair(pair, ("compressed",), annotator, where)
    if unpaired:
        _LOG.warning(
            "%s: left out %d rows with other numbers of prompts and compressed prompts",
            name, unpaired,
        )  # fmt: skip
    return list(examples.values())


def _strings(row: dict[str, Any], name: str, where: str) -> list[str]:
    values: list[str] = field(row, name, (list,), where)
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
        if path.suffix == ".parquet":
            data = (row for _, row in read_parquet(path))
        else:
            data = _read_json(path)
    elif isinstance(data, (str, Path)):
        data = load_hub(name, split="train", extra="pipeline")
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
