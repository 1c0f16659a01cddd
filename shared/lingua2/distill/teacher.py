"""Asks a LangChain chat model, at a bounded rate and again where it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lingua2._chat_models import resolve_model
from lingua2._extras import require
from lingua2.counting import resolve_token_counter
from lingua2.errors import TeacherError

from .settings import DistillSettings, Tokens

__all__ = ["Reply", "Teacher", "resolve_teacher"]

_LONGEST_WAIT = 60.0
# Client errors that another try may mend: timeouts, conflicts, too early, too many requests.
_PASSING = (408, 409, 425, 429)
_TOO_LONG = {"length", "max_tokens", "max_output_tokens"}
_REFUSED = {"content_filter", "refusal", "safety", "prohibited_content"}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the teacher.

    Attributes:
        text: The answer, verbatim.
        tokens: What it used, as the provider says, else as counted.
        truncated: The answer ended at the teacher's own limit.
        refused: The provider marked the answer as a refusal.
    """

    text: str
    tokens: Tokens
    truncated: bool = False
    refused: bool = False


def resolve_teacher(teacher: Any, **options: Any) -> Any:
    """The chat model that ``teacher`` stands for.

    Args:
        teacher: A LangChain chat model (or a runnable around one), or a name for LangChain's
            ``init_chat_model`` such as ``"openai:gpt-4o"``. API keys come from the provider's
            environment variables.
        **options: With a name, passed to the model: ``base_url``, ``temperature``, …

    Raises:
        TeacherError: The name is unknown, the provider's package is missing, or the model cannot
            be set up, or ``teacher`` is something else.
        ImportError: LangChain is not installed.
    """
    return resolve_model(teacher, role="teacher", extra="distill", error=TeacherError, **options)


class Teacher:
    """A chat model with a name, a rate limit and retries.

    Args:
        model: What `resolve_teacher` takes.
        settings: Rate, retries and token counter.
    """

    def __init__(self, model: Any, settings: DistillSettings) -> None:
        self._model = resolve_teacher(model)
        self.name = settings.teacher_name or _name_of(self._model)
        self._count = resolve_token_counter(settings.token_counter)
        self._limiter: Any = None
        if (rate := settings.requests_per_second) is not None:
            limiters = require("langchain_core.rate_limiters", "distill")
            self._limiter = limiters.InMemoryRateLimiter(
                requests_per_second=rate,
                # The default of ten looks a second would itself be a limit.
                check_every_n_seconds=min(0.1, 0.5 / rate),
                max_bucket_size=1,
            )
        # LangChain retries with it as well, but most of its versions take no predicate.
        tenacity = require("tenacity", "distill")
        self._retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(settings.max_retries + 1),
            wait=tenacity.wait_exponential(multiplier=settings.backoff, max=_LONGEST_WAIT)
            + tenacity.wait_random(0, settings.backoff),
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        )

    async def ask(self, prompt: str) -> Reply:
        """The teacher's answer to ``prompt``.

        Raises:
            Exception: What the model raised on the last try.
        """
        message = await self._retrying(self._ask_once, prompt)
        text = message if isinstance(message, str) else getattr(message, "text", None)
        if text is None:
            raise TeacherError(
                f"the teacher returned a {type(message).__name__}; it must return a string or a "
                "chat message"
            )
        text = str(text)
        usage = getattr(message, "usage_metadata", None)
        tokens = (
            Tokens(usage["input_tokens"], usage["output_tokens"])
            if usage
            else Tokens(self._count(prompt), self._count(text))
        )
        ending = _ending(message)
        refused = bool(getattr(message, "additional_kwargs", {}).get("refusal"))
        return Reply(text, tokens, ending in _TOO_LONG, refused or ending in _REFUSED)

    async def _ask_once(self, prompt: str) -> Any:
        if self._limiter is not None:
            await self._limiter.aacquire()
        return await self._model.ainvoke(prompt)


def _ending(message: Any) -> str:
    metadata = getattr(message, "response_metadata", None) or {}
    # OpenAI and Gemini, Anthropic, Ollama.
    names = ("finish_reason", "stop_reason", "done_reason")
    return next((str(metadata[name]).lower() for name in names if metadata.get(name)), "")


def _may_pass(error: BaseException) -> bool:
    status = getattr(error, "status_code", None)
    if isinstance(error, TeacherError):
        return False
    lasting = isinstance(status, int) and 400 <= status < 500 and status not in _PASSING
    return isinstance(error, Exception) and not lasting


def _name_of(model: Any) -> str:
    while (inner := getattr(model, "bound", None)) is not None:
        model = inner
    for attribute in ("model_name", "model", "model_id"):
        if isinstance(name := getattr(model, attribute, None), str) and name:
            return name
    if "RunnableLambda" in {kind.__name__ for kind in type(model).__mro__}:
        raise TeacherError(
            "this teacher is a function without a model's name, and answers are kept by the "
            'teacher\'s name: give one, as in teacher_name="my-teacher-1"'
        )
    return type(model).__name__
