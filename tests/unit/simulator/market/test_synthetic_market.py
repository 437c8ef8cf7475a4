"""Tests of ``app.simulator.market.synthetic_market``."""

import itertools
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from operator import attrgetter

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, Side
from app.domain.quote import Quote
from app.market.book_ticker import parse_frame
from app.simulator.market.pair_dynamics import KINDS
from app.simulator.market.pairs import PAIRS, Pair
from app.simulator.market.synthetic_market import SyntheticBook, SyntheticMarket
from app.simulator.market.venue_quotes import VenueQuote
from tests.support.builders import make_order
from tests.support.market_statistics.measurement import synthetic_statistics
from tests.support.market_statistics.quote_statistics import QuoteStatistics

BY_SYMBOL = {pair.symbol: pair for pair in PAIRS}
PAIR = BY_SYMBOL["LTCBTC"]


@cache
def documented_quotes(seed: int) -> list[Quote]:
    """Return 35 seconds of LTCBTC."""
    quotes = SyntheticMarket(seed).pair_quotes(PAIR, first_update_id=1)
    timely = itertools.takewhile(lambda quote: quote.at_ns < 35 * 10**9, quotes)
    frames = [parse_frame(quote.data, quote.at_ns) for quote in timely]
    return [frame for frame in frames if isinstance(frame, Quote)]


def seconds_and_splits(order: Order, quotes: list[Quote]) -> tuple[float, int]:
    """Match an order with the quotes; return the seconds to its fill, and its splits."""
    matcher = SymbolMatcher(PAIR.rules.symbol)
    splits = len(matcher.rest(order, deadline_ns=60 * 10**9))
    for quote in quotes:
        fills = matcher.apply_quote(quote)
        splits += len(fills)
        if any(fill.closes for fill in fills):
            return quote.received_ns / 10**9, splits
    return float("inf"), splits


def first_quotes(seed: int, number: int = 1_500) -> list[VenueQuote]:
    """Return the first quotes of a market."""
    return list(itertools.islice(SyntheticMarket(seed).quotes(first_update_id=1), number))


def test_a_seed_gives_its_own_market() -> None:
    """Times and amounts are equal in two runs, and another seed gives others."""
    assert first_quotes(7) == first_quotes(7)
    assert first_quotes(7) != first_quotes(8)


def test_a_pair_is_the_same_alone_and_among_all() -> None:
    """The quotes of a pair do not depend on other pairs."""
    among_all = [quote for quote in first_quotes(7) if quote.symbol == "LTCBTC"]
    alone = SyntheticMarket(7).pair_quotes(PAIR, first_update_id=1)

    assert list(itertools.islice(alone, len(among_all))) == among_all


def test_each_symbol_has_a_quote_at_the_opening() -> None:
    """Depth has data from the opening on, and a halted symbol has two empty sides."""
    at_opening = [quote for quote in first_quotes(1) if quote.at_ns == 0]
    empty = [quote.symbol for quote in at_opening if quote.bid_price == "0.00000000"]

    assert {quote.symbol for quote in at_opening} == {pair.symbol for pair in PAIRS}
    assert empty == ["BCCBTC"]


def test_quotes_are_ordered_by_time() -> None:
    """Times never fall, and the first update ids are as told."""
    quotes = first_quotes(3)

    assert all(a.at_ns <= b.at_ns for a, b in itertools.pairwise(quotes))
    assert {quote.update_id for quote in quotes if quote.at_ns == 0} == {1}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("order", "seconds", "splits_min"),
    [
        (make_order(1_000, limit_price="0.0001", side=Side.SELL), (2, 20), 20),
        (make_order(100, limit_price="0.003", side=Side.BUY), (0, 10), 2),
    ],
    ids=["sell", "buy"],
)
def test_a_large_order_fills_in_several_splits_in_seconds(
    order: Order, seconds: tuple[float, float], splits_min: int, seed: int
) -> None:
    """The documented SELL has 30 seconds, and the BUY exceeds each displayed quantity."""
    taken, splits = seconds_and_splits(order, documented_quotes(seed))

    assert seconds[0] < taken < seconds[1]
    assert splits >= splits_min


def test_a_market_of_few_pairs_lists_only_those() -> None:
    """Only the given pairs are listed."""
    market = SyntheticMarket(1, pairs=[PAIR])

    assert [listing.symbol for listing in market.listings] == ["LTCBTC"]


# --- the quotes of one pair -----------------------------------------------------------------------

SECONDS = 120
LIQUID = ("BTCUSDT", "ETHUSDT", "LTCBTC")
BUSY = (*LIQUID, "LTCUSDT", "ATOMUSDT")
each_seed = pytest.mark.parametrize("seed", [1, 2])
each_busy = pytest.mark.parametrize("symbol", BUSY)


@cache
def measured(symbol: str, seed: int) -> QuoteStatistics:
    """Return the statistics of two minutes of a pair."""
    return synthetic_statistics(symbol, seed=seed, seconds=SECONDS)


@cache
def quotes_of(symbol: str, seed: int) -> list[VenueQuote]:
    """Return two minutes of a pair."""
    quotes = SyntheticMarket(seed).pair_quotes(BY_SYMBOL[symbol], first_update_id=1)
    return list(itertools.takewhile(lambda quote: quote.at_ns < SECONDS * 10**9, quotes))


def book_quotes(pair: Pair, number: int, seed: int = 1) -> list[VenueQuote]:
    """Return the first quotes of a changed pair."""
    book = SyntheticBook(pair, random.Random(seed), first_update_id=1)
    return list(itertools.islice(book.quotes(), number))


def amounts(quote: VenueQuote) -> tuple[str, str, str, str]:
    """Return the four amounts of a quote: the bid's, then the ask's."""
    return quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity


@each_seed
@pytest.mark.parametrize(
    ("figure", "symbols", "least", "most"),
    [
        # No update repeats all four fields. On tapes 1 % change both sides, on a short one 3 %.
        ("sides.neither_side", BUSY, 0, 0),
        ("sides.both_sides", BUSY, 0, 0.03),
        # On tapes, 0.44 to 0.50 of the updates of majors repeat the ask.
        ("sides.repeats_ask", LIQUID, 0.42, 0.58),
        # On tapes, the spread is one tick in 0.88 of the updates of majors.
        ("sides.one_tick", LIQUID, 0.8, 0.98),
        # Majors have about a hundred updates a second, and the documented pair about thirty.
        ("pace.per_second", ["BTCUSDT", "ETHUSDT"], 50, 130),
        ("pace.per_second", ["LTCBTC"], 15, 45),
        ("pace.per_second", ["LTCUSDT"], 1.5, 8),
        # On tapes, almost half of the gaps of majors are under 1 ms.
        ("pace.gaps_under_1ms", ["BTCUSDT"], 0.35, 0.65),
        # On tapes, the median step is 2 to 3, and the 99th percentile is 11 to 70.
        ("pace.update_id_step.p50", BUSY, 2, 3),
        ("pace.update_id_step.p99", BUSY, 11, 100),
        # On tapes, the standard deviation is 1.1 to 2.7 bps, and the maximum is 15. Pairs with
        # coarse ticks have greater ones: a single tick of LTCBTC is 3.9 bps.
        ("movement.return_1s_sd_bps", BUSY, 0.5, 5),
        ("movement.return_1s_max_bps", BUSY, 0, 25),
        # Some levels return, some of them with their quantity. A lost level was dust.
        ("levels.back_from_behind", ["BTCUSDT"], 0.05, 1),
        ("levels.same_quantity", ["BTCUSDT"], 0.001, 0.999),
        ("levels.before_lost.p50", ["BTCUSDT"], 0, 0.01),
    ],
)
def test_a_pair_resembles_real_ones(
    figure: str, symbols: Sequence[str], least: float, most: float, seed: int
) -> None:
    """Each figure of two minutes is in a range around the figures of tapes."""
    values = {symbol: attrgetter(figure)(measured(symbol, seed)) for symbol in symbols}

    assert all(least <= value <= most for value in values.values()), values


@each_seed
def test_some_seconds_of_a_major_are_far_busier(seed: int) -> None:
    """Updates come in bursts."""
    pace = measured("BTCUSDT", seed).pace

    assert pace.in_one_second.p99 > 2 * pace.per_second


@each_seed
@each_busy
def test_the_book_is_never_crossed_nor_empty_and_on_its_grid(symbol: str, seed: int) -> None:
    """The bid is below the ask, and all amounts are whole steps with eight decimals."""
    pair = BY_SYMBOL[symbol]
    for quote in quotes_of(symbol, seed):
        bid_price, bid_quantity, ask_price, ask_quantity = map(Decimal, amounts(quote))
        assert 0 < bid_price < ask_price
        assert bid_price % pair.tick_size == ask_price % pair.tick_size == 0
        assert bid_quantity % pair.step_size == ask_quantity % pair.step_size == 0
        assert min(bid_quantity, ask_quantity) > 0
        assert {len(one.partition(".")[2]) for one in amounts(quote)} == {8}


@each_seed
@each_busy
def test_update_ids_rise(symbol: str, seed: int) -> None:
    """Each id is greater than the one before."""
    ids = [quote.update_id for quote in quotes_of(symbol, seed)]

    assert all(a < b for a, b in itertools.pairwise(ids))


@each_seed
def test_a_thin_pair_has_at_most_one_update_every_few_seconds(seed: int) -> None:
    """A client that connects to it may receive nothing for a while."""
    quotes = quotes_of("QTUMETH", seed)

    assert min(b.at_ns - a.at_ns for a, b in itertools.pairwise(quotes)) >= 2 * 10**9
    assert 20 < len(quotes) < 60


@each_seed
def test_quantities_of_ltcbtc_are_in_the_range_of_such_pairs(seed: int) -> None:
    """On tapes, such pairs have medians of 8 to 34 and 95th percentiles of 38 to 258."""
    quantities = [
        float(quantity)
        for quote in quotes_of("LTCBTC", seed)
        for quantity in (quote.bid_quantity, quote.ask_quantity)
    ]

    assert 10 <= statistics.median(quantities) <= 40
    assert max(quantities) < 100


@each_seed
def test_the_price_stays_in_its_range_for_weeks(seed: int) -> None:
    """The fair value is pulled back, so it stays within 5 % of the first price.

    Jumps of 20 bps instead of one have the effect of weeks within two hours.
    """
    dynamics = replace(KINDS["major"], move_bps=20.0, echo_gap=0.1)
    pair = replace(BY_SYMBOL["BTCUSDT"], dynamics=dynamics)
    prices = [float(one.bid_price) for one in book_quotes(pair, 60_000, seed)]

    assert all(0.95 < price / float(pair.price) < 1.05 for price in prices)
    assert max(prices) / min(prices) > 1.01, "it does move"


@pytest.mark.parametrize("symbol", ["LTCBTC", "BTCUSDT"])
def test_a_pair_of_single_steps_never_repeats_a_quote(symbol: str) -> None:
    """A level of one step cannot shrink, but each update still changes the quote."""
    pair = replace(BY_SYMBOL[symbol], quantity=BY_SYMBOL[symbol].step_size)
    quotes = [amounts(quote) for quote in book_quotes(pair, 3_000)]

    assert all(a != b for a, b in itertools.pairwise(quotes))
    assert min(Decimal(amount) for quote in quotes for amount in quote) > 0


def test_a_pair_at_its_smallest_price_stays_on_the_grid() -> None:
    """The last bid stays, because no bid can be below one tick."""
    pair = replace(BY_SYMBOL["BTCUSDT"], price=Decimal("0.03"))

    for quote in book_quotes(pair, 3_000):
        assert pair.tick_size <= Decimal(quote.bid_price) < Decimal(quote.ask_price)
