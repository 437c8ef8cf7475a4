"""The simulated venue over real sockets: streams, control messages, REST, limits and faults."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from app.clock import SystemClock
from app.simulator.limits import BINANCE_LIMITS, VenueLimits
from app.simulator.market import SyntheticMarket
from app.simulator.scripted_market import ScriptedMarket
from app.simulator.stage import Market, Stage
from app.simulator.tape_market import TapeMarket
from app.simulator.venue import RunningVenue, SimulatedVenue
from tests.support.tapes import find_tape_file
from tests.support.waiting import eventually

ANSWER_SECONDS_MAX = 5.0
BID = ("0.002577", "1")
ASK = ("0.002578", "2")


@asynccontextmanager
async def scripted_venue(
    *symbols: str, limits: VenueLimits = BINANCE_LIMITS
) -> AsyncIterator[tuple[ScriptedMarket, SimulatedVenue, RunningVenue]]:
    """Serve a market that the test drives."""
    market = ScriptedMarket(symbols or ("LTCBTC",))
    venue = SimulatedVenue(market, clock=SystemClock(), limits=limits)
    async with venue.serve() as running:
        yield market, venue, running


async def ask(client: ClientConnection, **fields: object) -> Any:  # noqa: ANN401 - JSON
    """Send a control message and return the reply."""
    await client.send(json.dumps(fields))
    return await next_message(client)


async def next_message(client: ClientConnection) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Return the next message, parsed."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        return json.loads(await client.recv())


async def closed_with(client: ClientConnection) -> tuple[int | None, str | None]:
    """Wait for the end of a connection and return its code and reason."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        await client.wait_closed()
    return client.close_code, client.close_reason


# --- streams ------------------------------------------------------------------------------------


async def test_a_raw_stream_carries_the_quotes_as_they_stand() -> None:
    """Nothing is wrapped around a frame of ``/ws/<stream>``."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/ws/ltcbtc@bookTicker") as client,
    ):
        await eventually(lambda: venue.observations.connections_open == 1)
        pushed = market.push("LTCBTC", bid=BID, ask=ASK)

        assert await client.recv() == pushed.data
        assert venue.observations.frames_sent == {"LTCBTC": 1}
        assert venue.observations.last_update_id_sent == {"LTCBTC": pushed.update_id}


@pytest.mark.parametrize("separator", ["@", "%40"])
async def test_a_combined_stream_names_the_stream_of_each_frame(separator: str) -> None:
    """``/stream?streams=a/b`` wraps each frame, and nothing comes of other streams."""
    async with (
        scripted_venue("LTCBTC", "ETHBTC", "BNBBTC") as (market, venue, running),
        connect(
            f"{running.stream_url}/stream?streams="
            f"ltcbtc{separator}bookTicker/ethbtc{separator}bookTicker/ethbtc{separator}trade"
        ) as client,
    ):
        await eventually(lambda: venue.observations.connections_open == 1)
        market.push("BNBBTC", bid=BID)
        pushed = [market.push(symbol, bid=BID) for symbol in ("LTCBTC", "ETHBTC")]
        received = [await next_message(client) for _ in pushed]

    assert received == [
        {"stream": "ltcbtc@bookTicker", "data": json.loads(pushed[0].data)},
        {"stream": "ethbtc@bookTicker", "data": json.loads(pushed[1].data)},
    ]


async def test_quotes_come_from_subscribe_to_unsubscribe() -> None:
    """The reply comes before the first frame, and no frame comes after the last reply."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/ws") as client,
    ):
        market.push("LTCBTC", bid=BID)
        streams = ["ltcbtc@bookTicker", "LTCBTC@bookTicker", "nonsense"]
        assert await ask(client, method="SUBSCRIBE", params=streams, id=1) == {
            "result": None,
            "id": 1,
        }
        market.push("LTCBTC", ask=ASK)
        assert (await next_message(client))["u"] == 1002
        assert (await ask(client, method="LIST_SUBSCRIPTIONS", id=2))["result"] == streams
        await ask(client, method="UNSUBSCRIBE", params=["ltcbtc@bookTicker"], id=3)
        market.push("LTCBTC", bid=BID)
        assert (await ask(client, method="LIST_SUBSCRIPTIONS", id=4))["id"] == 4
        assert venue.observations.subscribed == streams


async def test_set_property_wraps_frames_from_then_on() -> None:
    """A raw connection becomes a combined one on request."""
    async with (
        scripted_venue() as (market, _, running),
        connect(f"{running.stream_url}/ws") as client,
    ):
        await ask(client, method="SUBSCRIBE", params=["ltcbtc@bookTicker"], id=1)
        await ask(client, method="SET_PROPERTY", params=["combined", True], id=2)
        market.push("LTCBTC", bid=BID)

        assert (await next_message(client))["stream"] == "ltcbtc@bookTicker"


async def test_a_bad_control_message_is_answered_and_the_connection_stays() -> None:
    """Binary frames are read as text; what cannot be read gets Binance's error."""
    async with (
        scripted_venue() as (_, venue, running),
        connect(f"{running.stream_url}/stream") as client,
    ):
        await client.send(b"\xff nonsense")
        assert (await next_message(client))["code"] == 3
        assert (await ask(client, method="GET_PROPERTY", params=["combined"], id=1))["result"]
        assert [one.method for one in venue.observations.control_messages] == ["", "GET_PROPERTY"]


@pytest.mark.parametrize(("path", "status"), [("/nope", 404), ("/", 404)])
async def test_a_wrong_address_is_no_stream(path: str, status: int) -> None:
    """The handshake fails with a status."""
    async with scripted_venue() as (_, _, running):
        with pytest.raises(InvalidStatus) as caught:
            await connect(running.stream_url + path)

    assert caught.value.response.status_code == status


async def test_an_address_with_too_many_streams_is_refused() -> None:
    """1,024 streams are fine, one more is not."""
    names = ["".join(letters) for letters in itertools.product("abcdefghijk", repeat=3)]
    async with scripted_venue() as (_, _, running):
        async with connect(f"{running.stream_url}/ws/{'/'.join(names[:1024])}"):
            pass
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{running.stream_url}/ws/{'/'.join(names[:1025])}")

    assert caught.value.response.status_code == 400


# --- limits -------------------------------------------------------------------------------------


async def test_six_messages_in_a_second_end_the_connection() -> None:
    """Close code 1008 with the recorded reason; five are answered."""
    async with (
        scripted_venue() as (_, venue, running),
        connect(f"{running.stream_url}/ws") as client,
    ):
        for number in range(6):
            await client.send(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')

        assert await closed_with(client) == (1008, "Too many requests")
        assert venue.observations.closes == {"Too many requests": 1}


async def test_pings_and_pongs_count_as_messages() -> None:
    """Binance: a message is a PING frame, a PONG frame, or a JSON controlled message."""
    async with (
        scripted_venue() as (_, _, running),
        connect(f"{running.stream_url}/ws") as client,
    ):
        for _ in range(3):
            await client.ping()
            await client.pong()

        assert await closed_with(client) == (1008, "Too many requests")


async def test_five_messages_a_second_may_come_for_ever() -> None:
    """The window slides: the oldest of five is forgotten after a second."""
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


async def test_a_client_that_answers_pings_stays() -> None:
    """Pings come at the interval, each with a payload that the pong must repeat."""
    limits = replace(BINANCE_LIMITS, ping_interval_seconds=0.25, pong_timeout_seconds=0.4)
    async with (
        scripted_venue(limits=limits) as (_, venue, running),
        connect(f"{running.stream_url}/ws") as client,
    ):
        await eventually(lambda: venue.observations.pongs_received >= 4)

        assert await ask(client, method="LIST_SUBSCRIPTIONS", id=1) == {"result": [], "id": 1}


class DeafConnection(ClientConnection):
    """A client that answers pings with pongs that nobody asked for."""

    def send_data(self) -> None:
        """Replace the library's own pongs."""
        writes = [data for data in self.protocol.data_to_send() if data]
        for data in writes:
            is_pong = data[0] & 0x0F == Opcode.PONG
            self.transport.write(Frame(Opcode.PONG, b"").serialize(mask=True) if is_pong else data)


async def test_a_client_that_does_not_answer_pings_is_cut() -> None:
    """Close code 1008 with the recorded reason; unsolicited pongs do not prevent it."""
    limits = replace(BINANCE_LIMITS, ping_interval_seconds=0.25, pong_timeout_seconds=0.6)
    async with scripted_venue(limits=limits) as (_, venue, running):
        client = await connect(
            f"{running.stream_url}/ws", create_connection=DeafConnection, close_timeout=0.1
        )
        code_and_reason = await closed_with(client)

    assert code_and_reason == (1008, "Pong timeout")
    assert venue.observations.pongs_received >= 2


async def test_a_connection_ends_after_its_day() -> None:
    """The 24 hours are an argument."""
    limits = replace(BINANCE_LIMITS, connection_seconds_max=0.2)
    async with (
        scripted_venue(limits=limits) as (_, _, running),
        connect(f"{running.stream_url}/ws") as client,
    ):
        assert await closed_with(client) == (1001, "24 hours")


async def test_a_client_that_does_not_read_is_cut() -> None:
    """What waits for a slow client is bounded; the market does not wait for it."""
    limits = replace(BINANCE_LIMITS, unsent_bytes_max=100_000)
    async with scripted_venue(limits=limits) as (_, venue, running):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(
            b"GET /ws/ltcbtc@bookTicker HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        await eventually(lambda: venue.observations.connections_open == 1)
        while not venue.observations.closes:
            venue.send_frame("LTCBTC", "x" * 50_000)
            await asyncio.sleep(0)
        await eventually(lambda: venue.observations.connections_open == 0)
        writer.close()
        del reader

    assert venue.observations.closes == {"slow client": 1}


# --- REST ---------------------------------------------------------------------------------------


async def test_depth_is_the_last_frame_of_the_stream() -> None:
    """Update id, prices and quantities of level 1 are those that the stream carried last."""
    async with (
        scripted_venue() as (market, venue, running),
        httpx2.AsyncClient(base_url=running.rest_url) as rest,
    ):
        pushed = market.push("LTCBTC", bid=BID, ask=ASK)
        answer = await rest.get("/api/v3/depth", params={"symbol": "LTCBTC", "limit": 5})

    depth = answer.json()
    assert depth["lastUpdateId"] == pushed.update_id
    assert depth["bids"][0] == [pushed.bid_price, pushed.bid_quantity]
    assert depth["asks"][0] == [pushed.ask_price, pushed.ask_quantity]
    assert answer.headers["x-mbx-used-weight-1m"] == "5"
    [request] = venue.observations.depth_requests
    assert request.query == {"symbol": "LTCBTC", "limit": "5"}


async def test_errors_come_with_their_status() -> None:
    """Unknown symbols, other methods and other paths are told apart."""
    async with (
        scripted_venue() as (_, venue, running),
        httpx2.AsyncClient(base_url=running.rest_url) as rest,
    ):
        unknown = await rest.get("/api/v3/depth", params={"symbol": "NOPE"})
        other_method = await rest.delete("/api/v3/depth")
        other_path = await rest.get("/api/v3/klines")

    assert (unknown.status_code, unknown.json()["code"]) == (400, -1121)
    assert other_method.status_code == 405
    assert other_path.status_code == 404
    assert [one.status for one in venue.observations.rest_requests] == [400, 405, 404]


async def test_a_rest_failure_lasts_until_it_is_cleared() -> None:
    """Status, body and Retry-After are as told, also where no standard knows the status."""
    async with (
        scripted_venue() as (_, venue, running),
        httpx2.AsyncClient(base_url=running.rest_url) as rest,
    ):
        venue.rest_failure(429, '{"code":-1003,"msg":"Too many."}', 35)
        failed = await rest.get("/api/v3/ping")
        venue.rest_failure(599, times=1)
        odd = await rest.get("/api/v3/ping")
        venue.rest_failure(500)
        venue.clear_rest_failure()
        fine = await rest.get("/api/v3/ping")

    assert (failed.status_code, failed.headers["retry-after"]) == (429, "35")
    assert failed.json()["code"] == -1003
    assert odd.status_code == 599
    assert fine.json() == {}


# --- faults -------------------------------------------------------------------------------------


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


# --- markets, opening and ending ------------------------------------------------------------------


async def test_the_synthetic_market_streams_what_it_generates() -> None:
    """What a client hears of a symbol is a stretch of the seed's quotes, nothing left out."""
    venue = SimulatedVenue(SyntheticMarket(4), clock=SystemClock(), first_update_id=500)
    venue.pause()
    async with (
        venue.serve() as running,
        connect(f"{running.stream_url}/ws/btcusdt@bookTicker") as client,
    ):
        await eventually(lambda: venue.observations.connections_open == 1)
        venue.resume()
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            received = [await client.recv() for _ in range(20)]
        venue.pause()

    of_btc = (
        quote.data
        for quote in SyntheticMarket(4).quotes(first_update_id=500)
        if quote.symbol == "BTCUSDT" and quote.at_ns
    )
    assert received == list(itertools.islice(of_btc, 20))


async def test_update_ids_begin_at_the_wall_clock() -> None:
    """A venue that starts later counts on from above."""
    before_ms = int(SystemClock().now().timestamp() * 1000)
    venue = SimulatedVenue(SyntheticMarket(1), clock=SystemClock())
    venue.pause()
    async with venue.serve():
        first_id = venue.current_quote("LTCBTC").update_id

    assert before_ms <= first_id <= int(SystemClock().now().timestamp() * 1000)


async def test_exchange_info_lists_every_symbol_with_what_it_quotes() -> None:
    """Each symbol has a quote, and the halted one says so."""
    async with (
        SimulatedVenue(SyntheticMarket(1), clock=SystemClock()).serve() as running,
        httpx2.AsyncClient(base_url=running.rest_url) as rest,
    ):
        info = (await rest.get("/api/v3/exchangeInfo")).json()
        tickers = (await rest.get("/api/v3/ticker/bookTicker")).json()

    status = {entry["symbol"]: entry["status"] for entry in info["symbols"]}
    quoted = {one["symbol"] for one in tickers if one["bidPrice"] != "0.00000000"}
    assert len(status) >= 60
    assert quoted == {symbol for symbol, one in status.items() if one == "TRADING"}
    assert status["BCCBTC"] == "BREAK"


async def test_a_tape_played_fast_arrives_byte_for_byte() -> None:
    """Every frame of a recording reaches the client as it stands in the file, in order."""
    tape = TapeMarket(find_tape_file("alts4-20210814.jsonl.gz"), speed=1_000)
    venue = SimulatedVenue(tape, clock=SystemClock())
    venue.pause()
    streams = "/".join(f"{one.symbol.lower()}@bookTicker" for one in tape.listings)
    recorded = [quote.data for quote in tape.quotes() if quote.at_ns]
    async with (
        venue.serve() as running,
        connect(f"{running.stream_url}/ws/{streams}", max_queue=None) as client,
    ):
        await eventually(lambda: venue.observations.connections_open == 1)
        venue.resume()
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            received = [await client.recv() for _ in recorded]
            await running.wait_market_end()

    assert received == recorded


async def test_the_venue_ends_fast_with_clients_of_every_kind() -> None:
    """Clients that answer, that do not, and that never said anything delay it by no second."""
    loop = asyncio.get_running_loop()
    async with scripted_venue() as (_, venue, running):
        polite = await connect(f"{running.stream_url}/ws")
        _, mute_writer = await asyncio.open_connection("127.0.0.1", running.port)
        _, rude_writer = await asyncio.open_connection("127.0.0.1", running.port)
        rude_writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        await eventually(lambda: venue.observations.connections_open == 2)
        ending_at = loop.time()
    took = loop.time() - ending_at

    assert took < 1
    assert await closed_with(polite) == (1001, "")
    assert venue.observations.connections_open == 0
    mute_writer.close()
    rude_writer.close()


async def test_a_venue_can_be_served_again_on_its_port() -> None:
    """What was quoted before is there at once."""
    market = ScriptedMarket()
    venue = SimulatedVenue(market, clock=SystemClock())
    async with venue.serve() as first:
        market.push("LTCBTC", bid=BID)
    async with venue.serve(port=first.port) as second:
        assert second.rest_url == first.rest_url
        assert venue.current_quote("LTCBTC").update_id == 1001


class FailingMarket:
    """A market with a bug, before its opening or after it."""

    def __init__(self, *, is_opened: bool) -> None:
        self._is_opened = is_opened
        self.listings = ScriptedMarket().listings

    async def run(self, stage: Stage) -> None:
        """Fail."""
        if self._is_opened:
            stage.open()
            await asyncio.sleep(0)
        raise RuntimeError("a bug of the market")


@pytest.mark.parametrize("is_opened", [False, True])
async def test_a_market_that_fails_is_not_passed_over(is_opened: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Its error comes out, at the opening or at the end."""
    market: Market = FailingMarket(is_opened=is_opened)
    with pytest.raises(RuntimeError, match="a bug of the market"):
        async with SimulatedVenue(market, clock=SystemClock()).serve() as running:
            await running.wait_market_end()
