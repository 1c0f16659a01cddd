"""Finds negations and the words that they turn into their opposite."""

from __future__ import annotations

import re

import numpy as np

from lingua2.rendering import Layout
from lingua2.text import BoolArray, IntArray

__all__ = ["governed", "negations"]

_WORDS = (
    # English
    "not no never none nothing nobody nowhere neither nor without cannot hardly scarcely barely",
    # German
    "nicht nie niemals nichts niemand nirgends kein keine keinen keinem keiner keines ohne weder",
    # French, Spanish, Portuguese, Italian, Dutch
    "ne pas jamais rien aucun aucune sans nunca jamás nada ningún ninguno ninguna não nenhum",
    "nenhuma non senza nessun nessuno nessuna niente niet nooit geen zonder",
    # Russian, Polish
    "не нет никогда без nigdy bez",
)
# Pieces of the tokenizer, in scripts without spaces.
_PIECES = "没有 不 没 未 无 非 否 ない なし"
_NEGATION = re.compile(
    rf"(?<!\w)(?:{'|'.join(' '.join(_WORDS).split())})(?!\w)|\w+n['’]t(?!\w)"
    rf"|{'|'.join(_PIECES.split())}",
    re.IGNORECASE,
)
_REACH = 3


def negations(layout: Layout) -> BoolArray:
    """Which units negate what stands beside them: "not", "isn't", "nicht"."""
    found: BoolArray = np.zeros(len(layout), dtype=bool)
    bounds = [match.span() for match in _NEGATION.finditer(layout.text)]
    if not bounds or not len(layout):
        return found
    starts, ends = np.array(bounds).T
    units = np.minimum(np.searchsorted(layout.units.starts, starts), len(layout) - 1)
    whole = (layout.units.starts[units] == starts) & (layout.units.ends[units] == ends)
    found[units[whole]] = True
    return found


def governed(layout: Layout) -> tuple[IntArray, IntArray]:
    """The words that each negation governs.

    Without a parser these are the words behind it up to the next punctuation mark or line break,
    three at most; at the end of a clause, as in German, the word before it.

    Returns:
        Unit indices of words, and of the negation of each; both of the same length.
    """
    found = np.flatnonzero(negations(layout))
    if not len(found):
        return found, found
    # Where this differs, a clause, a line or a text ends between two units.
    signs = layout.signs()
    begins = layout.begins_line().copy()
    begins[layout.offsets[:-1][layout.offsets[:-1] < len(layout)]] = True
    clause = (signs.astype(np.int64) + begins).cumsum()
    words: list[int] = []
    heads: list[int] = []
    for i in found.tolist():
        last = min(i + _REACH, len(layout) - 1)
        reach = [j for j in range(i + 1, last + 1) if clause[j] == clause[i]]
        if not reach and i and clause[i - 1] == clause[i] and not signs[i - 1]:
            reach = [i - 1]
        words += reach
        heads += [i] * len(reach)
    return np.array(words, dtype=np.int64), np.array(heads, dtype=np.int64)
