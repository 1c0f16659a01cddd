"""What an adapter's component is: options as fields, and the compressor that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, ClassVar, Self

from pydantic import PrivateAttr

from .compressor import Compressor
from .model_options import ModelOptions
from .strict import unknown_option

__all__ = ["Component"]

_build_lock = Lock()


class Component(ModelOptions):
    """What runs a model: every option of `ModelOptions` is a field.

    The weights are loaded at the first call that needs them, and a copy shares them.
    """

    no_options: ClassVar[frozenset[str]] = frozenset()
    """Fields that say nothing of what a component does."""

    # The core compressor and the options it was built from.
    _built: tuple[dict[str, Any], Compressor] | None = PrivateAttr(default=None)

    @property
    def compressor(self) -> Compressor:
        """The core compressor; ``compressor.load()`` loads the weights ahead of the first call."""
        options = {name: getattr(self, name) for name in ModelOptions.model_fields}
        with _build_lock:
            if self._built is None or self._built[0] != options:
                self._built = options, Compressor(**options)
            return self._built[1]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other options, which shares the loaded model where it can.

        Args:
            update: The options that change; they are checked by the next call.
            deep: Copy what the options hold as well.

        Raises:
            OptionError: A name in ``update`` is no option.
        """
        # Pydantic would take it, and nobody would ever look at it.
        for name in (update or {}).keys() - type(self).model_fields.keys():
            raise unknown_option(name, type(self).model_fields)
        return super().model_copy(update=update, deep=deep)

    def __eq__(self, other: object) -> bool:
        # Not pydantic's, to which two loaded models differ even where every option is the same.
        if type(other) is not type(self):
            return NotImplemented
        names = type(self).model_fields.keys() - self.no_options
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        # All fields would be a page, and a tokenizer among them a book.
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name in self.model_fields_set - self.no_options and value is not None:
                yield name, _Short(value)


class _Short:
    """A value that is printed in at most 80 characters."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        text = repr(self._value)
        return text if len(text) <= 80 else f"{text[:76]} ..."
