"""Answer survival: does the compressed text still hold the answer, whoever reads it?"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingua2.dataset.files import read_jsonl
from lingua2.errors import DatasetError

if TYPE_CHECKING:
    from lingua2.compressor import Compressor

__all__ = ["Question", "Survival", "answer_survival", "normalise", "read_questions", "survives"]

_ARTICLES = {"a", "an", "the"}
_SEPARATOR = "\n\n"


class _Spaces(dict[int, int]):
    """Code points to themselves, punctuation and symbols to a space; filled as texts need it."""

    def __missing__(self, code: int) -> int:
        is_space = unicodedata.category(chr(code))[0] in "PS"
        self[code] = ord(" ") if is_space else code
        return self[code]


_SPACES = _Spaces()


@dataclass(frozen=True, slots=True)
class Question:
    """A question whose answer stands in its documents.

    Attributes:
        answers: Gold answers, each as good as the others, normalised.
        documents: What a retriever found, in order.
        text: The question itself; empty where it is not known.
    """

    answers: tuple[str, ...]
    documents: tuple[str, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Survival:
    """What came of a number of questions at one rate.

    Attributes:
        rate: The share of the tokens that was asked for.
        achieved: Kept tokens / all tokens.
        survival: Share of the questions whose answer survived.
        questions: Their number.
    """

    rate: float
    achieved: float
    survival: float
    questions: int


def normalise(text: str) -> str:
    """Lower case, punctuation and symbols to spaces, articles dropped, white space folded."""
    words = text.lower().translate(_SPACES).split()
    return " ".join(word for word in words if word not in _ARTICLES)


def survives(answers: Sequence[str], text: str) -> bool:
    """Whether one of the normalised ``answers`` stands contiguously in ``text``."""
    haystack = normalise(text)
    return any(answer in haystack for answer in answers)


def read_questions(path: str | Path) -> list[Question]:
    """The questions of a file that count.

    Left out are questions whose answers are all yes or no, or do not stand in the documents.

    Args:
        path: A ``.jsonl`` or ``.jsonl.gz`` file; a row has ``answers`` and ``documents`` (lists of
            strings) and perhaps ``question``.

    Raises:
        DatasetError: The file cannot be read, a row lacks a field, or no question counts.
    """
    questions = [_question(f"{path}, line {number}", row) for number, row in read_jsonl(path)]
    counted = [
        question
        for question in questions
        if not all(answer in ("yes", "no") for answer in question.answers)
        and survives(question.answers, _SEPARATOR.join(question.documents))
    ]
    if not counted:
        raise DatasetError(
            f"{path}: none of {len(questions)} questions has an answer that stands in its documents"
        )
    return counted


def answer_survival(
    compressor: Compressor, questions: Sequence[Question], rates: Sequence[float], **options: Any
) -> list[Survival]:
    """Compress the documents of each question to each rate, and see which answers survive.

    Args:
        compressor: What compresses.
        questions: Questions with documents.
        rates: Shares of the tokens to keep.
        **options: Further options of `Compressor.compress`.
    """
    found = []
    for rate in rates:
        done: dict[tuple[str, ...], Any] = {}
        hits = kept = total = 0
        for question in questions:
            # Sets of questions share documents.
            if question.documents not in done:
                done[question.documents] = compressor.compress(
                    question.documents, rate=rate, document_separator=_SEPARATOR, **options
                )
            result = done[question.documents]
            hits += survives(question.answers, result.prompt)
            kept += result.compressed_tokens
            total += result.original_tokens
        found.append(Survival(rate, kept / total, hits / len(questions), len(questions)))
    return found


def _question(where: str, row: dict[str, Any]) -> Question:
    lists = []
    for name in ("answers", "documents"):
        value = row.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise DatasetError(f"{where}: {name} must be a list of strings, got {value!r:.60}")
        lists.append(value)
    answers = tuple(answer for answer in map(normalise, lists[0]) if answer)
    return Question(answers, tuple(lists[1]), str(row.get("question", "")))
