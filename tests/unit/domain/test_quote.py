"""Tests of ``app.domain.quote``."""

import pytest

from app.domain.order import Side
from app.domain.quote import Quote, is_marketable
from tests.support.builders import make_order, make_quote


@pytest.mark.parametrize(
    ("quote", "malformation"),
    [
        (make_quote(1, bid=("99.98", 1), ask=("99.99", 5)), None),
        (make_quote(1, bid=(0, 0), ask=("99.99", 5)), None),
        (make_quote(1, bid=("99.98", 1), ask=(0, 0)), None),
        (make_quote(1, bid=(0, 0), ask=("0.00000000", "0.00000000")), None),
        (make_quote(0), "update_id_not_positive"),
        (make_quote(-7), "update_id_not_positive"),
        (make_quote(1, bid=("99.98", 0)), "bid_half_empty"),
        (make_quote(1, bid=(0, 1)), "bid_half_empty"),
        (make_quote(1, ask=("99.99", 0)), "ask_half_empty"),
        (make_quote(1, ask=(0, 5)), "ask_half_empty"),
        (make_quote(1, bid=("99.99", 1), ask=("99.99", 5)), "crossed"),
        (make_quote(1, bid=("100.00", 1), ask=("99.99", 5)), "crossed"),
    ],
)
def test_only_an_unusable_quote_has_a_malformation(quote: Quote, malformation: str | None) -> None:
    """It is half empty, crossed, or without an update id. One side may be empty, or both."""
    assert quote.malformation == malformation


@pytest.mark.parametrize(
    ("side", "limit_price", "expected"),
    [
        (Side.BUY, "99.99", True),
        (Side.BUY, "99.98", False),
        (Side.SELL, "99.98", True),
        (Side.SELL, "99.99", False),
    ],
)
def test_order_is_marketable_from_the_opposite_best_price_on(
    side: Side, limit_price: str, *, expected: bool
) -> None:
    """The limit price itself counts, and an empty side reaches no limit price."""
    order = make_order(side=side, limit_price=limit_price)

    assert is_marketable(order, make_quote(1)) is expected
    assert not is_marketable(order, make_quote(1, bid=(0, 0), ask=(0, 0)))
