"""What a compressor is to an evaluation: a name, and a function of a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lingua2.counting import TokenCounter

__all__ = ["Method", "Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a compressor is asked.

    Attributes:
        texts: The documents.
        query: The question; empty where there is none.
        budget: Most tokens of the joined result.
        rate: The same as a share of the texts' tokens.
        count: Counts them.
        seed: Of what is drawn at random.
    """

    texts: tuple[str, ...]
    query: str
    budget: int
    rate: float
    count: TokenCounter
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Method:
    """A compressor with a name.

    Attributes:
        name: What the report calls it.
        identity: Everything that its results depend on besides the request; results are reused
            only under the same identity.
        compress: What it does: one text per text asked, ``""`` where nothing is left.
        is_exact: It promises to hold the budget.
        whole: It ignores the budget and returns everything.
        query: Whether the question makes a difference.
        fresh: The same without a memory of texts, as measuring times needs it; None where it has
            none.
        stored: The same for texts that it may prepare beforehand, as an index does when documents
            enter it; None where it cannot.
    """

    name: str
    identity: str
    compress: Callable[[Request], Sequence[str]]
    is_exact: bool = True
    whole: bool = False
    query: bool = False
    fresh: Callable[[], Method] | None = None
    stored: Callable[[Sequence[str]], Method] | None = None
