"""The commands for a running service: ``order``, ``orders``, ``show``, ``cancel``, ``watch``.

Each command imports its modules when it runs, so that all start quickly.
"""

import asyncio
import uuid
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from app.cli.client.command_line import one_of, read_number
from app.cli.client.service_address import DEFAULT_URL, ServiceAddress, read_address
from app.domain.order import OrderStatus, Side, TimeInForce

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from app.cli.client.service_client import ServiceClient

ORDERS_SHOWN_DEFAULT: Final = 20

client_commands = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="PAPERTAPE_URL", help="The service's address.", rich_help_panel="Service"
    ),
]
_Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="PAPERTAPE_KEY",
        help="The key, if the service requires one. Other users of this machine can see a key "
        "given here, but not a key in the environment.",
        rich_help_panel="Service",
    ),
]
_Json = Annotated[
    bool, typer.Option("--json", help="Print the service's answers, one JSON object per line.")
]
_Side = Annotated[
    Side,
    typer.Option(parser=one_of(Side), metavar="buy|sell", help="Buy or sell.", show_default="buy"),
]
_TimeInForce = Annotated[
    TimeInForce,
    typer.Option(
        parser=one_of(TimeInForce),
        metavar="gtd|ioc|fok",
        help="Time in force. gtd: rest until the timeout. ioc: fill at once, the rest "
        "expires. fok: fill completely at once, or not at all.",
        show_default="gtd",
    ),
]
_OrderId = Annotated[str, typer.Argument(metavar="ID", help="The order's id.")]


@client_commands.command("order")
def _order(
    *,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="For example LTCBTC.")],
    size: Annotated[
        str, typer.Argument(metavar="SIZE", help="Quantity of the base asset (LTC in LTCBTC).")
    ],
    price: Annotated[
        str, typer.Option(metavar="P", help="The worst acceptable price, in the quote asset.")
    ],
    side: _Side = Side.BUY,
    tif: _TimeInForce = TimeInForce.GTD,
    timeout: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            help="How long the order may rest (gtd); by default the service decides.",
        ),
    ] = None,
    client_order_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Your own id; a repeated id places no second order.",
            show_default="a new one",
        ),
    ] = None,
    is_async: Annotated[
        bool, typer.Option("--async", help="Exit once the order is accepted.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Print each event of the order on its own line.")
    ] = False,
    as_json: _Json = False,
    url: _Url = DEFAULT_URL,
    key: _Key = None,
) -> None:
    """Place a limit order and follow it until it is filled, canceled or expired.

    Exit status: 0 if the order was fulfilled (with --async: accepted),
    1 if it was not, or was refused, 2 for a mistake in the command line,
    130 after Ctrl-C, which does not cancel the order.
    """
    size, price = read_number("SIZE", size), read_number("--price", price)
    address = _read_address(url, key)
    from app.cli.client.place_order import Until, place_order  # noqa: PLC0415 - --help starts faster

    body = {
        "symbol": symbol,
        "order_size": size,
        "price": price,
        "side": side.value,
        "time_in_force": tif.value,
        "client_order_id": client_order_id or str(uuid.uuid4()),
    }
    if timeout is not None:
        body["timeout_seconds"] = read_number("--timeout", timeout)
    until = Until.ACCEPTED if is_async else Until.CLOSED
    # --watch follows the order to its end, even with --async.
    if watch:
        until = Until.CLOSED_LINE_BY_LINE
    _run(address, partial(place_order, body=body, until=until, as_json=as_json))


@client_commands.command("orders")
def _orders(
    *,
    symbol: Annotated[str | None, typer.Option(help="Only orders of this symbol.")] = None,
    status: Annotated[
        OrderStatus | None,
        typer.Option(
            parser=one_of(OrderStatus),
            metavar="STATUS",
            help=f"Only orders with this status: {', '.join(OrderStatus).lower()}.",
        ),
    ] = None,
    client_order_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Only the order with this client order id.")
    ] = None,
    limit: Annotated[
        int, typer.Option(help="The maximum number of orders.", min=1)
    ] = ORDERS_SHOWN_DEFAULT,
    show_all: Annotated[bool, typer.Option("--all", help="All orders, without a limit.")] = False,
    as_json: _Json = False,
    url: _Url = DEFAULT_URL,
    key: _Key = None,
) -> None:
    """List orders, the newest first."""
    address = _read_address(url, key)
    from app.cli.client.manage_orders import list_orders  # noqa: PLC0415 - as above

    filters = {"symbol": symbol, "status": status, "client_order_id": client_order_id}
    shown = None if show_all else limit
    _run(address, partial(list_orders, filters=filters, limit=shown, as_json=as_json))


@client_commands.command("show")
def _show(
    *,
    order_id: _OrderId,
    show_all: Annotated[
        bool, typer.Option("--all", help="All splits, not only the first ones.")
    ] = False,
    as_json: _Json = False,
    url: _Url = DEFAULT_URL,
    key: _Key = None,
) -> None:
    """Show an order, its splits, and its execution quality or why it is not filled."""
    address = _read_address(url, key)
    from app.cli.client.manage_orders import show_order  # noqa: PLC0415 - as above

    _run(address, partial(show_order, order_id=order_id, all_splits=show_all, as_json=as_json))


@client_commands.command("cancel")
def _cancel(
    *,
    order_id: Annotated[str | None, typer.Argument(metavar="ID", help="The order's id.")] = None,
    cancel_all: Annotated[
        bool, typer.Option("--all", help="All open orders of the symbol.")
    ] = False,
    symbol: Annotated[str | None, typer.Option(help="The symbol for --all.")] = None,
    as_json: _Json = False,
    url: _Url = DEFAULT_URL,
    key: _Key = None,
) -> None:
    """Cancel an order, or with --all --symbol SYMBOL all open orders of a symbol.

    Exit status: 0 if the order is canceled, even if it was canceled before,
    1 if it was filled or had expired.
    """
    address = _read_address(url, key)
    from app.cli.client.manage_orders import cancel_order, cancel_orders  # noqa: PLC0415 - as above

    if order_id is not None and not cancel_all and symbol is None:
        _run(address, partial(cancel_order, order_id=order_id, as_json=as_json))
    if order_id is None and cancel_all and symbol is not None:
        _run(address, partial(cancel_orders, symbol=symbol, as_json=as_json))
    raise typer.BadParameter("give the ID of an order, or both --all and --symbol SYMBOL")


@client_commands.command("watch")
def _watch(
    *,
    order_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Only these orders.")
    ] = None,
    symbol: Annotated[
        list[str] | None,
        typer.Option(metavar="SYMBOL", help="Only orders of this symbol; may be repeated."),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="POSITION",
            help='Start after this position, or at the "beginning".',
            show_default="now",
        ),
    ] = None,
    as_json: _Json = False,
    url: _Url = DEFAULT_URL,
    key: _Key = None,
) -> None:
    """Print the events of orders, one per line, until Ctrl-C.

    After a lost connection the stream resumes where it stopped. At the end the
    command to resume is printed on standard error. Exit status after Ctrl-C: 130.
    """
    address = _read_address(url, key)
    from app.cli.client.event_stream import Subscription  # noqa: PLC0415 - as above
    from app.cli.client.watch import watch_events  # noqa: PLC0415 - as above

    subscription = Subscription(order_ids=order_ids or (), symbols=symbol or ())
    _run(address, partial(watch_events, subscription=subscription, after=after, as_json=as_json))


def _read_address(url: str, key: str | None) -> ServiceAddress:
    try:
        return read_address(url=url, key=key)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _run(
    address: ServiceAddress, command: "Callable[[ServiceClient], Coroutine[object, object, int]]"
) -> NoReturn:
    """Run a command with a client of the service, and exit with the status that it returns."""
    from app.cli.client.retries import RetryPolicy  # noqa: PLC0415 - as above
    from app.cli.client.service_client import ServiceClient  # noqa: PLC0415 - as above

    async def run() -> int:
        async with ServiceClient(address, RetryPolicy()) as service:
            return await command(service)

    raise typer.Exit(asyncio.run(run()))
