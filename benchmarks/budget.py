"""Is the budget ever exceeded, and how full does it get? Mixed texts, budgets and counters.

    python benchmarks/budget.py

Every call is checked from outside: the prompt is joined again from the returned texts and counted
by the counter itself, and every text must consist of the reported slices of its source, in order.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import _common
from transformers import AutoTokenizer

from lingua2 import CompressionResult, Compressor

SEPARATOR = "\n\n"
TARGETS = (10, 20, 35, 50, 75, 100, 150, 250, 400, 600, 1000)
RATES = (0.05, 0.1, 0.2, 0.33, 0.5, 0.6, 0.8, 0.95)
# A few tokens are a large share of a small budget, so fill is only told from here on.
FILL_FROM = 50
# A word is kept or dropped whole, so one that is longer than the budget leaves a gap by design.
LONG = "long words"

CHINESE = (
    "渡轮时刻表",
    "去年",
    "修好了",
    "旧水泵",
    "，",
    "港口办公室",
    "说",
    "。",
    "一共",
    "四百页",
)
JAPANESE = ("駅の時計は", "毎朝", "五分", "遅れる", "、", "と", "係員が", "言った", "。", "Python")
ARABIC = ("وصلت", "السفينة", "إلى", "الميناء", "قبل", "الغروب،", "ولم", "ينتظر", "أحد.", "١٢٣")
EMOJI = ("🚢", "👩‍🔧", "❤️", "🇳🇴", "👍🏽", "ok", "🎉🎉🎉", "1️⃣", "late again", "😀!")
LEVELS = ("INFO", "WARN", "ERROR", "DEBUG")


def markdown(rng: random.Random, size: int) -> str:
    lines = [f"## {rng.choice(_common.THINGS).title()}", ""]
    for number in range(1, size + 1):
        mark = rng.choice(("- ", "* ", f"{number}. ", "  - "))
        lines.append(mark + f"**{rng.choice(_common.NAMES)}**: " + _common.prose(rng, 1))
    return "\n".join(lines)


def code(rng: random.Random, size: int) -> str:
    blocks = []
    for _ in range(size):
        name = rng.choice(_common.VERBS) + f"_{rng.randint(1, 99)}"
        blocks.append(
            f"def {name}(items: list[int], limit={rng.randint(1, 9)}):\n"
            f"    # {rng.choice(_common.REASONS)}\n"
            f"    return [x ** 2 for x in items[:limit] if x % {rng.randint(2, 9)} != 0]\n"
        )
    return "\n\n".join(blocks)


def records(rng: random.Random, size: int) -> str:
    rows = [
        {
            "id": f"{rng.getrandbits(64):016x}",
            "owner": rng.choice(_common.NAMES),
            "where": {"place": rng.choice(_common.PLACES), "at": [rng.random(), rng.random()]},
            "open": rng.choice((True, False, None)),
        }
        for _ in range(size)
    ]
    return json.dumps(rows, indent=rng.choice((None, 2)))


def logs(rng: random.Random, size: int) -> str:
    return "\r\n".join(
        f"2024-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T0{rng.randint(0, 9)}:15:{second:02}.337Z "
        f"{rng.choice(LEVELS):<5} [worker-{rng.randint(1, 8)}] /srv/app/v{rng.randint(1, 3)}: "
        f"{rng.choice(_common.REASONS)} (code=0x{rng.getrandbits(24):06x})"
        for second in range(size)
    )


def joined(words: Sequence[str], glue: str) -> Callable[[random.Random, int], str]:
    return lambda rng, size: glue.join(rng.choice(words) for _ in range(size * 8))


def mixed(rng: random.Random, size: int) -> str:
    kinds = [kind for name, kind in KINDS.items() if name not in ("mixed", "empty", LONG)]
    return rng.choice((" ", "\n", "\n\n\n", "\t")).join(
        rng.choice(kinds)(rng, 1) for _ in range(min(size, 4))
    )


def long_words(rng: random.Random, size: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-_/."
    return " ".join("".join(rng.choices(letters, k=rng.randint(30, 300))) for _ in range(size))


KINDS: dict[str, Callable[[random.Random, int], str]] = {
    "prose": _common.prose,
    "markdown": markdown,
    "code": code,
    "JSON": records,
    "logs": logs,
    "Chinese": joined(CHINESE, ""),
    "Japanese": joined(JAPANESE, ""),
    "Arabic": joined(ARABIC, " "),
    "emoji": joined(EMOJI, " "),
    "mixed": mixed,
    "empty": lambda rng, _: rng.choice(("", " ", "\n\n", "…", "<|endoftext|>")),
    LONG: long_words,
}


def text_sets(seed: int, number: int) -> Iterator[tuple[list[str], list[str]]]:
    """Kinds and texts of every set: one in ten is long, some are of one kind throughout."""
    for index in range(number):
        rng = random.Random(f"{seed} {index}")  # noqa: S311
        longest = 6 if index % 10 == 0 else 3
        kinds = rng.choices(list(KINDS), k=rng.randint(1, 5))
        if rng.random() < 0.3:
            kinds = [kinds[0]] * len(kinds)
        yield kinds, [KINDS[kind](rng, rng.randint(1, longest)) for kind in kinds]


def counters() -> dict[str, tuple[Any, Callable[[str], int]]]:
    """What is given as ``token_counter``, and the function that counts again from outside."""
    tokenizer = AutoTokenizer.from_pretrained(_common.EMBEDDED_MODEL)

    def words(text: str) -> int:
        return len(text.split())

    def quarter_bytes(text: str) -> int:
        return math.ceil(len(text.encode()) / 4)

    return {
        "tiktoken cl100k_base": ("cl100k_base", _common.token_counter()),
        "Hugging Face tokenizer": (
            tokenizer,
            lambda text: len(tokenizer(text, add_special_tokens=False, verbose=False).input_ids),
        ),
        "callable, words": (words, words),
        "callable, bytes / 4": (quarter_bytes, quarter_bytes),
    }


@dataclass
class Call:
    """One compression as seen from outside."""

    counter: str
    kinds: list[str]
    asked: str
    budget: int
    original: int
    used: int
    faults: list[str]

    @property
    def fill(self) -> float | None:
        """Share of the budget that is used, where the texts are longer and it is large enough."""
        if self.budget < FILL_FROM or self.original <= self.budget:
            return None
        return self.used / self.budget


def check(result: CompressionResult, texts: list[str], budget: int, used: int) -> list[str]:
    """What is wrong with ``result``, whose prompt has ``used`` tokens."""
    faults = {
        "over budget": used > budget,
        "another budget": result.budget != budget,
        "miscounted": result.compressed_tokens != used,
        "another prompt": result.prompt != SEPARATOR.join(filter(None, result.texts)),
        "another length": not len(result.texts) == len(result.spans) == len(texts),
        "not verbatim": not all(map(is_verbatim, texts, result.texts, result.spans)),
        "empty but kept": any(
            bool(text) != bool(spans)
            for text, spans in zip(result.texts, result.spans, strict=True)
        ),
    }
    return [name for name, found in faults.items() if found]


def is_verbatim(source: str, text: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether ``text`` is these slices of ``source``, with white space put in between at most."""
    position = previous = 0
    for start, end in spans:
        if not previous <= start < end <= len(source):
            return False
        piece = source[start:end]
        while not text.startswith(piece, position):
            if position >= len(text) or text[position] not in " \n":
                return False
            position += 1
        position, previous = position + len(piece), end
    return position == len(text)


def run(compressor: Compressor, arguments: argparse.Namespace) -> tuple[list[Call], Counter[str]]:
    calls: list[Call] = []
    errors: Counter[str] = Counter()
    given = counters()
    for number, (kinds, texts) in enumerate(text_sets(arguments.seed, arguments.sets), 1):
        rng = random.Random(f"{arguments.seed} budgets {number}")  # noqa: S311
        for name, (counter, count) in given.items():
            original = count(SEPARATOR.join(filter(None, texts)))
            for asked in ({"target_token": rng.choice(TARGETS)}, {"rate": rng.choice(RATES)}):
                budget = asked.get("target_token") or math.floor(asked["rate"] * original + 1e-9)
                try:
                    result = compressor.compress(texts, token_counter=counter, **asked)
                # Any exception is a finding, which must not hide the others.
                except Exception as error:
                    errors[f"{name}: {type(error).__name__}: {error}"] += 1
                    continue
                used = count(result.prompt)
                faults = check(result, texts, int(budget), used)
                calls.append(Call(name, kinds, str(asked), int(budget), original, used, faults))
        if number % 50 == 0 or number == arguments.sets:
            _common.note(f"  {number}/{arguments.sets} sets, {len(calls)} calls")
    return calls, errors


def summary(calls: list[Call]) -> dict[str, Any]:
    return {
        "calls": len(calls),
        "compressed": sum(call.original > call.budget for call in calls),
        "faults": dict(Counter(fault for call in calls for fault in call.faults)),
        "over_budget": sum("over budget" in call.faults for call in calls),
        "fill": fill([call for call in calls if LONG not in call.kinds]),
        "fill_with_long_words": fill([call for call in calls if LONG in call.kinds]),
    }


def fill(calls: list[Call]) -> dict[str, Any]:
    filled = sorted((c for c in calls if c.fill is not None), key=lambda c: c.fill or 0.0)
    values = [call.fill for call in filled if call.fill is not None]
    return {
        "calls": len(values),
        "mean": round(sum(values) / len(values), 4) if values else None,
        "min": round(values[0], 4) if values else None,
        "emptiest": [vars(call) for call in filled[:3]],
    }


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "budget")
    parser.add_argument("--sets", type=int, default=300, help="number of text sets")
    arguments = parser.parse_args()
    environment = _common.environment()
    started = time.perf_counter()
    calls, errors = run(Compressor().load(), arguments)
    by_counter: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        by_counter[call.counter].append(call)
    lines = {name: summary(own) for name, own in by_counter.items()}
    result = {
        "environment": environment,
        "seed": arguments.seed,
        "sets": arguments.sets,
        "seconds": round(time.perf_counter() - started, 1),
        "errors": dict(errors),
        "counters": lines,
    }
    _common.write_result(arguments.output, result)
    print(show(lines))
    print(
        f"\nExceptions: {sum(errors.values())}. Fill: calls with a budget of {FILL_FROM} tokens or "
        "more that the texts exceed."
    )


def show(lines: dict[str, dict[str, Any]]) -> str:
    header = ("counter", "calls", "compressed", "over budget", "other faults", "fill mean", "min")
    rows = [
        (
            name,
            line["calls"],
            line["compressed"],
            line["over_budget"],
            sum(line["faults"].values()) - line["over_budget"],
            line["fill"]["mean"],
            line["fill"]["min"],
            line["fill_with_long_words"]["mean"],
        )
        for name, line in lines.items()
    ]
    return _common.table((*header, "mean with long words"), rows)


if __name__ == "__main__":
    main()
