"""Times in turns, and fresh processes that tell their peak memory. Imports neither PyTorch nor us.

What is measured without PyTorch runs in a process that never imported it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import _common

T = TypeVar("T")
CHUNK_TOKENS = 130


def sized(rng: random.Random, tokens: int) -> str:
    """Prose of about ``tokens`` cl100k tokens, in paragraphs of six sentences."""
    count = _common.token_counter()
    paragraphs: list[str] = []
    total = 0
    while total < tokens:
        # A sentence has about 22 tokens; the last paragraph is cut short.
        paragraphs.append(_common.prose(rng, min(6, 1 + (tokens - total) // 27)))
        total += count(paragraphs[-1] + "\n\n")
    return "\n\n".join(paragraphs)


def chunks(seed: int, number: int) -> list[str]:
    """``number`` retrieved chunks, the first ones the same for every ``number``."""
    rng = random.Random(seed)  # noqa: S311
    return [sized(rng, CHUNK_TOKENS) for _ in range(number)]


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 5),
        "min": round(min(values), 5),
        "max": round(max(values), 5),
    }


def turns(
    made: Mapping[str, Callable[[], float]], repeats: int, reference: str
) -> dict[str, dict[str, Any]]:
    """Every contender once a round, and in each round how often it fits into the reference's time.

    Args:
        made: Functions that do the work and tell how many seconds it took.
        repeats: Rounds that count; one more warms up.
        reference: The name of the contender that the others are compared with.
    """
    times: dict[str, list[float]] = {name: [] for name in made}
    for number in range(repeats + 1):
        for name, timed in made.items():
            taken = timed()
            if number:
                times[name].append(taken)
        _common.note(f"  round {number}/{repeats}")
    found: dict[str, dict[str, Any]] = {}
    for name, own in times.items():
        pairs = zip(times[reference], own, strict=True)
        found[name] = {**spread(own), "times_as_fast": spread([ref / one for ref, one in pairs])}
    return found


@contextmanager
def stopwatch(owner: Any, name: str, taken: list[float]) -> Iterator[None]:
    """Append the seconds of every call of a class's method or a module's function to ``taken``."""
    original = getattr(owner, name)

    def timed(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return original(*arguments, **options)
        finally:
            taken.append(time.perf_counter() - start)

    with mock.patch.object(owner, name, timed):
        yield


def peak_mb() -> float:
    """Most memory that this process has had so far."""
    # Not getrusage: its peak begins with that of the process that started this one.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM")), 0.0)


def fresh(work: Callable[..., T], *arguments: Any) -> T:
    """What a module's function ``work`` returns in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *arguments).result()


def interpreter(code: str, given: object) -> Any:
    """What ``code`` prints last, as JSON, in a bare interpreter that gets ``given`` as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"a fresh process failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


class Worker:
    """A process that stays and does the same piece of work whenever it is asked to.

    Args:
        code: Python that reads what it is ``given`` from the first line of its input and defines
            ``work()``, whose seconds are measured.
        given: Anything JSON can hold.
    """

    _LOOP = """
import statistics, time
work(); work()
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter(); work(); times.append(time.perf_counter() - start)
    print(statistics.median(times), flush=True)
"""

    def __init__(self, code: str, given: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import json, sys\ngiven = json.loads(input())\n{code}"
             + self._LOOP],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._tell(json.dumps(given))

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def __call__(self, times: int) -> float:
        """Seconds that the work takes, the median of a few ``times`` in a row."""
        self._tell(str(times))
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the other process failed; what it wrote stands above")
        return float(line)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


def use_threads(number: int | None) -> None:
    """Let this process and those that it starts compute with ``number`` threads."""
    if number is None:
        return
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(number)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(number)
