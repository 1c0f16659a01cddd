"""Retrieve, compress to a token budget, and build the prompt: everything runs offline.

Needs: pip install "lingua2[langchain]" langchain-classic rank-bm25
"""

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.prompts import PromptTemplate, format_document
from langchain_core.runnables import RunnablePassthrough

from bm25 import BM25Retriever
from langchain_lingua2 import Lingua2Compressor
from lingua2.counting import tiktoken_encoding

BUDGET = 150
QUESTION = "How often does the filter of the coffee machine have to be changed?"
DOCUMENT_PROMPT = PromptTemplate.from_template("[{title}]\n{page_content}")

DOCUMENTS = [
    Document(
        id="filter",
        metadata={"title": "Water filter"},
        page_content=(
            "The coffee machine on the second floor has a water filter behind the left panel. As a "
            "general rule, and unless the display says otherwise, the filter has to be changed "
            "every eight weeks or after 120 litres, whichever comes first. Please remember that a "
            "new filter must first be rinsed under cold running water for about 30 seconds, or the "
            "first cups will taste of charcoal. Spare filters are kept in cabinet B-12."
        ),
    ),
    Document(
        id="descaling",
        metadata={"title": "Descaling"},
        page_content=(
            "It goes without saying that even a machine with a fresh filter gathers some limescale "
            "over time. When the orange lamp starts to blink, the coffee machine wants to be "
            "descaled; this takes roughly 40 minutes and needs two tablets. Do not use vinegar, "
            "since it attacks the seals, and do not switch the machine off halfway through."
        ),
    ),
    Document(
        id="beans",
        metadata={"title": "Beans and milk"},
        page_content=(
            "Beans are ordered by the front desk on the first Monday of every month. Anyone who "
            "notices that fewer than three bags are left is kindly asked to write to Jonas Weber. "
            "Milk is delivered twice a week, on Tuesdays and Fridays, and it belongs in the small "
            "refrigerator, not on top of the coffee machine."
        ),
    ),
    Document(
        id="printer",
        metadata={"title": "Printer"},
        page_content=(
            "The printer next to the lift accepts A4 and A3. Should the paper jam, open flap C "
            "first and pull the sheet out slowly, in the direction of the arrow."
        ),
    ),
]


def prompt_of(documents: list[Document]) -> str:
    return "\n\n".join(format_document(document, DOCUMENT_PROMPT) for document in documents)


def show(heading: str, documents: list[Document]) -> None:
    prompt = prompt_of(documents)
    tokens = len(tiktoken_encoding("cl100k_base").encode_ordinary(prompt))
    print(f"=== {heading}: {tokens} tokens\n{prompt}\n")


def main() -> None:
    retriever = BM25Retriever(documents=DOCUMENTS, k=3)
    # The titles and blank lines that the prompt adds are within the budget.
    compressor = Lingua2Compressor(target_token=BUDGET, document_prompt=DOCUMENT_PROMPT)

    show("before", retriever.invoke(QUESTION))

    compressed = ContextualCompressionRetriever(
        base_compressor=compressor, base_retriever=retriever
    )
    show("after", compressed.invoke(QUESTION))

    # The same as steps of a chain, which also hand the question on to what comes next.
    chain = {
        "context": retriever,
        "question": RunnablePassthrough(),
    } | compressor.as_runnable().bind(target_token=60)
    answer = chain.invoke(QUESTION)
    show(f"as a chain, for {answer['question']!r}", answer["context"])


if __name__ == "__main__":
    main()
