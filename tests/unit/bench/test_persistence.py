"""What the benchmark of persistence writes, and how it counts."""

from pathlib import Path

import pytest

from app.domain.order import OrderStatus
from app.storage.journal.rows import Part
from bench.persistence import make_orders, make_outcomes
from bench.persistence_ways import (
    Cost,
    acceptances_of,
    aiosqlite_per_order,
    session_per_order,
    sqlite3_in_groups,
)


def test_a_cost_is_told_per_piece() -> None:
    """CPU in microseconds, waits in milliseconds by the share that waited no longer."""
    waits = [number / 1e3 for number in range(100, 0, -1)]
    cost = Cost(total=100, cpu_seconds=0.02, wall_seconds=0.5, waits_seconds=waits)

    assert cost.cpu_microseconds == pytest.approx(200)
    assert cost.per_second == pytest.approx(200)
    assert cost.wait_milliseconds(0.5) == pytest.approx(51)
    assert cost.wait_milliseconds(0.99) == pytest.approx(100)


def test_each_quote_makes_one_split_until_the_order_is_filled() -> None:
    """As many as the order has units."""
    outcomes = make_outcomes(make_orders(2, quantity=3))

    statuses = [one.events[0].status for one in outcomes]
    assert statuses == 2 * [*2 * [OrderStatus.PARTIALLY_FILLED], OrderStatus.FILLED]


async def test_every_way_writes_the_same_rows(tmp_path: Path) -> None:
    """An order and its event each, or the constraints would have refused them."""
    placed = make_orders(3)

    costs = [
        await session_per_order(tmp_path / "a.db", placed),
        await aiosqlite_per_order(tmp_path / "b.db", placed),
    ]

    assert [cost.total for cost in costs] == [3, 3]
    assert [len(cost.waits_seconds) for cost in costs] == [3, 3]


def test_ready_rows_are_written_in_groups(tmp_path: Path) -> None:
    """Splits, too, behind the orders that they are of."""
    placed = make_orders(2, quantity=3)
    outcomes = make_outcomes(placed)
    parts = [
        Part(content=one, events=one.events, position=position)
        for position, one in enumerate(outcomes, 3)
    ]

    cost = sqlite3_in_groups(
        tmp_path / "a.db", parts, before=acceptances_of(placed), group=4, total=len(parts)
    )

    assert cost.total == 6
