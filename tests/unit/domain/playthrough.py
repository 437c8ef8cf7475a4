"""Plays a script through a matcher and checks every promise of the fill rule."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.amounts import ZERO
from app.domain.liquidity import TakenLevel
from app.domain.matcher import QUOTE_AGE_NS_MAX, SymbolMatcher
from app.domain.order import Arrival, Order, OrderId, Owner, Reason, Side, TimeInForce
from app.domain.quote import Quote
from app.domain.resting import Closing, Fill, Step
from tests.support.builders import LTCBTC, make_order, make_quote
from tests.unit.domain.fill_rule_script import (
    OWNERS,
    Action,
    Cancel,
    CancelAll,
    Change,
    Hold,
    Interrupt,
    Place,
    Redeliver,
    Release,
    Restart,
    Seed,
    price_at,
)
from tests.unit.domain.order_level_book import (
    UNIT,
    BookChange,
    SeenBook,
    TrueBook,
    rank_of,
    reaches,
    require,
    touch_of,
)
from tests.unit.domain.plain_fill_rule import PlainEnd, PlainFill, PlainFillRule, PlainStep

DECIDED_BY_A_QUOTE = {Reason.IOC_REMAINDER, Reason.FOK_UNFILLABLE}


@dataclass(slots=True)
class Account:
    """The fills of an order, added up independently of the matcher.

    ``arrival`` and ``quotes_seen`` come from its newest event, as the journal would store them.
    """

    order: Order
    deadline_ns: int
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    splits: int = 0
    arrival: Arrival | None = None
    quotes_seen: int = 0
    is_open: bool = True


class Audit:
    """Judges fills by two order-level books per owner, and by the accounts of the orders."""

    def __init__(self, changes: list[BookChange]) -> None:
        self.accounts: dict[OrderId, Account] = {}
        self.fills_total = 0
        self.ended: Counter[Reason] = Counter()
        self._true_books = {owner: TrueBook(changes) for owner in OWNERS}
        self._seen_books = {(owner, side): SeenBook(side) for owner in OWNERS for side in Side}
        self._stored_seen_books = self._copy_of_seen_books()

    def observe(self, quote: Quote) -> None:
        """Record that the matcher applied a quote."""
        for true_book in self._true_books.values():
            true_book.move_to(quote.update_id)
        for seen_book in self._seen_books.values():
            seen_book.observe(quote)

    def take(self, steps: Iterable[Step], *, current: Quote | None) -> None:
        """Check the steps of one call: each fill and end, and the order of priority.

        ``current`` is the quote that may decide orders, None without one.
        """
        steps = list(steps)
        for step in steps:
            if isinstance(step, Fill):
                self._take_fill(step)
            else:
                self._close(step)
        for step in steps:
            if isinstance(step, Fill):
                self._check_priority(step)
            elif step.reason in DECIDED_BY_A_QUOTE:
                require(that=current is not None, promise="an order is decided by a quote")
                if current is not None:
                    self._check_decision(step, current)

    def check_touch(self, quote: Quote) -> None:
        """Check that no order that reaches the touch was left with an untaken lot there."""
        for account in self.open_accounts():
            order = account.order
            rests = order.time_in_force is TimeInForce.GTD
            require(that=rests, promise="an IOC or FOK order ends with the quote it meets")
            untaken = self._untaken(order, quote)
            require(that=untaken == 0, promise="nothing available is held back")

    def open_accounts(self) -> list[Account]:
        """Return the accounts of the open orders, by acceptance."""
        return [account for account in self.accounts.values() if account.is_open]

    def store(self) -> None:
        """Remember the market at the time when the ledger was stored."""
        self._stored_seen_books = self._copy_of_seen_books()

    def restart(self, stored_gate: int) -> None:
        """Return to the market of the stored ledger, because later quotes were forgotten."""
        self._seen_books = self._stored_seen_books
        self._stored_seen_books = self._copy_of_seen_books()
        for true_book in self._true_books.values():
            true_book.rewind(stored_gate)

    def _copy_of_seen_books(self) -> dict[tuple[Owner, Side], SeenBook]:
        return {key: seen_book.copy() for key, seen_book in self._seen_books.items()}

    def _take_fill(self, fill: Fill) -> None:
        self.fills_total += 1
        self._check_order(fill)
        order, units = fill.order, int(fill.quantity / UNIT)
        self._seen_books[order.owner, order.side].take(fill.price, units)
        self._true_books[order.owner].take(order.side, fill.price, units, update_id=fill.update_id)

    def _close(self, closing: Closing) -> None:
        account = self.accounts[closing.order.order_id]
        require(that=account.is_open, promise="an order ends once")
        told = (closing.splits_total, closing.filled_quantity, closing.quote_quantity)
        sums = (account.splits, account.filled, account.cost)
        require(that=told == sums, promise="splits sum exactly")
        account.is_open = False
        self.ended[closing.reason] += 1

    def _untaken(self, order: Order, quote: Quote) -> int:
        """Return how many lots an order of this limit could take from the quote."""
        price, displayed = touch_of(quote, order.side)
        if not displayed or not reaches(order.side, order.limit_price, price):
            return 0
        return self._seen_books[order.owner, order.side].untaken(price)

    def _check_decision(self, closing: Closing, quote: Quote) -> None:
        """Check that an order which was not filled at once could not have been."""
        order = self.accounts[closing.order.order_id].order
        enough = int(order.quantity / UNIT) if order.time_in_force is TimeInForce.FOK else 1
        could_be_filled = self._untaken(order, quote) >= enough
        require(that=not could_be_filled, promise="nothing available is held back")

    def _check_order(self, fill: Fill) -> None:
        account = self.accounts[fill.order.order_id]
        order = account.order
        require(that=account.is_open, promise="no order fills after its end")
        require(that=fill.quantity > 0, promise="a fill is positive")
        is_whole = fill.quantity == order.quantity
        may_be_in_part = order.time_in_force is not TimeInForce.FOK
        require(that=is_whole or may_be_in_part, promise="a FOK order gets all or nothing")
        within = reaches(order.side, order.limit_price, fill.price)
        require(that=within, promise="no fill is beyond the limit")
        account.filled += fill.quantity
        account.cost += fill.price * fill.quantity
        account.splits += 1
        account.arrival, account.quotes_seen = fill.arrival, fill.quotes_seen
        require(that=account.filled <= order.quantity, promise="no order is overfilled")
        told = (fill.split_number, fill.filled_quantity, fill.quote_quantity)
        sums = (account.splits, account.filled, account.cost)
        require(that=told == sums, promise="splits sum exactly")
        account.is_open = account.filled < order.quantity
        require(that=fill.closes is not account.is_open, promise="a full order is filled")

    def _check_priority(self, fill: Fill) -> None:
        rank = rank_of(fill.order)
        for other in self.open_accounts():
            order = other.order
            if (order.owner, order.side) == (fill.order.owner, fill.order.side):
                passed_over = rank_of(order) < rank
                require(that=not passed_over, promise="priority is kept")


class Playthrough:
    """A market, a lossy wire, a process that dies, and a matcher between them.

    With ``beside_plain_rule`` each step must equal the step of ``PlainFillRule``. Without it, a
    planted fault shows the promise that it breaks.
    """

    def __init__(
        self, matcher_class: type[SymbolMatcher] = SymbolMatcher, *, beside_plain_rule: bool = True
    ) -> None:
        self._matcher_class = matcher_class
        self._matcher = matcher_class(LTCBTC)
        self._plain = PlainFillRule()
        self._beside_plain_rule = beside_plain_rule
        self._changes: list[BookChange] = []
        self._frames: list[Quote] = []
        self._standing: dict[tuple[Side, Decimal], int] = {}
        self._stored: dict[tuple[Owner, Side, Decimal], Decimal] = {}
        self._stored_gate = 0
        self._is_held = False
        self._now_ns = 0
        self.audit = Audit(self._changes)

    def play(self, script: Iterable[Action]) -> "Playthrough":
        """Play every action; raise ``PropertyBrokenError`` at the first broken promise."""
        for action in script:
            self._now_ns += 1
            self._expire()
            self._act(action)
            self._check_after_step()
        return self

    def _act(self, action: Action) -> None:
        match action:
            case Change():
                self._change(action)
            case Redeliver(back) if back < len(self._frames):
                self._deliver(self._frames[-1 - back])
            case Place() | Cancel() | CancelAll():
                self._serve(action)
            case Seed(back) if back < len(self._frames):
                self._seed(self._frames[-1 - back])
            case Interrupt():
                self._interrupt()
            case Restart(is_clean):
                self._restart(is_clean=is_clean)
            case Hold():
                self._hold()
            case Release():
                self._release()

    def _serve(self, request: Place | Cancel | CancelAll) -> None:
        match request:
            case Place():
                self._place(request)
            case Cancel(back):
                self._cancel(back)
            case CancelAll(owner):
                self._cancel_all(owner)

    def _change(self, action: Change) -> None:
        price = price_at(action.side, action.depth)
        before = self._standing.get((action.side, price), 0)
        units = max(action.units, -before)
        self._standing[action.side, price] = before + units
        self._changes.append(BookChange(side=action.side, price=price, units=units))
        self._frames.append(
            make_quote(len(self._changes), ask=self._touch(Side.BUY), bid=self._touch(Side.SELL))
        )
        if not action.is_lost:
            self._deliver(self._frames[-1])

    def _touch(self, side: Side) -> tuple[Decimal, Decimal]:
        prices = [price for (at, price), units in self._standing.items() if at is side and units]
        if not prices:
            return ZERO, ZERO
        price = min(prices) if side is Side.BUY else max(prices)
        return price, self._standing[side, price] * UNIT

    def _deliver(self, quote: Quote) -> None:
        applied_before = self._matcher.quotes_applied
        steps = self._matcher.apply_quote(quote)
        if self._matcher.quotes_applied > applied_before:
            self.audit.observe(quote)
        self._judge(steps, self._plain.quote(quote))

    def _seed(self, quote: Quote) -> None:
        steps = self._matcher.apply_seed(quote)
        if steps is not None:
            self.audit.observe(quote)
        expected = self._plain.seed(quote)
        agrees = (steps is None) == (expected is None)
        self._require_plain(that=agrees, promise="a seed is stale as the plain rule says")
        self._judge(steps or [], expected or [])

    def _place(self, action: Place) -> None:
        order = make_order(
            action.units * UNIT,
            number=len(self.audit.accounts) + 1,
            limit_price=price_at(action.side, action.depth),
            side=action.side,
            owner=action.owner,
            time_in_force=action.time_in_force,
        )
        deadline_ns = self._now_ns + action.lifetime_ns
        now_ns = QUOTE_AGE_NS_MAX + 1 if action.is_quote_old else 0  # a quote comes at 0
        must_wait = self._matcher.must_confirm(order, now_ns)
        self.audit.accounts[order.order_id] = Account(
            order, deadline_ns, arrival=None if must_wait else self._arrival_now(order.side)
        )
        steps = self._matcher.rest(order, deadline_ns=deadline_ns, now_ns=now_ns)
        require(that=not (must_wait and steps), promise="an old quote is confirmed first")
        expected = self._plain.place(
            order, deadline_ns=deadline_ns, is_quote_old=action.is_quote_old
        )
        self._judge(steps, expected)

    def _arrival_now(self, side: Side) -> Arrival | None:
        current = self._matcher.current
        if current is None:
            return None
        return Arrival(update_id=current.update_id, price=touch_of(current, side)[0])

    def _cancel(self, back: int) -> None:
        for account in list(self.audit.accounts.values())[::-1][back : back + 1]:
            closing = self._matcher.cancel(account.order.order_id)
            self._judge_cancel([] if closing is None else [closing], [account])

    def _cancel_all(self, owner: Owner) -> None:
        meant = [one for one in self.audit.accounts.values() if one.order.owner == owner]
        self._judge_cancel(self._matcher.cancel_all(owner), meant)

    def _judge_cancel(self, closings: Sequence[Closing], meant: list[Account]) -> None:
        order_ids = {account.order.order_id for account in meant}
        self._judge([*closings], self._plain.cancel(order_ids))
        is_over = not any(account.is_open for account in meant)
        require(that=is_over, promise="a cancel ends the order")
        for closing in closings:
            was_meant = closing.order.order_id in order_ids
            require(that=was_meant, promise="a cancel ends no other order")

    def _interrupt(self) -> None:
        self._matcher.interrupt()
        self._plain.interrupt()

    def _hold(self) -> None:
        self._is_held = True
        self._matcher.hold()
        self._plain.is_held = True

    def _release(self) -> None:
        self._is_held = False
        self._judge(self._matcher.release(), self._plain.release())

    def _restart(self, *, is_clean: bool) -> None:
        if is_clean:
            self._store()
        self.audit.restart(self._stored_gate)
        self._plain.restart()
        self._is_held = False
        self._matcher = self._matcher_class(
            LTCBTC,
            gate=self._stored_gate,
            levels=[
                TakenLevel(owner=owner, side=side, price=price, quantity=quantity)
                for (owner, side, price), quantity in self._stored.items()
            ],
        )
        for account in self.audit.open_accounts():
            if account.order.time_in_force is not TimeInForce.GTD:
                account.is_open = False  # fulfillment ends it when it resumes orders
                continue
            self._matcher.rest(
                account.order,
                deadline_ns=account.deadline_ns,
                filled_quantity=account.filled,
                quote_quantity=account.cost,
                splits_total=account.splits,
                arrival=account.arrival,
                quotes_seen=account.quotes_seen,
                may_have_met_quotes=True,
            )

    def _expire(self) -> None:
        steps = self._matcher.expire(self._now_ns)
        due = {
            account.order.order_id
            for account in self.audit.open_accounts()
            if account.deadline_ns < self._now_ns
        }
        gone = {step.order.order_id for step in steps}
        require(that=gone == due, promise="an order expires after its deadline, not before")
        self._compare(steps, self._plain.expire(self._now_ns))
        self.audit.take(steps, current=self._deciding_quote())

    def _judge(self, steps: list[Step], expected: list[PlainStep]) -> None:
        self._compare(steps, expected)
        self.audit.take(steps, current=self._deciding_quote())
        if steps:
            self._store()

    def _deciding_quote(self) -> Quote | None:
        is_waiting = self._is_held or self._matcher.awaits_confirmation
        return None if is_waiting else self._matcher.current

    def _require_plain(self, *, that: bool, promise: str) -> None:
        require(that=that or not self._beside_plain_rule, promise=promise)

    def _compare(self, steps: Sequence[Step], expected: list[PlainStep]) -> None:
        plain_steps = [_plain(step) for step in steps]
        agrees = self._fills_by_book(plain_steps) == self._fills_by_book(expected)
        self._require_plain(that=agrees, promise="the plain rule gives the same fills")
        agrees = _ends(plain_steps) == _ends(expected)
        self._require_plain(that=agrees, promise="the plain rule gives the same ends")

    def _store(self) -> None:
        """Do the journal's work after a fill: keep the changed levels and the gate."""
        for level in self._matcher.drain_ledger_changes():
            self._stored[level.owner, level.side, level.price] = level.quantity
            if not level.quantity:
                del self._stored[level.owner, level.side, level.price]
        self._stored_gate = self._matcher.gate
        require(that=self._stored == self._ledger(), promise="the drained changes are the ledger")
        self.audit.store()
        self._plain.store()

    def _ledger(self) -> dict[tuple[Owner, Side, Decimal], Decimal]:
        return {
            (level.owner, level.side, level.price): level.quantity
            for level in self._matcher.ledger_levels()
        }

    def _check_after_step(self) -> None:
        current = self._deciding_quote()
        if current is not None:
            self.audit.check_touch(current)
        resting = len(self.audit.open_accounts())
        require(that=self._matcher.resting_total == resting, promise="each open order rests once")
        same = self._plain.taken == self._ledger()
        self._require_plain(that=same, promise="the plain rule has the same ledger")
        same = self._plain.gate == self._matcher.gate
        self._require_plain(that=same, promise="the plain rule has the same gate")

    def _fills_by_book(
        self, steps: Iterable[PlainStep]
    ) -> dict[tuple[Owner, Side], list[PlainFill]]:
        """Return the fills in order, by book. The order of the books is no promise."""
        by_book: dict[tuple[Owner, Side], list[PlainFill]] = {}
        for step in steps:
            if isinstance(step, PlainFill):
                order = self.audit.accounts[step.order_id].order
                by_book.setdefault((order.owner, order.side), []).append(step)
        return by_book


def _ends(steps: Iterable[PlainStep]) -> dict[OrderId, PlainEnd]:
    return {step.order_id: step for step in steps if isinstance(step, PlainEnd)}


def _plain(step: Step) -> PlainStep:
    if isinstance(step, Fill):
        return PlainFill(
            order_id=step.order.order_id,
            update_id=step.update_id,
            price=step.price,
            quantity=step.quantity,
            arrival=step.arrival,
            quotes_seen=step.quotes_seen,
        )
    return PlainEnd(
        order_id=step.order.order_id,
        reason=step.reason,
        arrival=step.arrival,
        quotes_seen=step.quotes_seen,
        decision=step.decision,
    )
