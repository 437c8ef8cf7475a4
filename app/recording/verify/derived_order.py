"""What became of one order by the recording."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.order import Arrival, Decision, Order, OrderSnapshot, OrderStatus, Reason, Split
from app.domain.resting import Closing, Fill
from app.recording.service.recording_notes import OrderRested, OrderUnmet
from app.recording.verify.session_replay import Act, SymbolSession


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedSplit:
    """A fill of the new matcher, and what the quote displayed by the recording alone."""

    fill: Fill
    act: Act
    touch_price: Decimal
    touch_quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedEnd:
    """The end of an order; ``closing`` is None if it was filled."""

    status: OrderStatus
    reason: Reason | None
    departure_update_id: int | None
    quotes_seen: int
    arrival: Arrival | None
    decision: Decision | None = None
    act: Act


@dataclass(slots=True, kw_only=True)
class DerivedOrder:
    """An order as it is derived; splits by number.

    Splits up to ``known_from`` were made before the recording has it, and ``unknown_because`` says
    why; those among ``not_covered`` in a gap. Of those that a crash left unflushed ``cut_at`` tells
    after which update id. ``was_verified`` says that what it carries was held against the database
    before.
    """

    order: Order
    deadline_ns: int
    session: SymbolSession
    known_from: int
    unknown_because: str
    not_covered: dict[int, str] = field(default_factory=dict)
    cut_at: dict[int, int] = field(default_factory=dict)
    was_verified: bool = False
    carried_filled: Decimal
    carried_quote: Decimal
    arrival: Arrival | None
    quotes_seen: int
    splits: dict[int, DerivedSplit] = field(default_factory=dict)
    end: DerivedEnd | None = None

    @property
    def splits_total(self) -> int:
        """How many splits it has, those that are not covered included."""
        return max(self.known_from, *self.splits, *self.not_covered, *self.cut_at, 0)

    @property
    def sums(self) -> tuple[Decimal, Decimal]:
        """What was filled and at what cost, after its newest split."""
        newest = self.splits.get(self.splits_total)
        if newest is None:
            return self.carried_filled, self.carried_quote
        return newest.fill.filled_quantity, newest.fill.quote_quantity

    def add(self, split: DerivedSplit) -> None:
        """Add a fill; the last one ends the order."""
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
                act=split.act,
            )

    def close(self, closing: Closing, act: Act) -> None:
        """End the order unfilled."""
        self.arrival = closing.arrival
        self.quotes_seen = closing.quotes_seen
        self.end = DerivedEnd(
            status=closing.status,
            reason=closing.reason,
            departure_update_id=closing.departure_update_id,
            quotes_seen=closing.quotes_seen,
            arrival=closing.arrival,
            decision=closing.decision,
            act=act,
        )

    def lose_before_a_gap(
        self, stored: OrderSnapshot, splits: Sequence[Split], cause: str
    ) -> list[Act]:
        """Take back what a crash lost, if nothing is recorded of who took the order up again.

        That shows by the quote of what is stored instead, which is newer than any that the crashed
        process had, or by another end. Returned is what was lost; what came instead is not covered
        for this cause.
        """
        by_number = {split.split_number: split for split in splits}
        for number, derived in sorted(self.splits.items()):
            session, split = derived.act.session, by_number.get(number)
            if not session.is_before_a_gap or session.is_durable:
                continue
            if split is None or split.update_id > session.newest_update_id:
                return self._lose_of(session, number, cause)
        end = self.end
        if end is None or not end.act.session.is_before_a_gap or end.act.session.is_durable:
            return []
        if (end.status, end.reason) == (stored.status, stored.reason):
            return []
        self.end = None
        return [end.act]

    def _lose_of(self, session: SymbolSession, first: int, cause: str) -> list[Act]:
        acts = []
        for number, derived in sorted(self.splits.items()):
            if number >= first and derived.act.session is session:
                acts.append(self.splits.pop(number).act)
                self.not_covered[number] = cause
        if self.end is not None and self.end.act.session is session:
            acts.append(self.end.act)
            self.end = None
        return acts

    def lose_after(self, splits_total: int) -> list[Act]:
        """Take back what is not durable, and return it: all beyond so many splits, and the end."""
        lost = [self.splits.pop(number) for number in sorted(self.splits) if number > splits_total]
        acts = [split.act for split in lost]
        if self.end is not None:
            acts.append(self.end.act)
            self.end = None
        return acts


def derive_order(
    note: OrderRested | OrderUnmet, session: SymbolSession, *, unknown_because: str
) -> DerivedOrder:
    """Begin with what an order brings; ``unknown_because`` says why the rest is not known."""
    return DerivedOrder(
        order=note.order,
        deadline_ns=note.deadline_ns if isinstance(note, OrderRested) else 0,
        session=session,
        known_from=note.splits_total,
        unknown_because=unknown_because,
        carried_filled=note.filled_quantity,
        carried_quote=note.quote_quantity,
        arrival=note.arrival,
        quotes_seen=note.quotes_seen,
    )
