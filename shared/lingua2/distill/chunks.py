"""Cuts documents into chunks that a teacher compresses one at a time (paper, section 3.2).

A teacher drops far more of a long text than of a short one, so the paper asks for chunks of at most
512 tokens that end where a sentence ends.
"""

from __future__ import annotations

import re
from itertools import pairwise

from lingua2.counting import TokenCounter
from lingua2.errors import OptionError
from lingua2.text import split_units

__all__ = ["chunk_text"]

Span = tuple[int, int]

# What stands before a name or a number and never, or hardly ever, ends a sentence. One that is
# missing costs little, and so does one too many: the chunk ends at another sentence.
_ABBREVIATIONS = (
    "Mr|Mrs|Ms|Mx|Dr|Prof|Rev|Hon|Sr|Sra|Srta|Mme|Mlle|Jr|St|Ste|Gen|Col|Capt|Lt|Sgt|Maj|Gov|Sen|"
    "Rep|Pres|Supt|Insp|Nos?|Nr|Art|Sec|Ch|Figs?|Eqs?|Ref|Tab|Vols?|pp|eds?|vs|cf|ca|approx|resp|al|"
    "bzw|ggf|vgl|Abs|Hr|Fr|Frl|Dipl|Ing|Mt|Ft|Ave|Blvd|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
)
# Single letters are initials: "J. R. Smith", and so are those of "U.S." and "e.g.".
_ABBREVIATED = re.compile(
    rf"(?<![^\W_])(?:{_ABBREVIATIONS}|[^\W\d_](?:\.[^\W\d_])*)\.\Z", re.IGNORECASE
)
_LONGEST_ABBREVIATION = 8


def chunk_text(text: str, count: TokenCounter, max_tokens: int = 512) -> list[Span]:
    """Cut ``text`` at sentence ends into chunks of at most ``max_tokens`` tokens.

    Only a sentence that is longer than that is cut between its words, and only a word that is
    longer than that between its characters. One character is never cut, whatever it counts. The
    full stop of an initial or of a common abbreviation ("Mrs.", "e.g.") ends no sentence, unless
    its line ends there.

    Args:
        text: Any string.
        count: Number of tokens of a string.
        max_tokens: Most tokens of a chunk, at least 1.

    Returns:
        Character offsets ``(start, end)`` of each chunk, in order and not overlapping. They cover
        the text but for white space between them.

    Raises:
        OptionError: ``max_tokens`` is less than 1.
    """
    if max_tokens < 1:
        raise OptionError(f"max_tokens must be at least 1, got {max_tokens}")
    pieces = _pieces(text, count, max_tokens)
    ends = [0, *(end for _, end in pieces)]
    # The white space before a piece counts, since it stands inside the chunk.
    sizes = [count(text[a:b]) for a, b in pairwise(ends)]
    chunks: list[Span] = []
    first = 0
    while first < len(pieces):
        start, last, total = pieces[first][0], first + 1, sizes[first]
        while last < len(pieces) and (total := total + sizes[last]) <= max_tokens:
            last += 1
        # Tokens may merge differently across pieces, so the sum is only a good guess.
        while last - first > 1 and count(text[start : pieces[last - 1][1]]) > max_tokens:
            last -= 1
        chunks.append((start, pieces[last - 1][1]))
        first = last
    return chunks


def _pieces(text: str, count: TokenCounter, max_tokens: int) -> list[Span]:
    """The largest pieces that fit: sentences, else their units, else runs of characters."""
    units = split_units(text)
    spans = list(zip(units.starts.tolist(), units.ends.tolist(), strict=True))
    begins = [
        i
        for i, flag in enumerate(units.sentence_starts(text).tolist())
        if flag and not (i and _goes_on(text, spans[i - 1][1], spans[i][0]))
    ]
    pieces: list[Span] = []
    for i, j in pairwise([*begins, len(spans)]):
        sentence = (spans[i][0], spans[j - 1][1])
        if count(text[slice(*sentence)]) <= max_tokens:
            pieces.append(sentence)
            continue
        for start, end in spans[i:j]:
            while start < end:
                cut = _longest_piece(text, start, end, count, max_tokens)
                pieces.append((start, cut))
                start = cut
    return pieces


def _goes_on(text: str, end: int, start: int) -> bool:
    """Whether a sentence that seems to end at ``end`` goes on at ``start``."""
    gap = text[end:start]
    if "".join(gap.splitlines()) != gap:
        return False
    return _ABBREVIATED.search(text, max(0, end - _LONGEST_ABBREVIATION), end) is not None


def _longest_piece(text: str, start: int, end: int, count: TokenCounter, max_tokens: int) -> int:
    """Where the longest piece ends that begins at ``start`` and fits, behind one character or more.

    Found by doubling, since counting all that is left of a very long word for each of its pieces
    would take the square of its length.
    """
    size = max_tokens
    while start + size < end and count(text[start : start + size]) <= max_tokens:
        size *= 2
    low, high = start + 1, min(end, start + size)
    if count(text[start:high]) <= max_tokens:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if count(text[start:middle]) <= max_tokens:
            low = middle
        else:
            high = middle - 1
    return low
