"""LangChain adapter of lingua2: retrieved documents within a hard token budget."""

try:
    from .compressor import Lingua2Compressor
    from .scorer import Lingua2Scorer
except ModuleNotFoundError as error:
    # A module that LangChain itself misses is another matter and says so best itself.
    if error.name is None or error.name.partition(".")[0] != "langchain_core":
        raise
    raise ImportError(
        'langchain_lingua2 needs langchain-core; install it with: pip install "lingua2[langchain]"'
    ) from error

__all__ = ["Lingua2Compressor", "Lingua2Scorer"]
