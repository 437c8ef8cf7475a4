"""When a quote is news to one side of the book."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.order import PUBLIC, Side
from app.domain.side_book import SideBook
from tests.support.builders import make_quote

QUOTE = make_quote(1)


@pytest.fixture(params=list(Side))
def book(request: pytest.FixtureRequest) -> SideBook:
    """Make a side that has seen ``QUOTE``."""
    book = SideBook(PUBLIC, request.param, ())
    assert book.observe(QUOTE)
    return book


def test_same_touch_is_no_news_in_other_words_either(book: SideBook) -> None:
    """100 and 100.0 are one price, whether or not it is the very object."""
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


def test_touch_that_changed_or_was_forgotten_is_news(book: SideBook) -> None:
    """A price, a quantity, or what came while there was no quote."""
    more = replace(QUOTE, bid_quantity=Decimal(77), ask_quantity=Decimal(77))
    farther = replace(more, bid_price=Decimal(1), ask_price=Decimal(1000))

    assert book.observe(more)
    assert book.observe(farther)
    book.forget_touch()
    assert book.observe(farther)
