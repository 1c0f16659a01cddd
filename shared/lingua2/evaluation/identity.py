"""What a reader is: the name, settings and steps that its answers depend on."""

from __future__ import annotations

import json
import re
from typing import Any

from .store import source_digest

__all__ = ["reader_identity", "reader_name", "reader_settings"]

_SETTINGS = ("temperature", "max_tokens", "top_p", "seed", "stop", "extra_body")
# Servers of one's own often call every model the same.
_ADDRESSES = ("base_url", "openai_api_base", "anthropic_api_url", "azure_endpoint")
_PLACE = re.compile(r" at 0x[0-9a-fA-F]+")
_PASSWORD = re.compile(r"//[^/@\s]*@")


def reader_name(model: Any) -> str:
    """The name of a LangChain model, also inside a chain; else that of a function or a class."""
    model = _inner(model)
    for attribute in ("model_name", "model", "model_id", "model_path", "name"):
        if isinstance(name := getattr(model, attribute, None), str) and name:
            return name
    return type(model).__name__


def _inner(model: Any) -> Any:
    """The model that bindings and chains are made around."""
    while (bound := getattr(model, "bound", None)) is not None:
        model = bound
    for step in getattr(model, "steps", ()):
        if hasattr(_inner(step), "_identifying_params"):
            return _inner(step)
    return model


def reader_identity(model: Any) -> str:
    """What answers depend on besides the prompt, without whatever changes between processes.

    A chain's other steps, such as a prompt with instructions, are part of it.
    """
    return _PASSWORD.sub("//", " ".join([reader_name(model), *_parts(model)]))


def reader_settings(model: Any) -> str:
    """What a model was told besides its prompt, as JSON without secrets; empty if nothing."""
    bindings = getattr(model, "kwargs", {})
    model = _inner(model)
    found = {name: bindings.get(name, getattr(model, name, None)) for name in _SETTINGS}
    found |= {name: getattr(model, name, None) for name in _ADDRESSES}
    told = {name: value for name, value in found.items() if value is not None}
    return _PASSWORD.sub("//", json.dumps(told, default=str)) if told else ""


def _parts(model: Any) -> list[str]:
    if (bound := getattr(model, "bound", None)) is not None:
        return [str(sorted(map(str, getattr(model, "kwargs", {}).items()))), *_parts(bound)]
    if steps := getattr(model, "steps", ()):
        return [part for step in steps for part in _parts(step)]
    if hasattr(model, "_identifying_params"):
        told = sorted(map(str, (model._identifying_params or {}).items()))
        chosen = {key: getattr(model, key, None) for key in (*_SETTINGS, *_ADDRESSES)}
        return [str(told), str(chosen)]
    if function := getattr(model, "func", None) or getattr(model, "afunc", None):
        return [source_digest(function)]
    return [_PLACE.sub("", repr(model))]
