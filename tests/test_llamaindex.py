"""The LlamaIndex postprocessor: nodes in, fewer tokens out, everything else as it was."""

from __future__ import annotations

import copy
import json
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from llama_index.core import Document, PromptTemplate, Settings, get_response_synthesizer
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.base import BaseEvent
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms import ChatMessage, CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    NodeWithScore,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step
from pydantic import Field, ValidationError

from lingua2 import BudgetWarning, InputError, OptionError
from lingua2.model_options import ModelOptions
from lingua2.options import CompressionOptions
from llamaindex_lingua2 import Lingua2Postprocessor
from samples import CHINESE, CODE, LOG, MARKDOWN, PROSE


def tokens(text: str) -> int:
    return len(Settings.tokenizer(text))


def scored(*texts: str, **fields: Any) -> list[NodeWithScore]:
    return [
        NodeWithScore(
            node=TextNode(text=text, id_=f"n{i}", **copy.deepcopy(fields)), score=1 - i / 9
        )
        for i, text in enumerate(texts)
    ]


def context(nodes: list[NodeWithScore]) -> str:
    return "\n\n".join(item.node.get_content(MetadataMode.LLM) for item in nodes)


class FixedRetriever(BaseRetriever):
    """Finds the same nodes for every question."""

    def __init__(self, nodes: list[NodeWithScore]) -> None:
        self.nodes = nodes
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self.nodes


class Recorder(CustomLLM):
    """A reader that notes what it reads."""

    read: list[str] = Field(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self.read.append(prompt)
        return CompletionResponse(text="ok")

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        self.read.append(prompt)
        yield CompletionResponse(text="ok", delta="ok")


def engine(
    nodes: list[NodeWithScore], compressor: Lingua2Postprocessor, reader: Recorder
) -> RetrieverQueryEngine:
    template = PromptTemplate("<<{context_str}>> {query_str}")
    return RetrieverQueryEngine(
        retriever=FixedRetriever(nodes),
        response_synthesizer=get_response_synthesizer(llm=reader, text_qa_template=template),
        node_postprocessors=[compressor],
    )


# --- nodes


def test_nodes_keep_everything_but_words() -> None:
    nodes = scored(PROSE, LOG, metadata={"title": "Harbour"}, excluded_llm_metadata_keys=["id"])
    nodes[0].node.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id="n1")
    nodes[0].node.embedding = [0.25, 0.5]
    before = copy.deepcopy(nodes)
    found = Lingua2Postprocessor(target_token=60).postprocess_nodes(nodes, query_str="Which pier?")
    assert nodes == before
    assert len(found) == 2
    for old, new in zip(nodes, found, strict=True):
        assert type(new.node) is type(old.node)
        assert (new.score, new.node.node_id) == (old.score, old.node.node_id)
        assert new.node.metadata == old.node.metadata
        assert new.node.metadata is not old.node.metadata
        assert new.node.relationships == old.node.relationships
        assert new.node.embedding == old.node.embedding
        assert 0 < len(new.text) < len(old.text)
    assert tokens(context(found)) <= 60


def test_every_kind_of_node_with_text_is_compressed_and_others_are_left_alone() -> None:
    markdown = MediaResource(text=MARKDOWN, mimetype="text/markdown")
    target = TextNode(text="whole chapter")
    kinds: list[BaseNode] = [
        TextNode(text=PROSE),
        Document(text=PROSE),
        IndexNode(text=PROSE, index_id="chapter", obj=target),
        ImageNode(text=PROSE, image_url="https://example.org/a.png"),
        Node(text_resource=markdown),
    ]
    silent: list[BaseNode] = [
        ImageNode(image_url="https://example.org/b.png"),
        Node(image_resource=MediaResource(data=b"aGVsbG8=")),
    ]
    given = [NodeWithScore(node=node) for node in (*kinds, *silent)]
    found = Lingua2Postprocessor(rate=0.5).postprocess_nodes(given)
    assert [type(item.node) for item in found] == [type(item.node) for item in given]
    for old, new in zip(given[:5], found, strict=False):
        assert 0 < len(new.node.get_content()) < len(old.node.get_content())
    for old, new in zip(given[5:], found[5:], strict=True):
        assert new.node == old.node
    assert found[2].node.obj is target
    assert found[4].node.text_resource.mimetype == "text/markdown"


def test_what_fits_comes_back_as_it_was() -> None:
    nodes = scored("  padded text \n", CODE)
    found = Lingua2Postprocessor(target_token=1000).postprocess_nodes(nodes)
    assert found == nodes
    assert found[0].node is not nodes[0].node


def test_empty_nodes_go_or_stay() -> None:
    nodes = scored("well and so it is, as it were", PROSE)
    assert len(Lingua2Postprocessor(target_token=5).postprocess_nodes(nodes)) == 1
    kept = Lingua2Postprocessor(target_token=5, drop_empty=False).postprocess_nodes(nodes)
    assert [bool(item.text) for item in kept] == [False, True]
    assert Lingua2Postprocessor(target_token=5).postprocess_nodes([]) == []


def test_statistics_come_on_request_and_stay_hidden_from_readers_and_embedders() -> None:
    plain = Lingua2Postprocessor(rate=0.5).postprocess_nodes(scored(PROSE))
    assert plain[0].node.metadata == {}
    (item,) = Lingua2Postprocessor(rate=0.5, add_statistics=True).postprocess_nodes(scored(PROSE))
    assert item.node.metadata["lingua2_original_tokens"] == tokens(PROSE)
    assert item.node.metadata["lingua2_compressed_tokens"] == tokens(item.text)
    losses = json.loads(item.node.metadata["lingua2_losses"])
    assert (losses["tokens_before"], losses["tokens_after"]) == (tokens(PROSE), tokens(item.text))
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert "lingua2" not in item.node.get_content(mode)


# --- the budget is what the reader sees


@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
@pytest.mark.parametrize("budget", [12, 40, 90, 150])
@pytest.mark.parametrize(
    "template", ["{metadata_str}\n\n{content}", "[{metadata_str}]\n{content}\n"]
)
def test_metadata_that_the_reader_sees_counts(budget: int, template: str) -> None:
    nodes = scored(
        PROSE,
        CHINESE,
        LOG,
        metadata={"title": "Harbour news", "secret": "x " * 40},
        excluded_llm_metadata_keys=["secret"],
        text_template=template,
    )
    nodes.append(
        NodeWithScore(node=ImageNode(image_url="https://a.b/c.png", metadata={"alt": "a pier"}))
    )
    found = Lingua2Postprocessor(target_token=budget).postprocess_nodes(nodes)
    assert tokens(context(found)) <= budget
    unaware = Lingua2Postprocessor(target_token=90, count_metadata=False).postprocess_nodes(nodes)
    assert tokens("\n\n".join(item.text for item in unaware)) <= 90 < tokens(context(unaware))


def test_a_template_that_shows_the_text_twice_cannot_be_counted() -> None:
    nodes = scored(PROSE, metadata={"a": "b"}, text_template="{content} {metadata_str} {content}")
    with pytest.raises(OptionError, match=r"shows its content 2 times.*count_metadata=False"):
        Lingua2Postprocessor(target_token=60).postprocess_nodes(nodes)


def test_metadata_that_alone_exceeds_the_budget_is_a_warning() -> None:
    nodes = scored(PROSE, metadata={"title": "Harbour " * 20})
    with pytest.warns(BudgetWarning, match="budget of 9 tokens"):
        (item,) = Lingua2Postprocessor(target_token=9, drop_empty=False).postprocess_nodes(nodes)
    assert item.text == ""


def test_the_counter_is_llamaindexs_global_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    compressor = Lingua2Postprocessor(target_token=100)
    monkeypatch.setattr(Settings, "tokenizer", list)
    (item,) = compressor.postprocess_nodes(scored(PROSE))
    assert len(item.text) == 100
    (item,) = Lingua2Postprocessor(target_token=10, token_counter="o200k_base").postprocess_nodes(
        scored(PROSE)
    )
    assert 20 < len(item.text) < 100


# --- white space that the reader does not see

# Words that are one token behind a space and two or three at the start of a line.
SAILORS = "sailors sailed past the pier."
VALVES = "and so on and on:\n sailors repaired valves in 1921,\n\t captain and ferry unpaid"
BLANKS = st.sampled_from(["", "", " ", "  ", "\n", "\n ", "\t ", " \n\n", "\u00a0", "\u3000"])


@pytest.fixture(scope="module")
def shared() -> Lingua2Postprocessor:
    """Loaded once; tests copy it with the budget they need."""
    loaded = Lingua2Postprocessor(target_token=1)
    loaded.postprocess_nodes(scored(PROSE))
    return loaded


def sent_by(
    compressor: Lingua2Postprocessor, nodes: list[NodeWithScore]
) -> tuple[str, list[NodeWithScore]]:
    """The context in the prompt of a query engine, and the nodes that it came from."""
    reader = Recorder()
    response = engine(nodes, compressor, reader).query("Which pier?")
    if not reader.read:
        return "", response.source_nodes
    (prompt,) = reader.read
    return prompt[prompt.index("<<") + 2 : prompt.rindex(">>")], response.source_nodes


@settings(max_examples=40)
@given(
    parts=st.lists(
        st.tuples(BLANKS, st.sampled_from([SAILORS, VALVES, "", "17 ferries"]), BLANKS),
        min_size=1,
        max_size=3,
    ),
    title=st.sampled_from([None, "harbour"]),
    short_of=st.integers(-1, 4),
    drop_empty=st.booleans(),
)
@example(parts=[(" ", SAILORS, "")], title=None, short_of=0, drop_empty=True)
@example(parts=[("", VALVES, "")], title=None, short_of=14, drop_empty=True)
def test_the_budget_holds_for_what_synthesizers_strip(
    shared: Lingua2Postprocessor,
    parts: list[tuple[str, str, str]],
    title: str | None,
    short_of: int,
    drop_empty: bool,
) -> None:
    nodes = scored(*map("".join, parts))
    if title is not None:
        nodes[-1].node.metadata["title"] = title
    before = copy.deepcopy(nodes)
    budget = max(1, tokens(context(nodes)) - short_of)
    compressor = shared.model_copy(update={"target_token": budget, "drop_empty": drop_empty})
    with warnings.catch_warnings():
        # Metadata that stays can exceed a small budget on its own, and then no text is kept.
        warnings.simplefilter("ignore", BudgetWarning)
        sent, found = sent_by(compressor, nodes)
    assert nodes == before
    if any(item.text for item in found):
        assert tokens(sent) <= budget
        assert tokens(context(found)) <= budget


def test_what_fits_only_with_its_outer_white_space_is_compressed(
    shared: Lingua2Postprocessor,
) -> None:
    padded, bare = " " + SAILORS, SAILORS
    assert tokens(padded) < tokens(bare)
    compressor = shared.model_copy(update={"target_token": tokens(padded)})
    (item,) = compressor.postprocess_nodes(scored(padded))
    assert 0 < tokens(item.text) <= tokens(padded)
    assert item.text == item.text.strip() != bare


def test_what_fits_only_without_its_outer_white_space_loses_just_that(
    shared: Lingua2Postprocessor,
) -> None:
    padded = " \n\t\n " + PROSE + "\n \n\t"
    compressor = shared.model_copy(update={"target_token": tokens(PROSE)})
    (item,) = compressor.postprocess_nodes(scored(padded))
    assert item.text == PROSE
    (item,) = Lingua2Postprocessor(rate=1).postprocess_nodes(scored(padded))
    assert item.text == padded


@pytest.mark.parametrize("budget", [1, 4, 6, 9])
def test_an_indentation_that_the_reader_does_not_see_saves_no_tokens(
    shared: Lingua2Postprocessor, budget: int
) -> None:
    compressor = shared.model_copy(update={"target_token": budget})
    sent, _ = sent_by(compressor, scored(VALVES))
    assert 0 < tokens(sent) <= budget


@pytest.mark.parametrize("options", [{"target_token": 9}, {"target_token": 30}, {"threshold": 0.5}])
def test_spans_index_the_text_of_the_node_with_its_outer_white_space(
    shared: Lingua2Postprocessor, options: dict[str, Any]
) -> None:
    texts = [f" \n {VALVES} \n", f"\t{SAILORS}"]
    update = {"target_token": None, "add_statistics": True, **options}
    for item in shared.model_copy(update=update).postprocess_nodes(scored(*texts)):
        source = texts[int(item.node.node_id[1:])]
        slices = [source[a:b] for a, b in json.loads(item.node.metadata["lingua2_spans"])]
        assert item.text.startswith(slices[0])
        assert item.text.endswith(slices[-1])
        assert "".join(item.text.split()) == "".join("".join(slices).split())
        assert item.node.metadata["lingua2_original_tokens"] == tokens(source)


def test_blank_nodes_are_empty_nodes(shared: Lingua2Postprocessor) -> None:
    compressor = shared.model_copy(update={"target_token": 30, "add_statistics": True})
    blank, empty = (compressor.postprocess_nodes(scored(text, PROSE, text)) for text in (" \n", ""))
    assert blank == empty
    assert [bool(item.text) for item in blank] == [False, True, False]


async def test_ingestion_and_asynchronous_calls_strip_alike(shared: Lingua2Postprocessor) -> None:
    nodes = scored(f"  {VALVES}\n", f"\n {SAILORS}")
    compressor = shared.model_copy(update={"target_token": 14})
    found = [item.node for item in compressor.postprocess_nodes(nodes)]
    plain = [item.node for item in nodes]
    assert found == compressor(plain) == await compressor.acall(plain)
    assert found == [item.node for item in await compressor.apostprocess_nodes(nodes)]
    assert all(node.get_content() == node.get_content().strip() for node in found)


# --- engines, chats, workflows, pipelines


def test_a_query_engine_sends_no_more_than_the_budget() -> None:
    reader = Recorder()
    nodes = scored(PROSE, LOG, MARKDOWN, metadata={"title": "Harbour"})
    response = engine(nodes, Lingua2Postprocessor(target_token=80), reader).query("Which pier?")
    (prompt,) = reader.read
    sent = prompt[prompt.index("<<") + 2 : prompt.rindex(">>")]
    assert 70 < tokens(sent) <= 80
    assert "title: Harbour" in sent
    assert [item.node.node_id for item in response.source_nodes] == ["n0", "n1", "n2"]


async def test_a_query_engine_does_the_same_asynchronously() -> None:
    nodes = scored(PROSE, LOG)
    sync_reader, async_reader = Recorder(), Recorder()
    compressor = Lingua2Postprocessor(target_token=50)
    engine(nodes, compressor, sync_reader).query("Which pier?")
    await engine(nodes, compressor, async_reader).aquery("Which pier?")
    assert sync_reader.read == async_reader.read


def test_a_chat_engine_sends_no_more_than_the_budget() -> None:
    reader = Recorder()
    chat = ContextChatEngine.from_defaults(
        retriever=FixedRetriever(scored(PROSE, LOG)),
        llm=reader,
        context_template="<<{context_str}>>",
        node_postprocessors=[Lingua2Postprocessor(target_token=50)],
    )
    chat.chat("Which pier?", chat_history=[ChatMessage("hello")])
    (sent,) = re.findall(r"<<(.*?)>>", reader.read[0], re.DOTALL)
    assert 0 < tokens(sent.strip()) <= 50


async def test_a_workflow_step_uses_it() -> None:
    class Flow(Workflow):
        @step
        async def run_step(self, _: Context, event: StartEvent) -> StopEvent:
            compressor = Lingua2Postprocessor(target_token=30)
            return StopEvent(result=await compressor.apostprocess_nodes(event.nodes, query_str="q"))

    found = await Flow(timeout=60).run(nodes=scored(PROSE))
    assert 0 < tokens(found[0].text) <= 30


def test_an_ingestion_pipeline_caches_by_settings() -> None:
    documents = [Document(text=PROSE, id_="a"), Document(text=LOG, id_="b")]
    pipeline = IngestionPipeline(
        transformations=[Lingua2Postprocessor(rate=0.5, allocation="uniform")],
        docstore=None,
    )
    first = pipeline.run(documents=documents)
    assert [node.get_content() for node in pipeline.run(documents=documents)] == [
        node.get_content() for node in first
    ]
    pipeline.transformations = [Lingua2Postprocessor(rate=0.3, allocation="uniform")]
    harder = pipeline.run(documents=documents)
    for mild, hard, source in zip(first, harder, documents, strict=True):
        assert len(hard.get_content()) < len(mild.get_content()) < len(source.text)
        assert hard.node_id == source.node_id


async def test_acall_equals_call() -> None:
    documents = [Document(text=PROSE), Document(text=CODE)]
    compressor = Lingua2Postprocessor(threshold=0.5)
    assert await compressor.acall(documents) == compressor(documents)


def test_eight_threads_share_one() -> None:
    compressor = Lingua2Postprocessor(target_token=40)
    jobs = [scored(PROSE), scored(LOG, CODE), scored(CHINESE, MARKDOWN)] * 8
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(compressor.postprocess_nodes, jobs))
    assert together[:3] * 8 == together


# --- options and serialisation


def test_every_option_is_a_field() -> None:
    fields = Lingua2Postprocessor.model_fields
    assert set(CompressionOptions.model_fields) | set(ModelOptions.model_fields) <= set(fields)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of target_token"),
        ({"rate": 0.5, "target_token": 5}, "exactly one of target_token"),
        ({"rate": 1.5}, "less than or equal to 1"),
        ({"threshold": 0.5, "relevance": "bm25"}, "relevance steers a budget"),
        ({"rate": 0.5, "relevance": [1, 2]}, "relevance='scores' takes the nodes' own"),
        ({"rate": 0.5, "token_counter": "gpt5"}, "did you mean 'gpt-5'"),
        ({"target_tokens": 5}, "unknown option 'target_tokens'; did you mean 'target_token'"),
    ],
)
def test_wrong_options_say_what_is_allowed(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Lingua2Postprocessor(**arguments)


def test_it_survives_dict_json_pickle_and_deepcopy(tiny_bert: Path) -> None:
    original = Lingua2Postprocessor(
        rate=0.4, force_tokens=["pier", "."], model_name=tiny_bert, token_counter="gpt-4o"
    )
    expected = original.postprocess_nodes(scored(PROSE))
    assert original.to_dict()["class_name"] == "Lingua2Postprocessor"
    for restored in (
        Lingua2Postprocessor.from_dict(original.to_dict()),
        Lingua2Postprocessor.from_json(original.to_json()),
        pickle.loads(pickle.dumps(original)),  # noqa: S301 - our own
        copy.deepcopy(original),
    ):
        assert restored.to_dict() == original.to_dict()
        assert restored.postprocess_nodes(scored(PROSE)) == expected


def test_a_counter_that_cannot_be_written_down_must_be_given_again() -> None:
    data = Lingua2Postprocessor(rate=0.5, token_counter=lambda text: len(text)).to_dict()
    with pytest.raises(ValidationError, match=r"from_dict\(data, token_counter=\.\.\.\)"):
        Lingua2Postprocessor.from_dict(data)
    restored = Lingua2Postprocessor.from_dict(data, token_counter=len)
    assert len(restored.postprocess_nodes(scored(PROSE))[0].text) <= len(PROSE) / 2


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ("a text", "must be a list of NodeWithScore, got one str"),
        (["a text"], r"nodes\[0\] is a str.*TextNode\(text=text\)"),
        (TextNode(text="a"), "got one TextNode"),
        ([TextNode(text="a")], r"wrap it: NodeWithScore\(node=node\)"),
        (None, "got NoneType"),
    ],
)
def test_wrong_nodes_say_what_is_expected(nodes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Lingua2Postprocessor(rate=0.5).postprocess_nodes(nodes)


# --- tracing


class Events(BaseEventHandler):
    """Notes every event."""

    seen: list[BaseEvent] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        self.seen.append(event)


@pytest.fixture
def trace() -> Iterator[tuple[Events, SimpleSpanHandler]]:
    root, events, spans = get_dispatcher(), Events(), SimpleSpanHandler()
    handlers = list(root.event_handlers), list(root.span_handlers)
    root.add_event_handler(events)
    root.add_span_handler(spans)
    yield events, spans
    root.event_handlers, root.span_handlers = handlers


async def test_events_and_spans_start_and_end_in_balance(
    trace: tuple[Events, SimpleSpanHandler],
) -> None:
    events, spans = trace
    compressor = Lingua2Postprocessor(target_token=30)
    compressor.postprocess_nodes(scored(PROSE), query_str="Which pier?")
    await compressor.apostprocess_nodes(scored(PROSE), query_str="Which pier?")
    kinds = [type(e) for e in events.seen if isinstance(e, (ReRankStartEvent, ReRankEndEvent))]
    assert kinds == [ReRankStartEvent, ReRankEndEvent] * 2
    assert not spans.open_spans
    assert any("apostprocess_nodes" in span.id_ for span in spans.completed_spans)


def test_an_error_ends_its_event_too(trace: tuple[Events, SimpleSpanHandler]) -> None:
    def broken(text: str) -> int:
        raise RuntimeError(f"no tokens for {len(text)} characters")

    debug = LlamaDebugHandler(print_trace_on_end=False)
    compressor = Lingua2Postprocessor(
        rate=0.5, token_counter=broken, callback_manager=CallbackManager([debug])
    )
    with pytest.raises(RuntimeError, match="no tokens"):
        compressor.postprocess_nodes(scored(PROSE))
    assert [type(e).__name__ for e in trace[0].seen if "ReRank" in type(e).__name__] == [
        "ReRankStartEvent",
        "ReRankEndEvent",
    ]
    pairs = debug.get_event_pairs(CBEventType.RERANKING)
    assert [len(pair) for pair in pairs] == [2]


# --- around it


def test_a_missing_llama_index_is_named_with_what_to_install() -> None:
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'llama_index':\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "import llamaindex_lingua2\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    assert 'pip install "lingua2[llamaindex]"' in done.stderr


def test_the_example_runs_and_stays_within_its_budget(root: Path) -> None:
    script = root / "examples" / "llamaindex_rag.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    before, after = map(int, re.findall(r"(\d+) tokens", done.stdout))
    assert before > 110 >= after > 100
    assert "sensor P-17" in done.stdout.split("=== the whole prompt")[1]
    assert "Warning" not in done.stderr
