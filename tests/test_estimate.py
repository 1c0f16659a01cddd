"""From which size on compressing pays: on a clock that only the scorer moves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from lingua2 import BreakEven, Compressor, OptionError, break_even, estimate
from lingua2.counting import resolve_token_counter
from lingua2.scores import ScoredText
from samples import CODE, PROSE
from test_guards import Scorer

TEXTS = [PROSE, PROSE + " " + CODE, CODE]
READER: dict[str, Any] = {"rate": 0.5, "prefill_tokens_per_second": 1000, "price_per_million": 2.0}


class Clock:
    """Seconds that pass only while texts are scored: some per call, some per token."""

    def __init__(self, per_call: float, per_token: float) -> None:
        self.now = 0.0
        self.calls = 0
        self.per_call, self.per_token = per_call, per_token

    def compressor(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Compressor:
        count, clock = resolve_token_counter("cl100k_base"), self

        class Timed(Scorer):
            def score(self, texts: list[str], question: str = "") -> list[ScoredText]:
                clock.calls += 1
                clock.now += clock.per_call + clock.per_token * count("\n\n".join(texts))
                return super().score(texts, question)

        monkeypatch.setattr(estimate.time, "perf_counter", lambda: clock.now)
        made = Compressor(**options)
        made._encoder = Timed()  # type: ignore[assignment]
        return made


def measured(
    monkeypatch: pytest.MonkeyPatch, per_call: float, per_token: float, **options: Any
) -> BreakEven:
    compressor = Clock(per_call, per_token).compressor(monkeypatch)
    return break_even(compressor, TEXTS, **{**READER, **options})


def test_the_line_is_found_and_where_it_crosses_the_readers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = measured(monkeypatch, per_call=0.1, per_token=1e-4)
    assert found.tokens_per_second == pytest.approx(10_000)
    assert found.seconds_per_call == pytest.approx(0.1)
    # Half of n tokens at 1000 a second, against 0.1 s and n at 10,000 a second.
    assert found.time_tokens == math.floor(0.1 / (0.5 / 1000 - 1e-4)) + 1
    assert found.cost_tokens == 1
    assert found.saved_per_million == pytest.approx(1.0)


def test_a_compressor_slower_than_the_reader_never_saves_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = measured(monkeypatch, per_call=0.0, per_token=1e-3)
    assert found.time_tokens is None
    assert found.cost_tokens == 1


def test_a_machine_that_costs_more_than_the_tokens_saves_no_money(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dear = measured(monkeypatch, 0.1, 1e-4, machine_price_per_hour=100.0)
    assert dear.cost_tokens is None
    assert dear.saved_per_million < 0
    fair = measured(monkeypatch, 0.1, 1e-4, machine_price_per_hour=18.0)
    # A second costs 0.005, a million tokens cost 1.0 less to read and 0.5 to compress.
    assert fair.saved_per_million == pytest.approx(0.5)
    assert fair.cost_tokens == 1001


def test_remembered_scores_and_options_that_spare_the_work_are_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(0.1, 1e-4)
    compressor = clock.compressor(monkeypatch, min_tokens=10**6, target_token=50, relevance="bm25")
    compressor.compress(TEXTS, target_token=20)
    found = break_even(compressor, TEXTS, **READER)
    assert found.tokens_per_second == pytest.approx(10_000)


def test_stored_scores_are_measured_where_they_will_be_there(
    monkeypatch: pytest.MonkeyPatch, tiny_bert: Path
) -> None:
    clock = Clock(0.1, 1e-4)
    compressor = clock.compressor(monkeypatch, model_name=tiny_bert)
    found = break_even(compressor, TEXTS, **READER, stored=True)
    assert clock.calls == 1, "only to store them"
    assert found.seconds_per_call == 0
    assert found.time_tokens == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": 1.0}, "rate must lie between 0 and 1, got 1.0"),
        ({"rate": math.nan}, "rate must lie"),
        ({"prefill_tokens_per_second": 0}, "prefill_tokens_per_second must be above 0, got 0"),
        ({"price_per_million": -1}, "price_per_million must be 0 or more, got -1"),
        ({"machine_price_per_hour": math.inf}, "machine_price_per_hour must be 0 or more"),
        ({"texts": [PROSE]}, "texts has 1 entries; two or more"),
        ({"texts": [PROSE, ""]}, "all texts but the first are empty"),
    ],
)
def test_what_cannot_be_measured_is_explained(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], message: str
) -> None:
    compressor = Clock(0.1, 1e-4).compressor(monkeypatch)
    arguments = {"texts": TEXTS, **READER, **given}
    with pytest.raises(OptionError, match=message):
        break_even(compressor, arguments.pop("texts"), **arguments)
