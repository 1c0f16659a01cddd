"""Runtimes: batches, memory, exports on disk, the agreement gate and what it chooses."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lingua2 import Compressor, DeviceMemoryError, ModelLoadError, OptionError
from lingua2.backends import Backend, FloatArray, choice, exports, gate, names
from lingua2.backends.batching import OutOfMemory, keep_share, run_windows
from lingua2.backends.build import Source, _check, build_encoder, named_encoder
from lingua2.backends.choice import automatic_encoder, choose, precision_of
from lingua2.backends.gate import decide, passages, passes
from lingua2.backends.names import fixed_precision, on_cuda
from lingua2.backends.torch import TorchBackend
from lingua2.backends.tracing import tracing
from lingua2.encoder import Encoder
from lingua2.evaluation.survival import normalise, survives
from lingua2.loading import Checkpoint, load_checkpoint
from lingua2.model_options import ModelOptions
from samples import CHINESE, MANY_KINDS, PROSE

RUNTIMES = {
    "torch-int8": "torch",
    "onnx": "onnxruntime",
    "onnx-int8": "onnxruntime",
    "openvino": "openvino",
}


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINGUA2_CACHE_DIR", str(shared_cache))
    monkeypatch.setattr(exports, "_temporary", {})
    monkeypatch.setattr(choice, "_known", {})
    return shared_cache


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINGUA2_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place that cannot be a directory, whoever runs the tests."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LINGUA2_CACHE_DIR", str(tmp_path / "file" / "cache"))
    return tmp_path / "file"


# Batches


def shares(ids: Any, mask: Any) -> Callable[[], FloatArray]:
    values = (ids % 7 / 10).astype(np.float32)
    return lambda: values if mask is None else values * mask


@given(
    st.lists(st.lists(st.integers(1, 999), min_size=1, max_size=40), max_size=30),
    st.integers(1, 200),
)
def test_every_window_comes_back_in_its_place_and_no_batch_is_too_large(
    windows: list[list[int]], limit: int
) -> None:
    shapes: list[tuple[int, int]] = []

    def forward(ids: Any, mask: Any) -> Callable[[], FloatArray]:
        shapes.append(ids.shape)
        assert (mask is None) == (0 not in ids)
        return shares(ids, mask)

    results = run_windows(windows, forward, pad_token_id=0, max_batch_tokens=limit)
    for window, result in zip(windows, results, strict=True):
        np.testing.assert_array_equal(result, (np.array(window) % 7 / 10).astype(np.float32))
    assert sum(rows for rows, _ in shapes) == len(windows)
    assert all(rows == 1 or rows * length <= limit for rows, length in shapes)
    assert [length for _, length in shapes] == sorted((n for _, n in shapes), reverse=True)


@pytest.mark.parametrize("capacity", [1, 3, 7])
def test_a_batch_that_does_not_fit_is_split_until_it_does(capacity: int) -> None:
    tried: list[int] = []

    def forward(ids: Any, mask: Any) -> Callable[[], FloatArray]:
        tried.append(len(ids))
        if len(ids) > capacity:
            raise OutOfMemory("no room")
        return shares(ids, mask)

    windows = [[i + 1] * (i % 5 + 1) for i in range(40)]
    results = run_windows(windows, forward, pad_token_id=0, max_batch_tokens=10_000)
    for window, result in zip(windows, results, strict=True):
        np.testing.assert_array_equal(result, (np.array(window) % 7 / 10).astype(np.float32))
    # What did not fit is not tried again with every batch.
    assert sum(rows > capacity for rows in tried) <= 8


def test_logits_however_large_give_probabilities() -> None:
    logits = np.array([[[0, 0], [1e30, 0], [-1e30, 0], [2, 1]]], np.float32)
    np.testing.assert_allclose(keep_share(logits, 0), [[0.5, 1, 0, 0.7310586]], atol=1e-6)
    np.testing.assert_allclose(keep_share(logits, 0) + keep_share(logits, 1), 1, atol=1e-6)


# PyTorch


class FakeModel:
    """Two logits for every token; says how many windows it was asked about."""

    device = torch.device("cpu")

    def __init__(self, fail: Callable[[int], Exception | None] = lambda _: None) -> None:
        self.fail = fail
        self.rows: list[int] = []

    def __call__(self, input_ids: torch.Tensor, attention_mask: Any) -> SimpleNamespace:
        self.rows.append(len(input_ids))
        if (error := self.fail(len(input_ids))) is not None:
            raise error
        logits = torch.stack([torch.zeros(input_ids.shape), input_ids / 10], dim=-1)
        if torch.is_autocast_enabled("cpu"):
            logits[input_ids == 13] = torch.nan
        return SimpleNamespace(logits=logits)


def fake_backend(model: Any, **kwargs: Any) -> TorchBackend:
    return TorchBackend(model, keep_label=1, pad_token_id=0, **kwargs)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_pytorch_out_of_memory_costs_time_and_nothing_else(error: Exception) -> None:
    windows = [[5] * 9, [7] * 9, [9] * 9, [11] * 4, [13] * 4]
    model = FakeModel(lambda rows: error if rows > 2 else None)
    expected = fake_backend(FakeModel()).keep_probabilities(windows)
    for one, other in zip(fake_backend(model).keep_probabilities(windows), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.rows == [5, 2, 2, 1]


def test_a_window_that_does_not_fit_alone_says_what_to_do() -> None:
    model = FakeModel(lambda _: torch.OutOfMemoryError("CUDA out of memory. Tried 9 GiB"))
    with pytest.raises(DeviceMemoryError, match=r"a window of 9 tokens .* set max_length below"):
        fake_backend(model).keep_probabilities([[5] * 9] * 3)
    assert model.rows == [3, 1]


def test_other_errors_of_the_model_are_not_taken_for_missing_memory() -> None:
    model = FakeModel(lambda _: RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fake_backend(model).keep_probabilities([[5] * 9] * 3)
    assert model.rows == [3]


def test_what_overflows_in_fp16_is_computed_again_in_fp32() -> None:
    model = FakeModel()
    backend = fake_backend(model, precision="fp16", max_batch_tokens=3)
    windows = [[1, 2, 3], [11, 13, 12]]
    expected = fake_backend(FakeModel()).keep_probabilities(windows)
    for one, other in zip(backend.keep_probabilities(windows), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    assert len(model.rows) == 3
    assert backend.precision == "fp16"


# Every runtime, on a real graph


def encoder(path: Path, backend: str, **options: Any) -> Encoder:
    return build_encoder(ModelOptions(model_name=path, backend=backend, **options))


@pytest.fixture(params=sorted(RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(RUNTIMES[request.param])
    return str(request.param)


def test_a_runtime_scores_as_pytorch_does_alone_and_in_company(
    runtime: str, tiny_bert: Path
) -> None:
    texts = [*MANY_KINDS.values(), " ".join([PROSE] * 20)]
    expected = encoder(tiny_bert, "torch").score(texts)
    mine = encoder(tiny_bert, runtime)
    int8 = runtime.endswith("int8")
    # The tiny model's weights are random and far apart, so a byte is coarse for them.
    tolerance = 0.3 if int8 else 1.01 / 255
    for one, other in zip(mine.score(texts), expected, strict=True):
        np.testing.assert_allclose(one.mean, other.mean, atol=tolerance)
        np.testing.assert_allclose(one.first, other.first, atol=tolerance)
    windows = [[2, *range(5, 5 + n), 3] for n in (1, 4, 30, 90, 2, 31)]
    together = mine.backend.keep_probabilities(windows)
    for window, result in zip(windows, together, strict=True):
        (alone,) = mine.backend.keep_probabilities([window])
        np.testing.assert_allclose(result, alone, atol=1e-5)
    assert mine.backend.name == runtime
    assert mine.backend.precision == (runtime if int8 else "fp32")
    assert isinstance(mine.backend, Backend)


@pytest.mark.slow
def test_openvino_int8_decides_about_as_pytorch_does() -> None:
    pytest.importorskip("nncf")
    mine = build_encoder(ModelOptions(backend="openvino-int8"))
    reference = build_encoder(ModelOptions(device_map="cpu"))
    assert gate.agreement(decide(mine), decide(reference)) > 0.95
    assert mine.backend.name == mine.backend.precision == "openvino-int8"


def test_an_exported_model_needs_neither_pytorch_nor_transformers(
    tiny_bert: Path, cache: Path
) -> None:
    pytest.importorskip("onnxruntime")
    here = Compressor(tiny_bert, backend="onnx").compress([PROSE, CHINESE], rate=0.5)
    code = (
        "import sys; sys.modules.update(torch=None, transformers=None)\n"
        "from lingua2 import Compressor\n"
        f"c = Compressor({str(tiny_bert)!r}, backend='onnx')\n"
        f"print(ascii(c.compress({[PROSE, CHINESE]!a}, rate=0.5).texts))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ascii(here.texts)


def test_a_missing_runtime_names_its_extra(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match=r'pip install "lingua2\[onnx\]"'):
        encoder(tiny_bert, "onnx-int8")
    with pytest.raises(ImportError, match=r'pip install "lingua2\[openvino\]"'):
        encoder(tiny_bert, "openvino")


def test_a_runtime_for_cpus_refuses_another_device() -> None:
    with pytest.raises(OptionError, match=r"backend='onnx' runs on the CPU .*'cuda:0'"):
        Compressor(backend="onnx", device_map="cuda:0")
    with pytest.raises(OptionError, match="backend"):
        Compressor(backend="tensorflow")


@pytest.fixture(scope="module")
def checkpoint(tiny_bert: Path) -> Checkpoint:
    return load_checkpoint(ModelOptions(model_name=tiny_bert, device_map="cpu"))


class Liar:
    """Quick, and wrong."""

    name = "onnx"
    precision = "fp32"

    def keep_probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        rng = np.random.default_rng(0)
        return [rng.random(len(window), np.float32) for window in windows]


def test_a_graph_that_computes_something_else_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(ModelLoadError, match=r"differs from its model by 0\.\d+; take backend"):
        _check(Liar(), checkpoint)


def test_an_architecture_that_cannot_be_traced_says_so(checkpoint: Checkpoint) -> None:
    message = r"'onnx' cannot export BertForTokenClassification .*: Unsupported: aten::odd; take"
    with (
        pytest.raises(ModelLoadError, match=message),
        tracing(checkpoint, "onnx"),
    ):
        raise type("Unsupported", (Exception,), {})("aten::odd\nand a long report")


# Exports on disk


def write(directory: Path) -> None:
    (directory / "model.bin").write_bytes(b"weights" * 1000)


def content(directory: Path) -> bytes:
    return (directory / "model.bin").read_bytes()


def refuse(directory: Path) -> None:
    raise AssertionError("there is nothing to build")


def test_an_export_is_built_once_and_then_found(own_cache: Path) -> None:
    first = exports.exported("key", write)
    assert first.is_relative_to(own_cache)
    assert exports.exported("key", refuse) == first
    assert content(first) == b"weights" * 1000


def damage_a_byte(place: Path) -> None:
    data = bytearray(content(place))
    data[1234] ^= 1
    (place / "model.bin").write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        damage_a_byte,
        lambda place: (place / "model.bin").write_bytes(b"weights"),
        lambda place: (place / "model.bin").unlink(),
        lambda place: (place / "manifest.json").write_text("{"),
        lambda place: (place / "manifest.json").write_text("[1]"),
        lambda place: (place / "manifest.json").unlink(),
    ],
)
def test_a_damaged_export_is_built_again(
    damage: Callable[[Path], Any], own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = exports.exported("key", write)
    damage(place)
    assert exports.ready("key") is None
    assert content(exports.exported("key", write)) == b"weights" * 1000
    assert exports.ready("key") == place
    assert "is damaged and was built again" in caplog.text
    assert [path.name for path in place.parent.iterdir()] == ["key"]


PROCESS = """
import os, sys, time
from pathlib import Path
from lingua2.backends.exports import exported
mode, start = sys.argv[1], Path(sys.argv[2])
def build(directory):
    (directory / "model.bin").write_bytes(b"weights" * 500)
    if mode == "killed":
        os._exit(9)
    start.with_name(f"started-{os.getpid()}").touch()
    while len(list(start.parent.glob("started-*"))) < 2:
        time.sleep(0.01)
    with (directory / "model.bin").open("ab") as file:
        file.write(b"weights" * 500)
print(exported("key", build))
"""


def test_two_processes_may_export_at_once(own_cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, "both", str(tmp_path / "start")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    places = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert places == {str(own_cache / "exports" / "key")}
    assert content(exports.exported("key", refuse)) == b"weights" * 1000
    assert [path.name for path in (own_cache / "exports").iterdir()] == ["key"]


def test_a_killed_export_leaves_nothing_that_is_read(own_cache: Path) -> None:
    command = [sys.executable, "-c", PROCESS, "killed", "-"]
    assert subprocess.run(command, check=False).returncode == 9
    (left,) = (own_cache / "exports").iterdir()
    assert content(exports.exported("key", write)) == b"weights" * 1000
    assert left.exists()
    # It may belong to a process that is still at work; a day later it does not.
    os.utime(left, (0, 0))
    exports.exported("other", write)
    assert not left.exists()


def test_a_full_disk_costs_the_cache_only(
    own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def full(directory: Path) -> None:
        write(directory)
        if directory.is_relative_to(own_cache):
            raise OSError(errno.ENOSPC, "No space left on device")

    place = exports.exported("key", full)
    assert content(place) == b"weights" * 1000
    assert not list((own_cache / "exports").iterdir())
    assert exports.exported("key", refuse) == place
    assert caplog.text.count("for this process only") == 1


def test_without_any_disk_the_error_says_what_to_do(own_cache: Path) -> None:
    def full(directory: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelLoadError, match=r"No space left on device; free some space, or"):
        exports.exported("key", full)


def test_a_cache_that_cannot_be_written_costs_time_only(
    no_cache: Path, tiny_bert: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxruntime")
    expected = Compressor(tiny_bert).compress([PROSE], rate=0.5).texts
    for _ in range(2):
        assert Compressor(tiny_bert, backend="onnx").compress([PROSE], rate=0.5).texts == expected
    assert caplog.text.count("cannot hold an exported model") == 1


def test_the_cache_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINGUA2_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert exports.cache_directory() == Path("/somewhere/lingua2")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert exports.cache_directory() == Path.home() / ".cache" / "lingua2"


# The gate and the choice


@pytest.fixture
def few_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    some = passages()[::6]
    for module in (gate, choice):
        monkeypatch.setattr(module, "passages", lambda: some)


def test_every_answer_of_the_gate_stands_in_its_passage() -> None:
    for passage in passages():
        for answer in passage.answers:
            assert survives([normalise(answer)], passage.text), answer
    # Fine enough to see half a point: three rates, each with every answer.
    assert 3 * sum(len(passage.answers) for passage in passages()) > 200


def test_the_gate_asks_more_of_fp32_than_of_less() -> None:
    assert passes("fp32", 0.995, 2.0)
    assert not passes("fp32", 0.994, 0.0)
    assert passes("onnx-int8", 0.97, 0.5)
    assert not passes("onnx-int8", 0.969, 0.0)
    assert not passes("onnx-int8", 0.99, 0.51)


class Remembering:
    """As good as the runtime behind it, and quicker: it knows the answers."""

    def __init__(self, inner: Backend, name: str) -> None:
        self.inner = inner
        self.name = name
        self.precision = "fp32"
        self.known: dict[tuple[int, ...], FloatArray] = {}

    def keep_probabilities(self, windows: Sequence[Sequence[int]]) -> list[FloatArray]:
        new = [window for window in windows if tuple(window) not in self.known]
        found = self.inner.keep_probabilities(new)
        self.known.update(zip(map(tuple, new), found, strict=True))
        return [self.known[tuple(window)] for window in windows]


def builder(checkpoint: Checkpoint, made: dict[str, Any]) -> Callable[[str, Source], Encoder]:
    def build(name: str, source: Source) -> Encoder:
        if name == "torch-fp32":
            return named_encoder(name, source)
        if isinstance(made[name], Exception):
            raise made[name]
        return Encoder(checkpoint, made[name])

    return build


@pytest.mark.usefixtures("few_passages")
def test_auto_refuses_a_quick_liar_and_takes_the_fastest_honest_runtime(
    checkpoint: Checkpoint, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(ModelOptions(model_name=tiny_bert, device_map="cpu"))
    honest = Remembering(named_encoder("torch-fp32", source).backend, "openvino")
    made: dict[str, Any] = {
        "onnx": Liar(),
        "onnx-int8": ModelLoadError("no such operator"),
        "openvino": honest,
    }
    monkeypatch.setattr(choice, "_candidates", lambda *_: iter(made))
    speeds = {"torch-fp32": 10.0, "onnx": 90.0, "openvino": 50.0}
    monkeypatch.setattr(choice, "_speeds", lambda *_: speeds)
    found, taken = choose(source, builder(checkpoint, made))
    assert (found.name, found.precision) == ("openvino", "fp32")
    assert taken.backend is honest
    by_name = {item.name: item for item in found.measurements}
    assert by_name["onnx"].verdict == "decides differently"
    assert by_name["onnx"].agreement is not None
    assert by_name["onnx"].agreement < 0.9
    assert by_name["openvino"].agreement == 1
    assert by_name["onnx-int8"].verdict == "does not run: no such operator"
    assert "50 tokens/s against 10" in found.why

    del made["openvino"]
    found, taken = choose(source, builder(checkpoint, made))
    assert (found.name, found.precision) == ("torch", "fp32")
    assert taken.backend.name == "torch"


@pytest.mark.usefixtures("few_passages")
def test_auto_does_not_trade_pytorch_for_something_slower(
    checkpoint: Checkpoint, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(ModelOptions(model_name=tiny_bert, device_map="cpu"))
    monkeypatch.setattr(choice, "_candidates", lambda *_: iter(["onnx"]))
    monkeypatch.setattr(choice, "_speeds", lambda *_: {"torch-fp32": 10.0, "onnx": 10.2})
    found, _ = choose(source, builder(checkpoint, {"onnx": Liar()}))
    assert found.name == "torch"
    assert found.measurements[0].verdict == "no faster than PyTorch in fp32"


@pytest.mark.usefixtures("few_passages")
def test_speeds_are_measured_in_tokens(checkpoint: Checkpoint) -> None:
    encoders = {"a": Encoder(checkpoint, Liar()), "b": Encoder(checkpoint, Liar())}
    speeds = choice._speeds(encoders, checkpoint.pieces)
    assert speeds.keys() == {"a", "b"}
    assert all(value > 1000 for value in speeds.values())


@pytest.mark.usefixtures("few_passages")
def test_decisions_are_those_of_the_compressor(checkpoint: Checkpoint) -> None:
    first, second = decide(Encoder(checkpoint, Liar())), decide(Encoder(checkpoint, Liar()))
    assert (first.kept == second.kept).all()
    assert 0.2 < first.kept.mean() < 0.8
    assert 0 < first.survived.mean() < 1


@pytest.mark.usefixtures("few_passages")
def test_the_choice_is_made_once_and_read_again(
    own_cache: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    caplog.set_level(logging.INFO, logger="lingua2")
    options = ModelOptions(model_name=tiny_bert, device_map="cpu", backend="auto")
    monkeypatch.setattr(choice, "_candidates", lambda *_: iter(["torch-int8"]))
    speeds = {"torch-fp32": 10.0, "torch-int8": 90.0}
    monkeypatch.setattr(choice, "_speeds", lambda *_: speeds)
    monkeypatch.setattr(choice, "passes", lambda *_: True)
    assert precision_of(options) is None
    assert automatic_encoder(options).backend.name == "torch-int8"
    assert precision_of(options) == "torch-int8"
    assert "takes torch-int8: 90 tokens/s against 10" in caplog.text

    def never(source: Source) -> Any:
        raise AssertionError("it was measured again")

    monkeypatch.setattr(choice, "choose", never)
    monkeypatch.setattr(choice, "_known", {})
    compressor = Compressor(tiny_bert, device_map="cpu", backend="auto")
    before = compressor.fingerprint
    assert compressor.backend.name == compressor.backend.precision == "torch-int8"
    assert compressor.backend.measurements[0].tokens_per_second == 90
    assert compressor.backend.processor
    assert compressor.fingerprint == before
    assert before != Compressor(tiny_bert, device_map="cpu").fingerprint

    # Whatever changes the outcome asks for another measurement.
    (file,) = (own_cache / "choices").iterdir()
    written = json.loads(file.read_text())
    for other in (
        {**written, "processor": "another"},
        {**written, "versions": [["torch", "1.0"]]},
        {**written, "name": "tensorflow"},
        {"name": "torch"},
        [],
    ):
        monkeypatch.setattr(choice, "_known", {})
        file.write_text(json.dumps(other))
        assert precision_of(options) is None


@pytest.mark.usefixtures("few_passages")
def test_the_choice_outlives_a_disk_that_cannot_be_written(
    no_cache: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(choice, "_candidates", lambda *_: iter([]))
    compressor = Compressor(tiny_bert, device_map="cpu", backend="auto")
    assert compressor.backend.name == "torch"
    assert compressor.backend.measurements[0].verdict == "taken"
    assert "cannot be kept for the next start" in caplog.text


def test_a_named_backend_is_its_own_reason(compressor: Compressor) -> None:
    found = compressor.backend
    assert (found.name, found.why) == ("torch", "backend='torch'")


@pytest.mark.parametrize(
    ("backend", "device_map", "precision"),
    [
        ("torch", "cpu", "fp32"),
        ("torch", "cuda:1", "fp16"),
        ("torch-fp32", "cuda", "fp32"),
        ("torch-int8", "cpu", "torch-int8"),
        ("onnx", "auto", "fp32"),
        ("openvino-int8", "auto", "openvino-int8"),
    ],
)
def test_the_precision_is_known_before_anything_is_loaded(
    backend: str, device_map: str, precision: str
) -> None:
    options = ModelOptions(backend=backend, device_map=device_map)
    assert fixed_precision(options) == precision_of(options) == precision


def test_whether_there_is_a_gpu_is_asked_without_importing_pytorch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))
    monkeypatch.setitem(sys.modules, "torch", fake)
    assert on_cuda("auto") is True
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(names, "installed", lambda *_: True)
    monkeypatch.setattr(names, "installed_versions", lambda: {"torch": "2.9.0+cpu"})
    assert on_cuda("auto") is False
    monkeypatch.setattr(names, "installed_versions", lambda: {"torch": "2.9.0"})
    monkeypatch.setattr(sys, "platform", "win32")
    assert on_cuda("auto") is None
    assert fixed_precision(ModelOptions()) is None


def test_every_runtime_is_an_option() -> None:
    known = typing.get_args(ModelOptions.model_fields["backend"].annotation)
    assert {*names.BACKENDS, "auto"} == set(known)
