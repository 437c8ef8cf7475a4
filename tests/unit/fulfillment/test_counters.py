"""What is counted of orders and quotes, and what the desk tells of it."""

from dataclasses import replace
from datetime import timedelta

from app.domain.events import acceptance_event
from app.domain.matcher import SymbolMatcher
from app.domain.order import OrderStatus, Reason, Symbol
from app.fulfillment.counters import OrderTally, QuoteTally
from app.ports import QuoteCounts
from tests.support.builders import ACCEPTED_AT, LTCBTC, make_order, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

ETHBTC = Symbol("ETHBTC")
SECOND_NS = 1_000_000_000


def test_orders_are_counted_by_how_they_end() -> None:
    """Each once: when accepted, and when it ended, with the reason."""
    tally = OrderTally()
    accepted = acceptance_event(make_order())
    expired = replace(
        accepted,
        sequence=2,
        status=OrderStatus.EXPIRED,
        reason=Reason.NO_MARKET_DATA,
        at=ACCEPTED_AT + timedelta(seconds=30),
    )

    for event in (accepted, accepted, expired):
        tally.note(event)

    assert (tally.accepted, tally.splits) == (2, 0)
    assert tally.ended == {(OrderStatus.EXPIRED, Reason.NO_MARKET_DATA): 1}


def test_counts_of_quotes_go_on_with_another_matcher() -> None:
    """A symbol that starts anew does not count anew: a counter never goes down."""
    tally = QuoteTally()
    first, second = SymbolMatcher(LTCBTC), SymbolMatcher(LTCBTC)
    assert tally.counts == QuoteCounts()
    tally.follow(first)
    first.apply_quote(make_quote(2))
    first.apply_quote(make_quote(1))
    told = tally.counts

    tally.drop()
    dropped = tally.counts
    tally.follow(second)
    second.apply_quote(make_quote(1))

    assert told == dropped == QuoteCounts(applied=1, refused=1)
    assert tally.counts == QuoteCounts(applied=2, refused=1)


def test_a_matcher_that_was_dropped_is_not_asked() -> None:
    """It failed, and whatever it holds may be wrong; what was told before stays."""
    tally = QuoteTally()
    broken = SymbolMatcher(LTCBTC)
    tally.follow(broken)
    broken.apply_quote(make_quote(1))
    told = tally.counts

    broken.quotes_applied = -7
    tally.drop()

    assert tally.counts == told == QuoteCounts(applied=1)


async def test_the_desk_tells_how_symbols_and_orders_are(shop: Shop) -> None:
    """Served, live and open now; accepted, ended, filled and quoted so far."""
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


async def test_the_newest_and_the_oldest_current_quote_are_told_apart(shop: Shop) -> None:
    """One symbol that is quoted does not hide that another is not."""
    await shop.place(5, limit_price=1)
    await shop.place(5, limit_price=1, symbol=ETHBTC)
    shop.feed.push(make_quote(1, received_ns=3 * SECOND_NS))
    shop.feed.push(make_quote(1, symbol=ETHBTC, received_ns=5 * SECOND_NS))

    state = shop.desk.state()

    assert (state.oldest_quote_ns, state.newest_quote_ns) == (3 * SECOND_NS, 5 * SECOND_NS)
    assert state.symbols_live == 2


async def test_what_a_symbol_counted_outlives_it(shop: Shop) -> None:
    """Its fulfillment ends a minute after its last order; the counts of the desk stay."""
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
