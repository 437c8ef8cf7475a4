"""Tests of ``app.simulator.market.depth_levels``."""

import itertools
from decimal import Decimal
from typing import Any

from app.simulator.market.depth_levels import depth_levels
from app.simulator.market.venue_quotes import venue_quote
from app.simulator.venue.listing import Listing, inferred_rules, listing_from_rules

LISTING: Listing = listing_from_rules(
    inferred_rules("LTCBTC", tick_size=Decimal("0.000001"), step_size=Decimal("0.001"))
)
QUOTE = venue_quote(
    symbol="LTCBTC",
    update_id=42,
    bid=("0.00257700", "21.46100000"),
    ask=("0.00257900", "0.00100000"),
)


def depth(levels_max: int = 20, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - quote fields
    """Return the depth of the quote, or of one that differs from it."""
    quote = venue_quote(symbol="LTCBTC", update_id=42, **changes) if changes else QUOTE
    return depth_levels(quote, LISTING, levels_max)


def test_the_first_level_is_the_quote_exactly() -> None:
    """Id, price and quantity are those of the newest frame."""
    answer = depth(levels_max=1)

    assert answer == {
        "lastUpdateId": 42,
        "bids": [["0.00257700", "21.46100000"]],
        "asks": [["0.00257900", "0.00100000"]],
    }


def test_deeper_levels_lead_away_from_the_touch_on_the_grid() -> None:
    """Bids fall, asks rise, in whole ticks and steps, with something on every level."""
    answer = depth()
    bids = [Decimal(price) for price, _ in answer["bids"]]
    asks = [Decimal(price) for price, _ in answer["asks"]]

    assert len(bids) == len(asks) == 20
    assert all(a > b for a, b in itertools.pairwise(bids))
    assert all(a < b for a, b in itertools.pairwise(asks))
    for price, quantity in answer["bids"] + answer["asks"]:
        assert Decimal(price) % LISTING.tick_size == 0
        assert Decimal(quantity) % LISTING.step_size == 0
        assert Decimal(quantity) > 0


def test_the_same_quote_has_the_same_depth() -> None:
    """What was made up once stays so."""
    assert depth() == depth()


def test_an_empty_side_has_no_levels() -> None:
    """A halted symbol shows nothing."""
    answer = depth(bid=("0.00257700", "21.46100000"))

    assert answer["asks"] == []
    assert len(answer["bids"]) == 20


def test_bids_end_above_zero() -> None:
    """There is no bid for nothing."""
    answer = depth(levels_max=100, bid=("0.00000500", "1.00000000"))
    prices = [Decimal(price) for price, _ in answer["bids"]]

    assert 1 < len(prices) <= 5
    assert min(prices) >= LISTING.tick_size
