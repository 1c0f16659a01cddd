"""What a user names as ``module:name``."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["imported", "is_module"]


def imported(name: str) -> Any:
    """What stands in a module, also in one of the current directory.

    Raises:
        ImportError: There is no such module, or it cannot be imported.
        AttributeError: Nothing of that name stands there.
    """
    module, _, attribute = name.partition(":")
    with _current_directory():
        return getattr(importlib.import_module(module), attribute)


def is_module(name: str) -> bool:
    """Whether `imported` finds a module of that name."""
    with _current_directory():
        try:
            return importlib.util.find_spec(name) is not None
        except (ImportError, ValueError):
            return False


@contextlib.contextmanager
def _current_directory() -> Iterator[None]:
    """Modules beside the user are found, as with ``python -m``."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
