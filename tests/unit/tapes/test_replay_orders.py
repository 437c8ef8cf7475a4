"""Tests of ``app.tapes.replay_orders``."""

import json
from decimal import Decimal

import pytest

from app.domain.errors import StartupError
from app.domain.order import PUBLIC, OrderId, Owner, Side, Symbol
from app.tapes.replay import ReplayOrder
from app.tapes.replay_orders import ORDERS_BYTES_MAX, PLACED_TS_MAX, OrdersError, read_orders

ORDER = {
    "id": "a",
    "symbol": "LTCBTC",
    "side": "SELL",
    "order_size": "100",
    "price": "0.0026",
    "placed_ts": 1_723_161_254_500_000,
    "timeout_ms": 30_000,
}


MISSING = "missing"


def changed(change: dict[str, object]) -> dict[str, object]:
    """Return the order with other fields, and without those that are ``MISSING``."""
    return {key: value for key, value in {**ORDER, **change}.items() if value != MISSING}


def listed(*names: str) -> str:
    """Write a list of orders with these ids."""
    return json.dumps([{**ORDER, "id": name} for name in names])


def read(text: str) -> list[ReplayOrder]:
    """Read orders from a file named orders.json."""
    return read_orders(text.encode(), "orders.json")


def test_an_order_is_read_as_it_was_written() -> None:
    """Amounts keep every digit, times are microseconds, and the default owner is shared."""
    assert read(json.dumps([ORDER])) == [
        ReplayOrder(
            order_id=OrderId("a"),
            owner=PUBLIC,
            symbol=Symbol("LTCBTC"),
            side=Side.SELL,
            quantity=Decimal(100),
            limit_price=Decimal("0.0026"),
            placed_ts=1_723_161_254_500_000,
            timeout_us=30_000_000,
        )
    ]


def test_side_and_owner_have_defaults_and_symbols_any_case() -> None:
    """As in a posted order, BUY is the default and lower case is accepted."""
    order = {**ORDER, "symbol": "ltcbtc", "owner": "alice"}
    del order["side"]

    (read_order,) = read(json.dumps([order]))

    assert (read_order.side, read_order.owner) == (Side.BUY, Owner("alice"))
    assert read_order.symbol == "LTCBTC"
    assert read(json.dumps([{**ORDER, "side": "sell"}]))[0].side is Side.SELL


def test_amounts_may_be_numbers_and_never_pass_through_a_float() -> None:
    """Every digit counts, as text or as a number."""
    text = json.dumps([ORDER]).replace('"100"', "0.1234567890123").replace('"0.0026"', "7")
    text = text.replace("0.1234567890123", "1234567890123456.123456789012")

    assert read(text)[0].quantity == Decimal("1234567890123456.123456789012")
    assert read(text)[0].limit_price == 7


def test_one_order_per_line_is_as_good_as_a_list() -> None:
    """Blank lines, a byte order mark, and a line separator in a name are accepted."""
    lines = "\n\n".join(listed(name)[1:-1] for name in "abc") + "\r\n"

    assert read("\ufeff" + lines) == read(listed("a", "b", "c"))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"id": 7}, "order 1 (7): id must be a string, not a number"),
        ({"id": ""}, "order 1: id must be 1 to 100 printable characters"),
        ({"id": "x" * 101}, "id must be 1 to 100 printable characters"),
        ({"id": "a\x1b[2Jb"}, r"order 1 (a\x1b[2Jb): id must be 1 to 100 printable characters"),
        ({"owner": None}, "order 1 (a): owner must be a string, not null"),
        ({"symbol": "LTC/BTC"}, "symbol must be 1 to 20 letters or digits"),
        ({"side": "HOLD"}, "side must be BUY (the default) or SELL"),
        ({"side": True}, "side must be BUY (the default) or SELL"),
        ({"order_size": "0"}, "order_size must be above zero"),
        ({"order_size": "-1"}, "order_size must be above zero"),
        ({"order_size": -1}, "order_size must be above zero"),
        ({"order_size": "1e3"}, "order_size must be a plain decimal number"),
        ({"order_size": 1e30}, "order_size must have at most 16 digits before"),
        ({"order_size": "NaN"}, "order_size must be a plain decimal number"),
        ({"order_size": "٣"}, "order_size must be a plain decimal number"),
        ({"order_size": "0.0000000000001"}, "order_size must be a plain decimal number"),
        ({"order_size": "1" * 17}, "order_size must be a plain decimal number"),
        ({"order_size": None}, "order_size must be a string or a number, not null"),
        ({"price": [1]}, "price must be a string or a number, not an array"),
        ({"price": {}}, "price must be a string or a number, not an object"),
        ({"price": ""}, "price must be a plain decimal number"),
        ({"placed_ts": "1"}, "placed_ts must be an integer, not a string"),
        ({"placed_ts": True}, "placed_ts must be an integer, not a boolean"),
        ({"placed_ts": 1.5}, "placed_ts must be an integer from 1 to"),
        ({"placed_ts": 0}, "placed_ts must be an integer from 1 to"),
        ({"placed_ts": -5}, "placed_ts must be an integer from 1 to"),
        ({"placed_ts": PLACED_TS_MAX + 1}, "placed_ts must be an integer from 1 to"),
        ({"timeout_ms": 0}, "timeout_ms must be an integer from 1 to 86400000"),
        ({"timeout_ms": 86_400_001}, "timeout_ms must be an integer from 1 to 86400000"),
        ({"tif": "IOC"}, "tif is unknown; known are id, symbol"),
        ({"\x1b[2J": 1}, r"\x1b[2J is unknown"),
        *(({field: MISSING}, f"{field} is missing") for field in ORDER if field != "side"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_bad_field_is_one_line(change: dict[str, object], cause: str) -> None:
    """The message names the order, the field, and its allowed values."""
    with pytest.raises(OrdersError) as caught:
        read(json.dumps([changed(change)]))

    message = str(caught.value)
    assert message.startswith("orders.json: order 1")
    assert cause in message
    assert message.isprintable()
    assert isinstance(caught.value, StartupError)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "not JSON at line 1 column 1"),
        ("nonsense", "not JSON at line 1 column 1"),
        ("[{},\n{]", "not JSON at line 2 column 2"),
        ('{"id":"a"\n', "not JSON at line 1 column 10"),
        ("7", "neither a JSON list of orders nor one order per line"),
        ("[]", "contains no orders"),
        ("[7]", "order 1: must be an object, not a number"),
        ("[[]]", "order 1: must be an object, not an array"),
        ('[{"id":"a","id":"b"}]', "id is given twice in one object"),
        ('[{"price":NaN}]', "NaN and Infinity are not JSON"),
        ('{"price":-Infinity}', "line 1 NaN and Infinity are not JSON"),
        ("[" * 200_000, "nested too deeply"),
        (b"\x1f\x8b", "not UTF-8 at byte 1"),
        (bytes(ORDERS_BYTES_MAX + 1), f"more than {ORDERS_BYTES_MAX} bytes"),
        (listed("a", "b", "c", "d"), "more than 3 orders"),
        (listed("a", "b", "a"), "order 3 (a): the id is already used by order 1"),
        # The integer is never computed.
        (listed("a").replace("30000", "3" * 5_000), "timeout_ms must be an integer from 1 to"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(text: str | bytes, cause: str) -> None:
    """The message names the file and the position. A file too large never fills the memory."""
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(OrdersError) as caught:
        read_orders(content, "orders.json", orders_max=3)

    assert str(caught.value).startswith("orders.json: ")
    assert cause in str(caught.value)
    assert "\n" not in str(caught.value)
