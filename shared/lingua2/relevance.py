"""How much each sentence of a set has to do with the question.

BM25 over the sentences of the retrieved set needs no model and no index: the set is small, and what
matters is which of its sentences share the question's rarer words. A text's first line counts as
the title of every sentence in it, since retrieved chunks often name their subject only there.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .backends import FloatArray
from .rendering import Layout
from .text import IntArray, has_unspaced

__all__ = ["RELEVANCE_WEIGHT", "by_sentence", "by_text"]

# Without the question a unit's value is at most 1, so every word of a sentence that fits it half as
# well as the best one ranks before all words of sentences that do not fit. Measured with
# benchmarks/query.py: 1, 2 and 4 are within three points of each other.
RELEVANCE_WEIGHT = 2.0
# Robertson's usual constants.
_K1, _B = 1.2, 0.75
_WORD = re.compile(r"\w+")
_STOP_WORDS = frozenset(
    """
    a about after all also am an and any are as at be because been before being but by can could
    did do does doing for from had has have having he her here hers him his how i if in into is
    it its just me more most my no nor not of on only or other our out over own same she should
    so some such than that the their them then there these they this those through to too under
    until up very was we were what when where which while who whom whose why will with would you
    your
    """.split()  # noqa: SIM905 - a list would take a page
)
_SUFFIXES = ("ing", "ies", "ied", "es", "ed", "ly", "s")


def by_sentence(layouts: Sequence[Layout], query: str) -> FloatArray:
    """BM25 of every unit's sentence for ``query``, 1 for the set's best; shape ``(units,)``.

    All zeros where no word of the question stands in any sentence.

    Args:
        layouts: The texts of the set.
        query: The question.
    """
    sentences: list[Counter[str]] = []
    owners: list[IntArray] = []
    for layout in layouts:
        starts = layout.units.sentence_starts(layout.text)
        owners.append(np.cumsum(starts) - 1 + len(sentences))
        bounds = [*layout.units.starts[starts].tolist(), len(layout.text)]
        title = _terms(layout.text.split("\n", 1)[0]) if "\n" in layout.text.strip() else []
        for start, end in itertools.pairwise(bounds):
            terms = Counter(_terms(layout.text[start:end]))
            terms.update(term for term in set(title) if term not in terms)
            sentences.append(terms)
    scores = _bm25(sentences, set(_terms(query)))
    best = scores.max(initial=0.0)
    if best > 0:
        scores /= best
    return scores[np.concatenate(owners)] if owners else scores


def by_text(layouts: Sequence[Layout], scores: Sequence[float]) -> FloatArray:
    """Every unit's share of its text's score: 0 for the set's worst text, 1 for its best.

    Scores of retrievers and rerankers have any scale and sign, so only their order and distances
    count; where all are equal they say nothing.
    """
    values = np.array(scores, dtype=np.float64)
    # Scaled first, so that no difference of two huge scores overflows.
    values /= np.abs(values).max(initial=0.0) or 1.0
    low, high = values.min(initial=1.0), values.max(initial=-1.0)
    shares = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.repeat(shares.astype(np.float32), [len(layout) for layout in layouts])


def _bm25(documents: Sequence[Counter[str]], query: set[str]) -> FloatArray:
    scores = np.zeros(len(documents), dtype=np.float32)
    lengths = np.array([max(1, document.total()) for document in documents], dtype=np.float32)
    if not len(lengths):
        return scores
    norm = _K1 * (1 - _B + _B * lengths / lengths.mean())
    # Sorted, so that sums are the same in every process.
    for term in sorted(query):
        frequency = np.array([document[term] for document in documents], dtype=np.float32)
        found = int((frequency > 0).sum())
        if found:
            weight = math.log(1 + (len(documents) - found + 0.5) / (found + 0.5))
            scores += np.float32(weight) * frequency * (_K1 + 1) / (frequency + norm)
    return scores


def _terms(text: str) -> list[str]:
    terms = []
    for word in _WORD.findall(text.lower()):
        if has_unspaced(word):
            # Scripts without spaces: pairs of characters stand in for words.
            terms += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
        elif word not in _STOP_WORDS:
            terms.append(_stem(word))
    return terms


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word
