"""Reading an order from the fields of a body; ``test_hostile_bodies`` tests the refusals."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.api.orders.limit_order import read_limit_order
from app.domain.amounts import format_amount
from app.domain.errors import InvalidOrderError
from app.domain.order import NewOrder, Owner, Side, Symbol, TimeInForce
from app.exact_json import JsonNumber
from tests.support.in_process import OPTIONS

OWNER = Owner("alice")
FIELDS: dict[str, object] = {
    "symbol": "ltcbtc",
    "order_size": JsonNumber("1000"),
    "price": JsonNumber("0.0001"),
}


SETTINGS = replace(OPTIONS, order_timeout_seconds=Decimal(30))


def read(values: dict[str, object], *keys: str) -> NewOrder:
    """Read an order of alice, with the values of ``Idempotency-Key`` headers."""
    order = read_limit_order(values, idempotency_keys=keys, options=SETTINGS)
    return order.new_order(owner=OWNER, options=SETTINGS)


def test_fields_left_out_have_their_defaults() -> None:
    """An order without optional fields is a BUY that rests for the default time."""
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
    """A time is read exactly, with up to three decimals besides trailing zeros."""
    assert read(FIELDS | {"timeout_seconds": sent}).timeout_seconds == seconds


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_order_that_does_not_rest_waits_five_seconds_for_its_quote(
    time_in_force: TimeInForce,
) -> None:
    """IOC and FOK orders do not use the default time of resting orders."""
    order = read(FIELDS | {"time_in_force": time_in_force.lower()})

    assert (order.time_in_force, order.timeout_seconds) == (time_in_force, Decimal(5))


@pytest.mark.parametrize(
    ("in_body", "in_header", "key"),
    [
        ({}, [], None),
        ({"client_order_id": None}, [], None),
        ({"client_order_id": "k-1"}, [], "k-1"),
        ({}, ["k-1"], "k-1"),
        ({"client_order_id": None}, ['"k-1"'], "k-1"),
        ({"client_order_id": "k-1"}, ['"k-1"'], "k-1"),
    ],
)
def test_header_and_body_give_the_same_key(
    in_body: dict[str, object], in_header: list[str], key: str | None
) -> None:
    """The key may come from the header, the body, or both if they are equal."""
    assert read(FIELDS | in_body, *in_header).client_order_id == key


def test_amounts_are_exact_to_the_digit() -> None:
    """The longest accepted amount is read without loss."""
    order = read(FIELDS | {"order_size": "9999999999999999.999999999999"})

    assert order.quantity == Decimal("9999999999999999.999999999999")


@pytest.mark.parametrize(
    ("number", "amount"),
    [
        ("1.405e-05", "0.00001405"),
        ("7.9e-7", "0.00000079"),
        ("1E-8", "0.00000001"),
        ("1e3", "1000"),
        ("1e15", "1000000000000000"),
        ("1e+15", "1000000000000000"),
        ("25E-1", "2.5"),
        ("0.00000000000100000000e00", "0.000000000001"),
        ("1.50000000000000000000", "1.5"),
        ("1000000000000000000000e-12", "1000000000"),
        ("0.0000000000000000001e19", "1"),
        ("1e-00000012", "0.000000000001"),
    ],
)
def test_a_json_number_is_exact_in_any_notation(number: str, amount: str) -> None:
    """Encoders of Python, JavaScript and PHP write small and large floats with an exponent."""
    order = read(FIELDS | {"price": JsonNumber(number), "order_size": JsonNumber(number)})

    assert format_amount(order.limit_price) == amount
    assert order.quantity == Decimal(amount)


def test_a_string_stays_plain() -> None:
    """The message says that a number may have an exponent."""
    with pytest.raises(InvalidOrderError, match="a JSON number may have an exponent"):
        read(FIELDS | {"price": "1e-5"})


def test_every_problem_of_body_and_header_is_told_at_once() -> None:
    """All problems are listed together: missing fields first, unknown fields last."""
    values: dict[str, object] = {
        "order_size": "0",
        "time_in_force": "IOC",
        "timeout_seconds": "5",
        "prise": "1",
    }

    with pytest.raises(InvalidOrderError) as caught:
        read(values | {"client_order_id": "k-1"}, "k-2")

    assert [(problem.field, problem.code) for problem in caught.value.problems] == [
        ("symbol", "required"),
        ("price", "required"),
        ("order_size", "not_positive"),
        ("timeout_seconds", "not_applicable"),
        ("Idempotency-Key", "differs"),
        ("prise", "unknown_field"),
    ]


def test_header_is_not_compared_with_a_key_that_cannot_be_read() -> None:
    """If the key in the body is malformed, it is the only problem reported."""
    with pytest.raises(InvalidOrderError) as caught:
        read(FIELDS | {"client_order_id": "a b"}, "k-2")

    assert [problem.field for problem in caught.value.problems] == ["client_order_id"]
