"""The limits of the simulated venue and the recorded violations, over real sockets."""

import asyncio
from dataclasses import replace

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from app.simulator.venue.server import SimulatedVenue
from app.simulator.venue.venue_limits import BINANCE_LIMITS
from tests.support.connections import connect, http_client
from tests.support.venues import (
    ask,
    closed_with,
    connect_without_reading,
    connected_client,
    scripted_venue,
    until_connected,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


def kinds(venue: SimulatedVenue) -> list[str]:
    """Return the kinds of the recorded violations, in order."""
    return [one.kind.value for one in venue.observations.violations]


async def test_six_messages_in_a_second_end_the_connection() -> None:
    """The connection closes with code 1008 and the recorded reason."""
    async with connected_client("ws") as (_, venue, client):
        for number in range(6):
            await client.send(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')

        assert await closed_with(client) == (1008, "Too many requests")
        assert venue.observations.closes == {"Too many requests": 1}
        assert kinds(venue) == ["message_rate"]


async def test_pings_and_pongs_count_as_messages() -> None:
    """Binance: a message is a PING frame, a PONG frame, or a JSON controlled message."""
    async with connected_client("ws") as (_, _, client):
        for _ in range(3):
            await client.ping()
            await client.pong()

        assert await closed_with(client) == (1008, "Too many requests")


async def test_five_messages_a_second_are_allowed() -> None:
    """The window slides, so a message leaves it after a second."""
    async with (
        scripted_venue() as (_, venue, running),
        connect(f"{running.stream_url}/ws") as client,
    ):
        for number in range(5):
            await ask(client, method="LIST_SUBSCRIPTIONS", id=number)
        first_at = venue.observations.control_messages[0].received_at
        loop = asyncio.get_running_loop()
        await eventually(lambda: loop.time() > first_at + 1.05)

        assert await ask(client, method="LIST_SUBSCRIPTIONS", id=6) == {"result": [], "id": 6}


class DeafConnection(ClientConnection):
    """A client that answers pings with unsolicited pongs."""

    def send_data(self) -> None:
        """Replace the library's own pongs."""
        writes = [data for data in self.protocol.data_to_send() if data]
        for data in writes:
            is_pong = data[0] & 0x0F == Opcode.PONG
            self.transport.write(Frame(Opcode.PONG, b"").serialize(mask=True) if is_pong else data)


async def test_a_client_that_does_not_answer_pings_is_cut() -> None:
    """Unsolicited pongs do not prevent the recorded close with code 1008."""
    limits = replace(BINANCE_LIMITS, ping_interval_seconds=0.25, pong_timeout_seconds=0.6)
    async with scripted_venue(limits=limits) as (_, venue, running):
        client = await connect(
            f"{running.stream_url}/ws", create_connection=DeafConnection, close_timeout=0.1
        )
        code_and_reason = await closed_with(client)

    assert code_and_reason == (1008, "Pong timeout")
    assert venue.observations.pongs_received >= 2
    assert kinds(venue) == ["pong_timeout"]


async def test_a_connection_ends_after_its_day() -> None:
    """The lifetime of 24 hours is one of the limits."""
    limits = replace(BINANCE_LIMITS, connection_seconds_max=0.2)
    async with connected_client("ws", limits=limits) as (_, _, client):
        assert await closed_with(client) == (1001, "24 hours")


async def test_a_client_that_does_not_read_is_cut() -> None:
    """The bytes that wait for a slow client are bounded, and the market does not wait."""
    limits = replace(BINANCE_LIMITS, unsent_bytes_max=100_000)
    async with scripted_venue(limits=limits) as (_, venue, running):
        reader, writer = await connect_without_reading(running, "ws/ltcbtc@bookTicker")
        await until_connected(venue)
        while not venue.observations.closes:
            venue.send_frame("LTCBTC", "x" * 50_000)
            await asyncio.sleep(0)
        await until_connected(venue, 0)
        writer.close()
        del reader

    assert venue.observations.closes == {"slow client": 1}


async def test_too_many_streams_are_refused_and_noted() -> None:
    """The reply is the recorded error, and the subscriptions stay the same."""
    async with connected_client("ws") as (_, venue, client):
        streams = [f"coin{number}usdt@bookTicker" for number in range(1_025)]
        reply = await ask(client, method="SUBSCRIBE", params=streams, id=1)

        assert reply == {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": 1}
        assert await ask(client, method="LIST_SUBSCRIPTIONS", id=2) == {"result": [], "id": 2}
        assert kinds(venue) == ["streams"]


async def test_an_address_that_connects_too_often_must_wait() -> None:
    """429 gives the wait; other addresses are accepted, and this one is after the wait."""
    limits = replace(BINANCE_LIMITS, connection_attempts_max=2, connection_window_seconds=0.5)
    async with scripted_venue(limits=limits) as (_, venue, running):
        url = f"{running.stream_url}/ws"
        async with connect(url), connect(url):
            with pytest.raises(InvalidStatus) as caught:
                await connect(url)
            async with connect(url, local_addr=("127.0.0.2", 0)):
                pass
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "1"
        assert kinds(venue) == ["connection_attempts"]

        refused_at = venue.observations.violations[0].at
        loop = asyncio.get_running_loop()
        await eventually(lambda: loop.time() > refused_at + 0.5)
        async with connect(url):
            pass


async def test_a_ban_applies_to_streams_and_requests() -> None:
    """A client that continues after 429 gets 418 with the recorded text."""
    limits = replace(BINANCE_LIMITS, weight_per_minute_max=20, refusals_before_ban=1)
    async with (
        scripted_venue(limits=limits) as (_, venue, running),
        http_client(base_url=running.rest_url) as rest,
    ):
        answers = [await rest.get("/api/v3/exchangeInfo") for _ in range(4)]
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{running.stream_url}/ws")

    assert [one.status_code for one in answers] == [200, 429, 418, 418]
    assert 1 <= int(answers[1].headers["Retry-After"]) <= 60
    assert answers[2].headers["Retry-After"] == "120"
    assert answers[2].json()["msg"].startswith("Way too much request weight used; IP banned until ")
    assert caught.value.response.status_code == 418
    assert kinds(venue) == [
        "request_weight",
        "request_weight",
        "ban",
        "while_banned",
        "while_banned",
    ]


async def test_a_client_within_the_limits_breaks_no_rule() -> None:
    """It answers pings for longer than a pong may take, and stays connected."""
    async with (
        scripted_venue(limits=BINANCE_LIMITS.scaled(60)) as (_, venue, running),
        connect(f"{running.stream_url}/ws") as client,
        http_client(base_url=running.rest_url) as rest,
    ):
        await ask(client, method="SUBSCRIBE", params=["ltcbtc@bookTicker"], id=1)
        await rest.get("/api/v3/exchangeInfo")
        await eventually(lambda: venue.observations.pongs_received >= 4)

        assert kinds(venue) == []
        assert venue.observations.connections_open == 1
