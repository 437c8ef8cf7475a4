"""Plays a tape to orders on its own clock: what each would have got, exactly, and in seconds.

An order placed at ``placed_ts`` meets the last quote of its symbol at or before that instant, then
every later one up to ``placed_ts`` plus its timeout, inclusive. Ledgers start empty where the tape
starts. The rule itself is ``SymbolMatcher``'s, the one that the service runs on.

Time is what the lines say, so the same tape and orders give the same results on any machine. A
frame of no use, or a note that the connection was lost, leaves no current quote until the next one,
as in the service: nobody knows what was displayed meanwhile.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from app.domain.amounts import EXACT, ZERO
from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, OrderId, Owner, Side, Symbol, TimeInForce
from app.domain.quote import Quote
from app.domain.resting import Fill, Step
from app.tapes.tape_lines import NANOSECONDS_PER_MICROSECOND, TapeLine
from app.tapes.tape_notes import read_interruption

SYMBOLS_TOLD_MAX: Final = 20
"""Of those on a tape, where one that was asked for is not among them."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """An order to place on a tape; times are epoch microseconds of the tape and a duration."""

    order_id: OrderId
    owner: Owner
    symbol: Symbol
    side: Side
    quantity: Decimal
    limit_price: Decimal
    placed_ts: int
    timeout_us: int

    @property
    def deadline_ts(self) -> int:
        """The last instant of a quote that may fill it."""
        return self.placed_ts + self.timeout_us


class FinalState(StrEnum):
    """How an order ended."""

    FILLED = "filled"
    EXPIRED_PARTIAL = "expired_partial"
    EXPIRED_UNFILLED = "expired_unfilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySplit:
    """One fill; ``ts`` is that of the quote that filled it, so it may be before the placing."""

    update_id: int
    price: Decimal
    quantity: Decimal
    ts: int


@dataclass(slots=True, kw_only=True)
class ReplayResult:
    """What an order got; ``total_cost`` is the exact sum of price times quantity."""

    order: ReplayOrder
    filled_quantity: Decimal = ZERO
    total_cost: Decimal = ZERO
    splits: list[ReplaySplit] = field(default_factory=list)

    @property
    def remaining_quantity(self) -> Decimal:
        """What was not filled."""
        return EXACT.subtract(self.order.quantity, self.filled_quantity)

    @property
    def final_state(self) -> FinalState:
        """How it ended."""
        if not self.filled_quantity:
            return FinalState.EXPIRED_UNFILLED
        return FinalState.EXPIRED_PARTIAL if self.remaining_quantity else FinalState.FILLED


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableFrame:
    """A frame that is no quote; ``symbol`` as far as it could be read."""

    symbol: Symbol | None


FrameParser = Callable[[bytes, int], Quote | UnusableFrame]
"""Reads a frame as the service does; the second argument becomes ``received_ns``."""


@dataclass(slots=True, kw_only=True)
class ReplayReport:
    """What was read of the tape, apart from the orders' results.

    ``first_ts`` and ``last_ts`` are of its first and last frame read; reading ends early once
    nothing more can happen. ``quotes_late`` had an update id that did not rise. ``unseen`` are the
    orders' symbols without a quote, ``symbols`` some that have one.
    """

    frames: int = 0
    quotes_late: int = 0
    frames_unusable: int = 0
    interruptions: int = 0
    first_ts: int | None = None
    last_ts: int = 0
    has_ended: bool = False
    symbols: dict[Symbol, None] = field(default_factory=dict)
    unseen: set[Symbol] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOutcome:
    """The results in the order in which the orders were given, and the report."""

    results: Sequence[ReplayResult]
    report: ReplayReport


def replay(
    lines: Iterable[TapeLine], orders: Sequence[ReplayOrder], *, parse: FrameParser
) -> ReplayOutcome:
    """Place the orders on the tape; among equals at one instant, the first of the list is first.

    ``lines`` are taken one by one, and not to the end if nothing more can happen: what is held in
    memory are the orders, their results, and one ledger per owner and symbol with orders to come.

    Raises: what ``lines`` raises.
    """
    playing = Playing(orders, parse)
    for line in lines:
        if not playing.take(line):
            break
    else:
        playing.report.has_ended = True
    playing.finish()
    return ReplayOutcome(results=list(playing.results.values()), report=playing.report)


class Playing:
    """One replay under way: ``take`` the lines while it returns True, then ``finish``."""

    def __init__(self, orders: Sequence[ReplayOrder], parse: FrameParser) -> None:
        self.results = {order.order_id: ReplayResult(order=order) for order in orders}
        assert len(self.results) == len(orders), "an order id is given once"
        self._parse = parse
        self._pending = deque(sorted(orders, key=lambda order: order.placed_ts))
        self._numbers = {order.order_id: n for n, order in enumerate(self._pending, start=1)}
        self._last_deadline_ts = max((order.deadline_ts for order in orders), default=0)
        self._markets: dict[Symbol, _SymbolMarket] = {}
        for order in orders:
            market = self._markets.setdefault(order.symbol, _SymbolMarket(order.symbol))
            market.orders_to_come[order.owner] += 1
        self.report = ReplayReport(unseen=set(self._markets))

    def take(self, line: TapeLine) -> bool:
        """Take the next line; return whether anything may follow from those behind it."""
        report = self.report
        if line.data is None:
            self._take_note(line)
            return True
        ts = line.ts
        self._place_before(ts)
        if ts > self._last_deadline_ts and not report.unseen:
            return False
        report.frames += 1
        report.last_ts = ts
        if report.first_ts is None:
            report.first_ts = ts
        frame = self._parse(line.data, ts * NANOSECONDS_PER_MICROSECOND)
        if type(frame) is Quote:
            self._take_quote(frame)
        else:
            assert isinstance(frame, UnusableFrame), "a frame is a quote or of no use"
            report.frames_unusable += 1
            if frame.symbol in self._markets:
                self._markets[frame.symbol].interrupt()
        return True

    def finish(self) -> None:
        """Place what meets the last quote, and see that every order has ended."""
        self._place_before(self.report.last_ts + 1)
        for market in self._markets.values():
            market.end(self._last_deadline_ts)

    @property
    def owners_held(self) -> int:
        """How many ledgers are held, one per owner and symbol with orders to come or resting."""
        return sum(market.owners_held for market in self._markets.values())

    def _take_quote(self, quote: Quote) -> None:
        report = self.report
        if len(report.symbols) < SYMBOLS_TOLD_MAX:
            report.symbols.setdefault(quote.symbol)
        market = self._markets.get(quote.symbol)
        if market is not None:
            report.unseen.discard(quote.symbol)
            report.quotes_late += not market.apply(quote, self._note)

    def _take_note(self, line: TapeLine) -> None:
        assert line.note is not None, "a line is a frame or a note"
        interruption = read_interruption(line.note)
        if interruption is None or self.report.first_ts is None:
            return  # before the first frame there is nothing to interrupt
        self._place_before(line.ts)
        self.report.interruptions += 1
        for market in self._markets.values():
            if interruption.symbol in {None, market.symbol}:
                market.interrupt()

    def _place_before(self, ts: int) -> None:
        """Place every order of an instant before ``ts``: at one instant quotes come first."""
        while self._pending and self._pending[0].placed_ts < ts:
            order = self._pending.popleft()
            market = self._markets[order.symbol]
            market.place(order, self._numbers[order.order_id], self._note)

    def _note(self, steps: Iterable[Step], quote: Quote) -> None:
        for step in steps:
            if isinstance(step, Fill):
                result = self.results[step.order.order_id]
                result.filled_quantity = step.filled_quantity
                result.total_cost = step.quote_quantity
                result.splits.append(
                    ReplaySplit(
                        update_id=step.update_id,
                        price=step.price,
                        quantity=step.quantity,
                        ts=quote.received_ns // NANOSECONDS_PER_MICROSECOND,
                    )
                )


_Noter = Callable[[Iterable[Step], Quote], None]


class _SymbolMarket:
    """One symbol's quotes, and a matcher per owner for as long as the owner has orders.

    Owners do not meet in the book, so one whose last order has ended needs no ledger any more. A
    ledger that nobody took from remembers nothing, so a matcher starts with the first order.
    """

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.orders_to_come: Counter[Owner] = Counter()
        # Knows the current quote and the gate, and has no orders.
        self._leader = SymbolMatcher(symbol)
        self._matchers: dict[Owner, SymbolMatcher] = {}

    @property
    def owners_held(self) -> int:
        """How many owners have a matcher."""
        return len(self._matchers)

    def apply(self, quote: Quote, note: _Noter) -> bool:
        """Let every order meet the quote; False if its update id is old and it counts for none."""
        self._leader.apply_quote(quote)
        if self._leader.current is not quote:
            return False
        ended = None
        for owner, matcher in self._matchers.items():
            matcher.expire(quote.received_ns)
            steps = matcher.apply_quote(quote)
            if steps:
                note(steps, quote)
            if not matcher.resting_total and not self.orders_to_come[owner]:
                ended = [*(ended or ()), owner]
        for owner in ended or ():
            del self._matchers[owner]
        return True

    def place(self, order: ReplayOrder, number: int, note: _Noter) -> None:
        """Place an order; it meets the current quote, if there is one."""
        self.orders_to_come[order.owner] -= 1
        current = self._leader.current
        matcher = self._matchers.get(order.owner)
        if matcher is None:
            matcher = self._matchers[order.owner] = SymbolMatcher(self.symbol)
            if current is not None:
                matcher.apply_quote(current)
        placed_ns = order.placed_ts * NANOSECONDS_PER_MICROSECOND
        matcher.expire(placed_ns)
        deadline_ns = order.deadline_ts * NANOSECONDS_PER_MICROSECOND
        steps = matcher.rest(_accepted(order, number), deadline_ns=deadline_ns)
        if current is not None:
            note(steps, current)

    def interrupt(self) -> None:
        """Forget the current quote."""
        self._leader.interrupt()
        for matcher in self._matchers.values():
            matcher.interrupt()

    def end(self, last_deadline_ts: int) -> None:
        """See that nothing rests once the last time is up."""
        for matcher in self._matchers.values():
            matcher.expire(last_deadline_ts * NANOSECONDS_PER_MICROSECOND + 1)
            assert not matcher.resting_total, "every order ends with its deadline"


def _accepted(order: ReplayOrder, number: int) -> Order:
    return Order(
        order_id=order.order_id,
        acceptance_number=number,
        owner=order.owner,
        client_order_id=None,
        symbol=order.symbol,
        side=order.side,
        time_in_force=TimeInForce.GTD,
        quantity=order.quantity,
        limit_price=order.limit_price,
        accepted_at=_EPOCH + timedelta(microseconds=order.placed_ts),
        expires_at=_EPOCH + timedelta(microseconds=order.deadline_ts),
    )
