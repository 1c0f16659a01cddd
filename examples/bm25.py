"""A keyword retriever for the examples: BM25 by rank-bm25, as a LangChain retriever."""

from __future__ import annotations

import re
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import PrivateAttr
from rank_bm25 import BM25Okapi


class BM25Retriever(BaseRetriever):
    """Finds the ``k`` documents whose words fit a question best."""

    documents: list[Document]
    k: int = 4
    _index: Any = PrivateAttr()

    def model_post_init(self, _: Any) -> None:
        self._index = BM25Okapi([words(document.page_content) for document in self.documents])

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        best: list[Document] = self._index.get_top_n(words(query), self.documents, self.k)
        return best


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
