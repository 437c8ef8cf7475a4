"""Hostile request bodies: each has its documented error, and none causes a 500."""

import asyncio
from dataclasses import dataclass

import pytest
from httpx2 import AsyncClient

from tests.support.in_memory import MemoryPorts
from tests.support.waiting import WAIT_SECONDS_MAX

BODY_BYTES_MAX = 16_384


@dataclass(frozen=True)
class Hostile:
    """A body and its expected answer; ``field`` and ``problem`` name one expected problem."""

    name: str
    body: bytes
    status: int
    code: str
    field: str | None = None
    problem: str | None = None


def malformed(name: str, body: bytes) -> Hostile:
    """Return a body that is not a JSON object."""
    return Hostile(name, body, 400, "malformed_json")


def order(**changes: str) -> bytes:
    """Return a valid order with some fields replaced by raw JSON texts; empty text omits one."""
    fields = {"symbol": '"LTCBTC"', "order_size": '"100"', "price": '"0.0026"'} | changes
    pairs = (f'"{name}": {text}' for name, text in fields.items() if text)
    return ("{" + ", ".join(pairs) + "}").encode("utf-8", "surrogatepass")


def refused(name: str, field: str, problem: str, **changes: str) -> Hostile:
    """Return an order that is refused for one field."""
    return Hostile(name, order(**changes), 422, "invalid_order", field, problem)


MALFORMED = [
    malformed("empty", b""),
    malformed("white space alone", b" \r\n\t "),
    malformed("form", b"symbol=LTCBTC&order_size=100&price=0.0026"),
    malformed("bare word", b"order"),
    malformed("single quotes", b"{'symbol': 'LTCBTC'}"),
    malformed("trailing comma", b'{"symbol": "LTCBTC",}'),
    malformed("trailing garbage", order() + b"x"),
    malformed("two objects", order() + order()),
    malformed("unclosed", order()[:-1]),
    malformed("comment", b"/* hello */" + order()),
    malformed("null", b"null"),
    malformed("true", b"true"),
    malformed("number", b"1"),
    malformed("5,000 digits alone", b"9" * 5_000),
    malformed("string", b'"LTCBTC"'),
    malformed("array", b"[" + order() + b"]"),
    malformed("NaN", order(price="NaN")),
    malformed("Infinity", order(price="Infinity")),
    malformed("-Infinity", order(price="-Infinity")),
    malformed("plus sign", order(price="+1")),
    malformed("leading zero", order(price="01")),
    malformed("leading point", order(price=".5")),
    malformed("trailing point", order(price="5.")),
    malformed("hexadecimal", order(price="0x10")),
    malformed("bare Arabic digits", order(price="\u0661")),
    malformed("duplicate key", b'{"price": "1", "price": "1"}'),
    malformed("duplicate key by escape", b'{"price": "1", "p\\u0072ice": "2"}'),
    malformed("duplicate key within", order(note='{"a": 1, "a": 2}')),
    malformed("two byte order marks", b"\xef\xbb\xbf" * 2 + order()),
    malformed("only a byte order mark", b"\xef\xbb\xbf"),
    malformed("UTF-16", order().decode().encode("utf-16")),
    malformed("UTF-16 without mark", order().decode().encode("utf-16-le")),
    malformed("UTF-32", order().decode().encode("utf-32")),
    malformed("Latin-1", order(symbol='"LTCBT\u00c7"').decode().encode("latin-1")),
    malformed("overlong UTF-8", b'{"symbol": "\xc0\xaf"}'),
    malformed("raw surrogate", order(symbol='"\ud800"')),
    malformed("escaped surrogate", order(symbol='"\\ud800"')),
    malformed("escaped surrogate pair reversed", order(symbol='"\\udc00\\ud800"')),
    malformed("escaped surrogate as key", b'{"\\ud800": 1}'),
    malformed("escaped surrogate deep inside", order(note='[{"a": ["\\udfff"]}]')),
    malformed("escaped NUL", order(symbol='"LTC\\u0000BTC"')),
    malformed("raw NUL", order(symbol='"LTC\x00BTC"')),
    malformed("raw line break in a string", order(symbol='"LTC\nBTC"')),
    malformed("deep array", b"[" * 16_000),
    malformed("deep object", b'{"a":' * 3_000),
    malformed("deep and closed", order(note="[" * 8_000 + "]" * 8_000)),
    malformed("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"),
    Hostile("200,000 deep", b"[" * 200_000, 413, "body_too_large"),
    Hostile("one byte too many", order().ljust(BODY_BYTES_MAX + 1), 413, "body_too_large"),
]

REFUSED = [
    Hostile("no fields", b"{}", 422, "invalid_order", "symbol", "required"),
    refused("no symbol", "symbol", "required", symbol=""),
    refused("no quantity", "order_size", "required", order_size=""),
    refused("no price", "price", "required", price=""),
    refused("null symbol", "symbol", "wrong_type", symbol="null"),
    refused("number as symbol", "symbol", "wrong_type", symbol="1"),
    refused("array as symbol", "symbol", "wrong_type", symbol='["LTCBTC"]'),
    refused("object as symbol", "symbol", "wrong_type", symbol='{"$ne": ""}'),
    refused("empty symbol", "symbol", "invalid_symbol", symbol='""'),
    refused("long symbol", "symbol", "invalid_symbol", symbol=f'"{"A" * 21}"'),
    refused("symbol with a slash", "symbol", "invalid_symbol", symbol='"LTC/BTC"'),
    refused("symbol with a path", "symbol", "invalid_symbol", symbol='"../LTCBTC"'),
    refused("symbol with a space", "symbol", "invalid_symbol", symbol='" LTCBTC"'),
    refused("symbol with a line break", "symbol", "invalid_symbol", symbol='"LTCBTC\\n"'),
    refused("symbol with a query", "symbol", "invalid_symbol", symbol='"A&limit=5000"'),
    refused("symbol with SQL", "symbol", "invalid_symbol", symbol='"\'; DROP--"'),
    refused("unknown symbol", "symbol", "unknown_symbol", symbol='"ABCXYZ"'),
    refused("long s is no S", "symbol", "unknown_symbol", symbol='"\u017fTCBTC"'),
    refused("full-width letters", "symbol", "unknown_symbol", symbol='"\uff2cTCBTC"'),
    refused("halted symbol", "symbol", "symbol_not_trading", symbol='"HALTBTC"'),
    refused("boolean as price", "price", "wrong_type", price="true"),
    refused("null price", "price", "wrong_type", price="null"),
    refused("array as price", "price", "wrong_type", price="[1]"),
    refused("object as price", "price", "wrong_type", price="{}"),
    refused("nested array as price", "price", "wrong_type", price="[" * 100 + "]" * 100),
    refused("empty price", "price", "invalid_amount", price='""'),
    refused("words as price", "price", "invalid_amount", price='"cheap"'),
    refused("NaN as a string", "price", "invalid_amount", price='"NaN"'),
    refused("Infinity as a string", "price", "invalid_amount", price='"Infinity"'),
    refused("sNaN as a string", "price", "invalid_amount", price='"sNaN"'),
    refused("tiny exponent", "price", "invalid_amount", price="1e-13"),
    refused("long exponent", "price", "invalid_amount", price="1e" + "9" * 5_000),
    refused("negative exponent", "price", "not_positive", price="-1e-4"),
    refused("zero with exponent", "price", "not_positive", price="0e5"),
    refused("exponent as a string", "price", "invalid_amount", price='"1e-4"'),
    refused("1e400", "price", "invalid_amount", price="1e400"),
    refused("1E+999999", "price", "invalid_amount", price="1E+999999"),
    refused("1E-999999999999", "price", "invalid_amount", price="1E-999999999999"),
    refused("5,000 digits", "price", "invalid_amount", price="9" * 5_000),
    refused("5,000 digits as a string", "price", "invalid_amount", price=f'"{"9" * 5_000}"'),
    refused("5,000 decimals", "price", "invalid_amount", price="0." + "1" * 5_000),
    refused("Arabic digits", "price", "invalid_amount", price='"\u0661\u0662"'),
    refused("full-width digits", "price", "invalid_amount", price='"\uff11"'),
    refused("superscript", "price", "invalid_amount", price='"\u00b2"'),
    refused("comma", "price", "invalid_amount", price='"0,0026"'),
    refused("underscore", "price", "invalid_amount", price='"1_000"'),
    refused("spaces around", "price", "invalid_amount", price='" 1 "'),
    refused("line break behind", "price", "invalid_amount", price='"1\\n"'),
    refused("plus as a string", "price", "invalid_amount", price='"+1"'),
    refused("two minus signs", "price", "invalid_amount", price='"--1"'),
    refused("hexadecimal as a string", "price", "invalid_amount", price='"0x10"'),
    refused("zero price", "price", "not_positive", price="0"),
    refused("zero price with decimals", "price", "not_positive", price='"0.000"'),
    refused("minus zero", "price", "not_positive", price="-0"),
    refused("negative price", "price", "not_positive", price="-0.0026"),
    refused("negative quantity", "order_size", "not_positive", order_size='"-100"'),
    refused("zero quantity", "order_size", "not_positive", order_size="0.0"),
    refused("price between ticks", "price", "price_filter", price='"0.0026001234"'),
    refused("price below the least", "price", "price_filter", price='"0.000000000001"'),
    refused("price above the most", "price", "price_filter", price='"9999999999999999"'),
    refused("quantity between steps", "order_size", "lot_size", order_size='"1.0005"'),
    refused("quantity above the most", "order_size", "lot_size", order_size='"9999999999999999"'),
    refused("too small a notional", "order_size", "notional", order_size='"0.001"'),
    refused("unknown side", "side", "invalid_side", side='"HOLD"'),
    refused("long s in the side", "side", "invalid_side", side='"\u017fell"'),
    refused("number as side", "side", "wrong_type", side="1"),
    refused("null side", "side", "wrong_type", side="null"),
    refused("zero time", "timeout_seconds", "not_positive", timeout_seconds="0"),
    refused("negative time", "timeout_seconds", "not_positive", timeout_seconds="-1"),
    refused("too long a time", "timeout_seconds", "out_of_range", timeout_seconds="86400.001"),
    refused("endless time", "timeout_seconds", "out_of_range", timeout_seconds="1e9"),
    refused("too exact a time", "timeout_seconds", "too_precise", timeout_seconds='"0.0001"'),
    refused("words as time", "timeout_seconds", "invalid_amount", timeout_seconds='"soon"'),
    refused("boolean as time", "timeout_seconds", "wrong_type", timeout_seconds="false"),
    refused("null time", "timeout_seconds", "wrong_type", timeout_seconds="null"),
    refused("GTC", "time_in_force", "invalid_time_in_force", time_in_force='"GTC"'),
    refused("empty time in force", "time_in_force", "invalid_time_in_force", time_in_force='""'),
    *[
        refused(
            f"{kind} with a time",
            "timeout_seconds",
            "not_applicable",
            time_in_force=f'"{kind}"',
            timeout_seconds="5",
        )
        for kind in ("IOC", "FOK")
    ],
    refused("number as time in force", "time_in_force", "wrong_type", time_in_force="1"),
    refused("number as key", "client_order_id", "wrong_type", client_order_id="1"),
    refused("array as key", "client_order_id", "wrong_type", client_order_id='["a"]'),
    *[
        refused(f"key {text}", "client_order_id", "invalid_client_order_id", client_order_id=text)
        for text in ('""', '"a.b"', '"a\\n"', '"\u00e4"', f'"{"a" * 37}"')
    ],
    refused("unknown field", "quantity", "unknown_field", quantity="1"),
    refused("prototype", "__proto__", "unknown_field", __proto__='{"side": "SELL"}'),
    Hostile("empty field", b'{"": 1}', 422, "invalid_order", "", "unknown_field"),
]


@pytest.mark.parametrize("case", MALFORMED + REFUSED, ids=lambda case: case.name)
async def test_hostile_body_gets_its_error(
    client: AsyncClient, ports: MemoryPorts, case: Hostile
) -> None:
    """A hostile body gets a short answer with the expected error, and no order is placed."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):  # an accepted order would wait
        response = await client.post("/order/limit", content=case.body)

    assert response.status_code == case.status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == case.code
    assert problem["status"] == case.status
    if case.problem is not None:
        assert (case.field, case.problem) in {
            (error["field"], error["code"]) for error in problem["errors"]
        }
        assert all(error["message"] for error in problem["errors"])
    assert len(response.content) < 2_500
    assert not ports.orders.snapshots
