"""``papertape order``: place an order and follow it until it is closed."""

import asyncio
import contextlib
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from app.cli.client import answers as wire
from app.cli.client.client_errors import ClientError, RefusedError, ServiceUnreachableError
from app.cli.client.order_follower import OrderFollower
from app.cli.client.sentences import (
    event_line,
    execution_quality,
    order_outcome,
    order_title,
    why_not_filled,
)
from app.cli.client.service_address import ServiceAddress
from app.cli.client.service_client import Placed, ServiceClient
from app.cli.client.tables import SPLITS_SHOWN_MAX, FillProgress, split_table
from app.cli.client.terminal import (
    make_console,
    print_json,
    print_line,
    print_message,
    print_table,
    print_words,
)

FULFILLED: Final = 0
NOT_FULFILLED: Final = 1

_OUTCOME_UNKNOWN: Final = frozenset({"outcome_unknown", "internal_error"})
"""With these codes the order may have been stored; every other code says that it was not."""


class Until(Enum):
    """How long an order is followed, and how it is printed."""

    ACCEPTED = auto()
    CLOSED = auto()
    CLOSED_LINE_BY_LINE = auto()


async def place_order(
    service: ServiceClient, body: Mapping[str, str], *, until: Until, as_json: bool
) -> int:
    """Place an order, follow it ``until`` then, and return the exit status.

    The body has a client order id. An interrupt does not cancel the order.
    """
    placed = await _place(service, body)
    if until is Until.ACCEPTED:
        _print_accepted(service.address, placed.order, as_json=as_json)
        return FULFILLED
    try:
        return await _follow(service, placed.order, until=until, as_json=as_json)
    except (asyncio.CancelledError, ClientError) as error:
        is_interrupted = isinstance(error, asyncio.CancelledError)
        state = "the order is not canceled" if is_interrupted else "the order was accepted"
        print_message(f"{state}\n{_next_steps(service.address, placed.order['order_id'])}")
        raise


async def _place(service: ServiceClient, body: Mapping[str, str]) -> Placed:
    client_order_id = body["client_order_id"]
    options = service.address.options
    unknown_outcome = (
        "it is unknown whether the order was accepted\n"
        f"  check     papertape orders --client-order-id {client_order_id}{options}\n"
        f"  or repeat the command with --client-order-id {client_order_id}: "
        "it is never placed twice"
    )
    try:
        placed = await service.place(body)
    except (asyncio.CancelledError, ServiceUnreachableError, RefusedError) as error:
        if _may_have_placed(error):
            print_message(unknown_outcome)
        raise
    if placed.is_replay:
        print_message(
            f"the client order id {client_order_id} was used before; this is the earlier order"
        )
    return placed


def _may_have_placed(error: BaseException) -> bool:
    match error:
        case ServiceUnreachableError():
            # A request that was never sent cannot have placed an order.
            return error.was_sent
        case RefusedError():
            return error.reason_code in _OUTCOME_UNKNOWN
        case _:  # interrupted before the answer
            return True


def _print_accepted(address: ServiceAddress, order: wire.Order, *, as_json: bool) -> None:
    if as_json:
        print_json(order)
        return
    console = make_console()
    print_line(console, f"{order_title(order)}: accepted, {order['status']}")
    print_line(console, f"  order     {order['order_id']}")
    print_line(console, _next_steps(address, order["order_id"]))


def _next_steps(address: ServiceAddress, order_id: str) -> str:
    return "\n".join(
        f"  {verb:8}  papertape {verb} {order_id}{address.options}" for verb in ("show", "cancel")
    )


async def _follow(
    service: ServiceClient, placed: wire.Order, *, until: Until, as_json: bool
) -> int:
    if until is Until.CLOSED_LINE_BY_LINE:
        await _print_events(service, placed["order_id"], as_json=as_json)
    # An IOC or FOK order may be closed already: there is no progress to draw.
    elif placed["status"] not in wire.CLOSED:
        await _draw_progress(service, placed, is_shown=not as_json)
    # The answer to placing has neither the last splits nor the execution quality.
    order = await service.order(placed["order_id"])
    if as_json:
        print_json(order)
    else:
        _print_closed(order, with_splits=until is Until.CLOSED)
    return FULFILLED if order["status"] == wire.FILLED else NOT_FULFILLED


async def _print_events(service: ServiceClient, order_id: str, *, as_json: bool) -> None:
    console = make_console()
    async with contextlib.aclosing(OrderFollower(service, order_id).events()) as events:
        async for event in events:
            if as_json:
                print_json(event)
            else:
                print_line(console, event_line(event))


async def _draw_progress(service: ServiceClient, placed: wire.Order, *, is_shown: bool) -> None:
    console = make_console()
    with FillProgress(console, is_shown=is_shown) as progress:
        bar = progress.add_order(order_title(placed), order_size=placed["order_size"])
        async with contextlib.aclosing(
            OrderFollower(service, placed["order_id"]).events()
        ) as events:
            async for event in events:
                progress.follow(bar, event)


def print_outcome(order: wire.Order) -> None:
    """Print an order and its outcome."""
    console = make_console()
    print_line(console, f"{order['order_id']}  {order_title(order)}")
    print_words(console, order_outcome(order))


def _print_closed(order: wire.Order, *, with_splits: bool) -> None:
    """Print an order's outcome, the reason or the execution quality, and its first splits."""
    print_outcome(order)
    console = make_console()
    if order["status"] == wire.EXPIRED:
        for line in why_not_filled(order):
            print_words(console, line)
    if execution := order.get("execution"):
        print_words(console, execution_quality(execution))
    if with_splits and order["splits"]:
        splits = order["splits"][:SPLITS_SHOWN_MAX]
        print_table(console, split_table(splits, splits_total=order["splits_total"]))
