"""Pages of open orders; ``tests/contract`` checks that the values are those stored."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Executable, Row, event

from app.domain.order import Symbol
from app.storage.unfinished import PAGE_ROWS, pages_of_symbol
from tests.support.builders import LTCBTC, make_order
from tests.support.databases import (
    OpenStorage,
    engine_of_readers,
    open_storage,
    sqlite_url,
)
from tests.unit.storage.test_queries import plan_of

ETHBTC = Symbol("ETHBTC")


@pytest.mark.parametrize("total", [1, PAGE_ROWS - 1, PAGE_ROWS, 2 * PAGE_ROWS + 1])
async def test_pages_have_every_order_once(tmp_path: Path, total: int) -> None:
    """Pages contain every open order once, by acceptance number, and read only their own rows."""
    async with open_storage(sqlite_url(tmp_path / "a.db")) as storage:
        orders = [make_order(number=number) for number in range(1, total + 1)]
        other = make_order(number=total + 1, symbol=ETHBTC)
        await asyncio.gather(*(storage.journal.accept(order) for order in (*orders, other)))
        statements = noted_statements(storage)

        symbols = await storage.orders.list_unfinished_symbols()
        pages = [page async for page in pages_of_symbol(storage.database.read, LTCBTC)]

        assert symbols == [LTCBTC, ETHBTC]
        assert [one.order for page in pages for one in page] == orders
        assert max(map(len, pages)) <= PAGE_ROWS
        (of_symbols, *of_pages) = [await plan_of(storage, *one) for one in list(statements)]
        assert "INDEX unfinished_orders" in of_symbols
        for plan in of_pages:
            assert plan.endswith("INDEX unfinished_orders (symbol=? AND acceptance_number>?)")


async def test_orders_share_what_they_have_in_common() -> None:
    """Orders share one object for equal symbols, owners and quantities, to save memory."""

    async def read(_statement: Executable) -> Sequence[Row[Any]]:
        return [stored("o-1"), stored("o-2")]  # type: ignore[list-item]  # as a row

    [[one, other]] = [page async for page in pages_of_symbol(read, LTCBTC)]

    assert one.order.symbol is other.order.symbol
    assert one.order.owner is other.order.owner
    assert one.order.quantity is other.order.quantity
    assert one.quote_quantity is other.quote_quantity
    assert one.arrival is other.arrival


def stored(order_id: str) -> tuple[object, ...]:
    """Return the columns of an open order as SQLite returns them, with new text objects."""
    times = ("2026-11-23T16:46:37.000000Z", "2026-11-23T16:47:07.000000Z")
    of_order = (order_id, 1, "public", None, "LTCBTC", "BUY", "GTD", "5", "0.0026", *times)
    row = (*of_order, "PARTIALLY_FILLED", "1.5", "0.003", 1, 2, 17, "0.0025", 3)
    return tuple(one.encode().decode() if isinstance(one, str) else one for one in row)


def noted_statements(storage: OpenStorage) -> list[tuple[str, tuple[object, ...]]]:
    """Return a list that collects the statements read from now on."""
    statements: list[tuple[str, tuple[object, ...]]] = []

    @event.listens_for(engine_of_readers(storage), "before_cursor_execute")
    def record(*arguments: object) -> None:
        statements.append((str(arguments[2]), tuple(arguments[3])))  # type: ignore[arg-type]  # parameters

    return statements
