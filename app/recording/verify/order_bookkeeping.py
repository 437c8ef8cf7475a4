"""Keeps the orders of a recording until each is settled: the same as in the database, or not.

An order whose end is derived is compared as soon as some have gathered. One that differs waits: if
its matcher was cut off, the next one may take the order up again, which proves that what was
derived beyond never became durable.
"""

from collections.abc import Iterable, Iterator, Sequence

from app.domain.order import OrderId  # noqa: TC001 - beside its siblings
from app.domain.resting import Fill, Step
from app.recording.service.recording_notes import OrderRested, OrderUnmet
from app.recording.verify.comparison import Comparison, compare
from app.recording.verify.coverage import Coverage
from app.recording.verify.derived_order import DerivedOrder, DerivedSplit, derive_order
from app.recording.verify.recording_reader import BEFORE_THE_BEGINNING, CUT_OFF, IN_A_GAP, Seam
from app.recording.verify.session_replay import Act, SymbolSession
from app.recording.verify.sold_quantity import touch
from app.recording.verify.verification_report import Findings, Kind
from app.storage.order_lookup import ORDERS_PER_QUERY, OrderLookup, StoredOrder


class OrderBookkeeping:
    """All orders of a recording."""

    def __init__(self, lookup: OrderLookup, findings: Findings) -> None:
        self._lookup = lookup
        self._findings = findings
        self._coverage = Coverage(lookup, findings)
        self._open: dict[OrderId, DerivedOrder] = {}
        self._finished: dict[OrderId, DerivedOrder] = {}
        self._parked: dict[OrderId, DerivedOrder] = {}
        self._unsettled: list[SymbolSession] = []

    def cross(self, seam: Seam) -> None:
        """Go on to another file."""
        self._coverage.cross(seam)
        if seam.cause is not None:
            for session in self._unsettled:
                session.is_before_a_gap = True

    def begin(self, session: SymbolSession, rested: Iterable[OrderRested]) -> None:
        """Begin with a matcher, and with the orders that it holds already."""
        for note in rested:
            self.take_up(note, session)

    def take_up(self, note: OrderRested | OrderUnmet, session: SymbolSession) -> None:
        """Take note of an order that comes to a matcher, or ends on the way to it."""
        order_id = note.order.order_id
        if order_id in self._finished:
            self._compare_finished()
        known = self._open.pop(order_id, None) or self._parked.pop(order_id, None)
        if known is None:
            cause = self._coverage.cause_of(note.order.acceptance_number)
            derived = derive_order(note, session, unknown_because=cause or BEFORE_THE_BEGINNING)
            derived.was_verified = self._coverage.was_verified(note.order)
        else:
            derived = known
            self._take_up_again(derived, note, session)
        self._coverage.see(note.order)
        self._open[order_id] = derived

    def settle_before(self, session: SymbolSession) -> None:
        """Settle what earlier matchers of the symbol left: all that is open was taken up by now."""
        if session.has_begun:
            return
        session.has_begun = True
        left = [one for one in self._unsettled if one.symbol == session.symbol]
        if left:
            self._compare_finished()
            self._settle(left, is_last=False)
            self._unsettled = [one for one in self._unsettled if one.symbol != session.symbol]

    def add(self, session: SymbolSession, steps: Sequence[Step]) -> None:
        """Add what happened to orders."""
        for step in steps:
            order_id = step.order.order_id
            derived = self._open[order_id]
            act = Act(session, session.inputs, order_id)
            if isinstance(step, Fill):
                self._add_fill(derived, step, act)
            else:
                derived.close(step, act)
            if derived.end is not None:
                self._finished[order_id] = self._open.pop(order_id)
        if len(self._finished) >= ORDERS_PER_QUERY:
            self._compare_finished()

    def end(self, session: SymbolSession) -> None:
        """Take note that a matcher is gone."""
        self._compare_finished()
        if session.how == "ended":
            self._settle([session], is_last=False)
        else:
            self._unsettled.append(session)

    def finish(self, *, was_cut_off: bool) -> None:
        """Settle everything, at the end of the recording; perhaps it was no orderly one."""
        self._compare_finished()
        derived_orders = [*self._open.values(), *self._parked.values()]
        sessions = {id(derived.session): derived.session for derived in derived_orders}
        sessions |= {id(session): session for session in self._unsettled}
        self._settle(list(sessions.values()), is_last=True)
        self._coverage.finish(was_cut_off=was_cut_off)

    # --- Orders that are taken up again -------------------------------------------------------

    def _take_up_again(
        self, derived: DerivedOrder, note: OrderRested | OrderUnmet, session: SymbolSession
    ) -> None:
        before = derived.session
        known = derived.splits_total
        lost = derived.lose_after(note.splits_total)
        for act in lost:
            act.session.note_lost(act)
            self._findings.undurable += 1
        if lost and before.is_durable:
            self._findings.differ(
                Kind.CARRIED,
                derived.order.order_id,
                "taken up",
                recorded=f"{known} splits",
                stored=f"{note.splits_total} splits, and open",
            )
        for split in derived.splits.values():
            split.act.session.note_durable(split.act)
        told = (note.filled_quantity, note.quote_quantity)
        if note.splits_total > known:
            missing = range(known + 1, note.splits_total + 1)
            if before.how == "gap" or before.is_before_a_gap:
                derived.not_covered |= dict.fromkeys(missing, IN_A_GAP)
            else:
                derived.cut_at |= dict.fromkeys(missing, before.newest_update_id)
        elif derived.splits_total == note.splits_total and derived.sums != told:
            self._findings.differ(
                Kind.CARRIED,
                derived.order.order_id,
                f"taken up with {note.splits_total} splits",
                recorded=derived.sums,
                stored=told,
            )
        derived.carried_filled, derived.carried_quote = told
        derived.arrival = note.arrival
        derived.quotes_seen = note.quotes_seen
        derived.session = session
        if isinstance(note, OrderRested):
            derived.deadline_ns = note.deadline_ns

    def _add_fill(self, derived: DerivedOrder, fill: Fill, act: Act) -> None:
        session, order = act.session, derived.order
        quote = session.quote
        assert quote is not None, "an order is filled by a quote"
        price, quantity = touch(quote, order.side)
        derived.add(DerivedSplit(fill=fill, act=act, touch_price=price, touch_quantity=quantity))
        where = f"split {fill.split_number}, quote {fill.update_id}"
        excess = session.lots.sell(order.owner, order.side, fill.quantity)
        if excess:
            told = f"{excess} more than the {quantity} displayed"
            self._findings.differ(
                Kind.SOLD_TWICE, order.order_id, where, recorded=told, stored=fill.quantity
            )
        if quote.received_ns > derived.deadline_ns:
            told = f"received {quote.received_ns - derived.deadline_ns} ns after the deadline"
            self._findings.differ(
                Kind.LATE, order.order_id, where, recorded=told, stored=fill.quantity
            )

    # --- Comparing ----------------------------------------------------------------------------

    def _compare_finished(self) -> None:
        """Settle finished orders that are in the database as derived; let the others wait."""
        for derived, stored in self._with_stored(self._finished.values()):
            if stored is not None:
                self._lose_before_gaps(derived, stored)
                comparison = compare(derived, stored, may_lag=False, blind_from=None)
                if not comparison.differences:
                    self._conclude(derived, comparison)
                    continue
            self._parked[derived.order.order_id] = derived
        self._finished.clear()

    def _lose_before_gaps(self, derived: DerivedOrder, stored: StoredOrder) -> None:
        if stored.snapshot is None:
            return
        for act in derived.lose_before_a_gap(stored.snapshot, stored.splits, IN_A_GAP):
            act.session.note_lost(act)
            self._findings.undurable += 1

    def _settle(self, sessions: list[SymbolSession], *, is_last: bool) -> None:
        """Judge the orders that these matchers had last, and what was lost of their ends."""
        ids = {id(session) for session in sessions}
        derived_orders = [
            derived
            for derived in (*self._open.values(), *self._parked.values())
            if id(derived.session) in ids
        ]
        for derived, stored in self._with_stored(derived_orders):
            self._open.pop(derived.order.order_id, None)
            self._parked.pop(derived.order.order_id, None)
            if stored is None:
                self._judge_unknown(derived, may_lag=is_last and not derived.session.is_durable)
                continue
            is_open = stored.snapshot is not None and stored.snapshot.closed_at is None
            if is_last or not is_open:  # else it was not taken up, though it is open
                self._lose_before_gaps(derived, stored)
            may_lag = is_last and is_open and not derived.session.is_durable
            blind_from = _blind_from(derived.session)
            comparison = compare(derived, stored, may_lag=may_lag, blind_from=blind_from)
            for act in comparison.undurable:
                act.session.note_lost(act)
            self._conclude(derived, comparison)
        for session in sessions:
            self._check_tail(session)

    def _conclude(self, derived: DerivedOrder, comparison: Comparison) -> None:
        for act in comparison.durable:
            act.session.note_durable(act)
        findings = self._findings
        findings.splits += comparison.splits
        findings.undurable += len(comparison.undurable)
        findings.splits_not_covered += comparison.not_covered.total()
        findings.causes += comparison.not_covered
        if comparison.end_not_covered is not None:
            findings.causes[comparison.end_not_covered] += 1
        for difference in comparison.differences:
            findings.add(difference)
        if comparison.differences:
            findings.orders_differing += 1
        elif comparison.not_covered or comparison.end_not_covered is not None:
            findings.orders_not_covered += 1
        elif not derived.was_verified:
            findings.orders += 1
        if not comparison.differences:
            self._coverage.note_verified(derived.order)

    def _judge_unknown(self, derived: DerivedOrder, *, may_lag: bool) -> None:
        """Judge an order that the database does not have."""
        number = derived.order.acceptance_number
        if number <= self._lookup.last_pruned:
            return
        if may_lag and number > self._lookup.newest:
            self._findings.undurable += len(derived.splits) + (derived.end is not None)
            return
        self._findings.orders_differing += 1
        self._findings.differ(
            Kind.UNKNOWN_ORDER,
            derived.order.order_id,
            f"acceptance number {number}",
            recorded=derived.order,
            stored="none",
        )

    def _check_tail(self, session: SymbolSession) -> None:
        lost, durable = session.first_lost, session.last_durable
        if lost is not None and durable is not None and lost.number < durable.number:
            where = f"{session.symbol}, inputs {lost.number} and {durable.number}"
            self._findings.differ(
                Kind.NOT_A_TAIL,
                lost.order_id,
                where,
                recorded="earlier, and not stored",
                stored=f"later, and stored: of order {durable.order_id}",
            )

    def _with_stored(
        self, derived_orders: Iterable[DerivedOrder]
    ) -> Iterator[tuple[DerivedOrder, StoredOrder | None]]:
        all_lives = list(derived_orders)
        for start in range(0, len(all_lives), ORDERS_PER_QUERY):
            some = all_lives[start : start + ORDERS_PER_QUERY]
            stored = self._lookup.find([derived.order.order_id for derived in some])
            for derived in some:
                yield derived, stored.get(derived.order.order_id)


def _blind_from(session: SymbolSession) -> str | None:
    """Return why the database may have more than was derived of a matcher's last orders."""
    if session.how == "gap" or session.is_before_a_gap:
        return IN_A_GAP
    return CUT_OFF if session.how == "crashed" else None
