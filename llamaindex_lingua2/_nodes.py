"""Reads and rebuilds LlamaIndex's nodes of every kind."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeWithScore,
    QueryBundle,
)

from lingua2 import InputError, OptionError

__all__ = [
    "EMBEDDINGS_KEY",
    "SCORES_KEY",
    "Span",
    "add_hidden",
    "bare",
    "checked",
    "contexts",
    "copied",
    "frame",
    "question",
    "rescored",
    "set_text",
    "shifted",
    "shows_media",
    "stored",
    "stripped",
    "text_of",
]

SCORES_KEY = "lingua2_scores"
"""The metadata key under which a node's scores are stored."""
EMBEDDINGS_KEY = "lingua2_embeddings"
"""The metadata key under which the vectors of its sentences are stored."""

Span = tuple[int, int]

_STORED_KEYS = (SCORES_KEY, EMBEDDINGS_KEY)
_HIDDEN = ("excluded_llm_metadata_keys", "excluded_embed_metadata_keys")
# Stands in for a node's text where only what is put around it matters.
_PROBE = "\x00lingua2\x00"


def checked(nodes: Any, kind: type) -> list[Any]:
    # A node is iterable as well: pydantic yields its fields.
    single = isinstance(nodes, (str, bytes, BaseModel, Mapping))
    if single or not isinstance(nodes, Iterable):
        got = f"one {type(nodes).__name__}" if single else type(nodes).__name__
        raise InputError(f"nodes must be a list of {kind.__name__}, got {got}")
    checked = list(nodes)
    for i, node in enumerate(checked):
        if not isinstance(node, kind):
            hint = ""
            if isinstance(node, NodeWithScore):
                hint = "; pass its .node, or call postprocess_nodes(nodes)"
            elif isinstance(node, BaseNode):
                hint = "; wrap it: NodeWithScore(node=node)"
            elif isinstance(node, str):
                hint = "; wrap it: TextNode(text=text)"
            raise InputError(
                f"nodes[{i}] is a {type(node).__name__}; every node must be a {kind.__name__}{hint}"
            )
    return checked


def question(query_bundle: QueryBundle | None) -> str | None:
    if query_bundle is None:
        return None
    if not isinstance(query_bundle, QueryBundle):
        raise InputError(
            f"query_bundle must be a QueryBundle or None, got {type(query_bundle).__name__}; pass "
            "a string as query_str=..."
        )
    return query_bundle.query_str


def text_of(node: BaseNode) -> str:
    return node.get_content(MetadataMode.NONE) or ""


def stripped(node: BaseNode) -> str:
    """The text of ``node`` as it is scored and compressed."""
    return text_of(node).strip()


def stored(nodes: Iterable[BaseNode], key: str) -> list[Any]:
    """What each node has under ``key``; the core finds out whether it is its own."""
    return [node.metadata.get(key) for node in nodes]


def bare(node: BaseNode) -> BaseNode:
    """``node`` without what is stored for the core."""
    if node.metadata.keys().isdisjoint(_STORED_KEYS):
        return node
    update: dict[str, Any] = {
        "metadata": {key: value for key, value in node.metadata.items() if key not in _STORED_KEYS}
    }
    for name in _HIDDEN:
        update[name] = [key for key in getattr(node, name) if key not in _STORED_KEYS]
    return node.model_copy(update=update)


def frame(node: BaseNode) -> tuple[str, str]:
    """What LlamaIndex shows the reader before and after the text of ``node``."""
    if isinstance(node, Node) and node.text_resource is None:
        return node.get_content(MetadataMode.LLM), ""
    probe = node.model_copy()
    set_text(probe, _PROBE)
    before, *rest = probe.get_content(MetadataMode.LLM).split(_PROBE)
    if len(rest) != 1:
        raise OptionError(
            f"the text_template of node {node.node_id!r} shows its content {len(rest)} times, so "
            "what surrounds it cannot be counted; show it once, or set count_metadata=False"
        )
    return before, rest[0]


def contexts(nodes: Iterable[BaseNode], separator: str, *, framed: bool) -> set[str]:
    """What the reader may see of ``nodes``, ``framed`` by metadata and template or not.

    Some response synthesizers join what a node shows as it is, most of them strip it and pass over
    what is blank (`PromptHelper.repack`).
    """
    shown = [node.get_content(MetadataMode.LLM) if framed else text_of(node) for node in nodes]
    stripped = (content.strip() for content in shown)
    return {separator.join(shown), separator.join(filter(None, stripped))}


def shifted(spans: Sequence[Span], source: str) -> list[Span]:
    """Characters of ``source.strip()`` as those of ``source``."""
    shift = len(source) - len(source.lstrip())
    return [(start + shift, end + shift) for start, end in spans]


def copied(node: BaseNode) -> BaseNode:
    # What an index node refers to, perhaps a whole index, is shared.
    target = getattr(node, "obj", None)
    return copy.deepcopy(node, {id(target): target})


def set_text(node: BaseNode, text: str) -> None:
    if isinstance(node, Node):
        # set_content() would drop the mimetype.
        resource = node.text_resource or MediaResource()
        node.text_resource = resource.model_copy(update={"text": text})
    else:
        node.set_content(text)


def shows_media(node: BaseNode) -> bool:
    if isinstance(node, ImageNode):
        return any((node.image, node.image_path, node.image_url))
    media = ("image_resource", "audio_resource", "video_resource")
    return any(getattr(node, name, None) is not None for name in media)


def add_hidden(node: BaseNode, values: dict[str, Any]) -> None:
    node.metadata.update(values)
    for name in _HIDDEN:
        hidden = getattr(node, name)
        hidden += [key for key in values if key not in hidden]


def rescored(
    items: Iterable[NodeWithScore], nodes: Iterable[BaseNode | None]
) -> list[NodeWithScore]:
    return [
        item.model_copy(update={"node": node})
        for item, node in zip(items, nodes, strict=True)
        if node is not None
    ]
