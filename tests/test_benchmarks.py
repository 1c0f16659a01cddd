"""The benchmarks' tables, and that the README says what was measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def benchmark_path(root: Path) -> Iterator[None]:
    """As scripts, the benchmarks import each other from their own folder."""
    sys.path.insert(0, str(root / "benchmarks"))
    yield
    sys.path.remove(str(root / "benchmarks"))


@pytest.fixture(scope="module")
def table(benchmark_path: None) -> ModuleType:
    import table

    return table


@pytest.fixture(scope="module")
def measure(benchmark_path: None) -> ModuleType:
    import _measure

    return _measure


def contender(median: float, times_as_fast: float) -> dict[str, object]:
    return {"median": median, "times_as_fast": {"median": times_as_fast}}


BACKENDS = {
    "results": {
        "embedded, 10 chunks": {
            "contenders": {
                "torch": contender(0.3, 4.25),
                "stored": contender(0.00251, 508.4),
                "llmlingua 0.2.2": contender(1.275, 1.0),
            }
        },
        "BERT-base, 10 chunks": {"contenders": {"llmlingua 0.2.2": contender(12.4, 1.0)}},
    }
}


def test_contenders_are_rows_and_inputs_columns(table: ModuleType) -> None:
    assert table.backends(BACKENDS).splitlines() == [
        "|  | embedded, 10 chunks | BERT-base, 10 chunks |",
        "| - | - | - |",
        "| PyTorch fp32 | 300 ms, 4.2x | – |",
        "| stored scores | 2.51 ms, 508x | – |",
        "| llmlingua 0.2.2 | 1,275 ms | 12 s |",
    ]


def line(method: str, budget: str, mean: float | None, **more: Any) -> dict[str, Any]:
    quality = None if mean is None else {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}
    own = {"achieved": 1.0, "over": 0.0, "retained": None, "statuses": {}}
    return {"method": method, "budget": budget, "quality": quality, **own, **more}


def test_evaluations_have_a_table_a_set(table: ModuleType) -> None:
    plain = [
        line("none", "all", 1.0),
        line("ours", "0.5", 0.8, achieved=0.499, over=0.25),
        line("other", "0.5", None),
    ]
    read = [
        line("none", "all", 0.4, statuses={"ok": 9}),
        line("ours", "0.5", 0.3, retained=0.75, statuses={"ok": 9}),
    ]
    sets = {
        "one": {"items": 9, "measure": "answer survival", "lines": plain},
        "two": {"items": 9, "measure": "qa_f1", "lines": read},
    }
    assert table.evaluation({"sets": sets}).splitlines() == [
        "| one: 9 items, answer survival | 0.5 | over budget |",
        "| - | - | - |",
        "| ours | .800 [.700, .900] at .499 | 25% |",
        "| other | – | 0% |",
        "",
        "| two: 9 items, qa_f1 and its share of that of the uncompressed, .400 "
        "| 0.5 | over budget |",
        "| - | - | - |",
        "| ours | .300 [.200, .400], 75% at 1.000 | 0% |",
    ]


def test_only_results_that_exist_become_tables(table: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "backends.json").write_text(json.dumps(BACKENDS), encoding="utf-8")
    assert table.tables(tmp_path) == table.backends(BACKENDS)
    assert table.tables(tmp_path, ["scaling"]) == ""


def test_tables_stand_between_the_comments_and_nothing_else_changes(table: ModuleType) -> None:
    page = f"before\n{table.BEGIN}\nold\n{table.END}\nafter"
    once = table.inserted(page, "new")
    assert once == f"before\n{table.BEGIN}\nnew\n{table.END}\nafter"
    assert table.inserted(once, "new") == once


def test_a_page_without_the_comments_is_refused(table: ModuleType) -> None:
    with pytest.raises(SystemExit, match="the page needs the lines"):
        table.inserted("a page", "new")


@pytest.mark.parametrize("page", ["README.md", "benchmarks/README.md"])
def test_pages_say_what_was_measured(table: ModuleType, root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    for begin in text.split(table.BEGIN)[1:]:
        inside = begin.split(table.END)[0].strip()
        everything = table.tables(root / "benchmarks" / "results")
        assert all(part in everything for part in inside.split("\n\n")), (
            "run: python benchmarks/table.py --write " + page
        )


def test_rounds_are_compared_with_the_reference_of_the_same_round(measure: ModuleType) -> None:
    # The machine is twice as slow in the last round; the first one does not count.
    ours, reference = iter([9.0, 1.0, 2.0]), iter([9.0, 3.0, 6.0])
    made = {"ours": lambda: next(ours), "reference": lambda: next(reference)}
    found = measure.turns(made, 2, "reference")
    assert found["ours"]["times_as_fast"] == {"median": 3.0, "min": 3.0, "max": 3.0}
    assert found["ours"]["max"] == 2.0


def test_a_worker_works_when_it_is_asked_and_tells_how_long_it_took(measure: ModuleType) -> None:
    code = "def work():\n    time.sleep(given)"
    with measure.Worker(code, 0.01) as worker:
        assert 0.01 <= worker(3) < 5


def test_peak_memory_is_that_of_the_fresh_process(measure: ModuleType) -> None:
    held = bytearray(200_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert 0 < measure.fresh(measure.peak_mb) < measure.peak_mb()


def test_chunks_are_the_same_whatever_their_number(measure: ModuleType) -> None:
    assert measure.chunks(0, 3)[:2] == measure.chunks(0, 2)
    assert measure.chunks(0, 2) != measure.chunks(1, 2)
