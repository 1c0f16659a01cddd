"""Finds what compression must not break: numbers, identifiers, code, JSON, negations."""

from __future__ import annotations

from .finders import GUARDS, Span, as_guards, protected_spans
from .guards import Guards, guards_of
from .negations import governed, negations

__all__ = [
    "GUARDS",
    "Guards",
    "Span",
    "as_guards",
    "governed",
    "guards_of",
    "negations",
    "protected_spans",
]
