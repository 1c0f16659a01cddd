"""The loss report: what a compression cost, for the set and text by text."""

from __future__ import annotations

import json
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2 import Compressor
from lingua2.counting import resolve_token_counter
from samples import PROSE
from samples import texts as any_texts
from test_guards import KEEP, NUMBERS, compress

NOTE = (
    "Build 2.4.1 failed on worker_3 after 40 seconds. Nobody had touched ABC-4711. "
    "It does not start without the file /etc/tool.conf, they say."
)
KINDS = ("numbers", "identifiers", "negations")


def test_all_is_lost_where_nothing_is_kept() -> None:
    report = compress([NOTE], threshold=1.0, protect=()).losses()
    (own,) = report["texts"]
    assert own["numbers_dropped"] == ["40 seconds"]
    assert own["identifiers_dropped"] == ["2.4.1", "worker_3", "ABC-4711", "/etc/tool.conf"]
    assert own["negations_dropped"] == ["Nobody", "not", "without"]
    assert own["sentences"] == own["sentences_dropped"] == 3
    assert own["tokens_after"] == 0
    assert own["least_probable_kept"] is None


def test_nothing_is_lost_where_everything_is_kept() -> None:
    report = compress([NOTE, PROSE], rate=1.0, return_word_label=True).losses()
    assert report["tokens_before"] == report["tokens_after"]
    assert report["sentences_dropped"] == 0
    assert all(report[f"{kind}_dropped"] == [] for kind in KINDS)
    assert report["most_probable_dropped"] is None
    assert report["least_probable_kept"]["probability"] <= 0.1


def test_a_number_without_its_unit_is_lost() -> None:
    result = compress(["They waited 40 seconds there."], threshold=1.0, protect=["40"])
    assert result.texts == ["40"]
    assert result.losses()["numbers_dropped"] == ["40 seconds"]


def test_what_guards_protect_is_not_reported() -> None:
    guards = ["numbers", "identifiers", "negations"]
    report = compress([NOTE, NUMBERS], rate=0.8, protect=guards).losses()
    assert report["numbers_dropped"] == report["identifiers_dropped"] == []


def test_the_set_is_the_sum_of_its_texts() -> None:
    result = compress([NOTE, "", PROSE], rate=0.4)
    report = result.losses()
    texts = report["texts"]
    count = resolve_token_counter("cl100k_base")
    assert [own["tokens_after"] for own in texts] == list(map(count, result.texts))
    for name in ("sentences", "sentences_dropped", *KINDS):
        assert report[name] == sum(own[name] for own in texts)
    words = [word for own in result.words or [] for word in own]
    assert report["most_probable_dropped"]["probability"] == pytest.approx(
        max(w.probability for w in words if not w.kept and w.end - w.start > 1), abs=0.001
    )


def test_words_are_not_known_where_the_model_was_not_needed() -> None:
    report = Compressor().compress([NOTE], rate=1.0).losses()
    assert report["most_probable_dropped"] is report["least_probable_kept"] is None


def test_markers_are_not_lost() -> None:
    text = NOTE.replace("worker_3", "<keep>worker_3</keep>")
    marked = compress([text], rate=0.4, markers=KEEP)
    plain = compress([NOTE], rate=0.4, protect=["negations", "worker_3(?= )"])
    assert marked.losses() == plain.losses()


@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
@given(any_texts, st.floats(0.05, 1))
def test_any_report_can_be_written_as_json(text: str, rate: float) -> None:
    report = compress([text], rate=rate).losses()
    assert json.loads(json.dumps(report)) == report
    for kind in KINDS:
        assert len(report[f"{kind}_dropped"]) <= report[kind]


def test_the_notebook_shows_it_folded_up() -> None:
    html = compress([NOTE, "<b>12</b>"], threshold=1.0, protect=())._repr_html_()
    (folded,) = re.findall("<details>.*?</details>", html)
    assert "4 of 4 sentences" in folded
    assert "ABC-4711" in folded
    assert "<b>" not in folded


def test_a_result_can_still_be_sent_to_another_process(compressor: Compressor) -> None:
    result = compressor.compress([NOTE], rate=0.5)
    data = pickle.dumps(result)
    assert len(data) < 10_000, "no vocabulary in it"
    restored = pickle.loads(data)  # noqa: S301 - our own
    assert restored == result
    assert restored.losses() == result.losses()


def test_a_counter_that_cannot_be_sent_stays_behind() -> None:
    result = compress([NOTE], rate=0.5, token_counter=lambda text: len(text.split()))
    restored = pickle.loads(pickle.dumps(result))  # noqa: S301 - our own
    assert restored == result
    assert restored.losses()["texts"][0]["tokens_after"] is None
    assert restored.losses()["tokens_after"] == len(result.prompt.split())
