"""BM25 over the sentences of a set: which share the question's rarer words?

It needs no model and no index: the set is small.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator

import numpy as np

from lingua2.backends import FloatArray
from lingua2.text import has_unspaced

from .sentences import Sentences

__all__ = ["bm25"]

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


def bm25(sentences: Sentences, query: str) -> FloatArray:
    """BM25 of every sentence for ``query`` (Robertson and Zaragoza 2009); shape ``(sentences,)``.

    A word of the title that a sentence does not have itself counts once in it. Zeros where no word
    of the question stands in any sentence.

    Args:
        sentences: The sentences of the set.
        query: The question.
    """
    scores = np.zeros(len(sentences), dtype=np.float32)
    if not len(sentences):
        return scores
    starts: list[int] = sentences.starts.tolist()
    document = sentences.document
    owners: list[int] = document.tolist()
    titles = sentences.titles
    entitled = np.array([title is not None for title in titles])[document]
    # Everything in front of the title's end belongs to it, and a sentence behind it shares it.
    title_ends = np.array([-1 if title is None else title[1] for title in titles])[document]
    under = entitled & (sentences.starts >= title_ends)
    title_words = np.zeros(len(titles), dtype=np.int64)
    np.add.at(title_words, document, np.where(entitled & ~under, sentences.words, 0))
    lengths = np.maximum(1, sentences.words + np.where(under, title_words[document], 0))
    norm = (_K1 * (1 - _B + _B * lengths / lengths.mean())).astype(np.float32)
    text = _lowered(sentences.text)
    # Sorted, so that sums are the same in every process.
    for term in sorted(_terms(query)):
        frequency = np.zeros(len(sentences), dtype=np.float32)
        named = np.zeros(len(titles), dtype=bool)
        for position in _places(text, term):
            number = bisect_right(starts, position) - 1
            if number < 0:
                continue
            frequency[number] += 1
            title = titles[owners[number]]
            if title is not None and position < title[1]:
                named[owners[number]] = True
        frequency[(frequency == 0) & under & named[document]] = 1
        found = int((frequency > 0).sum())
        if found:
            weight = math.log(1 + (len(sentences) - found + 0.5) / (found + 0.5))
            scores += np.float32(weight) * frequency * (_K1 + 1) / (frequency + norm)
    return scores


def _lowered(text: str) -> str:
    """``text`` in lower case, with every character at its place."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _terms(query: str) -> set[str]:
    terms: set[str] = set()
    for word in _WORD.findall(_lowered(query)):
        if has_unspaced(word):
            # Scripts without spaces: pairs of characters stand in for words.
            pairs = (word[i : i + 2] for i in range(max(1, len(word) - 1)))
            terms.update(pair for pair in pairs if has_unspaced(pair))
        elif word not in _STOP_WORDS:
            terms.add(_stem(word))
    return terms


def _places(text: str, term: str) -> Iterator[int]:
    """Where the words of ``text`` begin whose term is ``term``."""
    pair = has_unspaced(term)
    start = text.find(term)
    while start >= 0:
        if pair:
            yield start
            end = start + 1
        else:
            # A stem is how a word begins, so only what begins there has to be looked at.
            word = _WORD.match(text, start)
            end = word.end() if word else start + 1
            inside = start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_")
            if not inside and _stem(text[start:end]) == term:
                yield start
        start = text.find(term, end)


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word
