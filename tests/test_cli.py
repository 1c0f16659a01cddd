"""The command line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lingua2 import Compressor
from lingua2.cli import main
from samples import LOG, PROSE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(PROSE, encoding="utf-8")
    return path


def test_a_file_is_compressed_to_standard_output(
    file: Path, compressor: Compressor, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["compress", str(file), "--rate", "0.5"]) == 0
    out, err = capfdbinary.readouterr()
    assert out.decode() == compressor.compress([PROSE], rate=0.5).texts[0]
    assert err == b""


def test_a_pipe_is_compressed_as_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lingua2", "compress", "-", "--target-token", "20", "--json"],
        input=PROSE.encode(),
        capture_output=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["budget"] == 20 >= answer["compressed_tokens"]
    assert answer["texts"] != [PROSE]
    assert all(PROSE[start:end] in answer["texts"][0] for start, end in answer["spans"][0])


def test_several_files_share_one_budget(
    file: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    other = tmp_path / "other.log"
    other.write_text(LOG)
    arguments = ["--target-token", "50", "--json", "--force-token", "4711", "--force-token", r"\n"]
    assert main(["compress", str(file), str(other), *arguments]) == 0
    answer = json.loads(capfdbinary.readouterr().out)
    assert len(answer["texts"]) == 2
    assert answer["compressed_tokens"] <= 50
    assert "4711" in answer["texts"][1]


def test_show_colours_the_words(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["compress", str(file), "--rate", "0.5", "--show"]) == 0
    out, err = capfdbinary.readouterr()
    assert b"\x1b[1;32mharbour\x1b[0m" in out
    assert b"tokens" in err


def test_no_color_is_honoured(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["compress", str(file), "--threshold", "0.5", "--show"]) == 0
    assert b"\x1b" not in capfdbinary.readouterr().out


@pytest.mark.parametrize("show", [[], ["--show"]])
def test_windows_line_breaks_are_line_breaks(
    tmp_path: Path,
    show: list[str],
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    path = tmp_path / "windows.txt"
    path.write_bytes(LOG.replace("\n", "\r\n").encode())
    assert main(["compress", str(path), "--rate", "0.8", *show]) == 0
    out = capfdbinary.readouterr().out
    lines = out.split(b"\n" if show else b"\r\n")
    assert b"4711" in lines[0]
    assert b"retrying" in lines[1]
    assert not any(strange in line for line in lines for strange in (b"\n", b"\r", b"\xef\xbf\xbd"))


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (["--rate", "0.5"], b"holds none of the words"),
        (["--threshold", "1"], b"no word is as probable as --threshold"),
    ],
)
def test_it_says_so_where_nothing_is_left(
    tmp_path: Path, option: list[str], reason: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "blob.txt"
    path.write_text("d2hhdGV2ZXI" * 60, encoding="utf-8")
    assert main(["compress", str(path), *option]) == 0
    out, err = capfdbinary.readouterr()
    assert out.strip() == b""
    assert reason in err
    path.write_text("", encoding="utf-8")
    assert main(["compress", str(path), *option]) == 0
    assert capfdbinary.readouterr().err == b""


def test_bytes_that_are_no_utf8_survive(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "latin1.txt"
    path.write_bytes(b"caf\xe9 au lait")
    assert main(["compress", str(path), "--rate", "1"]) == 0
    assert capfdbinary.readouterr().out == b"caf\xe9 au lait"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "7"], "rate: Input should be less than or equal to 1"),
        (["--rate", "0.5", "--token-counter", "nope"], "no tiktoken encoding or model"),
        (["--rate", "0.5", "--model", "/no/such"], "no such directory"),
    ],
)
def test_errors_are_one_line_on_standard_error(
    file: Path, arguments: list[str], message: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["compress", str(file), *arguments]) == 1
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err.startswith(b"lingua2: error: ")
    assert message in err.decode()
    assert err.count(b"\n") == 1


def test_a_missing_file(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["compress", "no-such-file", "--rate", "0.5"]) == 1
    assert (
        capfdbinary.readouterr().err == b"lingua2: error: no-such-file: No such file or directory\n"
    )


def test_bytes_that_are_no_utf8_are_valid_json_and_a_warning(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "latin1.txt"
    path.write_bytes(b"caf\xe9 au lait at the harbour, four euros on Tuesday")
    assert main(["compress", str(path), "--rate", "0.5", "--json"]) == 0
    out, err = capfdbinary.readouterr()
    assert json.loads(out)["texts"][0]
    assert b"is not UTF-8" in err


def test_a_question_decides_which_sentences_stay(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    arguments = ["--target-token", "15", "--query", "When does construction near dock 7 start?"]
    assert main(["compress", str(file), *arguments]) == 0
    assert b"construction near Dock 7 starts April" in capfdbinary.readouterr().out


def test_a_lost_force_token_is_a_warning(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["compress", str(file), "--target-token", "2", "--force-reserve-digit"]) == 0
    assert b"lingua2: warning: the budget of 2 tokens" in capfdbinary.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["compress"], ["compress", "-"]])
def test_a_missing_argument_shows_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: lingua2" in capsys.readouterr().err


def test_guards_and_markers(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    file.write_text("The <k>very old</k> lift does not stop on floor 12 of the house in the lane.")
    command = ["compress", str(file), "--rate", "0.5", "--markers", "<k>", "</k>"]
    assert main([*command, "--protect", "numbers", "--json"]) == 0
    shown = json.loads(capfdbinary.readouterr().out)
    assert {"very", "old", "12"} <= set(shown["texts"][0].split())
    assert shown["dropped_protected"] == []
    assert main([*command, "--protect", "numbrs"]) == 1
    assert b"did you mean 'numbers'?" in capfdbinary.readouterr().err


def test_a_question_without_a_budget_is_refused(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["compress", str(file), "--threshold", "0.5", "--query", "Who pays?"]) == 1
    assert b"--threshold has none; give --rate or --target-token" in capfdbinary.readouterr().err


def test_short_text_is_left_alone_and_scores_are_remembered(
    file: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    cache = tmp_path / "scores.sqlite"
    command = ["compress", str(file), "--rate", "0.5", "--score-cache", str(cache)]
    assert main([*command, "--min-tokens", "100000"]) == 0
    assert capfdbinary.readouterr().out.strip() == file.read_bytes().strip()
    assert main(command) == 0
    assert cache.is_file()
