"""Statements that write many rows at once."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection

from app.storage.journal.rows import Row
from app.storage.journal.statements import (
    _STATE_COLUMNS,
    ROWS_PER_STATEMENT,
    Statement,
    statements_for,
)
from tests.support.builders import make_order
from tests.support.databases import OpenStorage, open_storage, sqlite_url

SQLITE = statements_for("sqlite")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[OpenStorage]:
    """Open an SQLite database."""
    async with open_storage(sqlite_url(tmp_path / "a.db")) as storage:
        yield storage


def gates(*update_ids: int) -> list[Row]:
    """Return the rows of some gates, each of a different symbol."""
    return [{"symbol": f"S{number:05}", "update_id": at} for number, at in enumerate(update_ids)]


async def write(storage: OpenStorage, statement: Statement, rows: list[Row]) -> None:
    """Write rows in one transaction."""
    await storage.database.write(lambda connection: statement.execute(connection, rows))


def trace(connection: Connection, statements: list[str]) -> None:
    """Add the text of each statement that SQLite runs from now on to ``statements``."""
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.run_async(lambda sqlite: sqlite.set_trace_callback(statements.append))


@pytest.mark.parametrize("total", [1, 2, 255, 256, 257, 1_000])
async def test_each_row_is_written_once(storage: OpenStorage, total: int) -> None:
    """Any number of rows is written, each once, in few statements."""
    statements: list[str] = []

    def put(connection: Connection) -> None:
        trace(connection, statements)
        SQLITE.put_gates.execute(connection, gates(*range(1, total + 1)))

    await storage.database.write(put)

    [(rows, symbols, sum_of_ids)] = await storage.rows(
        "SELECT count(*), count(DISTINCT symbol), sum(update_id) FROM symbol_gates"
    )
    assert rows == symbols == total
    assert sum_of_ids == total * (total + 1) // 2
    inserts = [sql for sql in statements if sql.startswith("INSERT")]
    assert 1 <= len(inserts) <= 6 + total // ROWS_PER_STATEMENT[0]


async def test_one_refused_row_spoils_the_statement(storage: OpenStorage) -> None:
    """A refused row fails its transaction, which then writes nothing."""
    with pytest.raises(sqlite3.IntegrityError, match="update_id_from_1"):
        await write(storage, SQLITE.put_gates, gates(1, 2, 0, 4))

    assert await storage.rows("SELECT * FROM symbol_gates") == []


async def test_a_row_that_is_there_is_overwritten_or_left(storage: OpenStorage) -> None:
    """An existing gate is overwritten, an existing key stays as it is."""
    keys: list[Row] = [
        {"owner": "public", "client_order_id": "mine", "order_id": str(number) * 36}
        for number in (1, 2)
    ]
    for rows in (gates(5, 6), gates(7)):
        await write(storage, SQLITE.put_gates, rows)
    for key in keys:
        await write(storage, SQLITE.take_keys, [key])

    found = await storage.rows("SELECT update_id FROM symbol_gates ORDER BY symbol")
    assert found == [(7,), (6,)]
    assert await storage.rows("SELECT order_id FROM client_order_ids") == [("1" * 36,)]


async def test_amounts_and_instants_are_stored_in_their_one_form(storage: OpenStorage) -> None:
    """Values are stored in the form that the constraints require."""
    at = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
    await write(storage, SQLITE.put_gates, gates(1))
    level: Row = {"symbol": "S00000", "owner": "public", "side": "BUY", "update_id": 1}
    amounts: Row = {"price": Decimal("1E-8"), "quantity": Decimal("1.500")}

    await write(storage, SQLITE.put_taken, [level | amounts])
    await write(storage, SQLITE.put_rules, [{"id": 1, "fetched_at": at, "rules": "[]"}])

    found = await storage.rows("SELECT price, quantity FROM taken_liquidity")
    assert found == [("0.00000001", "1.5")]
    found = await storage.rows("SELECT fetched_at FROM trading_rules")
    assert found == [("2026-11-25T08:00:00.000000Z",)]


def states(total: int, *, sequence: int) -> list[Row]:
    """Return the rows that cancel some orders, with the given number of events."""
    at = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
    return [
        dict.fromkeys(f"new_{name}" for name in _STATE_COLUMNS)
        | {
            "the_order_id": make_order(number=number).order_id,
            "new_status": "CANCELED",
            "new_reason": "CANCELED_BY_CLIENT",
            "new_filled_quantity": Decimal(1) if sequence > 2 else Decimal(0),
            "new_quote_quantity": Decimal("2.50") if sequence > 2 else Decimal(0),
            "new_splits_total": sequence - 2,
            "new_last_sequence": sequence,
            "new_closed_at": at,
            "new_arrival_update_id": number,
            "new_arrival_price": Decimal("2.50"),
            "new_quotes_seen": 7,
        }
        for number in range(1, total + 1)
    ]


async def test_each_order_moves_on_and_none_back(storage: OpenStorage) -> None:
    """An older state changes nothing, and orders without a row keep their state."""
    placed = [make_order("5", number=number) for number in range(1, 305)]
    await asyncio.gather(*(storage.journal.accept(order) for order in placed))

    await write(storage, SQLITE.move_orders, states(300, sequence=2))
    await write(storage, SQLITE.move_orders, states(299, sequence=3))
    await write(storage, SQLITE.move_orders, states(300, sequence=2))

    found = await storage.rows(
        "SELECT status, last_sequence, quote_quantity, closed_at, count(*),"
        " sum(arrival_update_id = acceptance_number) FROM orders GROUP BY 1, 2, 3, 4 ORDER BY 5"
    )
    closed_at = "2026-11-25T08:00:00.000000Z"
    assert found == [
        ("CANCELED", 2, "0", closed_at, 1, 1),
        ("NEW", 1, "0", None, 4, None),
        ("CANCELED", 3, "2.5", closed_at, 299, 299),
    ]


async def test_orders_that_move_are_found_by_their_id(storage: OpenStorage) -> None:
    """An update of many orders finds each by index and never scans the table."""
    plan: list[str] = []

    def move(connection: Connection) -> None:
        statements: list[str] = []
        trace(connection, statements)
        SQLITE.move_orders.execute(connection, states(300, sequence=2))
        for sql in tuple(statements):
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")
            plan.extend(row[3] for row in rows)

    await storage.database.write(move)

    looks = [step for step in plan if " orders" in step]
    assert looks
    assert all("SEARCH orders USING INDEX" in step and "(order_id=?)" in step for step in looks)
