"""Measures of what a compression keeps."""

from .survival import Question, Survival, answer_survival, normalise, read_questions, survives

__all__ = [
    "Question",
    "Survival",
    "answer_survival",
    "normalise",
    "read_questions",
    "survives",
]
