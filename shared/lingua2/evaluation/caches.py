"""Keys and values as tuples: what ``llmlingua`` takes the cache of a language model for.

Its LLMLingua unpacks ``past_key_values`` into pairs, cuts them behind every 200 tokens and hands
lists of pairs back. transformers 5 returns a cache object that yields triples, and takes nothing
else, so every text that needs a third step fails. The tensors are the same either way.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

__all__ = ["TupleCaches"]


class TupleCaches:
    """A causal language model that is called as those of transformers 4 were.

    Args:
        model: The model; everything but calling it goes there.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        # Its name since transformers 5.
        names = inspect.signature(model.forward).parameters
        self._name = "cache" if "cache" in names else "past_key_values"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(
        self,
        input_ids: Any,
        past_key_values: Iterable[Sequence[Any]] | None = None,
        **options: Any,
    ) -> SimpleNamespace:
        """Logits, and pairs of keys and values, each of batch x heads x tokens x size."""
        from transformers import DynamicCache

        # Without a configuration, since layers with a window would forget what llmlingua counts.
        cache: Any = DynamicCache()
        for layer, (keys, values) in enumerate(past_key_values or ()):
            cache.update(keys, values, layer)
        response = self._model(input_ids, **{self._name: cache}, **options)
        pairs = tuple((keys, values) for keys, values, *_ in cache)
        return SimpleNamespace(logits=response.logits, past_key_values=pairs)
