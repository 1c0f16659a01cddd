"""The LangChain adapter: documents in, documents out, within the budget of the prompt."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import torch
from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_classic.chains.retrieval import create_retrieval_chain
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.retrievers.document_compressors import DocumentCompressorPipeline
from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForRetrieverRun
from langchain_core.documents import BaseDocumentCompressor, BaseDocumentTransformer, Document
from langchain_core.prompts import PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_tests.integration_tests import RetrieversIntegrationTests
from langchain_text_splitters import CharacterTextSplitter
from pydantic import ValidationError

from checkpoints import build_bert
from langchain_lingua2 import Lingua2Compressor, Lingua2Scorer
from lingua2 import (
    BudgetWarning,
    CompressionOptions,
    InputError,
    ModelLoadError,
    ModelOptions,
    OptionError,
)
from lingua2.counting import tiktoken_encoding

MakeCompressor = Callable[..., Lingua2Compressor]

QUESTION = "When does the ferry leave?"
FERRY = (
    "In summer the ferry to the island leaves the old harbour at 07:40 and at 16:15, and in winter "
    "only at 09:00. Bicycles travel free of charge, but dogs need a ticket of their own."
)
LIGHTHOUSE = (
    "The lighthouse was built in 1874 by a family of masons from Bremen. It is painted in red and "
    "white stripes, as many lighthouses on that coast are, and it can be climbed on Sundays."
)
BAKERY = (
    "Mrs. Okafor bakes rye bread every morning except on Mondays. Whoever comes after ten o'clock "
    "should not be surprised to find that the shelves are empty again."
)


def documents() -> list[Document]:
    return [
        Document(id="a", page_content=FERRY, metadata={"source": "ferry.txt", "tags": ["sea"]}),
        Document(id="b", page_content=LIGHTHOUSE, metadata={"source": "light.txt", "tags": []}),
        Document(id="c", page_content=BAKERY, metadata={"source": "bread.txt", "tags": ["food"]}),
    ]


def tokens(text: str) -> int:
    return len(tiktoken_encoding("cl100k_base").encode_ordinary(text))


def joined(docs: list[Document], separator: str = "\n\n") -> str:
    return separator.join(doc.page_content for doc in docs)


class Shelf(BaseRetriever):
    """Returns its first ``k`` documents, whatever the question."""

    k: int = 3

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
    ) -> list[Document]:
        return documents()[: k or self.k]


class Recorder(BaseCallbackHandler):
    """Notes every run: its name, its parent and how it ended."""

    def __init__(self) -> None:
        self.names: dict[UUID, str] = {}
        self.parents: dict[UUID, UUID | None] = {}
        self.ends: dict[UUID, Any] = {}

    def run_id(self, name: str) -> UUID:
        (found,) = (run_id for run_id, known in self.names.items() if known == name)
        return found

    def on_chain_start(
        self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, name: str = "", **__: Any
    ) -> None:
        self.names[run_id] = name
        self.parents[run_id] = parent_run_id

    on_retriever_start = on_chain_start

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        self.ends[run_id] = outputs

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self.ends[run_id] = error


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    # On busy cores the threads of a tiny model mostly wait for each other.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights; which words stay does not matter here."""
    return build_bert(tmp_path_factory.mktemp("langchain") / "bert")


@pytest.fixture(scope="module")
def half(tiny: Path) -> Lingua2Compressor:
    """Keeps half of the tokens."""
    return Lingua2Compressor(rate=0.5, model_name=tiny)


@pytest.fixture(scope="module")
def make(half: Lingua2Compressor) -> MakeCompressor:
    """Makes compressors with other options that share one loaded model."""
    return lambda **options: half.model_copy(update={"rate": None, **options})


# Documents in, documents out


def test_documents_get_shorter_and_keep_everything_else(half: Lingua2Compressor) -> None:
    before = documents()
    after = half.compress_documents(before, QUESTION)
    assert [doc.id for doc in after] == ["a", "b", "c"]
    assert [doc.metadata for doc in after] == [doc.metadata for doc in before]
    assert all(
        0 < len(a.page_content) < len(b.page_content) for a, b in zip(after, before, strict=True)
    )
    assert tokens(joined(after)) <= tokens(joined(before)) // 2


def test_what_comes_in_is_never_changed(half: Lingua2Compressor) -> None:
    given = documents()
    after = half.compress_documents(given, QUESTION)
    after[0].metadata["tags"].append("changed")
    after[0].metadata["new"] = 1
    assert given == documents()


def test_a_subclass_of_document_stays_what_it_is(half: Lingua2Compressor) -> None:
    class Scored(Document):
        score: float

    (after,) = half.compress_documents([Scored(page_content=FERRY, score=0.7, id="s")], QUESTION)
    assert isinstance(after, Scored)
    assert (after.score, after.id) == (0.7, "s")


def test_documents_that_fit_come_back_as_equal_copies(make: MakeCompressor) -> None:
    given = documents()
    after = make(target_token=1000).compress_documents(given, QUESTION)
    assert after == given
    assert all(a is not b for a, b in zip(after, given, strict=True))


@pytest.mark.parametrize("query", ["", None, QUESTION])
def test_a_question_is_not_needed(half: Lingua2Compressor, query: str | None) -> None:
    assert len(half.compress_documents(documents(), query)) == 3


def test_no_documents_give_no_documents(half: Lingua2Compressor) -> None:
    assert half.compress_documents([], QUESTION) == []
    assert half.transform_documents([]) == []
    assert half.as_runnable().invoke([]) == []


def test_documents_may_come_from_an_iterator(half: Lingua2Compressor) -> None:
    expected = half.compress_documents(documents(), QUESTION)
    assert half.compress_documents(iter(documents()), QUESTION) == expected


async def test_async_gives_what_sync_gives(half: Lingua2Compressor) -> None:
    expected = half.compress_documents(documents(), QUESTION)
    assert await half.acompress_documents(documents(), QUESTION) == expected
    assert await half.atransform_documents(documents()) == expected


def test_a_document_is_dropped_only_where_nothing_of_it_was_kept(make: MakeCompressor) -> None:
    given = documents()
    dropped = make(target_token=3).compress_documents(given, QUESTION)
    assert 0 < len(dropped) < 3
    assert all(doc.page_content for doc in dropped)

    kept = make(target_token=4, drop_empty=False).compress_documents(given, QUESTION)
    assert [doc.id for doc in kept] == ["a", "b", "c"]
    assert "" in [doc.page_content for doc in kept]
    assert tokens(joined(kept)) <= 4, "the separators of empty documents count"


def test_statistics_are_flat_and_only_there_on_request(make: MakeCompressor) -> None:
    (plain, *_) = make(rate=0.5).compress_documents(documents(), QUESTION)
    assert plain.metadata.keys() == {"source", "tags"}

    after = make(rate=0.5, add_statistics=True).compress_documents(documents(), QUESTION)
    for old, new in zip(documents(), after, strict=True):
        before, now = tokens(old.page_content), tokens(new.page_content)
        assert new.metadata == {
            **old.metadata,
            "lingua2_original_tokens": before,
            "lingua2_compressed_tokens": now,
            "lingua2_rate": now / before,
            "lingua2_losses": new.metadata["lingua2_losses"],
        }
        losses = json.loads(new.metadata["lingua2_losses"])
        assert (losses["tokens_before"], losses["tokens_after"]) == (before, now)


def test_statistics_count_with_the_token_counter(make: MakeCompressor) -> None:
    compressor = make(target_token=90, token_counter=len, add_statistics=True)
    for doc in compressor.compress_documents(documents(), QUESTION):
        assert doc.metadata["lingua2_compressed_tokens"] == len(doc.page_content)


def test_the_budget_warning_of_the_core_comes_through(make: MakeCompressor) -> None:
    compressor = make(target_token=3, force_reserve_digit=True)
    with pytest.warns(BudgetWarning, match="cannot hold all forced words"):
        compressor.compress_documents(documents(), QUESTION)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("text", "documents must be a list of Documents, got str"),
        (None, "documents must be a list of Documents, got None"),
        ({"documents": []}, "documents must be a list of Documents, got dict"),
        (7, "documents must be a list of Documents, got int"),
        (Document(page_content="x"), r"documents is one Document, .* write \[document\]"),
        (["text"], r"documents\[0\] is not a Document but str; write Document\(page_content=text"),
        ([Document(page_content="x"), None], r"documents\[1\] is not a Document but None"),
    ],
)
def test_what_is_no_list_of_documents_is_named(
    half: Lingua2Compressor, given: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        half.compress_documents(given, QUESTION)


def test_a_question_that_is_no_string_is_an_error(half: Lingua2Compressor) -> None:
    with pytest.raises(InputError, match="'query' must hold the question as a string, got dict"):
        half.compress_documents(documents(), {"text": QUESTION})  # type: ignore[arg-type]


# The prompt that the reader sees


@pytest.fixture
def prompts() -> list[str]:
    """What the recording reader was asked."""
    return []


@pytest.fixture
def reader(prompts: list[str]) -> RunnableLambda[Any, str]:
    """A language model that notes its prompt and answers nothing of interest."""

    def read(prompt: Any) -> str:
        prompts.append(prompt.to_string())
        return "an answer"

    return RunnableLambda(read)


@pytest.mark.parametrize(
    ("budget", "drop_empty"), [(12, True), (40, True), (110, True), (60, False), (110, False)]
)
@pytest.mark.parametrize(
    ("template", "separator"),
    [
        (None, "\n\n"),
        ("{page_content}", "\n---\n"),
        ("<doc from='{source}'>\n{page_content}\n</doc>", "\n"),
    ],
)
def test_the_whole_context_of_a_stuff_chain_is_within_the_budget(
    make: MakeCompressor,
    reader: RunnableLambda[Any, str],
    prompts: list[str],
    budget: int,
    drop_empty: bool,
    template: str | None,
    separator: str,
) -> None:
    prompt = None if template is None else PromptTemplate.from_template(template)
    compressor = make(
        target_token=budget,
        drop_empty=drop_empty,
        document_prompt=prompt,
        document_separator=separator,
    )
    stuff = create_stuff_documents_chain(
        reader,
        PromptTemplate.from_template("{context}"),
        document_prompt=prompt,
        document_separator=separator,
    )
    stuff.invoke({"context": compressor.compress_documents(documents(), QUESTION)})
    assert budget * 0.7 <= tokens(prompts[0]) <= budget


def test_what_the_document_prompt_adds_leaves_less_for_the_documents(make: MakeCompressor) -> None:
    prompt = PromptTemplate.from_template("Source: {source}\nTags: {tags}\n{page_content}")
    framed = make(target_token=60, document_prompt=prompt)
    bare = make(target_token=60)
    short, long = (c.compress_documents(documents(), QUESTION) for c in (framed, bare))
    assert tokens(joined(short)) < tokens(joined(long)) <= 60


def test_metadata_that_the_document_prompt_needs_must_be_there(make: MakeCompressor) -> None:
    prompt = PromptTemplate.from_template("{author}, {source}: {page_content}")
    compressor = make(rate=0.5, document_prompt=prompt)
    with pytest.raises(
        OptionError, match=r"needs author, .* documents\[0\] lacks; it has: source, tags"
    ):
        compressor.compress_documents(documents(), QUESTION)


@pytest.mark.parametrize(
    ("template", "template_format", "times"),
    [
        ("{page_content} {page_content}", "f-string", 2),
        ("{page_content!r}", "f-string", 0),
        ("{{page_content}}", "mustache", 0),
    ],
)
def test_a_document_prompt_that_changes_the_text_cannot_be_counted(
    make: MakeCompressor, template: str, template_format: Any, times: int
) -> None:
    prompt = PromptTemplate.from_template(template, template_format=template_format)
    compressor = make(rate=0.5, document_prompt=prompt)
    with pytest.raises(OptionError, match=f"once and as it is, .* it shows it {times} times"):
        compressor.compress_documents(documents(), QUESTION)


def test_a_mustache_prompt_that_does_not_escape_is_counted(make: MakeCompressor) -> None:
    prompt = PromptTemplate.from_template(
        "{{source}}: {{{page_content}}}", template_format="mustache"
    )
    after = make(target_token=40, document_prompt=prompt).compress_documents(documents(), QUESTION)
    shown = "\n\n".join(f"{doc.metadata['source']}: {doc.page_content}" for doc in after)
    assert tokens(shown) <= 40


def test_a_document_prompt_must_show_the_text() -> None:
    with pytest.raises(ValidationError, match="must have the variable page_content; it has"):
        Lingua2Compressor(rate=0.5, document_prompt=PromptTemplate.from_template("{source}"))
    with pytest.raises(ValidationError, match="instance of BasePromptTemplate"):
        Lingua2Compressor(rate=0.5, document_prompt="{page_content}")


# LangChain's own retrievers and chains


class TestRetrieverStandard(RetrieversIntegrationTests):
    """LangChain's test suite for retrievers, around a compressed one."""

    compressor: Lingua2Compressor

    @pytest.fixture(autouse=True)
    def _share(self, make: MakeCompressor) -> None:
        self.compressor = make(target_token=60)

    @property
    def retriever_constructor(self) -> Any:
        return lambda k=3: ContextualCompressionRetriever(
            base_compressor=self.compressor, base_retriever=Shelf(k=k)
        )

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


def test_a_pipeline_may_hold_it(make: MakeCompressor) -> None:
    splitter = CharacterTextSplitter(separator=". ", chunk_size=90, chunk_overlap=0)
    pipeline = DocumentCompressorPipeline(transformers=[splitter, make(target_token=50)])
    retriever = ContextualCompressionRetriever(base_compressor=pipeline, base_retriever=Shelf())
    after = retriever.invoke(QUESTION)
    assert len(after) > 3
    assert tokens(joined(after)) <= 50
    assert asyncio.run(retriever.ainvoke(QUESTION)) == after


def test_transform_documents_is_a_step_of_a_chain(half: Lingua2Compressor) -> None:
    chain = Shelf() | RunnableLambda(half.transform_documents)
    assert chain.invoke(QUESTION) == half.compress_documents(documents(), QUESTION)


def test_options_of_one_call_replace_those_of_the_compressor(half: Lingua2Compressor) -> None:
    after = half.transform_documents(documents(), target_token=15, query=QUESTION)
    assert tokens(joined(after)) <= 15
    with pytest.raises(OptionError, match="unknown option 'target_tokens'; did you mean"):
        half.transform_documents(documents(), target_tokens=15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 0.5, "relevance": "bm25"}, "relevance steers a budget"),
        ({"rate": 0.5, "relevance": [1, 2]}, "relevance='scores' takes those in their metadata"),
        ({"rate": 0.5, "token_counter": "gpt5"}, "did you mean 'gpt-5'"),
    ],
)
def test_settings_that_no_call_could_use_are_found_at_once(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Lingua2Compressor(**arguments)


@pytest.mark.parametrize("options", [{}, {"relevance": "scores"}, {"relevance": "bm25"}])
@pytest.mark.parametrize("reorder", [None, "relevance"])
def test_a_retrieval_that_found_nothing(
    make: MakeCompressor, options: dict[str, Any], reorder: Any
) -> None:
    compressor = make(target_token=50, **options, reorder=reorder if options else None)
    assert compressor.compress_documents([], QUESTION) == []


def test_the_runnable_takes_and_returns_a_list(half: Lingua2Compressor) -> None:
    chain = Shelf() | half.as_runnable()
    assert chain.invoke(QUESTION) == half.compress_documents(documents(), QUESTION)


@pytest.mark.parametrize("documents_key", ["documents", "context"])
@pytest.mark.parametrize("query_key", ["query", "question", "input", None])
def test_the_runnable_takes_a_dict_and_returns_a_new_one(
    half: Lingua2Compressor, documents_key: str, query_key: str | None
) -> None:
    given: dict[Any, Any] = {documents_key: documents(), "history": ["hello"]}
    if query_key is not None:
        given[query_key] = QUESTION
    after = half.as_runnable().invoke(given)
    expected = half.compress_documents(documents(), QUESTION)
    assert after == {**given, documents_key: expected}
    assert given[documents_key] == documents()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("text", "got str"),
        (None, "got None"),
        (Document(page_content="x"), "got Document"),
        ({"docs": []}, r"got a dict with the keys \['docs'\]"),
    ],
)
def test_the_runnable_names_the_shapes_it_takes(
    half: Lingua2Compressor, given: Any, message: str
) -> None:
    shapes = (
        'a list of Documents, or a dict with it under "documents" or "context" and the question'
    )
    with pytest.raises(InputError, match=f"{shapes}.*{message}"):
        half.as_runnable().invoke(given)


def test_a_wrong_value_in_the_dict_is_called_by_its_key(half: Lingua2Compressor) -> None:
    with pytest.raises(InputError, match="context must be a list of Documents, got str"):
        half.as_runnable().invoke({"context": "text"})
    with pytest.raises(InputError, match="'input' must hold the question as a string, got list"):
        half.as_runnable().invoke({"context": documents(), "input": ["text"]})


async def test_the_runnable_streams_batches_and_binds(half: Lingua2Compressor) -> None:
    step, other = half.as_runnable(), documents()[:1]
    expected = [half.transform_documents(docs) for docs in (documents(), other)]
    assert step.batch([documents(), other]) == expected
    assert await step.abatch([documents(), other]) == expected
    assert await step.ainvoke(other) == expected[1]
    assert list(step.stream(other)) == [expected[1]]
    assert [chunk async for chunk in step.astream(other)] == [expected[1]]
    assert tokens(joined(step.bind(target_token=9).invoke(documents()))) <= 9


async def test_a_chain_streams_its_dict_through_the_runnable(
    half: Lingua2Compressor, reader: RunnableLambda[Any, str], prompts: list[str]
) -> None:
    stuff = create_stuff_documents_chain(reader, PromptTemplate.from_template("{context}"))
    chain = {"context": Shelf(), "question": RunnablePassthrough()} | half.as_runnable() | stuff
    assert "".join(chain.stream(QUESTION)) == "an answer"
    assert "".join([chunk async for chunk in chain.astream(QUESTION)]) == "an answer"
    assert prompts == [joined(half.compress_documents(documents(), QUESTION))] * 2


def test_the_runnable_fits_into_assign_and_a_retrieval_chain(
    half: Lingua2Compressor, reader: RunnableLambda[Any, str], prompts: list[str]
) -> None:
    expected = half.compress_documents(documents(), QUESTION)
    found = RunnablePassthrough.assign(context=itemgetter("input") | Shelf())
    compressed = found | half.as_runnable() | itemgetter("context")
    assert RunnablePassthrough.assign(context=compressed).invoke({"input": QUESTION}) == {
        "input": QUESTION,
        "context": expected,
    }
    stuff = create_stuff_documents_chain(reader, PromptTemplate.from_template("{context}"))
    result = create_retrieval_chain(compressed, stuff).invoke({"input": QUESTION})
    assert result["context"] == expected
    assert (prompts, result["answer"]) == ([joined(expected)], "an answer")


# Traces


def test_the_compression_is_a_run_inside_the_retrievers_run(half: Lingua2Compressor) -> None:
    retriever = ContextualCompressionRetriever(base_compressor=half, base_retriever=Shelf())
    recorder = Recorder()
    after = retriever.invoke(QUESTION, {"callbacks": [recorder]})
    run = recorder.run_id("Lingua2Compressor")
    assert recorder.parents[run] == recorder.run_id("ContextualCompressionRetriever")
    assert recorder.ends[run]["documents"] == after


async def test_the_compression_is_a_run_inside_the_retrievers_run_async(
    half: Lingua2Compressor,
) -> None:
    retriever = ContextualCompressionRetriever(base_compressor=half, base_retriever=Shelf())
    recorder = Recorder()
    after = await retriever.ainvoke(QUESTION, {"callbacks": [recorder]})
    run = recorder.run_id("Lingua2Compressor")
    assert recorder.parents[run] == recorder.run_id("ContextualCompressionRetriever")
    assert recorder.ends[run]["documents"] == after


def test_a_step_of_a_chain_is_one_run_inside_it(half: Lingua2Compressor) -> None:
    for step in (half.as_runnable(), RunnableLambda(half.transform_documents, name="step")):
        recorder = Recorder()
        (Shelf() | step).invoke(QUESTION, {"callbacks": [recorder]})
        parent = "step" if "step" in recorder.names.values() else "RunnableSequence"
        run = recorder.run_id("Lingua2Compressor")
        assert recorder.parents[run] == recorder.run_id(parent)


def test_a_subclass_is_traced_by_its_own_name() -> None:
    class Squeezer(Lingua2Compressor):
        pass

    recorder = Recorder()
    Squeezer(target_token=1000).compress_documents(documents(), QUESTION, callbacks=[recorder])
    assert list(recorder.names.values()) == ["Squeezer"]


async def test_an_error_ends_the_run_as_an_error(half: Lingua2Compressor) -> None:
    sync, other = Recorder(), Recorder()
    with pytest.raises(InputError):
        half.compress_documents(["text"], QUESTION, callbacks=[sync])  # type: ignore[list-item]
    with pytest.raises(InputError):
        await half.acompress_documents(["text"], QUESTION, callbacks=[other])  # type: ignore[list-item]
    for recorder in (sync, other):
        assert isinstance(recorder.ends[recorder.run_id("Lingua2Compressor")], InputError)


# The object itself


def test_it_is_what_langchain_expects() -> None:
    assert issubclass(Lingua2Compressor, BaseDocumentCompressor)
    assert issubclass(Lingua2Compressor, BaseDocumentTransformer)
    for name in ("compress_documents", "acompress_documents"):
        parameters = inspect.signature(getattr(Lingua2Compressor, name)).parameters
        assert list(parameters) == ["self", "documents", "query", "callbacks"]
        assert parameters["callbacks"].default is None


def test_every_option_of_the_core_is_a_field() -> None:
    for options in (ModelOptions, CompressionOptions):
        for name, field in options.model_fields.items():
            own = Lingua2Compressor.model_fields[name]
            assert (own.annotation, own.default) == (field.annotation, field.default), name
    assert Lingua2Compressor.model_config["extra"] == "forbid"


def test_every_option_reaches_the_core(half: Lingua2Compressor, monkeypatch: Any) -> None:
    asked: dict[str, Any] = {}
    compress = half.compressor.compress

    def spy(texts: list[str], **kwargs: Any) -> Any:
        asked.update(kwargs)
        return compress(texts, **kwargs)

    monkeypatch.setattr(half.compressor, "compress", spy)
    half.compress_documents(documents(), QUESTION)
    assert asked["query"] == QUESTION
    assert {name: asked[name] for name in CompressionOptions.model_fields} == {
        name: getattr(half, name) for name in CompressionOptions.model_fields
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give exactly one of target_token .* got none of them"),
        ({"rate": 0.5, "target_token": 9}, "give exactly one of .* got target_token=9, rate=0.5"),
        ({"rate": 1.5}, "rate\n.*less than or equal to 1"),
        ({"rate": 0.5, "force_tokens": "!"}, "expected a list of strings"),
        ({"rate": 0.5, "unknown": 1}, "unknown"),
    ],
)
def test_wrong_options_are_found_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Lingua2Compressor(**options)


def test_a_missing_model_is_found_at_construction(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="no such directory"):
        Lingua2Compressor(rate=0.5, model_name=tmp_path / "nowhere")


def test_options_may_be_assigned_and_are_checked_by_the_next_call(make: MakeCompressor) -> None:
    compressor = make(rate=0.5)
    compressor.rate = 0.1
    assert tokens(joined(compressor.transform_documents(documents()))) <= 0.1 * tokens(
        joined(documents())
    )
    compressor.rate = 7
    with pytest.raises(OptionError, match="rate: "):
        compressor.transform_documents(documents())


def test_a_copy_refuses_what_is_no_option(half: Lingua2Compressor) -> None:
    with pytest.raises(OptionError, match="'target_tokens'; did you mean 'target_token'"):
        half.model_copy(update={"target_tokens": 5})


def test_what_only_the_object_can_have_is_named(half: Lingua2Compressor) -> None:
    with pytest.raises(OptionError, match=r"drop_empty cannot change.*model_copy\(update="):
        half.transform_documents(documents(), drop_empty=False)


@pytest.mark.parametrize(
    "copied",
    [
        lambda compressor: compressor.model_copy(),
        lambda compressor: compressor.model_copy(deep=True),
        copy.copy,
        copy.deepcopy,
    ],
)
def test_copies_share_the_loaded_model(half: Lingua2Compressor, copied: Any) -> None:
    half.compressor.load()
    other = copied(half)
    assert other == half
    assert other.compressor is half.compressor


def test_equal_options_make_equal_compressors(half: Lingua2Compressor, tiny: Path) -> None:
    half.compressor.load()
    assert half == Lingua2Compressor(rate=0.5, model_name=tiny)
    assert half != Lingua2Compressor(rate=0.4, model_name=tiny)
    assert half != Lingua2Scorer(model_name=tiny)


def test_a_copy_with_another_model_leaves_the_first_alone(half: Lingua2Compressor) -> None:
    before = half.compressor
    other = half.model_copy(update={"max_length": 64})
    assert other.compressor is not before
    assert half.compressor is before


def test_a_pickle_holds_the_options_and_not_the_weights(half: Lingua2Compressor) -> None:
    half.compressor.load()
    data = pickle.dumps(half)
    assert len(data) < 10_000
    assert repr(pickle.loads(data)) == repr(half)  # noqa: S301 - written one line above


def test_the_repr_shows_what_was_chosen_and_stays_short() -> None:
    class Tokenizer:
        def __call__(self, text: str) -> int:
            return len(text)

        def __repr__(self) -> str:
            return "Tokenizer(" + "x" * 100_000 + ")"

    compressor = Lingua2Compressor(target_token=300, token_counter=Tokenizer(), drop_empty=False)
    assert len(repr(compressor)) < 200
    assert repr(compressor).startswith("Lingua2Compressor(target_token=300, token_counter=Tokeni")
    assert repr(compressor).endswith("..., drop_empty=False)")
    assert repr(Lingua2Compressor(rate=0.2)) == "Lingua2Compressor(rate=0.2)"


def test_eight_threads_share_one_compressor(tiny: Path) -> None:
    compressor = Lingua2Compressor(rate=0.5, model_name=tiny)
    calls = [documents()[i % 3 :] for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(compressor.transform_documents, calls))
    assert found == [compressor.transform_documents(docs) for docs in calls]


def test_without_langchain_the_import_says_what_to_install(root: Path) -> None:
    code = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "langchain_core":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
try:
    import langchain_lingua2
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert 'pip install "lingua2[langchain]"' in done.stdout


@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
def test_a_document_that_was_empty_before_stays() -> None:
    given = [Document(page_content="", metadata={"page": 3}), Document(page_content="some words")]
    for budget in ({"rate": 1.0}, {"target_token": 1}):
        found = Lingua2Compressor(**budget).compress_documents(given, "")
        assert found[0] == given[0]


def test_metadata_that_cannot_be_copied_is_shared() -> None:
    lock = threading.Lock()
    given = [Document(page_content="some words", metadata={"lock": lock})]
    (found,) = Lingua2Compressor(rate=1.0).compress_documents(given, "")
    assert found.metadata == {"lock": lock}
    assert found.metadata is not given[0].metadata


def test_the_example_runs_and_stays_within_its_budgets(root: Path) -> None:
    script = root / "examples" / "langchain_rag.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    printed = done.stdout
    before, after, chain = (int(n) for n in _numbers(printed))
    assert before > 150 >= after > 60 >= chain
    assert "120 litres" in printed.split("=== after")[1]


def _numbers(printed: str) -> Iterator[str]:
    for line in printed.splitlines():
        if line.startswith("==="):
            yield line.split()[-2]
