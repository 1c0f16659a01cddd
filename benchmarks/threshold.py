"""Which share of the tokens does `threshold=0.5` keep, by kind of text?

    python benchmarks/threshold.py --examples labelled.parquet

What `lingua2 train` makes is calibrated to keep half of the texts that it is given for that; a
checkpoint from elsewhere, such as the embedded one, need not be.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import _common
import numpy as np

from lingua2 import Compressor
from lingua2.dataset import read_examples

THRESHOLD = 0.5


def main() -> None:
    made = _common.parser(__doc__ or "", "threshold")
    made.add_argument("--examples", type=Path, required=True, help="what `lingua2 annotate` wrote")
    made.add_argument("--model", help="a checkpoint; default: the embedded one")
    made.add_argument("--texts", type=int, default=30, help="of every domain")
    args = made.parse_args()

    texts: dict[str, list[str]] = defaultdict(list)
    examples = read_examples(args.examples)
    for place in np.random.default_rng(args.seed).permutation(len(examples)).tolist():
        own = texts[examples[place].domain]
        if len(own) < args.texts:
            own.append(examples[place].text)
    compressor = Compressor(args.model)
    domains = {}
    for domain, own in sorted(texts.items()):
        found = [compressor.compress([text], threshold=THRESHOLD) for text in own]
        rates = [result.rate for result in found]
        domains[domain] = {
            "texts": len(own),
            "kept": round(
                sum(result.compressed_tokens for result in found)
                / sum(result.original_tokens for result in found),
                4,
            ),
            "deviation_between_texts": round(float(np.std(rates)), 4),
        }
    mean = round(float(np.mean([own["kept"] for own in domains.values()])), 4)
    result = {"environment": _common.environment(), "threshold": THRESHOLD, "mean": mean}
    _common.write_result(args.output, {**result, "domains": domains})
    rows = [(name, own["texts"], f"{own['kept']:.1%}") for name, own in domains.items()]
    print(_common.table(("domain", "texts", "tokens kept"), [*rows, ("mean", "", f"{mean:.1%}")]))


if __name__ == "__main__":
    main()
