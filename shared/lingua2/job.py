"""One call of `Compressor.compress`: from scored texts to a result."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from .backends import FloatArray
from .budget import fill_budget
from .counting import TokenCounter
from .options import CompressionOptions
from .prompt import Frame, Prompt, count_prompt
from .protect.guards import Guards, guards_of
from .protect.markers import unmarked
from .relevance import NOTHING_STORED, StoredVectors, question_values
from .rendering import Layout
from .result import CompressionResult, DroppedForced
from .scores import ScoredText
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
        vectors: StoredVectors = NOTHING_STORED,
        *,
        strip: bool = False,
    ) -> None:
        self._marked = unmarked(sources, options.markers, options.marker_errors)
        self.sources = sources = [own.text for own in self._marked]
        self.frames = frames
        self.keep_empty = keep_empty
        self.query = query
        self.options = options
        self.count = count
        self._vectors = vectors
        self.strip = strip
        self.original_tokens = count_prompt(
            count, sources, frames, options.document_separator, keep_empty, strip=strip
        )
        self.budget = self._budget()

    def fits(self) -> bool:
        """Whether everything can stay, with nothing that could still have to go."""
        if self.budget is None or (self.options.use_context_level_filter and not self._is_small):
            return False
        return self.original_tokens <= self.budget

    @property
    def _is_small(self) -> bool:
        return self.original_tokens < self.options.min_tokens

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
        strip = self.strip
        layouts = [Layout(s.text, s.units, keep_breaks=breaks, strip=strip) for s in scored]
        around = self.frames, options.document_separator, self.keep_empty
        prompt = Prompt(layouts, *around, strip)
        layout = prompt.layout
        own = [s.probabilities(options.token_to_word) for s in scored]
        ids = force_ids(layout, options.force_tokens)
        forced: BoolArray = ids != -1
        if options.force_reserve_digit:
            forced |= digit_units(layout)
        marked = [own.spans for own in self._marked]
        guards = guards_of(layouts, layout, options.protect, marked)
        relevance = question_values(
            layout, self.query, options.relevance, options.relevance_errors, self._vectors
        )
        stay = self._context_filter(prompt, own, relevance)
        if stay.all() and self.budget is not None and self.original_tokens <= self.budget:
            return self.unchanged(scored)
        candidates = stay[prompt.document]
        if self.budget is None:
            likely = _joined(own) >= (options.threshold or 0.0)
            # Here each text counts by itself, so that its output depends on nothing else.
            least = options.min_tokens
            small = np.array(
                [least > 0 and self.count(s) < least for s in self.sources], dtype=bool
            )
            spared = small[prompt.document]
            whole = guards.completed(forced | guards.units | likely | spared)
            kept = np.flatnonzero(candidates & whole)
            if options.drop_consecutive:
                kept = drop_consecutive(kept, np.where(spared, -1, ids), prompt.document)
            used = prompt.tokens(kept, self.count)
        else:
            wanted = _Wanted(_joined(own), relevance, forced, guards, ids, candidates)
            kept, used = self._fill(prompt, self.budget, wanted)
        missing = candidates.copy()
        missing[kept] = False
        lost = np.flatnonzero(missing & forced)
        if options.drop_consecutive:
            lost = lost[~repeats(lost, kept, ids, prompt.document)]
        return self._result(
            prompt.texts(kept),
            layout.spans(kept),
            used,
            self._dropped(layout, lost),
            self._dropped(layout, np.flatnonzero(missing & guards.units & ~forced)),
            scored,
            prompt.split(kept),
        )

    def _fill(self, prompt: Prompt, budget: int, wanted: _Wanted) -> tuple[IntArray, int]:
        options, layout, document = self.options, prompt.layout, prompt.document
        forced, guards, ids = wanted.forced, wanted.guards, wanted.ids
        room = budget / max(1, self.original_tokens)
        values, hosts = word_values(layout, wanted.probabilities, room)
        values = values + wanted.relevance
        hosts[forced | guards.units] = -1
        if options.allocation == "uniform":
            cost = cache(lambda unit: self.count(" " + unit))
            costs = np.array([cost(layout.unit(i)) for i in range(len(layout))], dtype=np.float32)
            values = spread(values, forced | guards.units, costs, document)
        order = ranking(values, *guards.steer(values, hosts, forced))
        order = order[wanted.candidates[order]]
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

    def _budget(self) -> int | None:
        if self.options.rate is not None:
            if self._is_small:
                return self.original_tokens
            # 0.29 * 100 is 28.999999999999996 in floating point.
            return math.floor(self.options.rate * self.original_tokens + 1e-9)
        return self.options.target_token

    def _result(
        self,
        texts: list[str],
        spans: list[list[tuple[int, int]]],
        used: int,
        lost: tuple[DroppedForced, ...] = (),
        unprotected: tuple[DroppedForced, ...] = (),
        scored: list[ScoredText] | None = None,
        kept: list[IntArray] | None = None,
    ) -> CompressionResult:
        if scored is not None and kept is not None:
            pairs = zip(self._marked, scored, kept, strict=True)
            moved = [own.scored_in_source(item, units) for own, item, units in pairs]
            scored, kept = [item for item, _ in moved], [units for _, units in moved]
        return CompressionResult(
            texts=texts,
            spans=[own.in_source(s) for own, s in zip(self._marked, spans, strict=True)],
            original_tokens=self.original_tokens,
            compressed_tokens=used,
            budget=self.budget,
            separator=self.options.document_separator,
            sources=[own.source for own in self._marked],
            frames=self.frames,
            dropped_forced=lost,
            dropped_protected=unprotected,
            keep_empty=self.keep_empty,
            _scored=scored,
            _kept=kept,
            _pooling=self.options.token_to_word,
            _counter=self.options.token_counter,
            _marked=self._marked if self.options.markers else None,
        )

    def _dropped(self, layout: Layout, lost: IntArray) -> tuple[DroppedForced, ...]:
        dropped = []
        for i in lost.tolist():
            number = int(layout.document[i])
            origin = int(layout.origins[number])
            bounds = (layout.starts[i] - origin, layout.ends[i] - origin)
            pieces = self._marked[number].in_source([bounds])
            dropped.append(DroppedForced(number, pieces[0][0], pieces[-1][1], layout.unit(i)))
        return tuple(dropped)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What speaks for and against each unit of the set; all arrays have its shape."""

    probabilities: FloatArray
    relevance: FloatArray
    forced: BoolArray
    guards: Guards
    ids: IntArray
    candidates: BoolArray


def _joined(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
