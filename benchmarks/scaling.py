"""How do time and memory grow from 1,000 to 1,000,000 tokens, and with 1, 4 and 16 client threads?

    python benchmarks/scaling.py

Every size has a process of its own, so that its peak memory is that of this size. ``stored`` is
selection alone, in a process without PyTorch; ``model`` is everything, by default up to 100,000
tokens. The stored scores of a large text are drawn from those that the model gave to a small one:
the model would need minutes for the largest.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import threading
import time
from typing import Any

import _common
from _measure import CHUNK_TOKENS, chunks, fresh, peak_mb, seconds, sized, spread, use_threads

# What a document's scores are drawn from.
SAMPLE_TOKENS = 2_000
# No size is repeated so often that it reads more.
MOST_TOKENS = 500_000
SHAPES = ("document", "chunks")
# Every client compresses the sets in turns, so that two rarely have the same one at once.
SETS, SET_CHUNKS = 8, 10


def made(shape: str, tokens: int, seed: int) -> list[str]:
    """One document, or chunks, of about ``tokens`` tokens together."""
    if shape == "document":
        return [sized(random.Random(seed), tokens)]  # noqa: S311
    return chunks(seed, max(1, round(tokens / CHUNK_TOKENS)))


def sample(seed: int) -> Any:
    """Keep probabilities that the model gave, to draw others from."""
    from lingua2 import Compressor

    scored = Compressor(score_memory=0).score(made("document", SAMPLE_TOKENS, seed))
    return scored[0].mean


def pretend(texts: list[str], values: Any, seed: int) -> list[bytes]:
    """Packed scores of ``texts`` with probabilities drawn from ``values``."""
    import numpy as np

    from lingua2 import Compressor
    from lingua2.scores import ScoredText, pack_scores
    from lingua2.text import split_units

    rng, fingerprint = np.random.default_rng(seed), Compressor().fingerprint
    packed = []
    for text in texts:
        units = split_units(text)
        drawn = rng.choice(values, len(units))
        packed.append(pack_scores(ScoredText(text, units, drawn, drawn), fingerprint))
    return packed


def select(texts: list[str], packed: list[bytes], rate: float, repeats: int) -> dict[str, Any]:
    """Seconds and memory of compressing with stored scores."""
    from lingua2 import Compressor

    compressor = Compressor(score_memory=0)
    # What a process needs once, whatever the size.
    count, _ = _common.token_counter(), compressor.fingerprint
    tokens, before = sum(map(count, texts)), peak_mb()
    start = time.process_time()
    times = [
        seconds(lambda: compressor.compress(texts, rate=rate, scores=packed))
        for _ in range(repeats)
    ]
    busy = (time.process_time() - start) / repeats
    assert compressor.score_statistics.computed == 0
    assert "torch" not in sys.modules
    return {"tokens": tokens, **spread(times), "cpu_s": round(busy, 5), **_memory(before)}


def whole(texts: list[str], backend: str, rate: float) -> dict[str, Any]:
    """Seconds and memory of compressing with the model, loaded and warm."""
    from lingua2 import Compressor

    compressor = Compressor(score_memory=0, device_map="cpu", backend=backend).load()
    compressor.score(["The first call of a runtime prepares more than later ones do."] * 8)
    tokens, before = sum(map(_common.token_counter(), texts)), peak_mb()
    times = [seconds(lambda: compressor.compress(texts, rate=rate))]
    return {"tokens": tokens, **spread(times), **_memory(before)}


def _memory(before: float) -> dict[str, float]:
    return {"peak_mb": round(peak_mb(), 1), "grown_mb": round(peak_mb() - before, 1)}


def clients(
    sets: list[list[str]],
    packed: list[list[bytes]] | None,
    arguments: argparse.Namespace,
    seconds_each: float,
) -> dict[str, Any]:
    """Calls a second, and seconds a call, of some numbers of threads with one compressor."""
    from lingua2 import Compressor

    use_threads(arguments.threads)
    compressor = Compressor(score_memory=0, device_map="cpu", backend=arguments.backend)

    def call(number: int) -> None:
        own = number % len(sets)
        scores = None if packed is None else packed[own]
        compressor.compress(sets[own], rate=arguments.rate, scores=scores)

    call(0)
    return {str(n): _served(call, n, seconds_each) for n in arguments.clients}


def _served(call: Any, threads: int, seconds_each: float) -> dict[str, Any]:
    times: list[list[float]] = [[] for _ in range(threads)]
    together = threading.Barrier(threads + 1)

    def client(number: int) -> None:
        together.wait()
        while time.perf_counter() < end:
            times[number].append(seconds(lambda: call(number + len(times[number]))))

    running = [threading.Thread(target=client, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    begin = time.perf_counter()
    end = begin + seconds_each
    together.wait()
    for thread in running:
        thread.join()
    # All calls that were begun count, with the time until the last of them was over.
    taken = time.perf_counter() - begin
    every = sorted(value for own in times for value in own)
    return {
        "calls": len(every),
        "calls_per_s": round(len(every) / taken, 2),
        "latency_s": {**spread(every), "p95": round(every[math.ceil(0.95 * len(every)) - 1], 5)},
    }


def growth(rows: list[dict[str, Any]]) -> float:
    """The exponent of the growth of time with tokens over the last factor; 1 is linear."""
    before, last = rows[-2:]
    return round(
        math.log(last["median"] / before["median"]) / math.log(last["tokens"] / before["tokens"]), 2
    )


def measure_sizes(arguments: argparse.Namespace) -> dict[str, Any]:
    values = fresh(sample, arguments.seed)
    found: dict[str, Any] = {}
    for shape in SHAPES:
        stored, model = [], []
        for size in arguments.sizes:
            texts = made(shape, size, arguments.seed)
            _common.note(f"{shape}: {size:,} tokens")
            packed = fresh(pretend, texts, values, arguments.seed)
            # Large ones vary little and take long.
            repeats = min(arguments.repeats, max(1, MOST_TOKENS // size))
            stored.append(fresh(select, texts, packed, arguments.rate, repeats))
            if size <= arguments.whole:
                model.append(fresh(whole, texts, arguments.backend, arguments.rate))
        found[shape] = {"stored": stored, "model": model}
    return found


def measure_clients(arguments: argparse.Namespace) -> dict[str, Any]:
    texts = chunks(arguments.seed, SETS * SET_CHUNKS)
    sets = [texts[low : low + SET_CHUNKS] for low in range(0, len(texts), SET_CHUNKS)]
    values = fresh(sample, arguments.seed)
    packed = [fresh(pretend, own, values, arguments.seed) for own in sets]
    _common.note("clients")
    return {
        "stored": fresh(clients, sets, packed, arguments, arguments.seconds),
        "model": fresh(clients, sets, None, arguments, 2 * arguments.seconds),
    }


def show(result: dict[str, Any]) -> str:
    sizes = [
        (
            shape,
            way,
            f"{row['tokens']:,}",
            f"{row['median'] * 1000:,.1f} ms",
            f"{row['tokens'] / row['median']:,.0f}",
            f"{row['peak_mb']:,.0f} MB",
            f"{row['grown_mb']:,.0f} MB",
        )
        for shape, ways in result["sizes"].items()
        for way, rows in ways.items()
        for row in rows
    ]
    served = [
        (
            way,
            number,
            f"{row['calls_per_s']:,.1f}",
            f"{row['latency_s']['median'] * 1000:,.1f} ms",
            f"{row['latency_s']['p95'] * 1000:,.1f} ms",
        )
        for way, rows in result["clients"].items()
        for number, row in rows.items()
    ]
    sized = ("", "scores", "tokens", "median", "tokens/s", "peak", "of it this call")
    return "\n\n".join(
        (
            _common.table(sized, sizes),
            _common.table(("scores", "threads", "calls/s", "median", "95% below"), served),
        )
    )


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "scaling")
    parser.add_argument("--rate", type=float, default=0.33, help="share of tokens kept")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000], help="tokens"
    )
    parser.add_argument("--whole", type=int, default=100_000, help="largest size for the model")
    parser.add_argument("--repeats", type=int, default=3, help="calls for each size")
    parser.add_argument("--backend", default="torch", help="of what runs the model")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16], help="threads")
    parser.add_argument("--seconds", type=float, default=5, help="that the clients go on")
    parser.add_argument("--threads", type=int, help="of the runtime; its own choice if left out")
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    sizes = measure_sizes(arguments)
    result = {
        "environment": _common.environment(),
        "rate": arguments.rate,
        "backend": arguments.backend,
        "sizes": sizes,
        "growth": {
            shape: {way: growth(rows) for way, rows in ways.items() if len(rows) > 1}
            for shape, ways in sizes.items()
        },
        "chunks_a_call": SET_CHUNKS,
        "clients": measure_clients(arguments),
    }
    _common.write_result(arguments.output, result)
    print(show(result))


if __name__ == "__main__":
    main()
