"""One order as it follows from the recording: its splits and its end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.order import Arrival, Decision, Order, OrderSnapshot, OrderStatus, Reason, Split
from app.domain.resting import Closing, Fill
from app.recording.service.recording_notes import OrderRested, OrderUnmet
from app.recording.verify.session_replay import InputRef, SymbolSession


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedSplit:
    """A fill of the replayed matcher, and what the recorded quote displayed."""

    fill: Fill
    source: InputRef
    displayed_price: Decimal
    displayed_quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedEnd:
    """The end of an order; ``reason`` is None if the order was filled."""

    status: OrderStatus
    reason: Reason | None
    departure_update_id: int | None
    quotes_seen: int
    arrival: Arrival | None
    decision: Decision | None = None
    source: InputRef


@dataclass(slots=True, kw_only=True)
class DerivedOrder:
    """An order as it is derived.

    Attributes:
        session: The session that held the order last.
        splits_unrecorded: The splits up to this number were made before the recording begins.
        unrecorded_cause: Why the recording lacks these splits.
        not_covered: Numbers of later splits that fell into a gap, each with its cause.
        cut_off_after: Numbers of splits that a crash cut off the recording, each with the last
            update id that was recorded before.
        was_verified: The unrecorded splits were compared with the database in an earlier session.
        resumed_filled: The filled quantity when the session began to hold the order.
        resumed_cost: The quote quantity at that moment.
        splits: The derived splits by number.
    """

    order: Order
    deadline_ns: int
    session: SymbolSession
    splits_unrecorded: int
    unrecorded_cause: str
    not_covered: dict[int, str] = field(default_factory=dict)
    cut_off_after: dict[int, int] = field(default_factory=dict)
    was_verified: bool = False
    resumed_filled: Decimal
    resumed_cost: Decimal
    arrival: Arrival | None
    quotes_seen: int
    splits: dict[int, DerivedSplit] = field(default_factory=dict)
    end: DerivedEnd | None = None

    @property
    def splits_total(self) -> int:
        """The number of splits, including those that are not covered."""
        return max(self.splits_unrecorded, *self.splits, *self.not_covered, *self.cut_off_after, 0)

    @property
    def sums(self) -> tuple[Decimal, Decimal]:
        """The filled quantity and its cost after the newest split."""
        newest = self.splits.get(self.splits_total)
        if newest is None:
            return self.resumed_filled, self.resumed_cost
        return newest.fill.filled_quantity, newest.fill.quote_quantity

    def add(self, split: DerivedSplit) -> None:
        """Add a fill; the fill that completes the order ends it."""
        fill = split.fill
        self.splits[fill.split_number] = split
        self.arrival = fill.arrival
        self.quotes_seen = fill.quotes_seen
        if fill.closes:
            self.end = DerivedEnd(
                status=OrderStatus.FILLED,
                reason=None,
                departure_update_id=fill.update_id,
                quotes_seen=fill.quotes_seen,
                arrival=fill.arrival,
                source=split.source,
            )

    def close(self, closing: Closing, source: InputRef) -> None:
        """End the order before it is completely filled."""
        self.arrival = closing.arrival
        self.quotes_seen = closing.quotes_seen
        self.end = DerivedEnd(
            status=closing.status,
            reason=closing.reason,
            departure_update_id=closing.departure_update_id,
            quotes_seen=closing.quotes_seen,
            arrival=closing.arrival,
            decision=closing.decision,
            source=source,
        )

    def drop_lost_before_gap(
        self, stored: OrderSnapshot, splits: Sequence[Split], cause: str
    ) -> list[InputRef]:
        """Drop the fills and the end that a crash lost, and return the inputs that caused them.

        The order was resumed by a process that recorded nothing. This shows in the database: a
        stored split has a newer quote than the crashed process had, or the end is another one. The
        splits stored instead are marked as not covered, with ``cause``.
        """
        by_number = {split.split_number: split for split in splits}
        for number, derived in sorted(self.splits.items()):
            session, split = derived.source.session, by_number.get(number)
            # Only a session that was cut off can have lost fills.
            if not session.is_before_a_gap or session.is_durable:
                continue
            if split is None or split.update_id > session.newest_update_id:
                return self._drop_from(session, number, cause)
        end = self.end
        if end is None or not end.source.session.is_before_a_gap or end.source.session.is_durable:
            return []
        # The stored end is the derived one, so it was not lost.
        if (end.status, end.reason) == (stored.status, stored.reason):
            return []
        self.end = None
        return [end.source]

    def _drop_from(self, session: SymbolSession, first: int, cause: str) -> list[InputRef]:
        sources = []
        for number, derived in sorted(self.splits.items()):
            # A crash loses every outcome of the session from the first lost one on.
            if number >= first and derived.source.session is session:
                sources.append(self.splits.pop(number).source)
                self.not_covered[number] = cause
        if self.end is not None and self.end.source.session is session:
            sources.append(self.end.source)
            self.end = None
        return sources

    def drop_after(self, splits_total: int) -> list[InputRef]:
        """Drop all splits above ``splits_total`` and the end; return their inputs."""
        lost = [self.splits.pop(number) for number in sorted(self.splits) if number > splits_total]
        sources = [split.source for split in lost]
        if self.end is not None:
            sources.append(self.end.source)
            self.end = None
        return sources


def derive_order(
    note: OrderRested | OrderUnmet, session: SymbolSession, *, unrecorded_cause: str
) -> DerivedOrder:
    """Return an order as its first note describes it; see ``DerivedOrder``."""
    return DerivedOrder(
        order=note.order,
        deadline_ns=note.deadline_ns if isinstance(note, OrderRested) else 0,
        session=session,
        splits_unrecorded=note.splits_total,
        unrecorded_cause=unrecorded_cause,
        resumed_filled=note.filled_quantity,
        resumed_cost=note.quote_quantity,
        arrival=note.arrival,
        quotes_seen=note.quotes_seen,
    )
