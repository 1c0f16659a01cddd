"""What is stored with LangChain documents: computed once, found again, never trusted blindly."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.prompts import PromptTemplate
from langchain_core.stores import InMemoryByteStore
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_lingua2 import Lingua2Compressor, Lingua2Scorer
from lingua2 import (
    Compressor,
    InputError,
    ModelLoadError,
    OptionError,
    pack_embeddings,
    packed_text,
)
from samples import CHINESE, CODE, LOG, MARKDOWN, PROSE

KEY = "lingua2_scores"
VECTORS = "lingua2_embeddings"
QUESTION = "Which dock?"
TEXTS = [PROSE, MARKDOWN, CODE, LOG, CHINESE, f"  {PROSE}\n\n", ""]
# A blank text needs no model.
SCORED = len(TEXTS) - 1
BUDGET = 90

Stored = Callable[[], list[Document]]


def documents() -> list[Document]:
    return [
        Document(id=str(i), page_content=text, metadata={"number": i, "title": f"text {i}"})
        for i, text in enumerate(TEXTS)
    ]


def texts_of(docs: list[Document]) -> list[str]:
    return [doc.page_content for doc in docs]


@pytest.fixture(scope="module")
def scored(tiny_bert: Path) -> Stored:
    once = Lingua2Scorer(model_name=tiny_bert).transform_documents(documents())
    return lambda: copy.deepcopy(once)


@pytest.fixture(scope="module")
def fresh(tiny_bert: Path) -> list[Document]:
    """What comes out where nothing is stored."""
    return Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET).compress_documents(
        documents(), ""
    )


@pytest.fixture
def reader(tiny_bert: Path) -> Lingua2Compressor:
    return Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(Compressor, "_loaded_encoder", refuse)


# The scorer


def test_every_document_gets_one_string_and_keeps_the_rest(tiny_bert: Path) -> None:
    docs = documents()
    found = Lingua2Scorer(model_name=tiny_bert).transform_documents(docs)
    assert docs == documents()
    for before, after in zip(docs, found, strict=True):
        packed = after.metadata.pop(KEY)
        assert isinstance(packed, str)
        assert len(base64.b64decode(packed, validate=True)) < 60 + 2 * len(after.page_content)
        assert after == before


def test_the_string_is_what_the_core_packs(scored: Stored, tiny_bert: Path) -> None:
    packed = [base64.b64decode(doc.metadata[KEY]) for doc in scored()]
    assert packed == list(Compressor(tiny_bert).pack(TEXTS))


@pytest.mark.usefixtures("no_model")
def test_what_is_scored_is_not_scored_again(scored: Stored, tiny_bert: Path) -> None:
    assert Lingua2Scorer(model_name=tiny_bert).transform_documents(scored()) == scored()


def test_only_new_and_changed_documents_are_scored(scored: Stored, tiny_bert: Path) -> None:
    docs = scored()
    docs[0].page_content = "The harbour was closed on Monday."
    docs[1].metadata[KEY] = docs[2].metadata[KEY]
    del docs[2].metadata[KEY]
    scorer = Lingua2Scorer(model_name=tiny_bert)
    found = scorer.transform_documents(docs)
    assert scorer.compressor.score_statistics.computed == 3
    assert found[1:] == scored()[1:]
    assert found[0].metadata[KEY] != docs[0].metadata[KEY]


def test_scores_of_another_model_are_replaced(
    scored: Stored, tiny_bert: Path, tmp_path: Path
) -> None:
    from checkpoints import build_bert

    other = build_bert(tmp_path / "other", lowercase=False)
    found = Lingua2Scorer(model_name=other).transform_documents(scored())
    assert found == Lingua2Scorer(model_name=other).transform_documents(documents())
    assert all(a.metadata[KEY] != b.metadata[KEY] for a, b in zip(found, scored(), strict=True))


def test_equal_texts_are_scored_once(tiny_bert: Path) -> None:
    scorer = Lingua2Scorer(model_name=tiny_bert)
    found = scorer.transform_documents([Document(page_content=PROSE)] * 5)
    assert len({doc.metadata[KEY] for doc in found}) == 1
    assert scorer.compressor.score_statistics.computed == 1


async def test_scoring_works_in_async_code(scored: Stored, tiny_bert: Path) -> None:
    assert await Lingua2Scorer(model_name=tiny_bert).atransform_documents(documents()) == scored()


def test_a_progress_bar_is_shown_on_request_and_only_for_work(
    scored: Stored, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def pack(self: Compressor, texts: Any, *, progress: bool = False) -> Iterator[bytes]:
        asked.append(progress)
        return original(self, texts)

    original = Compressor.pack
    monkeypatch.setattr(Compressor, "pack", pack)
    for progress, docs in ((True, documents()), (False, documents()), (True, scored())):
        scorer = Lingua2Scorer(model_name=tiny_bert, progress=progress)
        assert scorer.transform_documents(docs) == scored()
    assert asked == [True, False, False]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("text", "must be a list of Documents, got str"),
        (Document(page_content="text"), r"write \[document\]"),
        (["text"], r"documents\[0\] is not a Document but str"),
        (None, "got None"),
    ],
)
@pytest.mark.usefixtures("no_model")
def test_what_are_no_documents_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Lingua2Scorer().transform_documents(given)


@pytest.mark.usefixtures("no_model")
def test_options_and_paths_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no option rate"):
        Lingua2Scorer().transform_documents([], rate=0.5)
    with pytest.raises(ValueError, match="unknown option 'progres'; did you mean 'progress'"):
        Lingua2Scorer(progres=True)
    with pytest.raises(ModelLoadError, match="missing"):
        Lingua2Scorer(model_name=tmp_path / "missing")
    assert Lingua2Scorer().transform_documents([]) == []


# The compressor


@pytest.mark.usefixtures("no_model")
def test_stored_scores_take_the_place_of_the_model(
    scored: Stored, fresh: list[Document], reader: Lingua2Compressor
) -> None:
    given = scored()
    assert reader.compress_documents(given, "") == fresh
    assert given == scored()
    statistics = reader.compressor.score_statistics
    assert (statistics.from_documents, statistics.computed, statistics.ignored) == (7, 0, 0)


@pytest.mark.usefixtures("no_model")
async def test_stored_scores_are_found_in_chains_and_async_code(
    scored: Stored, fresh: list[Document], reader: Lingua2Compressor
) -> None:
    chain = {"context": lambda _: scored(), "question": str} | reader.as_runnable()
    assert chain.invoke("?")["context"] == fresh
    assert await reader.acompress_documents(scored(), "") == fresh
    assert await reader.as_runnable().ainvoke(scored()) == fresh


def test_the_scores_do_not_come_back_even_where_nothing_goes(
    scored: Stored, tiny_bert: Path
) -> None:
    compressor = Lingua2Compressor(model_name=tiny_bert, rate=1.0)
    assert compressor.compress_documents(scored(), "") == documents()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: None,
        lambda _: "",
        lambda _: "not base64!",
        lambda packed: packed[:-4],
        lambda packed: packed[::-1],
        lambda packed: packed + packed,
        lambda _: 7,
        lambda _: float("nan"),
        lambda packed: [packed],
        lambda packed: {"scores": packed},
        lambda _: "AAAA" * 1000,
    ],
)
def test_damaged_scores_cost_time_and_change_nothing(
    damage: Callable[[str], Any], scored: Stored, fresh: list[Document], reader: Lingua2Compressor
) -> None:
    given = scored()
    for doc in given[:3]:
        doc.metadata[KEY] = damage(doc.metadata[KEY])
    assert reader.compress_documents(given, "") == fresh
    statistics = reader.compressor.score_statistics
    assert (statistics.from_documents, statistics.computed) == (4, 3)
    assert statistics.ignored == (0 if damage("") is None else 3)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_single_changed_character_is_noticed(
    data: st.DataObject, scored: Stored, fresh: list[Document], shared_reader: Lingua2Compressor
) -> None:
    given = scored()
    packed = given[0].metadata[KEY]
    place = data.draw(st.integers(0, len(packed) - 1))
    character = data.draw(st.characters(codec="ascii"))
    given[0].metadata[KEY] = packed[:place] + character + packed[place + 1 :]
    assert shared_reader.compress_documents(given, "") == fresh


@pytest.fixture(scope="module")
def shared_reader(tiny_bert: Path) -> Lingua2Compressor:
    return Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET, score_memory=0)


def test_scores_of_an_edited_text_are_not_used(
    scored: Stored, tiny_bert: Path, reader: Lingua2Compressor
) -> None:
    given, plain = scored(), documents()
    for docs in (given, plain):
        docs[0].page_content = docs[0].page_content.replace("Tuesday", "Monday")
    expected = Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET)
    assert reader.compress_documents(given, "") == expected.compress_documents(plain, "")
    assert reader.compressor.score_statistics.ignored == 1


def test_scores_of_other_options_are_not_used(scored: Stored, tiny_bert: Path) -> None:
    short = Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET, max_length=16)
    plain = short.model_copy().compress_documents(documents(), "")
    other = Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET, max_length=16)
    assert other.compress_documents(scored(), "") == plain
    assert other.compressor.score_statistics.ignored == len(TEXTS)


def test_the_template_does_not_count_the_scores(scored: Stored, tiny_bert: Path) -> None:
    def compressor(template: str) -> Lingua2Compressor:
        prompt = PromptTemplate.from_template(template)
        return Lingua2Compressor(
            model_name=tiny_bert, target_token=BUDGET, document_prompt=prompt, add_statistics=True
        )

    titled = compressor("[{title}] {page_content}")
    assert titled.compress_documents(scored(), "") == titled.compress_documents(documents(), "")
    # Nothing could be shown there afterwards.
    with pytest.raises(OptionError, match=f"needs {KEY}"):
        compressor("{lingua2_scores} {page_content}").compress_documents(scored(), "")


# Caches


def test_a_byte_store_keeps_scores_for_other_processes(
    fresh: list[Document], tiny_bert: Path, tmp_path: Path
) -> None:
    classic = pytest.importorskip("langchain_classic.storage")
    for store in (InMemoryByteStore(), classic.LocalFileStore(tmp_path / "scores")):
        readers = [
            Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET, score_cache=store)
            for _ in range(2)
        ]
        for each in readers:
            assert each.compress_documents(documents(), "") == fresh
        first, second = (each.compressor.score_statistics for each in readers)
        assert (first.computed, first.from_cache) == (SCORED, 0)
        assert (second.computed, second.from_cache) == (0, SCORED)


def test_the_scorer_fills_a_cache_and_uses_it(scored: Stored, tiny_bert: Path) -> None:
    store = InMemoryByteStore()
    for computed in (SCORED, 0):
        scorer = Lingua2Scorer(model_name=tiny_bert, score_cache=store)
        assert scorer.transform_documents(documents()) == scored()
        assert scorer.compressor.score_statistics.computed == computed


def test_copies_share_cache_and_memory(tiny_bert: Path) -> None:
    store = InMemoryByteStore()
    original = Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET, score_cache=store)
    original.compress_documents(documents(), "")
    tighter = original.model_copy(update={"target_token": BUDGET // 2})
    tighter.compress_documents(documents(), "")
    assert tighter.compressor is original.compressor
    assert tighter.compressor.score_statistics.from_memory == SCORED


def test_without_memory_every_call_scores_anew(tiny_bert: Path) -> None:
    compressor = Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET, score_memory=0)
    for calls in (1, 2):
        compressor.compress_documents(documents(), "")
        assert compressor.compressor.score_statistics.computed == calls * SCORED


def test_what_is_no_cache_is_refused() -> None:
    with pytest.raises(ValueError, match="mget and mset"):
        Lingua2Compressor(rate=0.5, score_cache=object())
    with pytest.raises(ValueError, match="score_memory"):
        Lingua2Scorer(score_memory=-1)


# Vector stores: written by one process, reopened by another one that has no PyTorch


class HashEmbeddings(Embeddings):
    """The same few numbers for the same text; notes what it was asked for."""

    model_name = "hash"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        return self.vector(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked.append(texts)
        return [self.vector(text) for text in texts]

    @staticmethod
    def vector(text: str) -> list[float]:
        return [byte / 255 - 0.5 for byte in hashlib.sha256(text.encode()).digest()[:16]]


@contextmanager
def in_memory(path: Path, docs: list[Document] | None) -> Iterator[Any]:
    file = str(path / "store.json")
    if docs is None:
        yield InMemoryVectorStore.load(file, HashEmbeddings())
    else:
        store = InMemoryVectorStore.from_documents(docs, HashEmbeddings())
        store.dump(file)
        yield store


@contextmanager
def qdrant(path: Path, docs: list[Document] | None) -> Iterator[Any]:
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient
    from qdrant_client.models import Distance, VectorParams

    client = QdrantClient(path=str(path))
    try:
        if docs is not None:
            size = VectorParams(size=16, distance=Distance.COSINE)
            client.create_collection("docs", vectors_config=size)
        store = QdrantVectorStore(client, "docs", HashEmbeddings())
        if docs is not None:
            store.add_documents(docs, ids=list(range(len(docs))))
        yield store
    finally:
        client.close()


@contextmanager
def faiss(path: Path, docs: list[Document] | None) -> Iterator[Any]:
    from langchain_community.vectorstores import FAISS

    if docs is None:
        trusted = {"allow_dangerous_deserialization": True}
        yield FAISS.load_local(str(path), HashEmbeddings(), **trusted)
    else:
        store = FAISS.from_documents(docs, HashEmbeddings())
        store.save_local(str(path))
        yield store


@contextmanager
def chroma(path: Path, docs: list[Document] | None) -> Iterator[Any]:
    from langchain_chroma import Chroma

    store = Chroma("docs", HashEmbeddings(), persist_directory=str(path))
    if docs is not None:
        store.add_documents(docs)
    yield store


STORES = {"in_memory": in_memory, "qdrant": qdrant, "faiss": faiss, "chroma": chroma}
NEEDS = {
    "in_memory": (),
    "qdrant": ("langchain_qdrant", "qdrant_client"),
    "faiss": ("langchain_community", "faiss"),
    "chroma": ("langchain_chroma", "chromadb"),
}


def compressed(name: str, path: str, model: str) -> dict[str, Any]:
    """Retrieves everything from a reopened store and compresses it."""
    with STORES[name](Path(path), None) as store:
        found = store.as_retriever(search_kwargs={"k": 9}).invoke(QUESTION)
    embeddings = HashEmbeddings()
    compressor = Lingua2Compressor(model_name=model, target_token=BUDGET, relevance=embeddings)
    returned = compressor.compress_documents(found, QUESTION)
    return {
        "numbers": [doc.metadata["number"] for doc in found],
        "texts": texts_of(returned),
        "keys": sorted({key for doc in returned for key in doc.metadata}),
        "asked": embeddings.asked,
        "computed": compressor.compressor.score_statistics.computed,
        "from_documents": compressor.compressor.score_statistics.from_documents,
    }


QUERY_ONLY = """
import json, sys

for name in ("torch", "transformers", "tokenizers"):
    sys.modules[name] = None  # as if it were not installed
from test_langchain_scores import compressed

print(json.dumps(compressed(*sys.argv[1:])))
"""


@pytest.mark.parametrize(
    "name",
    [
        "qdrant",
        pytest.param("in_memory", marks=pytest.mark.slow),
        pytest.param("faiss", marks=pytest.mark.slow),
        pytest.param("chroma", marks=pytest.mark.slow),
    ],
)
def test_what_is_stored_survives_a_vector_store(name: str, tiny_bert: Path, tmp_path: Path) -> None:
    for module in NEEDS[name]:
        pytest.importorskip(module)
    path = tmp_path / name
    path.mkdir()
    # Vector stores refuse or lose blank documents.
    docs = [doc for doc in documents() if doc.page_content]
    scorer = Lingua2Scorer(model_name=tiny_bert, embeddings=HashEmbeddings())
    with STORES[name](path, scorer.transform_documents(docs)):
        pass
    done = subprocess.run(
        [sys.executable, "-c", QUERY_ONLY, name, str(path), str(tiny_bert)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert sorted(found["numbers"]) == [doc.metadata["number"] for doc in docs]
    assert (found["from_documents"], found["computed"]) == (len(docs), 0)
    assert found["asked"] == [QUESTION]
    assert not {KEY, VECTORS} & {*found["keys"]}
    fresh = Lingua2Compressor(model_name=tiny_bert, target_token=BUDGET, relevance=HashEmbeddings())
    plain = [documents()[number] for number in found["numbers"]]
    assert found["texts"] == texts_of(fresh.compress_documents(plain, QUESTION))


def test_scores_pass_through_an_indexing_pipeline(tiny_bert: Path) -> None:
    splitters = pytest.importorskip("langchain_text_splitters")
    splitter = splitters.RecursiveCharacterTextSplitter(chunk_size=120, chunk_overlap=0)
    scorer = Lingua2Scorer(model_name=tiny_bert)
    chunks = scorer.transform_documents(splitter.split_documents(documents()))
    assert len(chunks) > len(TEXTS)
    compressor = Lingua2Compressor(model_name=tiny_bert, rate=0.5)
    compressor.compress_documents(chunks, "")
    assert compressor.compressor.score_statistics.computed == 0
    # A chunk that is cut from a scored text has the scores of the whole, and needs its own.
    again = scorer.transform_documents(
        splitter.split_documents(scorer.transform_documents(documents()))
    )
    assert again == chunks


# Sentence embeddings


def embedded_documents(model: Path, embeddings: Any = None, **options: Any) -> list[Document]:
    scorer = Lingua2Scorer(model_name=model, embeddings=embeddings or HashEmbeddings(), **options)
    return scorer.transform_documents(documents())


def steered(model: Path, embeddings: Any, **options: Any) -> Lingua2Compressor:
    return Lingua2Compressor(model_name=model, target_token=BUDGET, relevance=embeddings, **options)


def test_vectors_stand_beside_the_scores_as_the_core_packs_them(
    scored: Stored, tiny_bert: Path
) -> None:
    docs = documents()
    found = Lingua2Scorer(model_name=tiny_bert, embeddings=HashEmbeddings()).transform_documents(
        docs
    )
    assert docs == documents()
    packed = [doc.metadata.pop(VECTORS) for doc in found]
    assert packed == [packed_text(data) for data in pack_embeddings(TEXTS, HashEmbeddings())]
    assert found == scored()


def test_vectors_that_are_there_are_not_computed_again(tiny_bert: Path) -> None:
    docs, embeddings = embedded_documents(tiny_bert), HashEmbeddings()
    scorer = Lingua2Scorer(model_name=tiny_bert, embeddings=embeddings)
    assert scorer.transform_documents(docs) == docs
    assert embeddings.asked == []
    changed = copy.deepcopy(docs)
    changed[0].metadata[VECTORS] = docs[1].metadata[VECTORS]
    assert scorer.transform_documents(changed) == docs
    assert len(embeddings.asked) == 1


@pytest.mark.parametrize("reorder", [None, "relevance"])
async def test_only_the_question_is_embedded_where_vectors_are_stored(
    tiny_bert: Path, reorder: Any
) -> None:
    docs, fresh, embeddings = embedded_documents(tiny_bert), HashEmbeddings(), HashEmbeddings()
    expected = steered(tiny_bert, fresh, reorder=reorder).compress_documents(documents(), QUESTION)
    reader = steered(tiny_bert, embeddings, reorder=reorder)
    assert reader.compress_documents(docs, QUESTION) == expected
    assert embeddings.asked == [QUESTION]
    assert docs == embedded_documents(tiny_bert)
    assert await reader.acompress_documents(docs, QUESTION) == expected
    assert embeddings.asked == [QUESTION] * 2
    assert len(fresh.asked) == 2


@pytest.mark.parametrize("damage", [lambda _: None, lambda v: v[:-4], lambda _: 7, lambda v: [v]])
def test_damaged_vectors_cost_one_call_and_change_nothing(
    damage: Callable[[str], Any], tiny_bert: Path
) -> None:
    docs, embeddings = embedded_documents(tiny_bert), HashEmbeddings()
    expected = steered(tiny_bert, HashEmbeddings()).compress_documents(documents(), QUESTION)
    for doc in docs[1:3]:
        doc.metadata[VECTORS] = damage(doc.metadata[VECTORS])
    reader = steered(tiny_bert, embeddings)
    assert reader.compress_documents(docs, QUESTION) == expected
    question, missing = embeddings.asked
    assert question == QUESTION
    assert missing[0] == "# Release 2.4.1"
    statistics = reader.compressor.embedding_statistics
    assert (statistics.computed, statistics.from_documents) == (2, SCORED - 2)
    assert statistics.ignored == (0 if damage("") is None else 2)


def test_a_function_needs_a_name_by_which_its_vectors_are_found(tiny_bert: Path) -> None:
    def embed(texts: list[str]) -> Any:
        return [HashEmbeddings.vector(text) for text in texts]

    with pytest.raises(ValueError, match="no name of its own"):
        Lingua2Scorer(model_name=tiny_bert, embeddings=embed)
    with pytest.raises(ValueError, match="embed_query and embed_documents"):
        Lingua2Scorer(model_name=tiny_bert, embeddings="hash")
    docs = embedded_documents(tiny_bert, embed, embeddings_name="mine")
    for name, found in (("mine", SCORED), (None, 0), ("yours", 0)):
        reader = steered(tiny_bert, embed, embeddings_name=name)
        reader.compress_documents(docs, QUESTION)
        assert reader.compressor.embedding_statistics.from_documents == found


@pytest.mark.slow
def test_the_example_needs_no_pytorch_for_a_question(root: Path) -> None:
    script = root / "examples" / "stored_scores_langchain.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "computed=0, from_memory=0, from_cache=0, from_documents=3" in done.stdout
    assert "PyTorch was imported: False" in done.stdout
    assert "EmbeddingStatistics(computed=0, from_documents=3, ignored=0)" in done.stdout
    assert "14 hours" in done.stdout
