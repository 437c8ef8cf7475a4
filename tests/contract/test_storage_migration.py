"""Migration from previous releases, the same on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.auditing.audit import audit
from app.storage.schema.migrate import migrate, migrations_folder
from tests.support.builders import LTCBTC
from tests.support.databases import KINDS, open_storage, scratch_postgresql, sqlite_url

PREVIOUS: Final = ("20261123", "20261124", "20261125")
"""The schemas of all previous releases, oldest first."""

ROWS: Final = {
    "orders": (
        (
            "acceptance_number, order_id, owner, client_order_id, symbol, side, time_in_force,"
            " quantity, limit_price, status, reason, filled_quantity, quote_quantity, splits_total,"
            " last_sequence, accepted_at, expires_at, closed_at"
        ),
        (
            (
                "1, '{a}', 'public', 'mine-1', 'LTCBTC', 'BUY', 'GTD', '8', '100', 'FILLED',"
                " NULL, '8', '798.45', 2, 3, '{t}.000000Z', '{t}.500000Z', '{t}.300000Z'"
            ),
            (
                "2, '{b}', 'alice', 'mine-1', 'LTCBTC', 'SELL', 'GTD', '5', '99', 'EXPIRED',"
                " 'TIMEOUT', '0', '0', 0, 2, '{t}.000000Z', '{t}.500000Z', '{t}.500000Z'"
            ),
            (
                "3, '{c}', 'public', NULL, 'LTCBTC', 'BUY', 'GTD', '1', '1', 'NEW', NULL,"
                " '0', '0', 0, 1, '{t}.000000Z', '{t}.500000Z', NULL"
            ),
        ),
    ),
    "fulfilled_order_splits": (
        "id, order_id, split_number, update_id, price, quantity, displayed_quantity, filled_at",
        (
            "1, '{a}', 1, 11, '99.99', '5', '5', '{t}.200000Z'",
            "2, '{a}', 2, 12, '99.5', '3', '4', '{t}.300000Z'",
        ),
    ),
    "order_events": (
        (
            "position, order_id, sequence, status, reason, at, split_number,"
            " filled_quantity, quote_quantity"
        ),
        (
            "1, '{a}', 1, 'NEW', NULL, '{t}.000000Z', NULL, '0', '0'",
            "2, '{b}', 1, 'NEW', NULL, '{t}.000000Z', NULL, '0', '0'",
            "3, '{c}', 1, 'NEW', NULL, '{t}.000000Z', NULL, '0', '0'",
            "4, '{a}', 2, 'PARTIALLY_FILLED', NULL, '{t}.200000Z', 1, '5', '499.95'",
            "5, '{a}', 3, 'FILLED', NULL, '{t}.300000Z', 2, '8', '798.45'",
            "6, '{b}', 2, 'EXPIRED', 'TIMEOUT', '{t}.500000Z', NULL, '0', '0'",
        ),
    ),
    "fulfilled_orders": (
        "id, created_at, symbol, side, quantity, price, average_price",
        ("'{a}', '{t}.300000Z', 'LTCBTC', 'BUY', '8', '100', '99.80625'",),
    ),
    "symbol_gates": ("symbol, update_id", ("'LTCBTC', 12",)),
    "taken_liquidity": (
        "symbol, owner, side, price, quantity, update_id",
        ("'LTCBTC', 'public', 'BUY', '99.5', '3', 12",),
    ),
    "service_owner": (
        "id, venue, epoch, owner, since",
        ("1, 'simulator', 7, 'the release before', '{t}.000000Z'",),
    ),
    "trading_rules": ("id, fetched_at, rules", ("1, '{t}.000000Z', '[]'",)),
}
"""Columns and rows of a database of the first release, parents before children."""

KEYS: Final = (
    "INSERT INTO client_order_ids (owner, client_order_id, order_id)"
    " SELECT owner, client_order_id, order_id FROM orders WHERE client_order_id IS NOT NULL"
)
"""The statement that adds the keys, which later releases store separately."""

NAMES: Final = {
    **{name: f"00000000-0000-7000-8000-00000000000{name}" for name in "abc"},
    "t": "2024-08-08T23:54:14",
}


@pytest.fixture(params=KINDS)
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Yield the URL of an empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "papertape.db")
        return
    async with scratch_postgresql() as url:
        yield url


@pytest.fixture(params=PREVIOUS)
async def url(request: pytest.FixtureRequest, empty_url: str) -> str:
    """Yield a database of a previous release with every kind of row."""
    await _run(empty_url, partial(_fill, revision=request.param))
    return empty_url


async def _run(url: str, work: Any) -> Any:  # noqa: ANN401 - as the work returns
    """Run one transaction on a separate connection."""
    async with create_async_engine(url, poolclass=NullPool).begin() as connection:
        return await connection.run_sync(work)


def _fill(connection: Connection, *, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    for table, (columns, rows) in ROWS.items():
        for row in rows:
            values = row.format(**NAMES)
            connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({values})")  # noqa: S608 - the constants above
    if revision != PREVIOUS[0]:
        connection.exec_driver_sql(KEYS)


def _read(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return every row, with the columns of the first release."""
    return {
        table: [
            tuple(row)
            for row in connection.execute(
                text(f"SELECT {columns} FROM {table} ORDER BY {columns.split(',')[0]}")  # noqa: S608 - the constants above
            )
        ]
        for table, (columns, _) in ROWS.items()
    }


async def test_nothing_is_lost_by_an_upgrade(url: str) -> None:
    """Every row stays the same, and the audit finds no violation."""
    before = await _run(url, _read)
    assert {table: len(rows) for table, rows in before.items()} == {
        table: len(rows) for table, (_, rows) in ROWS.items()
    }

    await migrate(url)

    assert await _run(url, _read) == before
    report = await audit(url)
    assert report.examples == ()
    assert report.orders == len(ROWS["orders"][1])


async def test_an_upgrade_keeps_the_keys_of_all_orders(url: str) -> None:
    """The keys of all owners are kept, so that none is used twice."""
    await migrate(url)

    async with open_storage(url) as storage:
        assert await storage.rows(
            "SELECT owner, client_order_id, order_id FROM client_order_ids ORDER BY order_id"
        ) == [("public", "mine-1", NAMES["a"]), ("alice", "mine-1", NAMES["b"])]


async def test_an_upgraded_database_is_a_stream_of_its_own_and_serves(url: str) -> None:
    """An upgraded database continues its numbers, has its open order and its own stream."""
    await migrate(url)

    async with open_storage(url) as storage:
        ((stream_id, position, number),) = await storage.rows(
            "SELECT stream_id, last_pruned_position, last_pruned_acceptance_number"
            " FROM event_stream"
        )
        assert (len(bytes.fromhex(stream_id)), position, number) == (8, 0, 0)
        assert (storage.database.epoch, storage.database.last_position) == (8, 6)
        assert storage.journal.next_acceptance_number() == 4
        (unfinished,) = await storage.orders.load_unfinished(LTCBTC)
        assert unfinished.order.order_id == NAMES["c"]
        assert await storage.rows(
            "SELECT DISTINCT arrival_update_id, arrival_price, quotes_seen, departure_update_id,"
            " decision_price, decision_displayed_quantity, decision_taken_quantity FROM orders"
        ) == [(None, None, 0, *[None] * 4)]
