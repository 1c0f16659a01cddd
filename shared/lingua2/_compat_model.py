"""The checkpoint's side of `lingua2.compat`: chunks in, scored words out, as llmlingua 0.2.2."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, models

from ._compat_words import TokenizerKind, WordMerger, Words, chunk_slices
from .backends import FloatArray
from .backends.torch import TorchBackend
from .errors import ModelLoadError, OptionError
from .loading import Checkpoint, quiet_loading

__all__ = ["ChunkScorer", "tokenizer_kind"]

# The reference's, whatever the tokenizer says.
MAX_LENGTH = 512
SEED = 42


def tokenizer_kind(name: str, pieces: Tokenizer) -> TokenizerKind:
    """How the pieces of ``pieces`` mark word boundaries: ``##`` (BERT) or ``▁`` (XLM-R).

    Raises:
        ModelLoadError: They do neither, as those of a byte-level BPE (RoBERTa, ModernBERT).
    """
    model = pieces.model
    if isinstance(model, models.WordPiece) and model.continuing_subword_prefix == "##":
        return "wordpiece"
    decoder = pieces.decoder.__getstate__().decode() if pieces.decoder is not None else ""
    if "▁" in decoder and "ByteLevel" not in decoder:
        return "sentencepiece"
    raise ModelLoadError(
        f"{name!r} has a {type(model).__name__} tokenizer that marks words neither with '##' "
        "(WordPiece) nor with '▁' (SentencePiece); llmlingua cannot compress with it, so there is "
        "nothing to be compatible with: use lingua2.Compressor, which takes any fast tokenizer"
    )


class ChunkScorer:
    """Cuts texts into chunks and scores their words. Safe to use from several threads.

    Args:
        checkpoint: A fresh one: its tokenizer and its model are changed.
        reserved: Tokens to add to both, the stand-ins of force tokens.
        batch_size: Most chunks of one forward pass.
        dtype: Precision of the model, a ``torch.dtype`` or its name; ``None`` is float32.
        pad_to_left: Take the padding token from the config.
        bert_special_tokens: Surround chunks with ``[CLS]`` and ``[SEP]``, known or not.

    Raises:
        ModelLoadError: The tokenizer marks no words.
        OptionError: ``dtype`` is not a precision.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        reserved: Sequence[str],
        batch_size: int,
        dtype: Any,
        pad_to_left: bool,
        bert_special_tokens: bool,
    ) -> None:
        self.kind = tokenizer_kind(checkpoint.name, checkpoint.pieces)
        self.reserved = tuple(reserved)
        self._batch_size = batch_size
        self._keep_label = checkpoint.keep_label
        model, tokenizer = checkpoint.model, checkpoint.tokenizer
        if pad_to_left:
            # All that is left of it here: whether a padding token spelled out in a text is text.
            tokenizer.pad_token_id = model.config.pad_token_id or tokenizer.eos_token_id
        self.special_tokens = frozenset(tokenizer.special_tokens_map.values())
        tokenizer.add_special_tokens({"additional_special_tokens": [*reserved]})
        self._pieces = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._pieces.no_truncation()
        self._pieces.no_padding()
        self._decoder = self._pieces.decoder
        self._masked_id = self._pieces.token_to_id("[PAD]")
        self._prefix, self._suffix = checkpoint.prefix, checkpoint.suffix
        if bert_special_tokens:
            known = [self._pieces.token_to_id(token) for token in ("[CLS]", "[SEP]")]
            cls, sep = (tokenizer.unk_token_id if id_ is None else id_ for id_ in known)
            if cls is not None and sep is not None:
                self._prefix, self._suffix = (cls,), (sep,)
        self._max_length = _longest_window(model)
        _cast(model, dtype)
        _add_rows(model, len(tokenizer))
        self._model = model
        self._backend = TorchBackend(
            model, keep_label=checkpoint.keep_label, pad_token_id=checkpoint.pad_token_id
        )

    def tokenize(self, text: str) -> list[str]:
        """The pieces of ``text``."""
        return self._pieces.encode(text, add_special_tokens=False).tokens

    def count(self, text: str, *, add_special_tokens: bool) -> int:
        """Number of pieces of ``text``."""
        return len(self._pieces.encode(text, add_special_tokens=add_special_tokens).ids)

    def join(self, tokens: Sequence[str]) -> str:
        """Pieces, or words put together from them, as text."""
        return self._decoder.decode([*tokens]) if self._decoder else " ".join(tokens)

    def split(self, text: str, ends: Collection[str]) -> list[str]:
        """Cut ``text`` into chunks that fit the model, at the pieces ``ends`` if possible."""
        tokens = self.tokenize(text)
        return [
            self.join(tokens[part]) for part in chunk_slices(tokens, ends, self._max_length - 2)
        ]

    def shown(self, words: Words) -> list[str]:
        """The words without the mark of a word's beginning."""
        if self.kind == "wordpiece":
            return words.texts
        return [text.lstrip("▁") for text in words.texts]

    def score(self, contexts: Sequence[Sequence[str]], merger: WordMerger) -> list[list[Words]]:
        """The scored words of every chunk of every context, in one go."""
        windows = [[self._window(chunk) for chunk in chunks] for chunks in contexts]
        # Each distinct one once: in batches of another length its scores differ in the last digits,
        # and of two equal contexts the context filter would drop one.
        distinct = list(dict.fromkeys(window for group in windows for window in group))
        scores = dict(zip(distinct, self._probabilities(distinct), strict=True))
        return [[self._merge(ids, scores[ids], merger) for ids in group] for group in windows]

    def _window(self, chunk: str) -> tuple[int, ...]:
        ids = self._pieces.encode(chunk, add_special_tokens=False).ids
        # A decoded chunk may have more pieces than it was made of: the reference cuts them off.
        return (*self._prefix, *ids, *self._suffix)[: self._max_length]

    def _merge(self, ids: Sequence[int], probabilities: FloatArray, merger: WordMerger) -> Words:
        kept = [i for i, id_ in enumerate(ids) if id_ != self._masked_id]
        tokens = [self._pieces.id_to_token(ids[i]) or "" for i in kept]
        # Scalars of numpy, not of Python: sums are rounded to float32 as in the reference.
        return merger.merge(tokens, [probabilities[i] for i in kept])

    def _probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        results: dict[int, FloatArray] = {}
        plain = [i for i, ids in enumerate(windows) if self._masked_id not in ids]
        for start in range(0, len(plain), self._batch_size):
            batch = plain[start : start + self._batch_size]
            scores = self._backend.keep_probabilities([windows[i] for i in batch])
            results.update(zip(batch, scores, strict=True))
        return [results[i] if i in results else self._masked(ids) for i, ids in enumerate(windows)]

    @torch.inference_mode()
    def _masked(self, ids: Sequence[int]) -> FloatArray:
        # A text that spells "[PAD]": the reference hides these tokens from the model.
        input_ids = torch.tensor([ids], device=self._model.device)
        logits = self._model(
            input_ids=input_ids, attention_mask=input_ids != self._masked_id
        ).logits
        probabilities: FloatArray = (
            logits.float().softmax(dim=-1)[0, :, self._keep_label].cpu().numpy()
        )
        return probabilities


def _longest_window(model: torch.nn.Module) -> int:
    # The reference does not look at the tokenizer's limit, and fails if the model's is shorter.
    tables = (m for n, m in model.named_modules() if n.endswith("position_embeddings"))
    sizes: list[int] = [
        t.num_embeddings - 1 - (-1 if t.padding_idx is None else t.padding_idx) for t in tables
    ]
    return min([MAX_LENGTH, *sizes])


def _cast(model: torch.nn.Module, dtype: Any) -> None:
    if dtype in (None, "auto"):
        return
    wanted = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(wanted, torch.dtype) or not wanted.is_floating_point:
        raise OptionError(f"model_config: dtype {dtype!r} is not a floating-point torch dtype")
    model.to(wanted)


def _add_rows(model: Any, size: int) -> None:
    """Enlarge the embedding table for the reserved tokens, as the reference does.

    transformers draws the new rows from a normal distribution around the mean of the others. The
    reference seeds everything before; here the caller's generators stay as they are.
    """
    weight = model.get_input_embeddings().weight
    on_cuda = weight.device.type == "cuda"
    with torch.random.fork_rng(devices=[weight.device] if on_cuda else []), quiet_loading():
        torch.default_generator.manual_seed(SEED)
        if on_cuda:
            torch.cuda.default_generators[weight.device.index].manual_seed(SEED)
        model.resize_token_embeddings(size)
