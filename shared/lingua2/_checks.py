"""What `Compressor` accepts as texts and beside them, and what it has to say about a result."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ._warnings import warn
from .budget import Frame
from .errors import BudgetWarning, InputError, TokenCounterError
from .result import CompressionResult, DroppedForced

__all__ = [
    "check_result",
    "checked_flags",
    "checked_frames",
    "checked_stored",
    "checked_stream",
    "checked_texts",
    "grouped",
]

# Of a stream; about 100,000 tokens.
_GROUP_CHARACTERS = 400_000


def checked_texts(texts: Any) -> list[str]:
    """``texts`` as a list of strings."""
    return list(checked_stream(texts))


def checked_stream(texts: Any) -> Iterator[str]:
    """``texts`` one by one; what is no collection of texts is refused at once."""
    if isinstance(texts, (str, bytes)):
        raise InputError(
            f"texts is one {type(texts).__name__}, not a list of strings; write [text] to compress "
            "a single text"
        )
    if isinstance(texts, (Mapping, set, frozenset)) or not isinstance(texts, Iterable):
        raise InputError(f"texts must be a list of strings, got {type(texts).__name__}")
    return map(_checked_text, itertools.count(), texts)


def _checked_text(i: int, text: Any) -> str:
    if not isinstance(text, str):
        hint = "; pass its page_content" if hasattr(text, "page_content") else ""
        raise InputError(
            f"texts[{i}] is a {type(text).__name__}; every text must be a string{hint}"
        )
    return text


def checked_stored(stored: Any, size: int, name: str) -> Sequence[Any]:
    """One entry per text; what an entry is does not matter, since they are stored anywhere.

    Args:
        stored: The argument ``name``, ``scores`` or ``embeddings``.
        size: How many texts there are.
        name: Of the argument.
    """
    if stored is None:
        return [None] * size
    if isinstance(stored, (str, bytes)) or not isinstance(stored, Sequence):
        raise InputError(
            f"{name} is a {type(stored).__name__}; give a list with the packed {name} of each "
            "text, or None for a text without"
        )
    if len(stored) != size:
        raise InputError(f"{name} has {len(stored)} entries for {size} texts; give one per text")
    return stored


def checked_frames(frames: Sequence[Frame] | None, size: int) -> Sequence[Frame]:
    """One pair of strings per text."""
    if frames is None:
        return [("", "")] * size
    if isinstance(frames, (str, bytes)) or not isinstance(frames, Iterable):
        raise InputError(
            f"frames is a {type(frames).__name__}; give a pair of strings (before, after) per text"
        )
    checked = list(frames)
    if len(checked) != size:
        raise InputError(f"frames has {len(checked)} entries for {size} texts; give one per text")
    for i, frame in enumerate(checked):
        pair = isinstance(frame, Sequence) and not isinstance(frame, str) and len(frame) == 2
        if not pair or not all(isinstance(part, str) for part in frame):
            raise InputError(f"frames[{i}] is {frame!r}; give a pair of strings (before, after)")
    return checked


def checked_flags(keep_empty: bool | Sequence[bool], size: int) -> Sequence[bool]:
    """One flag per text."""
    if isinstance(keep_empty, bool):
        return [bool(keep_empty)] * size
    if isinstance(keep_empty, str) or not isinstance(keep_empty, Sequence):
        raise InputError(f"keep_empty is {keep_empty!r}; give True, False or one of them per text")
    if len(keep_empty) != size:
        raise InputError(f"keep_empty has {len(keep_empty)} flags for {size} texts; give one each")
    return keep_empty


def grouped(texts: Iterator[str]) -> Iterator[list[str]]:
    """``texts`` in groups: large enough for full batches, small enough for any memory."""
    group: list[str] = []
    size = 0
    for text in texts:
        group.append(text)
        size += len(text)
        if size >= _GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def check_result(result: CompressionResult) -> None:
    """Warn of what the caller of the caller should know, or raise where a counter is no counter."""
    message = ""
    if result.budget is not None and result.compressed_tokens > result.budget:
        if not result.prompt:
            raise TokenCounterError(
                f"the token_counter counts {result.compressed_tokens} tokens for an empty text, "
                f"more than the budget of {result.budget}; it must leave special tokens out"
            )
        message = (
            f"what surrounds the texts costs {result.compressed_tokens} tokens on its own and "
            f"keep_empty keeps all of it, so the budget of {result.budget} tokens cannot hold; no "
            "text was kept"
        )
    else:
        lost = {
            "forced words": (result.dropped_forced, "dropped_forced lists them"),
            # What guards find is nobody's explicit wish, and there is much of it.
            "words between markers": (_lost_marked(result), "dropped_protected has them"),
        }
        message = "; ".join(
            f"the budget of {result.budget} tokens cannot hold all {what}: {len(items)} had to go "
            f"({_shown(items)}); result.{where}"
            for what, (items, where) in lost.items()
            if items
        )
        if not message and result.budget is not None and _is_empty(result):
            message = (
                f"the budget of {result.budget} tokens holds none of the words, so no text was "
                "kept (a blob or a line without spaces is one word); give a larger one"
            )
    if message:
        warn(message, BudgetWarning)


def _is_empty(result: CompressionResult) -> bool:
    """Whether there was something to keep, and nothing of it was."""
    return not any(result.texts) and any(map(str.strip, result.sources))


def _lost_marked(result: CompressionResult) -> Sequence[DroppedForced]:
    """The protected units of ``result`` that stood between markers and are gone."""
    if result._marked is None:
        return ()
    lost = []
    for item in result.dropped_protected:
        marked = result._marked[item.text_index]
        ((start, end),) = marked.in_text([(item.start, item.end)])
        place = bisect_right(marked.spans, start, key=lambda span: span[1])
        if place < len(marked.spans) and marked.spans[place][0] < end:
            lost.append(item)
    return lost


def _shown(items: Sequence[DroppedForced]) -> str:
    return ", ".join([*(repr(item.word) for item in items[:5]), *["…"] * (len(items) > 5)])
