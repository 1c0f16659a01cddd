"""Prompt compression for retrieval-augmented generation, after LLMLingua-2.

>>> from lingua2 import Compressor
>>> result = Compressor().compress(texts, target_token=300)
>>> result.texts
"""

from .compressor import Compressor
from .embedding_store import EmbeddingStatistics, pack_embeddings
from .errors import (
    BudgetWarning,
    DeviceMemoryError,
    InputError,
    Lingua2Error,
    MarkerWarning,
    ModelLoadError,
    OptionError,
    RelevanceError,
    RelevanceWarning,
    TokenCounterError,
)
from .estimate import BreakEven, break_even
from .model_options import ModelOptions
from .options import CompressionOptions
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
    "EmbeddingStatistics",
    "InputError",
    "Lingua2Error",
    "MarkerWarning",
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
    "pack_embeddings",
    "packed_text",
    "reading_order",
]
