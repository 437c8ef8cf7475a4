"""Counts of what happened since the process began, kept where it happens anyway."""

from collections import Counter

from app.domain.events import OrderEvent
from app.domain.matcher import SymbolMatcher
from app.domain.order import OrderStatus, Reason
from app.ports import QuoteCounts


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
    """Adds up what a symbol's matchers counted: one that starts anew gets a new matcher.

    A matcher that is dropped was wrong, or may be, so it is not asked any more: what it counted
    since somebody asked last is not known. What was told once is never taken back.
    """

    def __init__(self) -> None:
        self.gate_resets = 0
        self._before = self._told = QuoteCounts()
        self._matcher: SymbolMatcher | None = None

    def follow(self, matcher: SymbolMatcher) -> None:
        """Count with this matcher from now on."""
        self._matcher = matcher

    def drop(self) -> None:
        """Do not ask the matcher any more."""
        self._matcher = None
        self._before = self._told

    @property
    def counts(self) -> QuoteCounts:
        """What all of them counted."""
        self._told = self._before.plus(_counts_of(self._matcher))
        return self._told.plus(QuoteCounts(gate_resets=self.gate_resets))


def _counts_of(matcher: SymbolMatcher | None) -> QuoteCounts:
    if matcher is None:
        return QuoteCounts()
    return QuoteCounts(
        applied=matcher.quotes_applied,
        refused=matcher.quotes_refused,
        levels_dropped=matcher.levels_dropped,
    )
