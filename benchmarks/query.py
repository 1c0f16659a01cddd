"""What is the question worth? Answer survival with and without `relevance`, and whole sentences.

    python benchmarks/query.py --data DIR

Survival is that of quality.py. The control keeps the sentences with the best BM25 whole, as far as
they fit: what a sentence filter does without any token scores.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _common
import numpy as np
from quality import SEPARATOR, normalised, survives

from lingua2 import Compressor
from lingua2.relevance import by_sentence
from lingua2.rendering import Layout
from lingua2.text import split_units

AGNOSTIC, BM25, SENTENCES = "task-agnostic", 'relevance="bm25"', "best sentences whole"


def questions(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The questions whose answer is neither yes nor no and stands in the documents."""
    kept = []
    for row in rows:
        answers = [answer for answer in map(normalised, row["answers"]) if answer]
        if all(answer in ("yes", "no") for answer in answers):
            continue
        if survives(answers, SEPARATOR.join(row["documents"])):
            kept.append({**row, "answers": answers})
    return kept


def whole_sentences(documents: Sequence[str], query: str, budget: int, count: Any) -> str:
    layouts = [Layout(text, split_units(text)) for text in documents]
    scores = by_sentence(layouts, query).tolist()
    spans: list[tuple[float, int, int, int]] = []
    for number, layout in enumerate(layouts):
        starts = np.flatnonzero(layout.units.sentence_starts(layout.text)).tolist()
        for first, stop in zip(starts, [*starts[1:], len(layout)], strict=True):
            spans.append((scores[first], number, layout.starts[first], layout.ends[stop - 1]))
        scores = scores[len(layout) :]
    chosen: list[tuple[int, int, int]] = []
    for _, *span in sorted(spans, key=lambda span: (-span[0], span[1:])):
        if count(join(documents, [*chosen, tuple(span)])) <= budget:
            chosen.append(tuple(span))
    return join(documents, chosen)


def join(documents: Sequence[str], spans: Sequence[tuple[int, int, int]]) -> str:
    texts: dict[int, list[str]] = {}
    for number, start, end in sorted(spans):
        texts.setdefault(number, []).append(documents[number][start:end])
    return SEPARATOR.join(" ".join(texts[number]) for number in sorted(texts))


def measure(rows: list[dict[str, Any]], rates: Sequence[float]) -> dict[str, Any]:
    compressor, count = Compressor(document_separator=SEPARATOR).load(), _common.token_counter()
    found: dict[str, dict[str, list[tuple[bool, float]]]] = {}
    for number, row in enumerate(rows, 1):
        documents, query = row["documents"], row["question"]
        total = count(SEPARATOR.join(documents))
        for rate in rates:
            prompts = {
                AGNOSTIC: compressor.compress(documents, rate=rate).prompt,
                BM25: compressor.compress(
                    documents, rate=rate, query=query, relevance="bm25"
                ).prompt,
                SENTENCES: whole_sentences(documents, query, math.floor(rate * total), count),
            }
            for method, prompt in prompts.items():
                line = found.setdefault(f"{rate:g}", {}).setdefault(method, [])
                line.append((survives(row["answers"], prompt), count(prompt) / total))
        if number % 25 == 0 or number == len(rows):
            _common.note(f"  {number}/{len(rows)}")
    return {
        rate: {
            method: dict(
                zip(
                    ("survival", "achieved_rate"),
                    np.mean(line, axis=0).round(4).tolist(),
                    strict=True,
                )
            )
            for method, line in methods.items()
        }
        for rate, methods in found.items()
    }


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "query")
    parser.add_argument("--data", type=Path, required=True, help="folder with SET.jsonl.gz files")
    parser.add_argument("--sets", nargs="+", default=["hotpotqa_dev", "xquad_en_dev"], help="sets")
    parser.add_argument("--rates", nargs="+", type=float, default=[0.5, 0.33, 0.2, 0.1])
    parser.add_argument("--limit", type=int, help="only the first questions of every set")
    arguments: argparse.Namespace = parser.parse_args()
    result: dict[str, Any] = {"environment": _common.environment(), "sets": {}}
    table = []
    for name in arguments.sets:
        rows, digest = _common.read_rows(arguments.data, name)
        asked = questions(rows)[: arguments.limit]
        _common.note(f"{name}: {len(asked)} questions")
        rates = measure(asked, arguments.rates)
        result["sets"][name] = {"data_sha256": digest, "questions": len(asked), "rates": rates}
        for method in (AGNOSTIC, BM25, SENTENCES):
            values = [f"{rates[f'{rate:g}'][method]['survival']:.3f}" for rate in arguments.rates]
            table.append((f"{name} ({len(asked)})", method, *values))
    _common.write_result(arguments.output, result)
    print(_common.table(("set", "method", *map(str, arguments.rates)), table))


if __name__ == "__main__":
    main()
