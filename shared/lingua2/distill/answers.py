"""Cleans a teacher's answer and tells whether it is a compression at all.

What is stripped must not come from the source: a transcript may itself say "Here is the text:".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lingua2.text import split_units

from .phrases import PHRASES, Phrases

__all__ = ["Answer", "Status", "clean_answer"]

Status = Literal["ok", "empty", "refused", "longer", "foreign", "truncated", "skipped"]
"""``truncated``: the teacher ran into its own limit; ``skipped``: not asked, because the level
before has no usable answer."""

_MOSTLY = 0.5
# Chatter shares its small words with any source; a heading of the source shares nearly all.
_PARTLY = 0.2
_ROUNDS = 10
_THINKING = (
    re.compile(r"<(think(?:ing)?)>.*?</\1>", re.DOTALL | re.IGNORECASE),
    # Some chat templates open the block in the prompt, and some answers end inside of it.
    re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE),
)
_FENCE = re.compile(r"\A(```|~~~)[\w-]*\n(?P<inside>.*?)\n?\1\Z", re.DOTALL)
_TAGS = re.compile(r"\A<(\w+)>(?P<inside>.*?)</\1>\Z", re.DOTALL)
_RULE = re.compile(r"\A[-*_=]{3,}[ \t]*\n|\n[-*_=]{3,}\Z")
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "‘": "’", "`": "`", "「": "」"}
_HEAD = re.compile(r"\A[^\n:：]{1,120}(?:：|:[*_]*(?:\s+|\Z))")
_FIRST_LINE = re.compile(r"\A[^\n]{1,120}[.!]\n+")
_LAST_LINE = re.compile(r"\n+(?P<remark>[^\n]+)\Z")
_LAST_PARAGRAPH = re.compile(r"\n\s*\n(?P<remark>(?:(?!\n\s*\n).)+)\Z", re.DOTALL)
_BRACKETED = re.compile(r"\s(?P<remark>[(\[][^()\[\]]*[)\]])\Z")
_SENTENCE = re.compile(r"[^.!?\n]{1,200}")
_EDGES = re.compile(r"\A[\W_]+|[\W_]+\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is left of a teacher's answer.

    Attributes:
        text: The compressed text without chatter.
        status: ``"ok"``, or why the text is no compression of its source.
        removed: How many pieces of chatter were stripped.
    """

    text: str
    status: Status
    removed: int


def clean_answer(answer: str, source: str, phrases: Phrases = PHRASES) -> Answer:
    """Strip what a teacher wrote around the compressed text, and judge the rest.

    Stripped are thinking blocks, code fences, wrapping tags and quotes, announcements in front and
    remarks behind, unless they come from ``source`` themselves.

    Args:
        answer: The teacher's answer, verbatim.
        source: The text that the teacher was to compress.
        phrases: How refusals and chatter begin.

    Returns:
        The text, with status ``"refused"`` for a refusal, ``"empty"`` where no word is left,
        ``"longer"`` where there are more words or characters than in the source, ``"foreign"``
        where most words do not occur in the source, else ``"ok"``.
    """
    words = _words(source)
    text, removed = _without_thinking(answer.strip(), source)
    if _refuses(text, words, phrases):
        return Answer(text, "refused", removed)
    # One kind of chatter hides another; a bound, since a model may also repeat itself for ever.
    for _ in range(_ROUNDS):
        before = text
        for strip in _STRIPPERS:
            stripped = strip(text, source, words, phrases).strip()
            if stripped != text:
                text, removed = stripped, removed + 1
        if text == before:
            break
    return Answer(text, _judge(text, source, words), removed)


def _judge(text: str, source: str, words: Sequence[str]) -> Status:
    kept = _words(text)
    if not kept:
        return "empty"
    if len(kept) > len(words) or len(text) > len(source):
        return "longer"
    if _foreign(kept, words) > _MOSTLY:
        return "foreign"
    return "ok"


def _without_thinking(text: str, source: str) -> tuple[str, int]:
    if re.search(r"</?think(?:ing)?>", source, re.IGNORECASE):
        return text, 0
    removed = 0
    for pattern in _THINKING:
        text, times = pattern.subn("", text)
        removed += times
    return text.strip(), removed


def _refuses(text: str, words: Sequence[str], phrases: Phrases) -> bool:
    if not phrases.refuse(text):
        return False
    match = _SENTENCE.match(text)
    first = _words(match.group()) if match else []
    answer = _words(text)
    # In a long transcript every word of a refusal may occur, though hardly in this order.
    return not _follows(first, words) and (
        _foreign(answer, words) >= _PARTLY or len(first) > _MOSTLY * len(answer)
    )


def _strip_fence(text: str, source: str, *_: object) -> str:
    match = _FENCE.match(text)
    return match["inside"] if match and match[1] not in source else text


def _strip_tags(text: str, source: str, *_: object) -> str:
    match = _TAGS.match(text)
    if match and f"<{match[1]}>" not in source:
        return match["inside"]
    if "</text>" not in source:
        # The tags of the instruction, echoed on one side only.
        text = text.removeprefix("<text>").removesuffix("</text>")
    return text


def _strip_rule(text: str, source: str, *_: object) -> str:
    match = _RULE.search(text)
    return _RULE.sub("", text) if match and match.group().strip() not in source else text


def _strip_quotes(text: str, source: str, *_: object) -> str:
    if len(text) < 2 or _QUOTES.get(text[0]) != text[-1]:
        return text
    # More of them than in the source: at least these two were added.
    added = all(text.count(mark) > source.count(mark) for mark in (text[0], text[-1]))
    return text[1:-1] if added else text


def _strip_opening(text: str, _: str, words: Sequence[str], phrases: Phrases) -> str:
    for pattern in (_HEAD, _FIRST_LINE):
        if match := pattern.match(text):
            head, rest = _words(match.group()), text[match.end() :]
            announced = phrases.announce(text) and _foreign(head, words) >= _PARTLY
            if announced or (pattern is _HEAD and _stands_out(head, rest, words)):
                return rest
    return text


def _strip_remark(text: str, _: str, words: Sequence[str], phrases: Phrases) -> str:
    for pattern in (_LAST_PARAGRAPH, _LAST_LINE, _BRACKETED):
        if match := pattern.search(text):
            remark, rest = _words(match["remark"]), text[: match.start()]
            known = phrases.remark(match["remark"]) and _foreign(remark, words) >= _PARTLY
            if known or (pattern is _LAST_PARAGRAPH and _stands_out(remark, rest, words)):
                return rest
    return text


_STRIPPERS: tuple[Callable[[str, str, Sequence[str], Phrases], str], ...] = (
    _strip_fence,
    _strip_tags,
    _strip_rule,
    _strip_quotes,
    _strip_opening,
    _strip_remark,
)


def _stands_out(part: Sequence[str], rest: str, words: Sequence[str]) -> bool:
    """Whether ``part`` is made of other words than the source, and the rest is not."""
    others = _words(rest)
    return bool(others) and _foreign(part, words) > _MOSTLY >= _foreign(others, words)


def _foreign(part: Sequence[str], words: Iterable[str]) -> float:
    known = set(words)
    return sum(word not in known for word in part) / len(part) if part else 0.0


def _follows(part: Sequence[str], words: Iterable[str]) -> bool:
    """Whether deleting words can turn ``words`` into ``part``."""
    remaining = iter(words)
    return all(word in remaining for word in part)


def _words(text: str) -> list[str]:
    units = split_units(text)
    bounds = zip(units.starts.tolist(), units.ends.tolist(), strict=True)
    words = (_EDGES.sub("", text[a:b]).replace("’", "'").casefold() for a, b in bounds)
    return [word for word in words if word]
