"""Outcomes for the journal, made by the real matcher."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from app.domain.events import SymbolOutcome
from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, Symbol
from app.domain.quote import Quote
from app.domain.resting import Step
from app.fulfillment.outcome import step_events
from tests.support.builders import ACCEPTED_AT, LTCBTC

DEADLINE_NS: Final = 1_000

TICK: Final = timedelta(microseconds=1)
"""The time between two acts."""

LONG: Final = timedelta(days=2)
"""More than the longest time that an order may rest."""


class SymbolAtWork:
    """One symbol whose resting orders meet quotes; each act returns its outcome."""

    def __init__(self, symbol: Symbol = LTCBTC, *, since: datetime = ACCEPTED_AT) -> None:
        self.matcher = SymbolMatcher(symbol)
        self._at = since

    def rest(self, order: Order) -> SymbolOutcome:
        """Rest an accepted order, which meets the current quote."""
        return self._outcome(self.matcher.rest(order, deadline_ns=DEADLINE_NS))

    def meet(self, quote: Quote) -> SymbolOutcome:
        """Apply a quote to the resting orders."""
        return self._outcome(self.matcher.apply_quote(quote))

    def expire(self) -> SymbolOutcome:
        """Let every resting order expire, at its own time."""
        return self._outcome(self.matcher.expire(DEADLINE_NS + 1), now=self._at + LONG)

    def cancel(self, order: Order) -> SymbolOutcome:
        """Cancel a resting order."""
        closing = self.matcher.cancel(order.order_id)
        return self._outcome([] if closing is None else [closing])

    def _outcome(self, steps: Sequence[Step], *, now: datetime | None = None) -> SymbolOutcome:
        return SymbolOutcome(
            symbol=self.matcher.symbol,
            events=tuple(step_events(steps, now or self._tick())),
            ledger_changes=tuple(self.matcher.drain_ledger_changes()),
            gate=self.matcher.gate,
        )

    def _tick(self) -> datetime:
        self._at += TICK
        return self._at
