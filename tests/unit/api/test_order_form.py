"""From the fields of a body to an order; refusals stand in ``test_hostile_bodies``."""

from decimal import Decimal

import pytest

from app.api.body import JsonNumber
from app.api.order_form import read_new_order
from app.domain.errors import InvalidOrderError
from app.domain.order import NewOrder, Owner, Side, Symbol, TimeInForce

OWNER = Owner("alice")
FIELDS: dict[str, object] = {
    "symbol": "ltcbtc",
    "order_size": JsonNumber("1000"),
    "price": JsonNumber("0.0001"),
}


def read(values: dict[str, object]) -> NewOrder:
    """Read an order with the usual settings."""
    return read_new_order(
        values,
        owner=OWNER,
        has_idempotency_key=False,
        timeout_seconds_default=Decimal(30),
        timeout_seconds_max=Decimal(86_400),
    )


def test_fields_left_out_have_their_defaults() -> None:
    """The shortest order is a BUY that rests for the usual time."""
    assert read(FIELDS) == NewOrder(
        owner=OWNER,
        client_order_id=None,
        symbol=Symbol("LTCBTC"),
        side=Side.BUY,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal(1000),
        limit_price=Decimal("0.0001"),
        timeout_seconds=Decimal(30),
    )


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (JsonNumber("0.001"), Decimal("0.001")),
        ("1.5", Decimal("1.5")),
        ("5.00000", Decimal(5)),
        (JsonNumber("86400"), Decimal(86_400)),
    ],
)
def test_time_is_read_exactly_up_to_its_bound(sent: str, seconds: Decimal) -> None:
    """Milliseconds are the finest; zeros behind them are no precision."""
    assert read(FIELDS | {"timeout_seconds": sent}).timeout_seconds == seconds


def test_amounts_are_exact_to_the_digit() -> None:
    """The longest amounts that are accepted arrive whole."""
    order = read(FIELDS | {"order_size": "9999999999999999.999999999999"})

    assert order.quantity == Decimal("9999999999999999.999999999999")


def test_message_about_an_exponent_says_what_to_send() -> None:
    """Many languages write small numbers so by themselves."""
    with pytest.raises(InvalidOrderError, match=r'a string is fine, such as "0\.00001" for 1e-5'):
        read(FIELDS | {"price": JsonNumber("1e-5")})
