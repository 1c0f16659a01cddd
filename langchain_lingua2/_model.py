"""The options of a model as fields, checked when they are given."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, model_validator

from lingua2.component import Component

__all__ = ["WithModel"]


class WithModel(Component):
    """A component that LangChain makes, and whose wrong path it finds then."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        # Reads no weights, but a wrong path is found here instead of at the first question.
        _ = self.compressor
        return self
