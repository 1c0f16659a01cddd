"""Scores documents when they are indexed, so that no model is needed when they are found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Self

from langchain_core.documents import BaseDocumentTransformer, Document
from pydantic import model_validator

from lingua2 import Compressor, OptionError
from lingua2.embedding_store import named_embedder, refreshed
from lingua2.scores import packed_text, unpack_scores

from ._documents import EMBEDDINGS_KEY, SCORES_KEY, checked, copied, stored
from ._model import WithModel

__all__ = ["Lingua2Scorer"]


class Lingua2Scorer(WithModel, BaseDocumentTransformer):
    """Stores with each document what a `Lingua2Compressor` needs of the model.

    Scores depend neither on the question nor on the budget (LLMLingua-2, Pan et al. 2024), so they
    can be computed at ingestion. They go into the metadata as one string, ``lingua2_scores``, of
    two to three characters a word. A compressor with the same checkpoint and ``max_length``
    finds them there, and where all documents have theirs it neither loads weights nor imports
    PyTorch. Scores of another text or model are never used, and replaced here.

    With ``embeddings`` the vectors of the sentences go there as well, as ``lingua2_embeddings``: a
    compressor with the same ``relevance`` then embeds the question only. That is one byte a
    component, so 512 characters a sentence for a model of 384 dimensions.

    Put it behind the splitter: a chunk of a scored document has scores that are not its own.

    Example:
        .. code-block:: python

            chunks = splitter.split_documents(loader.load())
            scorer = Lingua2Scorer(embeddings=embeddings)
            store.add_documents(scorer.transform_documents(chunks))

            # later, perhaps elsewhere
            ContextualCompressionRetriever(
                base_compressor=Lingua2Compressor(target_token=500, relevance=embeddings),
                base_retriever=store.as_retriever(),
            )
    """

    progress: bool = False
    """Show a progress bar over the texts that are scored or embedded; needs tqdm."""

    embeddings: Any = None
    """What embeds the sentences: a LangChain ``Embeddings``, a LlamaIndex ``BaseEmbedding``, or a
    callable that embeds a list of strings; ``None`` stores scores only."""

    embeddings_name: str | None = None
    """Tells ``embeddings`` from others, see `lingua2.CompressionOptions`; ``None`` takes the name
    of their model, or else of their class or function."""

    @model_validator(mode="after")
    def _check_embeddings(self) -> Self:
        if self.embeddings is not None:
            named_embedder(self.embeddings, self.embeddings_name)
        return self

    def transform_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[Document]:
        """Score documents that have no scores, or not their own.

        Args:
            documents: The documents as they will be stored, that is, behind the splitter.
            **kwargs: There are none; LangChain's interface has them.

        Returns:
            Copies of the documents in order, with ``lingua2_scores``, and ``lingua2_embeddings``
            where there are ``embeddings``, in their metadata.

        Raises:
            InputError: ``documents`` is no list of documents.
            OptionError: A keyword was given.
            ModelLoadError: The checkpoint cannot be loaded.
            RelevanceError: ``embeddings`` raised, or returned no usable vectors.
        """
        if kwargs:
            raise OptionError(
                f"transform_documents has no option {', '.join(kwargs)}; options are fields of "
                f"{type(self).__name__}"
            )
        given = checked(documents, None)
        compressor = self.compressor
        scored = [_scores(document, compressor) for document in given]
        rows = zip(given, scored, strict=True)
        missing = [*dict.fromkeys(doc.page_content for doc, packed in rows if packed is None)]
        # Nothing to do must not look like work.
        scores = compressor.pack(missing, progress=self.progress and bool(missing))
        fresh = dict(zip(missing, map(packed_text, scores), strict=True))
        added = [
            {SCORES_KEY: packed or fresh[document.page_content]}
            for document, packed in zip(given, scored, strict=True)
        ]
        for new, vectors in zip(added, self._vectors(given), strict=False):
            new[EMBEDDINGS_KEY] = vectors
        return [
            document.model_copy(update={"metadata": copied(document.metadata) | new})
            for document, new in zip(given, added, strict=True)
        ]

    async def atransform_documents(
        self, documents: Iterable[Document], **kwargs: Any
    ) -> list[Document]:
        """`transform_documents` without blocking the event loop."""
        return await asyncio.to_thread(self.transform_documents, documents, **kwargs)

    def _vectors(self, documents: list[Document]) -> list[str]:
        """The vectors of every document's sentences; nothing where they are not asked for."""
        if self.embeddings is None:
            return []
        return refreshed(
            [document.page_content for document in documents],
            stored(documents, EMBEDDINGS_KEY),
            self.embeddings,
            name=self.embeddings_name,
            progress=self.progress,
        )


def _scores(document: Document, compressor: Compressor) -> str | None:
    """The scores that ``document`` has, where they are its own."""
    packed = document.metadata.get(SCORES_KEY)
    if not isinstance(packed, str):
        return None
    scored = unpack_scores(packed, document.page_content, compressor.fingerprint)
    return None if scored is None else packed
