"""Retrieve, compress to a token budget, and see the prompt that the reader gets: all offline.

Needs: pip install "lingua2[llamaindex]" llama-index-retrievers-bm25
"""

from llama_index.core import PromptTemplate, Settings, get_response_synthesizer
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.retrievers.bm25 import BM25Retriever

from llamaindex_lingua2 import Lingua2Postprocessor

BUDGET = 110
QUESTION = "Which sensor reported the leak in tank 3?"
NODES = [
    TextNode(
        metadata={"shift": "night", "date": "2 June"},
        excluded_llm_metadata_keys=["shift"],
        text="At 02:40 sensor P-17 reported a falling level in tank 3. The operator first took it "
        "for a fault, since P-17 had been replaced only the week before, but the second sensor, "
        "P-18, confirmed the leak nine minutes later. About 340 litres of coolant had run out by "
        "then. The valve was closed by hand because the motor did not answer.",
    ),
    TextNode(
        metadata={"shift": "day", "date": "2 June"},
        excluded_llm_metadata_keys=["shift"],
        text="The weld at the bottom of tank 3 was repaired before noon, and the tank was filled "
        "again in the afternoon. Nobody has found out yet why the valve's motor had not answered; "
        "an electrician will look at it on Thursday. Until then tank 3 must not run unattended.",
    ),
    TextNode(
        metadata={"shift": "day", "date": "3 June"},
        excluded_llm_metadata_keys=["shift"],
        text="A quiet day. Tank 1 and tank 2 were cleaned as planned, the sensor caps were "
        "replaced, and two visitors from the insurance company took photographs of the floor.",
    ),
]


def main() -> None:
    Settings.llm = MockLLM()
    retriever = BM25Retriever.from_defaults(nodes=NODES, similarity_top_k=3)
    # The date that the reader sees with every node is within the budget.
    compressor = Lingua2Postprocessor(target_token=BUDGET)
    engine = RetrieverQueryEngine(
        retriever=retriever,
        response_synthesizer=get_response_synthesizer(
            text_qa_template=PromptTemplate("{context_str}\n---\n{query_str}")
        ),
        node_postprocessors=[compressor],
    )
    show("before", [item.node for item in retriever.retrieve(QUESTION)])
    response = engine.query(QUESTION)
    show("after", [item.node for item in response.source_nodes])
    # MockLLM answers with its prompt, so this is what a reader would have read.
    print(f"=== the whole prompt\n{response}")


def show(heading: str, nodes: list[TextNode]) -> None:
    context = "\n\n".join(node.get_content(MetadataMode.LLM) for node in nodes)
    print(f"=== {heading}: {len(Settings.tokenizer(context))} tokens\n{context}\n")


if __name__ == "__main__":
    main()
