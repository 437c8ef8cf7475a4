"""The market view of open orders and the execution of closed ones, beyond the routes' tests."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from app.api.docs import examples
from app.api.orders.order_detail import Execution, Market, Obstacle
from app.domain.order import Arrival, Side
from app.ports import NO_MARKET, MarketView

OPEN = examples.open_order()[0].order
VIEW = MarketView(quote=examples.EXAMPLE_QUOTE, taken_quantity=Decimal(0))


def look(view: MarketView, *, side: Side = Side.SELL, status: str = "connected") -> Market:
    """Return the market view of the example order."""
    feed = replace(examples.EXAMPLE_FEED, status=status, cause="no route to host")
    return Market.of(
        replace(OPEN, side=side),
        view,
        feed,
        is_settled=True,
        now_ns=examples.EXAMPLE_QUOTE_AGE_NS,
    )


def test_order_with_something_to_take_has_no_obstacle() -> None:
    """An order that the current quote can fill has the obstacle ``none``."""
    market = look(VIEW)

    assert market.obstacle == "none"
    assert market.quote_age_milliseconds == 132


def test_quote_that_is_to_be_confirmed_is_named_where_it_would_fill() -> None:
    """``quote_old`` is reported only if the old quote has liquidity left for the order."""
    waiting = replace(VIEW, awaits_confirmation=True)

    assert look(waiting).obstacle == "quote_old"
    assert look(replace(waiting, taken_quantity=Decimal(10**9))).obstacle == "liquidity_taken"


def test_quote_received_this_instant_has_no_negative_age() -> None:
    """A quote received after ``now`` has the age zero."""
    early = replace(examples.EXAMPLE_QUOTE, received_ns=examples.EXAMPLE_QUOTE_AGE_NS + 1)

    assert look(replace(VIEW, quote=early)).quote_age_milliseconds == 0


def test_explanation_names_the_cause_of_a_dead_connection() -> None:
    """The explanation names the feed's error, or says that the symbol has no quote."""
    assert "no route to host" in look(NO_MARKET, status="down").explanation
    assert "no quote of LTCBTC" in look(NO_MARKET).explanation


@pytest.mark.parametrize(
    ("side", "said"), [(Side.BUY, "best ask is above"), (Side.SELL, "best bid is below")]
)
def test_explanation_speaks_of_the_side_that_the_order_takes_from(side: Side, said: str) -> None:
    """A BUY is explained with asks, a SELL with bids."""
    far = Decimal("0.00001") if side is Side.BUY else Decimal(1)
    market = Market.of(
        replace(OPEN, side=side, limit_price=far),
        VIEW,
        examples.EXAMPLE_FEED,
        is_settled=True,
        now_ns=0,
    )

    assert said in market.explanation


@pytest.mark.parametrize("obstacle", list(Obstacle))
def test_every_obstacle_is_documented(obstacle: Obstacle) -> None:
    """The description of the field names each obstacle."""
    assert f"`{obstacle.value}`" in str(Market.model_fields["obstacle"].description)


def test_arrival_at_an_empty_side_has_no_price_to_compare_with() -> None:
    """The arrival quote is shown, but its price and the slippage are null."""
    snapshot, splits = examples.filled_order()
    empty = replace(snapshot, arrival=Arrival(update_id=7, price=Decimal(0)))

    execution = Execution.of(empty, first_split=splits[0], last_split=splits[-1])

    assert (execution.arrival_update_id, execution.arrival_price) == (7, None)
    assert execution.slippage is None
    assert execution.improvement is not None


def test_fill_timed_before_its_acceptance_is_told_as_of_the_same_instant() -> None:
    """A clock that was set back does not produce a negative duration."""
    snapshot, splits = examples.filled_order()
    before = replace(splits[0], filled_at=snapshot.order.accepted_at - timedelta(seconds=1))

    execution = Execution.of(snapshot, first_split=before, last_split=splits[-1])

    assert execution.first_fill_milliseconds == 0
    assert execution.last_fill_milliseconds == 3121
