"""One call of `Compressor.compress`: from scored texts to a result."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from .backends import FloatArray
from .budget import Frame, Prompt, fill_budget
from .counting import TokenCounter
from .encoder import ScoredText
from .options import CompressionOptions
from .relevance import RELEVANCE_WEIGHT, by_sentence, by_text
from .rendering import Layout
from .result import CompressionResult, DroppedForced
from .selection import (
    context_filter,
    digit_units,
    drop_consecutive,
    force_ids,
    ranking,
    repeats,
    spread,
    word_values,
)
from .text import BoolArray, IntArray

__all__ = ["Job"]


class Job:
    """One call: the texts, what the reader sees around them, and what may be kept."""

    def __init__(
        self,
        sources: list[str],
        frames: Sequence[Frame],
        keep_empty: Sequence[bool],
        query: str,
        options: CompressionOptions,
        count: TokenCounter,
    ) -> None:
        self.sources = sources
        self.frames = frames
        self.keep_empty = keep_empty
        self.query = query
        self.options = options
        self.count = count
        self.original_tokens = count(self._prompt([]).join(sources))
        self.budget = self._budget()

    def fits(self) -> bool:
        """Whether everything can stay, with nothing that could still have to go."""
        if self.options.use_context_level_filter or self.budget is None:
            return False
        return self.original_tokens <= self.budget

    def unchanged(self, scored: list[ScoredText] | None = None) -> CompressionResult:
        """Everything as it came in; with ``scored`` the result knows the words as well."""
        kept = None if scored is None else [np.arange(len(own.units)) for own in scored]
        return self._result(
            list(self.sources),
            [[(0, len(text))] if text else [] for text in self.sources],
            self.original_tokens,
            scored=scored,
            kept=kept,
        )

    def finish(self, scored: list[ScoredText]) -> CompressionResult:
        """Rank the scored units and keep what the budget holds."""
        options = self.options
        breaks = not options.drop_consecutive and any(
            "\n" in t for t in options.force_tokens if not t.strip()
        )
        layouts = [Layout(s.text, s.units, keep_breaks=breaks) for s in scored]
        prompt = self._prompt(layouts)
        own = [s.probabilities(options.token_to_word) for s in scored]
        ids = _joined([force_ids(layout, options.force_tokens) for layout in layouts], np.int64)
        forced: BoolArray = ids != -1
        if options.force_reserve_digit:
            forced |= _joined([digit_units(layout) for layout in layouts], np.bool_)
        relevance = self._relevance(layouts)
        stay = self._context_filter(prompt, own, relevance)
        if stay.all() and self.budget is not None and self.original_tokens <= self.budget:
            return self.unchanged(scored)
        candidates = stay[prompt.document]
        if self.budget is None:
            likely = _joined(own, np.float32) >= options.threshold
            kept = np.flatnonzero(candidates & (forced | likely))
            if options.drop_consecutive:
                kept = drop_consecutive(kept, ids, prompt.document)
            used = self.count(prompt.render(kept))
        else:
            kept, used = self._fill(prompt, self.budget, own, relevance, forced, ids, candidates)
        lost = np.setdiff1d(np.flatnonzero(forced & candidates), kept, assume_unique=True)
        if options.drop_consecutive:
            lost = lost[~repeats(lost, kept, ids, prompt.document)]
        per_text = prompt.split(kept)
        rendered = [layout.render(own) for layout, own in zip(layouts, per_text, strict=True)]
        return self._result(
            [text for text, _ in rendered],
            [spans for _, spans in rendered],
            used,
            _dropped(layouts, prompt.split(lost)),
            scored,
            per_text,
        )

    def _fill(
        self,
        prompt: Prompt,
        budget: int,
        probabilities: list[FloatArray],
        relevance: FloatArray,
        forced: BoolArray,
        ids: IntArray,
        candidates: BoolArray,
    ) -> tuple[IntArray, int]:
        options, document = self.options, prompt.document
        room = budget / max(1, self.original_tokens)
        pairs = zip(prompt.layouts, probabilities, strict=True)
        parts = [word_values(layout, own, room) for layout, own in pairs]
        values = _joined([worth for worth, _ in parts], np.float32) + relevance
        hosts = _joined([host for _, host in parts], np.int64)
        hosts = np.where(forced | (hosts < 0), -1, hosts + prompt.offsets[document])
        if options.allocation == "uniform":
            cost = cache(lambda unit: self.count(" " + unit))
            units = (layout.unit(i) for layout in prompt.layouts for i in range(len(layout)))
            costs = np.array([cost(unit) for unit in units], dtype=np.float32)
            values = spread(values, forced, costs, document)
        order = ranking(values, forced)
        order = order[candidates[order]]
        if not options.drop_consecutive:
            return fill_budget(prompt, order, budget, self.count, hosts=hosts)

        def allowed(unit: int, left: int, right: int) -> bool:
            token = ids[unit]
            return token < 0 or not any(i >= 0 and ids[i] == token for i in (left, right))

        return fill_budget(
            prompt,
            order,
            budget,
            self.count,
            clean=lambda kept: drop_consecutive(kept, ids, document),
            allowed=allowed,
            hosts=hosts,
        )

    def _relevance(self, layouts: list[Layout]) -> FloatArray:
        """What the question adds to every unit's value; shape ``(units of the set,)``."""
        relevance = self.options.relevance
        if isinstance(relevance, tuple):
            return RELEVANCE_WEIGHT * by_text(layouts, relevance)
        if relevance == "bm25" and self.query:
            return RELEVANCE_WEIGHT * by_sentence(layouts, self.query)
        return np.zeros(sum(map(len, layouts)), dtype=np.float32)

    def _context_filter(
        self, prompt: Prompt, probabilities: list[FloatArray], relevance: FloatArray
    ) -> BoolArray:
        if not self.options.use_context_level_filter:
            return np.ones(len(probabilities), dtype=bool)
        bounds = itertools.pairwise(prompt.offsets.tolist())
        means = [
            own.mean() + relevance[low:high].max() if len(own) else 0.0
            for own, (low, high) in zip(probabilities, bounds, strict=True)
        ]
        worth = np.array(means, dtype=np.float32)
        return context_filter(self.sources, worth, self.options, self.budget, self.count)

    def _prompt(self, layouts: list[Layout]) -> Prompt:
        return Prompt(layouts, self.frames, self.options.document_separator, self.keep_empty)

    def _budget(self) -> int | None:
        if self.options.rate is not None:
            # 0.29 * 100 is 28.999999999999996 in floating point.
            return math.floor(self.options.rate * self.original_tokens + 1e-9)
        return self.options.target_token

    def _result(
        self,
        texts: list[str],
        spans: list[list[tuple[int, int]]],
        used: int,
        lost: tuple[DroppedForced, ...] = (),
        scored: list[ScoredText] | None = None,
        kept: list[IntArray] | None = None,
    ) -> CompressionResult:
        return CompressionResult(
            texts=texts,
            spans=spans,
            original_tokens=self.original_tokens,
            compressed_tokens=used,
            budget=self.budget,
            separator=self.options.document_separator,
            sources=self.sources,
            frames=self.frames,
            dropped_forced=lost,
            keep_empty=self.keep_empty,
            _scored=scored,
            _kept=kept,
            _pooling=self.options.token_to_word,
        )


def _joined(parts: list[Any], dtype: Any) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _dropped(layouts: list[Layout], lost: list[IntArray]) -> tuple[DroppedForced, ...]:
    return tuple(
        DroppedForced(number, layout.starts[i], layout.ends[i], layout.unit(i))
        for number, (layout, units) in enumerate(zip(layouts, lost, strict=True))
        for i in units.tolist()
    )
