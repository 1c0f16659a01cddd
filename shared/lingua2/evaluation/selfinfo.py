"""Self-information of words under a causal language model, after Selective-Context.

Li et al. 2023, "Compressing Context to Enhance Inference Efficiency of Large Language Models": a
token is worth −log2 of its probability after the tokens before it. The paper adds up the tokens of
a lexical unit; its implementation takes their mean, and reads every sentence on its own.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lingua2.characters import PLAIN_WORD
from lingua2.encoder import ScoredText
from lingua2.errors import ModelLoadError, OptionError
from lingua2.loading import quiet_loading
from lingua2.text import Units, split_units

__all__ = ["CONTEXTS", "POOLINGS", "Pooling", "Reading", "SelfInformation", "WordBits"]

Reading = Literal["document", "sentence"]
"""What the language model reads at once."""
Pooling = Literal["sum", "mean"]
"""What a word makes of its tokens."""
CONTEXTS: tuple[Reading, ...] = get_args(Reading)
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)

_BATCH_TOKENS = 1024
# Longer texts are read in windows; a word at a window's start looks more surprising than it is.
_WINDOW = 1024


@dataclass(frozen=True, slots=True, eq=False)
class WordBits:
    """A text's units, each with the bits of its tokens added up.

    Attributes:
        text: The text.
        units: Its units.
        bits: Of every unit.
        tokens: How many tokens every unit has.
    """

    text: str
    units: Units
    bits: NDArray[np.float64]
    tokens: NDArray[np.int64]

    def pooled(self, pooling: Pooling) -> ScoredText:
        """The text scored by the sum or the mean of a unit's tokens."""
        divisor = np.maximum(self.tokens, 1) if pooling == "mean" else 1
        values = (self.bits / divisor).astype(np.float32)
        return ScoredText(self.text, self.units, values, values)


class SelfInformation:
    """A causal language model that tells how unexpected words are. Runs on the CPU in fp32.

    Args:
        model: A checkpoint's directory, a hub id, a GGUF file, or a directory with one GGUF file.
        context: What is read at once.
        on_batch: Called with the windows read so far and their number.

    Raises:
        ModelLoadError: The checkpoint cannot be loaded, or has no token that begins a text.
    """

    def __init__(
        self,
        model: str | Path,
        context: Reading = "document",
        on_batch: Callable[[int, int], Any] | None = None,
    ) -> None:
        import torch
        import transformers

        if context not in CONTEXTS:
            raise OptionError(f"context must be one of {', '.join(CONTEXTS)}, got {context!r}")
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
        self._context, self._on_batch = context, on_batch
        self.parameters = sum(weight.numel() for weight in self._model.parameters())

    def score(self, texts: Sequence[str]) -> list[WordBits]:
        """The bits of every unit of every text."""
        words = [_Words(text, split_units(text)) for text in texts]
        self._read(words)
        return [WordBits(own.text, own.units, own.bits, own.tokens) for own in words]

    def bits(self, texts: Sequence[str]) -> list[list[float]]:
        """The bits of every word of every text, see `PLAIN_WORD`."""
        words = []
        for text in texts:
            bounds = np.array([match.span() for match in PLAIN_WORD.finditer(text)]).reshape(-1, 2)
            words.append(_Words(text, split_units(text), bounds))
        self._read(words)
        return [own.bits.tolist() for own in words]

    def _read(self, words: Sequence[_Words]) -> None:
        spans = [(own, *span) for own in words for span in self._passages(own)]
        encoded = self._pieces.encode_batch(
            [own.text[start:end] for own, start, end in spans], add_special_tokens=False
        )
        windows = [
            _Window(own, encoding.ids[low : low + _WINDOW], start, encoding.offsets[low:])
            for (own, start, _), encoding in zip(spans, encoded, strict=True)
            for low in range(0, len(encoding.ids), _WINDOW)
        ]
        # Longest first, so that the windows of a batch are alike and little is padded.
        windows.sort(key=lambda window: -len(window.ids))
        for done, batch in _batches(windows):
            for window, bits in zip(batch, self._token_bits(batch), strict=True):
                window.add(bits)
            if self._on_batch is not None:
                self._on_batch(done, len(windows))

    def _passages(self, words: _Words) -> list[tuple[int, int]]:
        if self._context == "document" or not len(words.units):
            return [(0, len(words.text))]
        starts = words.units.starts[words.units.sentence_starts(words.text)].tolist()
        return list(itertools.pairwise([*starts, len(words.text)]))

    def _token_bits(self, batch: Sequence[_Window]) -> list[list[float]]:
        import torch

        ids = torch.full((len(batch), 1 + len(batch[0].ids)), self._begin)
        for row, window in enumerate(batch):
            ids[row, 1 : 1 + len(window.ids)] = torch.tensor(window.ids)
        with torch.inference_mode():
            # Nothing looks at the padding, since it stands behind everything else.
            logits = self._model(ids).logits[:, :-1].float()
            chosen = logits.gather(-1, ids[:, 1:, None])[..., 0]
            bits = (logits.logsumexp(-1) - chosen) / math.log(2)
        return [own[: len(window.ids)].tolist() for own, window in zip(bits, batch, strict=True)]


class _Words:
    """Bits and tokens of the words of a text, of its units unless ``bounds`` says otherwise."""

    def __init__(self, text: str, units: Units, bounds: NDArray[np.int64] | None = None) -> None:
        self.text, self.units = text, units
        self.starts: list[int] = (units.starts if bounds is None else bounds[:, 0]).tolist()
        self.ends: list[int] = (units.ends if bounds is None else bounds[:, 1]).tolist()
        self.bits = np.zeros(len(self.ends))
        self.tokens = np.zeros(len(self.ends), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """Tokens that are read at once, and where they stand."""

    words: _Words
    ids: list[int]
    start: int
    offsets: list[tuple[int, int]]

    def add(self, bits: Sequence[float]) -> None:
        """Add the tokens' bits to the words that they stand for."""
        words = self.words
        for value, (low, high) in zip(bits, self.offsets, strict=False):
            begin, end = self.start + low, self.start + high
            # A token counts the white space before it.
            while begin < end and words.text[begin].isspace():
                begin += 1
            place = bisect_right(words.ends, begin)
            while place < len(words.ends) and words.starts[place] < end:
                words.bits[place] += value
                words.tokens[place] += 1
                place += 1


def _batches(windows: list[_Window]) -> Iterator[tuple[int, list[_Window]]]:
    """Neighbouring windows, and how many have been read with them."""
    low = 0
    while low < len(windows):
        high = low + max(1, _BATCH_TOKENS // (1 + len(windows[low].ids)))
        yield min(high, len(windows)), windows[low:high]
        low = high


def _where(model: str | Path) -> tuple[str | Path, dict[str, Any]]:
    """The checkpoint's directory or id, and what ``from_pretrained`` needs besides it."""
    path = Path(model)
    if path.suffix == ".gguf":
        return path.parent, {"gguf_file": path.name}
    packed = sorted(path.glob("*.gguf")) if path.is_dir() else []
    if len(packed) == 1 and not (path / "config.json").is_file():
        return path, {"gguf_file": packed[0].name}
    return model, {}
