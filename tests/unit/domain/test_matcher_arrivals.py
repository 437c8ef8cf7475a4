"""An order's arrival, its number of quotes, and the taken quantity at the touch."""

from decimal import Decimal

import pytest

from app.domain.first_quotes import arrival_of
from app.domain.matcher import QUOTE_AGE_NS_MAX, SymbolMatcher
from app.domain.order import PUBLIC, Arrival, Owner, Side
from tests.support.builders import FAR_NS, MirroredMarket, fills_of, make_quote
from tests.unit.domain.conftest import matcher_after

ALICE = Owner("alice")


def test_arrival_is_the_best_price_of_the_other_side() -> None:
    """A BUY meets asks, a SELL meets bids."""
    quote = make_quote(7, bid=("99.98", 1), ask=("99.99", 5))

    assert arrival_of(quote, Side.BUY) == Arrival(update_id=7, price=Decimal("99.99"))
    assert arrival_of(quote, Side.SELL) == Arrival(update_id=7, price=Decimal("99.98"))


def test_first_quote_stays_the_arrival(market: MirroredMarket) -> None:
    """A quote beyond the limit is an arrival too, and a repeated touch counts as a quote."""
    matcher = matcher_after(
        market.order(5),
        market.quote(1, 5, "101.00"),
        market.quote(2, 5, "101.00", other_quantity=2),
    )

    (fill,) = fills_of(matcher.apply_quote(market.quote(3, 5)))

    assert fill.arrival == Arrival(update_id=1, price=market.price("101.00"))
    assert fill.quotes_seen == 3


def test_current_quote_is_the_arrival_of_an_order_that_comes_later(market: MirroredMarket) -> None:
    """Quotes before the order are not counted."""
    before = [market.quote(1, 5, "101.00"), market.quote(2, 5, "102.00")]
    matcher = matcher_after(*before, market.order(5), market.quote(3, 5, "103.00"))

    (closing,) = matcher.cancel_all(PUBLIC)

    assert closing.arrival == Arrival(update_id=2, price=market.price("102.00"))
    assert closing.quotes_seen == 2


def test_quotes_of_a_hold_are_met(market: MirroredMarket) -> None:
    """The order meets the quotes, although they fill nothing."""
    matcher = matcher_after(
        SymbolMatcher.hold,
        market.order(5),
        market.quote(1, 5, "99.50"),
        market.quote(2, 5, "99.99"),
    )

    (fill,) = fills_of(matcher.release())

    assert fill.arrival == Arrival(update_id=1, price=market.price("99.50"))
    assert (fill.update_id, fill.quotes_seen) == (2, 2)


def test_quote_that_is_refused_or_lost_is_not_met(market: MirroredMarket) -> None:
    """A quote at or below the gate does not count, nor one from before an interruption."""
    refusing = matcher_after(market.order(5), market.quote(7, 5), gate=7)
    refusing.apply_seed(market.quote(6, 5))
    interrupted = matcher_after(market.quote(1, 5), SymbolMatcher.interrupt, market.order(5))

    ends = [*refusing.cancel_all(PUBLIC), *interrupted.cancel_all(PUBLIC)]

    assert [(end.arrival, end.quotes_seen) for end in ends] == [(None, 0), (None, 0)]


def test_stored_arrival_and_count_survive_a_restart(market: MirroredMarket) -> None:
    """The count includes the quotes of the earlier process."""
    matcher = matcher_after()
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


def test_stored_arrival_outlives_a_start_with_a_current_quote(market: MirroredMarket) -> None:
    """The quote of the acceptance precedes the quote that is current when the order rests."""
    matcher = matcher_after(market.quote(6, 5))
    arrival = Arrival(update_id=5, price=market.price("101.00"))

    (fill,) = fills_of(matcher.rest(market.order(5), deadline_ns=FAR_NS, arrival=arrival))

    assert (fill.arrival, fill.quotes_seen) == (arrival, 1)


@pytest.mark.parametrize("is_live", [False, True])
def test_arrival_that_was_not_stored_stays_unknown(
    market: MirroredMarket, *, is_live: bool
) -> None:
    """The order may have met quotes before the restart, so the next quote is not its first."""
    matcher = matcher_after()
    if is_live:
        matcher.apply_quote(market.quote(1, 5, "101.00"))
    matcher.rest(market.order(5), deadline_ns=FAR_NS, may_have_met_quotes=True)

    (fill,) = fills_of(matcher.apply_quote(market.quote(2, 5)))

    assert fill.arrival is None
    assert fill.quotes_seen == 1 + is_live


def test_taken_is_the_quantity_that_the_owner_took_at_the_touch(market: MirroredMarket) -> None:
    """Hidden levels and other owners do not count."""
    other_side = Side.SELL if market.side is Side.BUY else Side.BUY
    matcher = matcher_after()
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


def test_nothing_is_taken_where_nothing_is_quoted(market: MirroredMarket) -> None:
    """Without a current quote, or with an empty side, there is no touch."""
    before = (market.order(5), market.quote(1, 5))

    assert matcher_after(*before, SymbolMatcher.interrupt).taken(PUBLIC, market.side) == 0
    assert matcher_after(*before, market.emptied(2)).taken(PUBLIC, market.side) == 0


def test_arrival_of_a_new_order_is_known_beforehand(market: MirroredMarket) -> None:
    """Orders that meet the same quote share one arrival; without a quote there is none."""
    matcher = matcher_after()
    order = market.order(5, limit_price=90)
    before = matcher.arrival(order, 0)
    matcher.apply_quote(market.quote(1, 5))

    told = [matcher.arrival(order, 0), matcher.arrival(order, 0)]
    too_old = matcher.arrival(market.order(5), QUOTE_AGE_NS_MAX + 1)

    assert (before, too_old) == (None, None)
    assert told[0] == Arrival(update_id=1, price=market.price("99.99"))
    assert told[0] is told[1]
