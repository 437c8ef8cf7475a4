"""The whole service in this process, on a venue whose quotes the test pushes."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from app.clock import SystemClock
from app.composition import running_service
from app.settings import Settings, Venue
from app.simulator.scripted_market import ScriptedMarket
from app.simulator.stage import Market
from app.simulator.venue import RunningVenue, SimulatedVenue
from tests.support.waiting import eventually_true


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUnderTest:
    """A running service, a client for it, and the venue it listens to."""

    url: str
    client: httpx2.AsyncClient
    venue: RunningVenue
    market: ScriptedMarket

    async def order(self, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON can say
        """Post an order and return its answer once it is finished."""
        answer = await self.client.post("/order/limit", json=body)
        assert answer.status_code == httpx2.codes.OK, answer.text
        return dict(answer.json())

    async def stored(self, order_id: str) -> dict[str, Any]:
        """Return an order as it is stored."""
        answer = await self.client.get(f"/order/{order_id}")
        assert answer.status_code == httpx2.codes.OK, answer.text
        return dict(answer.json())

    async def open_orders(self) -> list[dict[str, Any]]:
        """Return the newest orders that are not closed."""
        answer = await self.client.get("/orders", params={"limit": 100})
        return [
            one for one in answer.json()["orders"] if one["status"] in {"NEW", "PARTIALLY_FILLED"}
        ]


@contextlib.asynccontextmanager
async def running_venue(market: Market) -> AsyncIterator[RunningVenue]:
    """Run a simulated venue on a free port."""
    async with SimulatedVenue(market, clock=SystemClock()).serve("127.0.0.1", 0) as venue:
        yield venue


def make_settings(
    folder: Path, *, stream_url: str, rest_url: str, order_timeout_seconds: str = "30"
) -> Settings:
    """Make the settings of a service on a free port with its database in ``folder``."""
    return Settings(
        http_host="127.0.0.1",
        http_port=0,
        http_allowed_hosts=("localhost", "127.0.0.1", "[::1]"),
        allow_open_access="",
        order_timeout_seconds=Decimal(order_timeout_seconds),
        timeout_seconds_max=Decimal(86_400),
        database_url=f"sqlite+aiosqlite:///{folder / 'service.db'}",
        venue=Venue.SIMULATOR,
        binance_stream_url=stream_url,
        binance_rest_url=rest_url,
    )


@contextlib.asynccontextmanager
async def service_under_test(
    folder: Path, *, symbols: Iterable[str] = ("LTCBTC",), order_timeout_seconds: str = "30"
) -> AsyncIterator[ServiceUnderTest]:
    """Run the service on a scripted market of these symbols, and wait until it takes orders."""
    market = ScriptedMarket(symbols)
    async with running_venue(market) as venue:
        settings = make_settings(
            folder,
            stream_url=venue.stream_url,
            rest_url=venue.rest_url,
            order_timeout_seconds=order_timeout_seconds,
        )
        async with (
            running_service(settings) as url,
            httpx2.AsyncClient(
                base_url=url, timeout=60, limits=httpx2.Limits(max_connections=None)
            ) as client,
        ):
            await until_ready(client)
            yield ServiceUnderTest(url=url, client=client, venue=venue, market=market)


async def until_ready(client: httpx2.AsyncClient) -> None:
    """Wait until the service takes orders."""
    await eventually_true(lambda: _is_ready(client))


async def _is_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).is_success
