"""A process that only answers queries: scores are stored, no model is there, PyTorch is not loaded.

    python benchmarks/query_path.py

Every process is fresh. Times are seconds for one set of chunks; the first call includes hashing the
model files, which proves that the scores are this model's. The median is that of the same texts
again and again, whose words' token counts are remembered; "other texts" come in sets of as many,
each once.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import _common
import speed

from lingua2 import Compressor, packed_text

PROBE = """
import json, statistics, sys, time
texts, scores, others, rate, repeats = json.load(sys.stdin)
def peak():
    with open("/proc/self/status") as lines:
        return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM")), 0.0)
begin = time.perf_counter()
from lingua2 import Compressor
imported = time.perf_counter() - begin
compressor = Compressor(score_memory=0)
begin = time.perf_counter()
compressor.compress(texts, rate=rate, scores=scores)
first = time.perf_counter() - begin
times = []
for _ in range(repeats):
    begin = time.perf_counter()
    result = compressor.compress(texts, rate=rate, scores=scores)
    times.append(time.perf_counter() - begin)
once = []
for own, packed in others:
    begin = time.perf_counter()
    compressor.compress(own, rate=rate, scores=packed)
    once.append(time.perf_counter() - begin)
print(json.dumps(dict(
    others_s=statistics.median(once) if once else None,
    import_s=imported, first_s=first, median_s=statistics.median(times), min_s=min(times),
    peak_mb=peak(), tokens=result.original_tokens, computed=compressor.score_statistics.computed,
    loaded=[name for name in ("torch", "transformers", "tokenizers") if name in sys.modules],
)))
"""


def main() -> None:
    made = _common.parser(__doc__ or "", "query_path")
    made.add_argument("--chunks", type=int, nargs="+", default=[10, 40, 150, 1000])
    made.add_argument("--others", type=int, default=200, help="chunks in sets that come once each")
    made.add_argument("--processes", type=int, default=3)
    made.add_argument("--repeats", type=int, default=50)
    made.add_argument("--rate", type=float, default=0.33)
    args = made.parse_args()
    rng = random.Random(args.seed)  # noqa: S311
    compressor = Compressor(score_memory=0)
    results: dict[str, Any] = {}
    rows = []
    for number in args.chunks:
        sets = []
        for _ in range(1 + args.others // number):
            texts = [speed.sized(rng, speed.CHUNK_TOKENS) for _ in range(number)]
            sets.append((texts, [packed_text(data) for data in compressor.pack(texts)]))
        (texts, scores), *others = sets
        repeats = max(3, args.repeats * 10 // number)
        given = json.dumps([texts, scores, others, args.rate, repeats])
        found = []
        for _ in range(args.processes):
            done = subprocess.run(
                [sys.executable, "-c", PROBE],
                input=given,
                capture_output=True,
                text=True,
                check=True,
            )
            found.append(json.loads(done.stdout))
        best = min(found, key=lambda one: one["median_s"])
        results[str(number)] = {"processes": found, "characters": sum(map(len, texts))}
        rows.append(
            [
                number,
                best["tokens"],
                f"{best['median_s'] * 1000:.1f} ms",
                f"{best['min_s'] * 1000:.1f} ms",
                f"{best['others_s'] * 1000:.1f} ms" if best["others_s"] else "",
                f"{best['first_s'] * 1000:.0f} ms",
                f"{best['import_s'] * 1000:.0f} ms",
                f"{best['peak_mb']:.0f} MB",
                ", ".join(best["loaded"]) or "none",
            ]
        )
    header = ["chunks", "tokens", "median", "least", "other texts", "first call", "import", "peak",
              "loaded"]  # fmt: skip
    print(_common.table(header, rows))
    _common.write_result(args.output, {"environment": _common.environment(), "results": results})


if __name__ == "__main__":
    main()
