"""What the benchmarks share: data, the reference implementation, records of a run."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import tiktoken

from lingua2.counting import tiktoken_encoding

HERE = Path(__file__).parent
RESULTS = HERE / "results"
EMBEDDED_MODEL = Path(str(files("lingua2"))) / "models" / "default"
# The reference implementation recognises checkpoints by the name of their directory.
REFERENCE_NAME = "bert-base-multilingual-cased"
PACKAGES = ("lingua2", "llmlingua", "torch", "transformers", "tokenizers", "tiktoken", "numpy")


def parser(description: str, name: str) -> argparse.ArgumentParser:
    """An argument parser with what every benchmark takes."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.add_argument("--output", type=Path, default=RESULTS / f"{name}.json", help="JSON result")
    made.add_argument("--seed", type=int, default=0, help="seed of everything random")
    return made


def cl100k() -> tiktoken.Encoding:
    return tiktoken_encoding("cl100k_base")


def token_counter() -> Callable[[str], int]:
    encoding = cl100k()
    return lambda text: len(encoding.encode_ordinary(text))


def read_rows(data: Path, name: str) -> tuple[list[dict[str, Any]], str]:
    """The rows of ``name`` somewhere below ``data``, and the file's SHA-256."""
    found = sorted(data.rglob(f"{name}.jsonl.gz"))
    if not found:
        raise SystemExit(f"no {name}.jsonl.gz below the folder given with --data")
    packed = found[0].read_bytes()
    lines = gzip.decompress(packed).decode().splitlines()
    return [json.loads(line) for line in lines], hashlib.sha256(packed).hexdigest()


@contextlib.contextmanager
def reference_checkpoint(checkpoint: Path = EMBEDDED_MODEL) -> Iterator[str]:
    """A copy of ``checkpoint`` under a name that llmlingua recognises, and tiktoken's cache set."""
    core = importlib.util.find_spec("llama_index.core")
    if core is None or not core.submodule_search_locations:
        raise SystemExit("llmlingua needs tiktoken's cl100k_base: pip install llama-index-core")
    cache = Path(core.submodule_search_locations[0]) / "_static" / "tiktoken_cache"
    # tiktoken reads it when llmlingua asks for its encoding, so it must be set before.
    os.environ["TIKTOKEN_CACHE_DIR"] = str(cache)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / REFERENCE_NAME
        shutil.copytree(checkpoint, home)
        yield str(home)


@contextlib.contextmanager
def reference_compressor(checkpoint: Path = EMBEDDED_MODEL) -> Iterator[Any]:
    """llmlingua's `PromptCompressor` on the checkpoint that ours uses, without network."""
    with reference_checkpoint(checkpoint) as home:
        from llmlingua import PromptCompressor
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        # Without model_config the constructor changes a dict that all its instances share.
        yield PromptCompressor(
            model_name=home, device_map="cpu", use_llmlingua2=True, model_config={}
        )


def reference_compress(compressor: Any, texts: Sequence[str], rate: float) -> str:
    """What llmlingua makes of ``texts`` at ``rate``."""
    result = compressor.compress_prompt(list(texts), rate=rate, use_context_level_filter=False)
    return str(result["compressed_prompt"])


NAMES = (
    "Mira Olsen",
    "Tomas Veld",
    "Dr. Achieng",
    "the harbour office",
    "Lena Fuchs",
    "Raj Pillai",
)
THINGS = ("ferry timetable", "water pump", "archive index", "roof of the mill", "tram depot")
PLACES = ("Norrvik", "the east quay", "Port Elgin", "the upper valley", "Hallsted", "district 7")
VERBS = ("inspected", "rebuilt", "described", "sold", "measured", "reopened", "photographed")
REASONS = (
    "because the old parts had rusted through",
    "although the committee had asked for a delay",
    "so that visitors could cross before dusk",
    "after two winters of heavy rain",
    "while the neighbouring workshop stayed closed",
)
SENTENCES = (
    "In {year}, {name} {verb} the {thing} in {place} {reason}.",
    "The {thing} cost about {number} crowns, {percent}% more than {name} had expected.",
    "{name} wrote that nobody in {place} had seen the {thing} since {year}.",
    "According to a report of {year}, the {thing} was {verb} {number} times, {reason}.",
    "It is not known whether the {thing} of {place} was ever {verb}; the records are incomplete.",
    "Between {year} and the following spring, {number} people worked on the {thing}.",
    "Most of them came from {place}, where {name} kept a small office with {number} files.",
    '"We {verb} it twice," said {name}, "and the {thing} still leaks."',
)


def prose(rng: random.Random, sentences: int) -> str:
    """Plausible English, the same for the same state of ``rng``."""
    return " ".join(_sentence(rng) for _ in range(sentences))


def _sentence(rng: random.Random) -> str:
    text = rng.choice(SENTENCES).format(
        name=rng.choice(NAMES),
        thing=rng.choice(THINGS),
        place=rng.choice(PLACES),
        verb=rng.choice(VERBS),
        reason=rng.choice(REASONS),
        year=rng.randint(1870, 2020),
        number=rng.randint(3, 4800),
        percent=rng.randint(2, 60),
    )
    return text[0].upper() + text[1:]


def environment() -> dict[str, Any]:
    """Where and with what a result was measured; nothing that names the machine."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "modified_files": len(_git("status", "--porcelain", "--", "shared").splitlines()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "model_sha256": _digest(EMBEDDED_MODEL / "model.safetensors"),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def write_result(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    note(f"wrote {path}")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["-"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def note(message: str) -> None:
    """Progress, beside the results on standard output."""
    print(message, file=sys.stderr, flush=True)


def _git(*arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, *arguments], cwd=HERE.parent, capture_output=True, text=True)
    return done.stdout.strip()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
