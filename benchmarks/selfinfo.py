"""Words valued by their self-information under a causal language model, after Selective-Context.

Li et al. 2023, "Compressing Context to Enhance Inference Efficiency of Large Language Models": a
token is worth −log2 of its probability after the tokens before it. The paper adds up the tokens of
a lexical unit; its implementation takes their mean, and reads every sentence on its own.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _common
import numpy as np
import torch
import transformers

from lingua2.encoder import ScoredText
from lingua2.loading import quiet_loading
from lingua2.text import Units, split_units

CONTEXTS = ("document", "sentence")
POOLINGS = ("sum", "mean")
BATCH_TOKENS = 1024
# No passage of a question set is as long; others are read in windows.
LONGEST = 1024


@dataclass(frozen=True, slots=True, eq=False)
class WordBits:
    """A text's units, each with the bits of its tokens added up, and their number."""

    text: str
    units: Units
    bits: np.ndarray
    tokens: np.ndarray

    def pooled(self, pooling: str) -> ScoredText:
        """The text scored by the ``"sum"`` or the ``"mean"`` of a unit's tokens."""
        divisor = np.maximum(self.tokens, 1) if pooling == "mean" else 1
        values = (self.bits / divisor).astype(np.float32)
        return ScoredText(self.text, self.units, values, values)


class SelfInformation:
    """A causal language model that tells how unexpected words are. Runs on the CPU in fp32.

    Args:
        source: A checkpoint's directory, a GGUF file, or a directory that holds a GGUF file only.
        context: What is read at once: a ``"document"``, or a ``"sentence"``.
    """

    def __init__(self, source: Path, context: str = "document") -> None:
        home, options = _where(source)
        with quiet_loading():
            tokenizer = transformers.AutoTokenizer.from_pretrained(home, **options)
            if options and hasattr(transformers, "GgufConfig"):
                # Weights that stay packed are unpacked again in every forward pass.
                options["quantization_config"] = transformers.GgufConfig(dequantize=True)
            self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                home, dtype=torch.float32, local_files_only=True, **options
            )
        self._model.eval()
        self._pieces = tokenizer.backend_tokenizer
        self._pieces.no_truncation()
        self._pieces.no_padding()
        # What stands between documents in training; chat models call something else BOS.
        self._begin = tokenizer.get_vocab().get("<|endoftext|>", tokenizer.bos_token_id)
        if self._begin is None:
            raise SystemExit(f"{source} has no token that begins a document")
        self._context = context
        packed = [home / options["gguf_file"]] if options else sorted(home.glob("*.safetensors"))
        self.files: list[Path] = packed
        self.parameters = sum(weight.numel() for weight in self._model.parameters())

    def score(self, texts: Sequence[str]) -> list[WordBits]:
        """The self-information of every unit of every text."""
        words = [_unread(text) for text in texts]
        spans = [(own, *span) for own in words for span in self._passages(own)]
        encoded = self._pieces.encode_batch(
            [own.text[start:end] for own, start, end in spans], add_special_tokens=False
        )
        windows = [
            _Window(own, encoding.ids[low : low + LONGEST], start, encoding.offsets[low:])
            for (own, start, _), encoding in zip(spans, encoded, strict=True)
            for low in range(0, len(encoding.ids), LONGEST)
        ]
        # Longest first, so that the windows of a batch are alike and little is padded.
        windows.sort(key=lambda window: -len(window.ids))
        for done, batch in _batches(windows):
            for window, bits in zip(batch, self._bits(batch), strict=True):
                window.add(bits)
            _common.note(f"  self-information: {done}/{len(windows)} {self._context}s")
        return words

    def _passages(self, words: WordBits) -> list[tuple[int, int]]:
        if self._context == "document" or not len(words.units):
            return [(0, len(words.text))]
        starts = words.units.starts[words.units.sentence_starts(words.text)].tolist()
        return list(itertools.pairwise([*starts, len(words.text)]))

    def _bits(self, batch: Sequence[_Window]) -> list[list[float]]:
        """Bits of every token of every window."""
        ids = torch.full((len(batch), 1 + len(batch[0].ids)), self._begin)
        for row, window in enumerate(batch):
            ids[row, 1 : 1 + len(window.ids)] = torch.tensor(window.ids)
        with torch.inference_mode():
            # Nothing looks at the padding, since it stands behind everything else.
            logits = self._model(ids).logits[:, :-1].float()
            chosen = logits.gather(-1, ids[:, 1:, None])[..., 0]
            bits = (logits.logsumexp(-1) - chosen) / math.log(2)
        return [own[: len(window.ids)].tolist() for own, window in zip(bits, batch, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """Tokens that are read at once, and where they stand."""

    words: WordBits
    ids: list[int]
    start: int
    offsets: list[tuple[int, int]]

    def add(self, bits: Sequence[float]) -> None:
        """Add the tokens' bits to the units that they stand for."""
        words = self.words
        starts, ends = words.units.starts.tolist(), words.units.ends.tolist()
        for value, (low, high) in zip(bits, self.offsets, strict=False):
            begin, end = self.start + low, self.start + high
            # A token counts the white space before it.
            while begin < end and words.text[begin].isspace():
                begin += 1
            unit = bisect_right(ends, begin)
            while unit < len(ends) and starts[unit] < end:
                words.bits[unit] += value
                words.tokens[unit] += 1
                unit += 1


def _batches(windows: list[_Window]) -> Iterator[tuple[int, list[_Window]]]:
    """Neighbouring windows, and how many have been read with them."""
    low = 0
    while low < len(windows):
        high = low + max(1, BATCH_TOKENS // (1 + len(windows[low].ids)))
        yield min(high, len(windows)), windows[low:high]
        low = high


def _unread(text: str) -> WordBits:
    units = split_units(text)
    return WordBits(text, units, np.zeros(len(units)), np.zeros(len(units), dtype=np.int64))


def _where(source: Path) -> tuple[Path, dict[str, Any]]:
    """The checkpoint's directory, and what ``from_pretrained`` needs besides it."""
    if source.suffix == ".gguf":
        return source.parent, {"gguf_file": source.name}
    if (source / "config.json").is_file():
        return source, {}
    packed = sorted(source.glob("*.gguf"))
    if len(packed) != 1:
        raise SystemExit(f"{source} holds no config.json and {len(packed)} GGUF files; name a file")
    return source, {"gguf_file": packed[0].name}
