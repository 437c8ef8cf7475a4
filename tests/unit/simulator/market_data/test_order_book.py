"""Tests of ``OrderBook``."""

import itertools
from decimal import Decimal
from typing import Any

from app.simulator.market.venue_quotes import VenueQuote, venue_quote
from app.simulator.market_data.order_book import OrderBook
from app.simulator.venue.listing import inferred_rules, listing_from_rules

LISTING = listing_from_rules(
    inferred_rules("LTCBTC", tick_size=Decimal("0.000001"), step_size=Decimal("0.001"))
)
QUOTE = venue_quote(
    symbol="LTCBTC",
    update_id=42,
    bid=("0.00257700", "21.46100000"),
    ask=("0.00257900", "0.00100000"),
)


def levels_of(levels_max: int = 20, **changes: Any) -> Any:  # noqa: ANN401 - quote fields, JSON
    """Return the depth of the quote, or of a changed quote."""
    quote: VenueQuote = venue_quote(symbol="LTCBTC", update_id=42, **changes) if changes else QUOTE
    return OrderBook(LISTING, QUOTE).levels(quote, levels_max)


def test_the_first_level_is_the_quote_exactly() -> None:
    """Update id, price and quantity equal the newest frame."""
    assert levels_of(levels_max=1) == {
        "lastUpdateId": 42,
        "bids": [["0.00257700", "21.46100000"]],
        "asks": [["0.00257900", "0.00100000"]],
    }


def test_deeper_levels_have_worse_prices_on_the_grid() -> None:
    """Bids fall and asks rise in whole ticks, and the same quote has the same levels."""
    answer = levels_of()
    assert levels_of() == answer
    bids = [Decimal(price) for price, _ in answer["bids"]]
    asks = [Decimal(price) for price, _ in answer["asks"]]

    assert len(bids) == len(asks) == 20
    assert all(a > b for a, b in itertools.pairwise(bids))
    assert all(a < b for a, b in itertools.pairwise(asks))
    for price, quantity in answer["bids"] + answer["asks"]:
        assert Decimal(price) % LISTING.tick_size == 0
        assert Decimal(quantity) % LISTING.step_size == 0
        assert Decimal(quantity) > 0


def test_an_empty_side_has_no_levels() -> None:
    """An empty ask side leaves the bid side complete."""
    answer = levels_of(bid=("0.00257700", "21.46100000"))

    assert answer["asks"] == []
    assert len(answer["bids"]) == 20


def test_bids_end_above_zero() -> None:
    """No bid is below one tick."""
    answer = levels_of(levels_max=100, bid=("0.00000900", "1.00000000"))
    prices = [Decimal(price) for price, _ in answer["bids"]]

    assert 1 < len(prices) <= 9
    assert min(prices) >= LISTING.tick_size


def test_levels_stay_while_the_best_ones_move() -> None:
    """Only the levels between two best prices come or go."""
    before = dict(levels_of(500)["asks"])
    moved = levels_of(400, bid=("0.00257700", "1.00000000"), ask=("0.00259000", "7.00000000"))
    after = dict(moved["asks"])

    assert after.pop("0.00259000") == "7.00000000"
    assert after.items() <= before.items()
