"""Where does the time of a query with stored scores go, and how often does it fit into llmlingua's?

    python benchmarks/query_steps.py

Ours runs in a process of its own, as a service would that only answers queries: it never imports
PyTorch. llmlingua 0.2.2 on the same weights and texts takes turns with it.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
from collections.abc import Callable
from typing import Any

import _common
from _measure import Worker, chunks, fresh, seconds, spread, stopwatch, turns, use_threads

REFERENCE, STORED, MEMORY = "llmlingua 0.2.2", "stored", "in memory"
# Ours is over before a clock says much, so a turn is the median of some calls.
CALLS = 15
WORK = """
import base64
from lingua2 import Compressor
compressor = Compressor(score_memory={memory})
packed = [base64.b64decode(data) for data in given["packed"]]
def work():
    compressor.compress(given["texts"], rate=given["rate"], scores=packed)
    assert "torch" not in sys.modules
"""


def pack(texts: list[str]) -> list[bytes]:
    from lingua2 import Compressor

    return list(Compressor(score_memory=0).pack(texts))


def steps(texts: list[str], packed: list[bytes], rate: float, repeats: int) -> dict[str, Any]:
    """Seconds of every step of a call with stored scores, and of the whole."""
    from lingua2 import Compressor, job

    compressor = Compressor(score_memory=0)

    def work() -> None:
        compressor.compress(texts, rate=rate, scores=packed)

    # What stands last contains the four before it.
    watched: dict[str, tuple[Any, str]] = {
        "count the tokens of the texts": (job.Job, "__init__"),
        "check and unpack the scores": (Compressor, "_scored"),
        "lay out the units": (job, "Layout"),
        "guard what belongs together": (job, "guards_of"),
        "fill the budget": (job, "fill_budget"),
        "build the result": (job.Job, "_result"),
        "rank": (job.Job, "finish"),
    }
    found: dict[str, list[float]] = {}
    work()
    for _ in range(repeats):
        total, taken = _watched(work, watched)
        taken["rank"] -= sum(list(taken.values())[2:-1])
        taken["the rest"] = total - sum(taken.values())
        for name, own in {**taken, "in total": total}.items():
            found.setdefault(name, []).append(own)
    return {name: spread(own) for name, own in found.items()}


def _watched(
    work: Callable[[], None], watched: dict[str, tuple[Any, str]]
) -> tuple[float, dict[str, float]]:
    taken: dict[str, list[float]] = {name: [] for name in watched}
    with contextlib.ExitStack() as stack:
        for name, (owner, attribute) in watched.items():
            stack.enter_context(stopwatch(owner, attribute, taken[name]))
        total = seconds(work)
    return total, {name: sum(own) for name, own in taken.items()}


def race(
    texts: list[str], packed: list[bytes], arguments: argparse.Namespace, reference: Any
) -> dict[str, Any]:
    readable = [base64.b64encode(data).decode() for data in packed]
    given = {"texts": texts, "packed": readable, "rate": arguments.rate}
    with (
        Worker(WORK.format(memory=0), given) as stored,
        Worker(WORK.format(memory=64_000_000), given) as remembered,
    ):
        made = {
            STORED: lambda: stored(CALLS),
            MEMORY: lambda: remembered(CALLS),
            REFERENCE: lambda: seconds(
                lambda: _common.reference_compress(reference, texts, arguments.rate)
            ),
        }
        return turns(made, arguments.repeats, REFERENCE)


def show(result: dict[str, Any]) -> str:
    races = [
        (label, name, f"{own['median'] * 1000:,.2f} ms", f"{own['times_as_fast']['median']:,.0f}x")
        for label, line in result["inputs"].items()
        for name, own in line["contenders"].items()
    ]
    parts = [
        (label, name, f"{own['median'] * 1000:.2f} ms", f"{own['min'] * 1000:.2f} ms")
        for label, line in result["inputs"].items()
        for name, own in line["steps"].items()
    ]
    return "\n\n".join(
        (
            _common.table(("input", "", "median", "llmlingua takes"), races),
            _common.table(("input", "step", "median", "least"), parts),
        )
    )


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "query_steps")
    parser.add_argument("--rate", type=float, default=0.33, help="share of tokens kept")
    parser.add_argument("--chunks", type=int, nargs="+", default=[10, 40], help="how many chunks")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of the race")
    parser.add_argument("--step-repeats", type=int, default=60, help="calls taken apart")
    parser.add_argument("--threads", type=int, help="PyTorch's threads; its own choice if left out")
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    count = _common.token_counter()
    texts = chunks(arguments.seed, max(arguments.chunks))
    result: dict[str, Any] = {
        "environment": _common.environment(),
        "rate": arguments.rate,
        "inputs": {},
    }
    packed = fresh(pack, texts)
    result["packed_bytes_per_token"] = round(sum(map(len, packed)) / sum(map(count, texts)), 3)
    # First, as long as nothing else is loaded.
    taken_apart = {
        n: fresh(steps, texts[:n], packed[:n], arguments.rate, arguments.step_repeats)
        for n in arguments.chunks
    }
    with _common.reference_compressor() as reference:
        for n in arguments.chunks:
            tokens = count("\n\n".join(texts[:n]))
            _common.note(f"{n} chunks, {tokens:,} tokens")
            result["inputs"][f"{n} chunks"] = {
                "tokens": tokens,
                "contenders": race(texts[:n], packed[:n], arguments, reference),
                "steps": taken_apart[n],
            }
    _common.write_result(arguments.output, result)
    print(show(result))


if __name__ == "__main__":
    main()
