"""Plays a script through a matcher and holds every promise of the fill rule against it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from app.domain.amounts import ZERO
from app.domain.liquidity import TakenLevel
from app.domain.matcher import Fill, SymbolMatcher
from app.domain.order import Order, OrderId, Owner, Side
from app.domain.quote import Quote
from tests.support.builders import LTCBTC, make_order, make_quote
from tests.unit.domain.fill_rule_script import (
    OWNERS,
    Action,
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
    reaches,
    require,
    touch_of,
)
from tests.unit.domain.plain_fill_rule import PlainFill, PlainFillRule


@dataclass(slots=True)
class Account:
    """What an order got so far, added up apart from the matcher."""

    order: Order
    deadline_ns: int
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    splits: int = 0
    is_open: bool = True

    @property
    def rank(self) -> tuple[Decimal, int]:
        """Sort by this: better limit first, then earlier acceptance."""
        limit_price = self.order.limit_price
        is_buy = self.order.side is Side.BUY
        return (-limit_price if is_buy else limit_price, self.order.acceptance_number)


class Audit:
    """Judges fills by two order-level books per owner, and by the orders' own accounts."""

    def __init__(self, changes: list[BookChange]) -> None:
        self.accounts: dict[OrderId, Account] = {}
        self.fills_total = 0
        self._true_books = {owner: TrueBook(changes) for owner in OWNERS}
        self._seen_books = {(owner, side): SeenBook(side) for owner in OWNERS for side in Side}
        self._stored_seen_books = self._copy_of_seen_books()

    def observe(self, quote: Quote) -> None:
        """Note that the matcher applied a quote."""
        for true_book in self._true_books.values():
            true_book.move_to(quote.update_id)
        for seen_book in self._seen_books.values():
            seen_book.observe(quote)

    def take(self, fills: Iterable[Fill]) -> None:
        """Check what orders got in one step, each fill and the order of priority."""
        fills = list(fills)
        self.fills_total += len(fills)
        for fill in fills:
            self._check_order(fill)
            order, units = fill.order, int(fill.quantity / UNIT)
            self._seen_books[order.owner, order.side].take(fill.price, units)
            self._true_books[order.owner].take(
                order.side, fill.price, units, update_id=fill.update_id
            )
        for fill in fills:
            self._check_priority(fill)

    def check_touch(self, quote: Quote) -> None:
        """Check that no order that reaches the touch was left with an untaken lot there."""
        for account in self.open_accounts():
            order = account.order
            price, displayed = touch_of(quote, order.side)
            if displayed and reaches(order.side, order.limit_price, price):
                untaken = self._seen_books[order.owner, order.side].untaken(price)
                require(that=untaken == 0, promise="nothing available is held back")

    def open_accounts(self) -> list[Account]:
        """Return the accounts of the orders that rest, by acceptance."""
        return [account for account in self.accounts.values() if account.is_open]

    def store(self) -> None:
        """Remember how the market looked when the ledger was stored."""
        self._stored_seen_books = self._copy_of_seen_books()

    def restart(self, stored_gate: int) -> None:
        """Go back to the market of the stored ledger: what was seen since was forgotten."""
        self._seen_books = self._stored_seen_books
        self._stored_seen_books = self._copy_of_seen_books()
        for true_book in self._true_books.values():
            true_book.rewind(stored_gate)

    def _copy_of_seen_books(self) -> dict[tuple[Owner, Side], SeenBook]:
        return {key: seen_book.copy() for key, seen_book in self._seen_books.items()}

    def _check_order(self, fill: Fill) -> None:
        account = self.accounts[fill.order.order_id]
        order = account.order
        require(that=account.is_open, promise="no order fills after its end")
        require(that=fill.quantity > 0, promise="a fill is positive")
        within = reaches(order.side, order.limit_price, fill.price)
        require(that=within, promise="no fill is beyond the limit")
        account.filled += fill.quantity
        account.cost += fill.price * fill.quantity
        account.splits += 1
        require(that=account.filled <= order.quantity, promise="no order is overfilled")
        told = (fill.split_number, fill.filled_quantity, fill.quote_quantity)
        sums = (account.splits, account.filled, account.cost)
        require(that=told == sums, promise="splits sum exactly")
        account.is_open = account.filled < order.quantity
        require(that=fill.completes is not account.is_open, promise="a full order is filled")

    def _check_priority(self, fill: Fill) -> None:
        rank = self.accounts[fill.order.order_id].rank
        for other in self.open_accounts():
            order = other.order
            if (order.owner, order.side) == (fill.order.owner, fill.order.side):
                passed_over = other.rank < rank
                require(that=not passed_over, promise="priority is kept")


class Playthrough:
    """A market, a lossy wire, a process that dies, and a matcher in the middle.

    With ``beside_plain_rule`` each step must also give what ``PlainFillRule`` gives; a planted
    fault is shown without it, by the promise that it breaks.
    """

    def __init__(
        self, matcher_class: type[SymbolMatcher] = SymbolMatcher, *, beside_plain_rule: bool = True
    ) -> None:
        self._matcher_class = matcher_class
        self._matcher = matcher_class(LTCBTC)
        self._plain = PlainFillRule() if beside_plain_rule else None
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
            case Place():
                self._place(action)
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
        fills = self._matcher.apply_quote(quote)
        if self._matcher.quotes_applied > applied_before:
            self.audit.observe(quote)
        self._judge(fills, self._plain.quote(quote) if self._plain else None)

    def _seed(self, quote: Quote) -> None:
        fills = self._matcher.apply_seed(quote)
        if fills is not None:
            self.audit.observe(quote)
        expected = self._plain.seed(quote) if self._plain else None
        if self._plain:
            agrees = (fills is None) == (expected is None)
            require(that=agrees, promise="a seed is stale as the plain rule says")
        self._judge(fills or [], (expected or []) if self._plain else None)

    def _place(self, action: Place) -> None:
        order = make_order(
            action.units * UNIT,
            number=len(self.audit.accounts) + 1,
            limit_price=price_at(action.side, action.depth),
            side=action.side,
            owner=action.owner,
        )
        deadline_ns = self._now_ns + action.lifetime_ns
        self.audit.accounts[order.order_id] = Account(order, deadline_ns)
        fills = self._matcher.rest(order, deadline_ns=deadline_ns)
        expected = self._plain.place(order, deadline_ns=deadline_ns) if self._plain else None
        self._judge(fills, expected)

    def _interrupt(self) -> None:
        self._matcher.interrupt()
        if self._plain:
            self._plain.current = None

    def _hold(self) -> None:
        self._is_held = True
        self._matcher.hold()
        if self._plain:
            self._plain.is_held = True

    def _release(self) -> None:
        self._is_held = False
        fills = self._matcher.release()
        self._judge(fills, self._plain.release() if self._plain else None)

    def _restart(self, *, is_clean: bool) -> None:
        if is_clean:
            self._store()
        self.audit.restart(self._stored_gate)
        if self._plain:
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
            self._matcher.rest(
                account.order,
                deadline_ns=account.deadline_ns,
                filled_quantity=account.filled,
                quote_quantity=account.cost,
                splits_total=account.splits,
            )

    def _expire(self) -> None:
        expiries = self._matcher.expire(self._now_ns)
        due = {
            account.order.order_id
            for account in self.audit.open_accounts()
            if account.deadline_ns < self._now_ns
        }
        for expiry in expiries:
            account = self.audit.accounts[expiry.order.order_id]
            account.is_open = False
            told = (expiry.splits_total, expiry.filled_quantity, expiry.quote_quantity)
            sums = (account.splits, account.filled, account.cost)
            require(that=told == sums, promise="splits sum exactly")
        gone = {expiry.order.order_id for expiry in expiries}
        require(that=gone == due, promise="an order expires after its deadline, not before")
        if self._plain:
            require(that=gone == self._plain.expire(self._now_ns), promise="both rules expire it")

    def _judge(self, fills: list[Fill], expected: list[PlainFill] | None) -> None:
        if expected is not None:
            agrees = _by_book(fills) == self._plain_by_book(expected)
            require(that=agrees, promise="fills are those of the plain rule")
        self.audit.take(fills)
        if fills:
            self._store()

    def _store(self) -> None:
        """Do what the journal does with a fill: keep the changed levels and the gate."""
        for level in self._matcher.drain_ledger_changes():
            self._stored[level.owner, level.side, level.price] = level.quantity
            if not level.quantity:
                del self._stored[level.owner, level.side, level.price]
        self._stored_gate = self._matcher.gate
        require(that=self._stored == self._ledger(), promise="the drained changes are the ledger")
        self.audit.store()
        if self._plain:
            self._plain.store()

    def _ledger(self) -> dict[tuple[Owner, Side, Decimal], Decimal]:
        return {
            (level.owner, level.side, level.price): level.quantity
            for level in self._matcher.ledger_levels()
        }

    def _check_after_step(self) -> None:
        if self._matcher.current is not None and not self._is_held:
            self.audit.check_touch(self._matcher.current)
        resting = len(self.audit.open_accounts())
        require(that=self._matcher.resting_total == resting, promise="each open order rests once")
        if self._plain:
            same = self._plain.taken == self._ledger()
            require(that=same, promise="the ledger is that of the plain rule")
            same = self._plain.gate == self._matcher.gate
            require(that=same, promise="the gate is that of the plain rule")

    def _plain_by_book(
        self, fills: Iterable[PlainFill]
    ) -> dict[tuple[Owner, Side], list[PlainFill]]:
        by_book: dict[tuple[Owner, Side], list[PlainFill]] = {}
        for fill in fills:
            order = self.audit.accounts[fill.order_id].order
            by_book.setdefault((order.owner, order.side), []).append(fill)
        return by_book


def _by_book(fills: Iterable[Fill]) -> dict[tuple[Owner, Side], list[PlainFill]]:
    by_book: dict[tuple[Owner, Side], list[PlainFill]] = {}
    for fill in fills:
        plain = PlainFill(
            order_id=fill.order.order_id,
            update_id=fill.update_id,
            price=fill.price,
            quantity=fill.quantity,
        )
        by_book.setdefault((fill.order.owner, fill.order.side), []).append(plain)
    return by_book
