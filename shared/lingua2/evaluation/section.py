"""A part of a report."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Section"]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a paragraph and a table, any of which but the heading may be missing.

    Attributes:
        title: The heading.
        text: The paragraph.
        header: The table's header.
        rows: Its rows.
    """

    title: str
    text: str = ""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
