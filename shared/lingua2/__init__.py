"""Prompt compression for retrieval-augmented generation, after LLMLingua-2.

>>> from lingua2 import Compressor
>>> result = Compressor().compress(texts, target_token=300)
>>> result.texts
"""

from .compressor import Compressor
from .errors import (
    BudgetWarning,
    InputError,
    Lingua2Error,
    ModelLoadError,
    OptionError,
    TokenCounterError,
)
from .options import CompressionOptions, ModelOptions
from .result import CompressionResult, DroppedForced, Word

__version__ = "0.1.0"

__all__ = [
    "BudgetWarning",
    "CompressionOptions",
    "CompressionResult",
    "Compressor",
    "DroppedForced",
    "InputError",
    "Lingua2Error",
    "ModelLoadError",
    "ModelOptions",
    "OptionError",
    "TokenCounterError",
    "Word",
]
