"""What does the question cost where scores are stored: words, fresh and stored sentence vectors?

    python benchmarks/query_embeddings.py [--embedder DIRECTORY]

Ten chunks with stored scores; the contenders take turns. Without `--embedder`, a local directory of
a BERT-like encoder (mean pooling), sentences are hashed into vectors, which costs next to nothing,
so that the table shows what stored vectors cost by themselves.

Then: what rounding components to whole numbers from -127 to 127 does to cosines, and whether other
words are kept than with the vectors as they are.
"""

from __future__ import annotations

import argparse
import random
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import _common
import numpy as np
from _measure import seconds, sized, turns, use_threads

from lingua2 import Compressor, pack_embeddings
from lingua2.relevance import Embedder, StoredVectors, steering
from lingua2.relevance.sentences import Sentences
from lingua2.sentence_vectors import levels_of

Embed = Callable[[list[str]], Any]
PLAIN, WORDS = "no relevance", 'relevance="bm25"'
FRESH, STORED = "embeddings, fresh", "embeddings, stored"
QUESTION = "the question alone is embedded"
RATES = (0.5, 0.33, 0.2, 0.1)


def hashed(texts: list[str], size: int = 384) -> Any:
    """Vectors of the words of texts, each word at the place that its checksum says."""
    vectors = np.full((len(texts), size), 0.01)
    for row, text in zip(vectors, texts, strict=True):
        for word in re.findall(r"\w+", text.lower()):
            code = zlib.crc32(word.encode())
            row[code % size] += 1 if code & 1024 else -1
    return vectors


def encoder(folder: Path) -> Embed:
    """Mean-pooled token vectors, the texts of a call padded to one batch."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    model.eval()

    def embed(texts: list[str]) -> Any:
        tokens = tokenizer(
            texts, truncation=True, max_length=256, padding=True, return_tensors="pt"
        )
        mask = tokens["attention_mask"].unsqueeze(-1)
        with torch.inference_mode():
            states = model(**tokens).last_hidden_state * mask
            return (states.sum(1) / mask.sum(1)).numpy()

    return embed


def questions(texts: list[str], rng: random.Random, number: int) -> list[str]:
    """Questions about sentences of ``texts``, by four of their words."""
    words = [re.findall(r"\w{4,}", sentence) for sentence in re.split(r"[.\n]+", " ".join(texts))]
    long = [own for own in words if len(own) >= 4]
    return [f"What about {' '.join(rng.sample(rng.choice(long), 4))}?" for _ in range(number)]


def race(texts: list[str], embed: Embed, arguments: argparse.Namespace) -> dict[str, Any]:
    compressor = Compressor(rate=arguments.rate, score_memory=0)
    scores = list(compressor.pack(texts))
    packed = list(pack_embeddings(texts, embed, name="benchmark"))
    asked = questions(texts, random.Random(arguments.seed), arguments.calls)  # noqa: S311
    stored = {"embeddings": packed, "embeddings_name": "benchmark"}

    def calls(**options: Any) -> float:
        def work() -> None:
            for question in asked:
                compressor.compress(texts, query=question, scores=scores, **options)

        return seconds(work) / len(asked)

    made: dict[str, Callable[[], float]] = {
        PLAIN: calls,
        WORDS: lambda: calls(relevance="bm25"),
        FRESH: lambda: calls(relevance=embed),
        STORED: lambda: calls(relevance=embed, **stored),
        QUESTION: lambda: seconds(lambda: [embed([question]) for question in asked]) / len(asked),
    }
    found = turns(made, arguments.repeats, FRESH)
    sentences = sum((len(data) - 24) // _size(embed) for data in packed)
    return {
        "contenders": found,
        "sentences": sentences,
        "components": _size(embed),
        "bytes_per_sentence": round(sum(map(len, packed)) / sentences, 1),
        "statistics": repr(compressor.embedding_statistics),
    }


def rounding(texts: list[str], embed: Embed, arguments: argparse.Namespace) -> dict[str, Any]:
    """Errors of cosines, and how many calls keep other words than with unrounded vectors."""
    compressor, embed = Compressor().load(), _once(embed)
    errors: list[float] = []
    calls = other_calls = words = other_words = 0
    for question in questions(texts, random.Random(arguments.seed + 1), arguments.questions):  # noqa: S311
        for rate in RATES:
            options: dict[str, Any] = {"rate": rate, "query": question, "relevance": embed}
            rounded = compressor.compress(texts, **options)
            with mock.patch.object(steering, "cosines", _exact(errors)):
                exact = compressor.compress(texts, **options)
            calls += 1
            other_calls += rounded.texts != exact.texts
            for before, after in zip(rounded.words or [], exact.words or [], strict=True):
                words += len(before)
                pairs = zip(before, after, strict=True)
                other_words += sum(one.kept != two.kept for one, two in pairs)
    return {
        "largest_cosine_error": float(np.max(errors)),
        "mean_cosine_error": float(np.mean(errors)),
        "calls": calls,
        "calls_that_keep_other_words": other_calls,
        "words_decided_otherwise": round(other_words / words, 6),
    }


def _once(embed: Embed) -> Embed:
    """``embed``, asked for every text once."""
    known: dict[str, Any] = {}

    def remembering(texts: list[str]) -> Any:
        missing = [text for text in texts if text not in known]
        if missing:
            known.update(zip(missing, embed(missing), strict=True))
        return np.array([known[text] for text in texts])

    return remembering


def _exact(errors: list[float]) -> Callable[..., Any]:
    """`cosines` without rounding; what rounding would have changed is added to ``errors``."""

    def cosines(sentences: Sentences, query: str, embedder: Embedder, _: StoredVectors) -> Any:
        shown = [sentence for own in sentences.by_text() for sentence in own]
        question, vectors = embedder.question(query), np.asarray(embedder.texts(shown))
        values = _cosines(vectors, question)
        rounded = _cosines(levels_of(vectors.astype(np.float64)).astype(np.float64), question)
        errors.extend(np.abs(values - rounded).tolist())
        return ((values - values.min()) / np.ptp(values)).astype(np.float32)

    return cosines


def _cosines(vectors: Any, question: Any) -> Any:
    return vectors @ question / np.linalg.norm(vectors, axis=1) / np.linalg.norm(question)


def _size(embed: Embed) -> int:
    return len(embed(["?"])[0])


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "query_embeddings")
    parser.add_argument("--embedder", type=Path, help="local directory of a sentence encoder")
    parser.add_argument("--chunks", type=int, default=10, help="how many chunks")
    parser.add_argument("--chunk-tokens", type=int, default=140, help="cl100k tokens of a chunk")
    parser.add_argument("--rate", type=float, default=0.33, help="share of tokens kept")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of the race")
    parser.add_argument("--calls", type=int, default=5, help="questions of a turn")
    parser.add_argument("--questions", type=int, default=25, help="questions for the rounding")
    parser.add_argument("--threads", type=int, help="PyTorch's threads; its own choice if left out")
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    embed = hashed if arguments.embedder is None else encoder(arguments.embedder)
    rng = random.Random(arguments.seed)  # noqa: S311
    texts = [sized(rng, arguments.chunk_tokens) for _ in range(arguments.chunks)]
    result = {
        "environment": _common.environment(),
        "embedder": "hashed words" if arguments.embedder is None else arguments.embedder.name,
        "tokens": _common.token_counter()("\n\n".join(texts)),
        **race(texts, embed, arguments),
        "rounding": rounding(texts, embed, arguments),
    }
    _common.write_result(arguments.output, result)
    rows = [
        (name, f"{own['median'] * 1000:.2f} ms", f"{own['min'] * 1000:.2f} ms")
        for name, own in result["contenders"].items()
    ]
    print(_common.table(("with stored scores", "median", "least"), rows))
    print(_common.table(("rounding", ""), list(result["rounding"].items())))


if __name__ == "__main__":
    main()
