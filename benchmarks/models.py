"""Which checkpoint keeps what matters? Checkpoints, self-information, random words, truncation.

    python benchmarks/models.py --data DIR --model embedded --model NAME=DIR --controls

Three tables: answer survival on question sets, as in quality.py; which numbers, identifiers and
negations stay, on invented passages and on the question sets; size, load time and speed. Intervals
are bootstrap 95%; differences are paired, against the first model.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _common
import numpy as np
import torch
from quality import SEPARATOR, Controls, interval, questions, run_set, show
from safetensors import safe_open
from speed import inputs, seconds, spread

from lingua2 import Compressor
from lingua2.budget import Prompt, fill_budget
from lingua2.counting import resolve_token_counter
from lingua2.encoder import ScoredText
from lingua2.evaluation.selfinfo import CONTEXTS, POOLINGS, Pooling, SelfInformation
from lingua2.job import Job
from lingua2.options import resolve_options
from lingua2.rendering import Layout

KINDS_RATE = 0.5
CAUSAL = "self-information"
IDENTIFIERS = {
    "e-mail addresses": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.\w+",
    "UUIDs": r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b",
    "paths": r"(?<![\w:/])(?:~|\.{1,2})?(?:/[\w.@-]*\w)+",
    "versions": r"\bv?\d+(?:\.\d+){2,3}\b|\bv\d+(?:\.\d+)*\b",
    "snake_case names": r"\b[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+\b",
}
NUMBERS = r"(?<!\w)\d+(?:[.,:/-]\d+)*"
NEGATIONS = (
    r"(?<![\w'’-])(?:no|not|never|none|nobody|nothing|nowhere|neither|nor|without|cannot)"
    r"(?![\w'’-])|\b\w+n['’]t\b"
)

Score = Callable[[Sequence[str]], list[ScoredText]]
Choose = Callable[[Sequence[ScoredText], int], str]


def as_compressor(scored: Sequence[ScoredText], budget: int) -> str:
    """What `Compressor.compress` makes of these scores."""
    options = resolve_options({}, {"target_token": budget, "document_separator": SEPARATOR})
    count = resolve_token_counter(options.token_counter)
    bare, empty = [("", "")] * len(scored), [False] * len(scored)
    job = Job([own.text for own in scored], bare, empty, "", options, count)
    return (job.unchanged() if job.fits() else job.finish(list(scored))).prompt


def by_value(scored: Sequence[ScoredText], budget: int) -> str:
    """The words with the highest scores of the set, and nothing else that selection knows."""
    layouts = [Layout(own.text, own.units) for own in scored]
    bare, empty = [("", "")] * len(scored), [False] * len(scored)
    prompt = Prompt(layouts, bare, SEPARATOR, empty)
    order = np.argsort(-np.concatenate([own.mean for own in scored]), kind="stable")
    kept, _ = fill_budget(prompt, order, budget, _common.token_counter())
    return prompt.render(kept)


class Once:
    """Scores every distinct text once, however often it is asked for."""

    def __init__(self, score: Callable[[Sequence[str]], Sequence[Any]]) -> None:
        self._score = score
        self._known: dict[str, Any] = {}

    def __call__(self, texts: Sequence[str]) -> list[Any]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._score(new), strict=True))
        return [self._known[text] for text in texts]


class Models(Controls):
    """Every checkpoint and control as a function from documents and rate to a prompt."""

    difference = "minus_first"

    def __init__(self, seed: int, controls: bool) -> None:
        super().__init__(seed)
        self._models: dict[str, tuple[Score, Choose]] = {}
        self._controls = super().names if controls else ()

    def add(self, name: str, score: Score, choose: Choose) -> None:
        if name in self.names:
            raise SystemExit(f"two models are called {name}")
        self._models[name] = score, choose

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self._models, *self._controls)

    @property
    def against(self) -> str:  # type: ignore[override]
        return self.names[0]

    def read(self, texts: Sequence[str]) -> None:
        """Score ``texts`` together, which is faster than set by set."""
        for score, _ in self._models.values():
            score(texts)

    def _compress(self, method: str, documents: tuple[str, ...], rate: float) -> str:
        if method not in self._models:
            return super()._compress(method, documents, rate)
        score, choose = self._models[method]
        return choose(score(documents), self.budget(method, documents, rate))


def occurrences(text: str) -> dict[str, Counter[str]]:
    """Per kind the numbers, identifiers and negations of ``text``."""
    found: dict[str, Counter[str]] = {}
    rest = text
    for kind, pattern in IDENTIFIERS.items():
        found[kind] = Counter(re.findall(pattern, rest))
        # The digits of an identifier are not numbers of their own.
        rest = re.sub(pattern, " ", rest)
    found["identifiers"] = sum((found[kind] for kind in IDENTIFIERS), Counter())
    found["numbers"] = Counter(re.findall(NUMBERS, rest))
    found["negations"] = Counter(re.findall(NEGATIONS, text.lower()))
    return found


def survival_by_kind(
    methods: Controls, sets: Sequence[tuple[str, ...]], kinds: Sequence[str], seed: int
) -> dict[str, Any]:
    """Which share of the occurrences in ``sets`` of documents stays at `KINDS_RATE`."""
    originals = [occurrences(SEPARATOR.join(documents)) for documents in sets]
    kept: dict[str, dict[str, list[np.ndarray]]] = {kind: {} for kind in kinds}
    for method in methods.names:
        for documents, original in zip(sets, originals, strict=True):
            left = occurrences(methods.compress(method, documents, KINDS_RATE))
            for kind in kinds:
                total = original[kind].total()
                flags = np.arange(total) < (original[kind] & left[kind]).total()
                kept[kind].setdefault(method, []).append(flags.astype(float))
    result: dict[str, Any] = {}
    for kind, own in kept.items():
        groups = np.repeat(np.arange(len(sets)), [item[kind].total() for item in originals])
        # Passages without the kind have no say, and must not leave gaps in the numbering.
        groups = np.unique(groups, return_inverse=True)[1]
        joined = {method: np.concatenate(flags) for method, flags in own.items()}
        if not len(groups):
            continue
        result[kind] = {"occurrences": len(groups), "methods": {}}
        for method, flags in joined.items():
            minus = flags - joined[methods.against]
            result[kind]["methods"][method] = {
                "survival": round(float(flags.mean()), 4),
                "survival_95": interval(flags, groups, seed),
                methods.difference: round(float(minus.mean()), 4),
                f"{methods.difference}_95": interval(minus, groups, seed),
            }
    return result


def speed(loaded: dict[str, Any], repeats: int, seed: int) -> dict[str, Any]:
    """Tokens (cl100k_base) that are scored in a second; the models take turns."""
    texts = next(iter(inputs(seed).values()))
    tokens = sum(map(_common.token_counter(), texts))
    rates: dict[str, list[float]] = {name: [] for name in loaded}
    for number in range(repeats + 1):
        for name, model in loaded.items():
            taken = seconds(lambda model=model: model.score(texts))  # type: ignore[misc]
            # The first round warms up.
            if number:
                rates[name].append(tokens / taken)
        _common.note(f"  speed: round {number}/{repeats}")
    return {name: {"tokens_per_s": spread(own)} for name, own in rates.items()}


def sizes(files: Sequence[Path]) -> dict[str, Any]:
    """Bytes, digest and, where they can be read without loading, parameters of weight files."""
    digest = hashlib.sha256()
    parameters = 0
    for path in files:
        digest.update(path.read_bytes())
        if path.suffix == ".safetensors":
            with safe_open(path, "numpy") as weights:
                shapes = [weights.get_slice(key).get_shape() for key in weights.keys()]  # noqa: SIM118
            parameters += sum(int(np.prod(shape)) for shape in shapes)
    size = sum(path.stat().st_size for path in files)
    return {"weights_bytes": size, "weights_sha256": digest.hexdigest(), "parameters": parameters}


def load(path: Path) -> Compressor:
    # Without a memory, since the same texts are scored again to take the time.
    return Compressor(path, device_map="cpu", score_memory=0).load()


def build(arguments: argparse.Namespace) -> tuple[Models, dict[str, Any], dict[str, Any]]:
    """The methods, what scores for them, and how large and how quickly loaded that is."""
    methods = Models(arguments.seed, arguments.controls)
    loaded: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    for name, path in arguments.model:
        loaded[name] = load(path)
        # Once more, since the first one also pays for the imports.
        times = [seconds(lambda path=path: load(path)) for _ in range(arguments.repeats)]  # type: ignore[misc]
        facts[name] = {**sizes(sorted(path.glob("*.safetensors"))), "load_s": spread(times)}
        methods.add(name, Once(loaded[name].score), as_compressor)
    if arguments.selfinfo is None:
        return methods, loaded, facts
    taken = seconds(
        lambda: loaded.update(
            {CAUSAL: SelfInformation(arguments.selfinfo, arguments.context, read_so_far)}
        )
    )
    causal = loaded[CAUSAL]
    facts[CAUSAL] = {
        **sizes(weight_files(arguments.selfinfo)),
        "parameters": causal.parameters,
        "load_s": spread([taken]),
        "context": arguments.context,
    }
    read = Once(causal.score)
    for pooling in POOLINGS:
        score = functools.partial(pooled, read, pooling)
        methods.add(f"{CAUSAL}, {pooling}", score, by_value)
        methods.add(f"{CAUSAL}, {pooling}, our selection", score, as_compressor)
    return methods, loaded, facts


def read_so_far(done: int, number: int) -> None:
    _common.note(f"  self-information: {done}/{number} windows")


def weight_files(model: Path) -> list[Path]:
    """What a causal model's weights are read from."""
    if model.is_file():
        return [model]
    return sorted(model.glob("*.safetensors")) or sorted(model.glob("*.gguf"))


def pooled(read: Once, pooling: Pooling, texts: Sequence[str]) -> list[ScoredText]:
    return [words.pooled(pooling) for words in read(texts)]


def show_kinds(kinds: dict[str, Any]) -> str:
    rows = []
    for name, result in kinds.items():
        for kind, own in result["kinds"].items():
            for method, line in own["methods"].items():
                low, high = line["survival_95"]
                under, above = line["minus_first_95"]
                rows.append(
                    (
                        name,
                        f"{kind} ({own['occurrences']})",
                        method,
                        f"{line['survival']:.3f} [{low:.3f}, {high:.3f}]",
                        f"{line['minus_first']:+.3f} [{under:+.3f}, {above:+.3f}]",
                    )
                )
    return _common.table(("texts", "kind", "method", "survival [95%]", "− first"), rows)


def show_facts(facts: dict[str, Any]) -> str:
    rows = [
        (
            name,
            f"{own['parameters'] / 1e6:.1f} M",
            f"{own['weights_bytes'] / 1e6:.1f} MB",
            f"{own['load_s']['median']:.2f} s",
            f"{own['tokens_per_s']['median']:,.0f}",
        )
        for name, own in facts.items()
    ]
    return _common.table(("model", "parameters", "weights", "load", "tokens/s"), rows)


def named(argument: str) -> tuple[str, Path]:
    """NAME=DIR, or "embedded"."""
    if argument == "embedded":
        return argument, _common.EMBEDDED_MODEL
    name, _, path = argument.partition("=")
    if not (name and Path(path or "?").is_dir()):
        raise argparse.ArgumentTypeError(f"{argument!r} is neither embedded nor NAME=DIRECTORY")
    return name, Path(path)


def arguments() -> argparse.Namespace:
    parser = _common.parser(str(__doc__).splitlines()[0], "models")
    parser.add_argument("--data", type=Path, required=True, help="folder with SET.jsonl.gz files")
    parser.add_argument(
        "--model", type=named, action="append", required=True, help="embedded, or NAME=DIR; repeat"
    )
    parser.add_argument("--controls", action="store_true", help="random words and truncation too")
    parser.add_argument("--selfinfo", type=Path, help="causal model: a directory or a GGUF file")
    parser.add_argument("--context", choices=CONTEXTS, default=CONTEXTS[0], help="that it reads")
    parser.add_argument("--sets", nargs="+", default=["xquad_en_dev", "hotpotqa_dev"], help="sets")
    parser.add_argument("--rates", nargs="+", type=float, default=[0.5, 0.33, 0.2], help="rates")
    parser.add_argument("--questions", dest="limit", type=int, help="only a set's first rows")
    parser.add_argument("--passages", type=int, default=40, help="invented ones of every kind")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of loading and scoring")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    result: dict[str, Any] = {
        "environment": _common.environment(),
        "threads": torch.get_num_threads(),
        "seed": given.seed,
        "limit": given.limit,
    }
    methods, loaded, facts = build(given)
    for name, own in speed(loaded, given.repeats, given.seed).items():
        facts[name].update(own)
    result["models"], result["sets"], result["kinds"] = facts, {}, {}
    invented = _common.passages(random.Random(given.seed), given.passages)  # noqa: S311
    passages = [(text,) for texts in invented.values() for text in texts]
    methods.read([text for (text,) in passages])
    result["kinds"]["invented passages"] = {
        "texts": len(passages),
        "kinds": survival_by_kind(
            methods, passages, (*IDENTIFIERS, "identifiers", "numbers", "negations"), given.seed
        ),
    }
    for name in given.sets:
        rows, digest = _common.read_rows(given.data, name)
        sets = list(dict.fromkeys(documents for _, documents in questions(rows[: given.limit])))
        methods.read([text for documents in sets for text in documents])
        result["sets"][name] = {"data_sha256": digest, **run_set(name, rows, methods, given)}
        result["kinds"][name] = {
            "texts": len(sets),
            "kinds": survival_by_kind(methods, sets, ("numbers", "negations"), given.seed),
        }
    _common.write_result(given.output, result)
    print(show(result["sets"], methods))
    print(f"\nAt a rate of {KINDS_RATE:g}:\n\n{show_kinds(result['kinds'])}")
    print(f"\n{show_facts(facts)}")


if __name__ == "__main__":
    main()
