"""Scores of a reader's answer against the references, each between 0 and 1.

The official metrics of the benchmarks, computed by well-kept libraries where there is one.
"""

from __future__ import annotations

import itertools
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lingua2._extras import require
from lingua2.errors import ModelLoadError, OptionError

__all__ = ["METRICS", "check_metric", "score_answer"]

Metric = Callable[[str, str, Sequence[str]], float]
"""A prediction, one reference and all classes to a score."""

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DIGITS = re.compile(r"\d+")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")
_CHOICE = re.compile(r"\(([A-Z])\)")
_PERCENTAGE = re.compile(r"(\d+(?:\.\d*)?) ?%")
_rouge: dict[bool, Any] = {}
_bert: list[Any] = []


def score_answer(
    metric: str,
    prediction: str,
    references: Sequence[str],
    *,
    classes: Sequence[str] = (),
    first_line: bool = False,
) -> float:
    """The best score of ``prediction`` against any of the references.

    Args:
        metric: A name in `METRICS`.
        prediction: A reader's answer.
        references: Gold answers.
        classes: All labels, for ``"classification"``.
        first_line: Score only the first line of the prediction that is not empty.

    Raises:
        OptionError: The metric is unknown.
        ImportError: A package of the extra "evaluate" is missing.
    """
    check_metric(metric)
    if first_line:
        prediction = prediction.lstrip("\n").split("\n", 1)[0].strip()
    return max(
        (METRICS[metric](prediction, reference, classes) for reference in references), default=0.0
    )


def check_metric(metric: str) -> None:
    """Raise an OptionError that lists the known metrics unless ``metric`` is one."""
    if metric not in METRICS:
        raise OptionError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")


def _squad(text: str) -> str:
    """Normalisation of SQuAD's evaluation script."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _em(prediction: str, reference: str, _: Sequence[str]) -> float:
    return float(_squad(prediction) == _squad(reference))


def _contains(prediction: str, reference: str, _: Sequence[str]) -> float:
    """The "EM" of the paper's MeetingBank QA: the answer holds the gold one."""
    gold = _squad(reference)
    return float(gold in _squad(prediction) if gold else reference.strip() in prediction)


def _qa_f1(prediction: str, reference: str, _: Sequence[str]) -> float:
    found, gold = _squad(prediction).split(), _squad(reference).split()
    shared = (Counter(found) & Counter(gold)).total()
    return 2 * shared / (len(found) + len(gold)) if shared else 0.0


def _rouge_of(*kinds: str, stem: bool = False) -> Metric:
    def metric(prediction: str, reference: str, _: Sequence[str]) -> float:
        if stem not in _rouge:
            scorers = require("rouge_score.rouge_scorer", "evaluate")
            _rouge[stem] = scorers.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stem)
        scores = _rouge[stem].score(reference, prediction)
        product = 1.0
        for kind in kinds:
            product *= float(scores[kind].fmeasure)
        return float(product ** (1 / len(kinds)))

    return metric


def _bleu(prediction: str, reference: str, _: Sequence[str]) -> float:
    # Of one answer; the papers give that of a corpus, which has no interval.
    score = require("sacrebleu", "evaluate").sentence_bleu(prediction, [reference]).score
    return float(min(1.0, score / 100))


def _bertscore(prediction: str, reference: str, _: Sequence[str]) -> float:
    if not _bert:
        # Its function would load the model for each answer.
        scorer = require("bert_score", "bertscore").BERTScorer
        try:
            _bert.append(scorer(lang="en"))
        except OSError as error:
            raise ModelLoadError(f"BERTScore's model cannot be loaded: {error}") from error
    _, _, f1 = _bert[0].score([prediction], [reference], verbose=False)
    return min(1.0, max(0.0, float(f1[0])))


def _classification(prediction: str, reference: str, classes: Sequence[str]) -> float:
    """LongBench: one over the number of labels that the answer names, if the right one is there."""
    named = [label for label in classes if label in prediction]
    # A label inside the right one ("Other" in "Other number") was not named on its own.
    named = [label for label in named if label == reference or label not in reference]
    return 1 / len(named) if reference in named else 0.0


def _count(prediction: str, reference: str, _: Sequence[str]) -> float:
    """LongBench: the share of the answer's numbers that are the right one."""
    numbers = _DIGITS.findall(prediction)
    return numbers.count(reference.strip()) / len(numbers) if numbers else 0.0


def _retrieval(prediction: str, reference: str, _: Sequence[str]) -> float:
    found = _DIGITS.search(reference)
    return _count(prediction, found.group(), ()) if found else 0.0


def _code_similarity(prediction: str, reference: str, _: Sequence[str]) -> float:
    """LongBench: edit similarity of the answer's first line that is neither comment nor fence."""
    lines = prediction.lstrip("\n").split("\n")
    first = next((x for x in lines if not any(m in x for m in ("`", "#", "//"))), "")
    return float(require("rapidfuzz.fuzz", "evaluate").ratio(first, reference)) / 100


def _number(prediction: str, reference: str, _: Sequence[str]) -> float:
    """GSM8K: the number behind ``####`` or "answer is", else the last number."""
    # A reader may go on with questions of its own behind the answer.
    _, mark, marked = prediction.partition("####")
    if mark:
        found = _NUMBER.findall(marked)[:1]
    else:
        answer = re.search(r"answer is[^\n]*", prediction)
        found = _NUMBER.findall(answer.group()) if answer else []
        found = (found or _NUMBER.findall(prediction))[-1:]
    gold = _NUMBER.findall(reference)[-1:]
    return float(bool(found and gold) and _value(found[0]) == _value(gold[0]))


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _bbh(prediction: str, reference: str, _: Sequence[str]) -> float:
    """BIG-Bench Hard: what follows "answer is"; a letter where the target is one."""
    _, mark, answer = prediction.partition("answer is")
    answer = answer if mark else prediction
    if target := _CHOICE.fullmatch(reference.strip()):
        found = _CHOICE.search(answer)
        return float(found is not None and found[1] == target[1])
    # Readers go on behind it: "… the answer is yes. He plays tennis."
    first = re.split(r"\.(?:\s|$)|\n", answer.strip(), maxsplit=1)[0]
    return float(first.strip().lower() == reference.strip().lower())


def _choice(prediction: str, reference: str, _: Sequence[str]) -> float:
    """QuALITY: the first letter of the answer that stands alone or in brackets."""
    letters = [re.search(r"\b([A-D])\b", text) for text in (prediction, reference)]
    found, gold = letters
    return float(found is not None and gold is not None and found[1] == gold[1])


def _percentage(prediction: str, reference: str, _: Sequence[str]) -> float:
    """SpaceDigest: 2 to the power of -10 times the distance of the first percentages, as shares."""
    found, gold = _PERCENTAGE.search(prediction), _PERCENTAGE.search(reference)
    if not found or not gold:
        return 0.0
    return float(2 ** (-abs(float(found[1]) - float(gold[1])) / 10))


def _order(prediction: str, reference: str, _: Sequence[str]) -> float:
    """BookSumSort: the share of pairs in the right order (concordance index)."""
    found, gold = (list(map(int, _DIGITS.findall(text))) for text in (prediction, reference))
    if sorted(found) != sorted(gold) or len(set(gold)) < 2:
        return 0.0
    places = {value: place for place, value in enumerate(found)}
    pairs = list(itertools.combinations(gold, 2))
    return sum(places[a] < places[b] for a, b in pairs) / len(pairs)


METRICS: Mapping[str, Metric] = {
    "em": _em,
    "qa_f1": _qa_f1,
    "contains": _contains,
    # LongBench takes ROUGE-L of the package "rouge", which neither folds case nor stems and reads
    # sentences on their own; it differs from rouge-score's by some points.
    "rouge1": _rouge_of("rouge1"),
    "rouge2": _rouge_of("rouge2"),
    "rougeL": _rouge_of("rougeL"),
    # ZeroSCROLLS: the geometric mean of the three, on stems.
    "rouge_mean": _rouge_of("rouge1", "rouge2", "rougeL", stem=True),
    "bleu": _bleu,
    "bertscore": _bertscore,
    "classification": _classification,
    "count": _count,
    "retrieval": _retrieval,
    "code_similarity": _code_similarity,
    "number": _number,
    "bbh": _bbh,
    "choice": _choice,
    "percentage": _percentage,
    "order": _order,
}
"""Metrics by name."""
