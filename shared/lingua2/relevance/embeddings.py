"""Cosine of the question and every sentence, by whatever embeds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua2.backends import FloatArray
from lingua2.errors import RelevanceError

from .sentences import Sentences

__all__ = ["Embedder", "cosines", "embedder_of"]


@dataclass(frozen=True, slots=True)
class Embedder:
    """What embeds questions and texts.

    Attributes:
        question: Gives the vector of a question.
        texts: Gives the vectors of texts.
    """

    question: Callable[[str], Any]
    texts: Callable[[list[str]], Any]


def embedder_of(source: Any) -> Embedder | None:
    """How ``source`` embeds, None where it does not look as if it did.

    Args:
        source: A LangChain ``Embeddings``, a LlamaIndex ``BaseEmbedding``, or a callable that
            takes a list of strings and returns a vector for each.
    """
    if isinstance(source, Embedder):
        return source
    if isinstance(source, type):
        return None
    for question, texts in (
        ("embed_query", "embed_documents"),
        ("get_query_embedding", "get_text_embedding_batch"),
    ):
        if callable(getattr(source, question, None)) and callable(getattr(source, texts, None)):
            return Embedder(getattr(source, question), getattr(source, texts))
    if not callable(source):
        return None
    return Embedder(lambda query: np.asarray(source([query]))[0], source)


def cosines(sentences: Sentences, query: str, embedder: Embedder) -> FloatArray:
    """Cosine of every sentence, in the context of its title, with the question.

    Args:
        sentences: The sentences of the set.
        query: The question.
        embedder: What embeds both.

    Returns:
        One number per sentence: 0 for the set's least similar, 1 for its most similar one, so that
        models whose cosines are all alike tell sentences apart as well; shape ``(sentences,)``.

    Raises:
        RelevanceError: The embedder raised, or what it returned is no usable vectors.
    """
    if not len(sentences):
        return np.zeros(0, dtype=np.float32)
    shown = sentences.in_context()
    distinct = list(dict.fromkeys(shown))
    name = "the embeddings of relevance"
    try:
        # A copy, since what is handed out may be changed.
        given = embedder.texts([*distinct]), embedder.question(query)
    # Clients of remote models raise whatever they please.
    except Exception as error:
        raise RelevanceError(f"{name} raised {type(error).__name__}: {error}") from error
    texts, question = _vectors(given[0]), _vectors(given[1])
    if question.ndim != 1 or texts.shape != (len(distinct), len(question)):
        raise RelevanceError(
            f"{name} have the shape {texts.shape} for {len(distinct)} texts and {question.shape} "
            "for the question; expected one vector per text, as long as that of the question"
        )
    norms = np.append(np.linalg.norm(texts, axis=1), np.linalg.norm(question))
    if not np.isfinite(norms).all() or not norms.all():
        raise RelevanceError(f"{name} contain NaN, infinity or a vector of zeros")
    values = texts @ question / (norms[:-1] * norms[-1])
    low, high = values.min(), values.max()
    shares = np.zeros(len(distinct), dtype=np.float32)
    # One part in a million is rounding.
    if high - low > 1e-6:
        shares[:] = (values - low) / (high - low)
    place = {text: i for i, text in enumerate(distinct)}
    rows = [place[text] for text in shown]
    return shares[rows]


def _vectors(given: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(given, dtype=np.float64)
    # Vectors of different sizes, or no numbers at all.
    except (TypeError, ValueError) as error:
        raise RelevanceError(
            f"the embeddings of relevance are no vectors of one size: {error}"
        ) from error
