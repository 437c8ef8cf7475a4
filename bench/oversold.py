"""How many units a fill rule sells without a lot behind them: ``python -m bench.oversold``.

The venue shows totals. Behind them are lots, here of one unit each, which the rules never see. A
seeded generator moves the asks like the asks of a liquid pair: about half of the quotes repeat the
ask; the touch grows, shrinks, flickers, is emptied, or is covered by a better level and returns.
BUY orders rest against these quotes under several rules. A rule does not move the market, so every
rule gets the same quotes and the same orders.

A fill of ``n`` units at a price gets the lots at this price that no earlier fill of the run got,
the first to arrive first. Units without such a lot are *oversold*: the lots were sold before, or
were never displayed. A lot that leaves and returns is a new lot, which favors rules that forget.

The quotes show how much leaves a level, not which lots leave. So each rule meets three books with
the same quotes; see ``Departure``. ``sold`` compares the sold units with the sales of a taker who
knows every lot and sells each one once. ``docs/fill-rule.md`` explains the output.
"""

import random
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from math import exp, log
from typing import Final

from app.domain.liquidity import LiquidityLedger
from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, Symbol
from app.domain.quote import Quote
from app.domain.resting import Fill, Step
from app.domain.side_book import SideBook
from bench.harness.orders import buy_order
from tests.unit.domain.planted_faults import (
    FaultyLedgerMatcher,
    FreshMatcher,
    ResettingMatcher,
    SizeWatchingMatcher,
)

SEEDS: Final = (1, 2, 3)
QUOTES_TOTAL: Final = 10_000
"""Per seed; a pair with 70 quotes a second has as many in two and a half minutes."""

UNITS_TYPICAL: Final = 100
"""The units at the touch to which the generator tends."""

LIFETIME_QUOTES: Final = 2_100
"""How long an order rests: 30 s at 70 quotes a second."""

QUOTES_PER_ORDER: Final = 100

# How the touch moves, near what recordings of BTCUSDT and ETHUSDT of August 2024 show; shares of
# all quotes, or of the moves of the touch.
BID_SHARE: Final = 0.5
EMPTIED_SHARE: Final = 0.04
DUST_EMPTIED_SHARE: Final = 0.5
DUST_UNITS: Final = UNITS_TYPICAL // 20
COVERED_SHARE: Final = 0.05
COVERED_SHARE_ABOVE_FIRST: Final = 0.08
FLICKER_SHARE: Final = 0.13
SMALL_RESIZE_SHARE: Final = 0.75
SMALL_RESIZE: Final = 0.1
LARGE_RESIZE: Final = 0.8
RETURN_TO_TYPICAL: Final = 0.02

LEVELS_MIN: Final = 6
FIRST_TICK: Final = 10_000
SYMBOL: Final = Symbol("LTCBTC")
TICK: Final = Decimal("0.01")
ORDER_SIZES: Final = {
    "a tenth of the median displayed quantity": (0.1, 0.1),
    "the median displayed quantity": (1.0, 1.0),
    "ten times the median displayed quantity": (10.0, 10.0),
    "a tenth to ten times the median displayed quantity, evenly by logarithm": (0.1, 10.0),
}
"""Least and greatest order, in multiples of the median quantity at the touch of its stream."""


def seeded(seed: int) -> random.Random:
    """Return a source of random numbers that repeats."""
    return random.Random(seed)  # noqa: S311 - nothing is kept secret with it


class Departure(StrEnum):
    """Which of the lots at a level leave.

    Attributes:
        ADVERSARY: unsold lots leave first; no book with these changes is worse.
        RANDOM: each lot is as likely to leave.
        QUEUE: first in, first out. Fills get the front of the queue, so sold lots leave first, and
            no book with these changes is kinder.
    """

    ADVERSARY = "adversary"
    RANDOM = "random"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChange:
    """``units`` arrive at a level of asks, or leave it if negative."""

    tick: int
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The changes of the book since the last quote, and the quote after them."""

    changes: tuple[LevelChange, ...]
    quote: Quote


class AskGenerator:
    """The units at each level of asks, moved at random; the bid does not matter."""

    def __init__(self, seed: int) -> None:
        self._random = seeded(seed)
        self._levels = {FIRST_TICK + depth: UNITS_TYPICAL for depth in range(LEVELS_MIN)}
        self._changes = [LevelChange(tick=tick, units=n) for tick, n in self._levels.items()]
        self._last = LevelChange(tick=FIRST_TICK, units=0)

    def updates(self, total: int) -> list[Update]:
        """Make ``total`` updates; the first brings the whole book."""
        return [self._update(update_id) for update_id in range(1, total + 1)]

    def _update(self, update_id: int) -> Update:
        if self._random.random() < BID_SHARE:  # the quote shows a new bid
            self._move_hidden_level()
        else:
            self._move_touch()
        changes = tuple(self._changes)
        self._changes.clear()
        touch = min(self._levels)
        quote = Quote(
            symbol=SYMBOL,
            update_id=update_id,
            bid_price=TICK,
            bid_quantity=Decimal(1 + update_id % 2),
            ask_price=touch * TICK,
            ask_quantity=Decimal(self._levels[touch]),
            received_ns=update_id,
        )
        return Update(changes=changes, quote=quote)

    def _move_hidden_level(self) -> None:
        hidden = sorted(self._levels)[1:]
        self._resize(self._random.choice(hidden))

    def _move_touch(self) -> None:
        touch = min(self._levels)
        is_dust = self._levels[touch] < DUST_UNITS
        emptied = DUST_EMPTIED_SHARE if is_dust else EMPTIED_SHARE
        covered = COVERED_SHARE_ABOVE_FIRST if touch > FIRST_TICK else COVERED_SHARE
        choice = self._random.random()
        if choice < emptied:
            self._change(touch, -self._levels[touch])
            if len(self._levels) < LEVELS_MIN:
                self._change(max(self._levels) + 1, self._units_of_new_level())
        elif choice < emptied + covered:
            self._change(touch - 1, self._units_of_new_level())
        elif choice < emptied + covered + FLICKER_SHARE and self._last.tick == touch:
            self._change(touch, max(-self._last.units, 1 - self._levels[touch]))
        else:
            self._resize(touch)

    def _resize(self, tick: int) -> None:
        """Change a level by some percent, and sometimes by a multiple; it grows more often.

        A large level is more likely to shrink, so quantities stay near the typical one.
        """
        units = self._levels[tick]
        is_small = self._random.random() < SMALL_RESIZE_SHARE
        spread = SMALL_RESIZE if is_small else LARGE_RESIZE
        drift = RETURN_TO_TYPICAL * log(UNITS_TYPICAL / units)
        after = round(units * exp(self._random.gauss(drift, spread)))
        self._change(tick, max(1, after) - units or 1)

    def _units_of_new_level(self) -> int:
        return max(1, round(UNITS_TYPICAL * self._random.lognormvariate(-1, 1.2)))

    def _change(self, tick: int, units: int) -> None:
        if not units:
            return
        self._last = LevelChange(tick=tick, units=units)
        self._changes.append(self._last)
        self._levels[tick] = self._levels.get(tick, 0) + units
        if not self._levels[tick]:
            del self._levels[tick]


FREE: Final = b"\0"
SOLD: Final = b"\1"


class LotBook:
    """The lots of each level in order of arrival, as bytes: ``FREE``, or ``SOLD`` to a fill."""

    def __init__(self, departure: Departure, seed: int) -> None:
        self._departure = departure
        self._random = seeded(seed)
        self._levels: dict[Decimal, bytearray] = {}
        self.units_sold = 0
        self.units_oversold = 0

    def apply(self, changes: Iterable[LevelChange]) -> None:
        """Add lots that arrive, and remove lots that leave."""
        for change in changes:
            lots = self._levels.setdefault(change.tick * TICK, bytearray())
            if change.units > 0:
                lots.extend(FREE * change.units)
            else:
                self._let_leave(lots, -change.units)

    def unsold(self, price: Decimal) -> int:
        """Return how many lots of a level no fill got."""
        return self._levels[price].count(FREE)

    def give(self, steps: Iterable[Step]) -> None:
        """Give each fill its lots, and count the units without a lot."""
        for fill in steps:
            assert isinstance(fill, Fill), "only a fill closes an order that rests"
            units = int(fill.quantity)
            lots = self._levels[fill.price]
            given = min(units, lots.count(FREE))
            lots[:] = lots.replace(FREE, SOLD, given)
            self.units_sold += units
            self.units_oversold += units - given

    def _let_leave(self, lots: bytearray, units: int) -> None:
        match self._departure:
            case Departure.QUEUE:
                del lots[:units]
            case Departure.RANDOM:
                places = range(len(lots))
                for place in sorted(self._random.sample(places, units), reverse=True):
                    del lots[place]
            case Departure.ADVERSARY:
                staying = len(lots) - units
                sold = min(lots.count(SOLD), staying)
                lots[:] = SOLD * sold + FREE * (staying - sold)


class BottomlessLedger(LiquidityLedger):
    """Believes that the touch has any quantity that an order wants."""

    def available(self, price: Decimal, displayed: Decimal) -> Decimal:
        """Return more than all orders want."""
        del price, displayed
        return Decimal(10**15)


class WholeOrderMatcher(FaultyLedgerMatcher):
    """Fills a whole order as soon as its limit reaches the touch."""

    ledger_class = BottomlessLedger


class KnowingLedger(LiquidityLedger):
    """Knows the lots themselves."""

    book: LotBook

    def available(self, price: Decimal, displayed: Decimal) -> Decimal:
        """Return the lots at the touch that were not sold."""
        del displayed
        return Decimal(self.book.unsold(price))


class KnowingMatcher(FaultyLedgerMatcher):
    """Sells each lot once and holds none back, which no rule can do that sees only quotes."""

    ledger_class = KnowingLedger

    def __init__(self, symbol: Symbol, book: LotBook) -> None:
        self._book = book
        super().__init__(symbol)

    def _exchange_ledger(self, side_book: SideBook) -> None:
        super()._exchange_ledger(side_book)
        assert isinstance(side_book.ledger, KnowingLedger)
        side_book.ledger.book = self._book


RULES: Final[dict[str, Callable[[LotBook], SymbolMatcher]]] = {
    "fill the whole order at the touch": lambda _: WholeOrderMatcher(SYMBOL),
    "fill from each update fresh": lambda _: FreshMatcher(SYMBOL),
    "forget on a change of size": lambda _: SizeWatchingMatcher(SYMBOL),
    "forget on a change of price": lambda _: ResettingMatcher(SYMBOL),
    "Papertape": lambda _: SymbolMatcher(SYMBOL),
}


def make_orders(updates: list[Update], sizes: tuple[float, float], seed: int) -> dict[int, Order]:
    """Make orders by the update after which they come, with limits near its touch."""
    source = seeded(seed)
    median = float(statistics.median(update.quote.ask_quantity for update in updates))
    orders = {}
    for update in updates[QUOTES_PER_ORDER - 1 :: QUOTES_PER_ORDER]:
        number = update.quote.update_id
        multiple = exp(source.uniform(log(sizes[0]), log(sizes[1])))
        orders[number] = buy_order(
            number,
            symbol=SYMBOL,
            limit_price=update.quote.ask_price + source.randint(-2, 2) * TICK,
            quantity=max(1, round(median * multiple)),
        )
    return orders


def play(
    updates: list[Update],
    orders: dict[int, Order],
    book: LotBook,
    matcher: SymbolMatcher,
) -> LotBook:
    """Let a matcher fill the orders, and count its fills in the book."""
    for update in updates:
        number = update.quote.update_id
        book.apply(update.changes)
        matcher.expire(number)
        book.give(matcher.apply_quote(update.quote))
        order = orders.get(number)
        if order is not None:
            book.give(matcher.rest(order, deadline_ns=number + LIFETIME_QUOTES))
    return book


def describe(updates: list[Update]) -> str:
    """Describe the quotes, to compare them with a recording."""
    touches = [(one.quote.ask_price, one.quote.ask_quantity) for one in updates]
    pairs = list(pairwise(touches))
    repeated = sum(before == after for before, after in pairs)
    moved = sum(before[0] != after[0] for before, after in pairs)
    grown = sum(before[0] == after[0] and before[1] < after[1] for before, after in pairs)
    quantities = sorted(quantity for _, quantity in touches)
    fifth, middle, last = (quantities[len(touches) * n // 100] for n in (5, 50, 95))
    total = len(pairs)
    return (
        f"{len(updates):,} quotes: {repeated / total:.0%} repeat the ask, {grown / total:.0%} show"
        f" more at the same price, {(total - repeated - moved - grown) / total:.0%} less,"
        f" {moved / total:.0%} another price; displayed units p5 {fifth}, p50 {middle}, p95 {last}"
    )


def main() -> None:
    """Measure every size of orders, and print a table for each."""
    write = sys.stdout.write
    streams = [(seed, AskGenerator(seed).updates(QUOTES_TOTAL)) for seed in SEEDS]
    for seed, updates in streams:
        write(f"seed {seed}, {describe(updates)}\n")
    for name, sizes in ORDER_SIZES.items():
        write(f"\norders of {name}\n{'oversold if lots leave by':34}")
        write("".join(f"{departure:>12} {'sold':>6}" for departure in Departure) + "\n")
        runs = [(seed, updates, make_orders(updates, sizes, seed)) for seed, updates in streams]
        known = {departure: _totals(runs, departure, None)[0] for departure in Departure}
        for rule, make_matcher in RULES.items():
            write(f"{rule:34}")
            for departure in Departure:
                sold, oversold = _totals(runs, departure, make_matcher)
                share = f"{oversold / sold:.1%}" if oversold else "0"
                write(f"{share:>12} {sold / known[departure]:5.2f}x")
            write("\n")


def _totals(
    runs: list[tuple[int, list[Update], dict[int, Order]]],
    departure: Departure,
    make_matcher: Callable[[LotBook], SymbolMatcher] | None,
) -> tuple[int, int]:
    """Return the units sold and oversold by a rule, or by a taker who knows the lots."""
    sold = oversold = 0
    for seed, updates, orders in runs:
        book = LotBook(departure, seed)
        if make_matcher is None:
            matcher: SymbolMatcher = KnowingMatcher(SYMBOL, book)
        else:
            matcher = make_matcher(book)
        play(updates, orders, book, matcher)
        assert make_matcher or not book.units_oversold, "this taker sells no lot twice"
        sold += book.units_sold
        oversold += book.units_oversold
    return sold, oversold


if __name__ == "__main__":
    main()
