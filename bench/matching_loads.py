"""What goes through the matcher in ``bench.matching``: tapes, orders, and three loads.

Each load is measured twice, through ``SymbolMatcher`` and through a plain scan: the same decoding,
the same ledger, and a look at every order at every quote. Both end orders whose time is up.
"""

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Final

from app.domain.amounts import EXACT
from app.domain.liquidity import LiquidityLedger
from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, Order, OrderId, Side, Symbol, TimeInForce
from app.domain.quote import Quote
from app.market.book_ticker import FrameReader
from app.simulator.market.pairs import PAIRS
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.market.venue_quotes import venue_quote

SEED: Final = 20240808
SYMBOL: Final = Symbol("BTCUSDT")
LIMIT_PRICE: Final = 30_000
"""The best limit of the orders that rest far from the market, which is at about 62,000."""

FAR_NS: Final = 2**62
FAR_SPREAD_NS: Final = 10**12
"""Deadlines that never come are spread over a thousand seconds: orders do not end as they came."""

NS_PER_QUOTE: Final = 10_000
"""100,000 quotes a second, a fraction of what the matcher takes."""

QUOTES_PER_ORDER: Final = 20
"""So 5,000 orders a second come, and as many end: half are canceled, half expire."""

NS_PER_ORDER: Final = QUOTES_PER_ORDER * NS_PER_QUOTE
LIFETIME_NS: Final = 10_000_000
MARKETABLE_LIMIT_PRICE: Final = 62_001
ACCEPTED_AT: Final = datetime(2024, 8, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingOrder:
    """An order, and until when it rests."""

    order: Order
    deadline_ns: int


def market_frames(total: int) -> list[bytes]:
    """Make frames of the simulator's BTCUSDT, the same ones each time."""
    (pair,) = (pair for pair in PAIRS if pair.symbol == SYMBOL)
    quotes = SyntheticMarket(SEED).pair_quotes(pair, first_update_id=1)
    return [quote.data.encode() for quote in islice(quotes, total)]


def filling_frames(total: int) -> list[bytes]:
    """Make frames each of which shows one unit more than the one before."""
    return [
        venue_quote(
            symbol=SYMBOL,
            update_id=update_id,
            bid=("61000.00000000", "1.00000000"),
            ask=("62000.00000000", f"{update_id}.00000000"),
        ).data.encode()
        for update_id in range(1, total + 1)
    ]


def make_order(number: int, limit_price: Decimal, deadline_ns: int | None = None) -> RestingOrder:
    """Make a buy order of one unit; its deadline never comes unless given."""
    if deadline_ns is None:
        deadline_ns = FAR_NS + random.Random(number).randrange(FAR_SPREAD_NS)  # noqa: S311 - a load
    order = Order(
        order_id=OrderId(f"00000000-0000-7000-8000-{number:012d}"),
        acceptance_number=number,
        owner=PUBLIC,
        client_order_id=None,
        symbol=SYMBOL,
        side=Side.BUY,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal(1),
        limit_price=limit_price,
        accepted_at=ACCEPTED_AT,
        expires_at=ACCEPTED_AT,
    )
    return RestingOrder(order=order, deadline_ns=deadline_ns)


def far_limit(place: int) -> Decimal:
    """Return the limit price of the order in a place far from the market, a hundredth apart."""
    return LIMIT_PRICE - Decimal(place) / 100


@cache
def far_orders(total: int) -> tuple[RestingOrder, ...]:
    """Make orders far from the market."""
    return tuple(make_order(1 + place, far_limit(place)) for place in range(total))


@cache
def marketable_orders(total: int, *, first: int = 1) -> tuple[RestingOrder, ...]:
    """Make orders that the touch of ``filling_frames`` reaches."""
    limit_price = Decimal(MARKETABLE_LIMIT_PRICE)
    return tuple(make_order(number, limit_price) for number in range(first, first + total))


class Matcher:
    """The product's."""

    def __init__(self, orders: Sequence[RestingOrder]) -> None:
        self._reader = FrameReader()
        self._matcher = SymbolMatcher(SYMBOL)
        for one in orders:
            self.rest(one)

    def __len__(self) -> int:
        """Return how many orders rest."""
        return self._matcher.resting_total

    def rest(self, one: RestingOrder) -> None:
        """Take an order in."""
        self._matcher.rest(one.order, deadline_ns=one.deadline_ns)

    def cancel(self, order: Order) -> None:
        """End an order."""
        self._matcher.cancel(order.order_id)

    def take(self, frame: bytes, received_ns: int) -> int:
        """Take a frame as the service does; return how many orders fill or end."""
        quote = self._reader.read(frame, received_ns)
        assert isinstance(quote, Quote)
        is_late = self._matcher.first_deadline_ns < received_ns
        ended = self._matcher.expire(received_ns) if is_late else ()
        return len(ended) + len(self._matcher.apply_quote(quote))


class Scan:
    """The simplest honest way."""

    def __init__(self, orders: Sequence[RestingOrder]) -> None:
        self._reader = FrameReader()
        self._ledger = LiquidityLedger(PUBLIC, Side.BUY)
        self._resting = {one.order.order_id: one for one in orders}

    def __len__(self) -> int:
        """Return how many orders rest."""
        return len(self._resting)

    def rest(self, one: RestingOrder) -> None:
        """Take an order in."""
        self._resting[one.order.order_id] = one

    def cancel(self, order: Order) -> None:
        """End an order."""
        del self._resting[order.order_id]

    def take(self, frame: bytes, received_ns: int) -> int:
        """Take a frame; return how many orders fill or end."""
        quote = self._reader.read(frame, received_ns)
        assert isinstance(quote, Quote)
        price, displayed = quote.ask_price, quote.ask_quantity
        late = [one for one in self._resting.values() if one.deadline_ns < received_ns]
        for one in late:
            del self._resting[one.order.order_id]
        self._ledger.observe(price, displayed)
        reaching = [one.order for one in self._resting.values() if one.order.limit_price >= price]
        available = self._ledger.available(price, displayed)
        filled = 0
        for order in sorted(reaching, key=lambda one: (-one.limit_price, one.acceptance_number)):
            if available < order.quantity:
                break
            available = EXACT.subtract(available, order.quantity)
            self._ledger.take(price, order.quantity)
            del self._resting[order.order_id]
            filled += 1
        return len(late) + filled


Way = type[Matcher] | type[Scan]
"""How quotes and orders are brought together."""

Load = Callable[[Way, int, Sequence[bytes]], float]
"""Measures a way at a number of resting orders; returns CPU seconds for all frames."""


def far_from_the_market(way: Way, orders_total: int, frames: Sequence[bytes]) -> float:
    """No quote fills anything, which is what almost every quote of a real stream is like."""
    matcher = way(far_orders(orders_total))
    with _stopwatch() as seconds:
        for number, frame in enumerate(frames):
            matcher.take(frame, number * NS_PER_QUOTE)
    assert len(matcher) == orders_total, "no order was to be filled"
    return seconds()


def one_fill_a_quote(way: Way, orders_total: int, frames: Sequence[bytes]) -> float:
    """Every order reaches the touch, every quote has one unit for them, and another one comes."""
    matcher = way(marketable_orders(orders_total))
    more = marketable_orders(len(frames), first=orders_total + 1)
    filled = 0
    with _stopwatch() as seconds:
        for number, (frame, one) in enumerate(zip(frames, more, strict=True)):
            filled += matcher.take(frame, number * NS_PER_QUOTE)
            matcher.rest(one)
    assert filled == len(frames), "every quote was to fill one order"
    return seconds()


def orders_come_and_go(way: Way, orders_total: int, frames: Sequence[bytes]) -> float:
    """At every twentieth quote an order comes, anywhere among the others, and one ends.

    By turns it lives for a moment and expires, or stays in the place of another one, picked at
    random, which is canceled.
    """
    chance = random.Random(SEED)  # noqa: S311 - a load, no secret
    resting = list(far_orders(orders_total))
    coming = [
        make_order(
            1 + orders_total + turn,
            far_limit(chance.randrange(orders_total)),
            None if turn % 2 else turn * NS_PER_ORDER + LIFETIME_NS,
        )
        for turn in range(len(frames) // QUOTES_PER_ORDER)
    ]
    matcher = way(resting)
    ended = 0
    with _stopwatch() as seconds:
        for number, frame in enumerate(frames):
            ended += matcher.take(frame, number * NS_PER_QUOTE)
            turn, rest = divmod(number, QUOTES_PER_ORDER)
            if rest == 0:
                matcher.rest(coming[turn])
            elif rest == QUOTES_PER_ORDER // 2 and turn % 2:
                leaving = chance.randrange(orders_total)
                matcher.cancel(resting[leaving].order)
                resting[leaving] = coming[turn]
    living = LIFETIME_NS // NS_PER_ORDER
    assert ended == max(0, len(coming) - living) // 2, "orders were to expire"
    assert len(matcher) == orders_total + (len(coming) + 1) // 2 - ended, "as many end as come"
    return seconds()


class _stopwatch:  # noqa: N801 - reads as a statement
    """CPU seconds of a block, so that other processes disturb little."""

    def __enter__(self) -> Callable[[], float]:
        gc.collect()
        self._started = self._ended = time.process_time()
        return lambda: self._ended - self._started

    def __exit__(self, *_: object) -> None:
        self._ended = time.process_time()


def in_turn(rounds: int, acts: Sequence[Callable[[], float]]) -> Iterator[float]:
    """Yield the least of what each act returns; all take part in every round."""
    found = [[act() for act in acts] for _ in range(rounds)]
    yield from (min(of_act) for of_act in zip(*found, strict=True))
