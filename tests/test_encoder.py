"""Scoring: every kind of checkpoint, windows, pooling, identical texts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import checkpoints
from lingua2 import Compressor
from lingua2.backends import Backend, FloatArray
from lingua2.backends.torch import TorchBackend
from lingua2.encoder import Encoder
from lingua2.loading import Checkpoint, load_checkpoint
from lingua2.model_options import ModelOptions
from lingua2.scores import quantised
from samples import AWKWARD, CHINESE, MANY_KINDS, PROSE

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "BERT": checkpoints.build_bert,
    "XLM-R": checkpoints.build_xlmr,
    "RoBERTa": checkpoints.build_roberta,
    "ModernBERT": checkpoints.build_modernbert,
    "DeBERTa": checkpoints.build_deberta,
}


# Probabilities are whole numbers of 255ths.
HALF_A_LEVEL = 0.5 / 255


@pytest.fixture(scope="session", params=sorted(BUILDERS))
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    path = BUILDERS[request.param](tmp_path_factory.mktemp("checkpoint"))
    return load_checkpoint(ModelOptions(model_name=path))


def encoder(checkpoint: Checkpoint, backend: Backend | None = None) -> Encoder:
    return Encoder(checkpoint, backend or torch_backend(checkpoint))


def torch_backend(checkpoint: Checkpoint, **kwargs: int) -> TorchBackend:
    return TorchBackend(
        checkpoint.model,
        keep_label=checkpoint.keep_label,
        pad_token_id=checkpoint.pad_token_id,
        **kwargs,
    )


def test_special_tokens_and_length_come_from_the_checkpoint(checkpoint: Checkpoint) -> None:
    expected = checkpoint.tokenizer("a")["input_ids"]
    inner = checkpoint.tokenizer("a", add_special_tokens=False)["input_ids"]
    assert [*checkpoint.prefix, *inner, *checkpoint.suffix] == expected
    longest = [*checkpoint.prefix, *inner * 600][: checkpoint.max_length]
    ids = torch.tensor([longest])
    assert checkpoint.model(input_ids=ids).logits.shape == (1, len(longest), 2)


def test_scores_are_those_of_the_model_run_by_hand(checkpoint: Checkpoint) -> None:
    (scored,) = encoder(checkpoint).score([PROSE])
    batch = checkpoint.tokenizer(PROSE, return_tensors="pt", return_offsets_mapping=True)
    offsets = batch.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        logits = checkpoint.model(**batch).logits[0]
    probabilities = logits.softmax(-1)[:, checkpoint.keep_label].tolist()
    # Of what its vocabulary lacks a model has no opinion.
    ids, inner = batch["input_ids"][0].tolist(), slice(1, -1)
    known = [
        p
        for p, i in zip(probabilities[inner], ids[inner], strict=True)
        if i != checkpoint.unknown_id
    ]
    probabilities = [
        np.mean(known) if i == checkpoint.unknown_id else p
        for p, i in zip(probabilities, ids, strict=True)
    ]
    for unit in range(len(scored.units)):
        start, end = int(scored.units.starts[unit]), int(scored.units.ends[unit])
        own = [
            p
            for p, (a, b) in zip(probabilities, offsets, strict=True)
            if a < end and b > start and PROSE[max(a, start) : min(b, end)].strip()
        ]
        assert scored.mean[unit] == pytest.approx(np.mean(own), abs=HALF_A_LEVEL + 1e-5)
        assert scored.first[unit] == pytest.approx(own[0], abs=HALF_A_LEVEL + 1e-5)


@pytest.mark.parametrize("text", [*MANY_KINDS.values(), *AWKWARD.values()])
def test_every_kind_of_text_can_be_scored(checkpoint: Checkpoint, text: str) -> None:
    (scored,) = encoder(checkpoint).score([text])
    assert len(scored.mean) == len(scored.first) == len(scored.units)
    assert ((scored.mean >= 0) & (scored.mean <= 1)).all()


class Fixed:
    """Gives the tokens of a text the probabilities that a test wants."""

    name, precision = "fixed", "fp32"

    def __init__(self, probabilities: Sequence[float]) -> None:
        self._probabilities = probabilities

    def keep_probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        (window,) = windows
        assert len(window) == len(self._probabilities) + 2
        return [np.array([0, *self._probabilities, 0], dtype=np.float32)]


def embedded(*probabilities: float) -> Encoder:
    return Encoder(load_checkpoint(ModelOptions()), Fixed(probabilities))


def test_what_the_model_cannot_read_is_worth_the_mean_of_what_it_can() -> None:
    (scored,) = embedded(0.9, 0.0, 0.5, 0.1).score(["hut \U0001f6d6 near lake"])
    assert scored.mean.tolist() == pytest.approx([0.9, 0.5, 0.5, 0.1], abs=HALF_A_LEVEL + 1e-5)
    (scored,) = embedded(0.2, 0.2).score(["\U0001f6d6 \U0001f6d6"])
    assert scored.mean.tolist() == pytest.approx([0.2, 0.2], abs=HALF_A_LEVEL + 1e-5)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_a_run_of_chinese_stands_together_as_far_as_it_cannot_be_read(pooling: str) -> None:
    # The vocabulary has 国 and 中, and neither 鲸 nor 鳄.
    (scored,) = embedded(0.8, 0.0, 0.4, 0.6, 0.2, 0.2).score(["国鲸，中国 ok"])
    known = (0.8 + 0.4 + 0.6 + 0.2 + 0.2) / 5
    run = (0.8 + known) / 2
    wanted = [(0.8 + run) / 2, (known + run) / 2, 0.4, 0.6, 0.2, 0.2]
    found = scored.probabilities("mean" if pooling == "mean" else "first")
    assert found.tolist() == pytest.approx(wanted, abs=HALF_A_LEVEL + 1e-5)


def test_chinese_units_are_whole_characters_with_every_tokenizer(checkpoint: Checkpoint) -> None:
    (scored,) = encoder(checkpoint).score([CHINESE])
    bounds = zip(scored.units.starts, scored.units.ends, strict=True)
    assert "".join(CHINESE[a:b] for a, b in bounds) == CHINESE.replace(" ", "")


def test_scores_do_not_depend_on_neighbours_or_batches(checkpoint: Checkpoint) -> None:
    texts = list(MANY_KINDS.values())
    alone = encoder(checkpoint, torch_backend(checkpoint, max_batch_tokens=1))
    together = np.concatenate([own.mean for own in encoder(checkpoint).score(texts)])
    single = np.concatenate([alone.score([text])[0].mean for text in texts])
    # What lies between two levels may be rounded either way.
    np.testing.assert_allclose(together, single, atol=2 * HALF_A_LEVEL + 1e-5)
    assert (together == single).mean() > 0.99


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_probabilities_are_whole_numbers_of_255ths(checkpoint: Checkpoint, pooling: str) -> None:
    for scored in encoder(checkpoint).score([*MANY_KINDS.values()]):
        own = scored.probabilities(pooling)
        np.testing.assert_array_equal(own, quantised(own))
        assert not own.flags.writeable


class Recorder:
    """A backend that notes the windows and gives every token the same probability."""

    def __init__(self) -> None:
        self.windows: list[list[int]] = []

    def keep_probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        self.windows += [list(window) for window in windows]
        return [np.full(len(window), 0.5, np.float32) for window in windows]


def test_windows_hold_every_token_once_and_end_at_sentences(checkpoint: Checkpoint) -> None:
    text = " ".join([PROSE] * 60)
    recorder = Recorder()
    encoder(checkpoint, recorder).score([text])
    head, tail = len(checkpoint.prefix), len(checkpoint.suffix)
    inner = [window[head : len(window) - tail] for window in recorder.windows]
    assert [i for window in inner for i in window] == checkpoint.pieces.encode(
        text, add_special_tokens=False
    ).ids
    assert len(inner) > 1
    for window in recorder.windows:
        assert tuple(window[:head]) == checkpoint.prefix
        assert tuple(window[len(window) - tail :]) == checkpoint.suffix
        assert len(window) <= checkpoint.max_length
    for window in inner[:-1]:
        assert checkpoint.pieces.decode(window).rstrip().endswith((".", "?", "!", ",", '"', ";"))
    sizes = [len(window) for window in inner]
    assert min(sizes) > max(sizes) / 2


def test_identical_texts_are_scored_once(checkpoint: Checkpoint) -> None:
    recorder = Recorder()
    scored = encoder(checkpoint, recorder).score([PROSE, CHINESE, PROSE, PROSE])
    assert len(recorder.windows) == 2
    assert scored[0] is scored[2] is scored[3]


def test_a_word_longer_than_a_window_is_scored_in_parts(checkpoint: Checkpoint) -> None:
    word = "qx7" * 4000
    recorder = Recorder()
    (scored,) = encoder(checkpoint, recorder).score([f"before {word} after"])
    assert len(scored.units) == 3
    assert max(map(len, recorder.windows)) <= checkpoint.max_length


@pytest.mark.parametrize(
    ("labels", "keep"),
    [
        ({0: "LABEL_0", 1: "LABEL_1"}, 1),
        ({0: "keep", 1: "drop"}, 0),
        ({0: "drop", 1: "KEEP"}, 1),
        ({0: "x", 1: "discard"}, 0),
    ],
)
def test_the_keep_label_is_found_by_its_name(
    tiny_bert: Path, tmp_path: Path, labels: dict[int, str], keep: int
) -> None:
    path = shutil.copytree(tiny_bert, tmp_path / "model")
    model = load_checkpoint(ModelOptions(model_name=path)).model
    model.config.id2label, model.config.label2id = labels, {v: k for k, v in labels.items()}
    model.config.save_pretrained(path)
    assert load_checkpoint(ModelOptions(model_name=path)).keep_label == keep


def test_a_five_megabyte_text_is_tokenised_and_cut_whole() -> None:
    recorder = Recorder()
    checkpoint = load_checkpoint(ModelOptions())
    text = (PROSE + "\n") * (5_000_000 // len(PROSE))
    (scored,) = Encoder(checkpoint, recorder).score([text])
    assert int(scored.units.ends[-1]) == len(text.rstrip())
    assert sum(map(len, recorder.windows)) > 1_000_000


def test_the_embedded_model_prefers_content_words(compressor: Compressor) -> None:
    (scored,) = compressor.score([PROSE])
    by_word = {
        PROSE[a:b]: float(p)
        for a, b, p in zip(scored.units.starts, scored.units.ends, scored.mean, strict=True)
    }
    assert min(by_word[w] for w in ("harbour", "3.5", "million", "April")) > 0.5
    assert max(by_word[w] for w in ("The", "of", "for", "the")) < 0.5
