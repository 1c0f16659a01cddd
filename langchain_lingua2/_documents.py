"""Reads documents and questions out of what a chain hands over, and checks them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from langchain_core.documents import Document
from langchain_core.prompts import BasePromptTemplate, format_document

from lingua2 import InputError, OptionError
from lingua2.budget import Frame

__all__ = [
    "EMBEDDINGS_KEY",
    "SCORES_KEY",
    "bare",
    "checked",
    "copied",
    "frames",
    "slots",
    "statistics",
    "stored",
]

SCORES_KEY = "lingua2_scores"
"""The metadata key under which a document's scores are stored."""
EMBEDDINGS_KEY = "lingua2_embeddings"
"""The metadata key under which the vectors of its sentences are stored."""

_STORED_KEYS = (SCORES_KEY, EMBEDDINGS_KEY)

_DOCUMENT_KEYS = ("documents", "context")
_QUERY_KEYS = ("query", "question", "input")
# A private-use character keeps it out of real prompts; letters of both cases, a line break and
# what HTML escapes betray a template that changes what it inserts.
_MARK = "\ue000Page & <'content'>\n\"here\"\ue000"


def copied(metadata: dict[str, Any]) -> dict[str, Any]:
    """A copy that shares nothing with ``metadata``, as far as its values can be copied."""
    try:
        return deepcopy(metadata)
    # Locks, connections and the like raise whatever they please.
    except Exception:
        return dict(metadata)


def stored(documents: Iterable[Document], key: str) -> list[Any]:
    """What each document has under ``key``; the core finds out whether it is its own."""
    return [document.metadata.get(key) for document in documents]


def bare(document: Document) -> Document:
    """``document`` without what is stored for the core."""
    if document.metadata.keys().isdisjoint(_STORED_KEYS):
        return document
    metadata = {key: value for key, value in document.metadata.items() if key not in _STORED_KEYS}
    return document.model_copy(update={"metadata": metadata})


def statistics(losses: Mapping[str, Any]) -> dict[str, int | float | str]:
    before, after = losses["tokens_before"], losses["tokens_after"]
    # Flat, because many vector stores accept nothing else.
    return {
        "lingua2_original_tokens": before,
        "lingua2_compressed_tokens": after,
        "lingua2_rate": after / before if before else 1.0,
        "lingua2_losses": json.dumps(losses),
    }


def slots(inputs: Any) -> tuple[str | None, str | None]:
    """Where the documents are in the input of a runnable (None: it is they), and the question."""
    if not isinstance(inputs, Mapping):
        if isinstance(inputs, (str, bytes, Document)) or not isinstance(inputs, Iterable):
            raise InputError(f"{_shapes()}; got {_what(inputs)}")
        return None, None
    key = next((key for key in _DOCUMENT_KEYS if key in inputs), None)
    if key is None:
        raise InputError(f"{_shapes()}; got a dict with the keys {list(inputs)}")
    for name in _QUERY_KEYS:
        query = inputs.get(name)
        if isinstance(query, str):
            return key, query
        if query is not None:
            raise InputError(f"{name!r} must hold the question as a string, got {_what(query)}")
    return key, None


def _shapes() -> str:
    documents, queries = (
        " or ".join(f'"{key}"' for key in keys) for keys in (_DOCUMENT_KEYS, _QUERY_KEYS)
    )
    return (
        f"give a list of Documents, or a dict with it under {documents} and the question, if there "
        f"is one, under {queries}"
    )


def checked(documents: Any, key: str | None) -> list[Document]:
    name = key or "documents"
    if isinstance(documents, Document):
        raise InputError(f"{name} is one Document, not a list of them; write [document]")
    if isinstance(documents, (str, bytes, Mapping)) or not isinstance(documents, Iterable):
        raise InputError(f"{name} must be a list of Documents, got {_what(documents)}")
    checked = list(documents)
    for i, document in enumerate(checked):
        if not isinstance(document, Document):
            hint = "; write Document(page_content=text)" if isinstance(document, str) else ""
            raise InputError(f"{name}[{i}] is not a Document but {_what(document)}{hint}")
    return checked


def _what(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def frames(documents: list[Document], prompt: BasePromptTemplate[Any] | None) -> list[Frame] | None:
    """What the chain's template puts before and after each document."""
    if prompt is None:
        return None
    needed = set(prompt.input_variables) - {"page_content"}
    frames = []
    for i, document in enumerate(documents):
        if missing := sorted(needed - document.metadata.keys()):
            raise OptionError(
                f"document_prompt needs {', '.join(missing)}, which the metadata of documents[{i}] "
                f"lacks; it has: {', '.join(map(str, document.metadata)) or 'nothing'}"
            )
        shown = format_document(document.model_copy(update={"page_content": _MARK}), prompt)
        before, *rest = shown.split(_MARK)
        if len(rest) != 1:
            raise OptionError(
                "document_prompt must show page_content once and as it is, or what it adds cannot "
                f"be counted; with documents[{i}] it shows it {len(rest)} times (in mustache write "
                "{{{page_content}}}: two braces escape what is HTML)"
            )
        frames.append((before, rest[0]))
    return frames
