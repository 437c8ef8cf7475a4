"""The venue's streams are unreachable from the start: orders wait, and the cause is reported."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.support.certificates import behind_tls, make_authority
from tests.support.connections import http_client
from tests.support.services import make_settings, scripted_venue, started, until_ready
from tests.support.waiting import eventually_true

ORDER: Final = {"symbol": "LTCBTC", "order_size": "3", "price": "0.0026", "timeout_seconds": 0.3}


@asynccontextmanager
async def service_at(stream_url: str, rest_url: str, folder: Path) -> AsyncIterator[Any]:
    """Run the service with separate addresses for streams and REST, and a client for it."""
    settings = make_settings(folder, stream_url=stream_url, rest_url=rest_url)
    async with (
        started(settings) as url,
        http_client(base_url=url) as client,
    ):
        await until_ready(client)
        yield client


async def feed_once_failed(client: httpx2.AsyncClient, kind: str) -> Any:  # noqa: ANN401 - JSON
    """Return the state of the feed once an attempt has failed in this way and the feed is down."""
    feed: dict[str, Any] = {}

    async def has_failed() -> bool:
        feed.update((await client.get("/readyz")).json()["feed"])
        return bool(feed["failed"].get(kind, 0) > 0 and feed["status"] == "down")

    await eventually_true(has_failed)
    return feed


async def test_a_name_that_nobody_knows_is_told_and_orders_wait(tmp_path: Path) -> None:
    """With a failing DNS, the order meets no quote, and the cause is counted and reported."""
    async with (
        scripted_venue() as venue,
        service_at("ws://no-such-venue.invalid", venue.rest_url, tmp_path) as client,
    ):
        venue.market.push("LTCBTC", bid=("0.0024", "7"), ask=("0.0025", "5"))

        order = (await client.post("/order/limit", json=ORDER)).json()
        feed = await feed_once_failed(client, "dns")

    assert (order["status"], order["reason"]) == ("EXPIRED", "NO_MARKET_DATA")
    assert feed["failed"]["dns"] > 0
    assert feed["status"] == "down"
    assert "no-such-venue.invalid" in feed["cause"]


async def test_a_certificate_of_a_stranger_is_not_believed_until_the_right_one_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is filled from a server whose certificate is not trusted."""
    company = await make_authority(tmp_path, "company")
    stranger = await make_authority(tmp_path, "stranger")
    monkeypatch.setenv("SSL_CERT_FILE", str(company.certificate))
    async with scripted_venue() as venue:
        venue.market.push("LTCBTC", bid=("0.0024", "7"), ask=("0.0025", "5"))
        inner_port = int(venue.stream_url.rpartition(":")[2])
        async with (
            behind_tls(inner_port, stranger.server) as port,
            service_at(f"wss://127.0.0.1:{port.number}", venue.rest_url, tmp_path) as client,
        ):
            order = (await client.post("/order/limit", json=ORDER)).json()
            feed = await feed_once_failed(client, "tls")
            port.present(company.server)
            later = ORDER | {"timeout_seconds": 3_600}
            filled = (await client.post("/order/limit", json=later)).json()

    assert filled["status"] == "FILLED"
    assert (order["status"], order["reason"]) == ("EXPIRED", "NO_MARKET_DATA")
    assert feed["failed"]["tls"] > 0
    assert "certificate verify failed" in feed["cause"]
