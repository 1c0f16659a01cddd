"""What LLMLingua-2's paper reports (Pan et al. 2024, tables 1 to 5), to stand beside a run.

Its reader is gpt-3.5-turbo-0613, so levels compare only with the same reader; the share of the
uncompressed score that is left compares better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["END_TO_END", "PAPER", "SECONDS", "PaperTable"]


@dataclass(frozen=True, slots=True)
class PaperTable:
    """Rows of the paper for one task.

    Attributes:
        measure: What was measured, and at which budget.
        rows: Values by method, as printed; ``"original"`` is the uncompressed prompt.
        metrics: Our metrics in that order; an empty name is the mean of each kind's own.
    """

    measure: str
    rows: Mapping[str, str]
    metrics: tuple[str, ...] = ("",)


PAPER: Mapping[str, tuple[PaperTable, ...]] = {
    "meetingbank_qa": (
        PaperTable(
            "exact match at about 3x",
            {
                "LLMLingua-2": "86.92",
                "LLMLingua-2-small": "85.82",
                "LLMLingua": "67.52",
                "Selective-Context": "66.28",
                "original": "87.75",
            },
        ),
    ),
    "meetingbank_summary": (
        PaperTable(
            "ROUGE-1 / 2 / L at about 3x",
            {
                "LLMLingua-2": "48.6 / 23.0 / 34.2",
                "LLMLingua-2-small": "48.3 / 23.1 / 34.4",
                "LLMLingua": "38.0 / 14.1 / 26.6",
                "Selective-Context": "39.2 / 18.7 / 27.7",
                "original": "47.3 / 26.7 / 35.2",
            },
            ("rouge1", "rouge2", "rougeL"),
        ),
    ),
    "longbench": (
        PaperTable(
            "average at 2,000 tokens",
            {
                "LLMLingua-2": "39.1",
                "LLMLingua-2-small": "38.2",
                "LLMLingua": "34.6",
                "Selective-Context": "24.8",
                "LongLLMLingua (knows the question)": "48.0",
                "original (10,295 tokens)": "44.0",
            },
        ),
        PaperTable(
            "average at 3,000 tokens",
            {
                "LLMLingua-2": "42.4",
                "LLMLingua-2-small": "41.9",
                "LLMLingua": "37.4",
                "Selective-Context": "32.0",
                "original (10,295 tokens)": "44.0",
            },
        ),
    ),
    "zeroscrolls": (
        PaperTable(
            "average at 2,000 tokens",
            {
                "LLMLingua-2": "33.4",
                "LLMLingua-2-small": "33.3",
                "LLMLingua": "27.2",
                "Selective-Context": "19.4",
                "original": "34.7",
            },
        ),
    ),
    "gsm8k": (
        PaperTable(
            "exact match with a budget of one shot / half a shot",
            {
                "LLMLingua-2": "79.08 / 77.79",
                "LLMLingua-2-small": "78.92 / 77.48",
                "LLMLingua": "79.08 / 77.41",
                "Selective-Context": "53.98 / 52.99",
                "original": "78.85",
            },
        ),
    ),
    "bbh": (
        PaperTable(
            "exact match with a budget of one shot / half a shot",
            {
                "LLMLingua-2": "70.02 / 61.94",
                "LLMLingua-2-small": "69.54 / 60.35",
                "LLMLingua": "70.11 / 61.60",
                "Selective-Context": "54.27 / 54.02",
                "original": "70.07",
            },
        ),
    ),
}
"""Tables by task."""

END_TO_END: Mapping[float, float] = {2.0: 1.6, 3.0: 2.1, 5.0: 2.9}
"""How many times faster compressing and reading is than reading alone, by compression."""

SECONDS: Mapping[str, Mapping[float, tuple[str, str]]] = {
    "LLMLingua-2": {
        1.0: ("", "14.9"),
        2.0: ("0.5", "9.4"),
        3.0: ("0.4", "7.5"),
        5.0: ("0.4", "5.2"),
    },
    "LLMLingua": {2.0: ("2.9", ""), 3.0: ("2.1", ""), 5.0: ("1.5", "")},
    "Selective-Context": {2.0: ("15.9", ""), 3.0: ("15.6", ""), 5.0: ("15.5", "")},
}
"""Compressing a prompt of MeetingBank on a V100, and with reading it, by compression (table 5)."""
