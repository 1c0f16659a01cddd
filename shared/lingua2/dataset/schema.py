"""The one record format between distillation, annotation, quality control and training."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from lingua2.errors import DatasetError

__all__ = ["METRIC_NAMES", "SCHEMA_VERSION", "Example", "Metrics"]

SCHEMA_VERSION = 1
"""Written into every file; readers refuse files of a newer version."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """How far a compressed text can be trusted (paper, section 3.3), over words without marks.

    Attributes:
        variation_rate: Share of the compressed words that do not occur in the source.
        matching_rate: Words labelled as kept / words of the source.
        hitting_rate: Compressed words that occur in the source / words of the source.
        alignment_gap: Hitting rate minus matching rate: compressed words that occur in the source,
            but that the annotator could not place.
    """

    variation_rate: float
    matching_rate: float
    hitting_rate: float
    alignment_gap: float


METRIC_NAMES = tuple(item.name for item in fields(Metrics))


@dataclass(frozen=True, slots=True)
class Example:
    """One source text with a label for every word.

    Attributes:
        id: Unique within a file.
        text: The source text, verbatim.
        starts: Character offset of each word's first character, ascending, length ``n``.
        ends: Offset behind each word's last character, length ``n``; words do not overlap.
        levels: Per word the number of compressions that keep it, length ``n``: 0 where all of them
            drop it, ``len(level_names)`` where even the strongest keeps it.
        level_names: Names of the compressions from the mildest to the strongest; the paper has one.
        compressed: The teacher's text of each level, as given; empty where it is not known.
        domain: What kind of text it is, for balance and for validation by domain.
        source: Where the text comes from.
        license: Under which terms it may be used.
        teacher: Who compressed it.
        question: A question that the text answers, or None.
        evidence: Per word 1 where it belongs to the answer of ``question``; empty without one.
        metrics: Quality control of the mildest compression, or None where it was not measured.
    """

    id: str
    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    levels: tuple[int, ...]
    level_names: tuple[str, ...] = ("compressed",)
    compressed: tuple[str, ...] = ()
    domain: str = ""
    source: str = ""
    license: str = ""
    teacher: str = ""
    question: str | None = None
    evidence: tuple[int, ...] = field(default=())
    metrics: Metrics | None = None

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise DatasetError(f"example {self.id!r}: {problem}")

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def words(self) -> list[str]:
        """The words as they stand in the text."""
        return [self.text[a:b] for a, b in zip(self.starts, self.ends, strict=True)]

    @property
    def kept_rate(self) -> float:
        """Share of the words that the mildest compression keeps."""
        return sum(level > 0 for level in self.levels) / len(self) if len(self) else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, as JSONL and Parquet hold them."""
        row = {item.name: getattr(self, item.name) for item in fields(self)}
        row |= {name: list(value) for name, value in row.items() if isinstance(value, tuple)}
        if self.metrics is not None:
            row["metrics"] = {name: getattr(self.metrics, name) for name in METRIC_NAMES}
        return row

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            DatasetError: A field is missing, unknown, of another type, or contradicts the others.
        """
        known = {item.name for item in fields(cls)}
        required = ("id", "text", "starts", "ends", "levels")
        if missing := [name for name in required if row.get(name) is None]:
            hint = "" if "text" in missing else "; `lingua2 annotate` labels texts and compressions"
            raise DatasetError(
                f"missing {', '.join(missing)}; has {', '.join(row) or 'nothing'}{hint}"
            )
        if unknown := sorted(row.keys() - known):
            raise DatasetError(
                f"unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        values = {k: v for k, v in row.items() if v is not None or k in ("question", "metrics")}
        for name, value in values.items():
            if name in _LISTS:
                values[name] = tuple(_list_of(name, value, _LISTS[name]))
            elif name == "metrics":
                values[name] = _metrics(value)
            elif not isinstance(value, str) and not (name == "question" and value is None):
                raise DatasetError(f"{name} must be a string, got {type(value).__name__}")
        return cls(**values)

    def _problem(self) -> str | None:
        sizes = {len(self.starts), len(self.ends), len(self.levels)}
        if len(sizes) != 1:
            return (
                "starts, ends and levels must have one entry per word, got "
                f"{len(self.starts)}, {len(self.ends)} and {len(self.levels)}"
            )
        if self.evidence and len(self.evidence) != len(self):
            return f"evidence must have {len(self)} entries, one per word, got {len(self.evidence)}"
        bounds = itertools.chain.from_iterable(zip(self.starts, self.ends, strict=True))
        position = 0
        for i, bound in enumerate(bounds):
            # A word has at least one character; the next may follow without a space.
            if bound < position + i % 2 or bound > len(self.text):
                return (
                    f"word {i // 2} spans {self.starts[i // 2]}:{self.ends[i // 2]}, which is "
                    f"empty, overlaps the word before or leaves the text of {len(self.text)} "
                    "characters"
                )
            position = bound
        top = len(self.level_names)
        if not top or len(set(self.level_names)) < top:
            return f"level_names must be one or more different names, got {self.level_names!r}"
        if self.compressed and len(self.compressed) != top:
            return f"compressed must have {top} texts, one per level, got {len(self.compressed)}"
        if outside := [level for level in self.levels if not 0 <= level <= top]:
            return f"levels must lie in 0..{top}, got {outside[0]}"
        if outside := [flag for flag in self.evidence if flag not in (0, 1)]:
            return f"evidence must be 0 or 1, got {outside[0]}"
        return None


_LISTS: dict[str, type] = {
    "starts": int,
    "ends": int,
    "levels": int,
    "evidence": int,
    "level_names": str,
    "compressed": str,
}


def _list_of(name: str, value: Any, kind: type) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise DatasetError(f"{name} must be a list, got {type(value).__name__}")
    for i, item in enumerate(value):
        if type(item) is not kind:
            raise DatasetError(f"{name}[{i}] must be {kind.__name__}, got {item!r:.40}")
    return value


def _metrics(value: Any) -> Metrics | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != set(METRIC_NAMES):
        raise DatasetError(
            f"metrics must have exactly {', '.join(METRIC_NAMES)}, got {value!r:.80}"
        )
    return Metrics(**{name: float(number) for name, number in value.items()})
