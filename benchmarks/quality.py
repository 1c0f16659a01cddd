"""Does the answer survive? Ours, llmlingua 0.2.2 on the same weights, random words, truncation.

    python benchmarks/quality.py --data DIR

A question counts as survived when one of its gold answers stands contiguously in the joined
compressed texts, both normalised: lower case, punctuation to spaces, articles dropped, white space
folded. Left out are questions whose answers are yes or no or do not stand in the uncompressed
texts. Tokens are cl100k_base, over the texts joined with a blank line.
"""

from __future__ import annotations

import argparse
import functools
import math
import random
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _common
import numpy as np

from lingua2 import Compressor
from lingua2.evaluation import normalise as normalised
from lingua2.evaluation import survives

SEPARATOR = "\n\n"
OURS, SAME_SIZE, REFERENCE = "lingua2", "lingua2 at llmlingua's size", "llmlingua 0.2.2"
RANDOM, TRUNCATION = "random words", "truncation"
METHODS = (OURS, REFERENCE, SAME_SIZE, RANDOM, TRUNCATION)
RESAMPLES = 10_000


def questions(rows: Sequence[dict[str, Any]]) -> list[tuple[list[str], tuple[str, ...]]]:
    """Normalised answers and documents of the questions that count."""
    kept = []
    for row in rows:
        answers = [answer for answer in map(normalised, row["answers"]) if answer]
        documents = tuple(row["documents"])
        yes_or_no = all(answer in ("yes", "no") for answer in answers)
        if not yes_or_no and survives(answers, SEPARATOR.join(documents)):
            kept.append((answers, documents))
    return kept


class Controls:
    """Every method as a function from documents and rate to the compressed prompt; here without
    any model.

    Attributes:
        names: The methods.
        against: The method whose survival is subtracted from that of the others.
        difference: What that difference is called in the result.
    """

    names: tuple[str, ...] = (RANDOM, TRUNCATION)
    against = RANDOM
    difference = "minus_random"

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.count = _common.token_counter()
        # Questions share documents, so every distinct call is made once.
        self.compress = functools.cache(self._compress)

    def budget(self, method: str, documents: tuple[str, ...], rate: float) -> int:  # noqa: ARG002
        """Most tokens that the prompt may have."""
        return math.floor(rate * self.count(SEPARATOR.join(documents)) + 1e-9)

    def _compress(self, method: str, documents: tuple[str, ...], rate: float) -> str:
        budget = self.budget(method, documents, rate)
        if method == RANDOM:
            return self._random_words(documents, budget)
        return self._head(SEPARATOR.join(documents), budget)

    def _random_words(self, documents: tuple[str, ...], budget: int) -> str:
        words = [(i, word) for i, text in enumerate(documents) for word in text.split()]
        order = list(range(len(words)))
        # Seeded by the documents, so that a document's sample does not depend on the run's order.
        random.Random(f"{self._seed} {documents}").shuffle(order)  # noqa: S311

        def render(chosen: Sequence[int]) -> str:
            lines: list[list[str]] = [[] for _ in documents]
            for index in sorted(chosen):
                document, word = words[index]
                lines[document].append(word)
            return SEPARATOR.join(" ".join(line) for line in lines if line)

        size = self._most(lambda n: render(order[:n]), len(words), budget)
        chosen = order[:size]
        for index in order[size:]:
            if self.count(render(chosen)) == budget:
                break
            if self.count(render([*chosen, index])) <= budget:
                chosen.append(index)
        return render(chosen)

    def _head(self, text: str, budget: int) -> str:
        ends = [0, *(match.end() for match in re.finditer(r"\S+", text))]
        return text[: ends[self._most(lambda n: text[: ends[n]], len(ends) - 1, budget)]]

    def _most(self, render: Callable[[int], str], most: int, budget: int) -> int:
        """How many words fit ``budget``, as ``render`` puts them."""
        size = bisect_right(range(1, most + 1), budget, key=lambda n: self.count(render(n)))
        # One more word can cost nothing or less than nothing, so bisection may end just above.
        while self.count(render(size)) > budget:
            size -= 1
        return size


class Methods(Controls):
    """The controls, ours and the reference implementation on the same weights."""

    names = METHODS
    against = REFERENCE
    difference = "minus_llmlingua"

    def __init__(self, reference: Any, seed: int) -> None:
        super().__init__(seed)
        self._ours = Compressor(document_separator=SEPARATOR).load()
        self._reference = reference
        self._reference_text = functools.cache(self._reference_one)

    def budget(self, method: str, documents: tuple[str, ...], rate: float) -> int:
        if method == SAME_SIZE:
            return self.count(self.compress(REFERENCE, documents, rate))
        return super().budget(method, documents, rate)

    def _compress(self, method: str, documents: tuple[str, ...], rate: float) -> str:
        if method == OURS:
            return self._ours.compress(documents, rate=rate).prompt
        if method == REFERENCE:
            # Its thresholds are per chunk, so a set is the concatenation of its documents.
            return SEPARATOR.join(self._reference_text(text, rate) for text in documents)
        if method == SAME_SIZE:
            budget = self.budget(method, documents, rate)
            return self._ours.compress(documents, target_token=budget).prompt
        return super()._compress(method, documents, rate)

    def _reference_one(self, text: str, rate: float) -> str:
        return _common.reference_compress(self._reference, [text], rate)


def measure(
    methods: Controls, asked: Sequence[tuple[list[str], tuple[str, ...]]], rate: float
) -> dict[str, dict[str, np.ndarray]]:
    """Per method and question: survived, tokens of the prompt, whether it is over budget."""
    measured = {}
    originals = [methods.count(SEPARATOR.join(documents)) for _, documents in asked]
    for method in methods.names:
        prompts = []
        for number, (_, documents) in enumerate(asked, 1):
            prompts.append(methods.compress(method, documents, rate))
            if number % 50 == 0 or number == len(asked):
                _common.note(f"  {rate:g} {method}: {number}/{len(asked)}")
        tokens = np.array([methods.count(prompt) for prompt in prompts])
        limits = np.array([methods.budget(method, documents, rate) for _, documents in asked])
        measured[method] = {
            "survived": np.array(
                [survives(answers, p) for (answers, _), p in zip(asked, prompts, strict=True)]
            ),
            "tokens": tokens,
            "original": np.array(originals),
            "over": tokens > limits,
        }
    return measured


def interval(values: np.ndarray, groups: np.ndarray, seed: int) -> list[float]:
    """95% bootstrap interval of the mean; questions about the same documents are drawn together."""
    sums, sizes = np.bincount(groups, values), np.bincount(groups)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return [round(float(bound), 4) for bound in np.percentile(means, (2.5, 97.5))]


def summary(
    methods: Controls, measured: dict[str, dict[str, np.ndarray]], groups: np.ndarray, seed: int
) -> dict[str, dict[str, Any]]:
    reference = measured[methods.against]["survived"].astype(float)
    lines = {}
    for method, values in measured.items():
        survived = values["survived"].astype(float)
        lines[method] = {
            "survival": round(float(survived.mean()), 4),
            "survival_95": interval(survived, groups, seed),
            "achieved_rate": round(float(values["tokens"].sum() / values["original"].sum()), 4),
            "over_budget": round(float(values["over"].mean()), 4),
            methods.difference: round(float((survived - reference).mean()), 4),
            f"{methods.difference}_95": interval(survived - reference, groups, seed),
        }
    return lines


def run_set(
    name: str, rows: list[dict[str, Any]], methods: Controls, arguments: argparse.Namespace
) -> dict[str, Any]:
    asked = questions(rows[: arguments.limit])
    _common.note(f"{name}: {len(asked)} questions")
    numbers: dict[tuple[str, ...], int] = {}
    groups = np.array([numbers.setdefault(documents, len(numbers)) for _, documents in asked])
    rates = {
        f"{rate:g}": summary(methods, measure(methods, asked, rate), groups, arguments.seed)
        for rate in arguments.rates
    }
    return {"questions": len(asked), "document_sets": len(numbers), "rates": rates}


def show(sets: dict[str, Any], methods: Controls) -> str:
    difference = methods.difference.replace("minus_", "− ")
    header = ("set", "rate", "method", "survival [95%]", "achieved", "over budget", difference)
    rows = []
    for name, result in sets.items():
        for rate, lines in result["rates"].items():
            for method, line in lines.items():
                low, high = line["survival_95"]
                under, above = line[f"{methods.difference}_95"]
                rows.append(
                    (
                        f"{name} ({result['questions']})",
                        rate,
                        method,
                        f"{line['survival']:.3f} [{low:.3f}, {high:.3f}]",
                        f"{line['achieved_rate']:.3f}",
                        f"{line['over_budget']:.0%}",
                        f"{line[methods.difference]:+.3f} [{under:+.3f}, {above:+.3f}]",
                    )
                )
    return _common.table(header, rows)


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "quality")
    parser.add_argument("--data", type=Path, required=True, help="folder with SET.jsonl.gz files")
    parser.add_argument("--sets", nargs="+", default=["xquad_en_dev", "hotpotqa_dev"], help="sets")
    parser.add_argument("--rates", nargs="+", type=float, default=[0.5, 0.33, 0.2], help="rates")
    parser.add_argument("--limit", type=int, help="only the first rows of every set")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"environment": _common.environment(), "seed": arguments.seed}
    result["limit"], result["sets"] = arguments.limit, {}
    with _common.reference_compressor() as reference:
        methods = Methods(reference, arguments.seed)
        for name in arguments.sets:
            rows, digest = _common.read_rows(arguments.data, name)
            result["sets"][name] = {
                "data_sha256": digest,
                **run_set(name, rows, methods, arguments),
            }
    _common.write_result(arguments.output, result)
    print(show(result["sets"], methods))


if __name__ == "__main__":
    main()
