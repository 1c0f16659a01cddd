"""Scores nodes when they are ingested, so that no model is needed when they are found."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self

from llama_index.core.bridge.pydantic import Field, model_validator
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.schema import BaseNode

from lingua2 import Compressor
from lingua2.embedding_store import named_embedder, refreshed
from lingua2.scores import packed_text, unpack_scores

from ._component import ModelComponent
from ._nodes import EMBEDDINGS_KEY, SCORES_KEY, add_hidden, checked, copied, stored, stripped

__all__ = ["Lingua2Scorer"]

dispatcher = get_dispatcher(__name__)


class Lingua2Scorer(ModelComponent):
    """Stores with each node what a `Lingua2Postprocessor` needs of the model.

    Scores depend neither on the question nor on the budget (LLMLingua-2, Pan et al. 2024), so they
    can be computed at ingestion. They go into the metadata as one string, ``lingua2_scores``, of
    two to three characters a word, which neither the LLM nor the embedding model sees. A
    postprocessor with the same checkpoint and ``max_length`` finds them there, and where all nodes
    have theirs it neither loads weights nor imports PyTorch. Scores of another text or model are
    never used, and replaced here.

    With ``embeddings`` the vectors of the sentences go there as well, as ``lingua2_embeddings``,
    hidden alike: a postprocessor with the same ``relevance`` then embeds the question only. That is
    one byte a component, so 512 characters a sentence for a model of 384 dimensions.

    Put it behind the node parser: a node that is cut out of a scored document has scores that are
    not its own. The given nodes are never changed; the copies have their ids and relationships.

    >>> from llamaindex_lingua2 import Lingua2Scorer
    >>> pipeline = IngestionPipeline(transformations=[SentenceSplitter(), Lingua2Scorer(), embed])

    Raises:
        ValidationError: An option is unknown or out of range.
    """

    progress: bool = Field(
        default=False,
        description="Show a progress bar over the texts that are scored or embedded; needs tqdm.",
    )
    embeddings: Any = Field(
        default=None,
        description=(
            "What embeds the sentences: a LlamaIndex BaseEmbedding, a LangChain Embeddings, or a "
            "callable that embeds a list of strings; None stores scores only. It is not part of "
            "to_dict(); from_dict(data, embeddings=...) puts it back."
        ),
    )
    embeddings_name: str | None = Field(
        default=None,
        description=(
            "Tells embeddings from others, see lingua2.CompressionOptions; None takes the name of "
            "their model, or else of their class or function."
        ),
    )

    @model_validator(mode="after")
    def _check_embeddings(self) -> Self:
        if self.embeddings is not None:
            named_embedder(self.embeddings, self.embeddings_name)
        return self

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised form."""
        return "Lingua2Scorer"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:  # noqa: ARG002
        """Score nodes that have no scores, or not their own.

        Args:
            nodes: The nodes as they will be stored, that is, behind the node parser.
            **kwargs: What the pipeline passes to all its steps; not used.

        Returns:
            Copies of the nodes in order, with ``lingua2_scores``, and ``lingua2_embeddings`` where
            there are ``embeddings``, in their metadata and in ``excluded_llm_metadata_keys`` and
            ``excluded_embed_metadata_keys``.

        Raises:
            InputError: ``nodes`` is not a sequence of nodes.
            ModelLoadError: The checkpoint cannot be loaded.
            RelevanceError: ``embeddings`` raised, or returned no usable vectors.
        """
        given = checked(nodes, BaseNode)
        compressor = self.compressor
        texts = [stripped(node) for node in given]
        scores = [_scores(node, compressor) for node in given]
        rows = zip(texts, scores, strict=True)
        missing = [*dict.fromkeys(text for text, packed in rows if packed is None)]
        # Nothing to do must not look like work.
        made = compressor.pack(missing, progress=self.progress and bool(missing))
        fresh = dict(zip(missing, map(packed_text, made), strict=True))
        scored = [copied(node) for node in given]
        for new, text, packed in zip(scored, texts, scores, strict=True):
            add_hidden(new, {SCORES_KEY: packed or fresh[text]})
        if self.embeddings is not None:
            vectors = refreshed(
                texts,
                stored(given, EMBEDDINGS_KEY),
                self.embeddings,
                name=self.embeddings_name,
                progress=self.progress,
            )
            for new, own in zip(scored, vectors, strict=True):
                add_hidden(new, {EMBEDDINGS_KEY: own})
        return scored

    @dispatcher.span
    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """`__call__` in a worker thread, so that the event loop stays free."""
        return await asyncio.to_thread(self.__call__, nodes, **kwargs)

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """The options, the fingerprint of the checkpoint, and the name of what embeds.

        An ingestion cache takes this for the setting, so that other weights under the same name do
        not get the nodes that the old ones scored. `from_dict` passes over what is no option.
        """
        options = super().to_dict(**kwargs)
        if self.embeddings is not None:
            embedder = named_embedder(self.embeddings, self.embeddings_name)
            options["embedder"] = embedder.name
        return options

    @model_validator(mode="before")
    @classmethod
    def _drop_added(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {k: v for k, v in data.items() if k != "embedder"}


def _scores(node: BaseNode, compressor: Compressor) -> str | None:
    """The scores that ``node`` has, where they are its own."""
    packed = node.metadata.get(SCORES_KEY)
    if not isinstance(packed, str):
        return None
    scored = unpack_scores(packed, stripped(node), compressor.fingerprint)
    return None if scored is None else packed
