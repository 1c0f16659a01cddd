"""How refusals, announcements and remarks begin; users add those of their language or teacher."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from lingua2.errors import OptionError

__all__ = ["PHRASES", "Phrases"]

_OPENING = re.compile(
    r"[\W_]*(?:sure|certainly|absolutely|of course|okay|ok|alright|here(?:['’]s| is| are| you)|"
    r"below is|the following|(?:the |my |a )?(?:compressed|compression|shortened|condensed|core|"
    r"answer|output|result|final|text)\b)",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"[\W_]*(?:note|please note|let me know|feel free|is there anything|would you like|"
    r"i (?:hope|have|removed|kept|deleted|tried)\b|i['’]ve\b|this (?:version|compress|keeps|"
    r"preserves|text)|the (?:compressed|original|above)|explanation|compression|word count|"
    r"original|removed|\d+ words)",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"[\W_]*(?:(?:i['’]m|i am)(?: very| really| so)? sorry|sorry[,.]|my apologies|i apologi[sz]e|"
    r"i (?:cannot|can['’]t|can not|won['’]t|must decline|do not|don['’]t)\b|"
    r"(?:i['’]m|i am) (?:unable|not able)|as an ai\b|unfortunately,? i\b|please provide|"
    r"(?:this|the|your) (?:content|request|text) (?:violates|cannot|can['’]t)|"
    r"(?:there is )?no text)",
    re.IGNORECASE,
)
_FIRST_WORD = re.compile(r"[\W_]*")


@dataclass(frozen=True, slots=True)
class Phrases:
    """The beginnings of what a teacher writes beside the text, or in its place.

    Attributes:
        refusals: Patterns beside lingua2's own ones, which are English.
        chatter: The same for announcements in front and remarks behind.
    """

    refusals: tuple[re.Pattern[str], ...] = ()
    chatter: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, refusals: Sequence[str] = (), chatter: Sequence[str] = ()) -> Self:
        """From regular expressions, which match in any letter case.

        Raises:
            OptionError: One of them is none.
        """
        return cls(_compiled("refusals", refusals), _compiled("chatter", chatter))

    def refuse(self, text: str) -> bool:
        """Whether ``text`` begins as a refusal does."""
        return _begins(text, _REFUSAL, self.refusals)

    def announce(self, text: str) -> bool:
        """Whether ``text`` begins as what stands in front of an answer does."""
        return _begins(text, _OPENING, self.chatter)

    def remark(self, text: str) -> bool:
        """Whether ``text`` begins as what stands behind an answer does."""
        return _begins(text, _REMARK, self.chatter)


PHRASES = Phrases()
"""lingua2's own ones alone."""


def _begins(text: str, known: re.Pattern[str], added: Sequence[re.Pattern[str]]) -> bool:
    match = _FIRST_WORD.match(text)
    first = match.end() if match else 0
    return bool(known.match(text)) or any(pattern.match(text, first) for pattern in added)


def _compiled(name: str, patterns: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    made = []
    for pattern in patterns:
        try:
            made.append(re.compile(pattern, re.IGNORECASE))
        except re.error as error:
            raise OptionError(
                f"{name}: {pattern!r} is no regular expression ({error}); put a backslash before "
                "signs that stand for themselves"
            ) from error
        if made[-1].match(""):
            raise OptionError(f"{name}: {pattern!r} matches nothing at all, and so every answer")
    return tuple(made)
