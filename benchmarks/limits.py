"""How far scoring stands from what the processor can do: the model's matrix products and no more.

    pip install llmlingua==0.2.2
    python benchmarks/limits.py

A forward pass multiplies every token with the weights of every layer. The script times these
products alone, on random numbers of the same shapes, in turns with the whole of lingua2 and of
llmlingua 0.2.2. No fp32 runtime can be faster than the products, whatever it does about the rest.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _common
import torch
from _measure import chunks, seconds, turns, use_threads
from backends import bert_base
from transformers import AutoTokenizer

from lingua2 import Compressor

REFERENCE = "llmlingua 0.2.2"
PRODUCTS = "matrix products alone"


def shapes(home: Path) -> list[tuple[int, int]]:
    """Columns and rows of every weight that each token meets, layer by layer."""
    config = json.loads((home / "config.json").read_text(encoding="utf-8"))
    width, inner = config["hidden_size"], config["intermediate_size"]
    layer = [(width, width)] * 4 + [(width, inner), (inner, width)]
    return layer * config["num_hidden_layers"]


def products(weights: list[tuple[int, int]], tokens: int, rows: int) -> Callable[[], object]:
    """The products of ``tokens`` tokens, ``rows`` tokens at a time."""
    parts = [min(rows, tokens - start) for start in range(0, tokens, rows)]
    kinds = sorted(set(weights))
    factors = {kind: torch.randn(kind) for kind in kinds}
    inputs = {(n, i): torch.randn(n, i) for n in {*parts} for i in {i for i, _ in kinds}}
    outputs = {(n, o): torch.empty(n, o) for n in {*parts} for o in {o for _, o in kinds}}

    def run() -> None:
        for n in parts:
            for i, o in weights:
                torch.mm(inputs[n, i], factors[i, o], out=outputs[n, o])

    return run


def main() -> None:
    made = _common.parser(__doc__ or "", "limits")
    made.add_argument("--repeats", type=int, default=7)
    made.add_argument("--rate", type=float, default=0.33)
    made.add_argument("--chunks", type=int, default=10)
    made.add_argument("--threads", type=int, help="of PyTorch; its own choice if left out")
    made.add_argument("--models", nargs="+", choices=("embedded", "BERT-base"),
                      default=["embedded", "BERT-base"])  # fmt: skip
    args = made.parse_args()
    use_threads(args.threads)
    texts = chunks(args.seed, args.chunks)
    result: dict[str, Any] = {"environment": _common.environment(), "models": {}}
    table = []
    with contextlib.ExitStack() as stack, torch.inference_mode():
        for model in args.models:
            _common.note(model)
            home = (
                _common.EMBEDDED_MODEL if model == "embedded" else stack.enter_context(bert_base())
            )
            own = Compressor(str(home), device_map="cpu", score_memory=0).load()
            reference = stack.enter_context(_common.reference_compressor(home))
            weights = shapes(home)
            tokens = sum(map(len, AutoTokenizer.from_pretrained(home)(texts)["input_ids"]))
            # The best batch differs from processor to processor.
            ways = {n: products(weights, tokens, n) for n in (256, 512, 1024, tokens)}
            found = turns(
                {
                    REFERENCE: lambda reference=reference: seconds(  # type: ignore[misc]
                        lambda: _common.reference_compress(reference, texts, args.rate)
                    ),
                    "lingua2, PyTorch fp32": lambda own=own: seconds(  # type: ignore[misc]
                        lambda: own.compress(texts, rate=args.rate)
                    ),
                    PRODUCTS: lambda ways=ways: min(  # type: ignore[misc]
                        seconds(run) for run in ways.values()
                    ),
                },
                args.repeats,
                REFERENCE,
            )
            gigaflops = 2 * tokens * sum(i * o for i, o in weights) / 1e9
            rate = gigaflops / found[PRODUCTS]["min"]
            result["models"][model] = {
                "model_tokens": tokens,
                "gigaflop": round(gigaflops, 2),
                "gigaflop_per_s": round(rate, 1),
                "contenders": found,
            }
            _common.write_result(args.output, result)
            table += [
                [f"{name}, {model}", f"{x['median'] * 1000:,.0f} ms",
                 f"{x['times_as_fast']['median']:.1f}x"]
                for name, x in found.items()
            ]  # fmt: skip
            _common.note(f"  {gigaflops:.1f} GFLOP, {rate:.0f} GFLOP/s at best")
    print(_common.table(["", "median", "llmlingua takes"], table))


if __name__ == "__main__":
    main()
