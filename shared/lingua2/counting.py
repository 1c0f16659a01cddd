"""Counts the reader's tokens.

The budget is a promise in the tokens that the generator reads and bills, so its own tokenizer
counts: a tiktoken encoding or model name, a Hugging Face tokenizer, or any callable.
"""

from __future__ import annotations

import difflib
import math
import threading
from collections.abc import Callable, Mapping, Sized
from functools import cache
from typing import Any

import tiktoken
from tiktoken.model import MODEL_TO_ENCODING

from .errors import TokenCounterError
from .text import well_formed
from .vocabularies import BundledCounter, bundled_encoding, bundled_encodings

__all__ = [
    "TokenCounter",
    "bundled_encodings",
    "check_token_counter",
    "resolve_token_counter",
    "tiktoken_encoding",
    "well_formed",
]

TokenCounter = Callable[[str], int]
"""Number of tokens of a text."""

_REMEMBERED = 16
_resolved: dict[tuple[int, int], tuple[Any, TokenCounter]] = {}
_lock = threading.Lock()


@cache
def tiktoken_encoding(name: str) -> tiktoken.Encoding:
    """The tiktoken encoding ``name``, from the bundled vocabulary where there is one.

    Text that spells a special token, such as ``<|endoftext|>``, is meant to be counted with
    ``encode_ordinary``: a retrieved chunk must not be able to end the prompt.

    Args:
        name: An encoding ("cl100k_base") or a model that tiktoken knows ("gpt-4o").

    Raises:
        TokenCounterError: The name is unknown, or its vocabulary is neither bundled nor in
            tiktoken's cache and cannot be fetched.
    """
    encoding = _encoding_name(name)
    if encoding in bundled_encodings():
        return bundled_encoding(encoding)
    try:
        return tiktoken.get_encoding(encoding)
    # requests is only one of the ways in which tiktoken's fetch fails.
    except Exception as error:
        raise TokenCounterError(
            f"token_counter={name!r}: tiktoken could not load {encoding!r} "
            f"({type(error).__name__}); it is not bundled (bundled: "
            f"{', '.join(bundled_encodings())}). Connect once so that tiktoken can fetch it, set "
            "TIKTOKEN_CACHE_DIR to a folder that holds it, or pass a callable"
        ) from error


def _encoding_name(name: str) -> str:
    if name in bundled_encodings():
        return name
    known = tiktoken.list_encoding_names()
    if name in known:
        return name
    try:
        return tiktoken.encoding_name_for_model(name)
    except KeyError:
        near = difflib.get_close_matches(name, [*known, *MODEL_TO_ENCODING], n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise TokenCounterError(
            f"token_counter={name!r} is no tiktoken encoding or model; {hint}Encodings: "
            f"{', '.join(sorted(known))}; models: 'gpt-4o', 'gpt-4', … For another reader "
            "pass its Hugging Face tokenizer or a callable that counts tokens"
        ) from None


def check_token_counter(spec: Any) -> None:
    """Find a wrong ``token_counter`` without reading a vocabulary.

    Raises:
        TokenCounterError: ``spec`` is nothing that `resolve_token_counter` takes.
    """
    if isinstance(spec, str):
        _encoding_name(spec)
    # Tokenizers that cannot be called have one of these methods.
    elif not (callable(spec) or hasattr(spec, "encode_ordinary") or hasattr(spec, "encode_batch")):
        raise _no_counter(spec)


def resolve_token_counter(spec: Any) -> TokenCounter:
    """Turn what the user gave as ``token_counter`` into a function from text to token count.

    The answer for an object is remembered, since copying a large Hugging Face tokenizer takes
    longer than compressing ten chunks: do not change a tokenizer's rules after its first use.

    Args:
        spec: A tiktoken encoding or model name, a ``tiktoken.Encoding``, a Hugging Face tokenizer
            (of ``transformers`` or ``tokenizers``), or a callable that returns the number of
            tokens or the tokens themselves.

    Raises:
        TokenCounterError: ``spec`` is none of these, or the name cannot be resolved.
    """
    # A tokenizer that was given new tokens since is another one.
    key = id(spec), len(spec) if isinstance(spec, Sized) else 0
    with _lock:
        if (known := _resolved.get(key)) is not None:
            return known[1]
    counter = _resolve(spec)
    with _lock:
        if len(_resolved) >= _REMEMBERED:
            _resolved.pop(next(iter(_resolved)))
        # Holding the object keeps its id from being given to another one.
        _resolved[key] = (spec, counter)
    return counter


def _resolve(spec: Any) -> TokenCounter:
    if isinstance(spec, str):
        if (name := _encoding_name(spec)) in bundled_encodings():
            return BundledCounter(name)
        spec = tiktoken_encoding(spec)
    if isinstance(spec, tiktoken.Encoding):
        # A lone surrogate is U+FFFD to tiktoken as well; `well_formed` spares it the exception.
        return lambda text: len(spec.encode_ordinary(well_formed(text)))
    if (pieces := getattr(spec, "backend_tokenizer", None)) is not None:
        return _count_pieces(pieces)
    if type(spec).__module__.split(".")[0] == "tokenizers" and hasattr(spec, "encode_batch"):
        return _count_pieces(spec)
    if hasattr(spec, "tokenize") and hasattr(spec, "convert_tokens_to_ids"):
        return lambda text: len(spec.tokenize(well_formed(text)))
    if callable(spec):
        return _count_with(spec)
    raise _no_counter(spec)


def _no_counter(spec: Any) -> TokenCounterError:
    return TokenCounterError(
        f"token_counter={spec!r} is a {type(spec).__name__}; give a tiktoken encoding or model "
        "name, a Hugging Face tokenizer, or a callable that counts the tokens of a string"
    )


def _count_pieces(tokenizer: Any) -> TokenCounter:
    from tokenizers import Tokenizer

    # A copy without truncation: a tokenizer saved with max_length=512 would count 512 for a book.
    pieces = Tokenizer.from_str(tokenizer.to_str())
    pieces.no_truncation()
    pieces.no_padding()
    return lambda text: len(pieces.encode(well_formed(text), add_special_tokens=False).ids)


def _count_with(function: Callable[[str], Any]) -> TokenCounter:
    def count(text: str) -> int:
        value = function(text)
        number = _as_count(value)
        if number is None:
            shown = repr(value)
            raise TokenCounterError(
                f"the token_counter {function!r} returned {shown[:80]} for a text of {len(text)} "
                "characters; it must return the number of tokens (an int >= 0) or the tokens"
            )
        return number

    return count


def _as_count(value: Any) -> int | None:
    if isinstance(value, Mapping):
        # What a Hugging Face tokenizer returns when it is called.
        value = value.get("input_ids")
    if (dimensions := getattr(value, "ndim", None)) is not None:
        # Arrays and tensors: a number, or one text's tokens.
        if dimensions:
            return len(value) if dimensions == 1 else None
        value = value.item()
    if isinstance(value, Sized):
        return len(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value >= 0 and value == value // 1 and value != math.inf else None
