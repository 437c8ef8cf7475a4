"""The database refuses every invalid row, from any writer."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from tests.support.databases import OpenStorage, open_storage

PRESENT_ID: Final = "'00000000-0000-7000-8000-000000000001'"
NEW_ID: Final = "'00000000-0000-7000-8000-000000000002'"
UNKNOWN_ID: Final = "'00000000-0000-7000-8000-000000000003'"

ORDER: Final = {
    "acceptance_number": "2",
    "order_id": NEW_ID,
    "owner": "'public'",
    "client_order_id": "'mine-2'",
    "symbol": "'LTCBTC'",
    "side": "'BUY'",
    "time_in_force": "'GTD'",
    "quantity": "'8'",
    "limit_price": "'0.5'",
    "status": "'NEW'",
    "reason": "NULL",
    "filled_quantity": "'0'",
    "quote_quantity": "'0'",
    "splits_total": "0",
    "last_sequence": "1",
    "accepted_at": "'2026-11-23T16:46:37.000000Z'",
    "expires_at": "'2026-11-23T16:47:07.000000Z'",
    "closed_at": "NULL",
    "arrival_update_id": "7",
    "arrival_price": "'0.5'",
    "quotes_seen": "3",
    "departure_update_id": "NULL",
    "decision_price": "NULL",
    "decision_displayed_quantity": "NULL",
    "decision_taken_quantity": "NULL",
}
PARTIAL: Final = ORDER | {
    "status": "'PARTIALLY_FILLED'",
    "filled_quantity": "'5'",
    "quote_quantity": "'2.5'",
    "splits_total": "1",
    "last_sequence": "2",
}
FILLED: Final = PARTIAL | {
    "status": "'FILLED'",
    "filled_quantity": "'8'",
    "closed_at": "'2026-11-23T16:46:38.000000Z'",
    "departure_update_id": "9",
}
NOTHING: Final = {
    "filled_quantity": "'0'",
    "quote_quantity": "'0'",
    "splits_total": "0",
    "last_sequence": "1",
}
EXPIRED: Final = FILLED | {
    "status": "'EXPIRED'",
    "reason": "'TIMEOUT'",
    "filled_quantity": "'5'",
    "last_sequence": "3",
}
DECIDED: Final = EXPIRED | {
    "time_in_force": "'IOC'",
    "reason": "'IOC_REMAINDER'",
    "decision_price": "'0.5'",
    "decision_displayed_quantity": "'15'",
    "decision_taken_quantity": "'10'",
}
DECISION: Final = tuple(name for name in DECIDED if name.startswith("decision_"))
UNDECIDED: Final = dict.fromkeys(DECISION, "NULL")
SPLIT: Final = {
    "order_id": PRESENT_ID,
    "split_number": "2",
    "update_id": "11",
    "price": "'0.5'",
    "quantity": "'5'",
    "displayed_quantity": "'5'",
    "filled_at": ORDER["accepted_at"],
}
EVENT: Final = {
    "position": "1",
    "order_id": PRESENT_ID,
    "sequence": "1",
    "status": "'NEW'",
    "reason": "NULL",
    "at": ORDER["accepted_at"],
    "split_number": "NULL",
    "filled_quantity": "'0'",
    "quote_quantity": "'0'",
}
FILL_EVENT: Final = EVENT | {
    "position": "2",
    "sequence": "2",
    "status": "'PARTIALLY_FILLED'",
    "split_number": "1",
    "filled_quantity": "'5'",
    "quote_quantity": "'2.5'",
}
END_EVENT: Final = FILL_EVENT | {
    "position": "3",
    "sequence": "3",
    "status": "'EXPIRED'",
    "reason": "'TIMEOUT'",
    "split_number": "NULL",
}
FULFILLED: Final = {
    "id": PRESENT_ID,
    "created_at": ORDER["accepted_at"],
    "symbol": "'LTCBTC'",
    "side": "'BUY'",
    "quantity": "'8'",
    "price": "'0.5'",
    "average_price": "'0.4999999999999999'",
}
GATE: Final = {"symbol": "'ETHBTC'", "update_id": "11"}
LEVEL: Final = {
    "symbol": "'LTCBTC'",
    "owner": "'public'",
    "side": "'BUY'",
    "price": "'0.5'",
    "quantity": "'5'",
    "update_id": "11",
}
OWNER: Final = {
    "id": "1",
    "venue": "'binance'",
    "epoch": "1",
    "owner": "'the owner'",
    "since": ORDER["accepted_at"],
}
KEY: Final = {"owner": "'public'", "client_order_id": "'mine-3'", "order_id": UNKNOWN_ID}
STREAM: Final = {
    "id": "1",
    "stream_id": "'0123456789abcdef'",
    "last_pruned_position": "0",
    "last_pruned_acceptance_number": "0",
}
RULES: Final = {"id": "1", "fetched_at": ORDER["accepted_at"], "rules": "'[]'"}

Row = tuple[str, dict[str, str]]

NUMBER_1: Final = {
    "acceptance_number": "1",
    "order_id": PRESENT_ID,
    "client_order_id": "'mine-1'",
}
PRESENT: Final[Sequence[Row]] = [
    ("orders", PARTIAL | NUMBER_1),
    ("fulfilled_order_splits", SPLIT | {"split_number": "1"}),
    ("symbol_gates", GATE | {"symbol": "'LTCBTC'"}),
]
"""The rows that the rows below refer to."""

SOUND: Final[Sequence[Row]] = [
    ("orders", ORDER),
    ("orders", PARTIAL),
    ("orders", FILLED),
    ("orders", EXPIRED),
    ("orders", DECIDED),
    ("orders", DECIDED | dict.fromkeys(DECISION, "'0'")),
    ("orders", DECIDED | UNDECIDED),
    ("fulfilled_order_splits", SPLIT),
    ("order_events", EVENT),
    ("order_events", FILL_EVENT),
    ("order_events", END_EVENT),
    ("fulfilled_orders", FULFILLED),
    ("symbol_gates", GATE),
    ("taken_liquidity", LEVEL),
    ("service_owner", OWNER),
    ("trading_rules", RULES),
    ("client_order_ids", KEY),
    ("event_stream", STREAM),
]
"""Each row is valid, so that a changed row below is refused only for its change."""

NOT_POSITIVE: Final = ("'0'", "'-1'")
NOT_EXACT: Final = (
    "'0.1234567890123'",
    "'12345678901234567'",
    "'NaN'",
    "'Infinity'",
    "'x'",
    "NULL",
)
NOT_CANONICAL: Final = (
    *("'1.0'", "'1.'", "'.5'", "'01'", "'00'", "'0.'", "'+1'", "'-0'", "'1e3'", "'1,5'", "''"),
    *("' 1'", "'1 '", "'1..2'", "'1.2.3'", "'٣'", "x'31'"),
)
NOT_UTC: Final = (
    "'2026-11-23T16:46:37Z'",
    "'2026-11-23T16:46:37.000Z'",
    "'2026-11-23T16:46:37.000000'",
    "'2026-11-23T16:46:37.000000+00:00'",
    "'2026-11-23 16:46:37.000000Z'",
    "1795452397",
)
AMOUNTS: Final[Sequence[tuple[str, dict[str, str], Sequence[str]]]] = [
    ("orders", ORDER, ("quantity", "limit_price")),
    ("fulfilled_order_splits", SPLIT, ("price", "quantity", "displayed_quantity")),
    ("fulfilled_orders", FULFILLED, ("quantity", "price")),
    ("taken_liquidity", LEVEL, ("price", "quantity")),
]
INSTANTS: Final[Sequence[tuple[str, dict[str, str], Sequence[str]]]] = [
    ("orders", FILLED, ("accepted_at", "expires_at", "closed_at")),
    ("fulfilled_order_splits", SPLIT, ("filled_at",)),
    ("order_events", EVENT, ("at",)),
    ("fulfilled_orders", FULFILLED, ("created_at",)),
    ("service_owner", OWNER, ("since",)),
    ("trading_rules", RULES, ("fetched_at",)),
]

BAD_ON_BOTH: Final[Sequence[Row]] = [
    ("orders", ORDER | {"acceptance_number": "0"}),
    ("orders", ORDER | {"order_id": "'short'"}),
    ("orders", ORDER | {"owner": "NULL"}),
    ("orders", ORDER | {"owner": "''"}),
    ("orders", ORDER | {"client_order_id": "''"}),
    ("orders", ORDER | {"client_order_id": f"'{'x' * 37}'"}),
    ("orders", ORDER | {"symbol": "''"}),
    ("orders", ORDER | {"symbol": f"'{'X' * 21}'"}),
    ("orders", ORDER | {"side": "'buy'"}),
    ("orders", ORDER | {"time_in_force": "'GTC'"}),
    ("orders", ORDER | {"status": "'REJECTED'"}),
    ("orders", EXPIRED | {"reason": "'BORED'"}),
    ("orders", EXPIRED | {"reason": "NULL"}),
    ("orders", EXPIRED | {"closed_at": "NULL"}),
    ("orders", EXPIRED | {"filled_quantity": "'8'"}),
    ("orders", EXPIRED | {"last_sequence": "2"}),
    ("orders", FILLED | {"reason": "'TIMEOUT'"}),
    ("orders", FILLED | {"closed_at": "NULL"}),
    ("orders", FILLED | {"filled_quantity": "'5'"}),
    ("orders", PARTIAL | {"closed_at": ORDER["accepted_at"]}),
    ("orders", PARTIAL | {"filled_quantity": "'8'"}),
    ("orders", PARTIAL | {"filled_quantity": "'9'"}),
    ("orders", PARTIAL | {"filled_quantity": "'-1'"}),
    ("orders", PARTIAL | {"filled_quantity": "'0'"}),
    ("orders", PARTIAL | {"quote_quantity": "'0'"}),
    ("orders", PARTIAL | {"quote_quantity": f"'1{'0' * 32}'"}),
    ("orders", PARTIAL | {"quote_quantity": f"'0.{'0' * 24}1'"}),
    ("orders", PARTIAL | {"splits_total": "2"}),
    ("orders", PARTIAL | {"splits_total": "0", "last_sequence": "1"}),
    ("orders", ORDER | {"splits_total": "-1"}),
    ("orders", ORDER | {"last_sequence": "2"}),
    ("orders", ORDER | {"filled_quantity": "'1'"}),
    ("orders", ORDER | {"quote_quantity": "'1'"}),
    ("orders", ORDER | {"status": "'PARTIALLY_FILLED'"}),
    ("orders", PARTIAL | {"status": "'NEW'"}),
    ("orders", FILLED | NOTHING | {"quantity": "'0'"}),
    ("orders", ORDER | {"expires_at": "'2026-11-23T16:46:36.999999Z'"}),
    ("fulfilled_order_splits", SPLIT | {"order_id": UNKNOWN_ID}),
    ("fulfilled_order_splits", SPLIT | {"split_number": "0"}),
    ("fulfilled_order_splits", SPLIT | {"update_id": "0"}),
    ("fulfilled_order_splits", SPLIT | {"quantity": "'5.1'"}),
    ("order_events", EVENT | {"position": "0"}),
    ("order_events", EVENT | {"order_id": UNKNOWN_ID}),
    ("order_events", EVENT | {"sequence": "0"}),
    ("order_events", EVENT | {"sequence": "2"}),
    ("order_events", EVENT | {"status": "'REJECTED'", "sequence": "2"}),
    ("order_events", END_EVENT | {"sequence": "0"}),
    ("order_events", END_EVENT | {"reason": "'BORED'"}),
    ("order_events", END_EVENT | {"reason": "NULL"}),
    ("order_events", END_EVENT | {"quote_quantity": "'-1'"}),
    ("order_events", EVENT | {"reason": "'TIMEOUT'"}),
    ("order_events", EVENT | {"split_number": "1"}),
    ("order_events", EVENT | {"filled_quantity": "'1'"}),
    ("order_events", FILL_EVENT | {"sequence": "1"}),
    ("order_events", FILL_EVENT | {"sequence": "3"}),
    ("order_events", FILL_EVENT | {"sequence": "3", "split_number": "2"}),
    ("order_events", FILL_EVENT | {"split_number": "NULL"}),
    ("order_events", FILL_EVENT | {"filled_quantity": "'-1'"}),
    ("fulfilled_orders", FULFILLED | {"id": UNKNOWN_ID}),
    ("fulfilled_orders", FULFILLED | {"side": "'HOLD'"}),
    ("fulfilled_orders", FULFILLED | {"average_price": "'0'"}),
    ("fulfilled_orders", FULFILLED | {"average_price": f"'0.{'0' * 28}1'"}),
    ("symbol_gates", GATE | {"update_id": "0"}),
    ("symbol_gates", GATE | {"symbol": "''"}),
    ("taken_liquidity", LEVEL | {"symbol": "'BTCUSDT'"}),
    ("taken_liquidity", LEVEL | {"owner": "''"}),
    ("taken_liquidity", LEVEL | {"side": "'HOLD'"}),
    ("taken_liquidity", LEVEL | {"update_id": "0"}),
    ("service_owner", OWNER | {"id": "2"}),
    ("service_owner", OWNER | {"venue": "''"}),
    ("service_owner", OWNER | {"owner": "''"}),
    ("service_owner", OWNER | {"epoch": "0"}),
    ("trading_rules", RULES | {"id": "2"}),
    ("orders", ORDER | {"arrival_update_id": "0"}),
    ("orders", ORDER | {"arrival_update_id": "NULL"}),
    ("orders", ORDER | {"arrival_price": "NULL"}),
    ("orders", ORDER | {"arrival_price": "'-1'"}),
    *(("orders", ORDER | {"arrival_price": bad}) for bad in NOT_EXACT),
    ("orders", ORDER | {"quotes_seen": "-1"}),
    ("orders", ORDER | {"quotes_seen": "NULL"}),
    ("orders", FILLED | {"departure_update_id": "0"}),
    ("orders", ORDER | {"departure_update_id": "7"}),
    ("orders", DECIDED | {"reason": "'TIMEOUT'"}),
    ("orders", DECIDED | {"status": "'CANCELED'", "reason": "'CANCELED_BY_CLIENT'"}),
    ("orders", DECIDED | {"departure_update_id": "NULL"}),
    ("orders", FILLED | {column: DECIDED[column] for column in DECISION}),
    ("orders", ORDER | {column: DECIDED[column] for column in DECISION}),
    ("orders", DECIDED | {"decision_taken_quantity": "'15.1'"}),
    *(("orders", DECIDED | UNDECIDED | {column: DECIDED[column]}) for column in DECISION),
    *(("orders", DECIDED | {column: bad}) for column in DECISION for bad in ("'-1'", *NOT_EXACT)),
    ("client_order_ids", KEY | {"owner": "''"}),
    ("client_order_ids", KEY | {"client_order_id": "''"}),
    ("client_order_ids", KEY | {"client_order_id": f"'{'x' * 37}'"}),
    ("client_order_ids", KEY | {"order_id": "'short'"}),
    ("event_stream", STREAM | {"id": "2"}),
    ("event_stream", STREAM | {"stream_id": "'short'"}),
    ("event_stream", STREAM | {"last_pruned_position": "-1"}),
    ("event_stream", STREAM | {"last_pruned_acceptance_number": "-1"}),
    *(
        (table, row | {column: bad})
        for table, row, columns in AMOUNTS
        for column in columns
        for bad in (*NOT_POSITIVE, *NOT_EXACT)
    ),
]
"""Rows that are invalid by themselves; the rows that they refer to exist."""

BAD_ON_SQLITE: Final[Sequence[Row]] = [
    ("orders", ORDER | {"acceptance_number": "'one'"}),
    ("orders", ORDER | {"splits_total": "'none'"}),
    ("orders", ORDER | {"splits_total": "0.5"}),
    ("orders", PARTIAL | {"splits_total": "1.25", "last_sequence": "2.25"}),
    ("fulfilled_order_splits", SPLIT | {"update_id": "'eleven'"}),
    ("orders", ORDER | {"quotes_seen": "0.5"}),
    *(("orders", ORDER | {"quantity": bad}) for bad in NOT_CANONICAL),
    *(("orders", ORDER | {"arrival_price": bad}) for bad in NOT_CANONICAL),
    *(("orders", DECIDED | {column: bad}) for column in DECISION for bad in NOT_CANONICAL),
    *(("orders", ORDER | {"filled_quantity": bad}) for bad in ("'0.0'", "'00'", "'-0'", "''")),
    *(
        (table, row | {column: bad})
        for table, row, columns in INSTANTS
        for column in columns
        for bad in NOT_UTC
    ),
]
"""Forms that exist only on SQLite: PostgreSQL's types refuse them or read the same value."""

BAD_ON_POSTGRESQL: Final[Sequence[Row]] = [
    (table, row | {column: bad})
    for table, row, columns in INSTANTS
    for column in columns
    for bad in ("'infinity'", "'-infinity'")
]

TWINS: Final[Sequence[Row]] = [
    ("orders", ORDER | {"acceptance_number": "1"}),
    ("orders", ORDER | {"order_id": PRESENT_ID}),
    ("orders", ORDER | {"client_order_id": "'mine-1'"}),
    ("order_events", EVENT | {"position": "4"}),
    ("order_events", FILL_EVENT | {"position": "4"}),
    ("taken_liquidity", LEVEL | {"quantity": "'1'"}),
    ("client_order_ids", KEY | {"order_id": NEW_ID}),
    ("client_order_ids", KEY | {"client_order_id": "'mine-4'"}),
    *SOUND[7:],
]
"""Rows that repeat the key of a valid row above; those from the splits on are stored first."""


@pytest.fixture
async def storage(url: str) -> AsyncIterator[OpenStorage]:
    """Open a database with the rows that other rows refer to."""
    async with open_storage(url) as storage:
        await storage.execute("DELETE FROM service_owner")
        await storage.execute("DELETE FROM event_stream")
        for table, row in PRESENT:
            await storage.execute(insert(table, row))
        yield storage


def insert(table: str, row: dict[str, str]) -> str:
    """Return an INSERT with literal values, as any program may send it."""
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"  # noqa: S608 - literals of this file


async def accepted_by(storage: OpenStorage, rows: Sequence[Row]) -> list[str]:
    """Insert each row separately, roll it back, and return the rows that were accepted."""

    def try_each(connection: Connection) -> list[str]:
        accepted = []
        for table, row in rows:
            statement = insert(table, row)
            savepoint = connection.begin_nested()
            try:
                connection.execute(text(statement))
            except DBAPIError:
                pass
            else:
                accepted.append(statement)
            savepoint.rollback()
        return accepted

    return await storage.database.write(try_each)


async def test_sound_rows_are_accepted(storage: OpenStorage) -> None:
    """Every state of an order and every other valid row can be stored."""
    assert len(await accepted_by(storage, SOUND)) == len(SOUND)


async def test_every_bad_form_is_refused(storage: OpenStorage, url: str) -> None:
    """The database checks amounts, instants, enumerations and combinations of columns."""
    bad_here = BAD_ON_SQLITE if url.startswith("sqlite") else BAD_ON_POSTGRESQL

    assert await accepted_by(storage, [*BAD_ON_BOTH, *bad_here]) == []


async def test_a_key_is_taken_once(storage: OpenStorage) -> None:
    """No two rows share a number, an id, a client order id, or a sequence of an order."""
    for table, row in SOUND[7:]:
        await storage.execute(insert(table, row))

    assert await accepted_by(storage, TWINS) == []
