"""Counting orders in all, by owner and by symbol."""

from app.domain.order import Owner, Symbol
from app.domain.order_counts import OrderCounts
from tests.support.builders import LTCBTC, make_order

ALICE, BOB, ETHBTC = Owner("alice"), Owner("bob"), Symbol("ETHBTC")


def test_orders_are_counted_until_they_are_removed() -> None:
    """Each counts once in all, for its owner and for its symbol."""
    counts = OrderCounts()
    first = make_order(number=1, owner=ALICE)
    second = make_order(number=2, owner=ALICE, symbol=ETHBTC)
    third = make_order(number=3, owner=BOB)

    for order in (first, second, third):
        counts.add(order)

    assert counts.total == 3
    assert (counts.of_owner(ALICE), counts.of_owner(BOB)) == (2, 1)
    assert (counts.of_symbol(LTCBTC), counts.of_symbol(ETHBTC)) == (2, 1)
    counts.remove(first)
    assert (counts.total, counts.of_owner(ALICE), counts.of_symbol(LTCBTC)) == (2, 1, 1)


def test_owners_and_symbols_without_orders_take_no_room() -> None:
    """Whoever comes once does not stay for ever."""
    counts = OrderCounts()
    for number in range(1, 100):
        order = make_order(number=number, owner=Owner(f"owner-{number}"))
        counts.add(order)
        counts.remove(order)

    assert counts.total == counts.of_owner(ALICE) == 0
    assert (len(counts._by_owner), len(counts._by_symbol)) == (0, 0)
