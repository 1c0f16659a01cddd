"""What is the question worth? Answer survival with and without `relevance`, and whole texts.

    python benchmarks/query.py --data DIR [--embeddings DIRECTORY]

Survival is that of quality.py. The controls keep the sentences, or the documents, with the best
BM25 whole, as far as they fit: what a filter does without any token scores. With `--embeddings`, a
local directory of a BERT-like encoder (mean pooling), `relevance` embeds as well, and the cosines
of whole documents stand in for the scores of a retriever.
"""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _common
import numpy as np
import torch
from quality import SEPARATOR, normalised, survives
from transformers import AutoModel, AutoTokenizer

from lingua2 import Compressor
from lingua2.evaluation.controls import best_sentences, join
from lingua2.relevance import by_sentence
from lingua2.rendering import Layout
from lingua2.text import split_units

AGNOSTIC, BM25 = "task-agnostic", 'relevance="bm25"'
EMBEDDINGS, SCORES = "relevance=embeddings", "relevance=scores of documents"
SENTENCES, DOCUMENTS = "best sentences whole", "best documents whole"


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


def local_embeddings(folder: Path) -> Callable[[list[str]], Any]:
    """Mean-pooled token vectors of an encoder; every text is embedded once."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    model.eval()

    @functools.cache
    def embed(text: str) -> Any:
        tokens = tokenizer([text], truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            return model(**tokens).last_hidden_state[0].mean(0).numpy()

    return lambda texts: np.array([embed(text) for text in texts])


def whole_documents(documents: Sequence[str], query: str, budget: int, count: Any) -> list[str]:
    """As many documents as fit, the one with the best sentence first."""
    layouts = [Layout(text, split_units(text)) for text in documents]
    ends = np.cumsum([len(layout) for layout in layouts])[:-1]
    scores = np.split(by_sentence(layouts, query), ends)
    kept = [""] * len(documents)
    for i in sorted(range(len(documents)), key=lambda i: -scores[i].max(initial=0.0)):
        kept[i] = documents[i]
        if count(join(kept)) > budget:
            kept[i] = ""
    return kept


def measure(rows: list[dict[str, Any]], rates: Sequence[float], embed: Any) -> dict[str, Any]:
    compressor, count = Compressor(document_separator=SEPARATOR).load(), _common.token_counter()
    found: dict[str, dict[str, list[tuple[bool, float]]]] = {}
    for number, row in enumerate(rows, 1):
        documents, query = row["documents"], row["question"]
        total = count(SEPARATOR.join(documents))
        relevance: dict[str, Any] = {AGNOSTIC: None, BM25: "bm25"}
        if embed is not None:
            vectors, question = embed(documents), embed([query])[0]
            norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(question)
            relevance[EMBEDDINGS] = embed
            relevance[SCORES] = (vectors @ question / norms).tolist()
        for rate in rates:
            prompts = {
                method: compressor.compress(
                    documents, rate=rate, query=query, relevance=value
                ).prompt
                for method, value in relevance.items()
            }
            budget = math.floor(rate * total)
            prompts[SENTENCES] = join(best_sentences(documents, query, budget, count))
            prompts[DOCUMENTS] = join(whole_documents(documents, query, budget, count))
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
    parser.add_argument("--embeddings", type=Path, help="local directory of a sentence encoder")
    parser.add_argument("--limit", type=int, help="only the first questions of every set")
    arguments: argparse.Namespace = parser.parse_args()
    embed = None if arguments.embeddings is None else local_embeddings(arguments.embeddings)
    result: dict[str, Any] = {"environment": _common.environment(), "sets": {}}
    table = []
    for name in arguments.sets:
        rows, digest = _common.read_rows(arguments.data, name)
        asked = questions(rows)[: arguments.limit]
        _common.note(f"{name}: {len(asked)} questions")
        rates = measure(asked, arguments.rates, embed)
        result["sets"][name] = {"data_sha256": digest, "questions": len(asked), "rates": rates}
        for method in rates[f"{arguments.rates[0]:g}"]:
            values = [f"{rates[f'{rate:g}'][method]['survival']:.3f}" for rate in arguments.rates]
            table.append((f"{name} ({len(asked)})", method, *values))
    _common.write_result(arguments.output, result)
    print(_common.table(("set", "method", *map(str, arguments.rates)), table))


if __name__ == "__main__":
    main()
