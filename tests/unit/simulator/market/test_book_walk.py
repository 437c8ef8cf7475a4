"""Tests of ``app.simulator.market.book_walk``: what is measured on real tapes holds here too."""

import itertools
import random
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from app.simulator.market.pair_dynamics import MAJOR
from app.simulator.market.pairs import PAIRS
from app.simulator.market.synthetic_market import SyntheticBook
from app.simulator.market.venue_quotes import VenueQuote

BY_SYMBOL = {pair.symbol: pair for pair in PAIRS}
SECONDS = 120
SEEDS = (1, 2)
LIQUID = ("BTCUSDT", "ETHUSDT", "LTCBTC")
BUSY = (*LIQUID, "LTCUSDT", "ATOMUSDT")
each_liquid = pytest.mark.parametrize(
    ("symbol", "seed"), list(itertools.product(LIQUID, SEEDS)), ids=str
)
each_busy = pytest.mark.parametrize(
    ("symbol", "seed"), list(itertools.product(BUSY, SEEDS)), ids=str
)


@cache
def walked(symbol: str, seed: int) -> list[VenueQuote]:
    """Return the quotes of a pair over a stretch of market time."""
    walk = SyntheticBook(BY_SYMBOL[symbol], random.Random(seed), first_update_id=1_000)
    return list(itertools.takewhile(lambda quote: quote.at_ns < SECONDS * 10**9, walk.quotes()))


def bid(quote: VenueQuote) -> tuple[str, str]:
    """Return the bid side."""
    return quote.bid_price, quote.bid_quantity


def ask(quote: VenueQuote) -> tuple[str, str]:
    """Return the ask side."""
    return quote.ask_price, quote.ask_quantity


def share(flags: list[bool]) -> float:
    """Return how many of the flags are set, as a share."""
    return sum(flags) / len(flags)


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile, without interpolation."""
    return sorted(values)[min(len(values) * percent // 100, len(values) - 1)]


@each_busy
def test_every_update_changes_a_side_and_few_change_both(symbol: str, seed: int) -> None:
    """No update repeats all four fields; tapes: 1 % change both sides, on a short one 3 %."""
    quotes = walked(symbol, seed)
    changed = [(bid(a) != bid(b)) + (ask(a) != ask(b)) for a, b in itertools.pairwise(quotes)]

    assert set(changed) <= {1, 2}
    assert share([one == 2 for one in changed]) < 0.03


@each_busy
def test_the_book_is_never_crossed_nor_empty(symbol: str, seed: int) -> None:
    """The bid is below the ask, and both display something."""
    for quote in walked(symbol, seed):
        assert Decimal(0) < Decimal(quote.bid_price) < Decimal(quote.ask_price)
        assert min(Decimal(quote.bid_quantity), Decimal(quote.ask_quantity)) > 0


@each_busy
def test_amounts_stay_on_the_grid_with_eight_decimals(symbol: str, seed: int) -> None:
    """Every price is whole ticks, every quantity whole steps, each written to the eighth digit."""
    pair = BY_SYMBOL[symbol]
    for quote in walked(symbol, seed):
        for price, quantity in (bid(quote), ask(quote)):
            assert Decimal(price) % pair.tick_size == 0
            assert Decimal(quantity) % pair.step_size == 0
            assert len(price.partition(".")[2]) == len(quantity.partition(".")[2]) == 8


@each_liquid
def test_about_half_of_the_updates_repeat_the_ask(symbol: str, seed: int) -> None:
    """Tapes: 0.44 to 0.50 of the updates of majors."""
    pairs = itertools.pairwise(walked(symbol, seed))

    assert 0.42 < share([ask(a) == ask(b) for a, b in pairs]) < 0.58


@each_liquid
def test_the_spread_is_mostly_one_tick(symbol: str, seed: int) -> None:
    """Tapes: 0.88 of the updates of majors."""
    tick = BY_SYMBOL[symbol].tick_size
    spreads = [
        Decimal(quote.ask_price) - Decimal(quote.bid_price) for quote in walked(symbol, seed)
    ]

    assert 0.8 < share([spread == tick for spread in spreads]) < 0.98


@each_busy
def test_update_ids_jump(symbol: str, seed: int) -> None:
    """Tapes: a median step of 2 to 3 and a 99th percentile of 11 to 70."""
    quotes = walked(symbol, seed)
    steps = [float(b.update_id - a.update_id) for a, b in itertools.pairwise(quotes)]

    assert min(steps) >= 1
    assert 2 <= percentile(steps, 50) <= 3
    assert 11 <= percentile(steps, 99) <= 100


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("symbol", "least", "most"),
    [("BTCUSDT", 50, 130), ("ETHUSDT", 50, 130), ("LTCBTC", 15, 45), ("LTCUSDT", 1.5, 8)],
)
def test_a_pair_has_its_rate_of_updates(symbol: str, least: float, most: float, seed: int) -> None:
    """Majors come about a hundred times a second, the documented pair some thirty times."""
    assert least < len(walked(symbol, seed)) / SECONDS < most


@pytest.mark.parametrize("seed", SEEDS)
def test_majors_come_in_bursts(seed: int) -> None:
    """Tapes: almost half of the gaps are under 1 ms, and busy seconds have several times more."""
    quotes = walked("BTCUSDT", seed)
    gaps = [b.at_ns - a.at_ns for a, b in itertools.pairwise(quotes)]
    seconds = [0] * SECONDS
    for quote in quotes:
        seconds[quote.at_ns // 10**9] += 1

    assert 0.35 < share([gap < 1_000_000 for gap in gaps]) < 0.65
    assert percentile([float(one) for one in seconds], 99) > 2 * len(quotes) / SECONDS


@pytest.mark.parametrize("seed", SEEDS)
def test_a_thin_pair_speaks_every_few_seconds_at_most(seed: int) -> None:
    """A client that connects to it may hear nothing for a while."""
    quotes = walked("QTUMETH", seed)
    gaps = [b.at_ns - a.at_ns for a, b in itertools.pairwise(quotes)]

    assert min(gaps) >= 2 * 10**9
    assert 20 < len(quotes) < 60


@pytest.mark.parametrize("seed", SEEDS)
def test_displayed_quantities_of_ltcbtc_keep_to_the_range_of_such_pairs(seed: int) -> None:
    """Tapes of such pairs: medians of 8 to 34, 95th percentiles of 38 to 258."""
    quantities = [
        float(quantity)
        for quote in walked("LTCBTC", seed)
        for quantity in (quote.bid_quantity, quote.ask_quantity)
    ]

    assert 10 <= percentile(quantities, 50) <= 40
    assert percentile(quantities, 95) < 300
    assert max(quantities) < 100


@each_busy
def test_prices_move_as_far_as_real_ones_in_a_second(symbol: str, seed: int) -> None:
    """Tapes: one-second returns with a standard deviation of 1.1 to 2.7 bps, 15 at the most.

    The pairs with coarse ticks make bigger ones: a single tick of LTCBTC is 3.9 bps.
    """
    middles: dict[int, float] = {}
    for quote in walked(symbol, seed):
        second = quote.at_ns // 10**9
        middles[second] = (float(quote.bid_price) + float(quote.ask_price)) / 2
    returns = [(b / a - 1) * 10_000 for a, b in itertools.pairwise(middles.values())]

    assert 0.5 < (sum(one * one for one in returns) / len(returns)) ** 0.5 < 5
    assert max(abs(one) for one in returns) < 25


@pytest.mark.parametrize("seed", range(2))
def test_the_price_is_sane_after_weeks(seed: int) -> None:
    """The fair value is pulled back: it stays within a twentieth of the first price.

    Jumps of 20 bps instead of one do in two hours what weeks would.
    """
    pair = replace(BY_SYMBOL["BTCUSDT"], dynamics=replace(MAJOR, move_bps=20.0, echo_gap=0.1))
    walk = SyntheticBook(pair, random.Random(seed), first_update_id=1)
    prices = [float(one.bid_price) for one in itertools.islice(walk.quotes(), 60_000)]

    assert all(0.95 < price / float(pair.price) < 1.05 for price in prices)
    assert max(prices) / min(prices) > 1.01, "it does move"


@pytest.mark.parametrize("symbol", ["LTCBTC", "BTCUSDT"])
def test_even_a_pair_of_single_steps_never_repeats_a_quote(symbol: str) -> None:
    """Where a level is one step already, there is no dust to leave and little to take."""
    pair = replace(BY_SYMBOL[symbol], quantity=BY_SYMBOL[symbol].step_size)
    walk = SyntheticBook(pair, random.Random(1), first_update_id=1)
    quotes = list(itertools.islice(walk.quotes(), 3_000))

    assert all((bid(a), ask(a)) != (bid(b), ask(b)) for a, b in itertools.pairwise(quotes))
    assert min(Decimal(one) for quote in quotes for one in (*bid(quote), *ask(quote))) > 0


def test_even_a_pair_at_its_smallest_price_stays_on_the_grid() -> None:
    """There is no bid below one tick: the last one stands."""
    pair = replace(BY_SYMBOL["BTCUSDT"], price=Decimal("0.03"))
    walk = SyntheticBook(pair, random.Random(1), first_update_id=1)
    quotes = list(itertools.islice(walk.quotes(), 3_000))

    assert all(
        pair.tick_size <= Decimal(quote.bid_price) < Decimal(quote.ask_price) for quote in quotes
    )


def test_levels_come_back_from_behind_a_better_one_with_what_they_had() -> None:
    """A covered ask that stayed is the touch again, some with the very quantity."""
    covered: dict[str, str] = {}
    returned = same = 0
    for a, b in itertools.pairwise(walked("BTCUSDT", 1)):
        if Decimal(b.ask_price) < Decimal(a.ask_price):
            covered[a.ask_price] = a.ask_quantity
        elif b.ask_price != a.ask_price and b.ask_price in covered:
            returned += 1
            same += covered.pop(b.ask_price) == b.ask_quantity

    assert returned > 10
    assert 0 < same < returned


def test_a_side_is_eaten_to_dust_before_a_major_moves() -> None:
    """Tapes: a level of BTC shows less than a hundredth of the usual just before it is gone."""
    last = [
        float(a.ask_quantity) / 1.3
        for a, b in itertools.pairwise(walked("BTCUSDT", 1))
        if Decimal(b.ask_price) > Decimal(a.ask_price)
    ]

    assert percentile(last, 50) < 0.01
