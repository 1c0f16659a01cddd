"""What kind of character stands at every position of a text, as one array.

Questions about all units of a set ("which have a letter?") are answered by a few NumPy operations
over this array instead of a look at every unit.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ALNUM",
    "CUT",
    "DIGIT",
    "FULL_STOP",
    "LEADING",
    "MARK",
    "MARKS",
    "NEWLINE",
    "PLAIN_WORD",
    "SENTENCE_MARK",
    "SENTENCE_MARKS",
    "SPACE",
    "TRAILING",
    "UNSPACED",
    "UNSPACED_MARKS",
    "UNSPACED_RUN",
    "code_points",
    "has_unspaced",
    "kinds_of",
    "well_formed",
]

# Chinese and Japanese, Thai, Lao, Tibetan, Myanmar, Khmer; with the ideographic full stop, comma
# and brackets, which stand between such words without spaces as well.
_UNSPACED = (
    r"\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3001-\u312f\u31c0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f"
    r"\U00020000-\U0003ffff"
)
UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
"""One or more characters of scripts that put no spaces between words."""
PLAIN_WORD = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")
"""What counts as a word where no model cuts: a run without white space, or in scripts that put no
spaces between words a character."""
# Marks that are split off. Signs that change what a word means stay with it: "$100", "50%", "-5",
# "#42", "@user", "--flag", "/usr/bin", ".env", "C++", "**bold**".
LEADING = "([{\"'“‘«„‚¿¡—–…"
TRAILING = ".,;:!?…)]}\"'”’»—–،؛؟।॥"
UNSPACED_MARKS = "、。〈〉《》「」『』【】〔〕！（），．：；？［］｛｝｡｢｣､"
MARKS = "".join(sorted({*LEADING, *TRAILING, *UNSPACED_MARKS}))
"""Punctuation that is a unit of its own at the edges of words."""
SENTENCE_MARKS = ".!?…。！？｡．؟।॥"

ALNUM, DIGIT, NEWLINE, SPACE, MARK, SENTENCE_MARK, CUT, FULL_STOP, UNSPACED = (
    1 << bit for bit in range(9)
)
"""Bits of a character's kind. `CUT` is for marks that never belong to the word before them, in
contrast to brackets, quotes and the full stop."""

# Everything below is looked up in a table; above stand scripts of thousands of characters, of
# which one set of texts has few.
_TABLE_SIZE = 0x2100
_SETS = {
    NEWLINE: "\n\r\x0b\x0c\x85\u2028\u2029",
    MARK: MARKS,
    SENTENCE_MARK: SENTENCE_MARKS,
    CUT: ",;:!?",
    FULL_STOP: ".",
}


def has_unspaced(text: str) -> bool:
    """Whether ``text`` has a script without spaces, whose units need the tokenizer's pieces."""
    return not text.isascii() and UNSPACED_RUN.search(text) is not None


def well_formed(text: str) -> str:
    """``text`` with every lone surrogate replaced by U+FFFD, so that it can be encoded.

    Lengths and offsets stay as they are.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def code_points(text: str) -> NDArray[np.uint32]:
    """The code point of every character, lone surrogates included."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def kinds_of(codes: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """The kind of every character, bits of `ALNUM` and the others; shape of ``codes``."""
    kinds: NDArray[np.uint16] = _table().take(codes, mode="clip")
    high = np.flatnonzero(codes >= _TABLE_SIZE)
    if len(high):
        distinct, which = np.unique(codes[high], return_inverse=True)
        kinds[high] = _kinds("".join(map(chr, distinct.tolist())))[which]
    return kinds


@cache
def _table() -> NDArray[np.uint16]:
    return _kinds("".join(map(chr, range(_TABLE_SIZE))))


def _kinds(chars: str) -> NDArray[np.uint16]:
    special: dict[str, int] = {}
    for kind, members in _SETS.items():
        for char in members:
            special[char] = special.get(char, 0) | kind
    kinds = [
        ALNUM * char.isalnum()
        | DIGIT * char.isdecimal()
        | SPACE * char.isspace()
        | special.get(char, 0)
        for char in chars
    ]
    array = np.array(kinds, dtype=np.uint16)
    for match in UNSPACED_RUN.finditer(chars):
        array[match.start() : match.end()] |= UNSPACED
    return array
