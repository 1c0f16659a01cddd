"""Training: targets, windows, batches, validation, and whole trainings of a tiny model."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification, AutoTokenizer

import checkpoints
from lingua2 import Compressor, OptionError
from lingua2.cli import main
from lingua2.dataset import Example, write_examples
from lingua2.errors import ModelLoadError, TrainingError
from lingua2.evaluation import Question
from lingua2.loading import Checkpoint, load_checkpoint
from lingua2.model_options import ModelOptions
from lingua2.text import split_units
from lingua2.training import TrainingOptions, checks, train, trainer
from lingua2.training.batches import Steps, balanced
from lingua2.training.calibration import median_shift
from lingua2.training.features import IGNORED, WindowMaker
from lingua2.training.model import layer_depths, load_encoder
from lingua2.training.passages import Passage, cropped, lowered, packed, passage, stripped
from lingua2.training.targets import function_words, word_targets
from lingua2.training.trainer import soft_loss
from lingua2.training.validation import auc, f1_at_teacher_rate, level_auc

THINGS = ("council", "library", "pump", "engineers", "report", "garden", "children", "server")
VERBS = ("approved", "restart", "read", "closed", "heard", "shipped")


def sentence(rng: random.Random) -> str:
    words = [rng.choice(THINGS), rng.choice(VERBS), "the", rng.choice(THINGS), "of", "the"]
    return f"The {' '.join(words)} {rng.choice(THINGS)} for {rng.randint(10, 99)} dollars."


def example(text: str, keep: Sequence[str] = (), core: Sequence[str] = (), **about: Any) -> Example:
    units = split_units(text)
    words = [text[a:b] for a, b in zip(units.starts, units.ends, strict=True)]
    return Example(
        id=about.pop("id", "x"),
        text=text,
        starts=tuple(units.starts.tolist()),
        ends=tuple(units.ends.tolist()),
        levels=tuple(2 if word in core else int(word in keep) for word in words),
        level_names=("compressed", "core"),
        **about,
    )


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Teachers of these keep things and verbs, and of those the numbers first of all."""
    rng = random.Random(4)  # noqa: S311
    made = []
    for i in range(60):
        text = " ".join(sentence(rng) for _ in range(rng.randint(1, 4)))
        numbers = [word for word in text.split() if word.isdigit()]
        domain = "short" if len(text) < 80 else "long"
        made.append(
            example(text, (*THINGS, *VERBS), numbers, id=f"d{i}", domain=domain, license="CC0-1.0")
        )
    return made


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder without a classifier, as they come from a hub."""
    home = checkpoints.build_bert(tmp_path_factory.mktemp("encoder") / "tiny")
    model = AutoModelForTokenClassification.from_pretrained(home)
    model.base_model.save_pretrained(home)
    return home


@pytest.fixture(scope="module")
def checkpoint(tiny_bert: Path) -> Checkpoint:
    return load_checkpoint(ModelOptions(model_name=tiny_bert))


def settings(**options: Any) -> TrainingOptions:
    return TrainingOptions(model_name="somewhere/else", output="out", **options)


QUICK: dict[str, Any] = {
    "device": "cpu",
    "epochs": 4,
    "learning_rate": 3e-3,
    "batch_tokens": 256,
    "evaluations": 2,
    "validation_share": 0.2,
}


LEVELS = (0.0, 0.6, 1.0)
FUNCTION_WORDS = frozenset(("the", "of", "by", "was"))


class TestTargets:
    def by_word(self, made: Example, **options: Any) -> dict[str, float]:
        targets = word_targets(made, LEVELS, ends_phrase=FUNCTION_WORDS, **options)
        return dict(zip(made.words, map(float, targets), strict=True))

    def test_each_word_has_the_target_of_its_level(self) -> None:
        made = example("one two three", keep=("two",), core=("three",))
        assert word_targets(made, (0.0, 0.5, 1.0)).tolist() == [0.0, 0.5, 1.0]

    def test_words_of_a_phrase_move_towards_its_highest_target(self) -> None:
        made = example(
            "the big red lamp of old\nElm, won", keep=("red", "old"), core=("lamp", "won")
        )
        # Function words, line breaks and marks end a phrase.
        assert self.by_word(made, coherence=0.5) == pytest.approx(
            {
                "the": 0, "big": 0.5, "red": 0.8, "lamp": 1, "of": 0, "old": 0.6, "Elm": 0, ",": 0,
                "won": 1,
            }
        )  # fmt: skip
        assert self.by_word(made, coherence=1.0)["big"] == 1.0

    def test_numbers_and_names_rise(self) -> None:
        made = example("Rain fell. The Elbe rose 3.5 m by March 2.", keep=("Elbe",), core=("3.5",))
        assert self.by_word(made, emphasis=0.1) == pytest.approx(
            {
                "Rain": 0, "fell": 0, ".": 0, "The": 0, "Elbe": 0.7, "rose": 0, "3.5": 1, "m": 0,
                "by": 0, "March": 0.1, "2": 0.1,
            }
        )  # fmt: skip

    def test_a_guide_replaces_labels_by_what_is_to_be_expected(self) -> None:
        made = example("old red lamp", keep=("red",), core=("lamp",))
        expected = np.array([0.2, 0.8, 0.4], np.float32)
        mixed = word_targets(made, LEVELS, expected=expected, guide=0.5)
        assert mixed.tolist() == pytest.approx([0.1, 0.7, 0.7])
        # The phrase follows its best word by expectation, not the luckiest by label.
        whole = word_targets(made, LEVELS, expected=expected, guide=1.0, coherence=1.0)
        assert whole.tolist() == pytest.approx([0.8, 0.8, 0.8])

    def test_function_words_are_found_in_the_data(self) -> None:
        made = [
            example(f"Der Turm {i} wurde {i + 50} mal rot", ("Turm", "rot"), (str(i),))
            for i in range(20)
        ]
        assert function_words(made) == {"der", "wurde", "mal"}
        assert function_words(made[:4]) == frozenset()
        assert function_words([]) == frozenset()

    @given(
        st.lists(
            st.tuples(st.sampled_from(["the", "of", "Red", "7", ",", "x"]), st.integers(0, 2))
        ),
        st.floats(0, 1),
        st.floats(0, 1),
    )
    def test_targets_only_rise_and_stay_probabilities(
        self, words: list[tuple[str, int]], coherence: float, emphasis: float
    ) -> None:
        ends = np.cumsum([len(word) + 1 for word, _ in words], dtype=int) - 1
        starts = ends - [len(word) for word, _ in words] if words else ends
        made = Example(
            "x",
            " ".join(word for word, _ in words),
            tuple(starts.tolist()),
            tuple(ends.tolist()),
            tuple(level for _, level in words),
            ("compressed", "core"),
        )
        plain = word_targets(made, LEVELS)
        raised = word_targets(
            made, LEVELS, coherence=coherence, emphasis=emphasis, ends_phrase=FUNCTION_WORDS
        )
        assert raised.shape == (len(words),)
        assert (raised >= plain - 1e-6).all()
        assert (raised <= 1 + 1e-6).all()


class TestWindows:
    def test_every_token_of_a_word_has_its_target(self, checkpoint: Checkpoint) -> None:
        text = "The council approved the budget"
        units = split_units(text)
        targets = np.linspace(0.1, 0.9, len(units), dtype=np.float32)
        (window,) = WindowMaker(checkpoint).windows(text, units.starts, units.ends, targets)
        encoding = checkpoint.tokenizer(text, return_offsets_mapping=True)
        assert window.ids.tolist() == encoding["input_ids"]
        for (start, end), target in zip(encoding["offset_mapping"], window.targets, strict=True):
            if start == end:
                assert target == IGNORED
            else:
                word = np.flatnonzero((units.starts <= start) & (end <= units.ends))[0]
                assert target == pytest.approx(targets[word])

    def test_long_texts_become_windows_of_like_length_and_lose_nothing(
        self, tiny_bert: Path
    ) -> None:
        short = load_checkpoint(ModelOptions(model_name=tiny_bert, max_length=20))
        rng = random.Random(4)  # noqa: S311
        text = " ".join(sentence(rng) for _ in range(9))
        units = split_units(text)
        targets = np.ones(len(units), np.float32)
        windows = WindowMaker(short).windows(text, units.starts, units.ends, targets)
        assert max(map(len, windows)) <= 20
        assert max(map(len, windows)) - min(map(len, windows)) <= 1
        inner = [i for window in windows for i in window.ids[1:-1].tolist()]
        assert inner == short.tokenizer(text, add_special_tokens=False)["input_ids"]

    @pytest.mark.parametrize("text", ["", " \n "])
    def test_no_words_no_window(self, checkpoint: Checkpoint, text: str) -> None:
        none = np.zeros(0, np.int64)
        assert WindowMaker(checkpoint).windows(text, none, none, np.zeros(0, np.float32)) == []


class TestPassages:
    made = passage(
        example(
            "# The **Pump**\n\nIt `read` a_b = 3 bar. It closed! And then?\n", ("Pump", "read")
        ),
        settings(coherence=0.0, emphasis=0.0),
    )

    def words(self, given: Passage) -> list[str]:
        return [given.text[a:b] for a, b in zip(given.starts, given.ends, strict=True)]

    def test_cropping_keeps_whole_sentences_and_their_targets(self) -> None:
        whole = cropped(self.made, 0.0, 1.0)
        assert self.words(whole) == self.words(self.made)
        part = cropped(self.made, 0.55, 0.7)
        assert self.words(part) == ["It", "closed", "!"]
        targets = dict(zip(self.words(self.made), self.made.targets, strict=True))
        assert [targets[word] for word in self.words(part)] == part.targets.tolist()

    @given(st.floats(0, 1), st.floats(0, 1))
    def test_any_crop_is_a_slice(self, a: float, b: float) -> None:
        part = cropped(self.made, min(a, b), max(a, b))
        assert part.text in self.made.text
        joined = " ".join(self.words(part))
        assert joined
        assert joined in " ".join(self.words(self.made))

    def test_lower_case_keeps_the_words_in_place(self) -> None:
        assert self.words(lowered(self.made)) == [word.lower() for word in self.words(self.made)]
        odd = passage(example("İstanbul closed"), settings())
        assert lowered(odd) is odd

    def test_markup_goes_from_the_edges_of_words_only(self) -> None:
        plain = stripped(self.made)
        assert self.words(plain)[:7] == ["The", "Pump", "It", "read", "a_b", "3", "bar"]
        assert len(plain.text) == len(self.made.text)
        assert plain.targets[1] == self.made.targets[self.words(self.made).index("**Pump**")]

    def test_packed_passages_keep_their_words(self) -> None:
        both = packed([self.made, self.made])
        assert self.words(both) == 2 * self.words(self.made)
        assert both.targets.tolist() == 2 * self.made.targets.tolist()


class TestSteps:
    def steps(self, examples: list[Example], checkpoint: Checkpoint, **options: Any) -> Steps:
        chosen = settings(**{"batch_tokens": 200, "epochs": 2, **options})
        return Steps(examples, WindowMaker(checkpoint), chosen, checkpoint.pad_token_id)

    def test_an_epoch_sees_every_example_once_in_small_batches(
        self, examples: list[Example], checkpoint: Checkpoint
    ) -> None:
        steps = self.steps(examples, checkpoint)
        for epoch in (range(steps.per_epoch), range(steps.per_epoch, len(steps))):
            seen = []
            for i in epoch:
                batch = steps[i]
                assert batch["input_ids"].numel() <= 200
                assert ((batch["targets"] >= 0) <= (batch["attention_mask"] == 1)).all()
                for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
                    seen.append(tuple(ids[mask == 1].tolist()))
            expected = [tuple(checkpoint.tokenizer(x.text)["input_ids"]) for x in examples]
            assert sorted(seen) == sorted(expected)

    def test_a_step_depends_on_its_number_alone(
        self, examples: list[Example], checkpoint: Checkpoint
    ) -> None:
        options = {"crop": 0.5, "pack": 3, "balance": 1.0}
        forwards = self.steps(examples, checkpoint, **options)
        in_order = [forwards[i]["input_ids"].tolist() for i in range(len(forwards))]
        again = self.steps(examples, checkpoint, **options)
        order = [len(again) - 1, 0, len(again) // 2]
        assert [again[i]["input_ids"].tolist() for i in order] == [in_order[i] for i in order]
        other = self.steps(examples, checkpoint, seed=1, **options)
        assert [other[i]["input_ids"].tolist() for i in order] != [in_order[i] for i in order]

    def test_balance_evens_domains_out(self, examples: list[Example]) -> None:
        def counts(balance: float) -> list[int]:
            chosen = balanced(examples, balance, np.random.default_rng(0))
            domains = [examples[i].domain for i in chosen]
            return sorted(map(domains.count, ("short", "long")))

        few, many = counts(0.0)
        assert (few, many) != (30, 30)
        assert few + many == 60
        assert counts(1.0) == [30, 30]
        assert few < counts(0.5)[0] < 30


class TestMeasures:
    @given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=30))
    def test_auc_is_the_share_of_pairs_in_order(self, pairs: list[tuple[int, bool]]) -> None:
        scores = np.array([score for score, _ in pairs], dtype=float)
        positive = np.array([flag for _, flag in pairs], dtype=bool)
        compared = [
            1.0 if a > b else 0.5 if a == b else 0.0
            for a in scores[positive]
            for b in scores[~positive]
        ]
        if compared:
            assert auc(scores, positive) == pytest.approx(np.mean(compared))
        else:
            assert np.isnan(auc(scores, positive))

    def test_auc_by_level_and_domain(self) -> None:
        one = example("a b c", keep=("b",), core=("c",), domain="x")
        two = example("a b c", keep=("b",), core=("c",), domain="y")
        found = level_auc([one, two], [np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.2, 0.1])])
        assert found["x"] == {"compressed": 1.0, "core": 1.0}
        assert found["y"] == {"compressed": 0.0, "core": 0.0}
        assert list(found) == ["all", "x", "y"]

    def test_f1_keeps_as_many_words_as_the_teacher(self) -> None:
        given = example("a b c d", keep=("a", "b"))
        assert f1_at_teacher_rate([given], [np.array([0.9, 0.1, 0.8, 0.2])]) == 0.5
        assert f1_at_teacher_rate([given], [np.array([0.9, 0.8, 0.1, 0.2])]) == 1.0

    @given(st.integers(0, 1000))
    def test_the_shift_makes_half_of_the_tokens_stay(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        probabilities = rng.beta(1, 4, size=400).astype(np.float32)
        words = np.repeat(np.arange(200), 2)
        shift = median_shift(probabilities, words)
        logits = np.log(probabilities / (1 - probabilities.astype(float)))
        means = (1 / (1 + np.exp(-(logits + shift)))).reshape(200, 2).mean(axis=1)
        assert (means >= 0.5).mean() == pytest.approx(0.5, abs=0.01)

    def test_the_loss_is_the_expectation_over_hard_labels(self) -> None:
        logits = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(0))
        targets = torch.tensor([[0.0, 1.0, 0.6, -1, -1], [1.0, 0.0, 0.25, 1.0, -1]])
        logs = logits.log_softmax(-1)
        each = -(targets * logs[..., 1] + (1 - targets) * logs[..., 0])
        assert soft_loss(logits, targets).item() == pytest.approx(each[targets >= 0].mean().item())


class TestTrain:
    def test_a_model_learns_and_loads_in_lingua2_and_transformers(
        self, encoder: Path, examples: list[Example], tmp_path: Path
    ) -> None:
        home = tmp_path / "model"
        asked = [Question(("library",), ("The library closed for 20 dollars.",))]
        before = [item.to_dict() for item in examples]
        report = train(
            examples, questions=asked, model_name=encoder, output=home,
            **{**QUICK, "epochs": 8, "average": 0.2},
        )  # fmt: skip
        assert [item.to_dict() for item in examples] == before
        assert report.train_examples + report.validation_examples == len(examples)
        assert report.auc["all"]["compressed"] > 0.95
        assert report.auc["all"]["core"] > 0.7
        assert set(report.auc) == {"all", "long", "short"}
        assert [item.rate for item in report.survival] == [0.5, 0.33, 0.2]

        text = "The council approved the budget of the library for 20 dollars."
        result = Compressor(home).compress([text], rate=0.5)
        assert "council" in result.prompt
        half = Compressor(home).compress([item.text for item in examples], threshold=0.5)
        assert 0.35 < half.rate < 0.65
        model = AutoModelForTokenClassification.from_pretrained(home)
        assert model.config.id2label == {0: "drop", 1: "keep"}
        stored = load_file(home / "model.safetensors")
        assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
        ids = AutoTokenizer.from_pretrained(home)(text, return_tensors="pt")
        assert model.float()(**ids).logits.shape[-1] == 2

        card = (home / "README.md").read_text()
        for needed in ("CC0-1.0", report.data_sha256, '"epochs": 8', "| 0.33 |", "## Limits"):
            assert needed in card
        assert "does not depend on the question" in card
        # Where the model came from lies on this machine only.
        assert "base_model" not in card
        record = json.loads((home / "training.json").read_text())
        assert record["results"]["auc"] == report.auc
        assert str(tmp_path) not in json.dumps(record) + card

    def test_a_killed_training_goes_on_where_it_was(
        self,
        encoder: Path,
        examples: list[Example],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        options = {**QUICK, "epochs": 2, "crop": 0.5, "average": 0.9, "dropout": 0.1}
        train(examples, model_name=encoder, output=tmp_path / "whole", **options)
        calls = iter(range(10**6))
        steps = int(json.loads((tmp_path / "whole/training.json").read_text())["results"]["steps"])

        def killed(*arguments: Any) -> Any:
            if next(calls) > 0.7 * steps:
                raise KeyboardInterrupt
            return soft_loss(*arguments)

        monkeypatch.setattr(trainer, "soft_loss", killed)
        with pytest.raises(KeyboardInterrupt):
            train(examples, model_name=encoder, output=tmp_path / "cut", **options)
        monkeypatch.undo()
        with pytest.raises(TrainingError, match="holds a training already; set resume=True"):
            train(examples, model_name=encoder, output=tmp_path / "cut", **options)
        changed = {**options, "epochs": 3, "resume": True}
        with pytest.raises(TrainingError, match=r"other options: epochs=3.0 \(was 2.0\)"):
            train(examples, model_name=encoder, output=tmp_path / "cut", **changed)
        with pytest.raises(TrainingError, match="examples differ"):
            train(
                examples[:-1], model_name=encoder, output=tmp_path / "cut", resume=True, **options
            )
        # Another device, on another machine, is no other training.
        options["device"] = "auto"
        train(examples, model_name=encoder, output=tmp_path / "cut", resume=True, **options)
        whole, cut = (
            AutoModelForTokenClassification.from_pretrained(tmp_path / name).state_dict()
            for name in ("whole", "cut")
        )
        for name, tensor in whole.items():
            torch.testing.assert_close(cut[name], tensor, msg=name)

    def test_what_cannot_be_measured_is_null_and_the_card_says_what_was_done(
        self, encoder: Path, examples: list[Example], tmp_path: Path
    ) -> None:
        nothing = example("The fog.", id="fog", domain="fog", question="Where?", evidence=(0, 1, 0))
        home = tmp_path / "model"
        train(
            examples[10:], validation=[*examples[:10], nothing], model_name=encoder, output=home,
            **{**QUICK, "epochs": 1, "evaluations": 1, "early_stopping": 1},
        )  # fmt: skip
        text = (home / "training.json").read_text()
        assert json.loads(text)["results"]["auc"]["fog"] == {"compressed": None, "core": None}
        assert "NaN" not in text
        card = (home / "README.md").read_text()
        assert "| fog | - | - |" in card
        assert "These examples also chose the best weights and set the threshold." in card

    def test_tokens_outside_of_all_words_teach_nothing(
        self, checkpoint: Checkpoint, examples: list[Example]
    ) -> None:
        end = "report"
        text = "council " * 2000 + end
        sparse = Example("sparse", text, (len(text) - len(end),), (len(text),), (1,), ("kept",))
        steps = Steps([sparse], WindowMaker(checkpoint), settings(max_length=64), 0)
        batches = [steps[i] for i in range(steps.per_epoch)]
        assert all((batch["targets"] >= 0).any() for batch in batches)
        assert sum(int((batch["targets"] >= 0).sum()) for batch in batches) >= 1

    def test_early_stopping_takes_the_best_weights(
        self,
        encoder: Path,
        examples: list[Example],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        scores = iter([0.6, 0.9, 0.7, 0.5, 0.4, 0.3])
        states: list[torch.Tensor] = []

        class Watched(trainer.WordTrainer):
            def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
                self._validate = lambda: {trainer.BEST_METRIC: next(scores)}
                states.append(self._network.classifier.weight.detach().half().clone())
                return super().evaluate()

        monkeypatch.setattr(trainer, "WordTrainer", Watched)
        options = {**QUICK, "epochs": 6, "evaluations": 6, "early_stopping": 2}
        report = train(examples, model_name=encoder, output=tmp_path / "out", **options)
        assert len(states) == 4
        saved = AutoModelForTokenClassification.from_pretrained(report.output).state_dict()
        torch.testing.assert_close(saved["classifier.weight"].half(), states[1])

    @pytest.mark.parametrize("build", ["xlmr", "modernbert", "deberta"])
    def test_other_architectures(self, build: str, examples: list[Example], tmp_path: Path) -> None:
        base = getattr(checkpoints, f"build_{build}")(tmp_path / "base")
        options = {**QUICK, "epochs": 1, "layer_decay": 0.9, "gradient_checkpointing": True}
        report = train(examples[:20], model_name=base, output=tmp_path / "out", **options)
        result = Compressor(report.output).compress([item.text for item in examples], rate=0.5)
        assert 0 < result.rate <= 0.5

    def test_llmlingua_loads_it_by_the_name_of_its_directory(
        self, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        llmlingua = pytest.importorskip("llmlingua")
        index = importlib.util.find_spec("llama_index.core")
        if index is None or index.origin is None:
            pytest.skip("nothing here has the vocabulary that llmlingua counts with")
        vocabulary = Path(index.origin).parent / "_static" / "tiktoken_cache"
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(vocabulary))
        # llmlingua sets it.
        monkeypatch.setenv("PYTHONHASHSEED", "0")
        base, home = checkpoints.build_xlmr(tmp_path / "base"), tmp_path / "own-xlm-roberta-large"
        train(examples[:20], model_name=base, output=home, **{**QUICK, "epochs": 1})
        theirs = llmlingua.PromptCompressor(str(home), device_map="cpu", use_llmlingua2=True)
        text = "The council approved the budget of the library for 20 dollars."
        kept = theirs.compress_prompt(text, rate=0.5)["compressed_prompt"].split()
        assert 0 < len(kept) < len(text.split())

    def test_layers_further_down_are_deeper(self, encoder: Path, tmp_path: Path) -> None:
        loaded = load_encoder(TrainingOptions(model_name=encoder, output=tmp_path, max_length=64))
        depths = layer_depths(loaded.model)
        names = {depth: {name for name, _ in found} for depth, found in depths.items()}
        layers = loaded.model.config.num_hidden_layers
        assert names[0] == {"classifier.weight", "classifier.bias"}
        assert all(f"layer.{layers - 1}." in name for name in names[1])
        assert all("embeddings" in name for name in names[layers + 1])
        everything = {name for name, _ in loaded.model.named_parameters()}
        assert set().union(*names.values()) == everything

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"epoch": 3}, OptionError, "unknown option 'epoch'; did you mean 'epochs'"),
            ({"epochs": 0}, OptionError, "epochs: Input should be greater than 0"),
            ({"level_targets": (1.0, 0.5)}, OptionError, "rising probabilities"),
            ({"level_targets": (0.0, 1.0)}, TrainingError, "level_targets has 2 probabilities"),
            ({"early_stopping": 2, "average": 0.2}, OptionError, "early_stopping takes the best"),
            ({"max_length": 4096}, TrainingError, "takes at most"),
            ({"model_name": "nowhere"}, ModelLoadError, "nowhere"),
            ({"resume": True}, TrainingError, "holds no training to resume"),
            ({"guide": 0.5}, TrainingError, "guide=0.5 needs a trained compressor to start from"),
            ({"precision": "fp64"}, OptionError, "precision"),
            ({"learning_rate": float("inf")}, OptionError, "learning_rate"),
            ({"level_targets": (0.5, 0.5, 0.5)}, OptionError, "rising probabilities"),
        ],
    )
    def test_wrong_options_say_so(
        self,
        encoder: Path,
        examples: list[Example],
        tmp_path: Path,
        options: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        given = {"model_name": encoder, "output": tmp_path / "out", **QUICK, **options}
        with pytest.raises(error, match=message):
            train(examples, **given)

    def test_examples_that_teach_nothing_say_so(self, encoder: Path, tmp_path: Path) -> None:
        options = {"model_name": encoder, "output": tmp_path / "out", **QUICK}
        for few, message in (
            ([], "0 examples to train on"),
            ([example("a b", id="one")], "at least one of each"),
            ([example("a b", id=str(i)) for i in range(9)], "none or all of their words"),
        ):
            with pytest.raises(TrainingError, match=message):
                train(few, **options)
        mixed = [example("a b", ("a",), id=str(i)) for i in range(9)]
        mixed[4] = Example("odd", "a b", (0, 2), (1, 3), (0, 1))
        with pytest.raises(
            TrainingError, match=r"levels \['compressed'\], the first one has|first"
        ):
            train(mixed, **options)

    def test_an_early_failure_leaves_the_directory_free(
        self, encoder: Path, examples: list[Example], tmp_path: Path
    ) -> None:
        options = {"output": tmp_path / "out", **QUICK, "epochs": 1}
        with pytest.raises(ModelLoadError):
            train(examples, model_name=tmp_path / "typo", **options)
        with pytest.raises(TrainingError, match="takes at most"):
            train(examples, model_name=encoder, **{**options, "max_length": 4096})
        assert not (tmp_path / "out").exists()
        train(examples, model_name=encoder, **options)

    def test_a_state_that_a_kill_left_unfinished_is_passed_over(self, tmp_path: Path) -> None:
        assert checks.newest_state(tmp_path) is None
        for number, whole in ((9, True), (10, True), (11, False)):
            state = tmp_path / "checkpoints" / f"checkpoint-{number}"
            state.mkdir(parents=True)
            if whole:
                (state / "trainer_state.json").write_text("{}")
        found = checks.newest_state(tmp_path)
        assert found is not None
        assert found.name == "checkpoint-10"

    def test_held_out_examples_are_others(
        self, encoder: Path, examples: list[Example], tmp_path: Path
    ) -> None:
        options = {"model_name": encoder, "output": tmp_path / "out", **QUICK}
        with pytest.raises(TrainingError, match="60 ids occur twice, 'd0' first"):
            train(examples, validation=examples, **options)
        empty = [example("a b", id="none")]
        with pytest.raises(TrainingError, match="to validate with keep none or all"):
            train(examples, validation=empty, **options)
        with pytest.raises(
            TrainingError, match=r"must be lingua2\.dataset\.Example objects, got dict"
        ):
            train([{}], **options)  # type: ignore[list-item]

    def test_a_directory_with_other_things_is_left_alone(
        self, encoder: Path, examples: list[Example], tmp_path: Path
    ) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(TrainingError, match="is not empty; choose another output"):
            train(examples, model_name=encoder, output=tmp_path, **QUICK)
        assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]

    def test_chunks_of_a_document_stay_on_one_side(self) -> None:
        chunks = [example("a b", ("a",), id=f"doc{i // 4}#{i % 4}") for i in range(40)]
        training, held_out = checks.split(chunks, 0.2, seed=3)
        sides = [{item.id.split("#")[0] for item in side} for side in (training, held_out)]
        assert not sides[0] & sides[1]
        assert len(sides[1]) == 2

    def test_a_guide_alone_teaches_what_the_model_knows(
        self, tiny_bert: Path, examples: list[Example], tmp_path: Path
    ) -> None:
        plain = {**QUICK, "coherence": 0.0, "emphasis": 0.0, "calibrate": False}
        texts = [item.text for item in examples]

        def scores(home: Path) -> np.ndarray:
            return np.concatenate([item.mean for item in Compressor(home).score(texts)])

        kept = []
        for guide in (0.0, 1.0):
            out = tmp_path / f"guide{guide:g}"
            train(examples, model_name=tiny_bert, output=out, guide=guide, **plain)
            kept.append(np.corrcoef(scores(tiny_bert), scores(out))[0, 1])
        assert kept[1] > 0.7 > kept[0] + 0.3

    def test_a_compressor_can_be_trained_on(
        self, tiny_bert: Path, examples: list[Example], tmp_path: Path
    ) -> None:
        before = load_checkpoint(ModelOptions(model_name=tiny_bert)).model.classifier.weight
        loaded = load_encoder(TrainingOptions(model_name=tiny_bert, output=tmp_path, max_length=64))
        torch.testing.assert_close(loaded.model.classifier.weight, before)


def test_the_command_trains_on_a_file(
    encoder: Path, examples: list[Example], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, answers = tmp_path / "data.parquet", tmp_path / "answers.jsonl"
    write_examples(data, examples)
    row = {"question": "Which?", "answers": ["20"], "documents": ["The pump closed for 20."]}
    answers.write_text(json.dumps(row) + "\n")
    command = ["train", str(data), "--model", str(encoder), "--output", str(tmp_path / "out")]
    command += ["--answers", str(answers), "--epochs", "1", "--batch-tokens", "256"]
    command += ["--level-targets", "0,0.5,1", "--device", "cpu", "--no-calibrate"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "held out (3 texts): AUC compressed 0." in printed
    assert "answer survival at 0.33" in printed
    record = json.loads((tmp_path / "out/training.json").read_text())
    assert record["options"]["level_targets"] == [0.0, 0.5, 1.0]
    assert record["results"]["shift"] == 0.0

    shutil.rmtree(tmp_path / "out")
    assert main([*command[:-1], "--level-targets", "1,0"]) == 1
    assert "rising probabilities" in capsys.readouterr().err
    assert main(["train", "none.jsonl", *command[2:]]) == 1
    assert "no file 'none.jsonl'" in capsys.readouterr().err
