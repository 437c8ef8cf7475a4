"""Tests of ``app.fulfillment.counters``, and of the state that the desk reports."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.events import acceptance_event
from app.domain.matcher import SymbolMatcher
from app.domain.order import OrderStatus, Reason, Symbol
from app.fulfillment.counters import (
    STALE_NS_OF_A_RESET,
    EventCounter,
    QuoteCounter,
    StaleSeedCounter,
)
from app.ports import QuoteCounts
from tests.support.builders import ACCEPTED_AT, LTCBTC, make_order, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

ETHBTC = Symbol("ETHBTC")
SECOND_NS = 1_000_000_000
LATER_NS = STALE_NS_OF_A_RESET


def test_orders_are_counted_by_how_they_end() -> None:
    """Each order counts once when it is accepted, and once with its reason when it ends."""
    counter = EventCounter()
    accepted = acceptance_event(make_order())
    expired = replace(
        accepted,
        sequence=2,
        status=OrderStatus.EXPIRED,
        reason=Reason.NO_MARKET_DATA,
        at=ACCEPTED_AT + timedelta(seconds=30),
    )

    for event in (accepted, accepted, expired):
        counter.add(event)

    assert (counter.accepted, counter.splits) == (2, 0)
    assert counter.ended == {(OrderStatus.EXPIRED, Reason.NO_MARKET_DATA): 1}


def test_quote_counts_continue_with_another_matcher() -> None:
    """A reloaded symbol continues its counts, because a counter never decreases."""
    counter = QuoteCounter()
    first, second = SymbolMatcher(LTCBTC), SymbolMatcher(LTCBTC)
    assert counter.counts == QuoteCounts()
    counter.attach(first)
    first.apply_quote(make_quote(2))
    first.apply_quote(make_quote(1))
    reported = counter.counts

    counter.detach()
    dropped = counter.counts
    counter.attach(second)
    second.apply_quote(make_quote(1))

    assert reported == dropped == QuoteCounts(applied=1, refused=1)
    assert counter.counts == QuoteCounts(applied=2, refused=1)


def test_a_dropped_matcher_is_ignored() -> None:
    """Its counts may be wrong, so the counts reported before stay."""
    counter = QuoteCounter()
    broken = SymbolMatcher(LTCBTC)
    counter.attach(broken)
    broken.apply_quote(make_quote(1))
    reported = counter.counts

    broken.quotes_applied = -7
    counter.detach()

    assert counter.counts == reported == QuoteCounts(applied=1)


async def test_the_desk_reports_symbols_and_orders(shop: Shop) -> None:
    """The state shows symbols and orders of now, and counts since the start."""
    shop.clock.advance(10)
    first = await shop.place(5)
    await shop.place(7, limit_price=1)
    before = shop.desk.state()
    shop.feed.push(make_quote(4, received_ns=3 * SECOND_NS))
    shop.feed.push(make_quote(3, received_ns=4 * SECOND_NS))
    await shop.has_status(first, OrderStatus.FILLED)
    live = shop.desk.state()
    shop.feed.interrupt()
    interrupted = shop.desk.state()

    assert (before.symbols, before.symbols_live, before.newest_quote_ns) == (1, 0, None)
    assert (live.symbols, live.symbols_live) == (1, 1)
    assert (live.newest_quote_ns, live.oldest_quote_ns) == (3 * SECOND_NS, 3 * SECOND_NS)
    assert (live.accepted, live.open_orders, live.splits) == (2, 1, 1)
    assert live.ended == {(OrderStatus.FILLED, None): 1}
    assert live.quotes == QuoteCounts(applied=1, refused=1)
    assert (interrupted.symbols_live, interrupted.newest_quote_ns) == (0, None)
    assert shop.desk.is_serving(LTCBTC)


async def test_the_newest_and_the_oldest_current_quote_are_reported(shop: Shop) -> None:
    """A symbol with new quotes does not hide a symbol with old ones."""
    await shop.place(5, limit_price=1)
    await shop.place(5, limit_price=1, symbol=ETHBTC)
    shop.feed.push(make_quote(1, received_ns=3 * SECOND_NS))
    shop.feed.push(make_quote(1, symbol=ETHBTC, received_ns=5 * SECOND_NS))

    state = shop.desk.state()

    assert (state.oldest_quote_ns, state.newest_quote_ns) == (3 * SECOND_NS, 5 * SECOND_NS)
    assert state.symbols_live == 2


async def test_the_counts_of_a_symbol_outlive_it(shop: Shop) -> None:
    """A symbol ends after lingering, and the desk keeps its counts."""
    order = await shop.place(5)
    shop.feed.push(make_quote(1_000, ask=("101", 5)))
    shop.feed.interrupt()
    for number, seconds in ((1, 0), (2, 5), (3, 10)):
        shop.feed.seed(make_quote(number, received_ns=seconds * SECOND_NS))
    await shop.has_status(order, OrderStatus.FILLED)
    counted = shop.desk.state().quotes

    shop.desk._symbols[LTCBTC].end_lingering()
    await eventually(lambda: not shop.desk.is_serving(LTCBTC))

    assert counted == QuoteCounts(applied=2, refused=3, gate_resets=1)
    assert shop.desk.state().quotes == counted
    assert shop.desk.state().symbols == 0


@pytest.mark.parametrize(
    ("seeds", "verdicts"),
    [
        ([(0, 9), (1, 9), (2, 9), (LATER_NS - 1, 9)], [False] * 4),
        ([(0, 9), (LATER_NS, 9), (LATER_NS, 9)], [False, False, True]),
        (
            [(0, 9), (1, 9), (LATER_NS, 10), (LATER_NS + 1, 10), (2 * LATER_NS, 10)],
            [False] * 4 + [True],
        ),
        ([(0, 9), (1, 9), None, (LATER_NS, 9)], [False] * 3),
    ],
    ids=["too soon", "over ten seconds", "a new gate", "a new connection"],
)
def test_three_stale_seeds_over_ten_seconds_show_a_reset(
    seeds: list[tuple[int, int] | None], verdicts: list[bool]
) -> None:
    """With fewer seeds, or within less time, the venue may only be a little behind.

    A frame above the old gate shows that the venue did not restart its update ids. Only the seeds
    of the current connection count.
    """
    counter = StaleSeedCounter()
    told: list[bool] = []
    for seed in seeds:
        if seed is None:
            counter.clear()
        else:
            told.append(counter.shows_a_reset(seed[0], gate=seed[1]))

    assert told == verdicts
