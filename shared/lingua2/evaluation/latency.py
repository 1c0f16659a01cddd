"""End to end: time to the first token and to the last, with and without compression."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lingua2.counting import resolve_token_counter
from lingua2.errors import InputError, Lingua2Error, OptionError

from .controls import join
from .method import Method, Request
from .paper import END_TO_END
from .readers import resolve_reader
from .tasks import Item

__all__ = [
    "Latency",
    "Timing",
    "latency_rows",
    "latency_table",
    "measure_latency",
    "timings",
]


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of one compression factor, medians over the items, in seconds.

    Attributes:
        factor: How many times smaller the documents get; 1 reads them as they are.
        items: Number of items.
        tokens: Tokens that the reader read of the documents.
        compress: Compressing.
        first_token: Compressing and reading up to the first token of the answer.
        total: Compressing and reading up to the last.
        speedup: Total of reading alone / total; the median of the items' ratios.
        paper: The paper's ratio for this factor, with another reader and machine.
    """

    factor: float
    items: int
    tokens: float
    compress: float
    first_token: float
    total: float
    speedup: float
    paper: float | None


def measure_latency(
    items: Sequence[Item],
    method: Method,
    reader: Any,
    *,
    factors: Sequence[float] = (2.0, 3.0, 5.0),
    token_counter: Any = "cl100k_base",
    warm_up: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Latency]:
    """Compress and read every item against reading it alone (paper, table 5).

    Requests go out one after the other, and neither prompts nor what a compressor knows of a text
    is kept in between; switch the reader's own prompt cache off as well, or give items that share
    no beginning. Items on which the compressor or the reader raises an error, or whose answer is
    empty, are left out as a whole.

    Args:
        items: What is asked.
        method: The compressor.
        reader: A LangChain model that streams, or a name, see `resolve_reader`.
        factors: Compression factors.
        token_counter: Counts budgets.
        warm_up: Run the first item once before, so that loading is not measured.
        clock: Seconds.

    Returns:
        Reading alone first, then one entry per factor.

    Raises:
        OptionError: A factor is not above 1, or the reader cannot be set up.
        InputError: There are no items, or none could be measured.
    """
    if not items:
        raise InputError("there are no items to measure on")
    if not factors or min(factors) <= 1:
        raise OptionError(f"factors must be above 1, got {list(factors)}")
    model, count = resolve_reader(reader), resolve_token_counter(token_counter)
    method = method if method.fresh is None else method.fresh()
    asked = (1.0, *factors)
    runs: dict[float, list[_Times]] = {factor: [] for factor in asked}
    problem = ""
    for number, item in enumerate((items[0], *items) if warm_up else items):
        # Every factor on one item after the other, so that a machine's drift hits all alike.
        try:
            found = [_once(item, method, model, factor, count, clock) for factor in asked]
        except Lingua2Error:
            raise
        # Providers and compressors raise errors without a common base.
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"[:500]
            continue
        if number or not warm_up:
            for factor, times in zip(asked, found, strict=True):
                runs[factor].append(times)
    if not runs[1.0]:
        raise InputError(f"none of {len(items)} items could be measured; the last: {problem}")
    alone = [run.total for run in runs[1.0]]
    return [
        Latency(
            factor,
            len(found),
            statistics.median(run.tokens for run in found),
            statistics.median(run.compress for run in found),
            statistics.median(run.first_token for run in found),
            statistics.median(run.total for run in found),
            statistics.median(a / r.total for a, r in zip(alone, found, strict=True) if r.total),
            END_TO_END.get(factor),
        )
        for factor, found in runs.items()
    ]


def latency_rows(found: Sequence[Latency]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The times as the header and the rows of a table."""
    header = ("", "tokens", "compress (s)", "first token (s)", "total (s)", "faster", "paper")
    rows: list[tuple[str, ...]] = [
        (
            "alone" if one.factor == 1 else f"{one.factor:g}x",
            f"{one.tokens:.0f}",
            f"{one.compress:.3f}",
            f"{one.first_token:.3f}",
            f"{one.total:.3f}",
            f"{one.speedup:.2f}x",
            "" if one.paper is None else f"{one.paper:g}x",
        )
        for one in found
    ]
    return header, rows


def latency_table(found: Sequence[Latency]) -> str:
    """The times as a Markdown table."""
    header, rows = latency_rows(found)
    lines = [header, ("-",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@dataclass(frozen=True, slots=True)
class Timing:
    """What measuring one compressor's times came to.

    Attributes:
        method: Its name, and whether scores were computed on the spot or stored.
        times: Reading alone, then by factor; empty where it could not be measured.
        asked: On how many items it was to be measured.
        problem: Why it could not be.
    """

    method: str
    times: tuple[Latency, ...]
    asked: int
    problem: str = ""


def timings(
    items: Sequence[Item],
    methods: Sequence[Method],
    reader: Any,
    *,
    on_method: Callable[[], Any] = lambda: None,
    **options: Any,
) -> list[Timing]:
    """`measure_latency` of every compressor that has a budget, also with what it can store.

    Args:
        items: What is asked.
        methods: The compressors.
        reader: See `measure_latency`.
        on_method: Called after each.
        **options: Those of `measure_latency`.
    """
    texts = list(dict.fromkeys(text for item in items for text in item.documents))
    made: list[tuple[str, Callable[[], Method]]] = []
    for method in methods:
        if method.whole:
            continue
        label = method.name if method.stored is None else f"{method.name}, scores computed"
        made.append((label, partial(_as_it_is, method)))
        if method.stored is not None:
            made.append((f"{method.name}, scores stored", partial(method.stored, texts)))
    found = []
    for label, make in made:
        try:
            measured = measure_latency(items, make(), reader, **options)
            found.append(Timing(label, tuple(measured), len(items)))
        except InputError as error:
            found.append(Timing(label, (), len(items), str(error)))
        on_method()
    return found


def _as_it_is(method: Method) -> Method:
    return method


@dataclass(frozen=True, slots=True)
class _Times:
    tokens: int
    compress: float
    first_token: float
    total: float


def _once(
    item: Item,
    method: Method,
    model: Any,
    factor: float,
    count: Callable[[str], int],
    clock: Callable[[], float],
) -> _Times:
    size = count(join(item.documents))
    budget = int(size / factor)
    begin = clock()
    texts: Sequence[str] = item.documents
    if factor > 1:
        request = Request(item.documents, item.question, budget, 1 / factor, count)
        texts = method.compress(request)
    context = join(texts)
    compressed = clock()
    first = None
    for piece in model.stream(item.prompt(context)):
        text = piece if isinstance(piece, str) else getattr(piece, "text", "")
        # Chat servers begin with an empty message that only names the role.
        if first is None and text:
            first = clock()
    end = clock()
    if first is None:
        raise ValueError("the reader answered nothing")
    spent = 0.0 if factor == 1 else compressed - begin
    return _Times(count(context), spent, first - begin, end - begin)
