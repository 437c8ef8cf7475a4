"""Tests of ``app.simulator.market.synthetic_market``."""

import itertools
from decimal import Decimal
from functools import cache

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, Side, Symbol
from app.domain.quote import Quote
from app.simulator.market.pairs import PAIRS
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.market.venue_quotes import VenueQuote
from tests.support.builders import make_order

PAIR = next(pair for pair in PAIRS if pair.symbol == "LTCBTC")
DOCUMENTED_SECONDS_MAX = 30
SEEDS = range(20)


@cache
def documented_quotes(seed: int) -> list[Quote]:
    """Return 35 seconds of LTCBTC."""
    quotes = SyntheticMarket(seed).pair_quotes(PAIR, first_update_id=1)
    return [
        Quote(
            symbol=Symbol(quote.symbol),
            update_id=quote.update_id,
            bid_price=Decimal(quote.bid_price),
            bid_quantity=Decimal(quote.bid_quantity),
            ask_price=Decimal(quote.ask_price),
            ask_quantity=Decimal(quote.ask_quantity),
            received_ns=quote.at_ns,
        )
        for quote in itertools.takewhile(lambda quote: quote.at_ns < 35 * 10**9, quotes)
    ]


def seconds_and_splits(order: Order, quotes: list[Quote]) -> tuple[float, int]:
    """Fill an order from the first quote on; return how long it took, and its splits."""
    matcher = SymbolMatcher(PAIR.rules.symbol)
    splits = len(matcher.rest(order, deadline_ns=60 * 10**9))
    for quote in quotes:
        fills = matcher.apply_quote(quote)
        splits += len(fills)
        if any(fill.closes for fill in fills):
            return quote.received_ns / 10**9, splits
    return float("inf"), splits


def first_quotes(seed: int, number: int = 1_500) -> list[VenueQuote]:
    """Return the beginning of a market."""
    return list(itertools.islice(SyntheticMarket(seed).quotes(first_update_id=1), number))


def test_the_same_seed_gives_the_same_quotes() -> None:
    """A market can be seen again, to the instant and the digit."""
    assert first_quotes(7) == first_quotes(7)


def test_another_seed_gives_another_market() -> None:
    """Seeds matter."""
    assert first_quotes(7) != first_quotes(8)


def test_a_pair_is_the_same_alone_and_among_all() -> None:
    """What one pair does depends on no other."""
    among_all = [quote for quote in first_quotes(7) if quote.symbol == "LTCBTC"]
    alone = SyntheticMarket(7).pair_quotes(PAIR, first_update_id=1)

    assert list(itertools.islice(alone, len(among_all))) == among_all


def test_every_symbol_is_there_at_the_opening() -> None:
    """Depth has data from the first moment on; a halted symbol has two empty sides."""
    at_opening = [quote for quote in first_quotes(1) if quote.at_ns == 0]
    empty = [quote.symbol for quote in at_opening if quote.bid_price == "0.00000000"]

    assert {quote.symbol for quote in at_opening} == {pair.symbol for pair in PAIRS}
    assert empty == ["BCCBTC"]


def test_quotes_come_in_the_order_of_their_instants() -> None:
    """No quote is older than the one before, and ids begin where they are told to."""
    quotes = first_quotes(3)

    assert all(a.at_ns <= b.at_ns for a, b in itertools.pairwise(quotes))
    assert {quote.update_id for quote in quotes if quote.at_ns == 0} == {1}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_documented_sell_fills_in_several_splits_well_within_its_time(seed: int) -> None:
    """SELL 1,000 LTC at 0.0001 takes 2 to 20 seconds under the fill rule, whatever the seed."""
    order = make_order(1000, limit_price="0.0001", side=Side.SELL)
    seconds, splits = seconds_and_splits(order, documented_quotes(seed))

    assert 2 < seconds < 20 < DOCUMENTED_SECONDS_MAX
    assert splits >= 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_buy_above_the_ask_fills_in_several_splits_in_seconds(seed: int) -> None:
    """BUY 100 LTC is more than is ever displayed at once, and filled within 10 seconds."""
    order = make_order(100, limit_price="0.003", side=Side.BUY)
    seconds, splits = seconds_and_splits(order, documented_quotes(seed))

    assert seconds < 10
    assert splits >= 2


def test_a_market_of_few_pairs_lists_only_those() -> None:
    """A test can have a small market."""
    market = SyntheticMarket(1, pairs=[PAIR])

    assert [listing.symbol for listing in market.listings] == ["LTCBTC"]
