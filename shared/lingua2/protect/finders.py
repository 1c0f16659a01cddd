"""Names and regular expressions of what is protected, and where it stands in a text."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import regex

from lingua2.errors import BudgetWarning

from . import blocks, patterns

__all__ = ["GUARDS", "Span", "as_guards", "protected_spans"]

_SECONDS = 0.5
_FLAGS = {re.I: "i", re.M: "m", re.S: "s", re.X: "x", re.A: "a"}
_NAME = re.compile(r"[a-z_]+")


class Span(NamedTuple):
    """Characters ``text[start:end]`` that are protected, and the guard that says so."""

    kind: str
    start: int
    end: int


def _matches(pattern: re.Pattern[str]) -> Callable[[str], list[tuple[int, int]]]:
    return lambda text: [match.span() for match in pattern.finditer(text)]


_FINDERS: dict[str, Callable[[str], list[tuple[int, int]]]] = {
    "numbers": _matches(patterns.NUMBERS),
    "dates": _matches(patterns.DATES),
    "identifiers": _matches(patterns.IDENTIFIERS),
    "code": blocks.code,
    "json": blocks.json_structure,
    "tables": blocks.table_marks,
    "headings": _matches(patterns.HEADINGS),
    "quotes": _matches(patterns.QUOTES),
}
GUARDS = (*_FINDERS, "negations")
"""Names that ``protect`` takes beside regular expressions."""


def as_guards(value: Any) -> tuple[str, ...]:
    """Check what a user gave as ``protect``; compiled patterns become strings with their flags.

    Raises:
        ValueError: A name is unknown, or an expression does not compile.
    """
    if isinstance(value, (str, re.Pattern)):
        raise ValueError(f"expected a list of names or regular expressions; write [{value!r}]")
    if not isinstance(value, Iterable):
        raise ValueError(f"expected a list of names or regular expressions, got {value!r}")
    return tuple(dict.fromkeys(_as_guard(item) for item in value))


def _as_guard(item: Any) -> str:
    if isinstance(item, re.Pattern) and isinstance(item.pattern, str):
        flags = "".join(letter for flag, letter in _FLAGS.items() if item.flags & flag)
        item = f"(?{flags}){item.pattern}" if flags else item.pattern
    if not isinstance(item, str):
        raise ValueError(f"expected a name or a regular expression, got {item!r}")
    if item in GUARDS:
        return item
    if _NAME.fullmatch(item) or not item:
        near = difflib.get_close_matches(item, GUARDS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"unknown guard {item!r}; {hint}Known: {', '.join(GUARDS)}. A regular expression that "
            f"is a plain word is written '\\b{item or 'word'}\\b'"
        )
    try:
        _compiled(item)
    except regex.error as error:
        raise ValueError(f"the regular expression {item!r} does not compile: {error}") from error
    return item


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern)


def protected_spans(text: str, guards: Iterable[str]) -> list[Span]:
    """Where ``text`` holds what ``guards`` name, by position; "negations" protects no span.

    An expression of the user's that takes longer than half a second on a text protects nothing
    more of it, with a `BudgetWarning`: a retrieved page must not be able to stop a service.

    Args:
        text: Any string.
        guards: What `as_guards` returned.
    """
    spans: list[Span] = []
    for guard in guards:
        if guard in _FINDERS:
            spans += [Span(guard, *bounds) for bounds in _FINDERS[guard](text)]
        elif guard not in GUARDS:
            spans += [Span(guard, *bounds) for bounds in _within_time(guard, text)]
    return sorted(spans, key=lambda span: (span.start, span.end))


def _within_time(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    try:
        for match in _compiled(pattern).finditer(text, timeout=_SECONDS):
            if match.end() > match.start():
                yield match.span()
    except TimeoutError:
        warnings.warn(
            f"the regular expression {pattern!r} in protect took longer than {_SECONDS} s on a "
            f"text of {len(text):,} characters and protects nothing more of it; avoid nested "
            "repetitions such as (a+)+",
            BudgetWarning,
            stacklevel=2,
        )
