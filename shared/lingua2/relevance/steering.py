"""What the question adds to the value of every unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lingua2.backends import FloatArray
from lingua2.errors import RelevanceError
from lingua2.rendering import Layout

from .bm25 import bm25
from .documents import ErrorMode, shares, tell
from .embeddings import cosines, embedder_of
from .sentences import Sentences, find_sentences
from .stored import NOTHING_STORED, StoredVectors

__all__ = ["by_sentence", "question_values"]

# Without the question a unit's value is at most 1, so every word of a sentence that fits it half as
# well as the best one ranks before all words of sentences that do not fit. Measured as in
# benchmarks/query.py: with other weights from 1 to 4, products, roots and squares, a coarse step by
# sentences, or shares of the neighbouring sentences or of the whole text no more answers are kept,
# beyond noise, than by this plain sum. A text's score weighs less, since it says nothing about
# which of its sentences answers: with 2 it costs answers, as does a cosine that weighs more.
_WORDS_WEIGHT = 2.0
_EMBEDDINGS_WEIGHT = 1.0
_SCORES_WEIGHT = 1.0


def by_sentence(layouts: Sequence[Layout], query: str) -> FloatArray:
    """BM25 of every unit's sentence for ``query``, 1 for the set's best; shape ``(units,)``.

    All zeros where no word of the question stands in any sentence.

    Args:
        layouts: The texts of the set.
        query: The question.
    """
    sentences = find_sentences(Layout.joined(layouts))
    return _scaled_bm25(sentences, query)[sentences.owner]


def question_values(
    layout: Layout,
    query: str,
    relevance: Any,
    errors: ErrorMode = "warn",
    stored: StoredVectors = NOTHING_STORED,
) -> FloatArray:
    """What the question adds to the value of every unit; shape ``(units,)``.

    That is the sum of what speaks for it: BM25 of its sentence wherever there is a question, the
    cosine of its sentence where ``relevance`` embeds, and the score of its text where
    ``relevance`` holds scores. BM25 and embeddings fail on different questions, and the scores of
    a retriever do not tell one sentence of a text from another.

    Args:
        layout: One layout of all texts, see `Layout.joined`.
        query: The question; may be empty.
        relevance: The option of this name, checked.
        errors: What to do where embeddings cannot be used.
        stored: Vectors of sentences that need not be embedded.

    Raises:
        RelevanceError: Embeddings cannot be used, and ``errors`` is ``"raise"``.

    Warns:
        RelevanceWarning: Embeddings cannot be used.
    """
    values = np.zeros(len(layout), dtype=np.float32)
    if isinstance(relevance, tuple):
        values += _SCORES_WEIGHT * shares(relevance)[layout.document]
    if relevance is None or not query.strip():
        return values
    sentences = find_sentences(layout)
    worth = _WORDS_WEIGHT * _scaled_bm25(sentences, query)
    embedder = None if isinstance(relevance, (str, tuple)) else embedder_of(relevance, stored.name)
    if embedder is not None:
        try:
            worth += _EMBEDDINGS_WEIGHT * cosines(sentences, query, embedder, stored)
        except RelevanceError as error:
            if errors == "raise":
                raise
            tell(str(error), "BM25 alone is used", errors)
    return values + worth[sentences.owner]


def _scaled_bm25(sentences: Sentences, query: str) -> FloatArray:
    scores = bm25(sentences, query)
    best = scores.max(initial=0.0)
    return scores / best if best > 0 else scores
