"""Peak memory of every runtime, of stored scores and of llmlingua 0.2.2, each in a fresh process.

    pip install ".[onnx,openvino]" llmlingua==0.2.2
    python benchmarks/memory.py

Every process loads what it needs and compresses the same ten chunks. Exports to ONNX and OpenVINO
are made beforehand, since they happen once for each checkpoint and take more than running it.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

import _common
from _measure import chunks, fresh, peak_mb, seconds, use_threads

BACKENDS = ("torch", "torch-int8", "onnx", "onnx-int8", "openvino", "openvino-int8")
REFERENCE, STORED = "llmlingua 0.2.2", "stored scores"


def ours(home: str, backend: str, texts: list[str], rate: float) -> dict[str, float] | str:
    """Memory after importing and after compressing; why not, where the runtime is missing."""
    from lingua2 import Compressor, Lingua2Error

    imported = peak_mb()
    compressor = Compressor(home, device_map="cpu", backend=backend, score_memory=0)
    try:
        taken = seconds(lambda: compressor.compress(texts, rate=rate))
    except (ImportError, Lingua2Error) as error:
        return str(error)
    return _found(imported, taken)


def stored(home: str, packed: list[bytes], texts: list[str], rate: float) -> dict[str, float]:
    from lingua2 import Compressor

    imported = peak_mb()
    compressor = Compressor(home, device_map="cpu", score_memory=0)
    taken = seconds(lambda: compressor.compress(texts, rate=rate, scores=packed))
    assert compressor.score_statistics.computed == 0
    return _found(imported, taken)


def reference(home: str, texts: list[str], rate: float) -> dict[str, float]:
    import llmlingua  # noqa: F401 - the package without a model

    imported = peak_mb()

    def work() -> None:
        with _common.reference_compressor(Path(home)) as compressor:
            _common.reference_compress(compressor, texts, rate)

    return _found(imported, seconds(work))


def pack(home: str, texts: list[str]) -> list[bytes]:
    from lingua2 import Compressor

    return list(Compressor(home, device_map="cpu", score_memory=0).pack(texts))


def _found(imported: float, taken: float) -> dict[str, float]:
    return {
        "import_mb": round(imported, 1),
        "peak_mb": round(peak_mb(), 1),
        "to_first_result_s": round(taken, 3),
    }


def measure(home: Path, texts: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    given = (texts, arguments.rate)
    for backend in arguments.backends:
        # The first process exports.
        for _ in range(1 if backend.startswith("torch") else 2):
            own = fresh(ours, str(home), backend, *given)
        if isinstance(own, str):
            _common.note(f"  without {backend}: {own}")
            continue
        found[backend] = own
        _common.note(f"  {backend}: {own['peak_mb']:,.0f} MB")
    found[STORED] = fresh(stored, str(home), fresh(pack, str(home), texts), *given)
    found[REFERENCE] = fresh(reference, str(home), *given)
    return found


def show(result: dict[str, Any]) -> str:
    rows = [
        (
            model,
            name,
            f"{own['import_mb']:,.0f} MB",
            f"{own['peak_mb']:,.0f} MB",
            f"{own['to_first_result_s']:,.2f} s",
        )
        for model, line in result["models"].items()
        for name, own in line.items()
    ]
    return _common.table(("model", "", "imported", "peak", "load and first result"), rows)


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "memory")
    parser.add_argument("--rate", type=float, default=0.33, help="share of tokens kept")
    parser.add_argument("--chunks", type=int, default=10, help="how many chunks")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument(
        "--models", nargs="+", choices=("embedded", "BERT-base"), default=["embedded", "BERT-base"]
    )
    parser.add_argument("--threads", type=int, help="of the runtime; its own choice if left out")
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    texts = chunks(arguments.seed, arguments.chunks)
    result: dict[str, Any] = {
        "environment": _common.environment(),
        "chunks": arguments.chunks,
        "models": {},
    }
    with contextlib.ExitStack() as stack:
        for model in arguments.models:
            _common.note(model)
            home = _common.EMBEDDED_MODEL
            if model != "embedded":
                # Not at the top: it imports PyTorch, which the processes must do by themselves.
                from backends import bert_base

                home = stack.enter_context(bert_base())
            result["models"][model] = measure(home, texts, arguments)
    _common.write_result(arguments.output, result)
    print(show(result))


if __name__ == "__main__":
    main()
