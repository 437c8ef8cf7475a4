"""Tests of ``app.recording.verify.liquidity_check``."""

from decimal import Decimal

import pytest

from app.domain.order import PUBLIC, Owner, Side
from app.recording.verify.liquidity_check import LiquidityCheck
from tests.support.builders import Amount, make_quote

ALICE = Owner("alice")
Ask = tuple[Amount, Amount]


def sell(check: LiquidityCheck, quantity: Amount, *, owner: Owner = PUBLIC) -> Decimal:
    """Fill a BUY order at the best ask; return the excess."""
    return check.sell(owner, Side.BUY, Decimal(quantity))


@pytest.mark.parametrize(
    ("asks", "left"),
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
def test_quantity_left_after_a_sale_and_further_quotes(asks: list[Ask], left: int) -> None:
    """After 5 were sold at 99.99 and these asks came, exactly ``left`` may be sold."""
    check = LiquidityCheck()
    for update_id, ask in enumerate([("99.99", 5), *asks], start=1):
        check.observe(make_quote(update_id, ask=ask))
        if update_id == 1:
            assert sell(check, 5) == 0

    assert sell(check, "0.1") == max(Decimal(0), Decimal("0.1") - left)


def test_owners_and_sides_do_not_share_quantities() -> None:
    """Each owner is filled as if alone; a SELL order takes the bid quantity."""
    check = LiquidityCheck()
    check.observe(make_quote(1, ask=("99.99", 5), bid=("99.98", 2)))

    assert sell(check, 5) == 0
    assert sell(check, 5, owner=ALICE) == 0
    assert check.sell(PUBLIC, Side.SELL, Decimal(2)) == 0
    check.observe(make_quote(2, ask=("99.99", 5), bid=("99.97", 2)))
    assert check.sell(PUBLIC, Side.SELL, Decimal(2)) == 0
    assert sell(check, 1, owner=ALICE) == 1


def test_quantity_sold_before_the_recording_counts() -> None:
    """The check starts with the ledger that the recording starts with."""
    check = LiquidityCheck()
    check.restore(PUBLIC, Side.BUY, Decimal("99.99"), Decimal(4))
    check.observe(make_quote(1, ask=("99.99", 5)))

    assert sell(check, 3) == 2
