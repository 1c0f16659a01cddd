"""What came of every item under every compressor and budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lingua2.counting import TokenCounter, resolve_token_counter
from lingua2.errors import InputError, Lingua2Error

from .controls import join
from .losses import losses, stability
from .method import Method, Request
from .readers import Reply, Status
from .settings import Budget, EvaluationSettings
from .store import Store, key_of
from .tasks import Item

__all__ = ["UNCOMPRESSED", "Compressing", "Record", "with_reply"]

UNCOMPRESSED = "all"
"""What stands for the budget of a method that keeps everything."""


@dataclass(frozen=True, slots=True)
class Record:
    """One item, compressed one way.

    Attributes:
        item: Id of the item.
        kind: Its kind.
        category: What that belongs to.
        group: The same for items with the same documents, unless these are worked examples.
        method: Name of the compressor.
        budget: What was asked for, such as ``"0.33"`` or ``"300 tokens"``.
        asked: The same in tokens; None for what keeps everything.
        original: Tokens of the joined documents.
        tokens: Tokens of the joined compressed texts.
        seconds: What compressing took.
        texts: The compressed texts.
        losses: See `lingua2.evaluation.losses`.
        stability: Where it was measured, see `losses.stability`.
        failure: What the compressor raised; empty where it did not. Such a record is counted, and
            has no part in any mean.
        status: What came of asking the reader; None without a reader.
        answer: Its answer.
        scores: The answer's scores by metric; empty where there is no answer.
        input_tokens: What the reader read.
        output_tokens: What it wrote.
    """

    item: str
    kind: str
    category: str
    group: str
    method: str
    budget: str
    asked: int | None
    original: int
    tokens: int
    seconds: float
    texts: tuple[str, ...]
    losses: Mapping[str, float] = field(default_factory=dict)
    stability: float | None = None
    failure: str = ""
    status: Status | None = None
    answer: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def over(self) -> bool:
        """Whether there are more tokens than were asked for."""
        return self.asked is not None and self.tokens > self.asked

    @property
    def context(self) -> str:
        """What the reader sees of the documents."""
        return join(self.texts)

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON takes it."""
        return asdict(self)


class Compressing:
    """Compresses items, each distinct request once in all runs with the same store.

    Args:
        store: Where compressed texts are kept.
        settings: Budgets, token counter, seed.
    """

    def __init__(self, store: Store, settings: EvaluationSettings) -> None:
        self._store = store
        self._settings = settings
        self._count: TokenCounter = resolve_token_counter(settings.token_counter)
        counter = settings.token_counter
        self._counter = counter if isinstance(counter, str) else repr(type(counter))
        self._sizes: dict[tuple[str, ...], int] = {}

    def records(
        self, items: Sequence[Item], methods: Sequence[Method], on_record: Callable[[], Any]
    ) -> Iterator[Record]:
        """The records of all items, without what needs a reader.

        Args:
            items: What is compressed.
            methods: By what.
            on_record: Called after each.
        """
        several = [item.id for item in items if len(item.documents) > 1]
        watched = set(several[: self._settings.stability_items])
        for method in methods:
            budgets = (None,) if method.whole else self._settings.budgets
            for budget in budgets:
                for item in items:
                    yield self._record(item, method, budget, item.id in watched)
                    on_record()

    def _record(self, item: Item, method: Method, budget: Budget | None, watch: bool) -> Record:
        row = self._compress(item.documents, item.question, method, budget)
        texts, failure = tuple(row["texts"]), row.get("failure", "")
        stable = None
        if watch and budget is not None and not failure:
            before = self._compress(item.documents[:-1], item.question, method, budget)
            if not before.get("failure"):
                stable = stability(before["texts"], texts)
        return Record(
            item=item.id,
            kind=item.kind,
            category=item.category or item.kind,
            group=key_of(item.id) if item.examples else key_of(*item.documents),
            method=method.name,
            budget=UNCOMPRESSED if budget is None else str(budget),
            asked=row["asked"],
            original=self._size(item.documents),
            tokens=self._count(join(texts)),
            seconds=row["seconds"],
            texts=texts,
            losses={} if failure else losses(item, texts),
            stability=stable,
            failure=failure,
        )

    def _compress(
        self, documents: tuple[str, ...], query: str, method: Method, budget: Budget | None
    ) -> dict[str, Any]:
        total = self._size(documents)
        asked = None if budget is None else budget.tokens(total, len(documents))
        query = query if method.query else ""
        key = key_of(method.identity, asked, self._counter, self._settings.seed, query, *documents)
        if key not in self._store:
            limit = total if asked is None else asked
            rate = min(1.0, limit / max(1, total))
            if budget is not None and budget.kind == "rate":
                # As it was asked for: llmlingua's thresholds see the difference.
                rate = budget.value
            request = Request(documents, query, limit, rate, self._count, self._settings.seed)
            begin = time.perf_counter()
            try:
                texts = list(method.compress(request))
            except (Lingua2Error, ImportError):
                raise
            # Other people's compressors break on some texts; the next run tries these again.
            except Exception as error:
                failure = f"{type(error).__name__}: {error}"[:500]
                empty = [""] * len(documents)
                return {"asked": asked, "seconds": 0.0, "texts": empty, "failure": failure}
            seconds = time.perf_counter() - begin
            if len(texts) != len(documents) or not all(isinstance(text, str) for text in texts):
                raise InputError(
                    f"the compressor {method.name!r} returned {len(texts)} texts for "
                    f"{len(documents)} documents; it must return one string per document"
                )
            row = {"method": method.name, "asked": asked, "seconds": round(seconds, 5)}
            self._store.add(key, {**row, "texts": texts})
        return self._store[key]

    def _size(self, documents: tuple[str, ...]) -> int:
        if documents not in self._sizes:
            self._sizes[documents] = self._count(join(documents))
        return self._sizes[documents]


def with_reply(record: Record, reply: Reply, scores: Mapping[str, float]) -> Record:
    """``record`` with what a reader made of it."""
    values = {name: getattr(record, name) for name in Record.__slots__}
    values.update(
        status=reply.status,
        answer=reply.text,
        scores=dict(scores),
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
    )
    return Record(**values)
