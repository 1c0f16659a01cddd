"""Runs coroutines from code that is not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_in_background"]

T = TypeVar("T")
# Windows hands Ctrl-C to a waiting thread only between two waits.
_SECONDS = 0.5
# Longer than any request takes to be cancelled.
_PATIENCE = 10.0
_lock = threading.Lock()
_running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None


def run_in_background(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of ``coroutine``, run in one event loop for the whole process.

    With ``asyncio.run``, each call would have a loop of its own. Chat models keep connections from
    call to call, and one whose loop is closed fails the next request. It also could not be called
    from a notebook, which runs a loop already.

    Raises:
        BaseException: What the coroutine raised; after Ctrl-C, once the coroutine has ended.
    """
    loop, thread = _event_loop()
    tasks: list[asyncio.Task[T]] = []
    ended = threading.Event()

    def start() -> None:
        task = loop.create_task(coroutine)
        task.add_done_callback(lambda _: ended.set())
        tasks.append(task)

    def stop() -> None:
        if tasks:
            tasks[0].cancel()
        else:
            coroutine.close()
            ended.set()

    try:
        # Ctrl-C may strike anywhere from here on; `stop` runs behind `start` in any case.
        loop.call_soon_threadsafe(start)
        while not ended.wait(_SECONDS) and thread.is_alive():
            pass
    except BaseException:
        loop.call_soon_threadsafe(stop)
        ended.wait(_PATIENCE)
        raise
    return tasks[0].result()


def _event_loop() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    global _running
    with _lock:
        # A forked process has the loop, but not the thread.
        if _running is None or not _running[1].is_alive():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="lingua2.distill", daemon=True)
            thread.start()
            _running = loop, thread
        return _running
