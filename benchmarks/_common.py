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
import uuid
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
    made.add_argument(
        "--output", "--json", type=Path, default=RESULTS / f"{name}.json", help="JSON result"
    )
    made.add_argument("--seed", type=int, default=0, help="seed of everything random")
    return made


def cl100k() -> tiktoken.Encoding:
    return tiktoken_encoding("cl100k_base")


def token_counter() -> Callable[[str], int]:
    encoding = cl100k()
    return lambda text: len(encoding.encode_ordinary(text))


def find(data: Path, name: str) -> Path:
    """The file ``name`` somewhere below ``data``."""
    for path in sorted(data.rglob(name)):
        return path
    raise SystemExit(f"no {name} below the folder given with --data")


def read_rows(data: Path, name: str) -> tuple[list[dict[str, Any]], str]:
    """The rows of ``name`` somewhere below ``data``, and the file's SHA-256."""
    packed = find(data, f"{name}.jsonl.gz").read_bytes()
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


# Kinds of text that a retriever hands over beside prose; full of what must not get lost or altered.
PASSAGES = {
    "log": (
        "{date} {time} INFO {snake}: started with {n} workers, config {path}",
        "{date} {time} ERROR {snake}: request {uuid} failed after {n} ms, not retried",
        "{date} {time} WARN disk at {percent}%, no space for {path}",
        "{date} {time} DEBUG cache miss for {uuid}, {n} bytes read from {path}",
        "{date} {time} ERROR cannot open {path}: permission denied for user {n}",
        "{date} {time} INFO upgraded {snake} from {version} to {version} without restart",
        "{date} {time} WARN {snake} answered {n} times, never within {n} ms",
        "{date} {time} INFO mail sent to {email}, nothing queued",
        "{date} {time} ERROR worker {n} exited, neither {snake} nor {snake} was running",
    ),
    "documentation": (
        "Set {snake} to {n} if the server has less than {n} MB of memory.",
        "Since version {version} the option {snake} is not read from {path} any more.",
        "Do not edit {path} by hand; the next start of {snake} overwrites it.",
        "The function {snake} returns None when no row matches, and never raises.",
        "Files in {path} are removed after {n} days, those of {snake} after {n} hours.",
        "A timeout of {n} seconds is enough for most networks, but not for satellite links.",
        "Install {version} or newer, because older releases don't understand {snake}.",
        "Without {snake} the service listens on port {n} and accepts no remote connections.",
        "Questions that this page cannot answer go to {email}.",
    ),
    "mail": (
        "Hi {name}, the {thing} won't be ready on {date}, so please move the visit.",
        "We paid {amount} euros for the {thing}, which is {percent}% more than agreed.",
        "Please write to {email} and not to me, I am away until {date}.",
        "The draft is in {path}; nobody but {name} has read it so far.",
        "I never received the invoice over {amount} euros from {place}.",
        "Your ticket {uuid} is still open, and we have found no cause yet.",
        "Can you call {name} at {time}? It isn't urgent, but I have {n} questions.",
        "The room in {place} holds {n} people, without chairs perhaps {n}.",
        "Neither {name} nor the office in {place} knew about the {thing}.",
    ),
    "contract": (
        "The tenant shall pay {amount} euros within {n} days of every invoice.",
        "This agreement does not cover the {thing}, unless both parties state so in writing.",
        "Either party may terminate it with {n} days' notice, but not before {date}.",
        "The supplier is liable up to {amount} euros and in no case for lost profit.",
        "No amendment is valid without the signature of {name}.",
        "A delay of more than {n} days entitles the buyer to a reduction of {percent}%.",
        "Notices are to be sent to {email}; notices by telephone have no effect.",
        "The warranty for the {thing} ends {n} months after delivery and cannot be extended.",
        "The reference number of this contract is {uuid}, its annex has {n} pages.",
    ),
    "chat": (
        "{name}: did anyone restart {snake}? it's not answering since {time}",
        "{name}: i didn't touch it, only changed {path} yesterday",
        "{name}: we have {n} open alerts and none of them is about the {thing}",
        "{name}: please don't merge before {version} is out",
        "{name}: ok, rolled back to {version}, error rate down from {percent}% to {percent}%",
        "{name}: id was {uuid} if someone wants to look, i can't",
        "{name}: nothing in {path}, no idea where {snake} writes now",
        "{name}: see you at {time} then, never been to {place} before",
        "{name}: ask {email}, i have no access",
    ),
    "report": (
        "On {date} the {thing} in {place} was visited by {amount} people.",
        "Costs rose by {percent}% to {amount} euros, and no grant covered the difference.",
        "Of {n} samples from {place}, {n} were not usable.",
        "The team led by {name} measured {n} points without finding a defect.",
        "The {thing} has never been inspected since {date}.",
        "Raw data of run {uuid} lie in {path}, computed with release {version}.",
        "None of the {n} residents who answered wanted the {thing} to close.",
        "The column {snake} holds the pressure in kPa, {n} being the lowest value.",
        "The plan isn't final; comments reach {name} under {email} until {date}.",
    ),
}
FOLDERS = ("var", "etc", "srv", "data", "shop", "archive", "backup", "reports", "mirror")
PARTS = ("max", "queue", "retry", "user", "batch", "size", "limit", "sync", "index", "pump")
ENDINGS = ("log", "yaml", "conf", "csv", "db", "tar.gz", "py")


class _Slots(dict[str, str]):
    """What `PASSAGES` are filled with, drawn anew wherever a name occurs."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def __missing__(self, name: str) -> str:
        rng, some = self._rng, self._rng.randint
        match name:
            case "name":
                return rng.choice(("Mira", "Tomas", "Achieng", "Lena", "Raj", "Ksenia", "Owen"))
            case "thing":
                return rng.choice(THINGS)
            case "place":
                return rng.choice(PLACES)
            case "n":
                return str(some(2, 10 ** some(1, 3)))
            case "amount":
                return rng.choice((f"{some(1000, 90000):,}", f"{some(20, 900)}.{some(10, 99)}"))
            case "percent":
                return rng.choice((str(some(2, 99)), f"{some(0, 60)}.{some(1, 9)}"))
            case "date":
                return f"{some(1995, 2031)}-{some(1, 12):02}-{some(1, 28):02}"
            case "time":
                return f"{some(0, 23):02}:{some(0, 59):02}"
            case "version":
                return f"{rng.choice(('', 'v'))}{some(0, 9)}.{some(0, 20)}.{some(0, 40)}"
            case "uuid":
                return str(uuid.UUID(int=rng.getrandbits(128), version=4))
            case "snake":
                return "_".join(rng.sample(PARTS, some(2, 3)))
            case "path":
                return "/" + "/".join((*rng.sample(FOLDERS, some(1, 3)), self._file()))
            case "email":
                return f"{self['name'].lower()}.{rng.choice(PARTS)}@{rng.choice(FOLDERS)}.example"
        raise KeyError(name)

    def _file(self) -> str:
        return f"{self._rng.choice(PARTS)}-{self._rng.randint(1, 40)}.{self._rng.choice(ENDINGS)}"


def passages(rng: random.Random, number: int) -> dict[str, list[str]]:
    """``number`` invented passages of every kind, the same for the same state of ``rng``."""
    slots = _Slots(rng)
    made: dict[str, list[str]] = {}
    for kind, lines in PASSAGES.items():
        joint = "\n" if kind in ("log", "chat") else " "
        made[kind] = [
            joint.join(line.format_map(slots) for line in rng.sample(lines, rng.randint(4, 8)))
            for _ in range(number)
        ]
    return made


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
