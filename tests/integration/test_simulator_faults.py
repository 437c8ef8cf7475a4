"""The faults of the simulated venue, over real sockets and in virtual time."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidStatus

from app.simulator.venue.venue_limits import BINANCE_LIMITS
from tests.support.connections import connect, http_client
from tests.support.venues import (
    ANSWER_SECONDS_MAX,
    ASK,
    BID,
    ask,
    closed_with,
    connected_client,
    next_message,
    rest_client,
    scripted_venue,
    until_connected,
)
from tests.support.waiting import eventually, eventually_true

pytestmark = pytest.mark.virtual_time

STREAM = "ws/ltcbtc@bookTicker"
TWO_STREAMS = "ws/ltcbtc@bookTicker/ethbtc@bookTicker"
COMBINED = "stream?streams=ltcbtc@bookTicker"


async def next_ids(client: ClientConnection, count: int) -> list[int]:
    """Return the update ids of the next frames."""
    return [(await next_message(client))["u"] for _ in range(count)]


# --- connections --------------------------------------------------------------------------------


async def test_dropped_connections_end_without_a_closing_frame() -> None:
    """A client sees code 1006, and can reconnect."""
    async with scripted_venue() as (_, venue, running):
        async with connect(f"{running.stream_url}/ws") as client:
            venue.drop_connections()
            assert (await closed_with(client))[0] == 1006
        async with connect(f"{running.stream_url}/ws") as client:
            assert await ask(client, method="LIST_SUBSCRIPTIONS", id=1)
        assert venue.observations.connections_opened == 2


async def test_closed_connections_get_the_code() -> None:
    """The venue closes with the given code and reason."""
    async with connected_client("ws") as (_, venue, client):
        venue.close_connections(1012, "restart")
        assert await closed_with(client) == (1012, "restart")
        venue.close_connections(1012, "again")


@pytest.mark.parametrize(
    ("status", "body"), [(502, "<h1>502 Bad Gateway</h1>"), (418, "IP banned until")]
)
async def test_handshakes_are_refused_until_the_fault_ends(status: int, body: str) -> None:
    """The body is the usual one of the status, and each attempt is counted."""
    async with scripted_venue() as (_, venue, running):
        venue.refuse_connections(status=status)
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{running.stream_url}/ws")
        venue.refuse_connections(on=False)
        async with connect(f"{running.stream_url}/ws"):
            pass

        assert caught.value.response.status_code == status
        assert body in caught.value.response.body.decode()
        assert len(venue.observations.connection_attempts_at) == 2
        assert venue.observations.connections_opened == 1


async def test_handshakes_can_be_cut_or_delayed() -> None:
    """A client that gives up during the delay does not hold up the venue."""
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


async def test_a_stalled_connection_gets_no_frames() -> None:
    """Pings, pongs, replies and depth continue, and a new connection gets each frame."""
    limits = replace(BINANCE_LIMITS, ping_interval_seconds=0.1, messages_per_second_max=100)
    async with (
        scripted_venue(limits=limits) as (
            market,
            venue,
            running,
        ),
        connect(f"{running.stream_url}/{STREAM}") as stalled,
    ):
        await until_connected(venue)
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
            await until_connected(venue, 2)
            market.push("LTCBTC", bid=BID)
            assert await next_ids(sound, 1) == [1002]
        venue.stall(on=False)
        market.push("LTCBTC", bid=BID)

        assert await next_ids(stalled, 1) == [1003]


async def test_a_swallowing_venue_leaves_connections_half_open() -> None:
    """No frame of any kind is sent, TCP stays connected, and new connections work."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/{STREAM}", close_timeout=0.1) as dead,
    ):
        await until_connected(venue)
        venue.swallow()
        market.push("LTCBTC", bid=BID)
        pong = asyncio.ensure_future(await dead.ping())
        await dead.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        venue.close_connections(1008)
        async with connect(f"{running.stream_url}/{STREAM}") as sound:
            await until_connected(venue, 2)
            market.push("LTCBTC", bid=BID)
            assert await next_ids(sound, 1) == [1002]
        assert not pong.done()
        assert not venue.observations.control_messages
        pong.cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(dead.recv(), 0.05)


async def test_a_half_open_connection_is_not_closed_for_missing_pongs() -> None:
    """It stays past pings and past its day; both are counted again afterwards."""
    limits = replace(
        BINANCE_LIMITS,
        ping_interval_seconds=0.05,
        pong_timeout_seconds=0.1,
        connection_seconds_max=0.2,
    )
    async with scripted_venue(limits=limits) as (market, venue, running):
        client = await connect(f"{running.stream_url}/{STREAM}")
        await until_connected(venue)
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
async def test_a_shutdown_is_announced_before_the_close(path: str) -> None:
    """The event is raw or wrapped like other frames, and 1001 follows it."""
    async with connected_client(path) as (_, venue, client):
        venue.announce_shutdown(0.05)
        notice = await next_message(client)
        if path == COMBINED:
            assert notice["stream"] == "!serverShutdown"
            notice = notice["data"]

        assert list(notice) == ["e", "E"]
        assert notice["e"] == "serverShutdown"
        assert await closed_with(client) == (1001, "server shutdown")


# --- frames -------------------------------------------------------------------------------------


async def test_a_muted_symbol_is_silent_while_its_depth_continues() -> None:
    """Other symbols have frames, and it has frames again after the fault."""
    async with connected_client(TWO_STREAMS, "LTCBTC", "ETHBTC") as (market, venue, client):
        venue.mute("LTCBTC")
        silent = market.push("LTCBTC", bid=BID)
        market.push("ETHBTC", bid=BID)
        assert venue.current_quote("LTCBTC") == silent
        venue.mute("LTCBTC", on=False)
        market.push("LTCBTC", bid=BID)

        assert [(await next_message(client))["s"] for _ in range(2)] == ["ETHBTC", "LTCBTC"]


async def test_frames_are_duplicated_reordered_and_resent() -> None:
    """Each fault lasts for the given number of frames, and no quote is lost."""
    async with connected_client(STREAM) as (market, venue, client):
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


async def test_held_frames_are_sent_when_faults_are_cleared() -> None:
    """The end of a fault loses no quote."""
    async with connected_client(STREAM) as (market, venue, client):
        venue.reorder()
        market.push("LTCBTC", bid=BID)
        venue.clear()
        market.push("LTCBTC", bid=BID)

        assert await next_ids(client, 2) == [1001, 1002]
        assert venue.faults_on() == {}


@pytest.mark.parametrize("path", [STREAM, COMBINED])
async def test_garbage_is_sent_in_addition_to_quotes_or_instead(path: str) -> None:
    """``garbage`` adds a frame, and ``spoil`` replaces the next quote."""
    async with connected_client(path) as (market, venue, client):
        market.push("LTCBTC", bid=BID, ask=ASK)
        assert venue.garbage("truncated") == 1
        assert venue.send_frame("ETHBTC", "nonsense") == 0, "no client subscribed to it"
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


async def test_binary_and_invalid_text_frames_reach_the_client() -> None:
    """The client gets the binary frame, and closes with 1007 after the invalid text."""
    async with connected_client(STREAM) as (_, venue, client):
        venue.garbage("binary", symbol="LTCBTC")
        assert await client.recv() == bytes(range(256))
        venue.garbage("invalid_utf8", symbol="LTCBTC")
        with pytest.raises(ConnectionClosedError) as caught:
            await client.recv()

    assert caught.value.sent is not None
    assert caught.value.sent.code == 1007


# --- REST ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (418, None, "IP banned until"),
        (502, None, "<h1>502 Bad Gateway</h1>"),
        (429, '{"msg":"Too many."}', "Too many."),
        (599, None, ""),
    ],
)
async def test_a_path_can_fail_with_any_status(status: int, body: str | None, text: str) -> None:
    """The body is the given one or a real one. Errors of the load balancer are HTML."""
    async with rest_client() as (venue, rest):
        venue.rest_failure(status, body, retry_after=7, path="/api/v3/depth")
        failed = await rest.get("/api/v3/depth", params={"symbol": "LTCBTC"})
        other = await rest.get("/api/v3/ping")
        venue.clear_rest_failure()
        fine = await rest.get("/api/v3/depth", params={"symbol": "LTCBTC"})

    assert [one.status_code for one in (failed, other, fine)] == [status, 200, 200]
    assert failed.headers["Retry-After"] == "7"
    assert text in failed.text
    assert failed.headers["Content-Type"].startswith("text/html") == text.startswith("<")


async def test_rest_answers_can_be_html_or_slow() -> None:
    """A page has status 200, and a slow answer is sent if the client still waits."""
    async with rest_client() as (venue, rest):
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


async def symbol_status(rest: httpx2.AsyncClient, symbol: str) -> str | int:
    """Return the status in exchangeInfo, or the code of the error."""
    answer = (await rest.get("/api/v3/exchangeInfo", params={"symbol": symbol})).json()
    if "code" in answer:
        return int(answer["code"])
    return str(answer["symbols"][0]["status"])


@pytest.mark.parametrize(
    ("fault", "status", "listed"),
    [("set_status", "BREAK", ["LTCBTC", "ETHBTC"]), ("remove_symbol", -1121, ["ETHBTC"])],
)
async def test_a_stopped_symbol_is_silent_until_it_trades_again(
    fault: str, status: str | int, listed: list[str]
) -> None:
    """A halted symbol has another status, REST does not know a delisted one, others continue."""
    async with (
        scripted_venue("LTCBTC", "ETHBTC") as (market, venue, running),
        connect(f"{running.stream_url}/{TWO_STREAMS}") as client,
        http_client(base_url=running.rest_url) as rest,
    ):
        await until_connected(venue)
        getattr(venue, fault)("LTCBTC")
        assert await symbol_status(rest, "LTCBTC") == status
        for symbol in ("LTCBTC", "ETHBTC"):
            market.push(symbol, bid=BID)
        assert venue.current_quote("LTCBTC").update_id == 1000
        tickers = (await rest.get("/api/v3/ticker/bookTicker")).json()
        assert [one["symbol"] for one in tickers] == listed
        venue.restore_symbol("LTCBTC")
        market.push("LTCBTC", bid=BID)
        assert [(await next_message(client))["s"] for _ in range(2)] == ["ETHBTC", "LTCBTC"]
        assert await symbol_status(rest, "LTCBTC") == "TRADING"


async def test_changed_rules_are_in_exchange_info() -> None:
    """Only the given rules change, and ``clear`` restores them."""
    async with rest_client() as (venue, rest):

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


async def test_the_venue_can_restart_its_update_ids() -> None:
    """Depth has the new id immediately, and later frames differ in their ids only."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/{STREAM}") as client,
        http_client(base_url=running.rest_url) as rest,
    ):
        await until_connected(venue)
        market.push("LTCBTC", bid=BID)
        venue.reset_update_ids(7)
        depth = (await rest.get("/api/v3/depth", params={"symbol": "LTCBTC"})).json()
        pushed = market.push("LTCBTC", bid=BID, update_id=1005)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            frames = [await client.recv() for _ in range(2)]

    assert depth["lastUpdateId"] == 7
    assert frames[1] == pushed.data.replace('"u":1005', '"u":11')


async def test_an_unknown_symbol_is_refused() -> None:
    """A fault with a wrong symbol raises an error instead of doing nothing."""
    async with scripted_venue() as (_, venue, _):
        for fault in (venue.mute, venue.set_status, venue.remove_symbol, venue.resend):
            with pytest.raises(ValueError, match="the market has no symbol 'NOPE'"):
                fault("NOPE")
        with pytest.raises(ValueError, match="garbage is one of truncated, "):
            venue.garbage("nonsense")


async def test_a_vanished_venue_refuses_connections_and_returns() -> None:
    """Streams are cut, TCP is refused, and later the venue listens on the same port."""
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


async def test_a_vanished_venue_can_reappear_early() -> None:
    """It accepts connections again on its port, and ``reappear`` has no effect after that."""
    async with scripted_venue() as (_, venue, running):
        venue.vanish(60)
        assert venue.is_vanished
        for _ in range(2):
            await venue.reappear()
            assert not venue.is_vanished
        async with connect(f"{running.stream_url}/ws") as client:
            assert await ask(client, method="LIST_SUBSCRIPTIONS", id=1)
