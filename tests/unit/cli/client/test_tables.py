"""Tests of ``app.cli.client.tables``."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from app.cli.client.tables import FillProgress, orders_table, split_table, status_text
from tests.unit.cli.client.order_builders import (
    events_of_an_expired_order,
    expired_order,
    filled_order,
    open_order,
)


def printed(table: Table) -> list[list[str]]:
    """Return the words of a table, line by line."""
    file = io.StringIO()
    table.box = None
    Console(file=file, width=300).print(table)
    return [line.split() for line in file.getvalue().splitlines()]


def test_splits_are_numbered_and_the_rest_is_counted() -> None:
    """The last row counts the other splits."""
    order = filled_order(splits=3)

    lines = printed(split_table(order["splits"][:2], splits_total=3))

    assert lines[0] == ["split", "update", "id", "price", "quantity", "filled", "at"]
    assert [line[0] for line in lines[1:]] == ["1", "2", "…"]
    assert lines[1][2:4] == ["0.00251", "10"]
    assert lines[3][1:3] == ["1", "more"]


def test_each_order_is_a_row() -> None:
    """A row has the complete id, and the average price with 10 digits or a dash."""
    waiting, expired = open_order(), expired_order()
    expired["average_price"] = "0.002512345678901234"

    lines = printed(orders_table([waiting, expired]))

    assert lines[1][0] == waiting["order_id"]
    assert lines[1][6:8] == ["-", "NEW"]
    assert lines[2][5:9] == ["10", "0.002512345679", "EXPIRED,", "TIMEOUT"]


def test_a_narrow_table_has_fewer_columns() -> None:
    """It has no average price and no reason; the other columns stay."""
    lines = printed(orders_table([expired_order()], is_narrow=True))

    assert "average" not in lines[0]
    assert lines[1][5:8] == ["10", "EXPIRED", "2026-03-01"]


def test_a_status_has_its_color() -> None:
    """The status FILLED is green; an unknown status has no color."""
    assert status_text(filled_order()).style == "green"
    assert status_text(expired_order()).style == "yellow"
    assert status_text(open_order()).style == ""


@pytest.mark.parametrize(("is_terminal", "is_shown"), [(True, True), (True, False), (False, True)])
def test_a_bar_shows_the_filled_quantity(*, is_terminal: bool, is_shown: bool) -> None:
    """A terminal gets a bar with the figures of the last event; a pipe gets nothing."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=120)
    with FillProgress(console, is_shown=is_shown) as progress:
        bar = progress.add_order("BUY 100 LTCBTC at 0.0026", order_size="100")
        for event in events_of_an_expired_order():
            progress.follow(bar, event)

    drawn = file.getvalue()
    if is_terminal and is_shown:
        assert "BUY 100 LTCBTC at 0.0026" in drawn
        assert "10 of 100, EXPIRED" in drawn
    else:
        assert not drawn
