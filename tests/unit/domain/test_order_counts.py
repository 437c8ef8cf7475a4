"""Tests of ``app.domain.order_counts``."""

import pytest

from app.domain.errors import TooManyOrdersError
from app.domain.order import Owner, Symbol
from app.domain.order_counts import OpenOrderLimits, OrderCounts
from tests.support.builders import LTCBTC, make_order

ALICE, BOB, ETHBTC = Owner("alice"), Owner("bob"), Symbol("ETHBTC")


def test_orders_are_counted_until_they_are_removed() -> None:
    """Each order counts once in all, for its owner and for its symbol."""
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


def test_owners_and_symbols_without_orders_take_no_memory() -> None:
    """An owner or symbol whose orders ended leaves no memory behind."""
    counts = OrderCounts()
    for number in range(1, 100):
        order = make_order(number=number, owner=Owner(f"owner-{number}"))
        counts.add(order)
        counts.remove(order)

    assert counts.total == counts.of_owner(ALICE) == 0
    assert (len(counts._by_owner), len(counts._by_symbol)) == (0, 0)


@pytest.mark.parametrize(
    ("limits", "refused", "admitted", "says"),
    [
        ({"total": 3}, (BOB, ETHBTC), None, "the service may have at most 3"),
        ({"per_owner": 2}, (ALICE, ETHBTC), (BOB, LTCBTC), "an owner may have at most 2"),
        ({"per_symbol": 2}, (BOB, LTCBTC), (ALICE, ETHBTC), "the symbol LTCBTC may have at most 2"),
    ],
)
def test_a_refusal_names_its_limit(
    limits: dict[str, int],
    refused: tuple[Owner, Symbol],
    admitted: tuple[Owner, Symbol] | None,
    says: str,
) -> None:
    """Open orders and orders being written both count; an order within all limits is accepted."""
    allowed = OpenOrderLimits(**({"total": 9, "per_owner": 9, "per_symbol": 9} | limits))
    opened, under_way = OrderCounts(), OrderCounts()
    orders = [make_order(number=number, owner=ALICE) for number in (1, 2)]
    opened.add(orders[0])
    under_way.add(orders[1])
    if limits.get("total") == 3:
        opened.add(make_order(number=3, owner=BOB, symbol=ETHBTC))

    with pytest.raises(TooManyOrdersError, match=says):
        allowed.check_room(*refused, opened, under_way)
    if admitted is not None:
        allowed.check_room(*admitted, opened, under_way)
    under_way.remove(orders[1])
    allowed.check_room(*refused, opened, under_way)
