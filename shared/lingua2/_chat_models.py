"""The LangChain model that a user gave or named, for whatever it is to do."""

from __future__ import annotations

from typing import Any

from ._extras import require
from .errors import Lingua2Error

__all__ = ["resolve_model"]


def resolve_model(
    model: Any, *, role: str, extra: str, error: type[Lingua2Error], **options: Any
) -> Any:
    """The LangChain model that ``model`` stands for.

    Args:
        model: A chat model or LLM, a runnable around one, or a name for ``init_chat_model``.
        role: What it is to be, for messages: "teacher", "reader".
        extra: The extra that brings LangChain.
        error: What is raised.
        **options: With a name, passed to the model.

    Raises:
        Lingua2Error: ``error``; the model cannot be set up, or is something else.
        ImportError: LangChain is not installed.
    """
    if isinstance(model, str):
        models = require("langchain.chat_models", extra)
        try:
            return models.init_chat_model(model, **options)
        # Each provider's package raises errors of its own, about a missing key for example.
        except Exception as problem:
            raise error(f"the {role} {model!r} cannot be set up: {problem}") from problem
    if isinstance(model, require("langchain_core.runnables", extra).Runnable):
        return model
    raise error(
        f"a {role} is a LangChain chat model or LLM, or the name of one ('openai:gpt-4o'), got a "
        f"{type(model).__name__}"
    )
