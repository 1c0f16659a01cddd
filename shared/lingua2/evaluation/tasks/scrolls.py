"""ZeroSCROLLS (Shaham et al. 2023): the prompts are the data set's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .item import Item
from .rows import Row

__all__ = ["ZEROSCROLLS", "zeroscrolls_items"]

ZEROSCROLLS: Mapping[str, str] = {
    **dict.fromkeys(("gov_report", "summ_screen_fd", "qmsum", "squality"), "rouge_mean"),
    **dict.fromkeys(("qasper", "narrative_qa", "musique"), "qa_f1"),
    "quality": "choice",
    "space_digest": "percentage",
    "book_sum_sort": "order",
}
"""The metric of every part."""


def zeroscrolls_items(row: Row, part: str) -> Iterator[Item]:
    """The item of a record, whose document stands between two offsets of its ``input``.

    Args:
        row: The record.
        part: Its part of ZeroSCROLLS, which published files name in their path only.
    """
    if part not in ZEROSCROLLS:
        raise row.fail(f"unknown part {part!r}; known: {', '.join(ZEROSCROLLS)}")
    whole = row.text("input")
    start, end = row.get("document_start_index", int), row.get("document_end_index", int)
    if not 0 <= start < end <= len(whole):
        raise row.fail(
            f"the document's offsets {start}:{end} do not fit an input of {len(whole)} characters"
        )
    if not whole[start:end].strip():
        raise row.fail("the document is empty")
    question = ""
    if row.has("query_start_index") and row.has("query_end_index"):
        question = whole[
            row.get("query_start_index", int) : row.get("query_end_index", int)
        ].strip()
    yield Item(
        id=f"{part}-{row.id(str(row.number), 'pid', 'id')}",
        documents=(whole[start:end],),
        before=whole[:start],
        after=whole[end:],
        references=(row.text("output"),),
        metrics=(ZEROSCROLLS[part],),
        kind=part,
        question=question,
        # Answers of other kinds stand in their documents by chance.
        extractive=ZEROSCROLLS[part] == "qa_f1",
    )
