"""From the fields of a body to an order; refusals stand in ``test_hostile_bodies``."""

from decimal import Decimal

import pytest
from starlette.datastructures import Headers

from app.api.orders.limit_order import read_new_order
from app.domain.errors import InvalidOrderError
from app.domain.order import NewOrder, Owner, Side, Symbol, TimeInForce
from app.exact_json import JsonNumber

OWNER = Owner("alice")
FIELDS: dict[str, object] = {
    "symbol": "ltcbtc",
    "order_size": JsonNumber("1000"),
    "price": JsonNumber("0.0001"),
}


def read(values: dict[str, object], headers: dict[str, str] | None = None) -> NewOrder:
    """Read an order with the usual settings."""
    return read_new_order(
        values,
        owner=OWNER,
        headers=Headers(headers),
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


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_order_that_does_not_rest_waits_five_seconds_for_its_quote(
    time_in_force: TimeInForce,
) -> None:
    """The usual time is for orders that rest."""
    order = read(FIELDS | {"time_in_force": time_in_force.lower()})

    assert (order.time_in_force, order.timeout_seconds) == (time_in_force, Decimal(5))


@pytest.mark.parametrize(
    ("in_body", "in_header", "key"),
    [
        ({}, {}, None),
        ({"client_order_id": None}, {}, None),
        ({"client_order_id": "k-1"}, {}, "k-1"),
        ({}, {"Idempotency-Key": "k-1"}, "k-1"),
        ({"client_order_id": None}, {"Idempotency-Key": '"k-1"'}, "k-1"),
        ({"client_order_id": "k-1"}, {"Idempotency-Key": '"k-1"'}, "k-1"),
    ],
)
def test_header_and_body_give_the_same_key(
    in_body: dict[str, object], in_header: dict[str, str], key: str | None
) -> None:
    """Either serves, and both if they agree."""
    assert read(FIELDS | in_body, in_header).client_order_id == key


def test_amounts_are_exact_to_the_digit() -> None:
    """The longest amounts that are accepted arrive whole."""
    order = read(FIELDS | {"order_size": "9999999999999999.999999999999"})

    assert order.quantity == Decimal("9999999999999999.999999999999")


def test_message_about_an_exponent_says_what_to_send() -> None:
    """Many languages write small numbers so by themselves."""
    with pytest.raises(InvalidOrderError, match=r'a string is fine, such as "0\.00001" for 1e-5'):
        read(FIELDS | {"price": JsonNumber("1e-5")})
