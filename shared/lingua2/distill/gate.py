"""Lets requests pass while the budget lasts and the teacher answers."""

from __future__ import annotations

import asyncio

from .settings import DistillSettings, Tokens

__all__ = ["Gate"]

# After as many failures one after the other, each with its retries, the teacher is gone.
_FAILURES = 20


class Gate:
    """Admits requests as long as their estimates fit into what is left of the budget.

    What requests in flight may use is set aside, so concurrency cannot overrun the budget; only a
    teacher that writes more than it reads can, by the requests that were in flight.

    Args:
        settings: Price, budgets and concurrency.

    Attributes:
        spent: Tokens of the requests that were answered.
        stopped: Why no further request is admitted, or None.
    """

    def __init__(self, settings: DistillSettings) -> None:
        self._settings = settings
        self._reserved = Tokens()
        self._in_flight = 0
        self._failures = 0
        self._changed = asyncio.Condition()
        self.spent = Tokens()
        self.stopped: str | None = None

    @property
    def cost(self) -> float | None:
        """What was spent, in the currency of the price."""
        price = self._settings.price
        return None if price is None else price.of(self.spent)

    async def admit(self, tokens: Tokens) -> bool:
        """Whether a request that may use ``tokens`` can start; waits for others to tell."""
        async with self._changed:
            while self.stopped is None:
                exhausted = self._exhausted(self.spent + self._reserved + tokens)
                if exhausted is None:
                    self._reserved += tokens
                    self._in_flight += 1
                    return True
                if not self._in_flight:
                    self.stopped = exhausted
                else:
                    # Those in flight may use less than was set aside for them.
                    await self._changed.wait()
            self._changed.notify_all()
            return False

    async def settle(self, reserved: Tokens, spent: Tokens | None) -> None:
        """Give back what was set aside for a request; ``spent`` is None where it failed."""
        self._reserved -= reserved
        self._in_flight -= 1
        if spent is not None:
            self.spent += spent
            self._failures = 0
        else:
            self._failures += 1
            if self._failures >= max(_FAILURES, 2 * self._settings.concurrency):
                self.stopped = f"{self._failures} requests failed one after the other"
        async with self._changed:
            self._changed.notify_all()

    def _exhausted(self, tokens: Tokens) -> str | None:
        budget, limit, price = (
            self._settings.budget,
            self._settings.token_budget,
            self._settings.price,
        )
        if budget is not None and price is not None and price.of(tokens) > budget:
            return f"the budget of {budget:g} is used up ({price.of(self.spent):.4g} spent)"
        if limit is not None and tokens.total > limit:
            return f"the budget of {limit} tokens is used up ({self.spent.total} spent)"
        return None
