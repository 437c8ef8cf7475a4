"""Keep the derived orders until each is compared with the database.

Orders whose end is derived are compared in groups. An order that differs waits: if its session was
cut off, a later session may resume the order. Its state there proves which derived results never
became durable.
"""

from collections.abc import Collection, Iterable, Sequence

from app.domain.order import OrderId  # noqa: TC001 - beside its siblings
from app.domain.resting import Fill, Step
from app.domain.rules import TRADING
from app.recording.service.recording_notes import OrderRested, OrderUnmet
from app.recording.verify.comparison import Comparison
from app.recording.verify.derived_order import DerivedEnd, DerivedOrder, DerivedSplit
from app.recording.verify.liquidity_check import best_level
from app.recording.verify.recorded_orders import RecordedOrders
from app.recording.verify.recording_reader import (
    BEFORE_THE_BEGINNING,
    CUT_OFF,
    IN_A_GAP,
    FileBoundary,
)
from app.recording.verify.session_replay import Ending, InputRef, SymbolSession
from app.recording.verify.verification_report import Kind, VerificationReport
from app.storage.order_lookup import ORDERS_PER_QUERY, OrderLookup, StoredOrder


class OrderBookkeeping:
    """The derived orders of a recording: open, ended, or waiting because they differ."""

    def __init__(self, lookup: OrderLookup, report: VerificationReport) -> None:
        self._lookup = lookup
        self._report = report
        self._recorded_orders = RecordedOrders(lookup, report)
        self._orders: dict[OrderId, DerivedOrder] = {}
        self._ended: dict[OrderId, DerivedOrder] = {}
        """The orders that ended after the last comparison."""
        self._unsettled: list[SymbolSession] = []

    def begin_file(self, boundary: FileBoundary) -> None:
        """Mark the sessions before a gap: their orders may be resumed there."""
        self._recorded_orders.begin_file(boundary)
        if boundary.cause is not None:
            for session in self._unsettled:
                session.is_before_a_gap = True

    def add_order(self, note: OrderRested | OrderUnmet, session: SymbolSession) -> None:
        """Add an order that a session received, or resume it."""
        order_id = note.order.order_id
        # The derived end was never stored: compare the order before it is resumed.
        if order_id in self._ended:
            self._compare_ended()
        known = self._orders.get(order_id)
        if known is None:
            known = self._orders[order_id] = self._derive(note, session)
        else:
            self._resume(known, note, session)
        if isinstance(note, OrderRested):
            known.deadline_ns = note.deadline_ns
        self._recorded_orders.add(note.order)

    def settle_predecessors(self, session: SymbolSession) -> None:
        """Settle the earlier sessions of the symbol: by now their open orders were resumed."""
        if session.has_begun:
            return
        session.has_begun = True
        left = [one for one in self._unsettled if one.symbol == session.symbol]
        if left:
            self._compare_ended()
            self._settle(left, is_last=False)
            self._unsettled = [one for one in self._unsettled if one.symbol != session.symbol]

    def add(self, session: SymbolSession, steps: Sequence[Step]) -> None:
        """Add fills and closings to their orders."""
        for step in steps:
            order_id = step.order.order_id
            derived = self._orders[order_id]
            source = InputRef(session, session.inputs, order_id)
            if isinstance(step, Fill):
                self._add_fill(derived, step, source)
            if step.closes:
                derived.end = DerivedEnd(step, source)
                self._ended[order_id] = derived
        if len(self._ended) >= ORDERS_PER_QUERY:
            self._compare_ended()

    def end(self, session: SymbolSession) -> None:
        """Settle a session that ended; if it did not end in order, wait for the next one."""
        self._compare_ended()
        # A matcher ends so only after its ledger is durable: no later session can resume its
        # orders.
        if session.ending == Ending.ENDED:
            self._settle([session], is_last=False)
        else:
            self._unsettled.append(session)

    def finish(self, *, was_cut_off: bool) -> None:
        """Settle every order at the end of the recording."""
        self._compare_ended()
        sessions = dict.fromkeys(derived.session for derived in self._orders.values())
        sessions |= dict.fromkeys(self._unsettled)
        self._settle(sessions, is_last=True)
        self._recorded_orders.finish(was_cut_off=was_cut_off)

    def _derive(self, note: OrderRested | OrderUnmet, session: SymbolSession) -> DerivedOrder:
        """Return an order as its first note describes it."""
        number = note.order.acceptance_number
        return DerivedOrder(
            order=note.order,
            session=session,
            splits_unrecorded=note.splits_total,
            unrecorded_cause=self._recorded_orders.gap_cause(number) or BEFORE_THE_BEGINNING,
            was_verified=number in self._recorded_orders.verified,
            resumed_sums=(note.filled_quantity, note.quote_quantity),
        )

    def _resume(
        self, derived: DerivedOrder, note: OrderRested | OrderUnmet, session: SymbolSession
    ) -> None:
        """Continue an order in another session, which proves what of it became durable."""
        before, known, order_id = derived.session, derived.splits_total, derived.order.order_id
        later = [number for number in sorted(derived.splits) if number > note.splits_total]
        lost = derived.drop(later, with_end=True)
        self._mark_lost(lost)
        # The session before was durable, so nothing of it may be lost.
        if lost and before.is_durable:
            stored = f"{note.splits_total} splits, and open"
            self._report.differ(
                Kind.CARRIED, order_id, "resumed", recorded=f"{known} splits", stored=stored
            )
        for split in derived.splits.values():
            split.source.session.mark_durable(split.source)
        resumed = (note.filled_quantity, note.quote_quantity)
        if note.splits_total > known:
            missing = range(known + 1, note.splits_total + 1)
            # A crash cut them off, so their quotes must be newer than the recorded ones.
            cause = (CUT_OFF, before.newest_update_id)
            if _uncovered_cause(before) == IN_A_GAP:
                cause = (IN_A_GAP, 0)  # their quotes may be unrecorded
            derived.not_covered |= dict.fromkeys(missing, cause)
        elif derived.splits_total == note.splits_total and derived.sums != resumed:
            where = f"resumed with {note.splits_total} splits"
            self._report.differ(
                Kind.CARRIED, order_id, where, recorded=derived.sums, stored=resumed
            )
        derived.resumed_sums = resumed
        derived.session = session

    def _add_fill(self, derived: DerivedOrder, fill: Fill, source: InputRef) -> None:
        session, order = source.session, derived.order
        quote = session.matcher.current
        assert quote is not None, "an order is filled by a quote"
        price, quantity = best_level(quote, order.side)
        derived.splits[fill.split_number] = DerivedSplit(fill, source, price, quantity)
        where = f"split {fill.split_number}, quote {fill.update_id}"
        excess = session.liquidity.sell(order.owner, order.side, fill.quantity)
        if excess:
            recorded = f"{excess} more than the {quantity} displayed"
            self._report.differ(
                Kind.SOLD_TWICE, order.order_id, where, recorded=recorded, stored=fill.quantity
            )
        if quote.received_ns > derived.deadline_ns:
            recorded = f"received {quote.received_ns - derived.deadline_ns} ns after the deadline"
            self._report.differ(
                Kind.LATE, order.order_id, where, recorded=recorded, stored=fill.quantity
            )

        if session.status != TRADING:
            recorded = f"the venue's status was {session.status}"
            self._report.differ(
                Kind.HALTED, order.order_id, where, recorded=recorded, stored=fill.quantity
            )

    def _compare_ended(self) -> None:
        """Settle the ended orders that equal their rows; let the others wait."""
        for derived, stored in self._with_stored(self._ended.values()):
            if stored is None:
                continue
            self._mark_lost(derived.drop_lost_before_gap(stored))
            comparison = Comparison(derived, stored)
            if not comparison.differences:
                self._conclude(derived, comparison)
        self._ended.clear()

    def _mark_lost(self, sources: Iterable[InputRef]) -> None:
        for source in sources:
            source.session.mark_lost(source)
            self._report.undurable += 1

    def _settle(self, sessions: Collection[SymbolSession], *, is_last: bool) -> None:
        """Compare the orders that these sessions held last, and check what the sessions lost."""
        held_last = [one for one in self._orders.values() if one.session in sessions]
        for derived, stored in self._with_stored(held_last):
            if stored is None:
                self._judge_unknown(derived, may_lag=is_last and not derived.session.is_durable)
                continue
            is_open = stored.snapshot is not None and stored.snapshot.closed_at is None
            # A session after this one should have resumed an order that is still open.
            if is_last or not is_open:
                self._mark_lost(derived.drop_lost_before_gap(stored))
            may_lag = is_last and is_open and not derived.session.is_durable
            cause = _uncovered_cause(derived.session)
            comparison = Comparison(derived, stored, may_lag=may_lag, uncovered_cause=cause)
            self._conclude(derived, comparison)
        for session in sessions:
            self._check_tail(session)

    def _conclude(self, derived: DerivedOrder, comparison: Comparison) -> None:
        del self._orders[derived.order.order_id]
        self._mark_lost(comparison.undurable)
        for source in comparison.durable:
            source.session.mark_durable(source)
        report = self._report
        report.splits += comparison.splits
        report.splits_not_covered += comparison.splits_not_covered
        for cause in comparison.not_covered:
            report.leave_out(cause)
        for kind, where, recorded, found in comparison.differences:
            order_id = derived.order.order_id
            report.differ(kind, order_id, where, recorded=recorded, stored=found)
        if comparison.differences:
            report.orders_differing += 1
            return
        if comparison.not_covered:
            report.orders_not_covered += 1
        elif not derived.was_verified:
            report.orders += 1
        self._recorded_orders.verified.add(derived.order.acceptance_number)

    def _judge_unknown(self, derived: DerivedOrder, *, may_lag: bool) -> None:
        """Decide whether the database may lack a derived order."""
        del self._orders[derived.order.order_id]
        number = derived.order.acceptance_number
        if number <= self._lookup.last_pruned:
            return  # pruned
        # The snapshot may be older than the acceptance of the order.
        if may_lag and number > self._lookup.newest:
            self._report.undurable += len(derived.splits) + (derived.end is not None)
            return
        self._report.orders_differing += 1
        self._report.differ(
            Kind.UNKNOWN_ORDER,
            derived.order.order_id,
            f"acceptance number {number}",
            recorded=derived.order,
            stored="none",
        )

    def _check_tail(self, session: SymbolSession) -> None:
        """Report a lost outcome that is older than a stored one: a crash loses the newest only."""
        lost, durable = session.first_lost, session.last_durable
        if lost is not None and durable is not None and lost.input_number < durable.input_number:
            where = f"{session.symbol}, inputs {lost.input_number} and {durable.input_number}"
            self._report.differ(
                Kind.NOT_A_TAIL,
                lost.order_id,
                where,
                recorded="the earlier one, not stored",
                stored=f"the later one, of order {durable.order_id}",
            )

    def _with_stored(
        self, derived_orders: Iterable[DerivedOrder]
    ) -> list[tuple[DerivedOrder, StoredOrder | None]]:
        orders = list(derived_orders)
        stored = self._lookup.find([derived.order.order_id for derived in orders])
        return [(derived, stored.get(derived.order.order_id)) for derived in orders]


def _uncovered_cause(session: SymbolSession) -> str | None:
    """Return why the database may have more than was derived from a session, or None."""
    if session.ending == Ending.GAP or session.is_before_a_gap:
        return IN_A_GAP
    return CUT_OFF if session.ending == Ending.CRASHED else None
