"""Reads of events use an index and read a bounded range at a time."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from app.domain.order import PUBLIC, OrderId, Owner, Symbol
from app.ports import EventFilter
from app.storage import event_queries
from tests.support.builders import LTCBTC, make_order
from tests.support.databases import (
    OpenStorage,
    engine_of_readers,
    open_storage,
    sqlite_url,
)

Statement = tuple[str, tuple[object, ...]]
ALICE = Owner("alice")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[OpenStorage]:
    """Open an SQLite database."""
    async with open_storage(sqlite_url(tmp_path / "a.db")) as storage:
        yield storage


@contextmanager
def noted_statements(storage: OpenStorage) -> Iterator[list[Statement]]:
    """Record the statements sent to the database."""
    statements: list[Statement] = []
    engine = engine_of_readers(storage)

    @event.listens_for(engine, "before_cursor_execute")
    def record(*arguments: object) -> None:
        statements.append((str(arguments[2]), tuple(arguments[3])))  # type: ignore[arg-type]  # parameters

    yield statements
    event.remove(engine, "before_cursor_execute", record)


async def plan_of(storage: OpenStorage, statement: Statement) -> list[str]:
    """Return how SQLite would run a statement."""
    text, parameters = statement
    rows = await storage.database.write(
        lambda connection: connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {text}", parameters
        ).all()
    )
    return [str(row[-1]) for row in rows]


@pytest.mark.parametrize("symbols", [frozenset[Symbol](), frozenset({LTCBTC, Symbol("ETHBTC")})])
async def test_a_stretch_is_read_by_position(
    storage: OpenStorage, symbols: frozenset[Symbol]
) -> None:
    """A read of events starts at the position, not with all orders of the owner."""
    with noted_statements(storage) as statements:
        await storage.events.list_events(
            EventFilter(owner=PUBLIC, symbols=symbols), after=5, until=9, limit=3
        )

    (first, *others) = await plan_of(storage, statements[0])
    assert first == "SEARCH order_events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
    assert not [step for step in others if "SCAN" in step or "TEMP B-TREE" in step]


async def test_named_orders_are_read_by_their_ids(storage: OpenStorage) -> None:
    """Events of listed orders are read with one query, at a cost independent of other events."""
    ids = frozenset({OrderId("x"), OrderId("y")})
    with noted_statements(storage) as statements:
        await storage.events.list_events(
            EventFilter(owner=PUBLIC, order_ids=ids), after=5, until=10**9, limit=3
        )
        await storage.events.list_order_events(OrderId("x"), after=0, limit=10)

    assert len(statements) == 2
    for statement in statements:
        plan = await plan_of(storage, statement)
        assert not [step for step in plan if "SCAN" in step]
        assert "(order_id=?" in plan[0]


async def test_one_query_looks_at_a_bounded_stretch(
    storage: OpenStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few events of an owner among many others are found with several short reads."""
    monkeypatch.setattr(event_queries, "POSITIONS_PER_QUERY", 4)
    for number in range(1, 11):
        owner = ALICE if number in {2, 3, 9} else PUBLIC
        await storage.journal.accept(make_order(number=number, owner=owner))

    with noted_statements(storage) as statements:
        found = await storage.events.list_events(
            EventFilter(owner=ALICE), after=0, until=10, limit=10
        )

    assert [one.position for one in found] == [2, 3, 9]
    assert [parameters[2:4] for _, parameters in statements] == [(0, 4), (4, 8), (8, 10)]
