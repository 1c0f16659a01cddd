"""What a compression loses, whoever reads it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from lingua2._extras import require
from lingua2.protect.patterns import IDENTIFIERS

from .controls import join
from .survival import normalise, survives
from .tasks import Item

__all__ = ["LOSSES", "losses", "measures_survival", "stability"]

LOSSES = ("answer", "evidence", "numbers", "identifiers", "negations", "json")
"""Names of the shares that `losses` gives."""

# Without its unit, which a compressor may put beside a number that had none.
_NUMBER = re.compile(r"\d(?:[\d.,:/-]*\d)?")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot)\b|n['’]t\b", re.IGNORECASE
)
_PATTERNS = {"numbers": _NUMBER, "identifiers": IDENTIFIERS, "negations": _NEGATION}
_DOCUMENTS = 8192
# Words that a compressor may drop without harm to a sentence's meaning.
_SMALL = frozenset(
    """
    and are as at be been by for from had has have he her his in is it its of on or she that their
    them they this to was were which who will with
    """.split()  # noqa: SIM905 - a list would take a page
)


def measures_survival(item: Item) -> bool:
    """Whether an answer of ``item`` can survive: one that is no yes or no stands in its documents.

    So does the data's own definition of answer survival.
    """
    gold = _gold(item)
    if not item.extractive or all(answer in ("yes", "no", "noanswer") for answer in gold):
        return False
    return _stand_in(item.documents, tuple(gold))


def losses(item: Item, texts: Sequence[str]) -> dict[str, float]:
    """Which share of each kind of content is left; kinds that the item does not have are left out.

    ``answer`` is 1 where a gold answer stands contiguously in the joined texts, ``evidence`` the
    share of the words of the evidence sentences that stand there in order (small words aside),
    ``json`` the share of the JSON documents that still are JSON.

    Args:
        item: What was compressed.
        texts: One per document; a compressor that joins them leaves the others empty.
    """
    prompt = join(texts)
    found: dict[str, float] = {}
    if measures_survival(item):
        found["answer"] = float(survives(_gold(item), prompt))
    if item.evidence:
        shares = [_words_kept(sentence, prompt) for sentence in item.evidence]
        found["evidence"] = sum(shares) / len(shares)
    for name, there in _held(item.documents).items():
        kept = Counter(match.lower() for match in _PATTERNS[name].findall(prompt))
        found[name] = (there & kept).total() / there.total()
    documents = [place for place, text in enumerate(item.documents) if _is_json(text)]
    if documents and len(texts) == len(item.documents):
        valid = sum(_is_json(texts[place]) for place in documents)
        found["json"] = valid / len(documents)
    return found


def stability(before: Sequence[str], after: Sequence[str]) -> float:
    """How much of a prompt stays where it was when the set grows.

    A reader's prompt cache can reuse what two prompts begin with, so this is the length of their
    common beginning, as a share of the first.

    Args:
        before: The compressed texts of a set.
        after: Those of the same set and one more document behind it.
    """
    first, second = join(before), join(after)
    pairs = enumerate(zip(first, second, strict=False))
    shared = next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
    return shared / len(first) if first else 1.0


# Every compressor and budget asks the same of the same documents, and long ones take their time.
@lru_cache(maxsize=_DOCUMENTS)
def _held(documents: tuple[str, ...]) -> dict[str, Counter[str]]:
    """What ``documents`` hold of each kind; kinds that they do not have are left out."""
    source = join(documents)
    found = {
        name: Counter(match.lower() for match in pattern.findall(source))
        for name, pattern in _PATTERNS.items()
    }
    return {name: there for name, there in found.items() if there}


@lru_cache(maxsize=_DOCUMENTS)
def _stand_in(documents: tuple[str, ...], gold: tuple[str, ...]) -> bool:
    return survives(gold, join(documents))


def _gold(item: Item) -> list[str]:
    return [answer for answer in map(normalise, item.references) if answer]


def _words_kept(sentence: str, prompt: str) -> float:
    words = [word for word in normalise(sentence).split() if word not in _SMALL]
    if not words:
        return 1.0
    sequences = require("rapidfuzz.distance", "evaluate").LCSseq
    return float(sequences.similarity(words, normalise(prompt).split()) / len(words))


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
