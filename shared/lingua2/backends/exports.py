"""Exported models on disk: built once, checked before every use, safe with several processes.

An export is a directory. It is built under a temporary name and renamed, so that a killed process
or a full disk leaves nothing that would be read; its manifest holds a hash of every file, so that
what was damaged afterwards is built again.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lingua2.errors import ModelLoadError

__all__ = ["cache_directory", "exported", "ready", "write_atomically"]

_LOG = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
_BUILDING = ".building-"
_ABANDONED_SECONDS = 24 * 60 * 60.0
_lock = threading.RLock()
# Where nothing can be kept on disk: removed with the process.
_temporary: dict[str, Path] = {}


def cache_directory() -> Path:
    """``LINGUA2_CACHE_DIR``, else ``lingua2`` in the user's cache directory."""
    if own := os.environ.get("LINGUA2_CACHE_DIR"):
        return Path(own).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA"):
        return Path(base).expanduser() / "lingua2"
    return Path("~/.cache/lingua2").expanduser()


def ready(key: str) -> Path | None:
    """The export ``key`` if it is there and whole."""
    with _lock:
        if key in _temporary:
            return _temporary[key]
    directory = _place(key)
    return directory if _is_whole(directory) else None


def exported(key: str, build: Callable[[Path], None]) -> Path:
    """The export ``key``, built if it is not there or damaged.

    Args:
        key: A file name that stands for all that the export depends on.
        build: Writes the files of the export into the empty directory it is given.

    Returns:
        The directory. Where the cache cannot be written it lies among the temporary files.

    Raises:
        ModelLoadError: It cannot be written anywhere.
    """
    # Threads wait for one another; processes may both build, and the first to finish wins.
    with _lock:
        if (found := ready(key)) is not None:
            return found
        try:
            return _build_in_cache(key, build)
        except OSError as error:
            if isinstance(error, ModelLoadError):
                raise
            _LOG.warning(
                "%s cannot hold an exported model (%s); it is exported for this process only. "
                "LINGUA2_CACHE_DIR names another directory",
                cache_directory(),
                error,
            )
        try:
            work = Path(tempfile.mkdtemp(prefix="lingua2-"))
            atexit.register(shutil.rmtree, work, ignore_errors=True)
            build(work)
        except OSError as error:
            if isinstance(error, ModelLoadError):
                raise
            raise ModelLoadError(
                f"an exported model can be written neither to {str(cache_directory())!r} nor to "
                f"{tempfile.gettempdir()!r}: {error}; free some space, or take backend='torch'"
            ) from error
        _temporary[key] = work
        return work


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` so that readers see all of it or what was there before.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_BUILDING, dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _place(key: str) -> Path:
    return cache_directory() / "exports" / key


def _build_in_cache(key: str, build: Callable[[Path], None]) -> Path:
    place = _place(key)
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place.parent)
    work = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=place.parent))
    try:
        build(work)
        hashes = {file.name: _sha256(file) for file in sorted(work.iterdir())}
        (work / _MANIFEST).write_text(json.dumps(hashes), encoding="utf-8")
        if place.exists() and not _is_whole(place):
            _LOG.warning("the exported model %s is damaged and was built again", place)
            # Renamed first: a directory that is half removed must not be found.
            with contextlib.suppress(FileNotFoundError):
                place.replace(work.with_name(work.name + "-damaged"))
            shutil.rmtree(work.with_name(work.name + "-damaged"), ignore_errors=True)
        try:
            work.replace(place)
        except OSError:
            # Another process was faster; what it built is as good.
            if not _is_whole(place):
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def _is_whole(directory: Path) -> bool:
    try:
        hashes = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
        return bool(hashes) and all(
            _sha256(directory / name) == digest for name, digest in hashes.items()
        )
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sweep(directory: Path) -> None:
    """Remove what killed processes left long ago."""
    for path in directory.glob(_BUILDING + "*"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:
            continue
