"""The order in which a reader makes the most of a set of texts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._checks import checked_stored, checked_texts
from .errors import OptionError, RelevanceError
from .options import resolve_options
from .relevance import (
    STRINGS_HAVE_NO_SCORES,
    Embedder,
    ErrorMode,
    StoredVectors,
    check_number,
    embedder_of,
    ends_first,
    question_values,
    tell,
)
from .rendering import Layout
from .text import split_texts

__all__ = ["Arrangement", "arrange", "reading_order"]


class Arrangement(NamedTuple):
    """An order of texts, and what their compression in this order is to be given.

    Attributes:
        order: Positions of the texts in the input, in the new order.
        relevance: The option ``relevance`` for the texts in the new order; asks embeddings nothing
            that was asked for the order, and is ``"bm25"`` where they cannot be used.
    """

    order: list[int]
    relevance: Any


def reading_order(
    texts: Iterable[str],
    query: str | None,
    *,
    relevance: Any = "bm25",
    relevance_errors: ErrorMode = "warn",
    embeddings: Sequence[bytes | str | None] | None = None,
    embeddings_name: str | None = None,
) -> list[int]:
    """The order that puts the most relevant texts first and last ("Lost in the Middle").

    To compress and then read them in this order, put the texts in it before they are compressed:
    what they cost together depends on it.

    Args:
        texts: The texts of a set.
        query: The question; without one only given scores have an order.
        relevance: What says how relevant a text is, see `CompressionOptions`; ``"model"`` counts
            as ``"bm25"`` here.
        relevance_errors: What to do where embeddings cannot be used.
        embeddings: What `pack_embeddings` gave for each text, see `Compressor.compress`.
        embeddings_name: The option of this name.

    Returns:
        Positions of the texts. Without anything that tells them apart the order stays.

    Raises:
        InputError: ``texts`` is not a sequence of strings, or ``embeddings`` does not fit it.
        OptionError: ``relevance`` or ``relevance_errors`` is unknown, or not one number per text.
        RelevanceError: Embeddings cannot be used, and ``relevance_errors`` is ``"raise"``.

    Warns:
        RelevanceWarning: Embeddings cannot be used.
    """
    given = {
        "relevance": relevance,
        "relevance_errors": relevance_errors,
        "embeddings_name": embeddings_name,
    }
    options = resolve_options({"rate": 1.0}, given)
    if options.relevance == "scores":
        raise OptionError(STRINGS_HAVE_NO_SCORES)
    sources = checked_texts(texts)
    return arrange(
        sources,
        query,
        relevance=options.relevance,
        errors=options.relevance_errors,
        embeddings=checked_stored(embeddings, len(sources), "embeddings"),
        embeddings_name=options.embeddings_name,
    ).order


def arrange(
    texts: Sequence[str],
    query: str | None,
    *,
    relevance: Any,
    errors: ErrorMode = "warn",
    embeddings: Sequence[Any] = (),
    embeddings_name: str | None = None,
) -> Arrangement:
    """`reading_order` for texts that are compressed next.

    Args:
        texts: The texts of a set.
        query: The question.
        relevance: The option of this name, checked.
        errors: What to do where embeddings cannot be used.
        embeddings: What `pack_embeddings` gave for each text, whatever that is worth.
        embeddings_name: The option of this name.

    Raises:
        RelevanceError: Embeddings cannot be used, and ``errors`` is ``"raise"``.

    Warns:
        RelevanceWarning: Embeddings cannot be used.
    """
    check_number(relevance, len(texts))
    given = isinstance(relevance, (str, tuple))
    embedder = None if given else embedder_of(relevance, embeddings_name)
    if embedder is not None:
        relevance = _remembering(embedder)
    units = split_texts(texts)
    layout = Layout.joined([Layout(text, own) for text, own in zip(texts, units, strict=True)])
    try:
        stored = StoredVectors(embeddings, embeddings_name)
        values = question_values(layout, query or "", relevance, "raise", stored)
    except RelevanceError as error:
        if errors == "raise":
            raise
        tell(str(error), "BM25 alone is used", errors)
        relevance = "bm25"
        values = question_values(layout, query or "", relevance)
    bounds = itertools.pairwise(layout.offsets.tolist())
    order = ends_first([float(values[low:high].max(initial=0.0)) for low, high in bounds])
    if isinstance(relevance, tuple):
        relevance = tuple(relevance[i] for i in order)
    return Arrangement(order, relevance)


def _remembering(embedder: Embedder) -> Embedder:
    """``embedder``, asked for each question and text once."""
    known: dict[str, NDArray[np.float64]] = {}

    def vectors(texts: list[str]) -> list[NDArray[np.float64]]:
        missing = [text for text in texts if text not in known]
        if missing:
            known.update(zip(missing, embedder.texts(missing), strict=True))
        return [known[text] for text in texts]

    return Embedder(cache(embedder.question), vectors, embedder.name)
