"""Imports of optional packages that say what to install."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, extra: str) -> Any:
    """Import ``module``, which comes with the extra ``extra``.

    Raises:
        ImportError: It is not installed; the message holds the command that helps.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A broken installation of the package itself must not read as a missing extra.
        if error.name is None or not module.startswith(error.name):
            raise
        raise ImportError(
            f"{module.partition('.')[0]} is not installed; it comes with "
            f'pip install "lingua2[{extra}]"',
            name=error.name,
        ) from error
