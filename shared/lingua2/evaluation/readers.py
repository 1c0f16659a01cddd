"""Readers: LangChain models that answer from compressed documents, asked once per prompt."""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lingua2._chat_models import resolve_model
from lingua2._extras import require
from lingua2.counting import resolve_token_counter
from lingua2.distill.background import run_in_background
from lingua2.errors import OptionError

from .identity import reader_identity, reader_name, reader_settings
from .importing import imported, is_module
from .store import Store, key_of

__all__ = [
    "STATUSES",
    "Reader",
    "ReaderSettings",
    "Reply",
    "Status",
    "resolve_reader",
]

Status = Literal["ok", "empty", "refused", "timeout", "error"]
"""What came of a request. Only ``"ok"`` is scored."""
STATUSES: tuple[Status, ...] = get_args(Status)
"""All of them."""

# A provider's own word for it, and how models begin a refusal. "I'm sorry, but the text does not
# say" is an answer, and what a compressor that lost the text must be scored by.
_REFUSED = {"content_filter", "refusal", "safety", "prohibited_content"}
_REFUSAL = re.compile(
    r"\W*(?:(?:i['’]m|i am)(?: very| really)? sorry,?|sorry,?|i apologi[sz]e,?)? *(?:but )?"
    r"i (?:cannot|can['’]t|can not|won['’]t|will not|am unable to|am not able to|['’]m unable to)"
    r" (?:assist|help|comply|fulfil|engage|continue|discuss|create|generate|produce|provide|do)\b|"
    r"\W*as an ai\b",
    re.IGNORECASE,
)
_ABOUT_THE_TEXT = re.compile(
    r"\b(?:answers?|articles?|context|documents?|mention\w*|passages?|summar\w+|texts?|"
    r"transcripts?)\b",
    re.IGNORECASE,
)
_FIRST_SENTENCES = 300
_FINAL = ("ok", "empty", "refused")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reader made of a prompt.

    Attributes:
        text: The answer, verbatim; empty unless there is one.
        status: What came of the request.
        input_tokens: As the provider says, else as counted.
        output_tokens: Likewise.
        seconds: How long it took.
        error: What went wrong.
    """

    text: str
    status: Status
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """How a reader is asked.

    Attributes:
        concurrency: Requests in flight at most.
        timeout: Seconds until a request is given up.
        token_counter: Counts where the provider does not say.
    """

    concurrency: int = 4
    timeout: float = 120.0
    token_counter: Any = "cl100k_base"

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.timeout <= 0:
            raise OptionError(
                "a reader needs a concurrency of at least 1 and a timeout above 0, got "
                f"{self.concurrency} and {self.timeout}"
            )


def resolve_reader(reader: Any, **options: Any) -> Any:
    """The LangChain model that ``reader`` stands for.

    Args:
        reader: A LangChain chat model or LLM (or a runnable around one), or a name for LangChain's
            ``init_chat_model`` such as ``"openai:gpt-4o"``, whose API key comes from the
            environment, or ``"module:name"`` of a model or of a function that makes one, also of a
            module in the current directory.
        **options: With a name, passed to the model or the function: ``base_url``,
            ``temperature``, …

    Raises:
        OptionError: The reader cannot be set up, or is something else.
        ImportError: LangChain is not installed.
    """
    if isinstance(reader, str) and (own := _own(reader, options)) is not None:
        reader, options = own, {}
    return resolve_model(reader, role="reader", extra="evaluate", error=OptionError, **options)


def _own(name: str, options: dict[str, Any]) -> Any:
    """The user's own model of that name; None where it is one of a provider's."""
    module, _, attribute = name.partition(":")
    # Packages of providers are modules as well, but have no functions called like models.
    if not attribute.isidentifier() or not is_module(module):
        return None
    try:
        found = imported(name)
    except AttributeError:
        return None
    except ImportError as error:
        raise OptionError(f"the reader {name!r} cannot be imported: {error}") from error
    if inspect.isfunction(found):
        try:
            return found(**options)
        except TypeError as error:
            raise OptionError(f"the reader {name!r} cannot be made: {error}") from error
    if not isinstance(found, require("langchain_core.runnables", "evaluate").Runnable):
        return None
    if options:
        raise OptionError(f"{name!r} is a model already and takes no {', '.join(options)}")
    return found


class Reader:
    """A model whose answers are kept.

    Answers are kept under the model's name and settings and the prompt, so a run that was killed
    asks nothing twice. Timeouts and errors are not kept: the next run asks again.

    Args:
        model: What `resolve_reader` takes.
        store: Where answers are kept.
        settings: How to ask.
    """

    def __init__(self, model: Any, store: Store, settings: ReaderSettings | None = None) -> None:
        self._model = resolve_reader(model)
        self._store = store
        self._settings = settings or ReaderSettings()
        self._count = resolve_token_counter(self._settings.token_counter)
        self.name = reader_name(self._model)
        self._identity = reader_identity(self._model)
        self.settings = reader_settings(self._model)
        """What it was told besides the prompt, as far as it is known and no secret."""
        self.requests = 0
        """Requests of this run, answered or not."""

    def read(
        self, prompts: Iterable[str], on_reply: Callable[[], Any] = lambda: None
    ) -> dict[str, Reply]:
        """The replies to all prompts, each asked once.

        Args:
            prompts: What to ask; equal ones are asked once.
            on_reply: Called after each reply, known or new.
        """
        return run_in_background(self._read(list(dict.fromkeys(prompts)), on_reply))

    async def _read(self, prompts: list[str], on_reply: Callable[[], Any]) -> dict[str, Reply]:
        replies: dict[str, Reply] = {}
        remaining = iter(prompts)

        async def work() -> None:
            for prompt in remaining:
                replies[prompt] = await self._reply(prompt)
                on_reply()

        workers = [asyncio.create_task(work()) for _ in range(self._settings.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            # One that raised must not leave the others writing to a closed file.
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return replies

    async def _reply(self, prompt: str) -> Reply:
        key = key_of(self._identity, prompt)
        if key in self._store:
            row = self._store[key]
            return Reply(**{name: row[name] for name in Reply.__slots__})
        reply = await self._ask(prompt)
        if reply.status in _FINAL:
            row = {name: getattr(reply, name) for name in Reply.__slots__}
            self._store.add(key, {"reader": self.name, **row})
        return reply

    async def _ask(self, prompt: str) -> Reply:
        self.requests += 1
        begin = time.perf_counter()
        try:
            message = await asyncio.wait_for(self._model.ainvoke(prompt), self._settings.timeout)
        except TimeoutError:
            return Reply("", "timeout", self._count(prompt), error="no answer in time")
        # Providers raise errors without a common base; the run goes on with the next prompt.
        except Exception as error:
            status: Status = "timeout" if "timeout" in type(error).__name__.lower() else "error"
            return Reply("", status, error=f"{type(error).__name__}: {error}"[:500])
        seconds = time.perf_counter() - begin
        text = message if isinstance(message, str) else str(getattr(message, "text", ""))
        usage = getattr(message, "usage_metadata", None) or {}
        return Reply(
            text,
            _status(message, text),
            usage.get("input_tokens", self._count(prompt)),
            usage.get("output_tokens", self._count(text)),
            round(seconds, 4),
        )


def _status(message: Any, text: str) -> Status:
    metadata = getattr(message, "response_metadata", None) or {}
    names = ("finish_reason", "stop_reason", "done_reason")
    ending = next((str(metadata[name]).lower() for name in names if metadata.get(name)), "")
    refused = bool((getattr(message, "additional_kwargs", None) or {}).get("refusal"))
    spoken = _REFUSAL.match(text) and not _ABOUT_THE_TEXT.search(text[:_FIRST_SENTENCES])
    if refused or ending in _REFUSED or spoken:
        return "refused"
    return "ok" if text.strip() else "empty"
