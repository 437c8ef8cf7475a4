"""``papertape orders``, ``show`` and ``cancel``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console

from app.cli.client import answers as wire
from app.cli.client.client_errors import RefusedError, shorten
from app.cli.client.place_order import print_outcome
from app.cli.client.sentences import execution_quality, order_outcome, order_title, why_not_filled
from app.cli.client.service_client import PAGE_LIMIT_MAX, ServiceClient
from app.cli.client.tables import SPLITS_SHOWN_MAX, orders_table, split_table
from app.cli.client.terminal import (
    make_console,
    print_json,
    print_line,
    print_message,
    print_table,
    print_words,
)

DONE: Final = 0
CLOSED_MEANWHILE: Final = 1

WIDE_COLUMNS_MIN: Final = 150
"""The terminal width from which a table has average prices and reasons."""

_ORDER_CLOSED: Final = "order_closed"


async def list_orders(
    service: ServiceClient,
    filters: Mapping[str, str | None],
    *,
    limit: int | None,
    as_json: bool,
) -> int:
    """Print the newest orders that pass the filters, at most ``limit``, page after page."""
    console = make_console()
    cursor: str | None = None
    printed = 0
    while limit is None or printed < limit:
        room = PAGE_LIMIT_MAX if limit is None else min(limit - printed, PAGE_LIMIT_MAX)
        page = await service.orders_page(filters, limit=room, cursor=cursor)
        _print_orders(console, page["orders"], is_first=not printed, as_json=as_json)
        printed += len(page["orders"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    if as_json:
        return DONE
    if cursor is not None:
        print_message("there are more orders: see --limit and --all")
    elif not printed:
        print_message("there are no such orders")
    return DONE


def _print_orders(
    console: Console, orders: list[wire.OrderSummary], *, is_first: bool, as_json: bool
) -> None:
    if as_json:
        for order in orders:
            print_json(order)
    elif orders:
        _print_table(console, orders, is_first=is_first)


def _print_table(
    console: Console, orders: Sequence[wire.OrderSummary], *, is_first: bool = True
) -> None:
    # A pipe has no width, so its table is never narrow.
    is_narrow = console.is_terminal and console.width < WIDE_COLUMNS_MIN
    table = orders_table(orders, is_narrow=is_narrow)
    table.show_header = is_first
    print_table(console, table)


async def show_order(
    service: ServiceClient, order_id: str, *, all_splits: bool, as_json: bool
) -> int:
    """Print an order, its splits, and its execution quality or why it is not filled."""
    order = await service.order(order_id)
    if all_splits and order["splits_total"] > len(order["splits"]):
        order["splits"] = await _all_splits(service, order)
    if as_json:
        print_json(order)
        return DONE
    console = make_console()
    for name, text in _facts(order):
        print_words(console, text, name=name)
    if order["splits"]:
        splits = order["splits"] if all_splits else order["splits"][:SPLITS_SHOWN_MAX]
        print_table(console, split_table(splits, splits_total=order["splits_total"]))
    return DONE


async def _all_splits(service: ServiceClient, order: wire.Order) -> list[wire.Split]:
    splits: list[wire.Split] = []
    cursor: str | None = None
    while True:
        page = await service.splits_page(order["order_id"], cursor=cursor)
        splits += page["splits"]
        cursor = page["next_cursor"]
        if cursor is None:
            return splits


def _facts(order: wire.Order) -> Iterator[tuple[str, str]]:
    """Yield the facts about an order, each with its name."""
    yield "order", order["order_id"]
    if order["client_order_id"] is not None:
        yield "client order id", order["client_order_id"]
    yield "placed", f"{order_title(order)}, {order['time_in_force']}"
    yield "accepted at", order["accepted_at"]
    if order["closed_at"] is None:
        yield "expires at", order["expires_at"]
        yield "so far", order_outcome(order)
    else:
        yield "closed at", order["closed_at"]
        yield "outcome", order_outcome(order)
    # Only the first line gets the name.
    name = "why not filled"
    for line in why_not_filled(order):
        yield name, line
        name = ""
    if execution := order.get("execution"):
        yield "execution", execution_quality(execution)


async def cancel_order(service: ServiceClient, order_id: str, *, as_json: bool) -> int:
    """Cancel an order and print its outcome; if it was closed before, print that first."""
    try:
        order, status = await service.cancel(order_id), DONE
    except RefusedError as error:
        closed = error.problem.get("order")
        # Only the refusal of a closed order contains the order, which can be printed instead.
        if error.reason_code != _ORDER_CLOSED or closed is None:
            raise
        print_message(shorten(error.problem["detail"]))
        order, status = closed, CLOSED_MEANWHILE
    if as_json:
        print_json(order)
    else:
        print_outcome(order)
    return status


async def cancel_orders(service: ServiceClient, symbol: str, *, as_json: bool) -> int:
    """Cancel the open orders of a symbol and print them."""
    canceled = await service.cancel_all(symbol)
    if as_json:
        print_json(canceled)
        return DONE
    console = make_console()
    if canceled["orders"]:
        _print_table(console, canceled["orders"])
    print_line(console, f"{canceled['symbol']}: {canceled['canceled_total']} canceled")
    return DONE
