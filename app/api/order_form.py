"""The order that a body asks for, valid in form; the venue's rules are checked apart from it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from app.api.fields import (
    NOT_SUPPORTED,
    FieldForm,
    FieldRefusal,
    read_number_text,
    read_symbol,
    read_text,
    upper,
)
from app.domain.amounts import EXACT, ZERO, format_amount, parse_amount
from app.domain.errors import InvalidOrderError
from app.domain.order import NewOrder, Owner, Side, Symbol, TimeInForce

ORDER_FIELDS: Final = (
    "symbol",
    "order_size",
    "price",
    "side",
    "time_in_force",
    "timeout_seconds",
    "client_order_id",
)
REQUIRED_FIELDS: Final = ("symbol", "order_size", "price")
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
TIMEOUT_STEP_SECONDS: Final = Decimal("0.001")
"""A finer end of an order's time than a millisecond would promise what timers do not keep."""


def read_new_order(
    values: Mapping[str, object],
    *,
    owner: Owner,
    has_idempotency_key: bool,
    timeout_seconds_default: Decimal,
    timeout_seconds_max: Decimal,
) -> NewOrder:
    """Return the order that the fields of a body of ``owner`` ask for.

    Raises:
        InvalidOrderError: with everything that is wrong with it.
        NotSupportedError: it is sound, but asks for what the service cannot do yet.
    """
    form = FieldForm(values)
    for field in REQUIRED_FIELDS:
        form.require(field)
    symbol = form.read("symbol", read_symbol, Symbol(""))
    quantity = form.read("order_size", _read_amount, ZERO)
    limit_price = form.read("price", _read_amount, ZERO)
    side = form.read("side", _read_side, Side.BUY)
    time_in_force = form.read("time_in_force", _read_time_in_force, TimeInForce.GTD)
    timeout_seconds = form.read("timeout_seconds", _read_timeout, timeout_seconds_default)
    if timeout_seconds > timeout_seconds_max:
        message = f"must be at most {format_amount(timeout_seconds_max)}"
        form.refuse("timeout_seconds", "out_of_range", message)
    if "client_order_id" in values:
        form.refuse("client_order_id", NOT_SUPPORTED, "is not supported yet; leave it out")
    if has_idempotency_key:
        form.refuse(IDEMPOTENCY_HEADER, NOT_SUPPORTED, "is not supported yet; leave it out")
    form.refuse_unknown(ORDER_FIELDS)
    form.finish(InvalidOrderError)
    assert symbol, "an order names its symbol"
    assert quantity > ZERO, "an order asks for something"
    assert limit_price > ZERO, "an order has a limit"
    return NewOrder(
        owner=owner,
        client_order_id=None,
        symbol=symbol,
        side=side,
        time_in_force=time_in_force,
        quantity=quantity,
        limit_price=limit_price,
        timeout_seconds=timeout_seconds,
    )


def _read_amount(value: object) -> Decimal:
    text = read_number_text(value)
    try:
        amount = parse_amount(text.removeprefix("-"))
    except ValueError as error:
        message = f'{error}; a string is fine, such as "0.00001" for 1e-5'
        raise FieldRefusal("invalid_amount", message) from None
    if text.startswith("-") or not amount:
        raise FieldRefusal("not_positive", "must be above zero")
    return amount


def _read_timeout(value: object) -> Decimal:
    seconds = _read_amount(value)
    if EXACT.remainder(seconds, TIMEOUT_STEP_SECONDS):
        raise FieldRefusal("too_precise", "must have at most 3 digits behind the point")
    return seconds


def _read_side(value: object) -> Side:
    text = upper(read_text(value))
    try:
        return Side(text)
    except ValueError:
        raise FieldRefusal("invalid_side", "must be BUY (the default) or SELL") from None


def _read_time_in_force(value: object) -> TimeInForce:
    if upper(read_text(value)) != TimeInForce.GTD:
        message = "is not supported yet other than GTD: rests for timeout_seconds"
        raise FieldRefusal(NOT_SUPPORTED, message)
    return TimeInForce.GTD
