"""Microsoft's ``llmlingua``: LLMLingua-2 and LLMLingua, run without network."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest import mock

from lingua2._extras import require
from lingua2.counting import tiktoken_encoding
from lingua2.errors import ModelLoadError
from lingua2.loading import quiet_loading

from .caches import TupleCaches

__all__ = ["LLMLingua", "LLMLingua2"]

# llmlingua recognises checkpoints by the name of their directory.
_NAMES = ("bert-base-multilingual-cased", "xlm-roberta-large")


class LLMLingua2:
    """``llmlingua``'s LLMLingua-2, each text on its own, since its thresholds are per chunk.

    Args:
        model: A directory or hub id; None is lingua2's embedded model, so that only the algorithm
            differs.
        **options: Arguments of ``compress_prompt``, such as ``force_tokens``.

    Raises:
        ImportError: ``llmlingua`` is not installed.
        ModelLoadError: The checkpoint cannot be loaded.
    """

    def __init__(self, model: str | Path | None = None, **options: Any) -> None:
        source = Path(str(files("lingua2"))) / "models" / "default" if model is None else model
        with _named(source) as name:
            self._compressor = _load(str(name), use_llmlingua2=True)
        self._options = {"use_context_level_filter": False, **options}
        self._known: dict[tuple[str, float], str] = {}

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:
        """Each text at ``rate``, a share of its tokens."""
        return [self._one(text, rate) for text in texts]

    def forget(self) -> None:
        """Compress again what was compressed before."""
        self._known.clear()

    def _one(self, text: str, rate: float) -> str:
        # llmlingua divides by the number of words.
        if not text.strip():
            return ""
        if (text, rate) not in self._known:
            result = self._compressor.compress_prompt([text], rate=rate, **self._options)
            self._known[text, rate] = str(result["compressed_prompt"])
        return self._known[text, rate]


class LLMLingua:
    """``llmlingua``'s first method: perplexity under a causal language model, one joined prompt.

    Args:
        model: A causal language model's directory or hub id.
        **options: Arguments of ``compress_prompt``.

    Raises:
        ImportError: ``llmlingua`` is not installed.
        ModelLoadError: The checkpoint cannot be loaded.
    """

    def __init__(self, model: str | Path, **options: Any) -> None:
        self._compressor = _load(str(model), use_llmlingua2=False)
        self._compressor.model = TupleCaches(self._compressor.model)
        self._options = options

    def compress(self, texts: Sequence[str], query: str, budget: int) -> list[str]:
        """All texts in the first place of the result, the others empty."""
        result = self._compressor.compress_prompt(
            list(texts), question=query, target_token=budget, **self._options
        )
        prompt = str(result["compressed_prompt"])
        if query:
            # The question comes back behind the texts; the reader's prompt has one already.
            prompt = prompt.removesuffix(query).rstrip()
        return [prompt, *[""] * (len(texts) - 1)]


def _load(name: str, *, use_llmlingua2: bool) -> Any:
    module = require("llmlingua", "reference")
    try:
        # It asks tiktoken for an encoding that would have to be downloaded; ours is bundled.
        with mock.patch("tiktoken.encoding_for_model", tiktoken_encoding), quiet_loading():
            # Without model_config the constructor changes a dict that all its instances share.
            return module.PromptCompressor(
                model_name=name, device_map="cpu", use_llmlingua2=use_llmlingua2, model_config={}
            )
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise ModelLoadError(f"llmlingua cannot load {name!r}: {error}") from error


@contextlib.contextmanager
def _named(source: str | Path) -> Iterator[str | Path]:
    """``source`` under a name that llmlingua recognises."""
    if any(name in str(source) for name in _NAMES) or not Path(source).is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / _NAMES[0]
        home.symlink_to(Path(source).resolve(), target_is_directory=True)
        yield home
