"""Scores of whole texts: those of a retriever or reranker, and the order they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np

from lingua2._warnings import warn
from lingua2.backends import FloatArray
from lingua2.errors import OptionError, RelevanceError, RelevanceWarning
from lingua2.rendering import Layout

__all__ = [
    "STRINGS_HAVE_NO_SCORES",
    "ErrorMode",
    "by_text",
    "check_number",
    "document_scores",
    "ends_first",
    "is_score",
    "shares",
    "tell",
]

ErrorMode = Literal["warn", "raise"]

STRINGS_HAVE_NO_SCORES = (
    "relevance='scores' takes the scores of nodes or documents, which strings do not have; give "
    "one number per text"
)


def by_text(layouts: Sequence[Layout], scores: Sequence[float]) -> FloatArray:
    """Every unit's share of its text's score: 0 for the set's worst text, 1 for its best.

    Scores of retrievers and rerankers have any scale and sign, so only their order and distances
    count; where all are equal they say nothing.
    """
    return np.repeat(shares(scores), [len(layout) for layout in layouts])


def shares(scores: Sequence[float]) -> FloatArray:
    """``scores`` on a scale from 0, the least, to 1, the highest; zeros where all are equal."""
    values = np.array(scores, dtype=np.float64)
    # Scaled first, so that no difference of two huge scores overflows.
    values /= np.abs(values).max(initial=0.0) or 1.0
    low, high = values.min(initial=1.0), values.max(initial=-1.0)
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return scaled.astype(np.float32)


def is_score(value: Any) -> bool:
    """Whether ``value`` is a finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def check_number(relevance: Any, texts: int) -> None:
    """Refuse scores that are not one per text.

    Raises:
        OptionError: ``relevance`` holds another number of scores than ``texts``.
    """
    if isinstance(relevance, tuple) and len(relevance) != texts:
        raise OptionError(
            f"relevance has {len(relevance)} numbers for {texts} texts; give one per text"
        )


def document_scores(
    scores: Sequence[Any], source: str, errors: ErrorMode = "warn"
) -> tuple[float, ...] | Literal["bm25"]:
    """One number per text, made of what a retriever or reranker gave.

    Args:
        scores: What stands with each text; None or anything else but a finite number is missing.
        source: Where they stand, for the message.
        errors: What to do where some are missing: with ``"warn"`` those texts get the lowest score
            of the others, and where all are missing the question's words say what is relevant.

    Returns:
        What to give as ``relevance``.

    Raises:
        RelevanceError: Scores are missing, and ``errors`` is ``"raise"``.

    Warns:
        RelevanceWarning: Scores are missing.
    """
    known = [float(score) for score in scores if is_score(score)]
    missing = len(scores) - len(known)
    if missing:
        instead = "they count as the lowest of the others" if known else "BM25 is used"
        tell(
            f"relevance='scores': {missing} of {len(scores)} texts have no number in {source}",
            instead,
            errors,
        )
    if not known:
        return "bm25" if scores else ()
    lowest = min(known)
    return tuple(float(score) if is_score(score) else lowest for score in scores)


def ends_first(values: Sequence[float]) -> list[int]:
    """The order that puts the highest values first and last and the lowest in the middle.

    Readers use best what stands at the ends of a long prompt (Liu et al. 2023, "Lost in the
    Middle"). Where all values are equal the order stays.
    """
    if len(set(values)) < 2:
        return list(range(len(values)))
    ranked = sorted(range(len(values)), key=lambda i: -values[i])
    return ranked[::2] + ranked[1::2][::-1]


def tell(what: str, instead: str, errors: ErrorMode) -> None:
    """Say that something cannot be used, as an error or as a warning."""
    if errors == "raise":
        raise RelevanceError(f"{what}; relevance_errors='warn' would go on: {instead}")
    warn(f"{what}; {instead}", RelevanceWarning)
