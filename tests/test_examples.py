"""The demo and what the README shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lingua2 import Compressor
from samples import MARKDOWN, PROSE


def demo(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = root / "examples" / "demo.py"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)


def test_the_demo_shows_a_retrieval_in_both_frameworks_within_the_budget(root: Path) -> None:
    done = demo(root)
    assert done.returncode == 0, done.stderr
    totals = re.findall(r"tokens +(\d+) -> (\d+) of a budget of (\d+)", done.stdout)
    assert len(totals) == 2
    for before, after, budget in totals:
        assert int(before) > int(budget) >= int(after) > 0.9 * int(budget)
    for shown in ("question", "LangChain", "LlamaIndex", "before", "after", "14 May 2019"):
        assert shown in done.stdout
    # A newcomer's first screen is about their documents, not about deprecations.
    assert "Warning" not in done.stderr


def test_the_demo_takes_files(root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE * 3)
    (tmp_path / "b.md").write_text(MARKDOWN * 3)
    files = [str(tmp_path / name) for name in ("a.txt", "b.md")]
    done = demo(root, "--file", *files, "--question", "Which dock?", "--target-token", "40")
    assert done.returncode == 0, done.stderr
    assert "of a budget of 40" in done.stdout
    assert "Dock" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--file", "x.txt"], "--question"), (["--target-token", "many"], "invalid int value")],
)
def test_the_demo_explains_wrong_arguments(root: Path, arguments: list[str], message: str) -> None:
    done = demo(root, *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_readmes_example_is_what_comes_out(root: Path, compressor: Compressor) -> None:
    readme = (root / "README.md").read_text()
    before, after = (
        " ".join(re.search(rf"^{label} +(.*?)(?=\n\w|\n```)", readme, re.M | re.S)[1].split())
        for label in ("before", "after")
    )
    assert compressor.compress([before], rate=0.6).texts == [after]
