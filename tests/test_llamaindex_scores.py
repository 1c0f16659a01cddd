"""What is stored with LlamaIndex nodes: computed once, hidden, found again, not just trusted."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from llama_index.core import (
    Document,
    Settings,
    StorageContext,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.storage.kvstore import SimpleKVStore
from pydantic import Field, ValidationError

from lingua2 import Compressor, InputError, ModelLoadError, pack_embeddings, packed_text
from llamaindex_lingua2 import Lingua2Postprocessor, Lingua2Scorer
from samples import CHINESE, CODE, LOG, MARKDOWN, PROSE

KEY = "lingua2_scores"
VECTORS = "lingua2_embeddings"
QUESTION = "Which dock?"
TEXTS = [PROSE, MARKDOWN, CODE, LOG, CHINESE, f"  {PROSE}\n\n"]
BUDGET = 90


def nodes() -> list[BaseNode]:
    return [
        TextNode(
            id_=f"n{i}",
            text=text,
            metadata={"number": i, "note": "not for the LLM"},
            excluded_llm_metadata_keys=["note"],
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="d")},
            start_char_idx=10 * i,
            embedding=[0.5, 0.25],
        )
        for i, text in enumerate(TEXTS)
    ]


def found(given: list[BaseNode]) -> list[NodeWithScore]:
    return [NodeWithScore(node=node, score=0.5) for node in given]


def packed_of(node: BaseNode) -> str:
    packed = node.metadata[KEY]
    assert isinstance(packed, str)
    return packed


@pytest.fixture(scope="module")
def scored(tiny_bert: Path) -> Callable[[], list[BaseNode]]:
    once = Lingua2Scorer(model_name=tiny_bert)(nodes())
    return lambda: copy.deepcopy(once)


@pytest.fixture(scope="module")
def fresh(tiny_bert: Path) -> list[NodeWithScore]:
    """What comes out where nothing is stored."""
    return Lingua2Postprocessor(model_name=tiny_bert, target_token=BUDGET).postprocess_nodes(
        found(nodes())
    )


@pytest.fixture
def reader(tiny_bert: Path) -> Lingua2Postprocessor:
    return Lingua2Postprocessor(model_name=tiny_bert, target_token=BUDGET)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(Compressor, "_loaded_encoder", refuse)


Stored = Callable[[], list[BaseNode]]


# The scorer


def test_every_node_gets_one_string_and_keeps_the_rest(tiny_bert: Path) -> None:
    given = nodes()
    after = Lingua2Scorer(model_name=tiny_bert)(given)
    assert given == nodes()
    for before, node in zip(given, after, strict=True):
        assert packed_of(node)
        del node.metadata[KEY]
        node.excluded_llm_metadata_keys.remove(KEY)
        node.excluded_embed_metadata_keys.remove(KEY)
        assert node == before


def test_neither_the_llm_nor_the_embedder_sees_the_scores(scored: Stored) -> None:
    for before, node in zip(nodes(), scored(), strict=True):
        for mode in (MetadataMode.LLM, MetadataMode.EMBED):
            assert node.get_content(mode) == before.get_content(mode)


@pytest.mark.usefixtures("no_model")
def test_what_is_scored_is_not_scored_again(scored: Stored, tiny_bert: Path) -> None:
    assert Lingua2Scorer(model_name=tiny_bert)(scored()) == scored()


def test_only_new_and_changed_nodes_are_scored(scored: Stored, tiny_bert: Path) -> None:
    given = scored()
    given[0].set_content("The harbour was closed on Monday.")
    given[1].metadata[KEY] = given[2].metadata[KEY]
    del given[2].metadata[KEY]
    # As a vector store may give it back.
    given[3].excluded_llm_metadata_keys = []
    scorer = Lingua2Scorer(model_name=tiny_bert)
    after = scorer(given)
    assert scorer.compressor.score_statistics.computed == 3
    assert [packed_of(node) for node in after[1:]] == [packed_of(node) for node in scored()[1:]]
    assert packed_of(after[0]) != packed_of(given[0])
    assert KEY in after[3].excluded_llm_metadata_keys


async def test_scoring_works_in_async_code(scored: Stored, tiny_bert: Path) -> None:
    assert await Lingua2Scorer(model_name=tiny_bert).acall(nodes()) == scored()


def test_outer_white_space_does_not_make_scores_stale(
    scored: Stored, reader: Lingua2Postprocessor
) -> None:
    given = scored()
    for node in given:
        node.set_content(f"\n\n{node.get_content().strip()}   ")
    reader.postprocess_nodes(found(given))
    assert reader.compressor.score_statistics.computed == 0


def test_nodes_of_every_kind_can_be_scored(tiny_bert: Path) -> None:
    given = [
        Document(text=PROSE),
        Node(text_resource=MediaResource(text=CODE, mimetype="text/x-python")),
        ImageNode(image_url="https://example.org/pier.png"),
        TextNode(text=" \n"),
    ]
    after = Lingua2Scorer(model_name=tiny_bert)(given)
    assert [type(node) for node in after] == [Document, Node, ImageNode, TextNode]
    assert all(packed_of(node) for node in after)
    compressor = Lingua2Postprocessor(model_name=tiny_bert, target_token=40)
    plain = compressor.postprocess_nodes(found(given))
    other = Lingua2Postprocessor(model_name=tiny_bert, target_token=40)
    assert other.postprocess_nodes(found(after)) == plain
    assert other.compressor.score_statistics.computed == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("text", "must be a list of BaseNode, got one str"),
        (TextNode(text="text"), "got one TextNode"),
        ([NodeWithScore(node=TextNode(text="text"))], r"nodes\[0\] is a NodeWithScore"),
        (["text"], r"nodes\[0\] is a str"),
        (None, "got NoneType"),
    ],
)
@pytest.mark.usefixtures("no_model")
def test_what_are_no_nodes_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Lingua2Scorer()(given)


@pytest.mark.usefixtures("no_model")
def test_options_and_paths_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="unknown option 'rate'"):
        Lingua2Scorer(rate=0.5)
    with pytest.raises(ModelLoadError, match="missing"):
        Lingua2Scorer(model_name=str(tmp_path / "missing"))([])
    assert Lingua2Scorer()([]) == []


# In an ingestion pipeline


def pipeline(scorer: Lingua2Scorer, **options: Any) -> IngestionPipeline:
    splitter = SentenceSplitter(chunk_size=40, chunk_overlap=0)
    return IngestionPipeline(transformations=[splitter, scorer, HashEmbedding()], **options)


def test_a_pipeline_scores_every_chunk_and_embeds_it_as_before(tiny_bert: Path) -> None:
    documents = [Document(text=text, id_=f"d{i}") for i, text in enumerate(TEXTS)]
    chunks = pipeline(Lingua2Scorer(model_name=tiny_bert)).run(documents=documents)
    assert len(chunks) > len(TEXTS)
    for chunk in chunks:
        assert chunk.embedding == HashEmbedding().get_text_embedding(chunk.get_content())
    compressor = Lingua2Postprocessor(model_name=tiny_bert, rate=0.5)
    compressor.postprocess_nodes(found(list(chunks)))
    assert compressor.compressor.score_statistics.computed == 0


def test_an_ingestion_cache_is_not_asked_after_the_weights_changed(
    tiny_bert: Path, tmp_path: Path
) -> None:
    from checkpoints import build_bert

    model, cache = tmp_path / "model", IngestionCache()
    document = [Document(text=PROSE, id_="d")]
    scores = []
    for lowercase in (True, True, False):
        build_bert(model, lowercase=lowercase)
        scorer = Lingua2Scorer(model_name=model)
        (chunk, *_) = pipeline(scorer, cache=cache).run(documents=document)
        scores.append((packed_of(chunk), scorer.compressor.score_statistics.computed > 0))
    (first, ran), (second, ran_again), (third, ran_with_others) = scores
    assert (ran, ran_again, ran_with_others) == (True, False, True)
    assert first == second != third


def test_the_options_survive_storing_and_restoring(tiny_bert: Path) -> None:
    original = Lingua2Scorer(model_name=tiny_bert, max_length=64, progress=True)
    data = original.to_dict()
    assert data["class_name"] == "Lingua2Scorer"
    assert data["fingerprint"] == Compressor(tiny_bert, max_length=64).fingerprint
    for restored in (
        Lingua2Scorer.from_dict(dict(data)),
        Lingua2Scorer.from_json(original.to_json()),
        pickle.loads(pickle.dumps(original)),  # noqa: S301 - its own
    ):
        assert restored.to_dict() == data


def test_processes_share_the_work_of_a_pipeline(scored: Stored, tiny_bert: Path) -> None:
    # What a pool of processes does with each batch, without the pool.
    scorer = pickle.loads(pickle.dumps(Lingua2Scorer(model_name=tiny_bert)))  # noqa: S301 - its own
    assert scorer(nodes()) == scored()


# The postprocessor


def test_a_cache_does_not_hand_out_what_another_model_compressed(tmp_path: Path) -> None:
    from checkpoints import build_bert

    model, cache = tmp_path / "model", IngestionCache()
    document = [Document(text=PROSE, id_="d")]
    ran, keys = [], []
    for lowercase in (True, True, False):
        build_bert(model, lowercase=lowercase)
        compressor = Lingua2Postprocessor(rate=0.5, model_name=model)
        IngestionPipeline(transformations=[compressor], cache=cache).run(documents=document)
        ran.append(compressor.compressor.score_statistics.computed > 0)
        keys.append(compressor.to_dict()["fingerprint"])
    assert ran == [True, False, True]
    assert keys[0] == keys[1] != keys[2]


def test_settings_can_be_stored_where_the_model_is_out_of_reach() -> None:
    data = Lingua2Postprocessor(rate=0.5, model_name="nobody/has-this").to_dict()
    assert "fingerprint" not in data
    assert Lingua2Postprocessor.from_dict(data).model_name == "nobody/has-this"


def test_equal_options_make_equal_components(tiny_bert: Path) -> None:
    one, other = (Lingua2Postprocessor(rate=0.5, model_name=tiny_bert) for _ in range(2))
    one.postprocess_nodes(found(nodes()))
    assert one == other == Lingua2Postprocessor.from_dict(one.to_dict(), model_name=tiny_bert)
    assert one != Lingua2Postprocessor(rate=0.4, model_name=tiny_bert)
    assert Lingua2Scorer(max_length=64) == Lingua2Scorer(max_length=64) != Lingua2Scorer()
    assert one != Lingua2Scorer()


@pytest.mark.usefixtures("no_model")
async def test_stored_scores_take_the_place_of_the_model(
    scored: Stored, fresh: list[NodeWithScore], reader: Lingua2Postprocessor
) -> None:
    given = scored()
    assert reader.postprocess_nodes(found(given)) == fresh
    assert given == scored()
    assert await reader.apostprocess_nodes(found(given)) == fresh
    assert reader(given) == [item.node for item in fresh]
    statistics = reader.compressor.score_statistics
    assert statistics.from_documents == len(set(map(str.strip, TEXTS)))
    assert (statistics.computed, statistics.ignored) == (0, 0)


def test_the_scores_do_not_come_back_even_where_nothing_goes(
    scored: Stored, tiny_bert: Path
) -> None:
    compressor = Lingua2Postprocessor(model_name=tiny_bert, rate=1.0)
    assert compressor(scored()) == nodes()


@pytest.mark.usefixtures("no_model")
def test_the_llm_does_not_see_scores_whose_exclusion_was_lost(
    scored: Stored, reader: Lingua2Postprocessor
) -> None:
    given = [
        TextNode(text=node.get_content(), metadata={KEY: packed_of(node)}) for node in scored()
    ]
    returned = reader.postprocess_nodes(found(given))
    shown = "\n\n".join(item.node.get_content(MetadataMode.LLM) for item in returned)
    assert KEY not in shown
    # They were not counted either: the budget is filled with text.
    assert BUDGET - 8 <= len(Settings.tokenizer(shown)) <= BUDGET


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: None,
        lambda _: "not base64!",
        lambda packed: packed[:-4],
        lambda packed: packed[::-1],
        lambda _: 7,
        lambda packed: [packed],
        lambda packed: {"scores": packed},
    ],
)
def test_damaged_scores_cost_time_and_change_nothing(
    damage: Callable[[str], Any],
    scored: Stored,
    fresh: list[NodeWithScore],
    reader: Lingua2Postprocessor,
) -> None:
    given = scored()
    for node in given[1:4]:
        node.metadata[KEY] = damage(packed_of(node))
    assert reader.postprocess_nodes(found(given)) == fresh
    statistics = reader.compressor.score_statistics
    assert statistics.computed == 3
    assert statistics.ignored == (0 if damage("") is None else 3)


def test_chunks_of_a_scored_document_do_not_use_its_scores(tiny_bert: Path) -> None:
    (document,) = Lingua2Scorer(model_name=tiny_bert)([Document(text=PROSE * 3)])
    splitter = SentenceSplitter(chunk_size=60, chunk_overlap=0)
    chunks = splitter.get_nodes_from_documents([document])
    texts = [chunk.get_content() for chunk in chunks]
    assert all(KEY in chunk.metadata for chunk in chunks)
    assert texts == [
        chunk.get_content()
        for chunk in splitter.get_nodes_from_documents([Document(text=PROSE * 3)])
    ]
    compressor = Lingua2Postprocessor(model_name=tiny_bert, rate=0.5)
    compressor.postprocess_nodes(found(list(chunks)))
    assert compressor.compressor.score_statistics.from_documents == 0
    again = Lingua2Scorer(model_name=tiny_bert)(chunks)
    assert len({packed_of(node) for node in again}) == len(set(texts))


# Caches


def test_a_key_value_store_keeps_scores_for_other_processes(
    fresh: list[NodeWithScore], tiny_bert: Path, tmp_path: Path
) -> None:
    store, path = SimpleKVStore(), str(tmp_path / "scores.json")
    distinct = len(set(map(str.strip, TEXTS)))
    for computed in (distinct, 0):
        reader = Lingua2Postprocessor(model_name=tiny_bert, target_token=BUDGET, score_cache=store)
        assert reader.postprocess_nodes(found(nodes())) == fresh
        statistics = reader.compressor.score_statistics
        assert (statistics.computed, statistics.from_cache) == (computed, distinct - computed)
        store.persist(path)
        store = SimpleKVStore.from_persist_path(path)


def test_the_scorer_fills_a_cache_and_uses_it(scored: Stored, tiny_bert: Path) -> None:
    store = SimpleKVStore()
    for computed in (True, False):
        scorer = Lingua2Scorer(model_name=tiny_bert, score_cache=store)
        assert scorer(nodes()) == scored()
        assert (scorer.compressor.score_statistics.computed > 0) is computed


def test_a_cache_that_is_an_object_is_given_again_when_options_are_restored(
    tiny_bert: Path, tmp_path: Path
) -> None:
    for kind, options in ((Lingua2Scorer, {}), (Lingua2Postprocessor, {"rate": 0.5})):
        data = kind(score_cache=SimpleKVStore(), **options).to_dict()
        # Where scores are kept does not change them: an ingestion cache goes on being used.
        assert data == kind(score_cache=SimpleKVStore(), **options).to_dict()
        with pytest.raises(ValidationError, match=r"from_dict\(data, score_cache=\.\.\.\)"):
            kind.from_dict(dict(data))
        store = SimpleKVStore()
        assert kind.from_dict(dict(data), score_cache=store).score_cache is store
        path = tmp_path / "scores.sqlite"
        stored = kind(score_cache=path, **options).to_dict()
        assert kind.from_dict(stored).score_cache == str(path)


def test_without_memory_every_call_scores_anew(tiny_bert: Path) -> None:
    compressor = Lingua2Postprocessor(model_name=tiny_bert, threshold=0.5, score_memory=0)
    counts = []
    for _ in range(2):
        compressor.postprocess_nodes(found(nodes()))
        counts.append(compressor.compressor.score_statistics.computed)
    assert counts == [5, 10]


# Stores: written by one process, reopened by another one that has no PyTorch


class HashEmbedding(BaseEmbedding):
    """The same few numbers for the same text; notes what it was asked for."""

    model_name: str = "hash"
    asked: list[str] = Field(default_factory=list)

    def _get_text_embedding(self, text: str) -> list[float]:
        self.asked.append(text)
        return [byte / 255 - 0.5 for byte in hashlib.sha256(text.encode()).digest()[:16]]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


@contextmanager
def persisted(path: str, given: list[BaseNode] | None) -> Iterator[VectorStoreIndex]:
    if given is not None:
        index = VectorStoreIndex(given, embed_model=HashEmbedding())
        index.storage_context.persist(path)
    else:
        context = StorageContext.from_defaults(persist_dir=path)
        index = load_index_from_storage(context, embed_model=HashEmbedding())
    yield index


@contextmanager
def qdrant(path: str, given: list[BaseNode] | None) -> Iterator[VectorStoreIndex]:
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    client = QdrantClient(path=path)
    try:
        yield _over(QdrantVectorStore("nodes", client=client), given)
    finally:
        client.close()


@contextmanager
def chroma(path: str, given: list[BaseNode] | None) -> Iterator[VectorStoreIndex]:
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore

    collection = chromadb.PersistentClient(path).get_or_create_collection("nodes")
    yield _over(ChromaVectorStore(chroma_collection=collection), given)


def _over(store: Any, given: list[BaseNode] | None) -> VectorStoreIndex:
    if given is None:
        return VectorStoreIndex.from_vector_store(store, embed_model=HashEmbedding())
    context = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex(given, storage_context=context, embed_model=HashEmbedding())


STORES = {"persisted": persisted, "qdrant": qdrant, "chroma": chroma}
NEEDS = {
    "persisted": (),
    "qdrant": ("llama_index.vector_stores.qdrant", "qdrant_client"),
    "chroma": ("llama_index.vector_stores.chroma", "chromadb"),
}


def compressed(name: str, path: str, model: str) -> dict[str, Any]:
    """Retrieves everything from a reopened store and compresses it."""
    with STORES[name](path, None) as index:
        given = index.as_retriever(similarity_top_k=9).retrieve(QUESTION)
    embeddings = HashEmbedding()
    compressor = Lingua2Postprocessor(model_name=model, target_token=BUDGET, relevance=embeddings)
    returned = compressor.postprocess_nodes(given, query_str=QUESTION)
    return {
        "numbers": [item.node.metadata["number"] for item in given],
        "hidden": all(
            key in hidden
            for item in given
            for key in (KEY, VECTORS)
            for hidden in (
                item.node.excluded_llm_metadata_keys,
                item.node.excluded_embed_metadata_keys,
            )
        ),
        "asked": {*embeddings.asked} == {QUESTION},
        "shown": [item.node.get_content(MetadataMode.LLM) for item in returned],
        "keys": sorted({key for item in returned for key in item.node.metadata}),
        "computed": compressor.compressor.score_statistics.computed,
    }


QUERY_ONLY = """
import json, sys

for name in ("torch", "transformers", "tokenizers"):
    sys.modules[name] = None  # as if it were not installed
from test_llamaindex_scores import compressed

print(json.dumps(compressed(*sys.argv[1:])))
"""


@pytest.mark.parametrize(
    "name",
    [
        "persisted",
        pytest.param("qdrant", marks=pytest.mark.slow),
        pytest.param("chroma", marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")
def test_what_is_stored_survives_a_store(name: str, tiny_bert: Path, tmp_path: Path) -> None:
    for module in NEEDS[name]:
        pytest.importorskip(module)
    path = str(tmp_path / name)
    # Qdrant takes no other ids than UUIDs and numbers.
    plain = [
        node.model_copy(update={"id_": str(UUID(int=i)), "embedding": None})
        for i, node in enumerate(nodes())
    ]
    scorer = Lingua2Scorer(model_name=tiny_bert, embeddings=HashEmbedding())
    with STORES[name](path, scorer(plain)):
        pass
    done = subprocess.run(
        [sys.executable, "-c", QUERY_ONLY, name, path, str(tiny_bert)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert sorted(seen["numbers"]) == list(range(len(TEXTS)))
    assert seen["hidden"]
    assert seen["asked"]
    assert seen["computed"] == 0
    assert not {KEY, VECTORS} & {*seen["keys"]}
    fresh = Lingua2Postprocessor(
        model_name=tiny_bert, target_token=BUDGET, relevance=HashEmbedding()
    )
    expected = fresh.postprocess_nodes(
        found([plain[number] for number in seen["numbers"]]), query_str=QUESTION
    )
    assert seen["shown"] == [item.node.get_content(MetadataMode.LLM) for item in expected]


def test_documents_that_langchain_stored_have_scores_for_llamaindex(
    tiny_bert: Path, reader: Lingua2Postprocessor, fresh: list[NodeWithScore]
) -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.documents import Document as LangChainDocument

    from langchain_lingua2 import Lingua2Scorer as LangChainScorer

    documents = [LangChainDocument(page_content=text.strip()) for text in TEXTS]
    stored = LangChainScorer(model_name=tiny_bert).transform_documents(documents)
    given = nodes()
    for node, document in zip(given, stored, strict=True):
        node.metadata |= document.metadata
    assert reader.postprocess_nodes(found(given)) == fresh
    assert reader.compressor.score_statistics.computed == 0


# Sentence embeddings


def embedded_nodes(model: Path, embeddings: Any = None, **options: Any) -> list[BaseNode]:
    return Lingua2Scorer(model_name=model, embeddings=embeddings or HashEmbedding(), **options)(
        nodes()
    )


def steered(model: Path, embeddings: Any, **options: Any) -> Lingua2Postprocessor:
    return Lingua2Postprocessor(
        model_name=model, target_token=BUDGET, relevance=embeddings, **options
    )


def test_vectors_stand_beside_the_scores_and_are_hidden_alike(
    scored: Stored, tiny_bert: Path
) -> None:
    given = nodes()
    after = Lingua2Scorer(model_name=tiny_bert, embeddings=HashEmbedding())(given)
    assert given == nodes()
    packed = pack_embeddings([text.strip() for text in TEXTS], HashEmbedding())
    for before, node, vectors, plain in zip(scored(), after, packed, nodes(), strict=True):
        for mode in (MetadataMode.LLM, MetadataMode.EMBED):
            assert node.get_content(mode) == plain.get_content(mode)
        assert node.metadata.pop(VECTORS) == packed_text(vectors)
        node.excluded_llm_metadata_keys.remove(VECTORS)
        node.excluded_embed_metadata_keys.remove(VECTORS)
        assert node == before


def test_vectors_that_are_there_are_not_computed_again(tiny_bert: Path) -> None:
    given, embeddings = embedded_nodes(tiny_bert), HashEmbedding()
    scorer = Lingua2Scorer(model_name=tiny_bert, embeddings=embeddings)
    assert scorer(given) == given
    assert embeddings.asked == []
    changed = copy.deepcopy(given)
    changed[1].metadata[VECTORS] = given[2].metadata[VECTORS]
    assert scorer(changed) == given
    assert embeddings.asked[0] == "# Release 2.4.1"


@pytest.mark.parametrize("reorder", [None, "relevance"])
async def test_only_the_question_is_embedded_where_vectors_are_stored(
    tiny_bert: Path, reorder: Any
) -> None:
    given, fresh, embeddings = embedded_nodes(tiny_bert), HashEmbedding(), HashEmbedding()
    expected = steered(tiny_bert, fresh, reorder=reorder).postprocess_nodes(
        found(nodes()), query_str=QUESTION
    )
    reader = steered(tiny_bert, embeddings, reorder=reorder)
    assert reader.postprocess_nodes(found(given), query_str=QUESTION) == expected
    assert await reader.apostprocess_nodes(found(given), query_str=QUESTION) == expected
    assert {*embeddings.asked} == {QUESTION}
    assert given == embedded_nodes(tiny_bert)
    assert len(fresh.asked) > len(TEXTS)


@pytest.mark.parametrize("damage", [lambda _: None, lambda v: v[:-4], lambda _: 7, lambda v: [v]])
def test_damaged_vectors_cost_time_and_change_nothing(
    damage: Callable[[str], Any], tiny_bert: Path
) -> None:
    given, embeddings = embedded_nodes(tiny_bert), HashEmbedding()
    expected = steered(tiny_bert, HashEmbedding()).postprocess_nodes(
        found(nodes()), query_str=QUESTION
    )
    given[1].metadata[VECTORS] = damage(given[1].metadata[VECTORS])
    reader = steered(tiny_bert, embeddings)
    assert reader.postprocess_nodes(found(given), query_str=QUESTION) == expected
    assert embeddings.asked[:2] == [QUESTION, "# Release 2.4.1"]
    statistics = reader.compressor.embedding_statistics
    assert statistics.from_documents / statistics.computed == len(TEXTS) - 1
    assert bool(statistics.ignored) is (damage("") is not None)


def test_an_ingestion_cache_knows_embedders_by_their_names(tiny_bert: Path) -> None:
    def plain(texts: list[str]) -> Any:
        return [HashEmbedding()._get_text_embedding(text) for text in texts]

    with pytest.raises(ValidationError, match="no name of its own"):
        Lingua2Scorer(model_name=tiny_bert, embeddings=plain)
    data = Lingua2Scorer(model_name=tiny_bert, embeddings=HashEmbedding()).to_dict()
    assert data == Lingua2Scorer(model_name=tiny_bert, embeddings=HashEmbedding()).to_dict()
    other = HashEmbedding(model_name="other")
    assert data != Lingua2Scorer(model_name=tiny_bert, embeddings=other).to_dict()
    with pytest.raises(ValidationError, match=r"from_dict\(data, embeddings=\.\.\.\)"):
        Lingua2Scorer.from_dict(dict(data))
    assert Lingua2Scorer.from_dict(dict(data), embeddings=HashEmbedding()).to_dict() == data


def test_vectors_that_langchain_stored_are_found_by_llamaindex(tiny_bert: Path) -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.documents import Document as LangChainDocument

    from langchain_lingua2 import Lingua2Scorer as LangChainScorer

    documents = [LangChainDocument(page_content=text.strip()) for text in TEXTS]
    scorer = LangChainScorer(model_name=tiny_bert, embeddings=HashEmbedding())
    given, embeddings = nodes(), HashEmbedding()
    for node, document in zip(given, scorer.transform_documents(documents), strict=True):
        node.metadata |= document.metadata
    steered(tiny_bert, embeddings).postprocess_nodes(found(given), query_str=QUESTION)
    assert {*embeddings.asked} == {QUESTION}


@pytest.mark.slow
def test_the_example_needs_no_pytorch_for_a_question(root: Path) -> None:
    script = root / "examples" / "stored_scores_llamaindex.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "computed=0, from_memory=0, from_cache=0, from_documents=3" in done.stdout
    assert "PyTorch was imported: False" in done.stdout
    assert "EmbeddingStatistics(computed=0, from_documents=3, ignored=0)" in done.stdout
    assert "April" in done.stdout
