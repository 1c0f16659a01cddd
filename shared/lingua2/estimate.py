"""When does compressing cost more than it saves?"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import OptionError

if TYPE_CHECKING:
    from .compressor import Compressor

__all__ = ["BreakEven", "break_even"]

_REPEATS = 3


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From which size on compressing pays; all sizes in the reader's tokens.

    Attributes:
        rate: Share of the tokens that is kept.
        tokens_per_second: Speed of the compressor, without what a call costs in any case.
        seconds_per_call: What a call costs in any case.
        time_tokens: Smallest prompt that the reader answers sooner compressed, which is what
            ``min_tokens`` takes; None if no size is large enough.
        cost_tokens: Smallest prompt for which the reader's price falls by more than compressing
            costs; None if no size is large enough.
        saved_per_million: Money saved per million tokens that go in, compressing paid for.
    """

    rate: float
    tokens_per_second: float
    seconds_per_call: float
    time_tokens: int | None
    cost_tokens: int | None
    saved_per_million: float


def break_even(
    compressor: Compressor,
    texts: Iterable[str],
    *,
    rate: float,
    prefill_tokens_per_second: float,
    price_per_million: float,
    machine_price_per_hour: float = 0.0,
    stored: bool = False,
) -> BreakEven:
    """Measure ``compressor`` on ``texts`` and say from which size on compressing pays.

    The compressor is timed on one text and on all of them, three times each, and the best counts;
    a straight line through both is its speed. Each time the model scores the texts anew.

    Args:
        compressor: What will compress.
        texts: A few hundred tokens or more of what will be compressed, two texts at least.
        rate: Share of the tokens that will be kept, in (0, 1).
        prefill_tokens_per_second: How fast the reader reads its prompt.
        price_per_million: What a million prompt tokens cost.
        machine_price_per_hour: What the machine that compresses costs, in the same currency.
        stored: Measure with scores that are there already, as after `Compressor.pack`.

    Raises:
        OptionError: A number is out of range, there are fewer than two texts, or all but the first
            are empty.
        ModelLoadError: See `Compressor.load`.
    """
    sample = list(texts)
    if not 0 < rate < 1:
        raise OptionError(f"rate must lie between 0 and 1, got {rate}")
    if not (math.isfinite(prefill_tokens_per_second) and prefill_tokens_per_second > 0):
        raise OptionError(
            f"prefill_tokens_per_second must be above 0, got {prefill_tokens_per_second}"
        )
    for name, price in (
        ("price_per_million", price_per_million),
        ("machine_price_per_hour", machine_price_per_hour),
    ):
        if not (math.isfinite(price) and price >= 0):
            raise OptionError(f"{name} must be 0 or more, got {price}")
    if len(sample) < 2:
        raise OptionError(f"texts has {len(sample)} entries; two or more are needed for a line")
    packed: list[bytes] | None = None
    if stored:
        packed = list(compressor.pack(sample))
    else:
        compressor = _forgetful(compressor)
    small, small_seconds = _timed(compressor, sample[:1], rate, packed)
    large, large_seconds = _timed(compressor, sample, rate, packed)
    if large <= small:
        raise OptionError("all texts but the first are empty; a line needs two sizes")
    per_token = max(1e-9, (large_seconds - small_seconds) / max(1, large - small))
    overhead = max(0.0, small_seconds - small * per_token)
    saved_seconds = (1 - rate) / prefill_tokens_per_second - per_token
    price, wage = price_per_million / 1e6, machine_price_per_hour / 3600
    saved_price = (1 - rate) * price - wage * per_token
    return BreakEven(
        rate=rate,
        tokens_per_second=1 / per_token,
        seconds_per_call=overhead,
        time_tokens=_smallest(overhead, saved_seconds),
        cost_tokens=_smallest(overhead * wage, saved_price),
        saved_per_million=saved_price * 1e6,
    )


def _forgetful(compressor: Compressor) -> Compressor:
    """``compressor`` without what it remembers: measured again, its memory would be measured."""
    twin = type(compressor).with_encoder(compressor._loaded_encoder())
    twin._defaults = compressor._defaults
    return twin


def _timed(
    compressor: Compressor, texts: list[str], rate: float, packed: list[bytes] | None
) -> tuple[int, float]:
    scores = None if packed is None else packed[: len(texts)]
    best, tokens = math.inf, 0
    for _ in range(_REPEATS):
        start = time.perf_counter()
        # Without the options that could spare the work.
        result = compressor.compress(
            texts, rate=rate, scores=scores, min_tokens=0, relevance=None, markers=None
        )
        best = min(best, time.perf_counter() - start)
        tokens = result.original_tokens
    return tokens, best


def _smallest(fixed: float, saved_per_token: float) -> int | None:
    """Smallest whole number of tokens whose saving is above ``fixed``."""
    return math.floor(fixed / saved_per_token) + 1 if saved_per_token > 0 else None
