"""What compression without a token classifier does: the rows that a method must beat."""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np

from lingua2.characters import PLAIN_WORD
from lingua2.counting import TokenCounter
from lingua2.relevance import by_sentence
from lingua2.rendering import Layout
from lingua2.text import split_units

__all__ = [
    "SEPARATOR",
    "best_sentences",
    "best_words",
    "join",
    "random_words",
    "truncation",
    "words",
]

SEPARATOR = "\n\n"
"""What stands between two compressed texts."""
_SPACE = re.compile(r"\s")


def join(texts: Sequence[str]) -> str:
    """The texts as a reader sees them, empty ones left out."""
    return SEPARATOR.join(text for text in texts if text)


def words(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end, see `PLAIN_WORD`."""
    return [match.span() for match in PLAIN_WORD.finditer(text)]


def truncation(texts: Sequence[str], budget: int, count: TokenCounter) -> list[str]:
    """The beginning of the joined texts, cut behind a word."""
    whole = [(number, end) for number, text in enumerate(texts) for _, end in words(text)]

    def head(size: int) -> list[str]:
        if not size:
            return [""] * len(texts)
        number, end = whole[size - 1]
        kept = [*texts[:number], texts[number][:end]]
        return kept + [""] * (len(texts) - len(kept))

    return head(_most(lambda size: count(join(head(size))), len(whole), budget))


def random_words(texts: Sequence[str], budget: int, count: TokenCounter, seed: int) -> list[str]:
    """Words drawn evenly from all texts, in order."""
    number = sum(len(words(text)) for text in texts)
    # Seeded by the texts, so that a sample does not depend on the order of a run.
    generator = random.Random(f"{seed} {list(texts)}")  # noqa: S311 - a sample, not a secret
    return best_words(texts, [generator.random() for _ in range(number)], budget, count)


def best_words(
    texts: Sequence[str], values: Sequence[float], budget: int, count: TokenCounter
) -> list[str]:
    """The words of highest value, in order, with a space where white space was between them.

    Args:
        texts: The texts.
        values: One per word of all texts, see `words`.
        budget: Most tokens of the joined result.
        count: Counts them.
    """
    spans = [(number, *span) for number, text in enumerate(texts) for span in words(text)]
    order = np.argsort(-np.asarray(values, dtype=np.float64), kind="stable").tolist()

    def render(chosen: Sequence[int]) -> list[str]:
        lines: list[list[str]] = [[] for _ in texts]
        last, ended = -1, 0
        for index in sorted(chosen):
            number, start, end = spans[index]
            if number == last and _SPACE.search(texts[number], ended, start):
                lines[number].append(" ")
            lines[number].append(texts[number][start:end])
            last, ended = number, end
        return ["".join(line) for line in lines]

    def cost(chosen: Sequence[int]) -> int:
        return count(join(render(chosen)))

    size = _most(lambda n: cost(order[:n]), len(spans), budget)
    chosen = order[:size]
    # A few more short words may fit where the next one did not; each try renders everything.
    for index in order[size : size + 20]:
        if cost([*chosen, index]) <= budget:
            chosen.append(index)
    return render(chosen)


def best_sentences(texts: Sequence[str], query: str, budget: int, count: TokenCounter) -> list[str]:
    """Whole sentences by BM25 for the question, as far as they fit: a sentence filter.

    Without a question, or where no word of it occurs, the first sentences.
    """
    layouts = [Layout(text, split_units(text)) for text in texts]
    scores = by_sentence(layouts, query).tolist()
    spans: list[tuple[float, int, int, int]] = []
    for number, layout in enumerate(layouts):
        if not len(layout):
            continue
        starts = np.flatnonzero(layout.units.sentence_starts(layout.text)).tolist()
        for first, stop in zip(starts, [*starts[1:], len(layout)], strict=True):
            spans.append((scores[first], number, layout.starts[first], layout.ends[stop - 1]))
        scores = scores[len(layout) :]
    order = sorted(spans, key=lambda span: (-span[0], span[1:]))

    def cost(chosen: Sequence[tuple[float, int, int, int]]) -> int:
        return count(join(_sentences(texts, chosen)))

    size = _most(lambda n: cost(order[:n]), len(order), budget)
    chosen, used = order[:size], cost(order[:size])
    for span in order[size:]:
        # What a sentence costs alone is close to what it adds, and far quicker to count.
        alone = count(texts[span[1]][span[2] : span[3]])
        if used + alone <= budget + 2 and cost([*chosen, span]) <= budget:
            chosen.append(span)
            used = cost(chosen)
    return _sentences(texts, chosen)


def _sentences(texts: Sequence[str], spans: Sequence[tuple[float, int, int, int]]) -> list[str]:
    lines: list[list[str]] = [[] for _ in texts]
    for _, number, start, end in sorted(spans, key=lambda span: span[1:]):
        lines[number].append(texts[number][start:end])
    return [" ".join(line) for line in lines]


def _most(cost: Callable[[int], int], most: int, budget: int) -> int:
    """How many words of an order fit the budget."""
    size = bisect_right(range(1, most + 1), budget, key=cost)
    # One more word can cost nothing or less, so bisection may end just above.
    while size and cost(size) > budget:
        size -= 1
    return size
