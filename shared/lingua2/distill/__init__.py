"""Data distillation: a teacher compresses documents by deleting words (paper, sections 3.1, 3.2).

>>> from lingua2.distill import Price, distill, read_documents
>>> documents = read_documents("minutes.jsonl")
>>> report = distill(documents, "openai:gpt-4o", "answers.jsonl", price=Price(2.5, 10), budget=20)
"""

from .answers import Answer, clean_answer
from .chunks import chunk_text
from .documents import Document, read_documents
from .output import read_answers
from .phrases import Phrases
from .plan import Estimate
from .report import DistillReport
from .run import adistill, distill, estimate
from .settings import DistillSettings, Price
from .teacher import resolve_teacher

__all__ = [
    "Answer",
    "DistillReport",
    "DistillSettings",
    "Document",
    "Estimate",
    "Phrases",
    "Price",
    "adistill",
    "chunk_text",
    "clean_answer",
    "distill",
    "estimate",
    "read_answers",
    "read_documents",
    "resolve_teacher",
]
