"""The tables and the progress bar of the client and the demo."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from app.cli.client import answers as wire
from app.cli.client.sentences import rounded

SPLITS_SHOWN_MAX: Final = 12

_STATUS_STYLES: Final = {
    "FILLED": "green",
    "PARTIALLY_FILLED": "cyan",
    "CANCELED": "yellow",
    "EXPIRED": "yellow",
}
_MORE: Final = "…"
_SECONDS_CHARACTERS: Final = len("2026-03-01T12:00:00")
"""A list shows seconds; `show` and JSON have the microseconds."""


def split_table(splits: Sequence[wire.Split], *, splits_total: int) -> Table:
    """Return a table of splits, with a last row that counts the splits not shown."""
    table = Table()
    for heading in ("split", "update id", "price", "quantity", "filled at"):
        table.add_column(heading, justify="right", no_wrap=True)
    for number, split in enumerate(splits, start=1):
        table.add_row(
            str(number),
            str(split["update_id"]),
            split["price"],
            split["quantity"],
            split["filled_at"],
        )
    if splits_total > len(splits):
        table.add_row(_MORE, f"{splits_total - len(splits)} more", _MORE, _MORE, _MORE)
    return table


def orders_table(orders: Sequence[wire.OrderSummary], *, is_narrow: bool = False) -> Table:
    """Return a table of orders; a narrow one has no average prices and reasons."""
    table = Table()
    for heading in ("order", "symbol", "side"):
        table.add_column(heading, no_wrap=True)
    amounts = ["size", "price", "filled", *([] if is_narrow else ["average price"])]
    for heading in amounts:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("status", "accepted at (UTC)"):
        table.add_column(heading, no_wrap=True)
    for order in orders:
        price = order["average_price"]
        average = [] if is_narrow else ["-" if price is None else rounded(price)]
        table.add_row(
            order["order_id"],
            order["symbol"],
            order["side"],
            order["order_size"],
            order["price"],
            order["filled_quantity"],
            *average,
            status_text(order, with_reason=not is_narrow),
            order["accepted_at"][:_SECONDS_CHARACTERS].replace("T", " "),
        )
    return table


def status_text(order: wire.OrderSummary, *, with_reason: bool = True) -> Text:
    """Return a status in its color, with its reason."""
    status, reason = order["status"], order["reason"]
    text = f"{status}, {reason}" if with_reason and reason is not None else status
    return Text(text, style=_STATUS_STYLES.get(status, ""))


class FillProgress(Progress):
    """Progress bars of orders; nothing is drawn on a pipe."""

    def __init__(self, console: Console, *, is_shown: bool = True) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn(
                "{task.fields[filled]} of {task.fields[size]}, {task.fields[status]}", markup=False
            ),
            console=console,
            disable=not (is_shown and console.is_terminal),
        )

    def add_order(self, title: str, *, order_size: str) -> TaskID:
        """Add the bar of an unfilled order."""
        return self.add_task(
            title, total=float(order_size), filled="0", size=order_size, status="NEW"
        )

    def follow(self, bar: TaskID, state: wire.OrderSummary | wire.Event) -> None:
        """Draw the filled quantity and the status of an order."""
        self.update(
            bar,
            completed=float(state["filled_quantity"]),  # for the length of the bar only
            filled=state["filled_quantity"],
            status=state["status"],
        )
