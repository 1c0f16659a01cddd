"""How fast? Ours against llmlingua 0.2.2: PyTorch, fp32, CPU, the same checkpoint and texts.

    python benchmarks/speed.py

Both run alternately in one process, so that what else the machine does hits both. Apart from that:
where our time goes, and what importing and the first call cost in a fresh process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _common
import torch
from _measure import CHUNK_TOKENS, seconds, sized, spread, stopwatch

from lingua2 import Compressor
from lingua2.backends.torch import TorchBackend
from lingua2.encoder import Encoder

CHUNKS, LONG_TOKENS = 10, 20_000
OURS, REFERENCE, COMPAT = "lingua2", "llmlingua 0.2.2", "lingua2.compat"
Compress = Callable[[list[str]], object]

# A fresh interpreter sees nothing but its own imports; it tells times and its peak memory.
PROBE = """
import json, sys, time
texts, rate, checkpoint = json.load(sys.stdin)
def peak():
    # Not getrusage: its peak begins with that of the process that started this one.
    with open("/proc/self/status") as lines:
        return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM")), 0.0)
start, bare = time.perf_counter(), peak()
{imported}
seen = dict(import_s=time.perf_counter() - start, bare_mb=bare, import_mb=peak())
seen["absent"] = [name for name in ("torch", "transformers") if name not in sys.modules]
{called}
seen.update(first_call_s=time.perf_counter() - start, first_call_mb=peak())
print(json.dumps(seen))
"""
PROBES = {
    OURS: (
        "from lingua2 import Compressor",
        "Compressor(checkpoint, device_map='cpu').compress(texts, rate=rate)",
    ),
    REFERENCE: (
        "from llmlingua import PromptCompressor",
        "PromptCompressor(checkpoint, device_map='cpu', use_llmlingua2=True)"
        ".compress_prompt(texts, rate=rate)",
    ),
}


def inputs(seed: int) -> dict[str, list[str]]:
    rng = random.Random(seed)  # noqa: S311
    return {
        f"{CHUNKS} chunks": [sized(rng, CHUNK_TOKENS) for _ in range(CHUNKS)],
        "one document": [sized(rng, LONG_TOKENS)],
    }


def contenders(home: str, reference: Any, rate: float) -> dict[str, Compress]:
    # Without a memory, which would know every text after the first round.
    ours = Compressor(home, device_map="cpu", score_memory=0).load()
    made: dict[str, Compress] = {
        OURS: lambda texts: ours.compress(texts, rate=rate),
        REFERENCE: lambda texts: _common.reference_compress(reference, texts, rate),
    }
    try:
        from lingua2.compat import PromptCompressor
    except ImportError:
        return made
    compat = PromptCompressor(home, device_map="cpu", use_llmlingua2=True)
    made[COMPAT] = lambda texts: _common.reference_compress(compat, texts, rate)
    return made


def race(made: dict[str, Compress], texts: list[str], repeats: int) -> dict[str, Any]:
    """Seconds of every contender, and how many times as long as ours each takes."""
    times: dict[str, list[float]] = {name: [] for name in made}
    for number in range(repeats + 1):
        for name, compress in made.items():
            taken = seconds(lambda compress=compress: compress(texts))  # type: ignore[misc]
            # The first round warms up.
            if number:
                times[name].append(taken)
        _common.note(f"  round {number}/{repeats}")
    result: dict[str, Any] = {name: spread(own) for name, own in times.items()}
    for name, own in times.items():
        pairs = zip(own, times[OURS], strict=True)
        result[name]["ratio_to_ours"] = spread([other / ours for other, ours in pairs])
    return result


def split(compress: Compress, texts: list[str], repeats: int) -> dict[str, dict[str, float]]:
    """Where our time goes: tokenising and pooling, the model, selecting and rendering."""
    parts: dict[str, list[float]] = {"tokenise and pool": [], "model": [], "select and render": []}
    for _ in range(repeats):
        scored: list[float] = []
        model: list[float] = []
        with (
            stopwatch(Encoder, "score", scored),
            stopwatch(TorchBackend, "keep_probabilities", model),
        ):
            total = seconds(lambda: compress(texts))
        parts["tokenise and pool"].append(sum(scored) - sum(model))
        parts["model"].append(sum(model))
        parts["select and render"].append(total - sum(scored))
    return {name: spread(own) for name, own in parts.items()}


def probe(name: str, texts: list[str], rate: float, home: str, repeats: int) -> dict[str, Any]:
    """Time and peak memory of a fresh process at import and after its first compression."""
    imported, called = PROBES[name]
    code = PROBE.format(imported=imported, called=called)
    rounds = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps([texts, rate, home]),
            capture_output=True,
            text=True,
            check=True,
        )
        # llmlingua's loading may print as well; ours is the last line.
        rounds.append(json.loads(done.stdout.splitlines()[-1]))
    numbers = [key for key in rounds[0] if key != "absent"]
    measured: dict[str, Any] = {key: spread([line[key] for line in rounds]) for key in numbers}
    return {**measured, "not_imported": rounds[0]["absent"]}


def show(result: dict[str, Any]) -> str:
    races = [
        (
            label,
            name,
            f"{own['median'] * 1000:,.0f} ms",
            f"{own['min'] * 1000:,.0f}–{own['max'] * 1000:,.0f}",
            f"{own['ratio_to_ours']['median']:.2f}x",
        )
        for label, line in result["inputs"].items()
        for name, own in line["contenders"].items()
    ]
    parts = [
        (label, name, f"{own['median'] * 1000:,.1f} ms")
        for label, line in result["inputs"].items()
        for name, own in line["split"].items()
    ]
    starts = [
        (
            name,
            f"{own['import_s']['median']:.2f} s",
            f"{own['import_mb']['median']:,.0f} MB",
            f"{own['first_call_s']['median']:.2f} s",
            f"{own['first_call_mb']['median']:,.0f} MB",
            ", ".join(own["not_imported"]) or "-",
        )
        for name, own in result["fresh_process"].items()
    ]
    start_header = ("", "import", "peak", "to first result", "peak", "not imported by import")
    return "\n\n".join(
        (
            _common.table(("input", "", "median", "min–max", "of ours"), races),
            _common.table(("input", "step of lingua2", "median"), parts),
            _common.table(start_header, starts),
        )
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    count = _common.token_counter()
    result: dict[str, Any] = {"inputs": {}, "fresh_process": {}}
    sets = inputs(arguments.seed)
    with _common.reference_checkpoint(arguments.checkpoint) as home:
        # Before anything heavy runs here: the fresh processes shall have the machine to themselves.
        for name in PROBES:
            _common.note(f"fresh process: {name}")
            texts = next(iter(sets.values()))
            result["fresh_process"][name] = probe(
                name, texts, arguments.rate, home, arguments.processes
            )
        with _common.reference_compressor(arguments.checkpoint) as reference:
            made = contenders(home, reference, arguments.rate)
            repeats = (arguments.repeats, arguments.long_repeats)
            for (label, texts), times in zip(sets.items(), repeats, strict=True):
                tokens = sum(map(count, texts))
                _common.note(f"{label}: {tokens} tokens")
                result["inputs"][f"{label}, {tokens:,} tokens"] = {
                    "contenders": race(made, texts, times),
                    "split": split(made[OURS], texts, times),
                }
    return result


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "speed")
    parser.add_argument("--rate", type=float, default=0.33, help="share of tokens kept")
    parser.add_argument("--repeats", type=int, default=15, help="rounds on the chunks")
    parser.add_argument("--long-repeats", type=int, default=3, help="rounds on the document")
    parser.add_argument("--processes", type=int, default=3, help="fresh processes of each kind")
    parser.add_argument("--threads", type=int, help="PyTorch's threads; its own choice if left out")
    parser.add_argument(
        "--checkpoint", type=Path, default=_common.EMBEDDED_MODEL, help="BERT-like checkpoint"
    )
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
        # The fresh processes read it.
        os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    environment = _common.environment()
    result = {
        "environment": environment,
        "threads": torch.get_num_threads(),
        "rate": arguments.rate,
        **measure(arguments),
        "load_average_after": [round(load, 2) for load in os.getloadavg()],
    }
    _common.write_result(arguments.output, result)
    print(show(result))


if __name__ == "__main__":
    main()
