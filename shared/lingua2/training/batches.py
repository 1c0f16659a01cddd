"""The steps of a training: windows of like length, together below a number of tokens."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lingua2.dataset import Example
from lingua2.errors import TrainingError

from .features import IGNORED, Window, WindowMaker
from .options import TrainingOptions
from .passages import Passage, passage, varied
from .questions import QuestionPassages
from .targets import Targets, function_words

if TYPE_CHECKING:
    import torch

__all__ = ["Steps", "balanced", "collate"]

_LOG = logging.getLogger(__name__)
# Windows are sorted by length within groups of this many batches, so that batches are little
# padded and still differ from epoch to epoch.
_BATCHES_PER_GROUP = 16


class Steps:
    """All optimisation steps in order, as a map-style dataset whose items are whole batches.

    Item ``i`` depends on the options and ``i`` alone, so a resumed training sees what an
    uninterrupted one would have seen.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        maker: WindowMaker,
        options: TrainingOptions,
        pad_token_id: int,
        expected: Sequence[Targets] | None = None,
    ) -> None:
        self._examples = examples
        ends_phrase = function_words(examples) if options.coherence else frozenset()
        if options.coherence and not ends_phrase:
            _LOG.warning("the examples show no function words, so coherence is left out")
            options = options.model_copy(update={"coherence": 0.0})
        guides = expected if expected is not None else [None] * len(examples)
        self._passages = [
            passage(example, options, ends_phrase, guide)
            for example, guide in zip(examples, guides, strict=True)
        ]
        self._questions = QuestionPassages(examples, options) if options.with_question else None
        if self._questions is not None and not len(self._questions):
            raise TrainingError(
                f"with_question={options.with_question:g}, but no example has a question with "
                "evidence"
            )
        self._maker = maker
        self._options = options
        self._pad = pad_token_id
        self._originals = {id(item) for item in self._passages}
        self._cached: dict[int, list[Window]] = {}
        self._epoch: tuple[int, list[list[Window]]] | None = None
        whole = math.ceil(options.epochs)
        # Where each epoch begins: varied passages make epochs of different length.
        counts = [len(self._batches(epoch)) for epoch in range(whole)]
        self._begins = np.cumsum([0, *counts])
        missing = round((whole - options.epochs) * counts[-1])
        self._length = max(1, int(self._begins[-1]) - missing)

    @property
    def per_epoch(self) -> int:
        """Steps of the first epoch."""
        return int(self._begins[1])

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """``input_ids``, ``attention_mask`` (int64) and ``targets`` (float32), all ``(b, t)``."""
        import torch

        epoch = int(np.searchsorted(self._begins, index, side="right")) - 1
        windows = self._batches(epoch)[index - self._begins[epoch]]
        longest = max(map(len, windows))
        ids = torch.full((len(windows), longest), self._pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        targets = torch.full((len(windows), longest), IGNORED)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = torch.from_numpy(window.ids.astype(np.int64))
            mask[row, : len(window)] = 1
            targets[row, : len(window)] = torch.from_numpy(window.targets)
        return {"input_ids": ids, "attention_mask": mask, "targets": targets}

    def _batches(self, epoch: int) -> list[list[Window]]:
        if self._epoch is None or self._epoch[0] != epoch:
            rng = np.random.default_rng((self._options.seed, epoch))
            chosen = balanced(self._examples, self._options.balance, rng)
            shown = [self._passages[i] for i in chosen]
            if self._questions is not None:
                shown += self._questions.epoch(rng)
            passages = varied(shown, self._options, rng)
            windows = [window for item in passages for window in self._windows(item)]
            self._epoch = epoch, _grouped(windows, self._options.batch_tokens, rng)
        return self._epoch[1]

    def _windows(self, item: Passage) -> list[Window]:
        # Passages that are not varied come again in every epoch, as the same objects.
        if (made := self._cached.get(id(item))) is None:
            found = self._maker.windows(
                item.text, item.starts, item.ends, item.targets, item.question
            )
            # The words of other datasets may leave much of a text out, and a mean over no tokens is
            # not a number.
            made = [window for window in found if (window.targets != IGNORED).any()]
            if id(item) in self._originals:
                self._cached[id(item)] = made
        return made


def balanced(examples: Sequence[Example], balance: float, rng: np.random.Generator) -> list[int]:
    """Positions of the examples of one epoch.

    Args:
        examples: All examples.
        balance: 0 takes each once; 1 takes as many of every domain; between, in between.
        rng: Draws which examples of a domain are left out or taken again.
    """
    domains: dict[str, list[int]] = defaultdict(list)
    for i, example in enumerate(examples):
        domains[example.domain].append(i)
    mean = len(examples) / max(1, len(domains))
    chosen: list[int] = []
    for members in domains.values():
        wanted = round((1 - balance) * len(members) + balance * mean)
        rounds = math.ceil(wanted / len(members))
        drawn = [i for _ in range(rounds) for i in rng.permutation(members).tolist()]
        chosen += drawn[:wanted]
    return sorted(chosen)


def _grouped(
    windows: list[Window], batch_tokens: int, rng: np.random.Generator
) -> list[list[Window]]:
    """Batches of at most ``batch_tokens`` padded tokens, a longer window alone, shuffled."""
    total = sum(map(len, windows))
    per_group = max(1, len(windows) * _BATCHES_PER_GROUP * batch_tokens // max(1, total))
    batches: list[list[Window]] = []
    for low in range(0, len(windows), per_group):
        batch: list[Window] = []
        for window in sorted(windows[low : low + per_group], key=len):
            if batch and (len(batch) + 1) * len(window) > batch_tokens:
                batches.append(batch)
                batch = []
            batch.append(window)
        batches.append(batch)
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """The one item that the data loader asks for at a time is a batch already."""
    return steps[0]
