"""Texts behind questions: what answers them is to stay, and in other texts nothing does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lingua2.dataset import Example
from lingua2.text import IntArray

from .options import TrainingOptions
from .passages import Passage
from .targets import Targets

__all__ = ["QuestionPassages"]

# Negatives: this share resembles the question, the others are drawn from all texts.
_HARD = 0.7
_NEAREST = 5
_DROPPED_EVIDENCE = 0.5
_WORD = re.compile(r"\w+")


class QuestionPassages:
    """The examples of one training behind questions, their own and others'.

    Args:
        examples: All examples; those without a question or evidence only serve as negatives.
        options: ``with_question`` and ``negatives`` say how many there are of an epoch.
    """

    def __init__(self, examples: Sequence[Example], options: TrainingOptions) -> None:
        self._options = options
        self._asked = [i for i, e in enumerate(examples) if e.question and any(e.evidence)]
        self._questions = {i: examples[i].question or "" for i in self._asked}
        levels = [options.targets_behind_question(len(e.level_names)) for e in examples]
        self._low = [_passage(e, low) for e, low in zip(examples, levels, strict=True)]
        self._answering = {i: self._with_answer(examples[i], i) for i in self._asked}
        self._near = self._nearest(examples) if options.negatives else {}

    def __len__(self) -> int:
        return len(self._asked)

    def epoch(self, rng: np.random.Generator) -> list[Passage]:
        """One epoch's passages, in an order drawn by ``rng``."""
        count = round(self._options.with_question * len(self._asked))
        made = [self._answering[i] for i in rng.permutation(self._asked)[:count].tolist()]
        count = round(self._options.negatives * len(self._asked))
        for i in rng.permutation(self._asked)[:count].tolist():
            hard, place, other = rng.random(), rng.integers(_NEAREST), rng.integers(len(self._low))
            near = self._near[i]
            j = near[min(int(place), len(near) - 1)] if hard < _HARD and near else int(other)
            if j != i:
                made.append(_behind(self._low[j], self._questions[i]))
        return made

    def _with_answer(self, example: Example, index: int) -> Passage:
        low = self._low[index]
        levels, evidence = np.array(example.levels), np.array(example.evidence, dtype=bool)
        answers = np.where(levels > 0, 1.0, _DROPPED_EVIDENCE)
        targets: Targets = np.where(evidence, answers, low.targets).astype(np.float32)
        return Passage(low.text, low.starts, low.ends, targets, self._questions[index])

    def _nearest(self, examples: Sequence[Example]) -> dict[int, list[int]]:
        index = _Index([_words(example.text) for example in examples])
        near = {}
        for i, question in self._questions.items():
            scores = index.scores(_words(question))
            scores[i] = -np.inf
            best = np.argsort(-scores, kind="stable")[: min(_NEAREST, len(examples) - 1)]
            near[i] = best.tolist()
        return near


class _Index:
    """BM25 (Robertson and Zaragoza, 2009) over whole texts by postings.

    The libraries at hand walk all texts for every word of a query, which takes minutes here.
    """

    def __init__(self, texts: Sequence[Sequence[str]], k1: float = 1.5, b: float = 0.75) -> None:
        lengths = np.array([len(words) for words in texts], dtype=np.float64)
        norms = k1 * (1 - b + b * lengths / max(1.0, lengths.mean()))
        postings: dict[str, list[tuple[int, int]]] = {}
        for i, words in enumerate(texts):
            for word, count in Counter(words).items():
                postings.setdefault(word, []).append((i, count))
        self._size = len(texts)
        self._postings: dict[str, tuple[IntArray, NDArray[np.float64]]] = {}
        for word, pairs in postings.items():
            places, counts = np.array(pairs, dtype=np.int64).T
            idf = np.log(1 + (self._size - len(places) + 0.5) / (len(places) + 0.5))
            self._postings[word] = places, idf * counts * (k1 + 1) / (counts + norms[places])

    def scores(self, words: Iterable[str]) -> NDArray[np.float64]:
        scores = np.zeros(self._size)
        for word in words:
            if word in self._postings:
                places, weights = self._postings[word]
                scores[places] += weights
        return scores


def _passage(example: Example, by_level: Sequence[float]) -> Passage:
    targets = np.array(by_level, dtype=np.float32)[np.array(example.levels, dtype=np.int64)]
    return Passage(
        example.text,
        np.array(example.starts, dtype=np.int64),
        np.array(example.ends, dtype=np.int64),
        targets,
    )


def _behind(given: Passage, question: str) -> Passage:
    return Passage(given.text, given.starts, given.ends, given.targets, question)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
