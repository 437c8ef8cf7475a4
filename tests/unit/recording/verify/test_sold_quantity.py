"""Tests of ``app.recording.verify.sold_quantity``: the fill rule once more, in other words."""

from decimal import Decimal

import pytest

from app.domain.order import PUBLIC, Owner, Side
from app.recording.verify.sold_quantity import SoldQuantities
from tests.support.builders import Amount, make_quote

ALICE = Owner("alice")
Touch = tuple[Amount, Amount]


def sell(lots: SoldQuantities, quantity: Amount, *, owner: Owner = PUBLIC) -> Decimal:
    """Sell to a BUY at the touch; return the excess."""
    return lots.sell(owner, Side.BUY, Decimal(quantity))


@pytest.mark.parametrize(
    ("touches", "left"),
    [
        ([], 0),
        ([("99.99", 5)], 0),
        ([("99.99", 4)], 0),
        ([("99.99", 8)], 3),
        ([("99.99", 4), ("99.99", 5)], 1),
        ([("99.49", 3), ("99.99", 5)], 0),
        ([("101.00", 3), ("99.99", 5)], 5),
        ([("0", 0), ("99.99", 5)], 5),
    ],
)
def test_what_is_left_of_a_lot_that_was_sold(touches: list[Touch], left: int) -> None:
    """5 were sold at 99.99: what may be sold after these touches, and not a bit more."""
    lots = SoldQuantities()
    for update_id, ask in enumerate([("99.99", 5), *touches], start=1):
        lots.show(make_quote(update_id, ask=ask))
        if update_id == 1:
            assert sell(lots, 5) == 0

    assert sell(lots, "0.1") == max(Decimal(0), Decimal("0.1") - left)


def test_owners_and_sides_do_not_share_lots() -> None:
    """Each is filled as if alone; a SELL takes what is bid."""
    lots = SoldQuantities()
    lots.show(make_quote(1, ask=("99.99", 5), bid=("99.98", 2)))

    assert sell(lots, 5) == 0
    assert sell(lots, 5, owner=ALICE) == 0
    assert lots.sell(PUBLIC, Side.SELL, Decimal(2)) == 0
    lots.show(make_quote(2, ask=("99.99", 5), bid=("99.97", 2)))
    assert lots.sell(PUBLIC, Side.SELL, Decimal(2)) == 0
    assert sell(lots, 1, owner=ALICE) == 1


def test_what_was_sold_before_the_recording_counts() -> None:
    """The ledger at its start is taken over."""
    lots = SoldQuantities()
    lots.remember(PUBLIC, Side.BUY, Decimal("99.99"), Decimal(4))
    lots.show(make_quote(1, ask=("99.99", 5)))

    assert sell(lots, 3) == 2
