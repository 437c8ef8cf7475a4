"""``papertape demo``: run the simulated venue and the service, and place three orders."""

import asyncio
import random
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx2
from rich.console import Console

from app.cli.client import answers as wire
from app.cli.client.sentences import order_outcome
from app.cli.client.tables import SPLITS_SHOWN_MAX, FillProgress, split_table
from app.cli.client.terminal import print_words
from app.clock import SystemClock
from app.composition import running_service
from app.domain.amounts import EXACT, format_amount
from app.domain.errors import StartupError
from app.event_loop import stop_event
from app.settings import Settings, Venue, make_settings
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.venue.server import SimulatedVenue

SYMBOL: Final = "LTCBTC"
PREFERRED_PORT: Final = 8080
READY_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.1
ANSWER_SECONDS_MAX: Final = 60.0
LIMIT_ABOVE_ASK: Final = Decimal("0.00003")


@dataclass(frozen=True, slots=True, kw_only=True)
class _DemoOrder:
    """An order of the demo, and a caption that explains it."""

    caption: str
    body: dict[str, str]


async def demo(*, stay: bool) -> None:
    """Follow three orders from acceptance to end; then run until Ctrl-C, if ``stay``."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="papertape-demo-") as folder:
        market = SyntheticMarket(seed=random.SystemRandom().randrange(1, 1_000_000))
        async with (
            SimulatedVenue(market, clock=SystemClock()).serve("127.0.0.1", 0) as venue,
            running_service(
                _settings(Path(folder), stream_url=venue.stream_url, rest_url=venue.rest_url)
            ) as url,
            httpx2.AsyncClient(base_url=url, timeout=ANSWER_SECONDS_MAX) as client,
        ):
            console.print(f"Simulated venue  {venue.stream_url}  {venue.rest_url}")
            console.print(f"Papertape        {url}")
            console.print(f"Its docs page    {url}/docs\n")
            await _until_ready(client)
            demo_orders = _demo_orders(await _best_ask(venue.rest_url))
            answers = await _place_all(console, client, demo_orders)
            for demo_order, answer in zip(demo_orders, answers, strict=True):
                _print_outcome(console, demo_order, answer)
            if stay:
                await _stay(console, url)


def _settings(folder: Path, *, stream_url: str, rest_url: str) -> Settings:
    return make_settings(
        http_host="127.0.0.1",
        http_port=_port(),
        http_allowed_hosts=("localhost", "127.0.0.1", "[::1]"),
        database_url=f"sqlite+aiosqlite:///{folder / 'demo.db'}",
        venue=Venue.SIMULATOR,
        binance_stream_url=stream_url,
        binance_rest_url=rest_url,
        order_timeout_seconds=Decimal(30),
        timeout_seconds_max=Decimal(86_400),
    )


def _port() -> int:
    """Return the default port, or 0 (any free port) if it is in use."""
    with socket.socket() as probe:
        # As the server does: a port whose last connections still close counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PREFERRED_PORT))
        except OSError:
            return 0
    return PREFERRED_PORT


async def _until_ready(client: httpx2.AsyncClient) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS_MAX):
            while (await client.get("/readyz")).is_error:  # noqa: ASYNC110 - asked over HTTP
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StartupError(f"not ready within {READY_SECONDS_MAX:g} s; see /readyz") from None


async def _best_ask(rest_url: str) -> tuple[Decimal, Decimal]:
    """Return price and quantity of the venue's best ask, from its REST API."""
    async with httpx2.AsyncClient(base_url=rest_url) as client:
        answer = await client.get("/api/v3/ticker/bookTicker", params={"symbol": SYMBOL})
        ticker = answer.raise_for_status().json()
    return Decimal(ticker["askPrice"]), Decimal(ticker["askQty"])


def _demo_orders(best_ask: tuple[Decimal, Decimal]) -> list[_DemoOrder]:
    ask_price, ask_quantity = best_ask
    limit_price = EXACT.add(ask_price, LIMIT_ABOVE_ASK)
    quantity = max(300, 5 * int(ask_quantity))  # more than one quote displays
    buy = {"side": "BUY", "order_size": str(quantity), "price": format_amount(limit_price)}
    sell = {"side": "SELL", "order_size": "1000", "price": "0.0001"}
    unreachable = {"side": "BUY", "order_size": "1000", "price": "0.0001", "timeout_seconds": "4"}
    return [
        _DemoOrder(
            caption=f"more than is displayed ({format_amount(ask_quantity)} LTC just before)",
            body={"symbol": SYMBOL, **buy},
        ),
        _DemoOrder(caption="at any price from the limit upward", body={"symbol": SYMBOL, **sell}),
        _DemoOrder(
            caption="far below the market, for 4 s",
            body={"symbol": SYMBOL, **unreachable},
        ),
    ]


async def _place_all(
    console: Console, client: httpx2.AsyncClient, demo_orders: Sequence[_DemoOrder]
) -> list[wire.Order]:
    """Post all orders at once, show their progress, and return the answers in the same order."""
    bodies = [demo_order.body for demo_order in demo_orders]
    with FillProgress(console) as progress:
        bars = {
            _key(body): progress.add_order(_title(body), order_size=body["order_size"])
            for body in bodies
        }

        async def refresh() -> None:
            answer = await client.get("/orders", params={"symbol": SYMBOL, "limit": len(bars)})
            for order in answer.raise_for_status().json()["orders"]:
                progress.follow(bars[_key(order)], order)

        async def follow() -> None:
            while True:
                await refresh()
                await asyncio.sleep(POLL_SECONDS)

        async with asyncio.TaskGroup() as group:
            following = group.create_task(follow())
            posts = [client.post("/order/limit", json=body) for body in bodies]
            answers = await asyncio.gather(*posts)
            following.cancel()
        # Polling ends with the answers; the last refresh draws the final state.
        await refresh()
    return [answer.raise_for_status().json() for answer in answers]


def _key(order: dict[str, Any]) -> tuple[str, str]:
    return order["side"], order["price"]


def _title(body: dict[str, str]) -> str:
    return f"{body['side']:4} {body['order_size']:>5} {body['symbol']} at {body['price']}"


def _print_outcome(console: Console, demo_order: _DemoOrder, answer: wire.Order) -> None:
    console.print(f"\n{_title(demo_order.body)}, {demo_order.caption}")
    print_words(console, f"{answer['message']}. {order_outcome(answer)}")
    if splits := answer["splits"][:SPLITS_SHOWN_MAX]:
        console.print(split_table(splits, splits_total=answer["splits_total"]))


async def _stay(console: Console, url: str) -> None:
    body = '{"symbol": "LTCBTC", "order_size": 1000, "price": 0.0001, "side": "SELL"}'
    console.print("\nTry it yourself (Ctrl-C stops the demo):\n")
    console.print(
        f"curl --request POST --url {url}/order/limit --data '{body}'\n",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    await stop_event().wait()
