"""Finds negations and the words that they turn into their opposite."""

from __future__ import annotations

import numpy as np

from lingua2.characters import code_points
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
# Words that say little themselves: what a negation turns around stands behind them.
_PASSED_WORDS = (
    "been were have this that with from under such once ever even still case true time will would",
    "wird werden haben diese dieser einem einer dans pour avec está para",
)
_PASSED = frozenset(" ".join(_PASSED_WORDS).split())
# How many telling words a negation reaches, and in how many words altogether.
_REACH, _FARTHEST = 3, 10
# "not, as the press reported, binding", "not (unless both agree) entitled".
_ASIDES = {",": ",", "(": ")", "–": "–", "—": "—"}
_ASIDE = 10
_SLOTS = 4096


def _slots(first: IntArray, last: IntArray, size: IntArray) -> IntArray:
    """A number for what begins and ends with these characters and is that long."""
    return (31 * first + 7 * last + size) % _SLOTS


def _looks() -> BoolArray:
    rows = np.array([(ord(word[0]), ord(word[-1]), len(word)) for word in _NEGATIONS])
    looks = np.zeros(_SLOTS, dtype=bool)
    looks[_slots(*rows.T)] = True
    return looks


_LOOKS = _looks()


def negations(layout: Layout) -> BoolArray:
    """Which units negate what stands beside them: "not", "isn't", "nicht"."""
    text = layout.text.lower()
    if len(text) != len(layout.text):
        # "İ" becomes two characters; capitals of other letters are seen all the same.
        text = "".join(low if len(low := char.lower()) == 1 else char for char in layout.text)
    starts, ends = layout.units.starts, layout.units.ends
    codes = code_points(text).astype(np.int64)
    # Edges and length rule out nearly all units, which saves a look at each.
    found = _LOOKS.take(_slots(codes[starts], codes[ends - 1], ends - starts))
    for i in np.flatnonzero(found).tolist():
        found[i] = text[layout.starts[i] : layout.ends[i]] in _NEGATIONS
    for apostrophe in "'’":
        end = -1
        while (end := text.find(f"n{apostrophe}t", end + 1)) >= 0:
            unit = int(np.searchsorted(ends, end + 3))
            found[unit : unit + 1] |= ends[unit : unit + 1] == end + 3
    return found


def governed(layout: Layout) -> tuple[IntArray, IntArray]:
    """The words that each negation governs.

    Without a parser these are the words behind it up to the next punctuation mark or line break,
    as far as the third telling one, past an aside that follows it at once; at the end of a clause,
    as in German, the word before it. Every word has one negation; that one may itself be governed
    by another, on which the word then depends as well.

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
    # Views give plain integers one by one, where NumPy gives slow scalars.
    clause, line = (signs.astype(np.int64) + begins).cumsum().data, begins.cumsum().data
    head: dict[int, int] = {}
    for i in found.tolist():
        # A sign has the number of the clause that it begins.
        start = _behind_aside(layout, i, line)
        clause_of = i if start == i + 1 else start - 1
        reach = _reach(layout, start, clause, clause[clause_of])
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


def _reach(layout: Layout, start: int, clause: memoryview, number: int) -> list[int]:
    """Units from ``start`` to the third telling one of the clause with this ``number``."""
    reach: list[int] = []
    telling = 0
    for j in range(start, min(start + _FARTHEST, len(layout))):
        if clause[j] != number or telling == _REACH:
            break
        reach.append(j)
        telling += _is_telling(layout.unit(j))
    return reach


def _behind_aside(layout: Layout, negation: int, line: memoryview) -> int:
    """The unit behind ``negation``, or behind the aside that begins there."""
    opening = negation + 1
    if opening >= len(layout):
        return opening
    closing = _ASIDES.get(layout.unit(opening))
    if closing is None:
        return opening
    for j in range(opening + 1, min(opening + 1 + _ASIDE, len(layout) - 1)):
        if line[j] != line[negation]:
            break
        if layout.unit(j) == closing:
            return j + 1
    return opening


def _is_telling(word: str) -> bool:
    # Scripts without spaces come in pieces, all of them short.
    if word.isalpha() and word < "\u2e80":
        return len(word) > 3 and word.lower() not in _PASSED
    return True
