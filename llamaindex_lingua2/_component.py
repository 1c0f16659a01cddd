"""The options of a model as fields of a LlamaIndex component, which can be stored and restored."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from llama_index.core.bridge.pydantic import (
    BaseModel,
    ConfigDict,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    field_serializer,
    model_validator,
)
from llama_index.core.schema import TransformComponent
from pydantic import FieldSerializationInfo

from lingua2 import ModelLoadError
from lingua2.component import Component

__all__ = ["ModelComponent"]

_PLAIN = (str, int, float, bool, type(None), list, tuple, set, frozenset, dict)
# What to_dict() writes in place of an object; from_dict() refuses it.
_LEFT_OUT = "lingua2_left_out"


class ModelComponent(TransformComponent, Component):
    """A component that LlamaIndex stores and restores.

    An object among the options, such as
    a tokenizer or a ``score_cache`` other than a path, is not part of ``to_dict()``, and
    ``from_dict(data, score_cache=...)`` puts it back.
    """

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, protected_namespaces=(), validate_default=True
    )

    no_options: ClassVar[frozenset[str]] = frozenset({"callback_manager"})
    """Callbacks belong to their process."""

    _identity: str = PrivateAttr(default_factory=lambda: uuid4().hex[:12])

    @model_validator(mode="before")
    @classmethod
    def _check_restorable(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        for name, value in data.items():
            if isinstance(value, Mapping) and _LEFT_OUT in value:
                raise ValueError(
                    f"{name} was an object ({value[_LEFT_OUT]}), which to_dict() cannot hold; pass "
                    f"it again: {cls.__name__}.from_dict(data, {name}=...)"
                )
        # model_dump() names the class, and extra="forbid" would refuse that on the way back.
        named = data.get("class_name") == cls.class_name()
        added = {"fingerprint", "class_name"} if named else {"fingerprint"}
        return {k: v for k, v in data.items() if k not in added}

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """The options, and the fingerprint of the checkpoint where it can be had.

        An ingestion cache takes this for the setting, so that other weights under the same name do
        not get the nodes that the old ones made. `from_dict` passes over the fingerprint: what is
        restored has the checkpoint that is there by then.
        """
        options = super().to_dict(**kwargs)
        try:
            return options | {"fingerprint": self.compressor.fingerprint}
        except ModelLoadError:
            # Settings can be written down where the hub is out of reach.
            return options

    @field_serializer("*", mode="wrap")
    def _to_plain(
        self, value: Any, default: SerializerFunctionWrapHandler, info: FieldSerializationInfo
    ) -> Any:
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, _PLAIN):
            return default(value)
        named = value if hasattr(value, "__qualname__") else type(value)
        module, name = named.__module__, named.__qualname__
        # Ingestion caches take this for the setting, so two objects must not look alike; but
        # where scores are kept does not change them, and what embeds has a name of its own there.
        same = info.field_name in ("score_cache", "embeddings")
        same = same or getattr(sys.modules.get(module), name, None) is value
        suffix = "" if same else f" {self._identity}-{id(value):x}"
        return {_LEFT_OUT: f"{module}.{name}{suffix}"}

    def __getstate__(self) -> dict[str, Any]:
        # BaseComponent's drops whatever cannot be pickled, so a copy would count with another
        # tokenizer without a word; here pickle says so. Callbacks belong to their process.
        state = BaseModel.__getstate__(self)
        fields = {k: v for k, v in state["__dict__"].items() if k != "callback_manager"}
        return {**state, "__dict__": fields}
