"""The ways of the benchmark of persistence."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.persistence import (
    journal_accepts,
    make_orders,
    session_per_order,
    sqlite3_in_groups,
    url_of,
)

EVENTS = "SELECT order_id, sequence, status FROM order_events ORDER BY order_id"


def rows(file: Path) -> list[list[tuple[object, ...]]]:
    """Return the stored orders without their epoch, and their events."""
    statements = ("SELECT order_id, limit_price, quantity FROM orders ORDER BY order_id", EVENTS)
    with closing(sqlite3.connect(file)) as connection:
        return [connection.execute(one).fetchall() for one in statements]


async def test_the_journal_and_a_session_write_the_same_rows(tmp_path: Path) -> None:
    """Each order has its row and its event, and each wait is measured."""
    placed = make_orders(3)
    files = [tmp_path / "journal.db", tmp_path / "session.db"]

    costs = [
        await journal_accepts(url_of(files[0]), placed, in_flight=2),
        await session_per_order(files[1], placed),
    ]

    assert [cost.total for cost in costs] == [3, 3]
    assert [len(cost.waits_seconds) for cost in costs] == [3, 3]
    assert rows(files[0]) == rows(files[1])
    assert [len(found) for found in rows(files[0])] == [3, 3]


def test_ready_rows_are_written_in_groups(tmp_path: Path) -> None:
    """All orders are written, even the incomplete last group."""
    file = tmp_path / "a.db"

    cost = sqlite3_in_groups(file, make_orders(5), group=2)

    assert cost.total == 5
    assert [len(found) for found in rows(file)] == [5, 5]
