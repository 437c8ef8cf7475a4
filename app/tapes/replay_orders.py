"""Read the orders of a replay from JSON: a list of objects, or one object per line.

``{"id": "a", "symbol": "LTCBTC", "side": "BUY", "order_size": "100", "price": "0.0026",
"placed_ts": 1723161254500000, "timeout_ms": 30000, "owner": "alice"}``. ``side`` defaults to BUY
and ``owner`` to one owner for all. Amounts are strings or numbers and keep every digit. They must
have the form that the service requires of an order.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final, TypeVar

from app.domain.amounts import parse_amount, parse_number
from app.domain.errors import StartupError
from app.domain.order import PUBLIC, OrderId, Owner, Side, Symbol
from app.domain.symbols import spelled_symbol
from app.exact_json import (
    ConstantError,
    JsonNumber,
    NestingError,
    RepeatedKeyError,
    decode_json,
    json_type,
)
from app.tapes.replay import ReplayOrder
from app.tapes.tape_reader import printable

ORDERS_BYTES_MAX: Final = 64 * 1024 * 1024
ORDERS_MAX: Final = 200_000
TEXT_CHARACTERS_MAX: Final = 100
"""The longest id or owner, since tables show them."""

TIMEOUT_MS_MAX: Final = 86_400_000
"""One day, the maximum of the service."""

PLACED_TS_MAX: Final = 2**53 - 1
"""In the year 2255; every JSON reader keeps integers up to this one exactly."""

_REQUIRED: Final = ("id", "symbol", "order_size", "price", "placed_ts", "timeout_ms")
_KNOWN: Final = frozenset({*_REQUIRED, "side", "owner"})
_MICROSECONDS_PER_MILLISECOND: Final = 1_000
_ECHO_CHARACTERS_MAX: Final = 40
_Value = TypeVar("_Value")


class OrdersError(StartupError):
    """The orders cannot be used; the message names the source, the order and the cause."""

    code = "bad_orders"

    def __init__(self, source: str, cause: str) -> None:
        super().__init__(f"{source}: {cause}")


def read_orders(content: bytes, source: str, *, orders_max: int = ORDERS_MAX) -> list[ReplayOrder]:
    """Read all orders; messages call the file ``source``.

    Raises:
        OrdersError: the first problem.
    """
    orders: list[ReplayOrder] = []
    number_by_id: dict[OrderId, int] = {}
    for number, value in enumerate(_values(content, source), start=1):
        if number > orders_max:
            raise OrdersError(source, f"more than {orders_max} orders")
        try:
            order = _order(value)
            if order.order_id in number_by_id:
                first = number_by_id[order.order_id]
                raise ValueError(f"the id is already used by order {first}")  # noqa: TRY301
        except ValueError as error:
            raise OrdersError(source, f"order {number}{_named(value)}: {error}") from None
        number_by_id[order.order_id] = number
        orders.append(order)
    if not orders:
        raise OrdersError(source, "contains no orders")
    return orders


def read_symbol(value: object) -> Symbol:
    """Return a symbol in the venue's spelling.

    Raises:
        ValueError: not a possible symbol; the message follows the name of the field.
    """
    return spelled_symbol(_text(value))


def _values(content: bytes, source: str) -> Iterator[object]:
    if len(content) > ORDERS_BYTES_MAX:
        raise OrdersError(source, f"more than {ORDERS_BYTES_MAX} bytes")
    try:
        # Some editors write a byte order mark.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OrdersError(source, f"not UTF-8 at byte {error.start}") from None
    if text.lstrip()[:1] == "{":
        # Not splitlines(): a string may contain U+2028, which is no line end in JSON.
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield _decoded(line, source, f"line {number} ")
        return
    values = _decoded(text, source, "")
    if not isinstance(values, list):
        raise OrdersError(source, "neither a JSON list of orders nor one order per line")
    yield from values


def _decoded(text: str, source: str, where: str) -> object:
    try:
        return decode_json(text)
    except json.JSONDecodeError as error:
        place = where or f"line {error.lineno} "
        cause = f"not JSON at {place}column {error.colno}: {error.msg}"
        raise OrdersError(source, cause) from None
    except RepeatedKeyError as error:
        cause = f"{_echo(error.key)} is given twice in one object"
        raise OrdersError(source, f"{where}{cause}") from None
    except (NestingError, ConstantError) as error:
        raise OrdersError(source, f"{where}{error}") from None


def _order(value: object) -> ReplayOrder:
    """Read one order.

    Raises:
        ValueError: the first problem.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"must be an object, not {json_type(value)}")  # noqa: TRY004 - of input
    unknown = [str(key) for key in value if key not in _KNOWN]
    if unknown:
        known = ", ".join([*_REQUIRED, "side", "owner"])
        raise ValueError(f"{_echo(unknown[0])} is unknown; known are {known}")
    missing = [key for key in _REQUIRED if key not in value]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    timeout_ms = _field(value, "timeout_ms", _integer_up_to(TIMEOUT_MS_MAX))
    return ReplayOrder(
        order_id=OrderId(_field(value, "id", _text)),
        owner=Owner(_field(value, "owner", _text)) if "owner" in value else PUBLIC,
        symbol=_field(value, "symbol", read_symbol),
        side=_field(value, "side", _side) if "side" in value else Side.BUY,
        quantity=_field(value, "order_size", _amount),
        limit_price=_field(value, "price", _amount),
        placed_ts=_field(value, "placed_ts", _integer_up_to(PLACED_TS_MAX)),
        timeout_us=timeout_ms * _MICROSECONDS_PER_MILLISECOND,
    )


def _field(values: Mapping[str, object], name: str, reader: Callable[[object], _Value]) -> _Value:
    try:
        return reader(values[name])
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _text(value: object) -> str:
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        raise ValueError(f"must be a string, not {json_type(value)}")  # noqa: TRY004 - of input
    if not value or len(value) > TEXT_CHARACTERS_MAX or not value.isprintable():
        raise ValueError(f"must be 1 to {TEXT_CHARACTERS_MAX} printable characters")
    return value


def _side(value: object) -> Side:
    try:
        return Side(_text(value).upper())
    except ValueError:
        raise ValueError("must be BUY (the default) or SELL") from None


def _amount(value: object) -> Decimal:
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - of input
            f"must be a string or a number, not {json_type(value)}"
        )
    read = parse_number if isinstance(value, JsonNumber) else parse_amount
    # Both refuse a sign; without it a negative amount gets the better message.
    amount = read(value.removeprefix("-"))
    if value.startswith("-") or not amount:
        raise ValueError("must be above zero")
    return amount


def _integer_up_to(most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, JsonNumber):
            raise ValueError(  # noqa: TRY004 - of input
                f"must be an integer, not {json_type(value)}"
            )
        if not re.fullmatch("[0-9]{1,16}", value, re.ASCII) or not 0 < int(value) <= most:
            raise ValueError(f"must be an integer from 1 to {most}")
        return int(value)

    return read


def _named(value: object) -> str:
    """Return the order's id in parentheses, if it has one."""
    order_id = value.get("id") if isinstance(value, Mapping) else None
    return f" ({_echo(order_id)})" if isinstance(order_id, str) and order_id else ""


def _echo(text: str) -> str:
    return printable(text[:_ECHO_CHARACTERS_MAX]) + (
        "…" if len(text) > _ECHO_CHARACTERS_MAX else ""
    )
