"""Replay a tape against orders and return the fills that each order would have had.

An order placed at ``placed_ts`` meets the last quote of its symbol at or before that instant. It
then meets every later quote up to ``placed_ts`` plus its timeout, inclusive. Ledgers are empty at
the start of the tape. ``SymbolMatcher`` applies the fill rule, as in the service.

Time comes from the lines alone, so a tape and orders give the same results on every machine. After
an unusable frame or a lost connection there is no current quote until the next frame, as in the
service, because the displayed quantities are unknown.
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

SYMBOLS_LISTED_MAX: Final = 20
"""The symbols of a tape that the report lists, for the case that an order names another one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """An order to place on a tape, with the epoch microseconds of its placing and its timeout."""

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
        """The last instant at which a quote may fill the order."""
        return self.placed_ts + self.timeout_us


class FinalState(StrEnum):
    """The state of an order at its end."""

    FILLED = "filled"
    EXPIRED_PARTIAL = "expired_partial"
    EXPIRED_UNFILLED = "expired_unfilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySplit:
    """One fill; ``ts`` belongs to its quote, so it may be earlier than the placing."""

    update_id: int
    price: Decimal
    quantity: Decimal
    ts: int


@dataclass(slots=True, kw_only=True)
class ReplayResult:
    """The fills of one order; ``total_cost`` is the exact sum of price times quantity."""

    order: ReplayOrder
    filled_quantity: Decimal = ZERO
    total_cost: Decimal = ZERO
    splits: list[ReplaySplit] = field(default_factory=list)

    @property
    def remaining_quantity(self) -> Decimal:
        """The quantity that was not filled."""
        return EXACT.subtract(self.order.quantity, self.filled_quantity)

    @property
    def final_state(self) -> FinalState:
        """The state at the end of the order's time."""
        if not self.filled_quantity:
            return FinalState.EXPIRED_UNFILLED
        return FinalState.EXPIRED_PARTIAL if self.remaining_quantity else FinalState.FILLED


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableFrame:
    """A frame without a usable quote; ``symbol`` is None if it was not readable."""

    symbol: Symbol | None


FrameParser = Callable[[bytes, int], Quote | UnusableFrame]
"""Parses a frame as the service does; the second argument becomes ``received_ns``."""


@dataclass(slots=True, kw_only=True)
class ReplayReport:
    """Facts about the tape, apart from the orders' results.

    Attributes:
        frames: The number of frames read.
        quotes_late: The number of quotes whose update id was not above the one before.
        frames_unusable: The number of frames without a usable quote.
        interruptions: The number of notes after which frames may be missing.
        first_ts: ``ts`` of the first frame read.
        last_ts: ``ts`` of the last frame read.
        has_ended: The tape was read to its end. Reading stops early when no order can change.
        symbols: The first symbols with a quote, at most ``SYMBOLS_LISTED_MAX``.
        unseen: The orders' symbols without a quote.
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
    """The results in the order of the given orders, and the report."""

    results: Sequence[ReplayResult]
    report: ReplayReport


def replay(
    lines: Iterable[TapeLine], orders: Sequence[ReplayOrder], *, parse: FrameParser
) -> ReplayOutcome:
    """Place the orders on the tape; orders of one instant are placed in the order of the list.

    Lines are read one by one, until no order can change any more. Memory holds the orders, their
    results, and one ledger per owner and symbol with unfinished orders. Errors of ``lines`` and
    ``parse`` are passed on.
    """
    running = Replay(orders, parse)
    for line in lines:
        if not running.apply(line):
            break
    else:
        running.report.has_ended = True
    running.finish()
    return ReplayOutcome(results=list(running.results.values()), report=running.report)


class Replay:
    """A running replay: call ``apply`` with the lines while it returns True, then ``finish``."""

    def __init__(self, orders: Sequence[ReplayOrder], parse: FrameParser) -> None:
        self.results = {order.order_id: ReplayResult(order=order) for order in orders}
        assert len(self.results) == len(orders), "order ids are unique"
        self._parse = parse
        self._pending = deque(sorted(orders, key=lambda order: order.placed_ts))
        self._numbers = {order.order_id: n for n, order in enumerate(self._pending, start=1)}
        self._last_deadline_ts = max((order.deadline_ts for order in orders), default=0)
        self._markets: dict[Symbol, _SymbolMarket] = {}
        for order in orders:
            market = self._markets.setdefault(order.symbol, _SymbolMarket(order.symbol))
            market.orders_to_come[order.owner] += 1
        self.report = ReplayReport(unseen=set(self._markets))

    def apply(self, line: TapeLine) -> bool:
        """Apply the next line; return whether later lines can change a result or the report."""
        report = self.report
        if line.data is None:
            self._apply_note(line)
            return True
        ts = line.ts
        self._place_before(ts)
        # No order can change any more, and no symbol needs to be reported as missing.
        if ts > self._last_deadline_ts and not report.unseen:
            return False
        report.frames += 1
        report.last_ts = ts
        if report.first_ts is None:
            report.first_ts = ts
        frame = self._parse(line.data, ts * NANOSECONDS_PER_MICROSECOND)
        if type(frame) is Quote:
            self._apply_quote(frame)
        else:
            assert isinstance(frame, UnusableFrame), "a frame is a quote or unusable"
            report.frames_unusable += 1
            if frame.symbol in self._markets:
                self._markets[frame.symbol].interrupt()
        return True

    def finish(self) -> None:
        """Place the orders that meet the last quote, and end every order."""
        self._place_before(self.report.last_ts + 1)
        for market in self._markets.values():
            market.end(self._last_deadline_ts)

    def _apply_quote(self, quote: Quote) -> None:
        report = self.report
        if len(report.symbols) < SYMBOLS_LISTED_MAX:
            report.symbols.setdefault(quote.symbol)
        market = self._markets.get(quote.symbol)
        if market is not None:
            report.unseen.discard(quote.symbol)
            report.quotes_late += not market.apply(quote, self._add_fills)

    def _apply_note(self, line: TapeLine) -> None:
        assert line.note is not None, "a line is a frame or a note"
        interruption = read_interruption(line.note)
        if interruption is None or self.report.first_ts is None:
            return  # before the first frame there is no quote to interrupt
        self._place_before(line.ts)
        self.report.interruptions += 1
        for market in self._markets.values():
            if interruption.symbol in {None, market.symbol}:
                market.interrupt()

    def _place_before(self, ts: int) -> None:
        """Place the orders with an earlier instant: at the same instant, quotes come first."""
        while self._pending and self._pending[0].placed_ts < ts:
            order = self._pending.popleft()
            market = self._markets[order.symbol]
            market.place(order, self._numbers[order.order_id], self._add_fills)

    def _add_fills(self, steps: Iterable[Step], quote: Quote) -> None:
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


_StepSink = Callable[[Iterable[Step], Quote], None]


class _SymbolMarket:
    """The current quote of one symbol, and a matcher for each owner with unfinished orders.

    Owners do not affect each other, so a matcher is dropped after the owner's last order. A ledger
    is empty before the first fill, so a matcher is created with the owner's first order.
    """

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.orders_to_come: Counter[Owner] = Counter()
        # Has no orders: it knows the current quote and which update ids are old.
        self._quotes = SymbolMatcher(symbol)
        self._matchers: dict[Owner, SymbolMatcher] = {}

    def apply(self, quote: Quote, add_fills: _StepSink) -> bool:
        """Apply the quote to every order; return False if its update id is not above the last."""
        self._quotes.apply_quote(quote)
        if self._quotes.current is not quote:
            return False
        ended = None
        for owner, matcher in self._matchers.items():
            # An order may fill at its deadline but not after it.
            matcher.expire(quote.received_ns)
            steps = matcher.apply_quote(quote)
            if steps:
                add_fills(steps, quote)
            # The dictionary must not change while it is iterated.
            if not matcher.resting_total and not self.orders_to_come[owner]:
                ended = [*(ended or ()), owner]
        for owner in ended or ():
            del self._matchers[owner]
        return True

    def place(self, order: ReplayOrder, number: int, add_fills: _StepSink) -> None:
        """Place an order; it meets the current quote, if there is one."""
        self.orders_to_come[order.owner] -= 1
        current = self._quotes.current
        matcher = self._matchers.get(order.owner)
        if matcher is None:
            matcher = self._matchers[order.owner] = SymbolMatcher(self.symbol)
            if current is not None:
                # The new matcher has no orders: it only takes over the current quote.
                matcher.apply_quote(current)
        placed_ns = order.placed_ts * NANOSECONDS_PER_MICROSECOND
        matcher.expire(placed_ns)
        deadline_ns = order.deadline_ts * NANOSECONDS_PER_MICROSECOND
        steps = matcher.rest(_accepted(order, number), deadline_ns=deadline_ns)
        if current is not None:
            add_fills(steps, current)

    def interrupt(self) -> None:
        """Forget the current quote."""
        self._quotes.interrupt()
        for matcher in self._matchers.values():
            matcher.interrupt()

    def end(self, last_deadline_ts: int) -> None:
        """Expire the resting orders after the last deadline."""
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
