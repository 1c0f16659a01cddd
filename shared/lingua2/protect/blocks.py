"""Finds code, JSON and tables, whose structure means something."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["code", "json_structure", "table_marks"]

Bounds = tuple[int, int]

# Backticks on the rest of the line would make it inline code.
_FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})[^\n]*$", re.MULTILINE)
_INLINE = re.compile(r"(?P<ticks>`{1,2})(?!`)[^\n]+?(?<!`)(?P=ticks)(?!`)")
_ROW = re.compile(r"^[^\n|]*\|[^\n]*$", re.MULTILINE)
_RULE = re.compile(r"[ \t]*(?:\|[ \t]*)?:?-{2,}:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*(?:\|[ \t]*)?\r?")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_COLON = re.compile(r"[ \t\n\r]*:")
# Braces and brackets of code, LaTeX and references open no JSON, and need not be tried.
_OPENING = re.compile(r'\{[ \t\n\r]*"|\[[ \t\n\r]*(?:["{\[\d\-]|true|false|null|NaN|Infinity)')
_DECODER = json.JSONDecoder()
# A value with fewer words than this is a name, a state or a number rather than a text.
_LONG_VALUE = 8
# Characters that are read in vain, as a multiple of the text's: where every bracket of a page opens
# what never closes, trying them all would take quadratic time.
_VAIN = 16
# Characters that the decoder gets at first, and how many times as many if these were too few. An
# error counts the lines in front of its place, so the whole text would be read for every bracket.
_PIECE, _GROWTH = 1024, 8
# How far in front of an end what it cuts in two can begin: "-Infinity" is the longest.
_TORN = 9
# What ends a line for us and not for JSON: a gap with it would become a line break, which is not
# allowed inside a string. And cutting words around an escape could leave half of it.
_UNSAFE = re.compile(r"[\\\x85\u2028\u2029]")


def code(text: str) -> list[Bounds]:
    """Fenced blocks with their fences, and inline code.

    A fence that never closes reaches to the end, as Markdown has it.
    """
    found: list[Bounds] = []
    position = 0
    while match := _FENCE.search(text, position):
        fence = match["fence"]
        closing = re.compile(rf"^[ \t]*{fence[0]}{{{len(fence)},}}[ \t\r]*$", re.MULTILINE)
        end = closing.search(text, match.end())
        found.append((match.start(), end.end() if end else len(text)))
        position = found[-1][1]
    inside = iter([*found, (len(text), len(text))])
    low, high = next(inside)
    for match in _INLINE.finditer(text):
        while high <= match.start() and low < len(text):
            low, high = next(inside)
        if match.end() <= low:
            found.append(match.span())
    return sorted(found)


def json_structure(text: str) -> list[Bounds]:
    """What has to stay so that the JSON objects and lists in ``text`` remain valid.

    That is everything but the inside of long string values. What does not parse is left alone.
    """
    found: list[Bounds] = []
    for start, end in _documents(text):
        position = start
        for match in _STRING.finditer(text, start, end):
            is_key = _COLON.match(text, match.end(), end)
            value = match.group()
            if is_key or len(value.split()) < _LONG_VALUE or _UNSAFE.search(value):
                continue
            found.append((position, match.start() + 1))
            position = match.end() - 1
        found.append((position, end))
    return found


def _documents(text: str) -> Iterator[Bounds]:
    position, patience = 0, _VAIN * len(text)
    while patience > 0 and (match := _OPENING.search(text, position)):
        start = match.start()
        value, size, read = _decoded(text, start)
        if not size:
            patience -= read
            position = start + 1
            continue
        # "[1]" is a reference, "{}" says nothing.
        if value and (isinstance(value, dict) or any(map(_is_telling, value))):
            yield start, start + size
        position = start + size


def _decoded(text: str, start: int) -> tuple[Any, int, int]:
    """What stands at ``start``, its length, 0 where it is no JSON, and how much was read for it."""
    size, read = _PIECE, 1
    while True:
        piece = text[start : start + size]
        try:
            return *_DECODER.raw_decode(piece), read
        except json.JSONDecodeError as error:
            read += error.pos
            is_torn = error.msg.startswith("Unterminated") or error.pos >= len(piece) - _TORN
        except (ValueError, RecursionError):
            # A number with thousands of digits, or brackets in brackets.
            return None, 0, read + len(piece)
        if not is_torn or start + size >= len(text):
            return None, 0, read
        size *= _GROWTH


def _is_telling(item: Any) -> bool:
    return isinstance(item, (dict, list, str))


def table_marks(text: str) -> list[Bounds]:
    """The separators of Markdown tables: the ``|`` of every row, and the rule below the header."""
    found: list[Bounds] = []
    rows = list(_ROW.finditer(text))
    tables: list[list[re.Match[str]]] = []
    for row in rows:
        if tables and row.start() == tables[-1][-1].end() + 1:
            tables[-1].append(row)
        else:
            tables.append([row])
    for table in tables:
        if not any(_RULE.fullmatch(row.group()) for row in table[:2]):
            continue
        for row in table:
            if _RULE.fullmatch(row.group()):
                found.append(row.span())
            else:
                found += [
                    (row.start() + i, row.start() + i + 1)
                    for i, char in enumerate(row.group())
                    if char == "|" and (i == 0 or row.group()[i - 1] != "\\")
                ]
    return found
