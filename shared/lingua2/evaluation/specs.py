"""Compressors as the command line writes them."""

from __future__ import annotations

import json
from typing import Any

from lingua2.errors import OptionError

from .compressors import as_method
from .importing import imported
from .method import Method

__all__ = ["parse_method"]


def parse_method(text: str) -> Method:
    """A method as the command line writes it.

    Args:
        text: ``NAME`` or ``NAME,option=value,…``, values in JSON or as they are, such as
            ``lingua2,relevance=bm25`` or ``lingua2,force_tokens=["?","!"]``; ``label=…`` is the
            name in the report. A name with a colon, ``package.module:function``, is a function,
            also of a module in the current directory.
    """
    kind, _, rest = text.partition(",")
    options: dict[str, Any] = {}
    while rest:
        option, equals, rest = rest.partition("=")
        if not equals or "," in option:
            raise OptionError(f"{text!r}: write option=value, got {option.split(',')[0]!r}")
        options[option.strip()], rest = _first_value(rest)
    label = str(options.pop("label", text))
    if ":" not in kind:
        return as_method(label, kind, **options)
    try:
        function = imported(kind)
    except (ImportError, AttributeError) as error:
        raise OptionError(f"the compressor {kind!r} cannot be imported: {error}") from error
    if not callable(function):
        raise OptionError(f"{kind!r} is a {type(function).__name__}; name a function")
    return as_method(label, function, **options)


def _first_value(text: str) -> tuple[Any, str]:
    """The value that ``text`` begins with, and what stands behind its comma."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        pass
    else:
        if text[end : end + 1] in ("", ","):
            return value, text[end + 1 :]
    plain, _, rest = text.partition(",")
    return plain, rest
