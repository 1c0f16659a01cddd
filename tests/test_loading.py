"""Checkpoints that cannot be used say why."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CanineTokenizer

from lingua2 import Compressor, ModelLoadError, OptionError
from samples import PROSE


@pytest.fixture
def bert(tiny_bert: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bert, tmp_path / "model")


def edit_config(path: Path, **changes: Any) -> None:
    config = json.loads((path / "config.json").read_text())
    config.update(changes)
    (path / "config.json").write_text(json.dumps(config))


def test_a_local_directory_is_loaded_whatever_its_name(bert: Path) -> None:
    for name in (bert, str(bert)):
        result = Compressor(name).compress([PROSE], rate=0.5)
        assert 0 < result.compressed_tokens <= result.budget


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/model", "./no-such", Path("no/model")])
def test_a_missing_directory_is_named_at_once(name: str | Path) -> None:
    with pytest.raises(ModelLoadError, match=r"no such directory.*None for the embedded model"):
        Compressor(name)


def test_a_hub_id_without_network_says_what_was_tried() -> None:
    with pytest.raises(ModelLoadError, match="cannot load the hub model 'some-org/some-model'"):
        Compressor("some-org/some-model").load()


def test_a_directory_without_a_config(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"without config\.json"):
        Compressor(tmp_path)


def test_a_broken_config(bert: Path) -> None:
    (bert / "config.json").write_text("{ not json")
    with pytest.raises(ModelLoadError, match=r"config\.json.*cannot be read"):
        Compressor(bert)


def test_another_number_of_labels(bert: Path) -> None:
    edit_config(bert, id2label={"0": "a", "1": "b", "2": "c"}, label2id={"a": 0, "b": 1, "c": 2})
    with pytest.raises(ModelLoadError, match=r"3 labels \['a', 'b', 'c'\].*exactly two"):
        Compressor(bert)


def test_missing_weights(bert: Path) -> None:
    (bert / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=r"no model\.safetensors"):
        Compressor(bert)


def test_pickled_weights_are_not_read(bert: Path) -> None:
    (bert / "model.safetensors").unlink()
    torch.save({}, bert / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match=r"pytorch_model\.bin is not read"):
        Compressor(bert)


def test_truncated_weights(bert: Path) -> None:
    weights = bert / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelLoadError, match="cannot load the directory"):
        Compressor(bert).load()


@pytest.mark.parametrize(
    "change", [{"hidden_size": 64}, {"num_hidden_layers": 3}, {"vocab_size": 77}]
)
def test_weights_that_do_not_fit_the_config(bert: Path, change: dict[str, int]) -> None:
    edit_config(bert, **change)
    with pytest.raises(ModelLoadError, match=r"cannot load|do not fit|belong to different"):
        Compressor(bert).compress([PROSE], rate=0.5)


def test_a_checkpoint_without_a_classifier(bert: Path) -> None:
    from transformers import AutoModel

    AutoModel.from_pretrained(bert).save_pretrained(bert)
    with pytest.raises(ModelLoadError, match=r"do not fit its config.*classifier"):
        Compressor(bert).load()


def test_a_slow_tokenizer(bert: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (bert / name).unlink()
    CanineTokenizer().save_pretrained(bert)
    with pytest.raises(ModelLoadError, match=r"slow tokenizer CanineTokenizer.*fast one"):
        Compressor(bert).load()


def test_no_tokenizer(bert: Path) -> None:
    for file in bert.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            file.unlink()
    with pytest.raises(ModelLoadError, match="has no tokenizer files"):
        Compressor(bert).load()


def test_code_that_comes_with_a_checkpoint_is_not_run(bert: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    (bert / "evil.py").write_text(f"open({str(witness)!r}, 'w').close()\n")
    edit_config(bert, model_type="evil", auto_map={"AutoConfig": "evil.Evil"})
    with pytest.raises(ModelLoadError):
        Compressor(bert).load()
    assert not witness.exists()


def test_an_unknown_device() -> None:
    with pytest.raises(ModelLoadError, match="device_map='gpu' is not a torch device"):
        Compressor(device_map="gpu").load()


def test_unknown_model_options_are_refused() -> None:
    with pytest.raises(OptionError, match=r"max_length: .* got 2"):
        Compressor(max_length=2)


def test_weights_are_read_when_they_are_needed_and_torch_with_them() -> None:
    code = (
        "import sys; import lingua2; c = lingua2.Compressor();"
        "r = c.compress(['a few words'], target_token=10);"
        "assert r.texts == ['a few words'];"
        "assert not {'torch', 'transformers'} & set(sys.modules), 'loaded too early';"
        "c.load(); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_embedded_model_is_small_and_has_a_card(root: Path) -> None:
    model = root / "shared" / "lingua2" / "models" / "default"
    assert (model / "model.safetensors").stat().st_size <= 50_000_000
    assert "license: apache-2.0" in (model / "README.md").read_text()


def test_a_copied_checkpoint_gives_the_same_result(
    compressor: Compressor, root: Path, tmp_path: Path
) -> None:
    source = root / "shared" / "lingua2" / "models" / "default"
    copy = shutil.copytree(source, tmp_path / "any name")
    expected = compressor.compress([PROSE], rate=0.4)
    assert Compressor(copy).compress([PROSE], rate=0.4).texts == expected.texts
