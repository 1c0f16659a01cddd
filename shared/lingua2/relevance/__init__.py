"""How much each sentence of a set, and each text, has to do with the question."""

from __future__ import annotations

from .documents import (
    STRINGS_HAVE_NO_SCORES,
    ErrorMode,
    by_text,
    check_number,
    document_scores,
    ends_first,
    is_score,
    tell,
)
from .embeddings import Embedder, embedder_of, vectors_of
from .sentences import find_sentences
from .steering import by_sentence, question_values
from .stored import NOTHING_STORED, StoredVectors

__all__ = [
    "NOTHING_STORED",
    "STRINGS_HAVE_NO_SCORES",
    "Embedder",
    "ErrorMode",
    "StoredVectors",
    "by_sentence",
    "by_text",
    "check_number",
    "document_scores",
    "embedder_of",
    "ends_first",
    "find_sentences",
    "is_score",
    "question_values",
    "tell",
    "vectors_of",
]
