"""Reports what a compression lost: sentences, numbers, identifiers, negations."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .counting import resolve_token_counter
from .protect.negations import negations
from .protect.patterns import IDENTIFIERS, NUMBERS
from .rendering import Layout, Span
from .text import IntArray, split_units

if TYPE_CHECKING:
    from .result import CompressionResult, Word

__all__ = ["losses_of"]

_KINDS = ("numbers", "identifiers", "negations")
_UNPROTECTED = "dropped_protected"
_MOST, _LEAST = "most_probable_dropped", "least_probable_kept"


def losses_of(result: CompressionResult) -> dict[str, Any]:
    """What `CompressionResult.losses` returns for ``result``."""
    words = result.words or [[] for _ in result.sources]
    unprotected = Counter(item.text_index for item in result.dropped_protected)
    texts = [
        _of_text(result, index)
        | {_UNPROTECTED: unprotected[index]}
        | _extremes(result.sources[index], own)
        for index, own in enumerate(words)
    ]
    # Frames and separators are the reader's as well, so these are no sums.
    total: dict[str, Any] = {
        "tokens_before": result.original_tokens,
        "tokens_after": result.compressed_tokens,
    }
    for name in ("sentences", "sentences_dropped", *_KINDS, _UNPROTECTED):
        total[name] = sum(own[name] for own in texts)
    for kind in _KINDS:
        name = f"{kind}_dropped"
        total[name] = list(dict.fromkeys(item for own in texts for item in own[name]))
    for name, best in ((_MOST, max), (_LEAST, min)):
        found = [own[name] for own in texts if own[name] is not None]
        total[name] = best(found, key=lambda word: word["probability"], default=None)
    return total | {"texts": texts}


def _of_text(result: CompressionResult, index: int) -> dict[str, Any]:
    text, spans = result.sources[index], result.spans[index]
    if result._marked is not None:
        # The markers are no part of the text, so they cannot be lost.
        spans = result._marked[index].in_text(spans)
        text = result._marked[index].text
    layout = Layout(text, split_units(text))
    starts = layout.units.starts[layout.units.sentence_starts(text)].tolist()
    sentences = list(itertools.pairwise([*starts, len(text)]))
    identifiers = [match.span() for match in IDENTIFIERS.finditer(text)]
    numbers = [match.span() for match in NUMBERS.finditer(text)]
    negating = np.flatnonzero(negations(layout)).tolist()
    found = {
        # "4711" is no number in "ABC-4711".
        "numbers": _outside(numbers, identifiers),
        "identifiers": identifiers,
        "negations": [(layout.starts[i], layout.ends[i]) for i in negating],
    }
    kept, visible = _counts(text, spans)
    count = None if result._counter is None else resolve_token_counter(result._counter)
    report: dict[str, Any] = {
        "tokens_before": count and count(text),
        "tokens_after": count and count(result.texts[index]),
        "sentences": len(sentences),
        "sentences_dropped": sum(kept[end] == kept[start] for start, end in sentences),
    }
    report |= {kind: len(own) for kind, own in found.items()}
    for kind, own in found.items():
        lost = [
            text[start:end].strip()
            for start, end in own
            if kept[end] - kept[start] < visible[end] - visible[start]
        ]
        report[f"{kind}_dropped"] = list(dict.fromkeys(lost))
    return report


def _counts(text: str, spans: Sequence[Span]) -> tuple[list[int], list[int]]:
    """How many characters in front of each place were kept, and how many there are.

    White space counts as neither.
    """
    visible = np.array([not char.isspace() for char in text], dtype=bool)
    kept = np.zeros(len(text), dtype=bool)
    for start, end in spans:
        kept[start:end] = visible[start:end]
    return _summed(kept), _summed(visible)


def _summed(flags: np.ndarray[Any, np.dtype[np.bool_]]) -> list[int]:
    sums: list[int] = np.append(0, flags.cumsum()).tolist()
    return sums


def _outside(spans: list[Span], others: list[Span]) -> list[Span]:
    """The ``spans`` that overlap none of ``others``; both ascending and without overlaps."""
    ends: IntArray = np.array([end for _, end in others], dtype=np.int64)
    places = np.searchsorted(ends, [start for start, _ in spans], side="right").tolist()
    beside = [*others, (np.inf, np.inf)]
    return [span for span, i in zip(spans, places, strict=True) if span[1] <= beside[i][0]]


def _extremes(text: str, words: Sequence[Word]) -> dict[str, Any]:
    """The word that was most likely to be kept and was not, and the other way round."""

    def shown(word: Word | None) -> dict[str, Any] | None:
        if word is None:
            return None
        return {"word": text[word.start : word.end], "probability": round(word.probability, 3)}

    named = [word for word in words if any(map(str.isalnum, text[word.start : word.end]))]
    dropped = (word for word in named if not word.kept)
    kept = (word for word in named if word.kept)
    return {
        _MOST: shown(max(dropped, key=lambda word: word.probability, default=None)),
        _LEAST: shown(min(kept, key=lambda word: word.probability, default=None)),
    }
