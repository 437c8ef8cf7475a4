"""The faults of the simulated venue over real sockets, one after the other."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidStatus

from app.simulator.venue.server import RunningVenue, SimulatedVenue
from app.simulator.venue.venue_limits import BINANCE_LIMITS
from tests.support.connections import connect, http_client
from tests.support.venues import (
    ANSWER_SECONDS_MAX,
    ASK,
    BID,
    ask,
    closed_with,
    next_message,
    scripted_venue,
)
from tests.support.waiting import eventually, eventually_true

pytestmark = pytest.mark.virtual_time

STREAM = "ws/ltcbtc@bookTicker"
COMBINED = "stream?streams=ltcbtc@bookTicker"


async def next_ids(client: ClientConnection, count: int) -> list[int]:
    """Return the update ids of the next frames."""
    return [(await next_message(client))["u"] for _ in range(count)]


async def joined(venue: SimulatedVenue, connections: int = 1) -> None:
    """Wait until so many connections listen."""
    await eventually(lambda: venue.observations.connections_open == connections)


# --- connections --------------------------------------------------------------------------------


async def test_dropped_connections_end_without_a_closing_frame() -> None:
    """A client sees an abnormal end, and may come again."""
    async with scripted_venue() as (_, venue, running):
        async with connect(f"{running.stream_url}/ws") as client:
            venue.drop_connections()
            assert (await closed_with(client))[0] == 1006
        async with connect(f"{running.stream_url}/ws") as client:
            assert await ask(client, method="LIST_SUBSCRIPTIONS", id=1)
        assert venue.observations.connections_opened == 2


async def test_closed_connections_get_the_code() -> None:
    """A venue may close with any code and reason."""
    async with (
        scripted_venue() as (_, venue, running),
        connect(f"{running.stream_url}/ws") as client,
    ):
        venue.close_connections(1012, "restart")
        assert await closed_with(client) == (1012, "restart")
        venue.close_connections(1012, "again")


async def test_refused_connections_get_502_and_later_come_in() -> None:
    """The answer is that of Binance's load balancer; every attempt is counted."""
    async with scripted_venue() as (_, venue, running):
        venue.refuse_connections()
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{running.stream_url}/ws")
        venue.refuse_connections(refused=False)
        async with connect(f"{running.stream_url}/ws"):
            pass

        assert caught.value.response.status_code == 502
        assert len(venue.observations.connection_attempts_at) == 2
        assert venue.observations.connections_opened == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, "403 Forbidden"), (429, "-1003"), (418, "IP banned until"), (451, "restricted")],
)
async def test_handshakes_can_be_refused_with_any_status(status: int, body: str) -> None:
    """The body is what the venue says with the status."""
    async with scripted_venue() as (_, venue, running):
        venue.refuse_connections(status=status)
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{running.stream_url}/ws")

    assert caught.value.response.status_code == status
    assert body in caught.value.response.body.decode()


async def test_handshakes_can_be_cut_or_held_back() -> None:
    """Before a word is said, or after a while; a client that gives up delays nobody."""
    async with scripted_venue() as (_, venue, running):
        venue.reset_handshakes()
        with pytest.raises((InvalidHandshake, ConnectionError, EOFError)):
            await connect(f"{running.stream_url}/ws")
        venue.reset_handshakes(on=False)
        venue.delay_handshakes(60)
        with pytest.raises(TimeoutError):
            await connect(f"{running.stream_url}/ws", open_timeout=0.1)
        venue.delay_handshakes(0.05)
        async with connect(f"{running.stream_url}/ws"):
            pass
        venue.delay_handshakes(60)
        waiting = asyncio.create_task(connect(f"{running.stream_url}/ws").__aenter__())
        await eventually(lambda: len(venue.observations.connection_attempts_at) == 4)
    with pytest.raises((InvalidHandshake, ConnectionError, EOFError)):
        await waiting


async def test_a_stalled_connection_says_nothing_of_the_market() -> None:
    """Pings, pongs and replies come, depth goes on, and a new connection hears every frame."""
    limits = replace(BINANCE_LIMITS, ping_interval_seconds=0.1, messages_per_second_max=100)
    async with (
        scripted_venue(limits=limits) as (
            market,
            venue,
            running,
        ),
        connect(f"{running.stream_url}/{STREAM}") as stalled,
    ):
        await joined(venue)
        venue.stall()
        pongs = venue.observations.pongs_received
        await eventually(lambda: venue.observations.pongs_received >= pongs + 2)
        silent = market.push("LTCBTC", bid=BID)
        assert venue.current_quote("LTCBTC") == silent
        await (await stalled.ping())
        assert await ask(stalled, method="LIST_SUBSCRIPTIONS", id=1) == {
            "result": ["ltcbtc@bookTicker"],
            "id": 1,
        }
        async with connect(f"{running.stream_url}/{STREAM}") as sound:
            await joined(venue, 2)
            market.push("LTCBTC", bid=BID)
            assert await next_ids(sound, 1) == [1002]
        venue.stall(on=False)
        market.push("LTCBTC", bid=BID)

        assert await next_ids(stalled, 1) == [1003]


async def test_a_swallowing_venue_is_a_line_whose_other_end_is_gone() -> None:
    """No frame, no reply, no pong, no closing frame; TCP stands, and new connections work."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/{STREAM}", close_timeout=0.1) as dead,
    ):
        await joined(venue)
        venue.swallow()
        market.push("LTCBTC", bid=BID)
        pong = asyncio.ensure_future(await dead.ping())
        await dead.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        venue.close_connections(1008)
        async with connect(f"{running.stream_url}/{STREAM}") as sound:
            await joined(venue, 2)
            market.push("LTCBTC", bid=BID)
            assert await next_ids(sound, 1) == [1002]
        assert not pong.done()
        assert not venue.observations.control_messages
        pong.cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(dead.recv(), 0.05)


async def test_a_line_that_is_gone_is_not_closed_for_want_of_pongs() -> None:
    """TCP stands past pings and past the day; afterwards both are counted anew."""
    limits = replace(
        BINANCE_LIMITS,
        ping_interval_seconds=0.05,
        pong_timeout_seconds=0.1,
        connection_seconds_max=0.2,
    )
    async with scripted_venue(limits=limits) as (market, venue, running):
        client = await connect(f"{running.stream_url}/{STREAM}")
        await joined(venue)
        venue.swallow()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.recv(), 0.4)
        assert not venue.observations.violations
        assert not venue.observations.closes
        assert venue.observations.connections_open == 1
        venue.swallow(on=False)
        pushed = market.push("LTCBTC", bid=BID)
        assert await client.recv() == pushed.data
        assert await closed_with(client) == (1001, "24 hours")


@pytest.mark.parametrize("path", [STREAM, COMBINED])
async def test_a_shutdown_is_announced_and_then_happens(path: str) -> None:
    """The event has the form of the connection, raw or combined; 1001 comes after it."""
    async with (
        scripted_venue() as (_, venue, running),
        connect(f"{running.stream_url}/{path}") as client,
    ):
        await joined(venue)
        venue.announce_shutdown(0.05)
        notice = await next_message(client)
        if path == COMBINED:
            assert notice["stream"] == "!serverShutdown"
            notice = notice["data"]

        assert list(notice) == ["e", "E"]
        assert notice["e"] == "serverShutdown"
        assert await closed_with(client) == (1001, "server shutdown")


# --- frames -------------------------------------------------------------------------------------


async def test_a_muted_symbol_is_silent_while_its_depth_goes_on() -> None:
    """Other symbols are heard, and it is heard again when it is unmuted."""
    async with (
        scripted_venue("LTCBTC", "ETHBTC") as (market, venue, running),
        connect(f"{running.stream_url}/ws/ltcbtc@bookTicker/ethbtc@bookTicker") as client,
    ):
        await eventually(lambda: venue.observations.connections_open == 1)
        venue.mute("LTCBTC")
        silent = market.push("LTCBTC", bid=BID)
        market.push("ETHBTC", bid=BID)
        assert venue.current_quote("LTCBTC") == silent
        venue.unmute("LTCBTC")
        market.push("LTCBTC", bid=BID)

        assert [(await next_message(client))["s"] for _ in range(2)] == ["ETHBTC", "LTCBTC"]


async def test_any_text_can_be_sent_on_a_stream() -> None:
    """The venue itself takes no notice of it."""
    async with (
        scripted_venue() as (_, venue, running),
        connect(f"{running.stream_url}/ws/ltcbtc@bookTicker") as client,
    ):
        await eventually(lambda: venue.observations.connections_open == 1)

        assert venue.send_frame("LTCBTC", "nonsense") == 1
        assert venue.send_frame("ETHBTC", "nonsense") == 0
        assert await client.recv() == "nonsense"


async def test_frames_come_twice_in_the_wrong_order_and_once_more() -> None:
    """Each fault lasts for as many frames as it was told, and nothing is lost by it."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/{STREAM}") as client,
    ):
        await joined(venue)
        venue.duplicate(2)
        for _ in range(3):
            market.push("LTCBTC", bid=BID)
        assert await next_ids(client, 5) == [1001, 1001, 1002, 1002, 1003]
        venue.reorder(1)
        for _ in range(3):
            market.push("LTCBTC", bid=BID)
        assert await next_ids(client, 3) == [1005, 1004, 1006]
        assert venue.resend("LTCBTC", 2) == 2
        assert await next_ids(client, 2) == [1005, 1006]


async def test_what_was_held_back_comes_when_faults_are_cleared() -> None:
    """A fault that ends leaves no quote behind."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/{STREAM}") as client,
    ):
        await joined(venue)
        venue.reorder()
        market.push("LTCBTC", bid=BID)
        venue.clear()
        market.push("LTCBTC", bid=BID)

        assert await next_ids(client, 2) == [1001, 1002]
        assert venue.faults_on() == {}


@pytest.mark.parametrize("path", [STREAM, COMBINED])
async def test_garbage_comes_beside_the_quotes_or_in_their_place(path: str) -> None:
    """Sent now it leaves the market alone; spoiled is what would have been a quote."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/{path}") as client,
    ):
        await joined(venue)
        market.push("LTCBTC", bid=BID, ask=ASK)
        assert venue.garbage("truncated") == 1
        venue.spoil("nan")
        market.push("LTCBTC", bid=BID, ask=ASK)
        market.push("LTCBTC", bid=BID, ask=ASK)
        frames = [str(await client.recv()) for _ in range(4)]

    with pytest.raises(json.JSONDecodeError):
        json.loads(frames[1])
    sound, spoiled, last = (json.loads(frames[number]) for number in (0, 2, 3))
    if path == COMBINED:
        sound, spoiled, last = sound["data"], spoiled["data"], last["data"]
    assert (spoiled["u"], spoiled["a"]) == (1002, "NaN")
    assert (sound["a"], last["u"]) == ("0.00257800", 1003)


async def test_a_binary_frame_and_broken_text_are_what_they_say() -> None:
    """The library tells the one apart and closes with 1007 for the other."""
    async with (
        scripted_venue() as (_, venue, running),
        connect(f"{running.stream_url}/{STREAM}") as client,
    ):
        await joined(venue)
        venue.garbage("binary", symbol="LTCBTC")
        assert await client.recv() == bytes(range(256))
        venue.garbage("invalid_utf8", symbol="LTCBTC")
        with pytest.raises(ConnectionClosedError) as caught:
            await client.recv()

    assert caught.value.sent is not None
    assert caught.value.sent.code == 1007


# --- REST ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (403, "<h1>403 Forbidden</h1>"),
        (418, "IP banned until"),
        (429, "-1003"),
        (451, "restricted location"),
        (500, "-1000"),
        (502, "<h1>502 Bad Gateway</h1>"),
        (503, "<h1>503"),
    ],
)
async def test_a_failing_venue_says_what_a_real_one_does(status: int, text: str) -> None:
    """JSON where the venue has words, a page where what stands before it answers."""
    async with (
        scripted_venue() as (_, venue, running),
        http_client(base_url=running.rest_url) as rest,
    ):
        venue.rest_failure(status, retry_after=7, path="/api/v3/depth")
        failed = await rest.get("/api/v3/depth", params={"symbol": "LTCBTC"})
        other = await rest.get("/api/v3/ping")

    assert (failed.status_code, other.status_code) == (status, 200)
    assert failed.headers["Retry-After"] == "7"
    assert text in failed.text
    assert failed.headers["Content-Type"].startswith("text/html") == text.startswith("<")


async def test_html_instead_of_json_and_a_slow_answer() -> None:
    """200 with a page is no answer; a slow one comes, unless the client has gone."""
    async with (
        scripted_venue() as (_, venue, running),
        http_client(base_url=running.rest_url) as rest,
    ):
        venue.html(path="/api/v3/exchangeInfo", times=1)
        page = await rest.get("/api/v3/exchangeInfo")
        venue.slow_rest(60, path="/api/v3/time")
        with pytest.raises(httpx2.ReadTimeout):
            await rest.get("/api/v3/time", timeout=0.1)
        venue.slow_rest(0.05)
        assert (await rest.get("/api/v3/ping")).json() == {}
        venue.clear_rest_failure()
        assert (await rest.get("/api/v3/time")).json()["serverTime"] > 0

    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")


# --- symbols ------------------------------------------------------------------------------------


async def symbol_status(running: RunningVenue, symbol: str) -> str | int:
    """Return the status in exchangeInfo, or the code of the error."""
    async with http_client(base_url=running.rest_url) as rest:
        answer = (await rest.get("/api/v3/exchangeInfo", params={"symbol": symbol})).json()
    if "code" in answer:
        return int(answer["code"])
    return str(answer["symbols"][0]["status"])


async def test_a_halted_symbol_stops_and_goes_on() -> None:
    """ExchangeInfo says BREAK, no quote comes, depth stands; afterwards all is as before."""
    async with (
        scripted_venue("LTCBTC", "ETHBTC") as (market, venue, running),
        connect(f"{running.stream_url}/ws/ltcbtc@bookTicker/ethbtc@bookTicker") as client,
    ):
        await joined(venue)
        venue.set_status("LTCBTC", "BREAK")
        assert await symbol_status(running, "LTCBTC") == "BREAK"
        market.push("LTCBTC", bid=BID)
        assert venue.current_quote("LTCBTC").update_id == 1000
        market.push("ETHBTC", bid=BID)
        venue.set_status("LTCBTC", "TRADING")
        market.push("LTCBTC", bid=BID)

        assert [(await next_message(client))["s"] for _ in range(2)] == ["ETHBTC", "LTCBTC"]


async def test_a_delisted_symbol_is_unknown_and_can_come_back() -> None:
    """REST does not know it, its stream is silent, and other symbols are untouched."""
    async with (
        scripted_venue("LTCBTC", "ETHBTC") as (market, venue, running),
        connect(f"{running.stream_url}/ws/ltcbtc@bookTicker") as client,
        http_client(base_url=running.rest_url) as rest,
    ):
        await joined(venue)
        venue.remove_symbol("LTCBTC")
        market.push("LTCBTC", bid=BID)
        assert await symbol_status(running, "LTCBTC") == -1121
        depth = await rest.get("/api/v3/depth", params={"symbol": "LTCBTC"})
        tickers = (await rest.get("/api/v3/ticker/bookTicker")).json()
        venue.restore_symbol("LTCBTC")
        market.push("LTCBTC", bid=BID)
        assert await next_ids(client, 1) == [1002]
        assert await symbol_status(running, "LTCBTC") == "TRADING"

    assert depth.json()["code"] == -1121
    assert [one["symbol"] for one in tickers] == ["ETHBTC"]


async def test_changed_rules_are_in_exchange_info() -> None:
    """Only what was named changes, and clearing takes it back."""
    async with (
        scripted_venue() as (_, venue, running),
        http_client(base_url=running.rest_url) as rest,
    ):

        async def filters() -> dict[str, dict[str, str]]:
            answer = (await rest.get("/api/v3/exchangeInfo")).json()
            return {one["filterType"]: one for one in answer["symbols"][0]["filters"]}

        before = await filters()
        venue.change_rules("LTCBTC", tick_size=Decimal("0.01"), notional_min=Decimal(5))
        after = await filters()
        venue.clear()

        assert after["PRICE_FILTER"]["tickSize"] == "0.01000000"
        assert after["NOTIONAL"]["minNotional"] == "5.00000000"
        assert after["LOT_SIZE"] == before["LOT_SIZE"]
        assert await filters() == before


async def test_the_venue_can_begin_its_update_ids_anew() -> None:
    """Depth has the new id at once, frames count on from it, their text otherwise unchanged."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/{STREAM}") as client,
        http_client(base_url=running.rest_url) as rest,
    ):
        await joined(venue)
        market.push("LTCBTC", bid=BID)
        venue.reset_update_ids(7)
        depth = (await rest.get("/api/v3/depth", params={"symbol": "LTCBTC"})).json()
        pushed = market.push("LTCBTC", bid=BID, update_id=1005)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            frames = [await client.recv() for _ in range(2)]

    assert depth["lastUpdateId"] == 7
    assert frames[1] == pushed.data.replace('"u":1005', '"u":11')


async def test_a_symbol_that_the_market_has_not_is_refused() -> None:
    """A fault never goes astray because of a slip."""
    async with scripted_venue() as (_, venue, _):
        for fault in (venue.mute, venue.set_status, venue.remove_symbol, venue.resend):
            with pytest.raises(ValueError, match="the market has no symbol 'NOPE'"):
                fault("NOPE")
        with pytest.raises(ValueError, match="garbage is one of truncated, "):
            venue.garbage("nonsense")


async def test_a_venue_that_vanishes_refuses_connections_and_comes_back() -> None:
    """Streams are cut, TCP is refused, and after the time it listens at the same port."""
    async with scripted_venue() as (_, venue, running):
        async with connect(f"{running.stream_url}/ws") as client:
            venue.vanish(0.2)
            assert (await closed_with(client))[0] == 1006
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(running.host, running.port)

        async def is_back() -> bool:
            try:
                async with connect(f"{running.stream_url}/ws"):
                    return True
            except OSError:
                return False

        await eventually_true(is_back)
        venue.vanish(60)
        venue.vanish(60)
