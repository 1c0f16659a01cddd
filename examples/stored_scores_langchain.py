"""Score documents when they are indexed, and compress without a model when they are found.

The vectors of their sentences are stored as well, so that only the question has to be embedded.

Needs: pip install "lingua2[langchain]" langchain-text-splitters
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_lingua2 import Lingua2Compressor, Lingua2Scorer

BUDGET = 80
QUESTION = "How long does the sourdough rest?"
MANUAL = (
    "The bakery on Mill Lane starts its day at a quarter to three. As a matter of habit, and long "
    "before anything is weighed, the oven is set to 250 degrees, because the stone needs a good "
    "two hours to become hot all the way through.\n\n"
    "The sourdough is mixed on the evening before. It consists of 12 kg of rye flour, 10 litres of "
    "lukewarm water and 600 g of the starter, and it rests for at least 14 hours, under a wet "
    "cloth, in the room behind the shop, which has 24 degrees in summer and in winter alike.\n\n"
    "Needless to say, whoever takes starter from the jar feeds it afterwards: with the same weight "
    "of flour and of water, stirred until no lumps are left. A starter that smells of acetone has "
    "been hungry for too long and gets two meals a day until it smells of apples again."
)


class HashEmbeddings(Embeddings):
    """Stands in for an embedding model: the same few numbers for the same text."""

    def embed_query(self, text: str) -> list[float]:
        return [byte / 255 - 0.5 for byte in hashlib.sha256(text.encode()).digest()]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


def index(path: str) -> None:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(chunk_size=320, chunk_overlap=0)
    chunks = splitter.split_documents([Document(page_content=MANUAL)])
    # Behind the splitter, so that every chunk has its own scores.
    scored = Lingua2Scorer(embeddings=HashEmbeddings()).transform_documents(chunks)
    InMemoryVectorStore.from_documents(scored, HashEmbeddings()).dump(path)
    print(f"indexed {len(scored)} chunks with scores and sentence vectors, for example:")
    for key in ("lingua2_scores", "lingua2_embeddings"):
        print(f"  {key} = {scored[0].metadata[key][:60]}...")


def ask(path: str) -> None:
    store = InMemoryVectorStore.load(path, HashEmbeddings())
    found = store.as_retriever(search_kwargs={"k": 3}).invoke(QUESTION)
    start = time.perf_counter()
    compressor = Lingua2Compressor(target_token=BUDGET, relevance=HashEmbeddings())
    compressed = compressor.compress_documents(found, QUESTION)
    seconds = time.perf_counter() - start
    print(f"\n{QUESTION}\n" + "\n\n".join(document.page_content for document in compressed))
    print(f"\n{compressor.compressor.score_statistics}")
    print(compressor.compressor.embedding_statistics)
    print(f"first call: {1000 * seconds:.0f} ms; PyTorch was imported: {'torch' in sys.modules}")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "store.json")
        # Usually another machine at another time; here, another process.
        subprocess.run([sys.executable, __file__, path], check=True)  # noqa: S603 - this file
        ask(path)


if __name__ == "__main__":
    index(sys.argv[1]) if len(sys.argv) > 1 else main()
