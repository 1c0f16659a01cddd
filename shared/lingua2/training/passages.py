"""What is varied from epoch to epoch: passages cut, packed, and robbed of case and markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lingua2.dataset import Example
from lingua2.text import IntArray, Units

from .options import TrainingOptions
from .targets import Targets, word_targets

__all__ = ["Passage", "cropped", "lowered", "packed", "passage", "stripped", "varied"]

_MARKUP = re.compile(r"[*_`#~|>=]+|^\s*[-+](?=\s)", re.MULTILINE)
_SEPARATOR = "\n\n"


@dataclass(frozen=True, slots=True)
class Passage:
    """A text whose ``n`` words have spans and targets.

    Attributes:
        text: The text.
        starts: Offset of each word's first character, int64, shape ``(n,)``.
        ends: Offset behind each word's last character, int64, shape ``(n,)``.
        targets: Target p(keep) of each word, float32, shape ``(n,)``.
        question: What the model reads before the text; empty for nothing.
    """

    text: str
    starts: IntArray
    ends: IntArray
    targets: Targets
    question: str = ""

    def __len__(self) -> int:
        return len(self.targets)


def passage(
    example: Example,
    options: TrainingOptions,
    ends_phrase: frozenset[str] = frozenset(),
    expected: Targets | None = None,
) -> Passage:
    """``example`` with the targets that ``options`` asks for; see `word_targets`."""
    by_level = options.targets(len(example.level_names))
    return Passage(
        example.text,
        np.array(example.starts, dtype=np.int64),
        np.array(example.ends, dtype=np.int64),
        word_targets(
            example,
            by_level,
            coherence=options.coherence,
            emphasis=options.emphasis,
            ends_phrase=ends_phrase,
            expected=expected,
            guide=options.guide,
        ),
    )


def varied(
    passages: Sequence[Passage], options: TrainingOptions, rng: np.random.Generator
) -> list[Passage]:
    """One epoch's form of ``passages``, in an order drawn by ``rng``."""
    order = rng.permutation(len(passages))
    made = [_varied(passages[i], options, rng) for i in order]
    if options.pack == 1:
        return made
    # Texts of one question are not those of another.
    groups = [item for item in made if item.question]
    made = [item for item in made if not item.question]
    while made:
        size = int(rng.integers(1, options.pack + 1))
        groups.append(packed(made[:size]))
        made = made[size:]
    return groups


def _varied(given: Passage, options: TrainingOptions, rng: np.random.Generator) -> Passage:
    # All are drawn whether used or not, so that one setting does not change the others' dice.
    crop, lower, strip = rng.random(3)
    low, high = sorted(rng.random(2))
    if crop < options.crop:
        given = cropped(given, low, high)
    if lower < options.lower_case:
        given = lowered(given)
    if strip < options.strip_markup:
        given = stripped(given)
    return given


def cropped(given: Passage, low: float, high: float) -> Passage:
    """The sentences of ``given`` between the shares ``low`` and ``high`` of them, at least one."""
    begins = Units(given.starts, given.ends).sentence_starts(given.text).nonzero()[0]
    if len(begins) < 2:
        return given
    first = min(int(low * len(begins)), len(begins) - 1)
    last = max(first + 1, round(high * len(begins)))
    a = begins[first]
    b = begins[last] if last < len(begins) else len(given)
    start, end = given.starts[a], given.ends[b - 1]
    return replace(
        given,
        text=given.text[start:end],
        starts=given.starts[a:b] - start,
        ends=given.ends[a:b] - start,
        targets=given.targets[a:b],
    )


def lowered(given: Passage) -> Passage:
    """``given`` without capitals; as it is where a letter changes its length ("İ")."""
    text = given.text.lower()
    return replace(given, text=text) if len(text) == len(given.text) else given


def stripped(given: Passage) -> Passage:
    """``given`` with blanks for Markdown's signs at the edges of words."""
    text = _MARKUP.sub(lambda match: " " * len(match.group()), given.text)
    # Inside a word ("snake_case", "a=b") a sign means something.
    characters = list(given.text)
    bounds = zip(given.starts.tolist(), given.ends.tolist(), strict=True)
    shrunk = []
    for start, end in bounds:
        word = text[start:end]
        left = start + len(word) - len(word.lstrip())
        right = max(left, end - (len(word) - len(word.rstrip())))
        characters[start:left] = " " * (left - start)
        characters[right:end] = " " * (end - right)
        shrunk.append((left, right))
    edges = np.array(shrunk, dtype=np.int64).reshape(-1, 2)
    left_over = edges[:, 0] < edges[:, 1]
    if not left_over.any():
        return given
    return replace(
        given,
        text="".join(characters),
        starts=edges[left_over, 0],
        ends=edges[left_over, 1],
        targets=given.targets[left_over],
    )


def packed(passages: Sequence[Passage]) -> Passage:
    """All of ``passages``, one below the other."""
    if len(passages) == 1:
        return passages[0]
    sizes = [len(item.text) + len(_SEPARATOR) for item in passages]
    shifts = np.cumsum([0, *sizes[:-1]])
    pairs = list(zip(passages, shifts, strict=True))
    return Passage(
        _SEPARATOR.join(item.text for item in passages),
        np.concatenate([item.starts + shift for item, shift in pairs]),
        np.concatenate([item.ends + shift for item, shift in pairs]),
        np.concatenate([item.targets for item in passages]),
    )
