"""Turns LangChain documents into texts for `lingua2.Compressor`, and its texts into documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Self

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, BaseDocumentTransformer, Document
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import InstanceOf, model_validator

from lingua2 import CompressionOptions, CompressionResult, OptionError
from lingua2.options import resolve_options
from lingua2.ordering import arrange
from lingua2.relevance import document_scores

from ._documents import (
    EMBEDDINGS_KEY,
    SCORES_KEY,
    bare,
    checked,
    copied,
    frames,
    slots,
    statistics,
    stored,
)
from ._model import WithModel

__all__ = ["Lingua2Compressor"]


class Lingua2Compressor(
    WithModel, CompressionOptions, BaseDocumentCompressor, BaseDocumentTransformer
):
    """Compresses retrieved documents together to one hard token budget.

    Every option of `lingua2.ModelOptions` and `lingua2.CompressionOptions` is a field; give
    exactly one of ``target_token``, ``rate`` and ``threshold``. Documents keep their class, id and
    metadata, and their order unless ``reorder`` changes it; only ``page_content`` gets shorter.
    What comes in is never changed.

    Scores that a `Lingua2Scorer` stored with the documents are used where they are those of the
    text and the checkpoint at hand; so are the vectors of its sentences where ``relevance`` is the
    embeddings that made them. What comes back has neither, since they describe the whole text, and
    would only cost whoever shows or stores metadata.

    The weights are loaded at the first call that needs them. One object may be used from many
    threads, and ``model_copy(update={"target_token": 200})`` gives one with another option that
    shares the loaded model; the next call checks it.

    Example:
        .. code-block:: python

            compressor = Lingua2Compressor(target_token=500)

            # around a retriever
            ContextualCompressionRetriever(base_compressor=compressor, base_retriever=retriever)

            # in LCEL, without and with the question
            retriever | compressor.as_runnable()
            {"context": retriever, "question": RunnablePassthrough()} | compressor.as_runnable()
    """

    drop_empty: bool = True
    """Leave out documents of which nothing was kept. ``False`` returns them with an empty
    ``page_content``, and what the reader still sees of them counts towards the budget."""

    add_statistics: bool = False
    """Write ``lingua2_original_tokens``, ``lingua2_compressed_tokens`` (ints) and ``lingua2_rate``
    (a float) of each document's ``page_content`` into its metadata, and as ``lingua2_losses`` (a
    string, JSON) what `CompressionResult.losses` says of it."""

    score_key: str = "relevance_score"
    """With ``relevance="scores"``: the metadata key under which each document's score stands. The
    default is the one that rerankers write."""

    reorder: Literal["relevance"] | None = None
    """``"relevance"`` returns the documents with the most relevant ones first and last, where a
    reader finds them best, and the least relevant in the middle; ``None`` keeps their order."""

    # To pydantic BasePromptTemplate[Any] is a class of its own, which no template derives from.
    document_prompt: InstanceOf[BasePromptTemplate] | None = None  # type: ignore[type-arg]
    """The template with which the chain will format each document, as in
    ``create_stuff_documents_chain``; what it puts around ``page_content`` counts towards the
    budget."""

    @model_validator(mode="after")
    def _check_relevance(self) -> Self:
        if isinstance(self.relevance, tuple):
            raise ValueError(
                "relevance holds one number per text, but every retrieval has other documents; "
                "relevance='scores' takes those in their metadata"
            )
        if self.reorder is not None and self.relevance is None:
            raise ValueError(
                "reorder='relevance' needs a relevance, such as relevance='bm25'; it is None"
            )
        return self

    @model_validator(mode="after")
    def _check_document_prompt(self) -> Self:
        prompt = self.document_prompt
        if prompt is not None and "page_content" not in prompt.input_variables:
            raise ValueError(
                "document_prompt must have the variable page_content; it has "
                f"{sorted(prompt.input_variables)}"
            )
        return self

    def compress_documents(
        self,
        documents: Iterable[Document],
        query: str | None,
        callbacks: Callbacks | None = None,
    ) -> list[Document]:
        """Compress documents to the budget.

        Args:
            documents: The documents, in the order in which the reader will see them.
            query: The question; may be empty or None.
            callbacks: Handlers that see the compression as one run; within another run it is
                nested there.

        Returns:
            Compressed copies of the documents.

        Raises:
            InputError: ``documents`` is no list of documents, or ``query`` no string.
            OptionError: The options exclude each other, or ``document_prompt`` does not fit a
                document.
            TokenCounterError: ``token_counter`` is unknown or does not count.
            ModelLoadError: The checkpoint cannot be loaded.
            RelevanceError: Embeddings or scores cannot be used, and ``relevance_errors`` is
                "raise".

        Warns:
            BudgetWarning: Forced units did not fit into the budget.
            RelevanceWarning: Embeddings or scores cannot be used.
        """
        return self.transform_documents(documents, query=query, callbacks=callbacks)

    async def acompress_documents(
        self,
        documents: Iterable[Document],
        query: str | None,
        callbacks: Callbacks | None = None,
    ) -> list[Document]:
        """`compress_documents` without blocking the event loop."""
        return await self.atransform_documents(documents, query=query, callbacks=callbacks)

    def transform_documents(
        self,
        documents: Iterable[Document],
        *,
        query: str | None = None,
        callbacks: Callbacks | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Compress documents where there need not be a question, such as at ingestion.

        Args:
            documents: See `compress_documents`.
            query: See `compress_documents`.
            callbacks: See `compress_documents`.
            **kwargs: Fields of `lingua2.CompressionOptions` that replace those of this object for
                this call; a budget among them replaces its budget.

        Returns:
            Compressed copies of the documents.
        """
        inputs = {"documents": documents, "query": query}
        output = self.as_runnable().invoke(inputs, {"callbacks": callbacks}, **kwargs)
        return output["documents"]  # type: ignore[no-any-return]

    async def atransform_documents(
        self,
        documents: Iterable[Document],
        *,
        query: str | None = None,
        callbacks: Callbacks | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """`transform_documents` without blocking the event loop."""
        inputs = {"documents": documents, "query": query}
        output = await self.as_runnable().ainvoke(inputs, {"callbacks": callbacks}, **kwargs)
        return output["documents"]  # type: ignore[no-any-return]

    def as_runnable(self) -> Runnable[Any, Any]:
        """This compressor as a step of an LCEL chain.

        The step takes a list of documents and returns the compressed list; or it takes a dict
        that holds the documents under "documents" or "context" and the question, if there is one,
        under "query", "question" or "input" (the first that is there counts), and returns a new
        dict with the compressed documents in their place. ``bind(rate=0.2)`` gives it other
        options.
        """
        return RunnableLambda(self._run, afunc=self._arun, name=type(self).__name__)

    def _run(self, inputs: Any, **overrides: Any) -> Any:
        call = _Call(self, inputs, overrides)
        return call.output(self.compressor.compress(**call.arguments))

    async def _arun(self, inputs: Any, **overrides: Any) -> Any:
        call = _Call(self, inputs, overrides)
        return call.output(await self.compressor.acompress(**call.arguments))


class _Call:
    """One call: what came in, what the core is asked for, and what goes out."""

    def __init__(self, adapter: Lingua2Compressor, inputs: Any, overrides: dict[str, Any]) -> None:
        self._adapter = adapter
        self._inputs = inputs
        self._key, query = slots(inputs)
        given = checked(inputs if self._key is None else inputs[self._key], self._key)
        own = {name: getattr(adapter, name) for name in CompressionOptions.model_fields}
        if fixed := sorted(overrides.keys() & type(adapter).model_fields.keys() - own.keys()):
            raise OptionError(
                f"{' and '.join(fixed)} cannot change from call to call; give another "
                f"{type(adapter).__name__}: model_copy(update={{{fixed[0]!r}: ...}})"
            )
        options = resolve_options(own, overrides)
        relevance, errors = options.relevance, options.relevance_errors
        if relevance == "scores":
            values = [document.metadata.get(adapter.score_key) for document in given]
            relevance = document_scores(values, f"metadata[{adapter.score_key!r}]", errors)
        if adapter.reorder is not None:
            texts = [document.page_content for document in given]
            order, relevance = arrange(
                texts,
                query,
                relevance=relevance,
                errors=errors,
                embeddings=stored(given, EMBEDDINGS_KEY),
                embeddings_name=options.embeddings_name,
            )
            given = [given[i] for i in order]
        self._documents = [bare(document) for document in given]
        self.arguments: dict[str, Any] = {
            "texts": [document.page_content for document in self._documents],
            "query": query,
            "scores": stored(given, SCORES_KEY),
            "embeddings": stored(given, EMBEDDINGS_KEY),
            "frames": frames(self._documents, adapter.document_prompt),
            # Where there was nothing to keep, nothing was lost: such a document stays as it is.
            "keep_empty": [not (adapter.drop_empty and d.page_content) for d in self._documents],
            **{name: getattr(options, name) for name in CompressionOptions.model_fields},
            "relevance": relevance,
        }

    def output(self, result: CompressionResult) -> Any:
        """The compressed documents in the shape in which the documents came."""
        adapter = self._adapter
        losses = result.losses()["texts"] if adapter.add_statistics else [None] * len(result.texts)
        compressed = []
        rows = zip(self._documents, result.texts, result.keep_empty, losses, strict=True)
        for document, text, stays, lost in rows:
            if text or stays:
                metadata = copied(document.metadata)
                if lost is not None:
                    metadata |= statistics(lost)
                update = {"page_content": text, "metadata": metadata}
                compressed.append(document.model_copy(update=update))
        return compressed if self._key is None else {**self._inputs, self._key: compressed}
