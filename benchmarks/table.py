"""Prints the tables of the README from the JSON results, and puts them into it with ``--write``.

    python benchmarks/table.py --write README.md

They stand between two comments, so that a test can tell whether the README says what was measured.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from _common import RESULTS, table

BEGIN, END = "<!-- benchmarks/table.py: begin -->", "<!-- benchmarks/table.py: end -->"
REFERENCE = "llmlingua 0.2.2"
NAMES = {
    "torch": "PyTorch fp32",
    "torch-int8": "PyTorch int8",
    "onnx": "ONNX Runtime fp32",
    "onnx-int8": "ONNX Runtime int8",
    "openvino": "OpenVINO fp32",
    "openvino-int8": "OpenVINO int8",
    "stored": "stored scores",
    "SQLite": "scores in SQLite",
    "memory": "seen before (in memory)",
}


def milliseconds(taken: float) -> str:
    """Three digits are what such times are good for."""
    value = taken * 1000
    if value >= 10_000:
        return f"{value / 1000:,.0f} s"
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def times(ratio: float) -> str:
    return f"{ratio:,.0f}x" if ratio >= 20 else f"{ratio:.1f}x"


def backends(result: Mapping[str, Any]) -> str:
    """Rows are contenders, columns inputs: the median, and how long llmlingua takes for it."""
    inputs = result["results"]
    names = dict.fromkeys(name for line in inputs.values() for name in line["contenders"])
    rows = [
        (NAMES.get(name, name), *(_cell(line["contenders"].get(name)) for line in inputs.values()))
        for name in names
    ]
    return table(("", *inputs), rows)


def _cell(own: Mapping[str, Any] | None) -> str:
    if own is None:
        return "–"
    ratio = own["times_as_fast"]["median"]
    return milliseconds(own["median"]) + ("" if ratio == 1 else f", {times(ratio)}")


def query_steps(result: Mapping[str, Any]) -> str:
    inputs = result["inputs"]
    contenders = dict.fromkeys(name for line in inputs.values() for name in line["contenders"])
    steps = dict.fromkeys(name for line in inputs.values() for name in line["steps"])
    rows = [
        (name, *(_cell(line["contenders"][name]) for line in inputs.values()))
        for name in contenders
    ]
    rows += [
        (f"– {name}", *(milliseconds(line["steps"][name]["median"]) for line in inputs.values()))
        for name in steps
    ]
    return table(("", *inputs), rows)


def query_path(result: Mapping[str, Any]) -> str:
    """A process that only answers queries; of several, the one with the least median."""
    rows = []
    for chunks, line in result["results"].items():
        best = min(line["processes"], key=lambda one: one["median_s"])
        rows.append(
            (
                f"{chunks} chunks, {best['tokens']:,} tokens",
                *(milliseconds(best[name]) if best.get(name) else "–"
                  for name in ("median_s", "others_s", "first_s", "import_s")),
                f"{best['peak_mb']:,.0f} MB",
            )
        )  # fmt: skip
    header = ("scores stored, no PyTorch", "each call", "other texts", "first call", "import")
    return table((*header, "peak memory"), rows)


def limits(result: Mapping[str, Any]) -> str:
    models = result["models"]
    names = dict.fromkeys(name for line in models.values() for name in line["contenders"])
    rows = [(name, *(_cell(line["contenders"][name]) for line in models.values()))
            for name in names]  # fmt: skip
    return table(("ten chunks, PyTorch's threads", *models), rows)


def scaling(result: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{shape}, {way}",
            f"{row['tokens']:,}",
            milliseconds(row["median"]),
            f"{row['tokens'] / row['median']:,.0f}",
            f"{row['peak_mb']:,.0f} MB",
        )
        for shape, ways in result["sizes"].items()
        for way, found in ways.items()
        for row in found
    ]
    grown = table(("", "tokens", "time", "tokens/s", "peak memory"), rows)
    numbers = dict.fromkeys(n for found in result["clients"].values() for n in found)
    served = [
        (way, *(f"{found[n]['calls_per_s']:,.1f}" for n in numbers))
        for way, found in result["clients"].items()
    ]
    return f"{grown}\n\n" + table(("calls/s with threads", *numbers), served)


def causal(result: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{name}, {label}",
            milliseconds(own["median"]),
            _share(own["times_as_fast"]["median"]),
            f"{own['tokens_kept'] / line['tokens']:.0%}",
        )
        for label, line in result["inputs"].items()
        for name, own in line["contenders"].items()
    ]
    return table(("", "time", "of lingua2's", "tokens kept"), rows)


def _share(times_as_fast: float) -> str:
    if times_as_fast == 1:
        return "–"
    return times(1 / times_as_fast) if times_as_fast < 1 else f"1/{times_as_fast:,.0f}"


def memory(result: Mapping[str, Any]) -> str:
    models = result["models"]
    names = dict.fromkeys(name for line in models.values() for name in line)
    rows = [
        (
            NAMES.get(name, name),
            *(f"{line[name]['peak_mb']:,.0f} MB" if name in line else "–"
              for line in models.values()),
        )
        for name in names
    ]  # fmt: skip
    return table(("peak memory", *models), rows)


def evaluation(result: Mapping[str, Any]) -> str:
    """A table a set: rows are compressors, columns budgets."""
    return "\n\n".join(_evaluated(name, own) for name, own in result["sets"].items())


def _evaluated(name: str, result: Mapping[str, Any]) -> str:
    cells = {(line["method"], line["budget"]): line for line in result["lines"]}
    budgets = dict.fromkeys(budget for _, budget in cells if budget != "all")
    rows = []
    for method in dict.fromkeys(method for method, budget in cells if budget != "all"):
        lines = [cells[method, budget] for budget in budgets]
        over = max(line["over"] for line in lines)
        rows.append((method, *map(_quality, lines), f"{over:.0%}"))
    about = f"{name}: {result['items']} items, {result['measure']}"
    if whole := [own["quality"]["mean"] for (_, budget), own in cells.items()
                 if budget == "all" and own["statuses"]]:  # fmt: skip
        about += f" and its share of that of the uncompressed, {_share_of(whole[0])}"
    header = (about, *budgets, "over budget")
    return table(header, rows)


def _quality(line: Mapping[str, Any]) -> str:
    found = line["quality"]
    if found is None:
        return "–"
    interval = f"[{_share_of(found['low'])}, {_share_of(found['high'])}]"
    retained = f", {line['retained']:.0%}" if line["statuses"] else ""
    return f"{_share_of(found['mean'])} {interval}{retained} at {_share_of(line['achieved'])}"


def _share_of(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def training(result: Mapping[str, Any]) -> str:
    """Rows are recipes that differ from the first one in a single setting."""
    rows = [
        (name, *(_share_of(value) for value in own["auc"].values()), _share_of(own["f1"]))
        for name, own in result["results"].items()
        if "auc" in own
    ]
    setup = result["setup"]
    header = (f"{setup['texts']} texts, {setup['epochs']:g} epoch", "AUC kept", "AUC core", "F1")
    return table(header, rows)


def end_to_end(result: Mapping[str, Any]) -> str:
    """Rows are factors, and where the scores came from."""
    rows = [
        (
            way,
            f"{row['factor']:g}x",
            f"{row['tokens']:,}",
            milliseconds(row["compress"]),
            milliseconds(row["first_token"]),
            milliseconds(row["total"]),
            f"{row['speedup']:.1f}x",
            f"{row['paper']:.1f}x" if row["paper"] else "–",
        )
        for way, found in result["results"].items()
        for row in found
    ]
    header = ("", "compressed", "tokens", "compress", "first token", "total", "sooner", "paper")
    return table(header, rows)


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "backends": backends,
    "limits": limits,
    "query_path": query_path,
    "query_steps": query_steps,
    "scaling": scaling,
    "causal": causal,
    "memory": memory,
    "end_to_end": end_to_end,
    "evaluation": evaluation,
    "training": training,
}


def tables(results: Path, names: list[str] | None = None) -> str:
    """The tables of the results that there are, in the order of `TABLES`."""
    return "\n\n".join(
        make(json.loads((results / f"{name}.json").read_text(encoding="utf-8")))
        for name, make in TABLES.items()
        if (not names or name in names) and (results / f"{name}.json").is_file()
    )


def inserted(page: str, found: str) -> str:
    """``page`` with ``found`` between its two comments."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"the page needs the lines\n{BEGIN}\n{END}\nwhere the tables shall stand")
    return pattern.sub(lambda _: f"{BEGIN}\n{found}\n{END}", page, count=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(TABLES)}; all if left out")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON results")
    parser.add_argument("--write", type=Path, help="page that has the two comments")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(TABLES):
        parser.error(f"no table is called {', '.join(sorted(unknown))}")
    found = tables(arguments.results, arguments.names)
    if arguments.write is None:
        print(found)
        return
    page = arguments.write.read_text(encoding="utf-8")
    arguments.write.write_text(inserted(page, found), encoding="utf-8")


if __name__ == "__main__":
    main()
