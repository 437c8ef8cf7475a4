"""The reads, and that each is served by an index."""

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
    """No read scans a table or sorts rows: what it costs does not grow with what is stored.

    Unfinished orders of all symbols are the exception, read once at a start: the index of
    unfinished orders has them by symbol.
    """
    statements: list[tuple[str, tuple[object, ...]]] = []
    engine = engine_of_readers(storage)

    @event.listens_for(engine, "before_cursor_execute")
    def note(*told: object) -> None:
        statements.append((str(told[2]), tuple(told[3])))  # type: ignore[arg-type]  # parameters

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
    event.remove(engine, "before_cursor_execute", note)

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
    """Not by looking through all the orders that the owner ever placed."""
    statements: list[tuple[str, tuple[object, ...]]] = []
    engine = engine_of_readers(storage)

    @event.listens_for(engine, "before_cursor_execute")
    def note(*told: object) -> None:
        statements.append((str(told[2]), tuple(told[3])))  # type: ignore[arg-type]  # parameters

    await storage.orders.find_many(PUBLIC, [OrderId(str(number)) for number in range(1_000)])
    event.remove(engine, "before_cursor_execute", note)

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
    """After a downgrade the copy is useless, and the service waits for the venue's."""
    await storage.execute(
        "INSERT INTO trading_rules VALUES (1, :at, :rules)",
        at="2026-11-23T16:46:37.000000Z",
        rules='[{"symbol": "LTCBTC"}]',
    )

    assert await storage.orders.load_trading_rules() is None
