"""Prompt compression for LlamaIndex: `Lingua2Postprocessor`, and `Lingua2Scorer` at ingestion.

>>> from llamaindex_lingua2 import Lingua2Postprocessor
>>> engine = index.as_query_engine(node_postprocessors=[Lingua2Postprocessor(target_token=500)])
"""

try:
    import llama_index.core  # noqa: F401 - only to say what is missing
except ModuleNotFoundError as error:
    # A package that llama-index-core itself misses has its own name and its own remedy.
    if not (error.name or "").startswith("llama_index"):
        raise
    raise ImportError(
        'llamaindex_lingua2 needs llama-index-core: pip install "lingua2[llamaindex]"'
    ) from error

from .postprocessor import Lingua2Postprocessor
from .scorer import Lingua2Scorer

__all__ = ["Lingua2Postprocessor", "Lingua2Scorer"]
