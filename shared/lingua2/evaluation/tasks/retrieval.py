"""Questions over retrieved documents: HotpotQA, 2WikiMultihopQA, MuSiQue, SQuAD, and our own form.

Our form is a record with ``question``, ``answers``, ``documents`` and, where it is known,
``supporting``: the places of the documents that the answer rests on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from lingua2.evaluation.survival import normalise
from lingua2.relevance import by_sentence
from lingua2.rendering import Layout
from lingua2.text import split_units

from .item import Item, fill
from .rows import Row

__all__ = ["PROMPT", "retrieval_items"]

PROMPT = (
    "Answer the question from the passages, which may be compressed. Give the answer only, in as "
    "few words as possible.\n\nPassages:\n{context}\n\nQuestion: {input}\nAnswer:"
)


def retrieval_items(row: Row, kind: str, template: str = PROMPT) -> Iterator[Item]:
    """The items of a record in any of the forms above.

    Raises:
        DatasetError: A field is missing, empty or of another type, or no answer stands in the
            documents although it is neither yes nor no.
    """
    if row.has("paragraphs") and not row.has("question"):
        yield from _squad_article(row, kind, template)
        return
    if row.has("documents"):
        documents, evidence = row.strings("documents"), _supporting(row)
        answers = row.strings("answers")
    elif row.has("paragraphs"):
        documents, evidence = _musique(row)
        answers = (row.text("answer"), *_aliases(row))
    elif isinstance(row.values.get("context"), str):
        documents, evidence = (row.text("context"),), ()
        answers = _squad_answers(row)
    else:
        documents, evidence = _hotpot(row)
        answers = (row.text("answer"),)
    yield _item(row, kind, template, row.text("question"), documents, answers, evidence)


def _item(
    row: Row,
    kind: str,
    template: str,
    question: str,
    documents: Sequence[str],
    answers: Sequence[str],
    evidence: Sequence[str],
) -> Item:
    gold = [normalise(answer) for answer in answers]
    if not all(answer in ("yes", "no", "noanswer") for answer in gold):
        found = normalise("\n\n".join(documents))
        if not any(answer and answer in found for answer in gold):
            raise row.fail(f"no answer stands in the documents: {', '.join(answers):.80}")
    before, after = fill(template, question)
    return Item(
        id=row.id(f"{kind}-{row.number}", "id", "_id"),
        documents=tuple(documents),
        before=before,
        after=after,
        references=tuple(answers),
        metrics=("qa_f1", "em", "contains"),
        kind=kind,
        question=question,
        evidence=tuple(evidence),
        extractive=True,
        first_line=True,
    )


def _supporting(row: Row) -> tuple[str, ...]:
    if not row.has("supporting"):
        return ()
    documents, found = row.strings("documents"), []
    for place in row.get("supporting", list):
        if not isinstance(place, int) or not 0 <= place < len(documents):
            raise row.fail(
                f"'supporting' must hold places of the {len(documents)} documents, got {place!r}"
            )
        found.append(
            _evidence_sentence(documents[place], row.strings("answers"), row.text("question"))
        )
    return tuple(found)


def _evidence_sentence(document: str, answers: Sequence[str], question: str) -> str:
    """The sentence with an answer, else the one that fits the question best."""
    layout = Layout(document, split_units(document))
    starts = [int(i) for i in layout.units.sentence_starts(document).nonzero()[0]]
    if not starts:
        return document
    bounds = [layout.starts[i] for i in starts] + [len(document)]
    sentences = [document[a:b].strip() for a, b in itertools.pairwise(bounds)]
    gold = [answer for answer in map(normalise, answers) if answer not in ("", "yes", "no")]
    # A title alone proves nothing.
    for sentence in sentences[1:]:
        if any(answer in normalise(sentence) for answer in gold):
            return sentence
    scores = by_sentence([layout], question)[starts].tolist()
    return sentences[max(range(len(sentences)), key=lambda i: (scores[i], -i))]


def _hotpot(row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """HotpotQA and 2WikiMultihopQA, as their authors publish them and as on the hub."""
    context = row.get("context", (list, dict))
    facts: Any = row.values.get("supporting_facts") or []
    try:
        if isinstance(context, dict):
            pairs = list(zip(context["title"], context["sentences"], strict=True))
            facts = list(zip(facts["title"], facts["sent_id"], strict=True)) if facts else []
        else:
            pairs = [(title, sentences) for title, sentences in context]
        documents = tuple(title + "\n" + "".join(lines) for title, lines in pairs)
        lines_of = dict(pairs)
        # A few facts of the published files point behind the end of their paragraph.
        evidence = tuple(
            lines_of[title][place].strip()
            for title, place in facts
            if title in lines_of and place < len(lines_of[title])
        )
    except (TypeError, ValueError, KeyError) as error:
        raise row.fail(
            f"'context' must hold pairs of a title and its sentences, and 'supporting_facts' pairs "
            f"of a title and a place: {error!r}"
        ) from error
    if not any(document.strip() for document in documents):
        raise row.fail("'context' is empty")
    return documents, evidence


def _musique(row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    documents, evidence = [], []
    for own in row.inner("paragraphs"):
        text = own.text("paragraph_text")
        documents.append(f"{own.values.get('title') or ''}\n{text}".strip())
        if own.values.get("is_supporting"):
            answers = (row.text("answer"), *_aliases(row))
            evidence.append(_evidence_sentence(documents[-1], answers, row.text("question")))
    if not documents:
        raise row.fail("'paragraphs' is empty")
    return tuple(documents), tuple(evidence)


def _aliases(row: Row) -> tuple[str, ...]:
    return row.strings("answer_aliases") if row.values.get("answer_aliases") else ()


def _squad_answers(row: Row) -> tuple[str, ...]:
    answers = row.get("answers", (dict, list))
    if isinstance(answers, dict):
        return Row(f"{row.where}, answers", row.number, answers).strings("text")
    if answers and isinstance(answers[0], dict):
        return tuple(dict.fromkeys(own.text("text") for own in row.inner("answers")))
    return row.strings("answers")


def _squad_article(row: Row, kind: str, template: str) -> Iterator[Item]:
    for paragraph in row.inner("paragraphs"):
        context = paragraph.text("context")
        for own in paragraph.inner("qas"):
            # SQuAD 2's questions without an answer ask something else than whether one survives.
            if not own.values.get("is_impossible"):
                yield _item(
                    own, kind, template, own.text("question"), (context,), _squad_answers(own), ()
                )
