"""Vectors of sentences that were stored with the texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lingua2.sentence_vectors import Levels, unpack_vectors

__all__ = ["NOTHING_STORED", "StoredVectors"]


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """What came with the texts of a set, whatever it is worth.

    Attributes:
        packed: What `pack_embeddings` gave for each text, or None, or anything else; where it is
            empty no text has any.
        name: The option ``embeddings_name``.
        report: Told of how many texts the vectors were found, missing, and there but unusable.
    """

    packed: Sequence[Any] = ()
    name: str | None = None
    report: Callable[[int, int, int], None] | None = None

    def find(
        self, by_text: Sequence[Sequence[str]], name: str | None, size: int
    ) -> list[Levels | None]:
        """The vectors of those texts that have some.

        Args:
            by_text: What is embedded of each text.
            name: What must have embedded it; None finds nothing.
            size: How many components a vector must have.

        Returns:
            Vectors of every text's sentences, or None.
        """
        found: list[Levels | None] = [None] * len(by_text)
        unusable = 0
        for i, (sentences, data) in enumerate(zip(by_text, self.packed, strict=False)):
            if data is None or not sentences:
                continue
            levels = None if name is None else unpack_vectors(data, sentences, name)
            if levels is None or levels.shape[1] != size:
                unusable += 1
            else:
                found[i] = levels
        if self.report is not None:
            usable = sum(levels is not None for levels in found)
            self.report(usable, sum(map(bool, by_text)) - usable, unusable)
        return found


NOTHING_STORED = StoredVectors()
