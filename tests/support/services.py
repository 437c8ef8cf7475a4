"""The whole service in this process, on a venue whose quotes the test pushes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import httpx2
from sqlalchemy.engine import make_url

from app.clock import SystemClock
from app.composition import running_service
from app.market.timing import FeedTiming
from app.settings import Settings, Venue
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.observations import Observations
from app.simulator.venue.server import SimulatedVenue
from app.simulator.venue.venue_limits import BINANCE_LIMITS, VenueLimits
from tests.support.connections import http_client
from tests.support.databases import place_migrated_sqlite
from tests.support.market import PATIENT
from tests.support.waiting import eventually_true

_starts: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedVenue:
    """A venue on a free port, whose market and faults the test controls."""

    market: ScriptedMarket
    faults: SimulatedVenue
    stream_url: str
    rest_url: str

    @property
    def observations(self) -> Observations:
        """What the venue received and sent."""
        return self.faults.observations

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a service that uses this venue."""
        return {
            "VENUE": "simulator",
            "BINANCE_STREAM_URL": self.stream_url,
            "BINANCE_REST_URL": self.rest_url,
        }


@contextlib.asynccontextmanager
async def scripted_venue(
    symbols: Iterable[str] = ("LTCBTC",), *, port: int = 0, limits: VenueLimits = BINANCE_LIMITS
) -> AsyncIterator[ScriptedVenue]:
    """Run a venue whose quotes the test pushes."""
    market = ScriptedMarket(symbols)
    faults = SimulatedVenue(market, clock=SystemClock(), limits=limits)
    async with faults.serve("127.0.0.1", port) as running:
        yield ScriptedVenue(
            market=market,
            faults=faults,
            stream_url=running.stream_url,
            rest_url=running.rest_url,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUnderTest:
    """A running service, a client for it, and its venue."""

    url: str
    client: httpx2.AsyncClient
    venue: ScriptedVenue

    @property
    def market(self) -> ScriptedMarket:
        """The venue's market."""
        return self.venue.market

    async def order(self, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Post an order and return the answer once it is closed."""
        answer = await self.client.post("/order/limit", json=body)
        assert answer.status_code == httpx2.codes.OK, answer.text
        return dict(answer.json())

    async def place(self, **body: Any) -> str:  # noqa: ANN401 - as above
        """Post an order and return its id as soon as it is stored."""
        answer = await self.client.post(
            "/order/limit", json=body, headers={"Prefer": "respond-async"}
        )
        assert answer.is_success, answer.text
        return str(answer.json()["order_id"])

    async def stored(self, order_id: str) -> dict[str, Any]:
        """Return the stored order."""
        answer = await self.client.get(f"/order/{order_id}")
        assert answer.status_code == httpx2.codes.OK, answer.text
        return dict(answer.json())

    async def open_orders(self) -> list[dict[str, Any]]:
        """Return the newest orders that are not closed."""
        answer = await self.client.get("/orders", params={"limit": 100})
        return [
            one for one in answer.json()["orders"] if one["status"] in {"NEW", "PARTIALLY_FILLED"}
        ]

    async def ready(self) -> dict[str, Any]:
        """Return the answer of ``/readyz``."""
        return dict((await self.client.get("/readyz")).json())

    async def quote(self, symbol: str = "LTCBTC") -> dict[str, Any] | None:
        """Return the current quote of a symbol, or None without one."""
        quote: dict[str, Any] | None = (await self.client.get(f"/symbols/{symbol}")).json()["quote"]
        return quote

    async def until_quoted(self, symbol: str, update_id: int) -> None:
        """Wait until the current quote of a symbol has this update id."""

        async def is_quoted() -> bool:
            quote = await self.quote(symbol)
            return quote is not None and bool(quote["update_id"] == update_id)

        await eventually_true(is_quoted)

    async def until_status(self, order_id: str, status: str) -> None:
        """Wait until an order has this status."""

        async def has_status() -> bool:
            return bool((await self.stored(order_id))["status"] == status)

        await eventually_true(has_status)


def make_settings(
    folder: Path, *, stream_url: str, rest_url: str, order_timeout_seconds: str = "3600"
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
    folder: Path,
    *,
    symbols: Iterable[str] = ("LTCBTC",),
    venue_limits: VenueLimits = BINANCE_LIMITS,
    **options: Any,  # noqa: ANN401 - passed on
) -> AsyncIterator[ServiceUnderTest]:
    """Run the service on a new scripted market of these symbols; see ``service_on``."""
    async with (
        scripted_venue(symbols, limits=venue_limits) as venue,
        service_on(venue, folder, **options) as service,
    ):
        yield service


@contextlib.asynccontextmanager
async def service_on(
    venue: ScriptedVenue,
    folder: Path,
    *,
    order_timeout_seconds: str = "3600",
    limits: Mapping[str, int | str] | None = None,
    stream_path: str = "",
    timing: FeedTiming = PATIENT,
) -> AsyncIterator[ServiceUnderTest]:
    """Run the service on a venue, and wait until it takes orders.

    A later service in the same folder resumes the orders of an earlier one.

    Args:
        venue: The venue.
        folder: The folder of the database.
        order_timeout_seconds: The default time of an order.
        limits: Settings by their names in code.
        stream_path: With ``/stream`` the venue sends combined frames.
        timing: The timing of the feed.
    """
    settings = make_settings(
        folder,
        stream_url=venue.stream_url + stream_path,
        rest_url=venue.rest_url,
        order_timeout_seconds=order_timeout_seconds,
    ).model_copy(update=limits or {})
    async with started(settings, timing) as url, http_client(base_url=url) as client:
        await until_ready(client)
        yield ServiceUnderTest(url=url, client=client, venue=venue)


@contextlib.asynccontextmanager
async def started(settings: Settings, timing: FeedTiming = PATIENT) -> AsyncIterator[str]:
    """Run the service; services of one process start one after another.

    A missing SQLite database is first created as a migrated copy, which is faster. Two threads of
    one process must not migrate at once.
    """
    path = make_url(settings.database_url).database
    assert path is not None, "the service is on SQLite"
    place_migrated_sqlite(Path(path))
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        async with _starts.setdefault(loop, asyncio.Lock()):
            url = await stack.enter_async_context(running_service(settings, timing=timing))
        yield url


async def until_ready(client: httpx2.AsyncClient) -> None:
    """Wait until the service takes orders."""
    await eventually_true(lambda: _is_ready(client))


async def _is_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).is_success
