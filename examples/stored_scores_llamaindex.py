"""Score nodes when they are ingested, and compress without a model when they are found.

The vectors of their sentences are stored as well, so that only the question has to be embedded.

Needs: pip install "lingua2[llamaindex]"
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time

from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter

from llamaindex_lingua2 import Lingua2Postprocessor, Lingua2Scorer

BUDGET = 80
QUESTION = "When may the boats be taken out?"
RULES = (
    "The rowing club lends its boats to all members who have passed the swimming test. Boats may "
    "be taken out from the first of April to the end of October, between sunrise and one hour "
    "before sunset, and under no circumstances while the red flag is up at the weir.",
    "As far as possible, members should write down who takes which boat before they carry it to "
    "the water: the book lies on the table in the boathouse. Whoever comes back later than "
    "announced will, sooner or later, have the pleasure of meeting the lake police.",
    "Oars are hung up with the blades pointing down. It is worth mentioning that boat 7 leaks a "
    "little on the left side; until the carpenter has been there, on 12 May at the latest, it "
    "must be lifted out of the water after each trip and turned over.",
)


class HashEmbedding(BaseEmbedding):
    """Stands in for an embedding model: the same few numbers for the same text."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [byte / 255 - 0.5 for byte in hashlib.sha256(text.encode()).digest()]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def ingest(directory: str) -> None:
    # Behind the splitter, so that every node has its own scores.
    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=128, chunk_overlap=0),
            Lingua2Scorer(embeddings=HashEmbedding()),
            HashEmbedding(),
        ]
    )
    nodes = pipeline.run(documents=[Document(text=text) for text in RULES])
    index = VectorStoreIndex(nodes, embed_model=HashEmbedding())
    index.storage_context.persist(directory)
    print(f"ingested {len(nodes)} nodes with scores and sentence vectors, for example:")
    for key in ("lingua2_scores", "lingua2_embeddings"):
        print(f"  {key} = {nodes[0].metadata[key][:60]}...")


def ask(directory: str) -> None:
    context = StorageContext.from_defaults(persist_dir=directory)
    index = load_index_from_storage(context, embed_model=HashEmbedding())
    found = index.as_retriever(similarity_top_k=3).retrieve(QUESTION)
    start = time.perf_counter()
    # With an LLM: index.as_query_engine(node_postprocessors=[Lingua2Postprocessor(...)])
    postprocessor = Lingua2Postprocessor(target_token=BUDGET, relevance=HashEmbedding())
    compressed = postprocessor.postprocess_nodes(found, query_str=QUESTION)
    seconds = time.perf_counter() - start
    print(f"\n{QUESTION}\n" + "\n\n".join(item.node.get_content() for item in compressed))
    print(f"\n{postprocessor.compressor.score_statistics}")
    print(postprocessor.compressor.embedding_statistics)
    print(f"first call: {1000 * seconds:.0f} ms; PyTorch was imported: {'torch' in sys.modules}")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        # Usually another machine at another time; here, another process.
        subprocess.run([sys.executable, __file__, directory], check=True)  # noqa: S603 - this file
        ask(directory)


if __name__ == "__main__":
    ingest(sys.argv[1]) if len(sys.argv) > 1 else main()
