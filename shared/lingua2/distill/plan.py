"""What has to be asked: chunks, the keys of their answers, and what they will cost at most."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lingua2.counting import resolve_token_counter
from lingua2.errors import DatasetError

from .chunks import chunk_text
from .documents import Document
from .output import Known, LevelAnswer
from .prompts import fill, load_instructions
from .settings import DistillSettings, Tokens

__all__ = ["Chunk", "Estimate", "Plan"]

# A chat message is wrapped in a role and separators, which no counter of plain text sees.
_MESSAGE_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document.

    Attributes:
        id: ``<id of the document>#<number of the chunk>``.
        text: The part.
        document: The whole.
        tokens: Tokens of ``text``.
        chunking: Hash of the document and of where it was cut; the same for all its chunks.
    """

    id: str
    text: str
    document: Document
    tokens: int
    chunking: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the requests that are still to be made can use, if no answer outgrows its source.

    Attributes:
        chunks: Chunks that still lack an answer.
        requests: Requests that are left.
        input_tokens: What they read: instructions and texts.
        output_tokens: What they write at most; thinking is not foreseen.
        cost: In the currency of the price, or None without one.
    """

    chunks: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None


class Plan:
    """The chunks of all documents, and what each of them needs.

    Args:
        documents: What is to be compressed.
        teacher: The teacher's name, which is part of every key.
        settings: Levels, instructions, chunk size and token counter.

    Raises:
        DatasetError: Two documents have the same id.
    """

    def __init__(
        self, documents: Iterable[Document], teacher: str, settings: DistillSettings
    ) -> None:
        self.instructions = load_instructions(settings.levels, settings.instruction)
        self._teacher = teacher
        self._settings = settings
        self._count = resolve_token_counter(settings.token_counter)
        self._overhead = {
            level: self._count(fill(instruction, "")) + _MESSAGE_TOKENS
            for level, instruction in self.instructions.items()
        }
        self.chunks = list(self._cut(documents))

    def keys(self, chunk: Chunk) -> dict[str, str]:
        """The key of each level's answer.

        A level's answer depends on the levels before it, so its key does too; and so answers stay
        known when a further level is asked for.
        """
        keys: dict[str, str] = {}
        key = _hash(self._teacher, chunk.text)
        for level, instruction in self.instructions.items():
            key = keys[level] = _hash(key, level, instruction)
        return keys

    def known(self, chunk: Chunk, known: Known) -> tuple[dict[str, LevelAnswer], bool]:
        """The answers that are there already, and whether nothing is left to be asked."""
        found: dict[str, LevelAnswer] = {}
        for level, key in self.keys(chunk).items():
            if (answer := known.answers.get(key)) is None:
                return found, False
            found[level] = answer
            if answer.status != "ok":
                break
        return found, True

    def is_written(self, chunk: Chunk, known: Known) -> bool:
        """Whether the chunk's own last row holds all that it can hold."""
        found, complete = self.known(chunk, known)
        row = known.rows.get(chunk.id, {})
        cut_alike = known.chunkings.get(chunk.id) == chunk.chunking
        return (
            complete
            and cut_alike
            and all(row.get(level) == answer.key for level, answer in found.items())
        )

    def passes(self, known: Known) -> tuple[list[Chunk], list[Chunk]]:
        """Chunks to go through, and those to go through after them.

        The latter repeat the text of a former one: its answer will be theirs.
        """
        first: dict[str, Chunk] = {}
        repeats: list[Chunk] = []
        for chunk in self.chunks:
            if not self.is_written(chunk, known):
                if chunk.text in first:
                    repeats.append(chunk)
                else:
                    first[chunk.text] = chunk
        return list(first.values()), repeats

    def request(self, level: str, text: str) -> tuple[str, Tokens]:
        """The prompt that asks for ``level``, and what it can use."""
        tokens = self._count(text)
        return (
            fill(self.instructions[level], text),
            Tokens(self._overhead[level] + tokens, tokens),
        )

    def estimate(self, known: Known) -> Estimate:
        """What is left to be asked."""
        chunks = requests = 0
        total = Tokens()
        for chunk in self.passes(known)[0]:
            found, complete = self.known(chunk, known)
            if complete:
                continue
            chunks += 1
            texts = [answer.text for answer in found.values() if answer.text is not None]
            tokens = self._count(texts[-1]) if texts else chunk.tokens
            for level in self.instructions.keys() - found.keys():
                requests += 1
                total += Tokens(self._overhead[level] + tokens, tokens)
        price = self._settings.price
        cost = None if price is None else price.of(total)
        return Estimate(chunks, requests, total.input, total.output, cost)

    def _cut(self, documents: Iterable[Document]) -> Iterator[Chunk]:
        seen: set[str] = set()
        for document in documents:
            if document.id in seen:
                raise DatasetError(
                    f"two documents have the id {document.id!r}; ids must be unique: give rows an "
                    "id of their own, and all sources to one read_documents()"
                )
            seen.add(document.id)
            spans = chunk_text(document.text, self._count, self._settings.max_tokens)
            chunking = _hash(document.text, *map(str, spans))[:16]
            for number, (start, end) in enumerate(spans):
                text = document.text[start:end]
                name = f"{document.id}#{number}"
                yield Chunk(name, text, document, self._count(text), chunking)


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
