"""Cosine of the question and every sentence, by whatever embeds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua2.backends import FloatArray
from lingua2.errors import RelevanceError
from lingua2.sentence_vectors import Levels, levels_of

from .sentences import Sentences
from .stored import NOTHING_STORED, StoredVectors

__all__ = ["Embedder", "cosines", "embedder_of", "vectors_of"]

# By these attributes the classes of LangChain, LlamaIndex and their kin tell their model.
_NAMES = ("model_name", "model", "model_id")
# LlamaIndex's default for a class that does not say which model it is.
_NO_NAME = ("", "unknown")


@dataclass(frozen=True, slots=True)
class Embedder:
    """What embeds questions and texts.

    Attributes:
        question: Gives the vector of a question.
        texts: Gives the vectors of texts.
        name: Tells it from others, whose stored vectors are not its own; None where that is not
            known.
    """

    question: Callable[[str], Any]
    texts: Callable[[list[str]], Any]
    name: str | None = None


def embedder_of(source: Any, name: str | None = None) -> Embedder | None:
    """How ``source`` embeds, None where it does not look as if it did.

    Args:
        source: A LangChain ``Embeddings``, a LlamaIndex ``BaseEmbedding``, or a callable that
            takes a list of strings and returns a vector for each.
        name: Tells it from others. None takes that of its model (``model_name``, ``model`` or
            ``model_id``), or else of its class or function. Where these stay, other weights,
            instructions or ways of pooling are not noticed.
    """
    if isinstance(source, Embedder):
        return source if name is None else Embedder(source.question, source.texts, name)
    if isinstance(source, type):
        return None
    for question, texts in (
        ("embed_query", "embed_documents"),
        ("get_query_embedding", "get_text_embedding_batch"),
    ):
        if callable(getattr(source, question, None)) and callable(getattr(source, texts, None)):
            named = name or _name_of(source)
            return Embedder(getattr(source, question), getattr(source, texts), named)
    if not callable(source):
        return None
    return Embedder(lambda query: np.asarray(source([query]))[0], source, name or _name_of(source))


def cosines(
    sentences: Sentences, query: str, embedder: Embedder, stored: StoredVectors = NOTHING_STORED
) -> FloatArray:
    """Cosine of every sentence, in the context of its title, with the question.

    Args:
        sentences: The sentences of the set.
        query: The question.
        embedder: What embeds both.
        stored: Vectors that need not be computed; where there are all, only the question is
            embedded.

    Returns:
        One number per sentence: 0 for the set's least similar, 1 for its most similar one, so that
        models whose cosines are all alike tell sentences apart as well; shape ``(sentences,)``.

    Raises:
        RelevanceError: The embedder raised, or what it returned is no usable vectors.
    """
    if not len(sentences):
        return np.zeros(0, dtype=np.float32)
    question = _called(embedder.question, query)
    if question.ndim != 1:
        raise RelevanceError(
            f"the embeddings have the shape {question.shape} for a question; expected one vector"
        )
    _check_numbers(question)
    by_text = sentences.by_text()
    shown = [sentence for own in by_text for sentence in own]
    place = {sentence: i for i, sentence in enumerate(dict.fromkeys(shown))}
    levels = np.zeros((len(place), len(question)), dtype=np.int8)
    missing = dict(place)
    for own, known in zip(by_text, stored.find(by_text, embedder.name, len(question)), strict=True):
        if known is not None:
            levels[[place[sentence] for sentence in own]] = known
            for sentence in own:
                missing.pop(sentence, None)
    if missing:
        levels[list(missing.values())] = vectors_of([*missing], embedder, len(question))
    vectors = levels.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(question)
    values = vectors @ question / norms
    low, high = values.min(), values.max()
    shares = np.zeros(len(place), dtype=np.float32)
    # One part in a million is rounding.
    if high - low > 1e-6:
        shares[:] = (values - low) / (high - low)
    return shares[[place[sentence] for sentence in shown]]


def vectors_of(texts: Sequence[str], embedder: Embedder, size: int | None = None) -> Levels:
    """The vectors of ``texts`` as they are stored.

    Args:
        texts: Distinct texts, at least one.
        embedder: What embeds them.
        size: How many components a vector must have; None takes any number.

    Raises:
        RelevanceError: The embedder raised, or what it returned is no usable vectors.
    """
    # A copy, since what is handed out may be changed.
    vectors = _called(embedder.texts, [*texts])
    wanted = (len(texts), vectors.shape[-1] if size is None and vectors.ndim else size)
    if vectors.shape != wanted:
        raise RelevanceError(
            f"the embeddings have the shape {vectors.shape} for {len(texts)} texts; expected one "
            f"vector per text{'' if size is None else f', each of {size} numbers'}"
        )
    _check_numbers(vectors)
    return levels_of(vectors)


def _called(call: Callable[[Any], Any], given: Any) -> NDArray[np.float64]:
    try:
        made = call(given)
    # Clients of remote models raise whatever they please.
    except Exception as error:
        raise RelevanceError(f"the embeddings raised {type(error).__name__}: {error}") from error
    try:
        return np.asarray(made, dtype=np.float64)
    # Vectors of different sizes, or no numbers at all.
    except (TypeError, ValueError) as error:
        raise RelevanceError(f"the embeddings are no vectors of one size: {error}") from error


def _check_numbers(vectors: NDArray[np.float64]) -> None:
    norms = np.linalg.norm(vectors, axis=-1)
    if not np.isfinite(norms).all() or not np.all(norms):
        raise RelevanceError("the embeddings contain NaN, infinity or a vector of zeros")


def _name_of(source: Any) -> str | None:
    """What tells ``source`` from others, as far as it says so itself."""
    # A method belongs to what has the model.
    source = getattr(source, "__self__", source)
    for attribute in _NAMES:
        value = getattr(source, attribute, None)
        if isinstance(value, str) and value not in _NO_NAME:
            return value
    named = source if hasattr(source, "__qualname__") else type(source)
    name = f"{named.__module__}.{named.__qualname__}"
    # All lambdas have one name, as have all partial calls.
    return None if "<" in name or name.startswith("functools.") else name
