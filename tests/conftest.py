"""Fixtures shared by the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Nothing here may reach for a hub or for telemetry, whatever machine runs it.
# One thread: tiny models gain nothing from more, and lose a lot on a busy machine.
os.environ.update(
    HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TQDM_DISABLE="1", OMP_NUM_THREADS="1"
)

# The same examples on every machine, and no deadline on a busy one.
settings.register_profile("lingua2", derandomize=True, deadline=None)
settings.load_profile("lingua2")

import checkpoints  # noqa: E402 - the environment comes first
from lingua2 import Compressor  # noqa: E402 - the environment comes first


@pytest.fixture(scope="session")
def compressor() -> Compressor:
    """The embedded model, loaded once."""
    return Compressor().load()


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT checkpoint; copy it before you change it."""
    return checkpoints.build_bert(tmp_path_factory.mktemp("tiny") / "bert")
