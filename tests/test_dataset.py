"""The format of labelled examples, and its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lingua2.dataset import Example, Metrics, read_examples, write_examples
from lingua2.errors import DatasetError
from lingua2.text import split_units

TEXT = "The ferry leaves Norrvik at 7:40, not at 8."
ENDINGS = ("examples.jsonl", "examples.jsonl.gz", "examples.parquet")


def labelled(text: str = TEXT, **fields: object) -> Example:
    units = split_units(text)
    values = {
        "id": "ferry",
        "text": text,
        "starts": tuple(units.starts.tolist()),
        "ends": tuple(units.ends.tolist()),
        "levels": tuple(i % 3 for i in range(len(units))),
        "level_names": ("compressed", "core"),
        **fields,
    }
    return Example(**values)  # type: ignore[arg-type]


FULL = labelled(
    compressed=("ferry leaves Norrvik 7:40", "ferry 7:40"),
    domain="timetables",
    source="own",
    license="CC0-1.0",
    teacher="somebody",
    question="When does the ferry leave?",
    evidence=tuple(int(i == 5) for i in range(len(split_units(TEXT)))),
    metrics=Metrics(0.0, 0.4, 0.4, 0.0),
)


@pytest.mark.parametrize("name", ENDINGS)
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    examples = [
        FULL,
        labelled(id="bare"),
        labelled("", id="empty"),
        labelled("数据 🚢", id="other"),
    ]
    assert write_examples(tmp_path / "new" / name, examples) == 4
    assert read_examples(tmp_path / "new" / name) == examples
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=4))
def test_every_text_survives_both_formats(tmp_path: Path, texts: list[str]) -> None:
    examples = [labelled(text, id=str(i)) for i, text in enumerate(texts)]
    for name in ENDINGS[::2]:
        write_examples(tmp_path / name, examples)
        assert read_examples(tmp_path / name) == examples


@pytest.mark.parametrize("name", ENDINGS)
def test_what_fails_half_way_leaves_the_file_before_it(tmp_path: Path, name: str) -> None:
    def broken() -> Iterator[Example]:
        yield labelled(id="new")
        raise RuntimeError("the disk is full")

    write_examples(tmp_path / name, [FULL])
    with pytest.raises(RuntimeError, match="disk is full"):
        write_examples(tmp_path / name, broken())
    assert read_examples(tmp_path / name) == [FULL]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_words_are_slices_of_the_text() -> None:
    assert FULL.words[:4] == ["The", "ferry", "leaves", "Norrvik"]
    assert FULL.kept_rate == pytest.approx(sum(level > 0 for level in FULL.levels) / len(FULL))


@pytest.mark.parametrize("name", ENDINGS[1:])
def test_the_datasets_library_loads_it(tmp_path: Path, name: str) -> None:
    datasets = pytest.importorskip("datasets")
    write_examples(tmp_path / name, [FULL, labelled(id="bare")])
    kind = "parquet" if name.endswith("parquet") else "json"
    loaded = datasets.load_dataset(
        kind, data_files=str(tmp_path / name), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded[0]["levels"] == list(FULL.levels)
    assert loaded[0]["metrics"]["matching_rate"] == pytest.approx(0.4)
    assert loaded[1]["metrics"] is None


def test_a_lone_surrogate_needs_json_lines(tmp_path: Path) -> None:
    odd = labelled("a \ud800 b")
    write_examples(tmp_path / "odd.jsonl", [odd])
    assert read_examples(tmp_path / "odd.jsonl") == [odd]
    with pytest.raises(DatasetError, match=r"lone surrogate.*write \.jsonl instead"):
        write_examples(tmp_path / "odd.parquet", [odd])
    assert [path.name for path in tmp_path.iterdir()] == ["odd.jsonl"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"starts": (0,)}, "one entry per word"),
        ({"levels": (3,) * len(FULL)}, r"levels must lie in 0\.\.2, got 3"),
        ({"ends": (99,) * len(FULL)}, "leaves the text"),
        ({"evidence": (1,)}, "one per word"),
        ({"compressed": ("one",)}, "2 texts, one per level, got 1"),
        ({"level_names": ("a", "a")}, "different names"),
    ],
)
def test_contradictions_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=f"'ferry': .*{message}"):
        labelled(**changed)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: no JSON"),
        ("[]", "line 2: expected an object, got list"),
        ('{"id": "x"}', "record 2: missing text, starts, ends, levels"),
        ('{"id": "x", "text": "a"}', "missing starts, ends, levels; .*`lingua2 annotate` labels"),
        (json.dumps({**FULL.to_dict(), "label": 1}), "record 2: unknown label; known are"),
        (json.dumps({**FULL.to_dict(), "levels": "012"}), "record 2: levels must be a list"),
        (json.dumps({**FULL.to_dict(), "levels": [True]}), r"levels\[0\] must be int, got True"),
        (json.dumps({**FULL.to_dict(), "domain": 3}), "record 2: domain must be a string"),
        (json.dumps({**FULL.to_dict(), "metrics": {"a": 1}}), "metrics must have exactly"),
        (json.dumps(FULL.to_dict()), "record 2: id 'ferry' occurs twice"),
        ('{"lingua2_schema_version": 99}', "schema version 99, this lingua2 reads up to 1"),
    ],
)
def test_bad_records_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(FULL.to_dict()) + "\n" + line + "\n")
    with pytest.raises(DatasetError, match=message):
        read_examples(path)


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=r"must end in \.jsonl, \.jsonl\.gz or \.parquet"):
        write_examples(tmp_path / name, [])


@pytest.mark.parametrize("name", ENDINGS)
def test_broken_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=f"{name} cannot be read"):
        read_examples(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x1f\x8b\x08\xff\xfe")
    with pytest.raises(DatasetError, match=name):
        read_examples(tmp_path / name)
