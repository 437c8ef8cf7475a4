"""An order's arrival, its number of quotes, and the taken quantity at the touch."""

from decimal import Decimal

import pytest

from app.domain.first_quotes import arrival_of
from app.domain.matcher import QUOTE_AGE_NS_MAX, SymbolMatcher
from app.domain.order import PUBLIC, Arrival, OrderId, Owner, Side
from app.domain.resting import Closing
from tests.support.builders import FAR_NS, LTCBTC, MirroredMarket, fills_of, make_quote

SIDES = [pytest.param(MirroredMarket(side), id=side.value) for side in Side]
both_sides = pytest.mark.parametrize("market", SIDES)
ALICE = Owner("alice")


def canceled(matcher: SymbolMatcher, order_id: OrderId) -> Closing:
    """Cancel a resting order; its end has the arrival and the number of quotes."""
    closing = matcher.cancel(order_id)
    assert closing is not None
    return closing


def test_arrival_is_the_best_price_of_the_other_side() -> None:
    """A BUY meets asks, a SELL meets bids."""
    quote = make_quote(7, bid=("99.98", 1), ask=("99.99", 5))

    assert arrival_of(quote, Side.BUY) == Arrival(update_id=7, price=Decimal("99.99"))
    assert arrival_of(quote, Side.SELL) == Arrival(update_id=7, price=Decimal("99.98"))


@both_sides
def test_first_quote_stays_the_arrival(market: MirroredMarket) -> None:
    """A quote beyond the limit is an arrival too, and a repeated touch counts as a quote."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(5), deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(1, 5, "101.00"))
    matcher.apply_quote(market.quote(2, 5, "101.00", other_quantity=2))

    (fill,) = fills_of(matcher.apply_quote(market.quote(3, 5)))

    assert fill.arrival == Arrival(update_id=1, price=market.price("101.00"))
    assert fill.quotes_seen == 3


@both_sides
def test_current_quote_is_the_arrival_of_an_order_that_comes_later(market: MirroredMarket) -> None:
    """Quotes before the order are not counted."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.quote(1, 5, "101.00"))
    matcher.apply_quote(market.quote(2, 5, "102.00"))
    order = market.order(5)
    matcher.rest(order, deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(3, 5, "103.00"))

    closing = canceled(matcher, order.order_id)

    assert closing.arrival == Arrival(update_id=2, price=market.price("102.00"))
    assert closing.quotes_seen == 2


@both_sides
def test_quotes_of_a_hold_are_met(market: MirroredMarket) -> None:
    """The order meets the quotes, although they fill nothing."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.hold()
    matcher.rest(market.order(5), deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(1, 5, "99.50"))
    matcher.apply_quote(market.quote(2, 5, "99.99"))

    (fill,) = fills_of(matcher.release())

    assert fill.arrival == Arrival(update_id=1, price=market.price("99.50"))
    assert (fill.update_id, fill.quotes_seen) == (2, 2)


@both_sides
def test_quote_that_is_refused_is_not_met(market: MirroredMarket) -> None:
    """A quote at or below the gate does not count."""
    matcher = SymbolMatcher(LTCBTC, gate=7)
    order = market.order(5)
    matcher.rest(order, deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(7, 5))
    matcher.apply_seed(market.quote(6, 5))

    closing = canceled(matcher, order.order_id)

    assert (closing.arrival, closing.quotes_seen) == (None, 0)


@both_sides
def test_order_that_saw_no_quote_after_an_interruption_counts_none(market: MirroredMarket) -> None:
    """There was no current quote, so the order has no arrival."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.quote(1, 5))
    matcher.interrupt()
    order = market.order(5)
    matcher.rest(order, deadline_ns=FAR_NS)

    closing = canceled(matcher, order.order_id)

    assert (closing.arrival, closing.quotes_seen) == (None, 0)


@both_sides
def test_stored_arrival_and_count_survive_a_restart(market: MirroredMarket) -> None:
    """The count includes the quotes of the earlier process."""
    matcher = SymbolMatcher(LTCBTC)
    arrival = Arrival(update_id=5, price=market.price("101.00"))
    matcher.rest(
        market.order(5),
        deadline_ns=FAR_NS,
        arrival=arrival,
        quotes_seen=12,
        may_have_met_quotes=True,
    )

    (fill,) = fills_of(matcher.apply_quote(market.quote(9, 5)))

    assert (fill.arrival, fill.quotes_seen) == (arrival, 13)
    assert not matcher._first_quotes.awaited


@both_sides
def test_stored_arrival_outlives_a_start_with_a_current_quote(market: MirroredMarket) -> None:
    """The quote of the acceptance precedes the quote that is current when the order rests."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.quote(6, 5))
    arrival = Arrival(update_id=5, price=market.price("101.00"))

    (fill,) = fills_of(matcher.rest(market.order(5), deadline_ns=FAR_NS, arrival=arrival))

    assert (fill.arrival, fill.quotes_seen) == (arrival, 1)


@both_sides
@pytest.mark.parametrize("is_live", [False, True])
def test_arrival_that_was_not_stored_stays_unknown(
    market: MirroredMarket, *, is_live: bool
) -> None:
    """The order may have met quotes before the restart, so the next quote is not its first."""
    matcher = SymbolMatcher(LTCBTC)
    if is_live:
        matcher.apply_quote(market.quote(1, 5, "101.00"))
    matcher.rest(market.order(5), deadline_ns=FAR_NS, may_have_met_quotes=True)

    (fill,) = fills_of(matcher.apply_quote(market.quote(2, 5)))

    assert fill.arrival is None
    assert fill.quotes_seen == 1 + is_live


@both_sides
def test_order_that_met_only_quotes_of_before_ran_out_during_an_outage(
    market: MirroredMarket,
) -> None:
    """The count from before the restart shows that there was market data."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(5), deadline_ns=100, quotes_seen=1)

    (closing,) = matcher.expire(101)

    assert isinstance(closing, Closing)
    assert (closing.reason, closing.quotes_seen) == ("TIMEOUT_DURING_OUTAGE", 1)


@both_sides
def test_taken_is_the_quantity_that_the_owner_took_at_the_touch(market: MirroredMarket) -> None:
    """Hidden levels and other owners do not count."""
    other_side = Side.SELL if market.side is Side.BUY else Side.BUY
    matcher = SymbolMatcher(LTCBTC)
    nothing_yet = matcher.taken(PUBLIC, market.side)
    matcher.rest(market.order(8), deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(1, 5))
    matcher.apply_quote(market.quote(2, 9, "99.50"))

    assert nothing_yet == 0
    assert matcher.taken(PUBLIC, market.side) == 3
    assert matcher.taken(PUBLIC, other_side) == 0
    assert matcher.taken(ALICE, market.side) == 0
    matcher.apply_quote(market.quote(3, 2, "99.50"))
    assert matcher.taken(PUBLIC, market.side) == 2
    matcher.apply_quote(market.quote(4, 7))
    assert matcher.taken(PUBLIC, market.side) == 5


@both_sides
def test_nothing_is_taken_where_nothing_is_quoted(market: MirroredMarket) -> None:
    """Without a current quote, or with an empty side, there is no touch."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(5), deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(1, 5))

    matcher.interrupt()
    without_quote = matcher.taken(PUBLIC, market.side)
    matcher.apply_quote(market.emptied(2))

    assert without_quote == 0
    assert matcher.taken(PUBLIC, market.side) == 0


@both_sides
def test_arrival_of_a_new_order_is_known_beforehand(market: MirroredMarket) -> None:
    """Orders that meet the same quote share one arrival; without a quote there is none."""
    matcher = SymbolMatcher(LTCBTC)
    order = market.order(5, limit_price=90)
    before = matcher.arrival(order, 0)
    matcher.apply_quote(market.quote(1, 5))

    told = [matcher.arrival(order, 0), matcher.arrival(order, 0)]
    too_old = matcher.arrival(market.order(5), QUOTE_AGE_NS_MAX + 1)

    assert (before, too_old) == (None, None)
    assert told[0] == Arrival(update_id=1, price=market.price("99.99"))
    assert told[0] is told[1]
