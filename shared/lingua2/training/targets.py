"""From the levels of words to the probabilities that a model learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingua2.dataset import Example
from lingua2.dataset.annotation import is_mark
from lingua2.text import Units

__all__ = ["Targets", "function_words", "word_targets"]

Targets = NDArray[np.float32]

# A function word stands in this share of the texts, five at least, and its mean level is this much
# below that of all words. At 5% and 0.9 the list for English is what a grammar would call so.
_FREQUENT = 0.05
_FEWEST = 5
_BELOW = 0.9


def function_words(examples: Sequence[Example]) -> frozenset[str]:
    """The words that end a phrase: frequent ones that the teachers mostly drop.

    They are found in the data, so they are those of its language: "the", "which", "were", "und".

    Returns:
        Lower-case words.
    """
    texts: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    levels: Counter[str] = Counter()
    for example in examples:
        words = [word.lower() for word in example.words]
        texts.update(set(words))
        seen.update(words)
        for word, level in zip(words, example.levels, strict=True):
            levels[word] += level
    enough = max(_FEWEST, _FREQUENT * len(examples))
    limit = _BELOW * levels.total() / max(1, seen.total())
    return frozenset(
        word
        for word, count in texts.items()
        if count >= enough and levels[word] < limit * seen[word]
    )


def word_targets(
    example: Example,
    by_level: Sequence[float],
    *,
    coherence: float = 0.0,
    emphasis: float = 0.0,
    ends_phrase: frozenset[str] = frozenset(),
    expected: Targets | None = None,
    guide: float = 0.0,
) -> Targets:
    """Target p(keep) of each word of ``example``.

    An answer is of use only whole ("South African Schools Act"), and a teacher who drops half of a
    name teaches to lose it. So the words of a *phrase*, a run that no function word, punctuation
    mark or line break interrupts, move towards the highest target among them.

    Args:
        example: ``n`` words with levels.
        by_level: Target of each level, ascending; ``example`` has at most ``len(by_level) - 1``.
        coherence: How far words move towards the highest target of their phrase, in [0, 1].
        emphasis: What is added for numbers and names, that is words with a digit and capitalised
            words inside a sentence.
        ends_phrase: Function words in lower case, see `function_words`.
        expected: A model's p(keep) of each word, shape ``(n,)``.
        guide: How much of a target comes from ``expected`` instead of from the level, in [0, 1].

    Returns:
        Float32 array of shape ``(n,)``, values in [0, 1].
    """
    targets = np.array(by_level, dtype=np.float32)[np.array(example.levels, dtype=np.int64)]
    words = example.words
    if expected is not None:
        targets = (1 - guide) * targets + guide * expected.astype(np.float32)
    if emphasis:
        targets = np.minimum(1.0, targets + emphasis * _stands_out(example, words))
    if coherence:
        for phrase in _phrases(example, words, ends_phrase):
            targets[phrase] += coherence * (targets[phrase].max() - targets[phrase])
    return targets


def _stands_out(example: Example, words: Sequence[str]) -> NDArray[np.float32]:
    units = Units(np.array(example.starts, np.int64), np.array(example.ends, np.int64))
    first = units.sentence_starts(example.text)
    return np.array(
        [
            any(char.isdigit() for char in word) or (word[0].isupper() and not begins)
            for word, begins in zip(words, first, strict=True)
        ],
        dtype=np.float32,
    )


def _phrases(
    example: Example, words: Sequence[str], ends_phrase: frozenset[str]
) -> list[list[int]]:
    """Positions of the words of each phrase."""
    phrases: list[list[int]] = [[]]
    position = 0
    for i, word in enumerate(words):
        outside = is_mark(word) or word.lower() in ends_phrase
        if outside or "\n" in example.text[position : example.starts[i]]:
            phrases.append([])
        if not outside:
            phrases[-1].append(i)
        position = example.ends[i]
    return [phrase for phrase in phrases if phrase]
