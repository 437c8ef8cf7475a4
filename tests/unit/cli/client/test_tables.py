"""Tests of ``app.cli.client.tables``."""

import io

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
    console = Console(file=io.StringIO(), width=300)
    table.box = None
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_splits_are_numbered_and_the_rest_is_counted() -> None:
    """The last row counts the other splits."""
    order = filled_order(splits=3)

    lines = printed(split_table(order["splits"][:2], splits_total=3))

    assert lines[0] == ["split", "update", "id", "price", "quantity", "filled", "at"]
    assert [line[0] for line in lines[1:]] == ["1", "2", "…"]
    assert lines[1][2:4] == ["0.00251", "10"]
    assert lines[3][1:3] == ["1", "more"]


def test_a_later_page_of_splits_continues_the_numbers() -> None:
    """The number of the first split is an argument."""
    order = filled_order(splits=3)

    lines = printed(split_table(order["splits"][2:], splits_total=3, first_number=3))

    assert [line[0] for line in lines[1:]] == ["3"]


def test_each_order_is_a_row() -> None:
    """A row has the complete id, and a dash without an average price."""
    waiting, expired = open_order(), expired_order()

    lines = printed(orders_table([waiting, expired]))

    assert lines[1][0] == waiting["order_id"]
    assert lines[1][6:8] == ["-", "NEW"]
    assert lines[2][5:9] == ["10", "0.00251", "EXPIRED,", "TIMEOUT"]


def test_an_average_in_a_table_is_rounded() -> None:
    """The average is rounded to 10 digits."""
    order = filled_order()
    order["average_price"] = "0.002512345678901234"

    assert printed(orders_table([order]))[1][6] == "0.002512345679"


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


def test_a_bar_shows_the_filled_quantity() -> None:
    """A terminal gets a bar with the figures of the last event."""
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with FillProgress(console) as progress:
        bar = progress.add_order("BUY 100 LTCBTC at 0.0026", order_size="100")
        for event in events_of_an_expired_order():
            progress.follow(bar, event)

    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert "BUY 100 LTCBTC at 0.0026" in drawn
    assert "10 of 100, EXPIRED" in drawn


def test_nothing_is_drawn_on_a_pipe_or_on_request() -> None:
    """There are no bars and no control sequences."""
    for is_terminal, is_shown in ((False, True), (True, False)):
        console = Console(file=io.StringIO(), force_terminal=is_terminal)
        with FillProgress(console, is_shown=is_shown) as progress:
            progress.add_order("BUY", order_size="100")

        assert isinstance(console.file, io.StringIO)
        assert not console.file.getvalue()
