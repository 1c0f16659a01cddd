"""Compressors side by side, under one signature."""

from __future__ import annotations

import importlib.metadata
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lingua2
from lingua2.compressor import Compressor
from lingua2.errors import BudgetWarning, OptionError

from . import controls
from .method import Method, Request
from .reference import LLMLingua, LLMLingua2
from .selfinfo import SelfInformation
from .store import source_digest

__all__ = ["COMPRESSORS", "as_method"]

UserFunction = Callable[[Sequence[str], str, int], Sequence[str]]
"""Texts, the question and a budget in tokens to the compressed texts, one per text."""


_MODEL_OPTIONS = ("model_name", "device_map", "trust_remote_code", "max_length")


def _ours(name: str, options: dict[str, Any]) -> Method:
    options = dict(options)
    if "model" in options:
        options["model_name"] = options.pop("model")
    clash = {"rate", "target_token", "threshold", "token_counter"} & options.keys()
    if clash:
        raise OptionError(
            f"{name}: {' and '.join(sorted(clash))} cannot be set, since every compressor is given "
            "the same budgets in the same tokens"
        )
    compressor = Compressor(document_separator=controls.SEPARATOR, **options)
    kept = {k: v for k, v in options.items() if k not in _MODEL_OPTIONS}
    identity = f"{compressor.fingerprint} {json.dumps(kept, sort_keys=True, default=str)}"
    # Without a relevance the question has no influence, and questions share their documents.
    steered = options.get("relevance") is not None

    def made(own: Compressor, packed: Mapping[str, bytes] | None = None, **more: Any) -> Method:
        def compress(request: Request) -> list[str]:
            with warnings.catch_warnings():
                # That forced words had to go shows in what is measured.
                warnings.simplefilter("ignore", BudgetWarning)
                return own.compress(
                    request.texts,
                    target_token=max(1, request.budget),
                    query=request.query or None,
                    token_counter=request.count,
                    scores=None if packed is None else [packed[text] for text in request.texts],
                ).texts

        whole = f"lingua2 {lingua2.__version__} {identity}"
        return Method(name, whole, compress, query=steered, **more)

    def forgetful() -> Compressor:
        forgotten = {"score_memory": 0, "score_cache": None}
        return Compressor(document_separator=controls.SEPARATOR, **options | forgotten)

    def stored(texts: Sequence[str]) -> Method:
        own, distinct = forgetful(), list(dict.fromkeys(texts))
        return made(own, dict(zip(distinct, own.pack(distinct), strict=True)))

    return made(compressor, fresh=lambda: made(forgetful()), stored=stored)


def _llmlingua2(name: str, options: dict[str, Any]) -> Method:
    model = options.pop("model", None)
    made = LLMLingua2(model, **options)

    def method(forget: bool) -> Method:
        def compress(request: Request) -> list[str]:
            if forget:
                made.forget()
            return made.compress(request.texts, request.rate)

        return Method(
            name,
            _named("llmlingua", name, {**({"model": model} if model else {}), **options}),
            compress,
            is_exact=False,
            fresh=None if forget else lambda: method(forget=True),
        )

    return method(forget=False)


def _llmlingua(name: str, options: dict[str, Any]) -> Method:
    model = _needed(name, options, "model")
    made = LLMLingua(model, **options)
    return Method(
        name,
        _named("llmlingua", name, {"model": model, **options}),
        lambda request: made.compress(request.texts, request.query, request.budget),
        is_exact=False,
        query=True,
    )


def _selfinfo(name: str, options: dict[str, Any]) -> Method:
    model = _needed(name, options, "model")
    _no_more(name, options)
    language_model = SelfInformation(model)
    known: dict[str, list[float]] = {}

    def method(forget: bool) -> Method:
        def compress(request: Request) -> list[str]:
            if forget:
                known.clear()
            new = [text for text in dict.fromkeys(request.texts) if text not in known]
            known.update(zip(new, language_model.bits(new), strict=True))
            values = [value for text in request.texts for value in known[text]]
            return controls.best_words(request.texts, values, request.budget, request.count)

        return Method(
            name,
            _named("transformers", name, {"model": model}),
            compress,
            fresh=None if forget else lambda: method(forget=True),
        )

    return method(forget=False)


def _control(
    kind: str,
    function: Callable[[Request], Sequence[str]],
    *,
    whole: bool = False,
    query: bool = False,
) -> _Maker:
    def make(name: str, options: dict[str, Any]) -> Method:
        _no_more(name, options)
        return Method(name, kind, function, whole=whole, query=query)

    return make


_Maker = Callable[[str, dict[str, Any]], Method]

COMPRESSORS: Mapping[str, _Maker] = {
    "lingua2": _ours,
    "llmlingua2": _llmlingua2,
    "llmlingua": _llmlingua,
    "selfinfo": _selfinfo,
    "random": _control(
        "random", lambda r: controls.random_words(r.texts, r.budget, r.count, r.seed)
    ),
    "truncation": _control("truncation", lambda r: controls.truncation(r.texts, r.budget, r.count)),
    "sentences": _control(
        "sentences",
        lambda r: controls.best_sentences(r.texts, r.query, r.budget, r.count),
        query=True,
    ),
    "none": _control("none", lambda r: r.texts, whole=True),
}
"""What makes a method of a name and options."""


def as_method(name: str, source: str | UserFunction | None = None, **options: Any) -> Method:
    """A method with a name of one's own.

    Args:
        name: What the report calls it; without ``source`` also what it is.
        source: A name in `COMPRESSORS`, or a function of texts, question and budget in tokens that
            returns one text per text.
        **options: Of the compressor: for ``"lingua2"`` those of `Compressor` without budgets, for
            ``"llmlingua2"``, ``"llmlingua"`` and ``"selfinfo"`` a ``model`` and their arguments.

    Raises:
        OptionError: The name is unknown, or an option is not allowed.
    """
    if callable(source):
        function = source
        _no_more(name, options)
        return Method(
            name,
            f"function {name} {source_digest(function)}",
            lambda request: function(list(request.texts), request.query, request.budget),
            is_exact=False,
            query=True,
        )
    kind = source or name
    if kind not in COMPRESSORS:
        raise OptionError(
            f"unknown compressor {kind!r}; known: {', '.join(COMPRESSORS)}, or package.module:name "
            "of a function of texts, question and budget"
        )
    return COMPRESSORS[kind](name, dict(options))


def _needed(name: str, options: dict[str, Any], option: str) -> str:
    if not options.get(option):
        raise OptionError(f"{name} needs {option}=, a causal language model's directory or hub id")
    return str(options.pop(option))


def _no_more(name: str, options: Mapping[str, Any]) -> None:
    if options:
        raise OptionError(f"{name} takes no option {', '.join(map(repr, options))}")


def _named(package: str, name: str, options: Mapping[str, Any]) -> str:
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        version = "?"
    return f"{name} {package} {version} {json.dumps(options, sort_keys=True, default=str)}"
