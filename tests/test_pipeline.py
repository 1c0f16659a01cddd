"""From documents to a compressor, through every stage and its command."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

import checkpoints
from lingua2 import Compressor
from lingua2.cli import main
from lingua2.dataset import read_examples, read_pairs
from lingua2.distill import Document, distill
from lingua2.errors import TeacherError

NOTES = [
    Document(
        f"note{i}",
        f"Good morning all. The pump of hall {i} was switched off, please do not start it again.",
        "handover notes",
        license="CC0-1.0",
    )
    for i in range(12)
]
BY_HAND: Any = {"teacher_name": "by hand", "progress": False}
DROPPED = {"good", "morning", "all", "the", "was", "please", "it"}


def teacher(prompt: object) -> str:
    text = str(prompt).partition("<text>\n")[2].partition("\n</text>")[0]
    return " ".join(word for word in text.split() if word.strip(".,").lower() not in DROPPED)


def test_a_teachers_answers_become_labels(tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    distill(NOTES, RunnableLambda(teacher), output, **BY_HAND)
    examples = read_pairs(output)
    assert [example.id for example in examples] == [f"{note.id}#0" for note in NOTES]
    kept = {
        word for word, level in zip(examples[3].words, examples[3].levels, strict=True) if level
    }
    assert kept == {
        "pump",
        "of",
        "hall",
        "3",
        "switched",
        "off",
        ",",
        "do",
        "not",
        "start",
        "again",
        ".",
    }
    assert examples[0].license == "CC0-1.0"


def test_of_chunks_that_were_asked_again_the_last_answer_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "answers.jsonl"
    distill(NOTES[:2], RunnableLambda(teacher), output, **BY_HAND)
    refusing = RunnableLambda(
        lambda prompt: "I'm sorry, but I cannot help." if "hall 0" in prompt else "pump hall"
    )
    distill(NOTES[:2], refusing, output, instruction="Shorter! {text}", **BY_HAND)
    (example,) = read_pairs(output)
    assert example.id == "note1#0"
    assert example.compressed == ("pump hall",)
    assert "left out 1 of 2 chunks" in caplog.text


def test_a_chunk_whose_core_is_missing_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "answers.jsonl"
    distill(NOTES[:3], RunnableLambda(teacher), output, **BY_HAND)
    # The second level is asked with the first one's answer, and fails for one chunk.
    both = {"compressed": None, "core": None}

    def core(prompt: object) -> str:
        if "hall 1" in str(prompt):
            raise OSError("gone")
        return "pump off"

    levels = tuple(both)
    distill(NOTES[:3], RunnableLambda(core), output, levels=levels, max_retries=0, **BY_HAND)
    examples = read_pairs(output)
    assert [example.id for example in examples] == ["note0#0", "note2#0"]
    assert "left out 1 of 3 chunks" in caplog.text


def test_a_function_needs_a_name_so_that_answers_are_not_mixed_up(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="give one, as in teacher_name="):
        distill(NOTES[:1], RunnableLambda(teacher), tmp_path / "answers.jsonl", progress=False)


def test_a_teacher_must_return_text(tmp_path: Path) -> None:
    odd = RunnableLambda(lambda _: {"answer": "pump"})
    with pytest.raises(TeacherError, match="returned a dict; it must return a string or a chat"):
        distill(NOTES[:1], odd, tmp_path / "answers.jsonl", **BY_HAND)


def test_annotating_does_not_overwrite_its_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"id": "a", "text": "x y", "compressed": "x"}\n')
    assert main(["annotate", str(pairs), "--output", str(pairs)]) == 1
    assert "must be different files" in capsys.readouterr().err
    assert json.loads(pairs.read_text())["compressed"] == "x"


def test_the_commands_hand_files_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = checkpoints.build_bert(tmp_path / "tiny")
    rows = [
        {"id": note.id, "text": note.text, "compressed": teacher(f"<text>\n{note.text}\n</text>")}
        for note in NOTES
    ]
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    annotate = ["annotate", "pairs.jsonl", "--output", "labelled.parquet", "--report", "quality.md"]
    assert main(annotate) == 0
    assert "12 examples annotated" in capsys.readouterr().out
    assert len(read_examples("labelled.parquet")) == 12
    assert "# Quality control" in Path("quality.md").read_text()

    train = ["train", "labelled.parquet", "--model", str(home), "--output", "model"]
    assert main([*train, "--epochs", "1", "--device", "cpu"]) == 0
    Path("note.txt").write_text(NOTES[0].text)
    capsys.readouterr()
    assert main(["compress", "note.txt", "--model", "model", "--rate", "0.5"]) == 0


@pytest.mark.slow
def test_the_tutorial_makes_a_better_compressor(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = root / "examples" / "tutorial" / "train.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--output", str(tmp_path / "out")])
    runpy.run_path(str(script), run_name="__main__")
    shown = capsys.readouterr().out
    assert "20 of 20 stay" in shown
    before, after = map(float, re.findall(r"area under the curve for kept words ([\d.]+)", shown))
    assert after > before + 0.01
    result = Compressor(tmp_path / "out" / "handover-notes").compress(
        ["Hello all, hope you are well. Drill D-9 lost its guard, do not use it."], rate=0.6
    )
    assert "D-9" in result.prompt
