"""Reads of stored orders, and the index that each one uses."""

from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import event

from app.domain.order import PUBLIC, OrderId, OrderStatus
from app.ports import OrderQuery
from tests.support.builders import LTCBTC
from tests.support.databases import (
    OpenStorage,
    engine_of_readers,
    open_storage,
    sqlite_url,
)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[OpenStorage]:
    """Open an SQLite database."""
    async with open_storage(sqlite_url(tmp_path / "a.db")) as storage:
        yield storage


async def test_every_read_is_served_by_an_index(storage: OpenStorage) -> None:
    """No read scans a table or sorts rows, so its cost does not grow with the stored rows.

    The read of all symbols with open orders is the exception. It runs once at a start, on the index
    of open orders, which is sorted by symbol.
    """
    statements: list[tuple[str, tuple[object, ...]]] = []
    engine = engine_of_readers(storage)

    @event.listens_for(engine, "before_cursor_execute")
    def record(*arguments: object) -> None:
        statements.append((str(arguments[2]), tuple(arguments[3])))  # type: ignore[arg-type]  # parameters

    await storage.orders.find(PUBLIC, OrderId("x"))
    for symbol, status, key, before in product(
        (None, LTCBTC), (None, OrderStatus.NEW), (None, "mine"), (None, 5)
    ):
        await storage.orders.list_orders(
            OrderQuery(
                owner=PUBLIC,
                symbol=symbol,
                status=status,
                client_order_id=key,
                before=before,
                limit=10,
            )
        )
    await storage.orders.list_splits(OrderId("x"), after=0, limit=10)
    await storage.orders.find_many(PUBLIC, [OrderId("x"), OrderId("y")])
    await storage.orders.find_by_key(PUBLIC, "mine")
    await storage.orders.load_unfinished(LTCBTC)
    await storage.orders.load_ledger(LTCBTC)
    event.remove(engine, "before_cursor_execute", record)

    plans = [
        (statement, await plan_of(storage, statement, parameters))
        for statement, parameters in statements
    ]

    assert len(plans) == 22
    assert [plan for _, plan in plans if "SCAN" in plan] == []
    sorting = [plan for _, plan in plans if "TEMP B-TREE" in plan]
    by_their_names = ("INDEX one_order_per_client_order_id", "(order_id=?)")
    assert all(any(name in plan for name in by_their_names) for plan in sorting)


async def test_orders_asked_for_by_id_are_read_by_id(storage: OpenStorage) -> None:
    """Orders with given ids are read by id, not among all orders of the owner."""
    statements: list[tuple[str, tuple[object, ...]]] = []
    engine = engine_of_readers(storage)

    @event.listens_for(engine, "before_cursor_execute")
    def record(*arguments: object) -> None:
        statements.append((str(arguments[2]), tuple(arguments[3])))  # type: ignore[arg-type]  # parameters

    await storage.orders.find_many(PUBLIC, [OrderId(str(number)) for number in range(1_000)])
    event.remove(engine, "before_cursor_execute", record)

    [(statement, parameters)] = statements
    assert "(order_id=?)" in await plan_of(storage, statement, parameters)


async def plan_of(storage: OpenStorage, statement: str, parameters: tuple[object, ...]) -> str:
    """Return how SQLite would run a statement."""
    rows = await storage.database.write(
        lambda connection: connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", parameters
        ).all()
    )
    return "\n".join(str(row[-1]) for row in rows)


async def test_rules_of_another_form_are_no_rules(storage: OpenStorage) -> None:
    """After a downgrade the stored rules are ignored, and the service waits for new ones."""
    await storage.execute(
        "INSERT INTO trading_rules VALUES (1, :at, :rules)",
        at="2026-11-23T16:46:37.000000Z",
        rules='[{"symbol": "LTCBTC"}]',
    )

    assert await storage.orders.load_trading_rules() is None
