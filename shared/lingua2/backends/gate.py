"""The agreement gate: does a faster runtime keep the same words and the same answers?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lingua2.encoder import Encoder

__all__ = ["Decisions", "Passage", "agreement", "decide", "passages", "passes", "survival_loss"]

_TEXTS = Path(__file__).with_name("gate_texts.json")
_RATE = 0.5
_SURVIVAL_RATES = (0.3, _RATE, 0.7)
_AGREEMENT_FP32 = 0.995
_AGREEMENT_REDUCED = 0.97
_LOSS_REDUCED = 0.5


@dataclass(frozen=True, slots=True)
class Passage:
    """A text of the gate.

    Attributes:
        text: A short passage: prose, a table, a log, a contract, code and so on.
        answers: What stands in it and a question may ask for.
    """

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What compressing the gate's texts with one runtime came to.

    Attributes:
        kept: At rate 0.5, for every unit of every passage whether it was kept, shape ``(units,)``.
        survived: Whether every answer survived at every rate, shape ``(rates * answers,)``.
    """

    kept: NDArray[np.bool_]
    survived: NDArray[np.bool_]


@cache
def passages() -> tuple[Passage, ...]:
    """The gate's texts."""
    rows = json.loads(_TEXTS.read_text(encoding="utf-8"))
    return tuple(Passage(row["text"], tuple(row["answers"])) for row in rows)


def decide(encoder: Encoder) -> Decisions:
    """Compress the gate's texts as a user would, with ``encoder``."""
    from lingua2.compressor import Compressor
    from lingua2.evaluation.survival import normalise, survives

    compressor = Compressor.with_encoder(encoder)
    texts = [passage.text for passage in passages()]
    scored = encoder.score(texts)
    kept: list[NDArray[np.bool_]] = []
    survived: list[bool] = []
    for rate in _SURVIVAL_RATES:
        result = compressor.compress(texts, rate=rate)
        for passage, text in zip(passages(), result.texts, strict=True):
            survived += [survives([normalise(answer)], text) for answer in passage.answers]
        if rate == _RATE:
            for item, spans in zip(scored, result.spans, strict=True):
                inside = np.zeros(len(item.text) + 1, bool)
                for start, end in spans:
                    inside[start:end] = True
                kept.append(inside[item.units.starts])
    return Decisions(np.concatenate(kept), np.array(survived))


def agreement(decisions: Decisions, reference: Decisions) -> float:
    """Share of the units of which both keep or both drop."""
    return float((decisions.kept == reference.kept).mean())


def survival_loss(decisions: Decisions, reference: Decisions) -> float:
    """Points (hundredths) of answer survival that ``decisions`` loses against ``reference``."""
    return float(100 * (reference.survived.mean() - decisions.survived.mean()))


def passes(precision: str, agreed: float, lost: float) -> bool:
    """Whether a runtime of this precision may stand in for PyTorch in fp32."""
    if precision == "fp32":
        return agreed >= _AGREEMENT_FP32
    return agreed >= _AGREEMENT_REDUCED and lost <= _LOSS_REDUCED
