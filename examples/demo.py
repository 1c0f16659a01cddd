"""A retrieval, compressed, in both frameworks: `make demo`.

    python examples/demo.py
    python examples/demo.py --file notes.md more.txt --question "Who pays?" --target-token 200

Without --file it searches a small handbook of a made-up cable car. Retrieval is BM25 in both
frameworks: real, and offline.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_text_splitters import RecursiveCharacterTextSplitter
from llama_index.core.schema import QueryBundle, TextNode
from llama_index.retrievers.bm25 import BM25Retriever as LlamaIndexBM25

from bm25 import BM25Retriever
from langchain_lingua2 import Lingua2Compressor
from lingua2.counting import resolve_token_counter
from llamaindex_lingua2 import Lingua2Postprocessor

QUESTION = "Who may replace the haul rope, and when was the haul rope last replaced?"
HANDBOOK = {
    "Rope": (
        "The track rope carries the cabin, the haul rope moves it. Both are inspected every six "
        "weeks by the operator, with a magnetic coil that finds broken wires inside the strands. "
        "The operator may shorten a rope but not replace it: that decision belongs to the federal "
        "inspector, Ms Adeyemi, alone. She last had the haul rope replaced on 14 May 2019, after "
        "the coil had found 11 broken wires within one lay length; the limit is 8."
    ),
    "Weather": (
        "The cable car stops when the wind at the upper tower exceeds 72 km/h for more than "
        "ninety seconds, or at once when it exceeds 90 km/h. Fog alone is no reason to stop. "
        "After a thunderstorm the operator must drive one empty cabin up and down before "
        "passengers may board, and has to note the time of that ride in the log book."
    ),
    "Tickets": (
        "A single ride costs 9.50, a return 16.00; children under six ride free. Season tickets "
        "are sold at the valley station only, against an identity card, and are not valid during "
        "the lantern festival. Whoever loses a season ticket pays 12.00 for a new one. The "
        "mountain hut accepts no cards, so take cash."
    ),
    "Cabin": (
        "Each of the two cabins holds 35 persons or 2,800 kg. The cabin attendant counts "
        "passengers at the gate; the scale in the floor only warns. Bicycles ride in the outer "
        "rack, at most four. Dogs need no ticket but must not stand at the door. The emergency "
        "brake grips the track rope and was last tested on 3 March, as it is every spring before "
        "the season."
    ),
    "Staff": (
        "Three people are on duty whenever a cabin moves: one driver in the upper station and an "
        "attendant in each cabin. Drivers are licensed for five years and are replaced after six "
        "hours at the controls. The night watch reports to the duty officer, Mr Brandt, who "
        "decides whether a delayed last ride still takes place."
    ),
    "Rescue": (
        "If a cabin cannot be moved within thirty minutes, the mountain rescue is called and "
        "passengers are lowered by rope from the cabin floor, the attendant last. In 2016 it took "
        "two hours and ten minutes to bring down 31 persons. The rescue ropes are replaced every "
        "ten years, when they were used or not."
    ),
}


def main() -> None:
    args = parse()
    chunks = read(args.file) if args.file else HANDBOOK
    question = args.question or QUESTION
    print(f"question   {question}")
    for name, retrieve in (("LangChain", with_langchain), ("LlamaIndex", with_llamaindex)):
        before, after = retrieve(chunks, question, args.target_token)
        show(name, before, after, args.target_token)


def with_langchain(
    chunks: dict[str, str], question: str, budget: int
) -> tuple[list[str], list[str]]:
    documents = [Document(page_content=text, metadata={"title": t}) for t, text in chunks.items()]
    retriever = BM25Retriever(documents=documents)
    compressing = ContextualCompressionRetriever(
        base_compressor=Lingua2Compressor(target_token=budget, relevance="bm25"),
        base_retriever=retriever,
    )
    before, after = retriever.invoke(question), compressing.invoke(question)
    return [d.page_content for d in before], [d.page_content for d in after]


def with_llamaindex(
    chunks: dict[str, str], question: str, budget: int
) -> tuple[list[str], list[str]]:
    nodes = [TextNode(text=text, id_=title) for title, text in chunks.items()]
    retriever = LlamaIndexBM25.from_defaults(nodes=nodes, similarity_top_k=min(4, len(nodes)))
    found = retriever.retrieve(question)
    compressor = Lingua2Postprocessor(target_token=budget, relevance="bm25")
    compressed = compressor.postprocess_nodes(found, QueryBundle(question))
    return [n.get_content() for n in found], [n.get_content() for n in compressed]


def read(paths: list[Path]) -> dict[str, str]:
    splitter = RecursiveCharacterTextSplitter(chunk_size=800, chunk_overlap=0)
    chunks = {}
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, chunk in enumerate(splitter.split_text(text), start=1):
            chunks[f"{path.name}, part {number}"] = chunk
    if not chunks:
        sys.exit("The given files hold no text.")
    return chunks


def show(name: str, before: list[str], after: list[str], budget: int) -> None:
    count = resolve_token_counter("cl100k_base")
    old, new = count("\n\n".join(before)), count("\n\n".join(after))
    print(f"\n=== {name}: {len(before)} chunks retrieved ===")
    for label, texts in (("before", before), ("after", after)):
        for text in texts:
            print(
                textwrap.indent(textwrap.fill(text, 92), "           ").replace(
                    " " * len(label), label, 1
                )
            )
    saved = f"{1 - new / old:.0%} saved" if old else "nothing retrieved"
    print(f"tokens     {old} -> {new} of a budget of {budget} ({saved})")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, nargs="+", help="your own text files")
    parser.add_argument("--question", help="what to look for in them")
    parser.add_argument(
        "--target-token", type=int, default=120, help="the budget (default: %(default)s)"
    )
    args = parser.parse_args()
    if args.file and not args.question:
        parser.error("--file needs a --question to search the files for")
    return args


if __name__ == "__main__":
    main()
