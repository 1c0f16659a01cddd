"""Prompt compression for retrieval-augmented generation, after LLMLingua-2.

>>> from lingua2 import Compressor
>>> result = Compressor().compress(texts, target_token=300)
>>> result.texts
"""

from .compressor import Compressor
from .errors import (
    BudgetWarning,
    DeviceMemoryError,
    InputError,
    Lingua2Error,
    ModelLoadError,
    OptionError,
    RelevanceError,
    RelevanceWarning,
    TokenCounterError,
)
from .estimate import BreakEven, break_even
from .options import CompressionOptions, ModelOptions
from .ordering import reading_order
from .result import CompressionResult, DroppedForced, Word
from .score_cache import ScoreCache
from .score_sqlite import SqliteScoreCache
from .score_store import ScoreStatistics
from .scores import packed_text

__version__ = "0.1.0"

__all__ = [
    "BreakEven",
    "BudgetWarning",
    "CompressionOptions",
    "CompressionResult",
    "Compressor",
    "DeviceMemoryError",
    "DroppedForced",
    "InputError",
    "Lingua2Error",
    "ModelLoadError",
    "ModelOptions",
    "OptionError",
    "RelevanceError",
    "RelevanceWarning",
    "ScoreCache",
    "ScoreStatistics",
    "SqliteScoreCache",
    "TokenCounterError",
    "Word",
    "break_even",
    "packed_text",
    "reading_order",
]
