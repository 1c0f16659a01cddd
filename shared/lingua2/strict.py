"""What all models of settings share: unknown names and slips of type are refused in a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from .errors import Lingua2Error, OptionError

__all__ = ["Number", "StrictOptions", "Strings", "unknown_option", "validated"]

M = TypeVar("M", bound=BaseModel)


def _no_bool(value: Any) -> Any:
    # True is an int in Python; `rate=True` is a slip, not a rate of 1.
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got {value!r}")
    return value


def _as_tuple(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(
            f"expected a list of strings, got the single string {value!r}; write [{value!r}]"
        )
    return value


Number = BeforeValidator(_no_bool)
"""Beside a number's type: refuses booleans."""
Strings = BeforeValidator(_as_tuple)
"""Beside the type of a list of strings: refuses a single string."""


def unknown_option(name: str, known: Iterable[str]) -> OptionError:
    """What to raise where an option is called ``name``."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return OptionError(f"unknown option {name!r}; {hint}")


class StrictOptions(BaseModel):
    """A model of settings that refuses unknown names and hints at near ones."""

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, protected_namespaces=(), validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name in values.keys() - cls.model_fields.keys():
                raise unknown_option(str(name), cls.model_fields)
        return values


def validated(model: type[M], values: dict[str, Any]) -> M:
    """``model(**values)`` with an error that reads like a sentence.

    Raises:
        OptionError: A value is not allowed or a name is unknown.
    """
    try:
        return model(**values)
    except ValidationError as error:
        found = error.errors()
        cause = found[0].get("ctx", {}).get("error")
        if len(found) == 1 and isinstance(cause, Lingua2Error):
            raise cause from error
        lines = [_sentence(item) for item in found]
        raise OptionError("; ".join(lines)) from error


def _sentence(item: Any) -> str:
    # Behind the field stand pydantic's own names for what it tried.
    name = ".".join(map(str, item["loc"][:1]))
    message = item["msg"].removeprefix("Value error, ")
    if not name or item["type"] == "value_error":
        return f"{name}: {message}" if name else message
    return f"{name}: {message}, got {item['input']!r}"
