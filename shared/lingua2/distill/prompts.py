"""The instructions that a teacher follows, and the prompts made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from lingua2.counting import well_formed
from lingua2.errors import OptionError

__all__ = ["LEVELS", "PLACEHOLDER", "Instruction", "fill", "load_instructions"]

LEVELS = ("compressed", "core")
"""From the mildest to the strongest; the core is asked from the compressed text, not the source."""

PLACEHOLDER = "{text}"
"""Where the text goes; other braces of an instruction mean nothing."""

Instruction = str | Path
"""A string is the instruction itself, a path is the file that holds it."""

_FILES = {"compressed": "compress.txt", "core": "core.txt"}


def load_instructions(
    levels: Sequence[str], given: Instruction | Mapping[str, Instruction] | None = None
) -> dict[str, str]:
    """The instruction of each level.

    Args:
        levels: ``("compressed",)`` or ``("compressed", "core")``.
        given: What replaces lingua2's own wording of the five rules (paper, section 3.1): an
            instruction for the level "compressed", or a mapping from levels to instructions.

    Raises:
        OptionError: The levels are others, an instruction belongs to no level, cannot be read, or
            does not hold ``{text}`` exactly once.
    """
    if tuple(levels) not in (LEVELS[:1], LEVELS):
        raise OptionError(f"levels must be {LEVELS[:1]} or {LEVELS}, got {tuple(levels)}")
    if given is None:
        given = {}
    elif isinstance(given, (str, Path)):
        given = {LEVELS[0]: given}
    if unknown := sorted(given.keys() - set(levels)):
        raise OptionError(f"instruction for {unknown[0]!r}, but the levels are {tuple(levels)}")
    return {
        level: _checked(level, given[level]) if level in given else _own(level) for level in levels
    }


def fill(instruction: str, text: str) -> str:
    """The prompt that asks for a compression of ``text``."""
    before, _, after = instruction.partition(PLACEHOLDER)
    # No API takes a lone surrogate.
    return f"{before}{well_formed(text)}{after}"


def _own(level: str) -> str:
    folder = resources.files(__package__) / "instructions"
    return (folder / _FILES[level]).read_text(encoding="utf-8")


def _checked(level: str, given: Instruction) -> str:
    name, instruction = f"the instruction for {level!r}", given
    if isinstance(instruction, Path):
        name = str(instruction)
        try:
            instruction = instruction.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"the instruction {name} cannot be read: {error}") from error
    if (times := instruction.count(PLACEHOLDER)) != 1:
        raise OptionError(
            f"{name} must hold {PLACEHOLDER} exactly once, where the text goes; it holds it "
            f"{times} times"
        )
    return instruction
