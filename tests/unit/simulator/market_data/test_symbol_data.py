"""Tests of the data of a symbol: what follows from its quotes is consistent."""

import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice, pairwise

import pytest

from app.simulator.market.pairs import PAIRS
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.market.venue_quotes import VenueQuote, venue_quote
from app.simulator.market_data.order_book import Level
from app.simulator.market_data.symbol_data import SymbolData
from app.simulator.market_data.units import text_of, units_of
from app.simulator.venue.listing import listing_from_rules

QUOTES = 1_500
SPEED_MS = 100
LEVELS = 300
PAIR = {pair.symbol: pair for pair in PAIRS if pair.dynamics is not None}
OPENED_MS = 1_723_161_200_000


def quotes_of(symbol: str, *, seed: int = 1) -> Iterator[VenueQuote]:
    """Yield the quotes of a synthetic pair; now and then a side is empty."""
    chance = random.Random(seed)
    market = SyntheticMarket(seed)
    for quote in islice(market.pair_quotes(PAIR[symbol], first_update_id=1_000), QUOTES):
        if chance.random() < 0.01 and quote.update_id > 1_000:
            yield venue_quote(
                at_ns=quote.at_ns,
                symbol=symbol,
                update_id=quote.update_id,
                ask=(quote.ask_price, quote.ask_quantity),
            )
        else:
            yield quote


def data_of(symbol: str, opening: VenueQuote) -> SymbolData:
    """Open the data of a symbol."""
    return SymbolData(listing_from_rules(PAIR[symbol].rules), opening, at_ms=OPENED_MS)


def side_of(levels: list[Level]) -> dict[Decimal, Decimal]:
    """Return levels by price."""
    return {Decimal(price): Decimal(quantity) for price, quantity in levels}


def best(side: dict[Decimal, Decimal], *, is_bid: bool) -> list[tuple[Decimal, Decimal]]:
    """Return the best levels of a local book, in the number that both sides know."""
    return sorted(side.items(), reverse=is_bid)[: LEVELS // 2]


class LocalBook:
    """A client's order book, kept as Binance's documentation prescribes."""

    def __init__(self, data: SymbolData) -> None:
        snapshot = data.book.levels(data.quote, LEVELS)
        self.last_id = data.quote.update_id
        self.sides = {"b": side_of(snapshot["bids"]), "a": side_of(snapshot["asks"])}  # type: ignore[arg-type]  # JSON

    def apply(self, update: tuple[int, int, list[Level], list[Level]]) -> None:
        """Apply a depth update."""
        first_id, last_id, bids, asks = update
        if last_id <= self.last_id:
            return
        assert first_id <= self.last_id + 1, "a gap"
        for side, levels in (("b", bids), ("a", asks)):
            for price, quantity in side_of(levels).items():
                if quantity:
                    self.sides[side][price] = quantity
                else:
                    self.sides[side].pop(price, None)
        self.last_id = last_id


@pytest.mark.parametrize("symbol", ["LTCBTC", "BTCUSDT", "ETHBTC"])
@pytest.mark.parametrize("quotes_per_update", [1, 3, 40])
def test_a_local_book_follows_the_updates(symbol: str, quotes_per_update: int) -> None:
    """A snapshot from between two updates becomes the venue's book with the next ones."""
    quotes = quotes_of(symbol)
    data = data_of(symbol, next(quotes))
    data.follow_depth(SPEED_MS)
    local: LocalBook | None = None
    compared = 0
    for number, quote in enumerate(quotes, start=1):
        data.apply(quote, at_ms=OPENED_MS + number)
        if number == 7 * quotes_per_update + 1:
            local = LocalBook(data)
        if number % quotes_per_update:
            continue
        update = data.depth_update(SPEED_MS)
        if local is None or update is None:
            continue
        local.apply(update)
        shown = data.book.levels(data.quote, LEVELS // 2)
        for side, name in (("b", "bids"), ("a", "asks")):
            mine = best(local.sides[side], is_bid=side == "b")
            theirs = list(side_of(shown[name]).items())  # type: ignore[arg-type]  # JSON
            assert mine[: len(theirs)] == theirs or not theirs
        compared += 1

    assert compared > 20


@pytest.mark.parametrize("symbol", ["LTCBTC", "BTCUSDT"])
def test_trades_take_displayed_quantities(symbol: str) -> None:
    """Each trade has the price of a best level, and at most its quantity."""
    quotes = list(quotes_of(symbol))
    data = data_of(symbol, quotes[0])
    made = 0
    for before, quote in pairwise(quotes):
        for trade in data.apply(quote, at_ms=OPENED_MS):
            price, quantity = text_of(trade.price), text_of(trade.quantity)
            displayed = (
                (before.bid_price, before.bid_quantity)
                if trade.is_buyer_maker
                else (before.ask_price, before.ask_quantity)
            )
            assert price == displayed[0]
            assert 0 < Decimal(quantity) <= Decimal(displayed[1])
            made += 1
    ids = [trade.trade_id for trade in data.trades.recent]

    assert made > QUOTES // 20
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_the_same_quotes_have_the_same_data() -> None:
    """Another run gives the same trades and the same book."""

    def run() -> list[object]:
        quotes = quotes_of("LTCBTC")
        data = data_of("LTCBTC", next(quotes))
        for number, quote in enumerate(quotes):
            data.apply(quote, at_ms=OPENED_MS + number)
        return [list(data.trades.recent), data.book.levels(data.quote, 50)]

    assert run() == run()


@pytest.mark.parametrize("interval", ["1s", "1m", "5m", "1h", "1d", "1w", "1M"])
def test_candles_sum_up_the_trades(interval: str) -> None:
    """Quantities, costs and counts of all candles are those of the trades."""
    quotes = list(quotes_of("LTCBTC"))
    data = data_of("LTCBTC", quotes[0])
    trades = list(data.trades.recent)
    at_ms = OPENED_MS
    for number, quote in enumerate(quotes[1:], start=1):
        at_ms = OPENED_MS + number * 250
        trades += data.apply(quote, at_ms=at_ms)
    candles = data.candles.list(interval, now_ms=at_ms)
    present = data.candles.current(interval, now_ms=at_ms)

    assert sum(one.quantity for one in candles) == sum(one.quantity for one in trades)
    assert sum(one.cost for one in candles) == sum(one.price * one.quantity for one in trades)
    assert sum(one.trades for one in candles) == len(trades)
    assert (candles[0].open, candles[-1].close) == (trades[0].price, trades[-1].price)
    assert all(
        one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high
        for one in candles
    )
    assert all(before.open_ms < after.open_ms for before, after in pairwise(candles))
    assert candles[-1] == present


def test_an_interval_without_trades_has_the_last_price() -> None:
    """Nothing is missing between two candles with trades."""
    opening = next(quotes_of("LTCBTC"))
    data = data_of("LTCBTC", opening)

    candles = data.candles.list("1m", now_ms=OPENED_MS + 10 * 60_000)

    assert len(candles) == 11
    assert {one.close for one in candles} == {units_of(opening.bid_price)}
    assert [one.trades for one in candles] == [1] + [0] * 10
    assert data.candles.last_minutes(5, now_ms=OPENED_MS + 10 * 60_000).quantity == 0  # type: ignore[union-attr]  # it has traded
