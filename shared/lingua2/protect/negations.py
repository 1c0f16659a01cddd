"""Finds negations and the words that they turn into their opposite."""

from __future__ import annotations

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
_NEGATIONS = frozenset(" ".join((*_WORDS, _PIECES)).split())
_REACH = 3


def negations(layout: Layout) -> BoolArray:
    """Which units negate what stands beside them: "not", "isn't", "nicht"."""
    text = layout.text.lower()
    if len(text) != len(layout.text):
        # "İ" becomes two characters; capitals of other letters are seen all the same.
        text = "".join(low if len(low := char.lower()) == 1 else char for char in layout.text)
    # One look at each unit: a regular expression over the text takes ten times as long.
    bounds = zip(layout.starts, layout.ends, strict=True)
    found: BoolArray = np.array([text[a:b] in _NEGATIONS for a, b in bounds], dtype=bool)
    for apostrophe in "'’":
        end = -1
        while (end := text.find(f"n{apostrophe}t", end + 1)) >= 0:
            unit = int(np.searchsorted(layout.units.ends, end + 3))
            found[unit : unit + 1] |= layout.units.ends[unit : unit + 1] == end + 3
    return found


def governed(layout: Layout) -> tuple[IntArray, IntArray]:
    """The words that each negation governs.

    Without a parser these are the words behind it up to the next punctuation mark or line break,
    three at most; at the end of a clause, as in German, the word before it. Every word has one
    negation; that one may itself be governed by another, on which the word then depends as well.

    Returns:
        Unit indices of words, and of the negation of each; both of the same length. A word comes
        before its negation comes as a word, so one pass raises whole chains.
    """
    negating = negations(layout)
    found = np.flatnonzero(negating)
    if not len(found):
        return found, found
    # Where this differs, a clause, a line or a text ends between two units.
    signs = layout.signs()
    begins = layout.begins_line().copy()
    begins[layout.offsets[:-1][layout.offsets[:-1] < len(layout)]] = True
    clause = (signs.astype(np.int64) + begins).cumsum()
    head: dict[int, int] = {}
    for i in found.tolist():
        last = min(i + _REACH, len(layout) - 1)
        reach = [j for j in range(i + 1, last + 1) if clause[j] == clause[i]]
        head.update(dict.fromkeys(reach, i))
        before = i - 1
        if reach or before < 0 or clause[before] != clause[i] or signs[before] or negating[before]:
            continue
        # "did not say it never": both govern "it", through each other.
        if before in head:
            head[i] = head[before]
        head[before] = i
    # A word before its negation comes first, and before what stands on its left.
    words = sorted(head, key=lambda word: (max(word, head[word]), word < head[word]), reverse=True)
    return np.array(words, dtype=np.int64), np.array([head[w] for w in words], dtype=np.int64)
