"""The order that a body asks for, valid in form; the venue's rules are checked apart from it."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from starlette.datastructures import Headers

from app.api.fields import (
    FieldForm,
    FieldRefusal,
    read_number_text,
    read_symbol,
    read_text,
)
from app.api.orders.order_headers import (
    IDEMPOTENCY_HEADER,
    read_client_order_id,
    read_idempotency_key,
)
from app.domain.amounts import EXACT, ZERO, format_amount, parse_amount
from app.domain.errors import InvalidOrderError
from app.domain.order import NewOrder, Owner, Side, Symbol, TimeInForce
from app.domain.symbols import upper

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
TIMEOUT_STEP_SECONDS: Final = Decimal("0.001")
"""A finer end of an order's time than a millisecond would promise what timers do not keep."""

QUOTE_WAIT_SECONDS: Final = Decimal(5)
"""How long an IOC or FOK order waits for the one quote that decides it."""

_SHARED_AMOUNTS_MAX: Final = 4_096
shared_amount = lru_cache(_SHARED_AMOUNTS_MAX)(parse_amount)
"""Reads an amount; orders ask for the same quantities again and again, and share one of each."""


def read_new_order(
    values: Mapping[str, object],
    *,
    owner: Owner,
    headers: Headers,
    timeout_seconds_default: Decimal,
    timeout_seconds_max: Decimal,
) -> NewOrder:
    """Return the order that a body and the headers beside it ask for.

    Raises:
        InvalidOrderError: with everything that is wrong with it.
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
    if time_in_force is not TimeInForce.GTD:
        if "timeout_seconds" in values:
            message = f"belongs to GTD; {time_in_force} is decided by its first quote"
            form.refuse("timeout_seconds", "not_applicable", message)
        timeout_seconds = QUOTE_WAIT_SECONDS
    client_order_id = _read_key(form, headers)
    form.refuse_unknown(ORDER_FIELDS)
    form.finish(InvalidOrderError)
    assert symbol, "an order names its symbol"
    assert quantity > ZERO, "an order asks for something"
    assert limit_price > ZERO, "an order has a limit"
    return NewOrder(
        owner=owner,
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        time_in_force=time_in_force,
        quantity=quantity,
        limit_price=limit_price,
        timeout_seconds=timeout_seconds,
    )


def _read_key(form: FieldForm, headers: Headers) -> str | None:
    """Return the key that the body or the header gives, which are the same thing."""
    in_body = form.read("client_order_id", _read_client_order_id, None)
    try:
        in_header = read_idempotency_key(headers)
    except FieldRefusal as refusal:
        form.refuse(IDEMPOTENCY_HEADER, refusal.code, refusal.message)
        return in_body
    if in_body is not None and in_header is not None and in_body != in_header:
        form.refuse(
            IDEMPOTENCY_HEADER, "differs", "is not client_order_id; give one, or the same twice"
        )
    return in_header if in_body is None else in_body


def _read_client_order_id(value: object) -> str | None:
    return None if value is None else read_client_order_id(read_text(value))


def _read_amount(value: object) -> Decimal:
    text = read_number_text(value)
    try:
        amount = shared_amount(text.removeprefix("-"))
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
    text = upper(read_text(value))
    try:
        return TimeInForce(text)
    except ValueError:
        raise FieldRefusal(
            "invalid_time_in_force", "must be GTD (the default), IOC or FOK"
        ) from None
