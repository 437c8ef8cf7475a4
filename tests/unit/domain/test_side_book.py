"""Tests of ``app.domain.side_book``."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.order import PUBLIC, Side
from app.domain.side_book import SideBook
from tests.support.builders import make_quote

QUOTE = make_quote(1)


@pytest.fixture(params=list(Side))
def book(request: pytest.FixtureRequest) -> SideBook:
    """Make a side book that has observed ``QUOTE``."""
    book = SideBook(PUBLIC, request.param, ())
    assert book.observe(QUOTE)
    return book


def test_same_touch_in_another_spelling_is_not_new(book: SideBook) -> None:
    """100 and 100.0 are one price, even as two objects."""
    price, quantity = Decimal("1.0"), Decimal("1.00")
    same = replace(
        QUOTE,
        bid_price=QUOTE.bid_price * price,
        bid_quantity=QUOTE.bid_quantity * quantity,
        ask_price=QUOTE.ask_price * price,
        ask_quantity=QUOTE.ask_quantity * quantity,
    )

    assert not book.observe(QUOTE)
    assert not book.observe(same)


def test_changed_or_forgotten_touch_is_new(book: SideBook) -> None:
    """The price changed, the quantity changed, or there was no quote."""
    more = replace(QUOTE, bid_quantity=Decimal(77), ask_quantity=Decimal(77))
    farther = replace(more, bid_price=Decimal(1), ask_price=Decimal(1000))

    assert book.observe(more)
    assert book.observe(farther)
    book.forget_touch()
    assert book.observe(farther)
