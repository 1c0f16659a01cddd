"""Builds tiny random checkpoints, so that tests need neither network nor trained weights.

Every builder writes ``config.json``, ``tokenizer.json``, ``tokenizer_config.json`` and
``model.safetensors`` into a directory and returns it. The weights are random but seeded, and large
enough for word probabilities to spread over (0, 1) instead of clumping at 0.5.

The real ``llmlingua`` package recognises a model by its path, which must contain
``bert-base-multilingual-cased`` or ``xlm-roberta-large``.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoConfig, AutoModelForTokenClassification, PreTrainedTokenizerFast

__all__ = [
    "SENTENCES",
    "build_bert",
    "build_deberta",
    "build_modernbert",
    "build_roberta",
    "build_xlmr",
]

SENTENCES = (
    "The council approved the budget of 4,250,000 dollars for the new library on Main Street.",
    "Item 16: does anyone want to speak? No. Then the motion carries, six to one.",
    "Speaker 2: I don't think we've heard from the engineers yet; could someone call them?",
    "The pump was switched off at 07:45, and its pressure fell from 3.2 bar to 0.4 bar.",
    "Please restart the server with --port 8080 and read /var/log/app.log before you report.",
    "def keep(words, rate=0.5): return [word for word in words if word.score > rate]",
    '{"name": "Ada", "born": 1815, "tags": ["maths", "engine"], "alive": false}',
    "See https://example.org/docs/index.html?page=2#top or write to help@example.org.",
    "# Shopping list\n- apples\n- 12 eggs\n- **butter** (salted)\n\n1. wash\n2. cook",
    "When the rain stopped, the children ran outside to play in the garden behind the house.",
    "A retriever finds passages, a compressor shortens them, and a reader answers the question.",
    "Der Stadtrat hat den Haushalt für das nächste Jahr beschlossen, aber nicht ohne Streit.",
    "Die Straße zum Bahnhof bleibt wegen Bauarbeiten bis Freitag, den 3. Mai, gesperrt.",
    "市议会批准了新图书馆的预算。请在星期五之前把报告发给我们。",
    "水泵在早上七点四十五分关闭，压力下降了很多。",
    "会議は午後三時に始まります。資料を忘れないでください。",
    "昨日は雨が降ったので、子供たちは家で本を読みました。",
    "وافق المجلس على ميزانية المكتبة الجديدة في الشارع الرئيسي.",
    "توقف المطر فخرج الأطفال إلى الحديقة خلف المنزل.",
    "Great news 🎉🎉 we shipped it 🚀 thanks everyone 😀 👍",
    "Café, naïve, São Paulo, Zürich, Łódź and Ærø are words with marks.",
)
"""What the vocabularies are trained on."""

_BERT = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
# The order is that of fairseq's ids 0 to 3.
_FAIRSEQ = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}


def build_bert(path: str | Path, *, lowercase: bool = True) -> Path:
    """A BERT with WordPiece pieces (``##``)."""
    pieces = Tokenizer(models.WordPiece())
    pieces.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.decoder = decoders.WordPiece()
    learnt = [piece if first else f"##{piece}" for first, piece in _substrings(pieces)]
    vocabulary = {piece: i for i, piece in enumerate([*_BERT.values(), *learnt])}
    pieces.model = models.WordPiece(vocabulary, unk_token=_BERT["unk"])
    pieces.add_special_tokens([*_BERT.values()])
    return _save(path, "bert", "BertTokenizer", pieces, _BERT, do_lower_case=lowercase)


def build_xlmr(path: str | Path) -> Path:
    """An XLM-RoBERTa with SentencePiece-like pieces (``▁``) and fairseq's special ids."""
    return _save(path, "xlm-roberta", "XLMRobertaTokenizer", _unigram(_FAIRSEQ), _FAIRSEQ)


def build_roberta(path: str | Path) -> Path:
    """A RoBERTa with byte-level BPE pieces (``Ġ``)."""
    return _save(path, "roberta", "RobertaTokenizer", _byte_level(_FAIRSEQ), _FAIRSEQ)


def build_modernbert(path: str | Path) -> Path:
    """A ModernBERT: byte-level BPE, rotary positions, windows of up to 8,192 tokens."""
    return _save(path, "modernbert", "PreTrainedTokenizerFast", _byte_level(_BERT), _BERT)


def build_deberta(path: str | Path) -> Path:
    """A DeBERTa-v2: SentencePiece-like pieces with BERT's special tokens."""
    return _save(path, "deberta-v2", "DebertaV2Tokenizer", _unigram(_BERT), _BERT)


def _unigram(names: dict[str, str]) -> Tokenizer:
    pieces = Tokenizer(models.Unigram())
    pieces.normalizer = normalizers.NFKC()
    pieces.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    pieces.decoder = decoders.Metaspace()
    counts: Counter[str] = Counter()
    for (_, piece), count in _substrings(pieces).items():
        counts[piece] += count
    *special, mask = names.values()
    total = counts.total()
    learnt = [(piece, round(math.log(count / total), 3)) for piece, count in counts.items()]
    vocabulary = [*((token, 0.0) for token in special), *learnt]
    pieces.model = models.Unigram(vocabulary, unk_id=special.index(names["unk"]))
    pieces.add_special_tokens([*special, mask])
    return pieces


def _byte_level(names: dict[str, str]) -> Tokenizer:
    pieces = Tokenizer(models.BPE(unk_token=None))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=[*names.values()],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    pieces.train_from_iterator(SENTENCES, trainer)
    return pieces


def _substrings(pieces: Tokenizer) -> Counter[tuple[bool, str]]:
    """How often each frequent substring begins a word (True) or stands inside of one (False).

    A vocabulary of these is the same on every run; those of the trainers are not.
    """
    counts: Counter[tuple[bool, str]] = Counter()
    for sentence in SENTENCES:
        normal = pieces.normalizer.normalize_str(sentence)
        for word, _ in pieces.pre_tokenizer.pre_tokenize_str(normal):
            size = len(word)
            counts.update(
                (i == 0, word[i:j]) for i in range(size) for j in range(i + 1, min(i + 6, size) + 1)
            )
            counts.update((first, char) for first in (True, False) for char in word)
    frequent = ((key, n) for key, n in counts.items() if n > 1 or len(key[1]) == 1)
    return Counter(dict(sorted(frequent, key=lambda item: (-item[1], item[0]))))


def _save(
    path: str | Path,
    model_type: str,
    tokenizer_class: str,
    pieces: Tokenizer,
    names: dict[str, str],
    **tokenizer_config: Any,
) -> Path:
    path = Path(path)
    ids = {name: pieces.token_to_id(token) for name, token in names.items()}
    cls, sep = names["cls"], names["sep"]
    pieces.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B {sep}",
        special_tokens=[(cls, ids["cls"]), (sep, ids["sep"])],
    )
    extra: dict[str, Any] = {"max_position_embeddings": 512}
    if model_type == "modernbert":
        extra = {"max_position_embeddings": 8192, "cls_token_id": ids["cls"]}
        extra["sep_token_id"] = ids["sep"]
    elif "roberta" in model_type:
        # Positions are numbered from behind the padding id.
        extra = {"max_position_embeddings": 514, "type_vocab_size": 1}
    config = AutoConfig.for_model(
        model_type,
        num_labels=2,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        initializer_range=0.3,
        vocab_size=pieces.get_vocab_size(),
        pad_token_id=ids["pad"],
        bos_token_id=ids["cls"],
        eos_token_id=ids["sep"],
        **extra,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForTokenClassification.from_config(config).eval()
    _spread(model, [pieces.encode(sentence).ids for sentence in SENTENCES])
    model.save_pretrained(path)
    PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        model_max_length=8192 if model_type == "modernbert" else 512,
        **{f"{name}_token": token for name, token in names.items()},
    ).save_pretrained(path)
    # The generic class wrote its own name; published checkpoints name that of their model.
    file = path / "tokenizer_config.json"
    written = json.loads(file.read_text()) | {"tokenizer_class": tokenizer_class}
    file.write_text(json.dumps(written | tokenizer_config, indent=2))
    return path


@torch.no_grad()
def _spread(model: Any, windows: list[list[int]]) -> None:
    """Scale and shift the head, so that the logits of the keep label have median 0 and spread 2."""
    logits = torch.cat([model(input_ids=torch.tensor([ids])).logits[0] for ids in windows])
    difference = logits[:, 1] - logits[:, 0]
    scale = 2.0 / difference.std()
    model.classifier.weight *= scale
    model.classifier.bias.copy_(torch.stack([torch.tensor(0.0), -difference.median() * scale]))
