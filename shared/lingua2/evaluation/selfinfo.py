"""Self-information of words under a causal language model, after Selective-Context.

Li et al. 2023, "Compressing Context to Enhance Inference Efficiency of Large Language Models": a
token is worth −log2 of its probability after the tokens before it; a word, the sum of its tokens.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lingua2.errors import ModelLoadError
from lingua2.loading import quiet_loading

__all__ = ["SelfInformation"]

_WORD = re.compile(r"\S+")
# Longer texts are read in windows; a word at a window's start looks more surprising than it is.
_WINDOW = 1024


class SelfInformation:
    """A causal language model that tells how unexpected words are.

    Args:
        model: A checkpoint's directory, a hub id, a GGUF file, or a directory with one GGUF file.

    Raises:
        ModelLoadError: The checkpoint cannot be loaded, or has no token that begins a text.
    """

    def __init__(self, model: str | Path) -> None:
        import torch
        import transformers

        home, options = _where(model)
        try:
            with quiet_loading():
                tokenizer: Any = transformers.AutoTokenizer.from_pretrained(home, **options)
                if options and hasattr(transformers, "GgufConfig"):
                    # Weights that stay packed are unpacked again in every forward pass.
                    options["quantization_config"] = transformers.GgufConfig(dequantize=True)
                self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                    home, dtype=torch.float32, **options
                )
        except (OSError, ValueError, KeyError) as error:
            raise ModelLoadError(f"the language model {str(model)!r}: {error}") from error
        self._model.train(False)
        self._pieces: Any = tokenizer.backend_tokenizer
        self._pieces.no_truncation()
        self._pieces.no_padding()
        # What stands between documents in training; chat models call something else BOS.
        self._begin = tokenizer.get_vocab().get("<|endoftext|>", tokenizer.bos_token_id)
        if self._begin is None:
            raise ModelLoadError(f"{str(model)!r} has no token that begins a text")

    def bits(self, text: str) -> list[float]:
        """The bits of every word (run without white space) of ``text``."""
        encoding = self._pieces.encode(text, add_special_tokens=False)
        words = [match.span() for match in _WORD.finditer(text)]
        ends, found = [end for _, end in words], [0.0] * len(words)
        for low in range(0, len(encoding.ids), _WINDOW):
            ids = encoding.ids[low : low + _WINDOW]
            offsets = encoding.offsets[low : low + _WINDOW]
            for value, (start, end) in zip(self._token_bits(ids), offsets, strict=True):
                # A token counts the white space before it.
                while start < end and text[start].isspace():
                    start += 1
                if start < end and (word := bisect_right(ends, start)) < len(words):
                    found[word] += value
        return found

    def _token_bits(self, ids: Sequence[int]) -> list[float]:
        import torch

        whole = torch.tensor([[self._begin, *ids]])
        with torch.inference_mode():
            logits = self._model(whole).logits[0, :-1].float()
            chosen = logits.gather(-1, whole[0, 1:, None])[:, 0]
            bits: list[float] = ((logits.logsumexp(-1) - chosen) / math.log(2)).tolist()
        return bits


def _where(model: str | Path) -> tuple[str | Path, dict[str, Any]]:
    """The checkpoint's directory or id, and what ``from_pretrained`` needs besides it."""
    path = Path(model)
    if path.suffix == ".gguf":
        return path.parent, {"gguf_file": path.name}
    packed = sorted(path.glob("*.gguf")) if path.is_dir() else []
    if len(packed) == 1 and not (path / "config.json").is_file():
        return path, {"gguf_file": packed[0].name}
    return model, {}
