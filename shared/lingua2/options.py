"""Every user-facing option, once.

``Compressor``, the LangChain compressor and the LlamaIndex postprocessor all take their options
from `CompressionOptions` here and from `ModelOptions`, so a name, a default or a limit is written
in exactly one place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import AfterValidator, BeforeValidator, Field, SkipValidation, model_validator

from .protect.finders import as_guards
from .relevance import embedder_of, is_score
from .strict import Number, StrictOptions, Strings, validated

__all__ = [
    "BUDGET_OPTIONS",
    "DEFAULT_COUNTER",
    "CompressionOptions",
    "OptionOverrides",
    "TokenCounterSpec",
    "resolve_options",
]

BUDGET_OPTIONS = ("target_token", "rate", "threshold")
"""Exactly one of these says how much is kept."""

DEFAULT_COUNTER = "cl100k_base"
"""Counts tokens where nothing else is said."""


def _known_relevance(value: Any) -> Any:
    if value is None or (isinstance(value, str) and value in ("bm25", "model", "scores")):
        return value
    if embedder_of(value) is not None:
        return value
    listed = isinstance(value, Iterable) and not isinstance(value, (str, bytes))
    numbers: list[Any] = [*value] if listed else [None]
    # None at all belong to a retrieval that found nothing.
    if not all(is_score(number) for number in numbers):
        raise ValueError(
            "expected 'bm25', 'model', 'scores', one finite number per text, an object with "
            "embed_query and embed_documents (LangChain) or with get_query_embedding and "
            "get_text_embedding_batch (LlamaIndex), a callable that embeds a list of strings, or "
            f"None, got {str(value)[:80]!r}"
        )
    return tuple(map(float, numbers))


def _usable_markers(value: Any) -> Any:
    if value is None:
        return None
    pair = [*value] if isinstance(value, (list, tuple)) else []
    if len(pair) != 2 or not all(isinstance(marker, str) and marker.strip() for marker in pair):
        raise ValueError(
            "expected what opens and what closes, two strings that are not blank, such as "
            f"('<keep>', '</keep>'), or None, got {value!r}"
        )
    return tuple(pair)


def _known_counter(value: Any) -> Any:
    if not isinstance(value, str) or value != DEFAULT_COUNTER:
        # Brings tiktoken, which whoever only stores scores does not need.
        from .counting import check_token_counter

        check_token_counter(value)
    return value


TokenCounterSpec = Annotated[
    str | Callable[[str], Any] | Any, SkipValidation, AfterValidator(_known_counter)
]


class CompressionOptions(StrictOptions):
    """How much is kept, and what is kept come what may.

    Option names follow llmlingua where it has one.
    """

    target_token: Annotated[int, Number, Field(ge=1)] | None = None
    """Hard upper bound, in the reader's tokens, on everything the call returns together."""

    rate: Annotated[float, Number, Field(gt=0, le=1)] | None = None
    """Hard upper bound as a share of the reader's tokens of the input, in (0, 1]."""

    threshold: Annotated[float, Number, Field(ge=0, le=1)] | None = None
    """Keep every word whose probability is at least this, whatever that costs, in [0, 1]."""

    token_counter: TokenCounterSpec = DEFAULT_COUNTER
    """The reader's tokenizer: a tiktoken encoding or model name, a Hugging Face tokenizer, or a
    callable that returns the number of tokens (or the tokens) of a string."""

    document_separator: str = "\n\n"
    """What will stand between two texts in the prompt; it counts towards the budget."""

    allocation: Literal["global", "uniform"] = "global"
    """``"global"`` ranks the words of all texts together; ``"uniform"`` gives every text the same
    share of its own length."""

    force_tokens: Annotated[tuple[str, ...], Strings] = ()
    """Words, phrases or punctuation marks that are kept wherever they stand as whole units;
    a newline keeps every line break: ``"\\r\\n"`` as it stands, rarer ones as ``"\\n"`` where words
    beside them go."""

    force_reserve_digit: bool = False
    """Keep every word that contains a digit."""

    drop_consecutive: bool = False
    """Drop a force token that would directly follow an equal one in the output."""

    token_to_word: Literal["mean", "first"] = "mean"
    """A word's probability is the mean of its tokens' or that of its first token."""

    protect: Annotated[tuple[str, ...], BeforeValidator(as_guards)] = ("negations",)
    """What must not break: names of guards or regular expressions. ``"negations"`` keeps a negation
    wherever the word that it governs is kept. The others are kept before all else that is not
    forced: ``"numbers"``, ``"dates"``, ``"identifiers"``, ``"code"``, ``"json"``, ``"tables"``,
    ``"headings"``, ``"quotes"``; code, JSON and tables first, since half of one is worth little.
    The budget holds in any case, and ``result.dropped_protected`` says what it could not hold."""

    markers: Annotated[tuple[str, str] | None, BeforeValidator(_usable_markers)] = None
    """What the user puts around text that is to stay, such as ``("<keep>", "</keep>")``: protected
    like the above, with a `BudgetWarning` where the budget cannot hold it. The markers themselves
    are neither scored nor counted nor returned."""

    marker_errors: Literal["warn", "raise"] = "warn"
    """Where a marker has no counterpart, as in a chunk that a splitter cut: warn, protect from an
    opener that never closes to the end of its text and from the beginning of a text to a closer
    that is its first marker, and go on as if any other stray marker were not there; or raise an
    `InputError`."""

    min_tokens: Annotated[int, Number, Field(ge=0)] = 0
    """A set with fewer of the reader's tokens comes back unchanged, whatever ``rate`` says;
    ``target_token`` holds in any case. With ``threshold`` every text counts by itself."""

    relevance: Annotated[Any, BeforeValidator(_known_relevance)] = None
    """What lets ``query`` steer a budget. ``"bm25"`` ranks sentences by the question's words, and
    everything else adds to that: an embeddings object of LangChain or LlamaIndex, or a callable
    that embeds a list of strings, by meaning; ``"model"`` lets the model read the question, which
    no stored scores can spare; one number per text (a retriever's or reranker's scores) ranks
    texts, also without a question; ``"scores"`` takes these from LlamaIndex's nodes or the metadata
    of LangChain's documents. ``None`` ignores the query."""

    relevance_errors: Literal["warn", "raise"] = "warn"
    """Where embeddings raise or return no usable vectors, or texts have no scores: go on with what
    there is, BM25 at least, and warn; or raise a `RelevanceError`."""

    embeddings_name: Annotated[str, Field(min_length=1)] | None = None
    """Tells the embeddings of ``relevance`` from others: vectors that were stored under another
    name are not used. ``None`` takes the name of their model, or else of their class or function;
    where that stays, other weights, instructions or ways of pooling are not noticed."""

    use_context_level_filter: bool = False
    """Drop whole texts with a low mean probability first, then words (coarse to fine)."""

    target_context: Annotated[int, Number, Field(ge=1)] | None = None
    """Context-level filter: how many texts stay."""

    context_level_rate: Annotated[float, Number, Field(gt=0, le=1)] | None = None
    """Context-level filter: which share of the texts stays, in (0, 1]."""

    context_level_target_token: Annotated[int, Number, Field(ge=1)] | None = None
    """Context-level filter: how many of the reader's tokens the texts that stay may have."""

    force_context_ids: tuple[Annotated[int, Number, Field(ge=0)], ...] = ()
    """Context-level filter: positions of texts that stay in any case; positions that a set does not
    have are passed over, since a retriever may return fewer."""

    return_word_label: bool = False
    """Score every word even where nothing has to go, so that ``result.word_labels`` is filled."""

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        given = {name: getattr(self, name) for name in BUDGET_OPTIONS}
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1:
            got = ", ".join(f"{k}={v}" for k, v in given.items()) or "none of them"
            raise ValueError(
                "give exactly one of target_token (a number of tokens), rate (a share in (0, 1]) "
                f"and threshold (a probability in [0, 1]); got {got}"
            )
        if "" in self.force_tokens:
            raise ValueError("force_tokens must not contain the empty string")
        if self.relevance is not None and self.threshold is not None:
            raise ValueError(
                "relevance steers a budget and threshold has none: leave relevance out, or give "
                "rate or target_token"
            )
        self._check_context_level()
        return self

    def _check_context_level(self) -> None:
        names = ("target_context", "context_level_rate", "context_level_target_token")
        given = [name for name in names if getattr(self, name) is not None]
        extra = [*given, *(["force_context_ids"] if self.force_context_ids else [])]
        if extra and not self.use_context_level_filter:
            raise ValueError(
                f"{' and '.join(extra)} need(s) use_context_level_filter=True; it is off"
            )
        if len(given) > 1:
            raise ValueError(f"give at most one of {', '.join(names)}; got {' and '.join(given)}")
        if self.use_context_level_filter and not given and self.threshold is not None:
            raise ValueError(
                "use_context_level_filter with threshold needs one of " + ", ".join(names)
            )


def resolve_options(base: dict[str, Any], overrides: dict[str, Any]) -> CompressionOptions:
    """Options from ``base``, with ``overrides`` laid over them.

    A budget among the overrides replaces the one in ``base`` instead of clashing with it.

    Raises:
        OptionError: An option is unknown, out of range, or excludes another one.
    """
    if any(overrides.get(name) is not None for name in BUDGET_OPTIONS):
        base = {k: v for k, v in base.items() if k not in BUDGET_OPTIONS}
    return validated(CompressionOptions, {**base, **overrides})


class OptionOverrides(TypedDict, total=False):
    """The fields of `CompressionOptions` as keyword arguments."""

    target_token: int | None
    rate: float | None
    threshold: float | None
    token_counter: Any
    document_separator: str
    allocation: Literal["global", "uniform"]
    force_tokens: tuple[str, ...] | list[str]
    force_reserve_digit: bool
    drop_consecutive: bool
    protect: tuple[str | re.Pattern[str], ...] | list[str | re.Pattern[str]]
    markers: tuple[str, str] | None
    marker_errors: Literal["warn", "raise"]
    min_tokens: int
    token_to_word: Literal["mean", "first"]
    relevance: Any
    relevance_errors: Literal["warn", "raise"]
    embeddings_name: str | None
    use_context_level_filter: bool
    target_context: int | None
    context_level_rate: float | None
    context_level_target_token: int | None
    force_context_ids: tuple[int, ...] | list[int]
    return_word_label: bool
