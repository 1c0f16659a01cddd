"""Warnings that point at the user's own line, however deep in here they arise."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

__all__ = ["warn"]

# The frameworks call us back, so their frames lie between the user's and ours.
_PASSED = {"lingua2", "langchain_lingua2", "llamaindex_lingua2", "langchain_core", "llama_index"}


def warn(message: str, category: type[Warning]) -> None:
    """`warnings.warn` on behalf of the first caller outside of lingua2 and the frameworks."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in _PASSED:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
