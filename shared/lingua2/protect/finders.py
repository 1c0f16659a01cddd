"""Names and regular expressions of what is protected, and where it stands in a text."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lingua2._warnings import warn
from lingua2.errors import BudgetWarning

from . import blocks

if TYPE_CHECKING:
    import regex

__all__ = ["GUARDS", "Span", "as_guards", "protected_spans", "spans_by_text"]

# For each of the user's expressions in one call, over all of its texts.
_SECONDS = 0.5
# Of these, what a text gets at first, see `_matched`.
_FIRST = 1 / 8
_FLAGS = {re.I: "i", re.M: "m", re.S: "s", re.X: "x", re.A: "a"}
_NAME = re.compile(r"[a-z_]+")


class Span(NamedTuple):
    """Characters ``text[start:end]`` that are protected, and the guard that says so."""

    kind: str
    start: int
    end: int


def _matches(name: str) -> Callable[[str], list[tuple[int, int]]]:
    def find(text: str) -> list[tuple[int, int]]:
        # They take long to compile, and most processes never need them.
        from . import patterns

        pattern: re.Pattern[str] = getattr(patterns, name)
        return [match.span() for match in pattern.finditer(text)]

    return find


_FINDERS: dict[str, Callable[[str], list[tuple[int, int]]]] = {
    "numbers": _matches("NUMBERS"),
    "dates": _matches("DATES"),
    "identifiers": _matches("IDENTIFIERS"),
    "code": blocks.code,
    "json": blocks.json_structure,
    "tables": blocks.table_marks,
    "headings": _matches("HEADINGS"),
    "quotes": _matches("QUOTES"),
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
    import regex

    try:
        _compiled(item)
    except regex.error as error:
        raise ValueError(f"the regular expression {item!r} does not compile: {error}") from error
    return item


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> regex.Pattern[str]:
    import regex

    return regex.compile(pattern)


def protected_spans(text: str, guards: Iterable[str]) -> list[Span]:
    """Where ``text`` holds what ``guards`` name, by position; "negations" protects no span.

    See `spans_by_text` for what limits the user's expressions.

    Args:
        text: Any string.
        guards: What `as_guards` returned.
    """
    return spans_by_text([text], guards)[0]


def spans_by_text(texts: Sequence[str], guards: Iterable[str]) -> list[list[Span]]:
    """`protected_spans` of each of ``texts``.

    An expression of the user's has about half a second of wall time for all texts together. Then
    it protects nothing more of them, and a `BudgetWarning` says so: retrieved pages must not be
    able to stop a service.

    Args:
        texts: Any strings.
        guards: What `as_guards` returned.
    """
    found: list[list[Span]] = [[] for _ in texts]
    for guard in guards:
        if guard in _FINDERS:
            bounds = [_FINDERS[guard](text) for text in texts]
        elif guard not in GUARDS:
            bounds = _within_time(guard, texts)
        else:
            continue
        for spans, own in zip(found, bounds, strict=True):
            spans += [Span(guard, *pair) for pair in own]
    return [sorted(spans, key=lambda span: (span.start, span.end)) for spans in found]


def _within_time(pattern: str, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
    compiled = _compiled(pattern)
    deadline = time.monotonic() + _SECONDS
    found: list[list[tuple[int, int]]] = []
    for text in texts:
        bounds, is_whole = _matched(compiled, text, deadline)
        found.append(bounds)
        if not is_whole:
            break
    else:
        return found
    missed = len(texts) - len(found) + 1
    warn(
        f"the regular expression {pattern!r} in protect took longer than {_SECONDS} s and protects "
        f"nothing more in {missed} of {len(texts)} text{'s' * (len(texts) > 1)}; avoid nested "
        "repetitions such as (a+)+",
        BudgetWarning,
    )
    return [*found, *([] for _ in range(missed - 1))]


def _matched(
    pattern: regex.Pattern[str], text: str, deadline: float
) -> tuple[list[tuple[int, int]], bool]:
    """What ``pattern`` finds, and whether that is all."""
    bounds: list[tuple[int, int]] = []
    share = _SECONDS * _FIRST
    while time.monotonic() < deadline:
        bounds = []
        try:
            for match in pattern.finditer(text, timeout=share):
                if match.end() > match.start():
                    bounds.append(match.span())
        except TimeoutError:
            # The clock of `regex` is C's clock(): but on Windows the processor time of all threads
            # of the process. That runs ahead where others compute, as when torch does, and behind
            # where other processes take the processor. So little of it is given at first, then
            # more and more, and what is left of the wall time decides.
            share *= 2
        else:
            return bounds, True
    return bounds, False
