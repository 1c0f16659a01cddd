"""What do guards keep? Numbers, identifiers, negations and JSON, with and without `protect`.

    python benchmarks/guards.py [--reference 60]

Every kind of content is counted in what a compressor returns as in the original: a share is that of
occurrences that are still there, and of JSON documents that still parse. "Flipped" is the share of
the kept words under a negation whose negation was dropped; it needs the positions of what was kept,
which llmlingua does not give. All texts are invented, and each is compressed alone.

What a negation governs is lingua2's own idea there. `negated.txt` has sentences in which somebody
marked the negation and the word that it turns around; of these, too, is told how often the word was
kept and how often without its negation.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _common

from lingua2 import Compressor
from lingua2.evaluation.losses import losses
from lingua2.evaluation.tasks import Item
from lingua2.protect import governed
from lingua2.rendering import Layout
from lingua2.text import split_units

CONTENT = ("numbers", "identifiers", "negations", "json")
COLUMNS = (*CONTENT, "flipped", "rate")
FACTS = ("negations", "numbers", "dates", "identifiers")
STRUCTURE = ("negations", "json", "code", "tables")
GUARDS: dict[str, tuple[str, ...]] = {
    "protect=()": (),
    "default": ("negations",),
    ", ".join(FACTS): FACTS,
    ", ".join(STRUCTURE): STRUCTURE,
    "both": (*FACTS, *STRUCTURE[1:]),
}
MARKED = Path(__file__).with_name("negated.txt")
# What else the budget could go to.
CONTEXT = (
    " The report was written in spring by two people and covers the work of the past year in the "
    "region."
)
Spans = list[tuple[int, int]]
Compress = Callable[[str, float], tuple[str, Spans | None]]

# Filled as the passages of `_common` are.
LINES = {
    "json": (
        "The {thing} in {place} was checked by {name} and needs no other visit before {date}.",
        "{name} reports that nothing was found in {path}, although {snake} failed {n} times.",
        "Please do not restart {snake}; version {version} cannot read what lies in {path} yet.",
    ),
    "code": (
        "def {snake}(rows, limit={n}):\n"
        "    # never older than {date}, see {path}\n"
        "    if not rows:\n"
        "        return None\n"
        "    kept = [row for row in rows if row.{snake} is not None]\n"
        "    return kept[:limit]",
        "for attempt in range({n}):\n"
        '    if not {snake}("{path}"):\n'
        '        raise ValueError("no {thing} since {version}")\n'
        "    {snake}(retries={n}, wait={percent})",
    ),
    "table": ("| {thing}, {place} | {n} | {amount} | not before {date} | {snake} |",),
    "invoice": (
        "{n} x {thing}, delivered to {place}: {amount} EUR",
        "less {percent}% for the delay, not including travel: {amount} EUR",
        "{n} hours of {name} at {amount} EUR, no tax",
        "Item {uuid}: {amount} EUR, cannot be returned",
    ),
}


def corpus(seed: int, number: int) -> dict[str, list[str]]:
    """``number`` invented texts of every kind."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    made = _common.passages(rng, number)
    slots = _common._Slots(rng)
    lines = {
        kind: [rng.choice(forms).format_map(slots) for _ in range(6 * number)]
        for kind, forms in LINES.items()
    }
    made |= {kind: [] for kind in LINES}
    for i in range(number):
        own = {kind: some[6 * i : 6 * i + 6] for kind, some in lines.items()}
        prose = made["report"][i]
        record = {
            "id": f"{rng.getrandbits(32):08x}",
            "state": rng.choice(("open", "not started", "closed")),
            "size": rng.randint(1, 9000),
            "notes": own["json"][:3],
            "history": [{"step": n, "text": own["json"][3 + n]} for n in range(2)],
        }
        made["json"].append(json.dumps(record, indent=rng.choice((None, 2))))
        made["code"].append(f"{prose}\n\n```python\n{own['code'][0]}\n\n{own['code'][1]}\n```\n")
        head = "| Part | Number | Price | Delivery | Key |\n|------|-------:|------:|---|---|\n"
        made["table"].append(f"{prose}\n\n{head}" + "\n".join(own["table"]))
        made["invoice"].append("Invoice\n\n" + "\n".join(own["invoice"]))
    return made


def flips(text: str, spans: Spans) -> tuple[int, int]:
    """Kept words whose negation was dropped, and all kept words under a negation."""
    layout = Layout(text, split_units(text))
    kept = [
        any(low <= start and end <= high for low, high in spans)
        for start, end in zip(layout.starts, layout.ends, strict=True)
    ]
    pairs = [(w, n) for w, n in zip(*map(list, governed(layout)), strict=True) if kept[w]]
    return sum(not kept[negation] for _, negation in pairs), len(pairs)


def measure(texts: Sequence[str], rate: float, compress: Compress) -> dict[str, float | None]:
    """The share of each kind of content that is left, as a mean over the texts that have it."""
    count = _common.token_counter()
    shares: dict[str, list[float]] = defaultdict(list)
    flipped = pairs = 0
    for text in texts:
        now, spans = compress(text, rate)
        item = Item("", (text,), "", "", (), (), "")
        for name, share in losses(item, [now]).items():
            shares[name].append(share)
        shares["rate"].append(count(now) / count(text))
        if spans is not None:
            own, all_of_them = flips(text, spans)
            flipped, pairs = flipped + own, pairs + all_of_them
    found: dict[str, float | None] = {
        name: round(sum(own) / len(own), 4) for name, own in shares.items()
    }
    return found | {"flipped": round(flipped / pairs, 4) if pairs else None}


def marked_flips(rate: float, compress: Compress) -> dict[str, int]:
    """How many marked words were kept, and how many of them without their negation."""
    kept = flipped = 0
    for line in MARKED.read_text(encoding="utf-8").splitlines():
        negation, word = (re.search(p, line)[1] for p in (r"\[(.+?)\]", r"\{(.+?)\}"))  # type: ignore[index]
        text, _ = compress(re.sub(r"[\[\]{}]", "", line) + CONTEXT, rate)
        left = re.findall(r"[\w'’]+", text)
        kept += word in left
        flipped += word in left and negation not in left
    return {"words_kept": kept, "without_negation": flipped}


def ours(compressor: Compressor, protect: tuple[str, ...]) -> Compress:
    def compress(text: str, rate: float) -> tuple[str, Spans]:
        result = compressor.compress([text], rate=rate, protect=protect)
        return result.texts[0], result.spans[0]

    return compress


def main() -> None:
    parser = _common.parser(str(__doc__).splitlines()[0], "guards")
    parser.add_argument("--texts", type=int, default=24, help="of each of ten kinds")
    parser.add_argument("--rates", nargs="+", type=float, default=[0.5, 0.33])
    parser.add_argument("--reference", type=int, default=0, help="texts for llmlingua as well")
    arguments: argparse.Namespace = parser.parse_args()
    made = corpus(arguments.seed, arguments.texts)
    # One of each kind in turn, so that any beginning has all kinds.
    texts = [text for row in zip(*made.values(), strict=True) for text in row]
    compressor = Compressor().load()
    result: dict[str, Any] = {
        "environment": _common.environment(),
        "texts": {kind: len(own) for kind, own in made.items()},
        "rates": {},
        "negated": {},
    }
    rows: list[list[object]] = []

    def note(rate: float, name: str, found: dict[str, float | None]) -> None:
        result["rates"].setdefault(f"{rate:g}", {})[name] = found
        shown = [found.get(column) for column in COLUMNS]
        rows.append([rate, name, *("–" if x is None else f"{x:.3f}" for x in shown)])
        _common.note(f"  {rate:g} {name}")

    for rate in arguments.rates:
        for name, protect in GUARDS.items():
            note(rate, name, measure(texts, rate, ours(compressor, protect)))
    for rate in (0.5, 0.4, 0.33, 0.25, 0.2):
        result["negated"][f"{rate:g}"] = {
            name: marked_flips(rate, ours(compressor, GUARDS[name]))
            for name in ("protect=()", "default")
        }
    if some := texts[: arguments.reference]:
        with _common.reference_compressor() as reference:
            for rate in arguments.rates:
                found = measure(
                    some,
                    rate,
                    lambda text, rate: (_common.reference_compress(reference, [text], rate), None),
                )
                note(rate, f"llmlingua ({len(some)} texts)", found)
                found = measure(some, rate, ours(compressor, GUARDS["both"]))
                note(rate, f"both ({len(some)} texts)", found)
            for rate, found in result["negated"].items():
                found["llmlingua"] = marked_flips(
                    float(rate),
                    lambda text, rate: (_common.reference_compress(reference, [text], rate), None),
                )
    _common.write_result(arguments.output, result)
    print(_common.table(("rate", "guards", *COLUMNS), rows))
    negated = [
        (rate, name, *numbers.values())
        for rate, found in result["negated"].items()
        for name, numbers in found.items()
    ]
    print()
    print(_common.table(("rate", "", "marked words kept", "without negation"), negated))


if __name__ == "__main__":
    main()
