"""LlamaIndex's side of lingua2: nodes become texts, and compressed texts become nodes again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Self

from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle
from llama_index.core.utils import get_tokenizer
from pydantic import model_validator

from lingua2 import CompressionOptions, CompressionResult
from lingua2.counting import check_token_counter, resolve_token_counter
from lingua2.ordering import arrange
from lingua2.relevance import document_scores

from ._component import ModelComponent
from ._nodes import (
    EMBEDDINGS_KEY,
    SCORES_KEY,
    Span,
    add_hidden,
    bare,
    checked,
    contexts,
    copied,
    frame,
    question,
    rescored,
    set_text,
    shifted,
    shows_media,
    stored,
    stripped,
    text_of,
)

__all__ = ["STATISTICS_KEYS", "Lingua2Postprocessor"]

STATISTICS_KEYS = (
    "lingua2_original_tokens",
    "lingua2_compressed_tokens",
    "lingua2_spans",
    "lingua2_losses",
)
"""The metadata keys that ``add_statistics`` sets."""

dispatcher = get_dispatcher(__name__)


class Lingua2Postprocessor(BaseNodePostprocessor, ModelComponent, CompressionOptions):
    """Compresses nodes together to a hard token budget (LLMLingua-2, Pan et al. 2024).

    Put it last among the ``node_postprocessors`` of a query or chat engine, behind whatever
    reorders or filters; or among the ``transformations`` of an `IngestionPipeline`, where
    ``threshold`` or ``rate`` with ``allocation="uniform"`` treat every node by itself. All options
    of `lingua2.Compressor` are fields; exactly one of ``target_token``, ``rate`` and ``threshold``
    is needed.

    The budget holds for what a response synthesizer makes of the returned nodes: every node as
    `get_content(MetadataMode.LLM)` shows it, metadata included, joined by ``document_separator``,
    with or without the white space around it, which most synthesizers cut off.
    Only the text of a node is shortened, and where anything is, no text keeps outer white space.
    Ids, scores, relationships, embeddings and character indices, which describe the source, stay
    as they are. Nodes without text come back as they went in. The given nodes are never changed.

    Scores that a `Lingua2Scorer` stored with the nodes are used where they are those of the text
    and the checkpoint at hand; so are the vectors of its sentences where ``relevance`` is the
    embeddings that made them. What comes back has neither, since they describe the whole text, and
    would only cost whoever shows or stores metadata.

    To tracing and callbacks a call is a re-ranking, LlamaIndex's name for nodes in, nodes out.

    >>> from llamaindex_lingua2 import Lingua2Postprocessor
    >>> compressor = Lingua2Postprocessor(target_token=500)
    >>> engine = index.as_query_engine(similarity_top_k=10, node_postprocessors=[compressor])

    Raises:
        ValidationError: An option is unknown or out of range, or excludes another one.
    """

    token_counter: Any = Field(
        default=None,
        description=(
            "The reader's tokenizer: a tiktoken encoding or model name, a Hugging Face tokenizer, "
            "or a callable that counts the tokens of a string. None is LlamaIndex's global "
            "tokenizer (Settings.tokenizer) as it is set at each call. An object other than a name "
            "is not part of to_dict(); from_dict(data, token_counter=...) puts it back."
        ),
    )
    count_metadata: bool = Field(
        default=True,
        description=(
            "Count what the reader sees around a node's text, its metadata in LLM mode and its "
            "text template, towards the budget."
        ),
    )
    drop_empty: bool = Field(
        default=True,
        description=(
            "Leave out nodes of which nothing was kept. Off, they come back with an empty text, "
            "and their metadata counts."
        ),
    )
    add_statistics: bool = Field(
        default=False,
        description=(
            "Add lingua2_original_tokens, lingua2_compressed_tokens, lingua2_spans (JSON: the "
            "characters of the original text that were kept) and lingua2_losses (JSON: what "
            "CompressionResult.losses says of it) to the metadata of each node, hidden from the "
            "LLM and from embedding models."
        ),
    )

    reorder: Literal["relevance"] | None = Field(
        default=None,
        description=(
            '"relevance" returns the nodes with the most relevant ones first and last, where a '
            "reader finds them best, and the least relevant in the middle; None keeps their order."
        ),
    )

    @model_validator(mode="after")
    def _check_relevance(self) -> Self:
        if isinstance(self.relevance, tuple):
            raise ValueError(
                "relevance holds one number per text, but every retrieval has other nodes; "
                "relevance='scores' takes the nodes' own"
            )
        if self.reorder is not None and self.relevance is None:
            raise ValueError(
                "reorder='relevance' needs a relevance, such as relevance='scores'; it is None"
            )
        return self

    @model_validator(mode="after")
    def _check_counter(self) -> Self:
        if self.token_counter is not None:
            check_token_counter(self.token_counter)
        return self

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised form."""
        return "Lingua2Postprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        given, query = checked(nodes, NodeWithScore), question(query_bundle)
        if not given:
            return []
        with self._reported(given, query) as returned:
            returned += self._processed(given, query)
        return returned

    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        given, query = checked(nodes, NodeWithScore), question(query_bundle)
        if not given:
            return []
        with self._reported(given, query) as returned:
            returned += await asyncio.to_thread(self._processed, given, query)
        return returned

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:  # noqa: ARG002
        """Compress nodes at ingestion.

        Args:
            nodes: Documents or nodes; they share one budget.
            **kwargs: What the pipeline passes to all its steps; not used.

        Raises:
            InputError: ``nodes`` is not a sequence of nodes.
        """
        return self._ingested(checked(nodes, BaseNode))

    @dispatcher.span
    async def acall(
        self,
        nodes: Sequence[BaseNode],
        **kwargs: Any,  # noqa: ARG002 - as of `__call__`
    ) -> list[BaseNode]:
        """`__call__` in a worker thread, so that the event loop stays free."""
        return await asyncio.to_thread(self._ingested, checked(nodes, BaseNode))

    def _ingested(self, nodes: Sequence[BaseNode]) -> list[BaseNode]:
        # Nodes that no retriever returned have no scores.
        relevance = None if self.relevance == "scores" else self.relevance
        return [node for node in self._compressed(nodes, None, relevance) if node is not None]

    def _processed(self, items: list[NodeWithScore], query: str | None) -> list[NodeWithScore]:
        relevance, errors = self.relevance, self.relevance_errors
        if self.relevance == "scores":
            relevance = document_scores([item.score for item in items], "their score", errors)
        if self.reorder is not None:
            texts = [stripped(item.node) for item in items]
            order, relevance = arrange(
                texts,
                query,
                relevance=relevance,
                errors=errors,
                embeddings=stored([item.node for item in items], EMBEDDINGS_KEY),
                embeddings_name=self.embeddings_name,
            )
            items = [items[i] for i in order]
        return rescored(items, self._compressed([item.node for item in items], query, relevance))

    def _arguments(self, nodes: Sequence[BaseNode], query: str | None) -> dict[str, Any]:
        """What `Compressor.compress` is called with."""
        options = {name: getattr(self, name) for name in CompressionOptions.model_fields}
        return options | {
            "texts": [stripped(node) for node in nodes],
            "query": query,
            "frames": [frame(node) for node in nodes] if self.count_metadata else None,
            "keep_empty": [self._stays(node) for node in nodes],
            "token_counter": self._counter(),
            # Most response synthesizers do.
            "strip": True,
        }

    def _stays(self, node: BaseNode) -> bool:
        """Whether ``node`` is returned even where no text of it is kept."""
        return not (self.drop_empty and stripped(node)) or shows_media(node)

    def _counter(self) -> Any:
        return get_tokenizer() if self.token_counter is None else self.token_counter

    def _compressed(
        self, nodes: Sequence[BaseNode], query: str | None, relevance: Any
    ) -> list[BaseNode | None]:
        """Copies of ``nodes`` with their new texts; None where nothing is left to return."""
        packed, vectors = stored(nodes, SCORES_KEY), stored(nodes, EMBEDDINGS_KEY)
        nodes = [bare(node) for node in nodes]
        arguments = self._arguments(nodes, query) | {"relevance": relevance}
        result = self.compressor.compress(scores=packed, embeddings=vectors, **arguments)
        if result.texts == result.sources and self._fits_whole(nodes, result):
            whole = map(text_of, nodes)
            return self._rebuilt(nodes, ((text, [(0, len(text))]) for text in whole), result)
        kept = zip(result.texts, map(shifted, result.spans, map(text_of, nodes)), strict=True)
        return self._rebuilt(nodes, kept, result)

    def _fits_whole(self, nodes: Sequence[BaseNode], result: CompressionResult) -> bool:
        """Whether ``nodes``, of which nothing was dropped, can keep their outer white space."""
        # With a rate the core decides what is too small to be compressed.
        if result.budget is None or (self.rate and result.budget == result.original_tokens):
            return True
        count = resolve_token_counter(self._counter())
        ways = contexts(nodes, self.document_separator, framed=self.count_metadata)
        return max(map(count, ways)) <= result.budget

    def _rebuilt(
        self,
        nodes: Sequence[BaseNode],
        kept: Iterable[tuple[str, Sequence[Span]]],
        result: CompressionResult,
    ) -> list[BaseNode | None]:
        """``nodes`` with the texts and spans ``kept``, of which ``result`` knows what they cost."""
        count = resolve_token_counter(self._counter()) if self.add_statistics else None
        losses = result.losses()["texts"] if count else [None] * len(nodes)
        rebuilt: list[BaseNode | None] = []
        for node, (text, spans), lost in zip(nodes, kept, losses, strict=True):
            source = text_of(node)
            if not text and not self._stays(node):
                rebuilt.append(None)
                continue
            rebuilt.append(new := copied(node))
            if text != source:
                set_text(new, text)
            if source.strip() and count is not None:
                values = (count(source), count(text), json.dumps(spans), json.dumps(lost))
                add_hidden(new, dict(zip(STATISTICS_KEYS, values, strict=True)))
        return rebuilt

    @contextmanager
    def _reported(
        self, nodes: list[NodeWithScore], query: str | None
    ) -> Iterator[list[NodeWithScore]]:
        """Announce a call and its end, also one by an error; takes the nodes that are returned."""
        returned: list[NodeWithScore] = []
        model = "lingua2" if self.model_name is None else str(self.model_name)
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: model,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: len(nodes),
        }
        dispatcher.event(
            ReRankStartEvent(query=query, nodes=nodes, top_n=len(nodes), model_name=model)
        )
        try:
            with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
                yield returned
                event.on_end(payload={EventPayload.NODES: returned})
        except Exception as error:
            dispatcher.event(ExceptionEvent(exception=error))
            raise
        finally:
            dispatcher.event(ReRankEndEvent(nodes=returned))
