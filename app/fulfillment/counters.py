"""Counts since the process started: orders and splits, quotes, and stale seeds in a row."""

from collections import Counter
from typing import Final

from app.domain.events import OrderEvent
from app.domain.matcher import SymbolMatcher
from app.domain.order import OrderStatus, Reason
from app.ports import QuoteCounts

STALE_SEEDS_OF_A_RESET: Final = 3
STALE_NS_OF_A_RESET: Final = 10_000_000_000
"""The venue restarted its update ids if this many seeds in a row were below one gate, over at least
this time."""


class EventCounter:
    """Counts durable events: accepted orders, splits, and ends by status and reason."""

    def __init__(self) -> None:
        self.accepted = 0
        self.splits = 0
        self.ended: Counter[tuple[OrderStatus, Reason | None]] = Counter()

    def add(self, event: OrderEvent) -> None:
        """Count a durable event."""
        if event.status is OrderStatus.NEW:
            self.accepted += 1
        elif event.status.is_terminal:
            self.ended[event.status, event.reason] += 1
        if event.split is not None:
            self.splits += 1


class QuoteCounter:
    """Adds up the quote counts of a symbol's matchers; a reload replaces the matcher.

    A dropped matcher failed or may be wrong, so its later counts are ignored: the sum keeps what
    ``counts`` returned last. Therefore the sum never decreases.
    """

    def __init__(self) -> None:
        self.gate_resets = 0
        self._before = self._reported = QuoteCounts()
        self._matcher: SymbolMatcher | None = None

    def attach(self, matcher: SymbolMatcher) -> None:
        """Include the counts of this matcher from now on."""
        self._matcher = matcher

    def detach(self) -> None:
        """Ignore the matcher from now on."""
        self._matcher = None
        self._before = self._reported

    @property
    def counts(self) -> QuoteCounts:
        """The sum over all matchers."""
        self._reported = self._before.plus(_counts_of(self._matcher))
        return self._reported.plus(QuoteCounts(gate_resets=self.gate_resets))


def _counts_of(matcher: SymbolMatcher | None) -> QuoteCounts:
    if matcher is None:
        return QuoteCounts()
    return QuoteCounts(
        applied=matcher.quotes_applied,
        refused=matcher.quotes_refused,
        levels_dropped=matcher.levels_dropped,
    )


class StaleSeedCounter:
    """Counts consecutive seeds below the gate, to detect a reset of the venue's update ids.

    Instants are monotonic nanoseconds.
    """

    def __init__(self) -> None:
        self._gate = 0
        self._first_ns = 0
        self._count = 0

    def shows_a_reset(self, received_ns: int, *, gate: int) -> bool:
        """Count a seed below ``gate``, and return whether the venue restarted its update ids."""
        if not self._count or gate != self._gate:
            # A frame raised the gate since the last seed, so the old update ids still count.
            self._gate = gate
            self._first_ns = received_ns
            self._count = 0
        self._count += 1
        # A venue that is only a little behind catches up within the time.
        has_lasted = received_ns - self._first_ns >= STALE_NS_OF_A_RESET
        return self._count >= STALE_SEEDS_OF_A_RESET and has_lasted

    def clear(self) -> None:
        """Restart the count: the connection changed, or a seed was not stale."""
        self._count = 0
