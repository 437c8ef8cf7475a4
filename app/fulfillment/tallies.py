"""Counts of what happened since the process began, kept where it happens anyway."""

from collections import Counter

from app.domain.events import OrderEvent
from app.domain.matcher import SymbolMatcher
from app.domain.order import OrderStatus, Reason
from app.states import QuoteCounts


class OrderTally:
    """Counts durable events: orders accepted, splits, and ends by status and reason."""

    def __init__(self) -> None:
        self.accepted = 0
        self.splits = 0
        self.ended: Counter[tuple[OrderStatus, Reason | None]] = Counter()

    def note(self, event: OrderEvent) -> None:
        """Count an event that is on disk."""
        if event.status is OrderStatus.NEW:
            self.accepted += 1
        elif event.status.is_terminal:
            self.ended[event.status, event.reason] += 1
        if event.split is not None:
            self.splits += 1


class QuoteTally:
    """Adds up what a symbol's matchers counted: one that starts anew gets a new matcher."""

    def __init__(self) -> None:
        self.gate_resets = 0
        self._before = QuoteCounts()
        self._matcher: SymbolMatcher | None = None

    def follow(self, matcher: SymbolMatcher) -> None:
        """Count with another matcher from now on; what the one before it counted stays."""
        self._before = self._before.plus(_counts_of(self._matcher))
        self._matcher = matcher

    @property
    def counts(self) -> QuoteCounts:
        """What all of them counted."""
        own = QuoteCounts(gate_resets=self.gate_resets)
        return self._before.plus(_counts_of(self._matcher)).plus(own)


def _counts_of(matcher: SymbolMatcher | None) -> QuoteCounts:
    if matcher is None:
        return QuoteCounts()
    return QuoteCounts(
        applied=matcher.quotes_applied,
        refused=matcher.quotes_refused,
        levels_dropped=matcher.levels_dropped,
    )
