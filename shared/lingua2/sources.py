"""Where a checkpoint lies, and what is wrong with it, told without PyTorch or network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .errors import ModelLoadError
from .model_options import ModelOptions

__all__ = ["DEFAULT_MODEL", "check_labels", "check_source", "locate"]

DEFAULT_MODEL = Path(__file__).parent / "models" / "default"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def check_source(options: ModelOptions) -> None:
    """Find what is wrong with ``options.model_name`` without importing torch or using the network.

    Raises:
        ModelLoadError: There is no such directory, or it holds no checkpoint that can be loaded.
    """
    source, _ = locate(options)
    if not isinstance(source, Path):
        return
    try:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{str(source / 'config.json')!r} cannot be read: {error}") from error
    labels = config.get("id2label") if isinstance(config, dict) else None
    if isinstance(labels, dict):
        check_labels(str(source), list(labels.values()))
    if not any(source.glob("*.safetensors")):
        others = sorted(p.name for p in source.iterdir() if p.suffix in (".bin", ".pt", ".h5"))
        found = f"; {', '.join(others)} is not read, since pickles can run code" if others else ""
        raise ModelLoadError(
            f"{str(source)!r} has no model.safetensors{found}; write one with "
            "model.save_pretrained(directory)"
        )


def locate(options: ModelOptions) -> tuple[Path | str, dict[str, Any]]:
    """Where ``options.model_name`` lies, and what ``from_pretrained`` needs to read only that.

    Raises:
        ModelLoadError: It is no directory with a config, and no hub id.
    """
    kwargs: dict[str, Any] = {"trust_remote_code": options.trust_remote_code}
    if options.model_name is None:
        return DEFAULT_MODEL, {**kwargs, "local_files_only": True}
    path = Path(options.model_name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelLoadError(
                f"model_name={str(options.model_name)!r} is a directory without config.json; give "
                "a directory that save_pretrained() of model and tokenizer wrote"
            )
        return path, {**kwargs, "local_files_only": True}
    name = str(options.model_name)
    looks_like_path = isinstance(options.model_name, Path) or not _HUB_ID.fullmatch(name)
    if looks_like_path or name.startswith(".") or path.exists():
        raise ModelLoadError(
            f"model_name={name!r}: no such directory; give a local directory with config.json, "
            "a hub id such as 'org/model', or None for the embedded model"
        )
    return name, kwargs


def check_labels(name: str, labels: list[str]) -> None:
    """Refuse a checkpoint that has not two labels.

    Raises:
        ModelLoadError: It has another number of them.
    """
    if len(labels) != 2:
        raise ModelLoadError(
            f"{name!r} has {len(labels)} labels {labels[:8]}; a compressor needs a token "
            "classifier with exactly two labels (drop, keep)"
        )
