"""Metrics against values computed by hand."""

from __future__ import annotations

import importlib.util
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2.errors import ModelLoadError, OptionError
from lingua2.evaluation.metrics import METRICS, score_answer

HAND = [
    # SQuAD: case, punctuation and articles do not count.
    ("em", "The Old Mill.", "old mill", 1.0),
    ("em", "the old mill of Norrvik", "old mill", 0.0),
    ("contains", "It is the old mill.", "Old Mill", 1.0),
    ("contains", "It is an old, grey mill.", "Old Mill", 0.0),
    # 2 of 4 words found, 2 of 2 gold: 2 * 2 / (4 + 2).
    # A gold answer of an article alone stands in an answer only as it is.
    ("contains", "grey pier", "The", 0.0),
    ("qa_f1", "the old mill of Norrvik", "old mill", 2 / 3),
    # "mill" counts once, since gold has it once: 2 * 1 / (2 + 2).
    ("qa_f1", "mill mill", "old mill", 0.5),
    ("qa_f1", "a pier", "old mill", 0.0),
    # Unigrams: 3 of 4 shared with 3: precision 3/4, recall 1.
    ("rouge1", "old mill still stands", "old mill stands", 6 / 7),
    # Bigrams: "old mill" of 3 and 2.
    ("rouge2", "old mill still stands", "old mill stands", 2 / 5),
    ("rougeL", "stands old mill", "old mill stands", 2 / 3),
    # On stems "mills" is "mill": all three are 1.
    ("rouge_mean", "old mills stand", "old mill stands", 1.0),
    ("rouge_mean", "old mill", "pier", 0.0),
    ("bleu", "the old mill stands by the sea", "the old mill stands by the sea", 1.0),
    # Half the labels that are named are right.
    ("classification", "Date or Place", "Date", 0.5),
    # "Number" within the right label was not named on its own.
    ("classification", "Phone Number", "Phone Number", 1.0),
    ("classification", "Colour", "Date", 0.0),
    ("count", "There are 7, perhaps 8.", "7", 0.5),
    ("count", "seven", "7", 0.0),
    ("retrieval", "Paragraph 12", "Paragraph 12", 1.0),
    ("retrieval", "Paragraph 12 or 3", "Paragraph 3", 0.5),
    # The fence and the comment are passed over; "return 1" and "return 2" share 7 of 8 characters.
    ("code_similarity", "```python\n# one\nreturn 1", "return 2", 7 / 8),
    ("number", "3 + 3 = 6, so #### 6", "6", 1.0),
    ("number", "The answer is $1,234.00.\n\nQuestion: 5?", "1234", 1.0),
    ("number", "First 3, then 4 makes 7", "7", 1.0),
    ("number", "The answer is -5.", "5", 0.0),
    ("number", "none", "5", 0.0),
    # A reader that goes on with questions of its own is judged by its first answer.
    ("number", "It is 6.\n#### 6\n\nQuestion: 4 + 5?\n#### 9", "6", 1.0),
    ("bbh", "So the answer is (B). Q: next", "(B)", 1.0),
    ("bbh", "(A) is wrong, so the answer is (B).", "(A)", 0.0),
    ("bbh", "So the answer is Yes.", "yes", 1.0),
    ("bbh", "So the answer is yes and no.", "yes", 0.0),
    ("bbh", "So the answer is yes. A goalkeeper may do that.", "yes", 1.0),
    ("bbh", "So the answer is 3.5", "3", 0.0),
    ("choice", "(C) the pier", "C", 1.0),
    ("choice", "Because of B", "C", 0.0),
    # 10 points apart: 2 ** (-10 * 0.1).
    ("percentage", "about 60%", "70%", 0.5),
    ("percentage", "most", "70%", 0.0),
    # Only a number with its sign is a percentage, as in the official script.
    ("percentage", "Of 50 reviews, 60% are positive.", "70%", 0.5),
    ("percentage", "60", "60%", 0.0),
    # Of the pairs of 1, 2, 3 only 1 before 2 is kept.
    ("order", "3, 1, 2", "1, 2, 3", 1 / 3),
    ("order", "1, 2", "1, 2, 3", 0.0),
]
CLASSES = ["Date", "Place", "Number", "Phone Number"]


@pytest.mark.parametrize(("metric", "prediction", "reference", "value"), HAND)
def test_scores_are_those_computed_by_hand(
    metric: str, prediction: str, reference: str, value: float
) -> None:
    score = score_answer(metric, prediction, [reference], classes=CLASSES)
    assert score == pytest.approx(value, abs=1e-6)


def test_every_metric_but_the_guarded_one_is_computed_by_hand() -> None:
    assert {metric for metric, *_ in HAND} == METRICS.keys() - {"bertscore"}


def test_bleu_of_three_of_four_words() -> None:
    # Precisions 3/4, 2/3, 1/2; no four-gram matches, which sacrebleu smooths to 1/2 of one.
    expected = (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** (1 / 4)
    assert score_answer("bleu", "old mill stands here", ["old mill stands there"]) == pytest.approx(
        expected
    )


def test_the_best_reference_counts() -> None:
    assert score_answer("em", "mill", ["pier", "the mill"]) == 1.0
    assert score_answer("em", "mill", []) == 0.0


def test_only_the_first_line_counts_where_a_task_says_so() -> None:
    answer = "\n\nmill\nQuestion: another"
    assert score_answer("em", answer, ["mill"], first_line=True) == 1.0
    assert score_answer("em", answer, ["mill"]) == 0.0


def test_an_unknown_metric_lists_the_known() -> None:
    with pytest.raises(OptionError, match="unknown metric 'taste'; known: em, qa_f1"):
        score_answer("taste", "a", ["a"])


@pytest.mark.skipif(
    importlib.util.find_spec("bert_score") is not None, reason="bert-score is installed"
)
def test_bertscore_says_what_to_install() -> None:
    with pytest.raises(ImportError, match=r"lingua2\[bertscore\]"):
        score_answer("bertscore", "a", ["a"])


def test_bertscore_loads_its_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    class BERTScorer:
        def __init__(self, lang: str) -> None:
            loaded.append(lang)

        def score(self, found: list[str], gold: list[str], verbose: bool) -> Any:
            return None, None, [0.9 if found == gold else 1.2]

    package = types.SimpleNamespace(BERTScorer=BERTScorer)
    monkeypatch.setattr("lingua2.evaluation.metrics.require", lambda *_: package)
    monkeypatch.setattr("lingua2.evaluation.metrics._bert", [])
    assert score_answer("bertscore", "a mill", ["a mill"]) == 0.9
    assert score_answer("bertscore", "a pier", ["a mill"]) == 1.0
    assert loaded == ["en"]


def test_a_model_of_bertscore_that_is_not_there_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(lang: str) -> None:
        raise OSError("no network")

    package = types.SimpleNamespace(BERTScorer=refuse)
    monkeypatch.setattr("lingua2.evaluation.metrics.require", lambda *_: package)
    monkeypatch.setattr("lingua2.evaluation.metrics._bert", [])
    with pytest.raises(ModelLoadError, match="BERTScore's model cannot be loaded: no network"):
        score_answer("bertscore", "a", ["a"])


@given(st.sampled_from(sorted(METRICS.keys() - {"bertscore"})), st.text(max_size=30), st.text())
def test_scores_lie_between_0_and_1_whatever_the_texts(metric: str, one: str, two: str) -> None:
    score = score_answer(metric, one, [two], classes=[two, "Date"])
    assert 0.0 <= score <= 1.0 + 1e-9
