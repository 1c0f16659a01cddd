"""The errors and warnings that lingua2 raises.

Each error also derives from the built-in exception that fits it, so code that catches
``ValueError``, ``TypeError``, ``OSError`` or ``ImportError`` keeps working.
"""

__all__ = [
    "BudgetWarning",
    "DatasetError",
    "DeviceMemoryError",
    "InputError",
    "Lingua2Error",
    "MarkerWarning",
    "ModelLoadError",
    "OptionError",
    "RelevanceError",
    "RelevanceWarning",
    "TeacherError",
    "TokenCounterError",
    "TrainingError",
]


class Lingua2Error(Exception):
    """Base class of every error that lingua2 raises on purpose."""


class OptionError(Lingua2Error, ValueError):
    """An option has a value that is not allowed, or two options exclude each other."""


class InputError(Lingua2Error, TypeError):
    """The texts to compress are not a sequence of strings."""


class ModelLoadError(Lingua2Error, OSError):
    """A checkpoint is missing, broken, or not a two-label token classifier."""


class DeviceMemoryError(Lingua2Error, MemoryError):
    """Not even one window fits into the memory of the device."""


class TokenCounterError(Lingua2Error, ValueError):
    """A token counter is unknown, unreachable offline, or returned something else than a count."""


class DatasetError(Lingua2Error, ValueError):
    """A file or record of the data pipeline has missing, unknown or contradictory content."""


class TeacherError(Lingua2Error, RuntimeError):
    """The teacher of a distillation cannot be had, or failed on every request."""


class TrainingError(Lingua2Error, ValueError):
    """A training cannot start, or cannot go on, with what it was given."""


class RelevanceError(Lingua2Error, RuntimeError):
    """What should tell how relevant texts are, embeddings or given scores, cannot be used."""


class BudgetWarning(UserWarning):
    """Forced or marked text did not fit into the budget, or frames that must stay exceed it.

    Also: a regular expression in ``protect`` took too long and protects nothing more.
    """


class MarkerWarning(UserWarning):
    """A text has a marker without its counterpart, as where a splitter cut between the two."""


class RelevanceWarning(UserWarning):
    """Embeddings or given scores could not be used, and something else steers instead."""
