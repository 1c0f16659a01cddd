"""Finds scores that exist already: in memory, with the documents, in a cache."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from .score_cache import open_score_cache, score_key
from .score_memory import RecentScores
from .scores import ScoredText, pack_scores, unpack_all

__all__ = ["ScoreStatistics", "ScoreStore"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScoreStatistics:
    """Where the scores of a compressor's texts came from so far; a text counts once a call.

    Attributes:
        computed: The model ran.
        from_memory: They were among the recent texts.
        from_cache: They were in ``score_cache``.
        from_documents: They came as ``scores=`` with the texts.
        ignored: Stored scores that were damaged, or of another text, model or version.
        cache_errors: Calls of ``score_cache`` that failed.
    """

    computed: int = 0
    from_memory: int = 0
    from_cache: int = 0
    from_documents: int = 0
    ignored: int = 0
    cache_errors: int = 0


class ScoreStore:
    """Scores of texts, wherever they are kept. Safe from many threads.

    Args:
        cache: See ``score_cache`` of `ModelOptions`.
        memory: Bytes for recent texts.
    """

    def __init__(self, cache: Any, memory: int) -> None:
        self._cache = open_score_cache(cache)
        self._recent = RecentScores(memory)
        self._statistics = ScoreStatistics()
        # By process as well, since nobody goes on with them in a forked one.
        self._running: dict[tuple[int, str], Future[ScoredText | None]] = {}
        self._told: set[str] = set()
        self._lock = threading.Lock()

    @property
    def statistics(self) -> ScoreStatistics:
        """What happened so far."""
        return self._statistics

    @property
    def is_persistent(self) -> bool:
        """Whether there is a cache, so that a fingerprint is needed to look up scores."""
        return self._cache is not None

    def find(
        self,
        texts: Iterable[str],
        packed: Iterable[tuple[str, Any]],
        fingerprint: str | None,
    ) -> dict[str, ScoredText]:
        """The scores of those of ``texts`` that have some.

        Args:
            texts: Distinct texts.
            packed: Texts with the packed scores that came with them, whatever these are.
            fingerprint: Stored scores must have it; None passes all but the memory over.
        """
        # Memory first: what it holds was checked and unpacked already.
        recent = ((text, self._recent.get(text)) for text in texts)
        found = {text: scored for text, scored in recent if scored is not None}
        self._count(from_memory=len(found))
        if fingerprint is None:
            return found
        self._unpack(found, packed, fingerprint, "from_documents")
        missing = [text for text in texts if text not in found] if self._cache else []
        if missing:
            keys = [score_key(text, fingerprint) for text in missing]
            cached = zip(missing, self._cached(keys), strict=True)
            self._unpack(found, cached, fingerprint, "from_cache")
        return found

    def compute(
        self,
        texts: Iterable[str],
        score: Callable[[list[str]], Sequence[ScoredText]],
        fingerprint: str | None,
        *,
        recent: bool = True,
    ) -> dict[str, ScoredText]:
        """Scores from the model, which are kept; what another thread scores is waited for.

        Args:
            texts: Distinct texts that `find` has not found.
            score: Gives the scores of texts; only of those of which nobody else does.
            fingerprint: See `keep`.
            recent: See `keep`.
        """
        missing, found = list(texts), dict[str, ScoredText]()
        while missing:
            own, others = self._claim(missing, found)
            try:
                if own:
                    computed = score(list(own))
                    self.keep(computed, fingerprint, recent=recent)
                    for text, scored in zip(own, computed, strict=True):
                        found[text] = scored
                        own[text].set_result(scored)
            finally:
                self._release(own)
            # Own ones come first, so that no two threads wait for each other.
            shared = {text: future.result() for text, future in others.items()}
            found.update((text, scored) for text, scored in shared.items() if scored is not None)
            missing = [text for text, scored in shared.items() if scored is None]
            self._count(from_memory=len(shared) - len(missing))
        return found

    def _claim(
        self, texts: list[str], found: dict[str, ScoredText]
    ) -> tuple[dict[str, Future[ScoredText | None]], dict[str, Future[ScoredText | None]]]:
        """Which of ``texts`` are now the caller's to score, and which are somebody else's.

        What has got into memory since the caller looked is added to ``found``.
        """
        process, before = os.getpid(), len(found)
        own: dict[str, Future[ScoredText | None]] = {}
        others: dict[str, Future[ScoredText | None]] = {}
        with self._lock:
            for text in texts:
                if (running := self._running.get((process, text))) is not None:
                    others[text] = running
                elif (scored := self._recent.get(text)) is not None:
                    found[text] = scored
                else:
                    own[text] = self._running[process, text] = Future()
        self._count(from_memory=len(found) - before)
        return own, others

    def _release(self, own: dict[str, Future[ScoredText | None]]) -> None:
        """Let others score what the caller could not."""
        with self._lock:
            for text in own:
                del self._running[os.getpid(), text]
        for future in own.values():
            if not future.done():
                future.set_result(None)

    def keep(
        self, computed: Iterable[ScoredText], fingerprint: str | None, *, recent: bool = True
    ) -> None:
        """Keep scores that the model gave; in memory as well unless ``recent`` is false."""
        items = list(computed)
        self._count(computed=len(items))
        if recent:
            for scored in items:
                self._recent.add(scored)
        if self._cache is not None and fingerprint is not None:
            pairs = [(score_key(s.text, fingerprint), pack_scores(s, fingerprint)) for s in items]
            self._guarded(self._cache.set_many, pairs)

    def forget(self) -> None:
        """Empty the memory, whose scores are those of another checkpoint."""
        self._recent.clear()

    def tell(self, topic: str, message: str) -> None:
        """Log ``message``, once for each ``topic``."""
        with self._lock:
            if topic in self._told:
                return
            self._told.add(topic)
        _logger.warning(message)

    def _unpack(
        self,
        found: dict[str, ScoredText],
        packed: Iterable[tuple[str, Any]],
        fingerprint: str,
        source: str,
    ) -> None:
        """Add to ``found`` what ``packed`` has for texts that are not there yet."""
        before, ignored = len(found), 0
        missing = [pair for pair in packed if pair[0] not in found and pair[1] is not None]
        scores = unpack_all(missing, fingerprint)
        for (text, _), scored in zip(missing, scores, strict=True):
            if text in found:
                continue
            if scored is None:
                ignored += 1
            else:
                found[text] = scored
                self._recent.add(scored)
        self._count(**{source: len(found) - before, "ignored": ignored})
        if ignored:
            self.tell(
                "stored scores",
                "stored scores were damaged, or are those of another text, model or version; such "
                "texts are scored anew (reported once)",
            )

    def _cached(self, keys: list[str]) -> Sequence[bytes | None]:
        assert self._cache is not None  # noqa: S101 - for the type checker
        values = self._guarded(self._cache.get_many, keys)
        return values if values is not None and len(values) == len(keys) else [None] * len(keys)

    def _guarded(self, call: Callable[[Any], Any], argument: Any) -> Any:
        try:
            return call(argument)
        # A cache may be anything that users have; what it raises costs time, not the query.
        except Exception as error:
            self._count(cache_errors=1)
            self.tell(
                "cache",
                f"score_cache failed and is passed over where it does (reported once): "
                f"{type(error).__name__}: {error}",
            )
            return None

    def _count(self, **more: int) -> None:
        if not any(more.values()):
            return
        with self._lock:
            known = self._statistics
            sums = {name: getattr(known, name) + number for name, number in more.items()}
            self._statistics = replace(known, **sums)
