"""Scores documents when they are indexed, so that no model is needed when they are found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from langchain_core.documents import BaseDocumentTransformer, Document

from lingua2 import Compressor, OptionError
from lingua2.scores import packed_text, unpack_scores

from ._documents import SCORES_KEY, checked, copied
from ._model import WithModel

__all__ = ["Lingua2Scorer"]


class Lingua2Scorer(WithModel, BaseDocumentTransformer):
    """Stores with each document what a `Lingua2Compressor` needs of the model.

    Scores depend neither on the question nor on the budget (LLMLingua-2, Pan et al. 2024), so they
    can be computed at ingestion. They go into the metadata as one string, ``lingua2_scores``, of
    two to three characters a word. A compressor with the same checkpoint and ``max_length``
    finds them there, and where all documents have theirs it neither loads weights nor imports
    PyTorch. Scores of another text or model are never used, and replaced here.

    Put it behind the splitter: a chunk of a scored document has scores that are not its own.

    Example:
        .. code-block:: python

            chunks = splitter.split_documents(loader.load())
            store.add_documents(Lingua2Scorer().transform_documents(chunks))

            # later, perhaps elsewhere
            ContextualCompressionRetriever(
                base_compressor=Lingua2Compressor(target_token=500),
                base_retriever=store.as_retriever(),
            )
    """

    progress: bool = False
    """Show a progress bar over the texts that are scored; needs tqdm."""

    def transform_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[Document]:
        """Score documents that have no scores, or not their own.

        Args:
            documents: The documents as they will be stored, that is, behind the splitter.
            **kwargs: There are none; LangChain's interface has them.

        Returns:
            Copies of the documents in order, with ``lingua2_scores`` in their metadata.

        Raises:
            InputError: ``documents`` is no list of documents.
            OptionError: A keyword was given.
            ModelLoadError: The checkpoint cannot be loaded.
        """
        if kwargs:
            raise OptionError(
                f"transform_documents has no option {', '.join(kwargs)}; options are fields of "
                f"{type(self).__name__}"
            )
        given = checked(documents, None)
        compressor = self.compressor
        stored = [_stored(document, compressor) for document in given]
        rows = zip(given, stored, strict=True)
        missing = [*dict.fromkeys(doc.page_content for doc, packed in rows if packed is None)]
        # Nothing to do must not look like work.
        scores = compressor.pack(missing, progress=self.progress and bool(missing))
        fresh = dict(zip(missing, map(packed_text, scores), strict=True))
        return [
            document.model_copy(
                update={
                    "metadata": copied(document.metadata)
                    | {SCORES_KEY: packed or fresh[document.page_content]}
                }
            )
            for document, packed in zip(given, stored, strict=True)
        ]

    async def atransform_documents(
        self, documents: Iterable[Document], **kwargs: Any
    ) -> list[Document]:
        """`transform_documents` without blocking the event loop."""
        return await asyncio.to_thread(self.transform_documents, documents, **kwargs)


def _stored(document: Document, compressor: Compressor) -> str | None:
    """The scores that ``document`` has, where they are its own."""
    packed = document.metadata.get(SCORES_KEY)
    if not isinstance(packed, str):
        return None
    scored = unpack_scores(packed, document.page_content, compressor.fingerprint)
    return None if scored is None else packed
