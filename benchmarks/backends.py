"""Every runtime and stored scores against llmlingua 0.2.2: the same weights and texts, CPU.

    pip install ".[onnx,openvino]" llmlingua==0.2.2
    python benchmarks/backends.py

All contenders take turns in one process. ``stored`` is given packed scores, ``SQLite`` finds them
in a file, ``memory`` is the default when a text was seen before; none of the three runs a model.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import _common
import speed
from _measure import seconds, turns, use_threads

from lingua2 import Compressor, Lingua2Error

BACKENDS = ("torch", "torch-int8", "onnx", "onnx-int8", "openvino", "openvino-int8")
REFERENCE = "llmlingua 0.2.2"


@contextlib.contextmanager
def bert_base() -> Iterator[Path]:
    """A BERT-base with random weights: 110M parameters, the embedded model's vocabulary."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = AutoTokenizer.from_pretrained(_common.EMBEDDED_MODEL)
        config = BertConfig(vocab_size=len(tokenizer), num_labels=2)
        BertForTokenClassification(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        yield Path(folder)


def contenders(
    home: str, texts: list[str], rate: float, backends: list[str], folder: Path
) -> dict[str, Callable[[], object]]:
    made: dict[str, Callable[[], object]] = {}
    for name in backends:
        try:
            own = Compressor(home, device_map="cpu", backend=name, score_memory=0).load()
        except (ImportError, Lingua2Error) as error:
            _common.note(f"  without {name}: {error}")
            continue
        made[name] = lambda own=own: own.compress(texts, rate=rate)  # type: ignore[misc]
    scorer = Compressor(home, device_map="cpu", score_memory=0)
    packed = list(scorer.pack(texts))
    bare = Compressor(home, device_map="cpu", score_memory=0)
    made["stored"] = lambda: bare.compress(texts, rate=rate, scores=packed)
    cached = Compressor(
        home, device_map="cpu", score_memory=0, score_cache=folder / f"{len(texts)}.sqlite"
    )
    made["SQLite"] = lambda: cached.compress(texts, rate=rate)
    remembering = Compressor(home, device_map="cpu")
    made["memory"] = lambda: remembering.compress(texts, rate=rate)
    return made


def race(
    made: dict[str, Callable[[], object]], repeats: int, slow: set[str]
) -> dict[str, dict[str, Any]]:
    """Seconds of each contender; fast ones run several times a round, and their best counts."""
    timed = {name: partial(_best, work, 1 if name in slow else 5) for name, work in made.items()}
    return turns(timed, repeats, REFERENCE)


def _best(work: Callable[[], object], times: int) -> float:
    return min(seconds(work) for _ in range(times))


def named(texts: list[str]) -> str:
    return f"{len(texts)} chunks" if len(texts) > 1 else "one document"


def main() -> None:
    made = _common.parser(__doc__ or "", "backends")
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--rate", type=float, default=0.33)
    made.add_argument("--chunks", type=int, nargs="+", default=[10, 40])
    made.add_argument("--document", type=int, default=0, help="tokens of one document, after them")
    made.add_argument("--threads", type=int, help="of the runtimes; their own choice if left out")
    made.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    made.add_argument("--models", nargs="+", choices=("embedded", "BERT-base"),
                      default=["embedded", "BERT-base"])  # fmt: skip
    args = made.parse_args()
    use_threads(args.threads)
    result: dict[str, Any] = {"environment": _common.environment(), "results": {}}
    rng = random.Random(args.seed)  # noqa: S311
    sets = [[speed.sized(rng, speed.CHUNK_TOKENS) for _ in range(n)] for n in args.chunks]
    if args.document:
        sets.append([speed.sized(rng, args.document)])
    count = _common.token_counter()
    with contextlib.ExitStack() as stack:
        for model in args.models:
            home = (
                _common.EMBEDDED_MODEL if model == "embedded" else stack.enter_context(bert_base())
            )
            reference = stack.enter_context(_common.reference_compressor(home))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for texts in sets:
                label = f"{model}, {named(texts)}"
                _common.note(label)
                ours = contenders(str(home), texts, args.rate, args.backends, folder)
                ours[REFERENCE] = lambda texts=texts, reference=reference: (  # type: ignore[misc]
                    _common.reference_compress(reference, texts, args.rate)
                )
                found = race(ours, args.repeats, {*args.backends, REFERENCE})
                result["results"][label] = {
                    "tokens": count("\n\n".join(texts)),
                    "contenders": found,
                }
                _common.write_result(args.output, result)
                rows = [
                    [
                        name,
                        f"{own['median'] * 1000:,.1f} ms",
                        f"{own['times_as_fast']['median']:.1f}x",
                    ]
                    for name, own in found.items()
                ]
                print(f"\n{label}\n")
                print(_common.table(["", "median", "llmlingua takes"], rows), flush=True)


if __name__ == "__main__":
    main()
