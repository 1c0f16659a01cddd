"""Which annotator finds the words that a compression kept? Synthetic pairs with known labels.

    python benchmarks/annotators.py

Runs of words are kept at random and then corrupted as teachers do it: letter case, inflection,
inserted and replaced words, neighbouring phrases exchanged. Precision and recall are over source
words without punctuation, of all pairs together; a replaced word counts as not kept.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from dataclasses import dataclass
from typing import Any

from _common import environment, note, parser, prose, table, write_result

from lingua2.dataset import AlignmentAnnotator, Annotator, WindowAnnotator
from lingua2.dataset.annotation import is_mark, split_words


@dataclass(frozen=True)
class Corruption:
    """How often a teacher does what it was told not to, per compressed word or phrase."""

    case: float
    inflection: float
    insertion: float
    omission: float
    substitution: float
    swap: float


CORRUPTIONS = {
    "none": Corruption(0, 0, 0, 0, 0, 0),
    "light": Corruption(0.03, 0.02, 0.01, 0.02, 0.01, 0.02),
    "medium": Corruption(0.08, 0.06, 0.04, 0.05, 0.04, 0.10),
    "heavy": Corruption(0.15, 0.12, 0.10, 0.10, 0.10, 0.30),
}
TEXTS = ("prose", "repeated words", "long")
REPEATED = (
    "{a} sold the {x} pump to {b}, and {b} sold the {y} pump to {a}.",
    "The {x} pump of {a} is older than the {y} pump of {b}.",
    "In the morning {a} said that the pump and the {y} meter of {b} had stopped.",
)
PEOPLE = ("Mira", "Tomas", "Lena", "Raj")
KINDS = ("old", "new", "small", "blue", "spare")
# Words that a teacher puts in: some of them stand in the source as well.
INSERTED = ("the", "and", "of", "was", "which", "also", "however", "in", "overall", "mainly")
SUBSTITUTES = ("bought", "device", "worker", "town", "notes", "checked", "cause", "people", "later")
ENDINGS = ("s", "ed", "ing", "ly")
# A run of kept words is followed by a run of dropped ones; their mean lengths.
KEPT_RUN, DROPPED_RUN = 3.5, 4.5


def main() -> None:
    made = parser(__doc__ or "", "annotators")
    made.add_argument("--texts", type=int, default=300, help="texts per kind and corruption")
    args = made.parse_args()
    if args.texts < 1:
        made.error("--texts must be at least 1")
    rows = [
        row
        for kind in TEXTS
        for level, corruption in CORRUPTIONS.items()
        for row in compare(kind, level, corruption, args)
    ]
    header = ("text", "corruption", "annotator", "precision", "recall", "F1", "F1 with marks", "ms")
    lines = [
        (
            row["text"], row["corruption"], row["annotator"],
            *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1", "f1_with_marks")),
            f"{row['milliseconds']:.1f}",
        )
        for row in rows
    ]  # fmt: skip
    print(table(header, lines))
    write_result(
        args.output,
        {
            "benchmark": "annotators",
            "seed": args.seed,
            "texts": args.texts,
            "corruptions": {name: vars(value) for name, value in CORRUPTIONS.items()},
            "results": rows,
            "environment": environment(),
        },
    )


def compare(
    kind: str, level: str, corruption: Corruption, args: argparse.Namespace
) -> list[dict[str, Any]]:
    rng = random.Random(f"{args.seed} {kind} {level}")  # noqa: S311
    # Long texts cost as much as they are long, and hold as many labels.
    count = args.texts if kind != "long" else max(1, args.texts // 10)
    pairs = [pair(rng, kind, corruption) for _ in range(count)]
    annotators: dict[str, Annotator] = {
        "window": WindowAnnotator(),
        "alignment": AlignmentAnnotator(),
    }
    rows = []
    for name, annotator in annotators.items():
        note(f"{kind}, {level}: {name}")
        rows.append(
            {"text": kind, "corruption": level, "annotator": name, "pairs": count}
            | measured(annotator, pairs)
        )
    return rows


def measured(
    annotator: Annotator, pairs: list[tuple[list[str], list[str], set[int]]]
) -> dict[str, float]:
    counts = {False: [0, 0, 0], True: [0, 0, 0]}
    times = []
    for words, compressed, truth in pairs:
        start = time.process_time()
        places = annotator.annotate(words, compressed)
        times.append(time.process_time() - start)
        labelled = set(places[places >= 0].tolist())
        for with_marks, count in counts.items():
            chosen = {j for j, word in enumerate(words) if with_marks or not is_mark(word)}
            right = len(labelled & truth & chosen)
            count[0] += right
            count[1] += len(labelled & chosen)
            count[2] += len(truth & chosen)
    right, given, wanted = counts[False]
    all_right, all_given, all_wanted = counts[True]
    return {
        "precision": right / max(1, given),
        "recall": right / max(1, wanted),
        "f1": 2 * right / max(1, given + wanted),
        "f1_with_marks": 2 * all_right / max(1, all_given + all_wanted),
        "milliseconds": 1000 * statistics.mean(times),
    }


def pair(
    rng: random.Random, kind: str, corruption: Corruption
) -> tuple[list[str], list[str], set[int]]:
    """Words of a text, those of a compression, and the source words that it holds."""
    words = split_words(text(rng, kind))
    kept, keep = [], rng.random() < 0.5
    for j in range(len(words)):
        if keep:
            kept.append(j)
        if rng.random() < 1 / (KEPT_RUN if keep else DROPPED_RUN):
            keep = not keep
    compressed: list[str] = []
    truth = set()
    for j in moved(rng, kept, corruption.swap):
        if rng.random() < corruption.omission:
            continue
        if not is_mark(words[j]) and rng.random() < corruption.substitution:
            compressed.append(rng.choice(SUBSTITUTES))
            continue
        if rng.random() < corruption.insertion:
            compressed.append(rng.choice(INSERTED))
        compressed.append(changed(rng, words[j], corruption))
        truth.add(j)
    return words, compressed, truth


def text(rng: random.Random, kind: str) -> str:
    if kind != "repeated words":
        return prose(rng, 120 if kind == "long" else 12)
    return " ".join(
        rng.choice(REPEATED).format(
            a=rng.choice(PEOPLE), b=rng.choice(PEOPLE), x=rng.choice(KINDS), y=rng.choice(KINDS)
        )
        for _ in range(16)
    )


def moved(rng: random.Random, kept: list[int], rate: float) -> list[int]:
    """``kept`` with some neighbouring phrases of 3 to 8 words exchanged."""
    order: list[int] = []
    i = 0
    while i < len(kept):
        first = kept[i : i + rng.randint(3, 8)]
        second = kept[i + len(first) : i + len(first) + rng.randint(3, 8)]
        i += len(first) + len(second)
        order += second + first if rng.random() < rate else first + second
    return order


def changed(rng: random.Random, word: str, corruption: Corruption) -> str:
    if not word.isalpha():
        return word
    if len(word) > 3 and rng.random() < corruption.inflection:
        word = word[:-1] if word.endswith("s") else word.removesuffix("e") + rng.choice(ENDINGS)
    if rng.random() < corruption.case:
        word = word.swapcase() if len(word) == 1 else word[0].swapcase() + word[1:]
    return word


if __name__ == "__main__":
    main()
