"""A compressor for your own kind of text: twenty documents, a teacher, a minute of training.

    python examples/tutorial/train.py                               # compressions made by hand
    python examples/tutorial/train.py --teacher openai:gpt-4o-mini  # or by a chat model of yours

The documents are handover notes of a workshop, written for this tutorial. A compressor of prose
does not know that greetings and small talk are worth nothing here, while part numbers and limits
are what the next shift reads for. `documents.jsonl` holds each note with a compression by hand and
a question with its answer. For your own model replace it, and take some thousand texts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from lingua2 import Compressor
from lingua2.dataset import filter_examples, quality_markdown, read_pairs, write_examples
from lingua2.evaluation import Question, answer_survival, normalise
from lingua2.training import split, train
from lingua2.training.validation import level_auc, word_probabilities

NOTES = Path(__file__).with_name("documents.jsonl")
RATES = (0.5, 0.33)
NEW_NOTE = (
    "Good morning, I hope that you all had a nice weekend. Saw S-3 was cutting two millimetres too "
    "long on Sunday night. Bea found the stop loose, tightened it and marked it with red paint. "
    "Everything cut before 23:20 has to be measured again. See you tomorrow!"
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--teacher", help="a LangChain chat model, such as openai:gpt-4o-mini")
    parser.add_argument("--output", type=Path, help="an empty directory; default: a temporary one")
    parser.add_argument("--epochs", type=float, default=10)
    args = parser.parse_args(arguments)
    if args.output is not None:
        run(args.output, args.teacher, args.epochs)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), args.teacher, args.epochs)


def run(output: Path, teacher: str | None, epochs: float) -> None:
    print("1. Distil: a teacher deletes words")
    pairs = NOTES
    if teacher:
        from lingua2.distill import distill, read_documents

        pairs = output / "answers.jsonl"
        print("  ", distill(read_documents(NOTES), teacher, pairs, on_estimate=print))
    else:
        print(f"   skipped: {NOTES.name} has compressions made by hand")

    print("2. Annotate: which words of the note did the teacher keep?")
    examples = read_pairs(pairs)
    first = examples[0]
    marked = zip(first.words, first.levels, strict=True)
    print("  ", " ".join(f"[{word}]" if level else word for word, level in marked))

    print("3. Quality control: drop what the teacher rewrote")
    report = filter_examples(examples)
    print(f"   {len(report.kept)} of {len(examples)} stay")
    output.mkdir(parents=True, exist_ok=True)
    (output / "quality.md").write_text(quality_markdown(report), encoding="utf-8")
    write_examples(output / "labelled.jsonl", report.kept)

    print("4. Train: go on with the embedded model")
    training, held_out = split(report.kept, 0.25, seed=0)
    trained = train(
        training,
        validation=held_out,
        output=output / "handover-notes",
        epochs=epochs,
        learning_rate=1e-4,
        dropout=0.1,
        batch_tokens=512,
    )

    print(f"5. Evaluate on {len(held_out)} notes that the training has not seen")
    rows = {row["id"]: row for row in map(json.loads, NOTES.read_text("utf-8").splitlines())}
    questions = []
    for example in held_out:
        row = rows[example.id.partition("#")[0]]
        questions.append(Question((normalise(row["evidence"]),), (example.text,), row["question"]))
    before, after = Compressor(), Compressor(trained.output)
    for name, compressor in (("before", before), ("after", after)):
        survival = ", ".join(
            f"{item.survival:.0%} of the answers at {item.achieved:.2f} of the tokens"
            for item in answer_survival(compressor, questions, RATES)
        )
        scores = word_probabilities(compressor, held_out)
        found = level_auc(held_out, scores)["all"]["compressed"]
        print(f"   {name}: area under the curve for kept words {found:.3f}; {survival}")

    print("6. Use it: Compressor, Lingua2Compressor(model_name=...), Lingua2Postprocessor(...)")
    for name, compressor in (("before", before), ("after", after)):
        print(f"   {name}: {compressor.compress([NEW_NOTE], rate=0.5).prompt}")


if __name__ == "__main__":
    main()
