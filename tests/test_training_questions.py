"""Training with questions: what answers them is to stay, and in other texts nothing does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingua2 import OptionError
from lingua2.dataset import Example
from lingua2.errors import TrainingError
from lingua2.loading import Checkpoint, load_checkpoint
from lingua2.model_options import ModelOptions
from lingua2.questions import READS_QUESTIONS
from lingua2.strict import validated
from lingua2.text import split_units
from lingua2.training import TrainingOptions, train
from lingua2.training.batches import Steps
from lingua2.training.features import IGNORED, WindowMaker
from lingua2.training.passages import cropped, varied
from lingua2.training.questions import QuestionPassages

KEPT = ("pump", "valve", "rose", "grow", "garden", "morning", "evening")


def example(name: str, text: str, question: str | None, answer: str = "") -> Example:
    units = split_units(text)
    words = [text[a:b] for a, b in zip(units.starts, units.ends, strict=True)]
    return Example(
        id=name,
        text=text,
        starts=tuple(units.starts.tolist()),
        ends=tuple(units.ends.tolist()),
        levels=tuple(int(word in KEPT) for word in words),
        question=question,
        evidence=tuple(int(word in answer.split()) for word in words) if question else (),
    )


EXAMPLES = [
    example("pump", "The old pump leaks at the valve .", "Where does the pump leak?", "the valve"),
    example("rose", "A rose can grow in a garden .", "What grows in a garden?", "A rose"),
    example("pumps", "Another pump has no valve .", None),
    example("time", "From morning to evening it rains .", "When does it rain?", "morning evening"),
]


@pytest.fixture(scope="module")
def checkpoint(tiny_bert: Path) -> Checkpoint:
    return load_checkpoint(ModelOptions(model_name=tiny_bert))


def settings(**options: Any) -> TrainingOptions:
    return validated(TrainingOptions, {"output": Path("unused"), **options})


def epoch(seed: int = 0, **options: Any) -> list[Any]:
    made = QuestionPassages(EXAMPLES, settings(**{"with_question": 1.0, **options}))
    return made.epoch(np.random.default_rng(seed))


def test_what_answers_the_question_is_to_stay_and_the_rest_less_than_without_it() -> None:
    (found,) = [p for p in epoch() if p.question == "Where does the pump leak?"]
    words = [found.text[a:b] for a, b in zip(found.starts, found.ends, strict=True)]
    targets = dict(zip(words, found.targets.tolist(), strict=True))
    # "the" answers, though every compression drops it; "pump" is kept, but no answer.
    assert targets == pytest.approx(
        {"The": 0, "old": 0, "pump": 0.3, "leaks": 0, "at": 0, "the": 0.5, "valve": 1.0, ".": 0}
    )


def test_examples_without_question_are_not_asked() -> None:
    assert sorted(p.question for p in epoch()) == sorted(e.question for e in EXAMPLES if e.question)


def test_with_question_is_a_share() -> None:
    assert len(epoch(with_question=0.34)) == 1


def test_negatives_answer_nothing_and_resemble_the_question_more_often_than_by_chance() -> None:
    others = [example(f"n{i}", f"Line {i} runs late .", None) for i in range(40)]
    made = QuestionPassages([*EXAMPLES, *others], settings(with_question=1.0, negatives=1.0))
    own = {e.question: e.text for e in EXAMPLES}
    drawn: list[str] = []
    for seed in range(100):
        negatives = [
            p for p in made.epoch(np.random.default_rng(seed)) if p.text != own[p.question]
        ]
        assert all(p.targets.max() <= 0.3 + 1e-6 for p in negatives)
        drawn += [p.text for p in negatives if p.question.startswith("Where")]
    assert drawn.count(EXAMPLES[2].text) > 3 * len(drawn) / 43


def test_the_question_stands_before_every_window_and_has_no_target(checkpoint: Checkpoint) -> None:
    found = epoch()[0]
    maker = WindowMaker(checkpoint)
    (asked,) = maker.windows(
        found.text, found.starts, found.ends, found.targets, "Where does the pump leak?"
    )
    (plain,) = maker.windows(found.text, found.starts, found.ends, found.targets)
    question = checkpoint.pieces.encode("Where does the pump leak?", add_special_tokens=False).ids
    before = [*checkpoint.prefix, *question, *checkpoint.suffix]
    assert asked.ids.tolist() == [*before, *plain.ids[len(checkpoint.prefix) :].tolist()]
    assert (asked.targets[: len(before)] == IGNORED).all()
    assert asked.targets[len(before) :].tolist() == plain.targets[1:].tolist()


def test_a_question_of_a_page_leaves_room_for_the_text(checkpoint: Checkpoint) -> None:
    found = epoch()[0]
    windows = WindowMaker(checkpoint).windows(
        found.text, found.starts, found.ends, found.targets, "why " * 5000
    )
    assert all(len(window) <= checkpoint.max_length for window in windows)
    assert sum((window.targets != IGNORED).sum() for window in windows) > 0


def test_cutting_and_packing_keep_the_question() -> None:
    given = epoch()
    assert all(cropped(p, 0.0, 0.5).question == p.question for p in given)
    made = varied(given, settings(with_question=1.0, pack=3), np.random.default_rng(1))
    assert sorted(p.question for p in made) == sorted(p.question for p in given)


def test_an_epoch_holds_the_texts_without_and_with_their_question(checkpoint: Checkpoint) -> None:
    options = settings(with_question=1.0, epochs=1)
    steps = Steps(EXAMPLES, WindowMaker(checkpoint), options, checkpoint.pad_token_id)
    assert sum(len(steps[i]["input_ids"]) for i in range(len(steps))) == len(EXAMPLES) + 3


def test_a_trained_model_says_that_it_reads_questions(tiny_bert: Path, tmp_path: Path) -> None:
    train(
        EXAMPLES[:3],
        validation=EXAMPLES[3:],
        model_name=tiny_bert,
        output=tmp_path / "model",
        epochs=1,
        with_question=1.0,
        negatives=0.5,
        calibrate=False,
        device="cpu",
    )
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert config[READS_QUESTIONS] is True
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "It also reads a question in front of a text" in card
    assert "does not depend on the question" not in card


def test_negatives_without_questions_are_refused() -> None:
    with pytest.raises(OptionError, match=r"negatives=0\.5 needs with_question above 0"):
        settings(negatives=0.5)


def test_examples_without_any_question_are_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(TrainingError, match="no example has a question with evidence"):
        Steps(
            EXAMPLES[2:3],
            WindowMaker(checkpoint),
            settings(with_question=1.0),
            checkpoint.pad_token_id,
        )
