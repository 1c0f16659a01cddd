"""Embeds the sentences of texts when they are ingested, and counts what became of that later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._checks import checked_stream, grouped
from ._extras import require
from .errors import OptionError
from .relevance import Embedder, StoredVectors, embedder_of, find_sentences, vectors_of
from .rendering import Layout
from .scores import packed_text
from .sentence_vectors import Levels, pack_vectors, unpack_vectors
from .text import split_texts

__all__ = [
    "EmbeddingStatistics",
    "EmbeddingStore",
    "named_embedder",
    "pack_embeddings",
    "refreshed",
]

# Sentences of one call of the embedder, which may well be a model without batches of its own.
_BATCH = 256


@dataclass(frozen=True, slots=True)
class EmbeddingStatistics:
    """Where the vectors of sentences came from so far; a text counts once a call.

    Attributes:
        computed: Texts whose sentences had to be embedded.
        from_documents: Texts whose vectors came as ``embeddings=`` with them.
        ignored: Stored vectors that were damaged, or of another text, embedder or version.
    """

    computed: int = 0
    from_documents: int = 0
    ignored: int = 0


class EmbeddingStore:
    """What a compressor knows of stored vectors. Safe from many threads.

    Args:
        tell: Logs a message, once for each topic.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._statistics = EmbeddingStatistics()
        self._lock = threading.Lock()

    @property
    def statistics(self) -> EmbeddingStatistics:
        """What happened so far."""
        return self._statistics

    def stored(self, packed: Sequence[Any], name: str | None) -> StoredVectors:
        """What came with the texts of one call, counted here when it is looked at."""
        return StoredVectors(packed, name, self._count)

    def _count(self, from_documents: int, computed: int, ignored: int) -> None:
        with self._lock:
            known = self._statistics
            self._statistics = EmbeddingStatistics(
                known.computed + computed,
                known.from_documents + from_documents,
                known.ignored + ignored,
            )
        if ignored:
            self._tell(
                "stored embeddings",
                "stored embeddings were damaged, or are those of another text, embedder or "
                "version; the sentences of such texts are embedded anew (reported once)",
            )


def pack_embeddings(
    texts: Iterable[str], embeddings: Any, *, name: str | None = None, progress: bool = False
) -> Iterator[bytes]:
    """Vectors of the sentences of every text, to store with it and to give to `compress` later.

    One byte a component: 384 bytes a sentence for a model of 384 dimensions. `packed_text` makes a
    string of it for metadata without bytes. No compression model is needed.

    Args:
        texts: Any iterable of strings; a few hundred thousand characters are held at a time.
        embeddings: What embeds, as in ``relevance``.
        name: Tells it from others; `compress` needs the same one as ``embeddings_name``. None takes
            the name of its model or else of its class or function. Stored vectors are used where
            name and number of components are the same, so other weights, instructions or ways of
            pooling under one name are not noticed.
        progress: Show a progress bar.

    Returns:
        Packed vectors of every text, in order.

    Raises:
        InputError: ``texts`` does not consist of strings.
        OptionError: ``embeddings`` does not embed, or has no name of its own.
        RelevanceError: It raised, or what it returned is no usable vectors.
        ImportError: ``progress`` needs tqdm.
    """
    embedder = named_embedder(embeddings, name)
    bar = require("tqdm.auto", "distill").tqdm if progress else None
    total = len(texts) if isinstance(texts, Sized) else None
    stream = grouped(checked_stream(texts))
    packed = (data for group in stream for data in _packed(group, embedder))
    return iter(bar(packed, total=total, unit=" texts") if bar else packed)


def refreshed(
    texts: Sequence[str],
    stored: Sequence[Any],
    embeddings: Any,
    *,
    name: str | None = None,
    progress: bool = False,
) -> list[str]:
    """The packed vectors of every text for its metadata: those stored, where they are its own.

    Args:
        texts: The texts.
        stored: What each has in its metadata, whatever that is.
        embeddings: What embeds the sentences of the others.
        name: See `pack_embeddings`.
        progress: Show a progress bar over what is embedded.

    Raises:
        OptionError: See `pack_embeddings`.
        RelevanceError: See `pack_embeddings`.
    """
    embedder = named_embedder(embeddings, name)
    rows = zip(stored, _sentences_of(texts), strict=True)
    own = [data if _is_own(data, shown, embedder) else None for data, shown in rows]
    missing = [*dict.fromkeys(t for t, data in zip(texts, own, strict=True) if not data)]
    # Nothing to do must not look like work.
    made = pack_embeddings(missing, embedder, progress=progress and bool(missing))
    fresh = dict(zip(missing, map(packed_text, made), strict=True))
    return [data or fresh[text] for text, data in zip(texts, own, strict=True)]


def named_embedder(embeddings: Any, name: str | None = None) -> Embedder:
    """How ``embeddings`` embeds, with the name by which its stored vectors are known.

    Raises:
        OptionError: It does not embed, or has no name of its own and ``name`` is None.
    """
    embedder = embedder_of(embeddings, name)
    if embedder is None:
        raise OptionError(
            "embeddings: expected an object with embed_query and embed_documents (LangChain) or "
            "with get_query_embedding and get_text_embedding_batch (LlamaIndex), or a callable "
            f"that embeds a list of strings, got {str(embeddings)[:80]!r}"
        )
    if not embedder.name:
        raise OptionError(
            "embeddings: this function has no name of its own that would tell its vectors from "
            "those of others; give one as embeddings_name (pack_embeddings: name), and the same "
            "one where the vectors are used"
        )
    return embedder


def _packed(texts: list[str], embedder: Embedder) -> Iterator[bytes]:
    by_text = _sentences_of(texts)
    distinct = [*dict.fromkeys(sentence for own in by_text for sentence in own)]
    batches: list[Levels] = []
    for first in range(0, len(distinct), _BATCH):
        size = batches[0].shape[1] if batches else None
        batches.append(vectors_of(distinct[first : first + _BATCH], embedder, size))
    nothing = np.zeros((0, 0), dtype=np.int8)
    levels = np.concatenate(batches) if batches else nothing
    place = {sentence: i for i, sentence in enumerate(distinct)}
    for own in by_text:
        vectors = levels[[place[sentence] for sentence in own]] if own else nothing
        yield pack_vectors(vectors, own, embedder.name or "")


def _sentences_of(texts: Sequence[str]) -> list[list[str]]:
    """What is embedded of every text. Where sentences begin takes no tokenizer to know."""
    rows = zip(texts, split_texts(texts), strict=True)
    return find_sentences(Layout.joined([Layout(text, units) for text, units in rows])).by_text()


def _is_own(data: Any, sentences: Sequence[str], embedder: Embedder) -> bool:
    """Whether ``data`` is a string with the vectors of ``sentences``."""
    return (
        isinstance(data, str) and unpack_vectors(data, sentences, embedder.name or "") is not None
    )
