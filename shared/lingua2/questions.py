"""How a model that learnt to reads a question: before every window of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .counting import well_formed

if TYPE_CHECKING:
    from .loading import Tokenization

__all__ = ["READS_QUESTIONS", "question_prefix"]

READS_QUESTIONS = "lingua2_reads_questions"
"""Field of ``config.json`` that a model has which learnt to read a question before the text."""


def question_prefix(checkpoint: Tokenization, question: str) -> tuple[int, ...]:
    """Ids before a window of a text that is read behind ``question``: ``[CLS] question [SEP]``.

    A question is cut to a quarter of the longest window: what a page of text asks stands in no
    training data.
    """
    ids = checkpoint.pieces.encode(well_formed(question), add_special_tokens=False).ids
    if not ids:
        return checkpoint.prefix
    most = checkpoint.max_length // 4
    return (*checkpoint.prefix, *ids[:most], *checkpoint.suffix)
