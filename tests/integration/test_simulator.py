"""The simulated venue over real sockets: streams, control messages, REST, limits and faults."""

import asyncio
import itertools
import json

import pytest
from websockets.exceptions import InvalidStatus

from app.clock import SystemClock
from app.simulator.market.playback import Market, Playback
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.market.tape_market import TapeMarket
from app.simulator.venue.listener import STOP_SECONDS_MAX
from app.simulator.venue.server import SimulatedVenue
from tests.support.connections import connect, http_client
from tests.support.tapes import find_tape_file
from tests.support.venues import (
    ANSWER_SECONDS_MAX,
    ASK,
    BID,
    ask,
    closed_with,
    connect_without_reading,
    connected_client,
    next_message,
    rest_client,
    scripted_venue,
    until_connected,
)

# --- streams ------------------------------------------------------------------------------------


async def test_a_raw_stream_carries_the_quotes_unchanged() -> None:
    """A frame of ``/ws/<stream>`` is not wrapped."""
    async with connected_client("ws/ltcbtc@bookTicker") as (market, venue, client):
        pushed = market.push("LTCBTC", bid=BID, ask=ASK)

        assert await client.recv() == pushed.data
        assert venue.observations.frames_sent == {"LTCBTC": 1}
        assert venue.observations.last_update_id_sent == {"LTCBTC": pushed.update_id}


@pytest.mark.parametrize("separator", ["@", "%40"])
async def test_a_combined_stream_names_the_stream_of_each_frame(separator: str) -> None:
    """``/stream?streams=a/b`` wraps each frame, and other streams send nothing."""
    async with (
        scripted_venue("LTCBTC", "ETHBTC", "BNBBTC") as (market, venue, running),
        connect(
            f"{running.stream_url}/stream?streams="
            f"ltcbtc{separator}bookTicker/ethbtc{separator}bookTicker/ethbtc{separator}trade"
        ) as client,
    ):
        await until_connected(venue)
        market.push("BNBBTC", bid=BID)
        pushed = [market.push(symbol, bid=BID) for symbol in ("LTCBTC", "ETHBTC")]
        received = [await next_message(client) for _ in pushed]

    assert received == [
        {"stream": "ltcbtc@bookTicker", "data": json.loads(pushed[0].data)},
        {"stream": "ethbtc@bookTicker", "data": json.loads(pushed[1].data)},
    ]


async def test_quotes_are_sent_from_subscribe_to_unsubscribe() -> None:
    """The first frame follows the reply, and no frame follows the last reply."""
    async with connected_client("ws") as (market, venue, client):
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
    """A client can switch its connection from raw to combined frames."""
    async with connected_client("ws") as (market, _, client):
        await ask(client, method="SUBSCRIBE", params=["ltcbtc@bookTicker"], id=1)
        await ask(client, method="SET_PROPERTY", params=["combined", True], id=2)
        market.push("LTCBTC", bid=BID)

        assert (await next_message(client))["stream"] == "ltcbtc@bookTicker"


async def test_a_bad_control_message_is_answered_and_the_connection_stays() -> None:
    """Binary frames are read as text, and an unreadable one gets Binance's error."""
    async with connected_client("stream") as (_, venue, client):
        await client.send(b"\xff nonsense")
        assert (await next_message(client))["code"] == 3
        assert (await ask(client, method="GET_PROPERTY", params=["combined"], id=1))["result"]
        assert [one.method for one in venue.observations.control_messages] == ["", "GET_PROPERTY"]


@pytest.mark.parametrize(("path", "status"), [("/nope", 404), ("/", 404)])
async def test_a_wrong_path_is_refused(path: str, status: int) -> None:
    """The handshake fails with status 404."""
    async with scripted_venue() as (_, _, running):
        with pytest.raises(InvalidStatus) as caught:
            await connect(running.stream_url + path)

    assert caught.value.response.status_code == status


async def test_a_path_with_too_many_streams_is_refused() -> None:
    """1,024 streams are accepted, one more is not."""
    names = ["".join(letters) for letters in itertools.product("abcdefghijk", repeat=3)]
    async with scripted_venue() as (_, _, running):
        async with connect(f"{running.stream_url}/ws/{'/'.join(names[:1024])}"):
            pass
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{running.stream_url}/ws/{'/'.join(names[:1025])}")

    assert caught.value.response.status_code == 400


# --- REST ---------------------------------------------------------------------------------------


async def test_depth_equals_the_last_frame_of_the_stream() -> None:
    """Update id, prices and quantities of level 1 equal the last frame."""
    async with (
        scripted_venue() as (market, venue, running),
        http_client(base_url=running.rest_url) as rest,
        connect(f"{running.stream_url}/ws/ltcbtc@bookTicker") as client,
    ):
        await until_connected(venue)
        pushed = market.push("LTCBTC", bid=BID, ask=ASK)
        frame = await next_message(client)
        answer = await rest.get("/api/v3/depth", params={"symbol": "LTCBTC", "limit": 5})

    depth = answer.json()
    assert depth["lastUpdateId"] == frame["u"] == pushed.update_id
    assert depth["bids"][0] == [frame["b"], frame["B"]] == [pushed.bid_price, pushed.bid_quantity]
    assert depth["asks"][0] == [frame["a"], frame["A"]] == [pushed.ask_price, pushed.ask_quantity]
    assert answer.headers["x-mbx-used-weight-1m"] == "5"
    [request] = venue.observations.depth_requests
    assert request.query == {"symbol": "LTCBTC", "limit": "5"}


async def test_errors_have_their_status() -> None:
    """Unknown symbols, other methods and other paths have different statuses."""
    async with rest_client() as (venue, rest):
        unknown = await rest.get("/api/v3/depth", params={"symbol": "NOPE"})
        other_method = await rest.delete("/api/v3/depth")
        other_path = await rest.get("/api/v3/ticker/tradingDay")

    assert (unknown.status_code, unknown.json()["code"]) == (400, -1121)
    assert other_method.status_code == 405
    assert other_path.status_code == 404
    assert [one.status for one in venue.observations.rest_requests] == [400, 405, 404]


# --- markets, opening and ending ------------------------------------------------------------------


async def test_the_synthetic_market_streams_what_it_generates() -> None:
    """A client receives the quotes of the seed without gaps."""
    venue = SimulatedVenue(SyntheticMarket(4), clock=SystemClock(), first_update_id=500)
    venue.pause()
    async with (
        venue.serve() as running,
        connect(f"{running.stream_url}/ws/btcusdt@bookTicker") as client,
    ):
        await until_connected(venue)
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


async def test_update_ids_start_at_the_wall_clock() -> None:
    """A venue that starts later has greater ids."""
    before_ms = int(SystemClock().now().timestamp() * 1000)
    venue = SimulatedVenue(SyntheticMarket(1), clock=SystemClock())
    venue.pause()
    async with venue.serve():
        first_id = venue.current_quote("LTCBTC").update_id

    assert before_ms <= first_id <= int(SystemClock().now().timestamp() * 1000)


async def test_exchange_info_lists_each_symbol_that_has_a_quote() -> None:
    """Each trading symbol has a quote, and the halted one has the status BREAK."""
    async with (
        SimulatedVenue(SyntheticMarket(1), clock=SystemClock()).serve() as running,
        http_client(base_url=running.rest_url) as rest,
    ):
        info = (await rest.get("/api/v3/exchangeInfo")).json()
        tickers = (await rest.get("/api/v3/ticker/bookTicker")).json()

    status = {entry["symbol"]: entry["status"] for entry in info["symbols"]}
    quoted = {one["symbol"] for one in tickers if one["bidPrice"] != "0.00000000"}
    assert len(status) >= 60
    assert quoted == {symbol for symbol, one in status.items() if one == "TRADING"}
    assert status["BCCBTC"] == "BREAK"


async def test_a_tape_played_fast_arrives_byte_for_byte() -> None:
    """Each frame of a recording reaches the client unchanged and in order."""
    tape = TapeMarket(find_tape_file("alts4-20210814.jsonl.gz"))
    venue = SimulatedVenue(tape, clock=SystemClock(), speed=1_000)
    venue.pause()
    streams = "/".join(f"{one.symbol.lower()}@bookTicker" for one in tape.listings)
    recorded = [quote.data for quote in tape.quotes() if quote.at_ns]
    async with (
        venue.serve() as running,
        connect(f"{running.stream_url}/ws/{streams}", max_queue=None) as client,
    ):
        await until_connected(venue)
        venue.resume()
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            received = [await client.recv() for _ in recorded]
            await running.wait_market_end()

    assert received == recorded


@pytest.mark.virtual_time
async def test_the_venue_does_not_wait_for_clients_when_it_stops() -> None:
    """Clients that never answer cannot delay the end; the time is virtual, so it is exact."""
    loop = asyncio.get_running_loop()
    async with scripted_venue() as (_, venue, running):
        polite = await connect(f"{running.stream_url}/ws")
        _, silent_writer = await asyncio.open_connection("127.0.0.1", running.port)
        _, deaf_writer = await connect_without_reading(running, "ws")
        await until_connected(venue, 2)
        stopping_at = loop.time()
    waited = loop.time() - stopping_at

    assert waited == pytest.approx(STOP_SECONDS_MAX, abs=0.1)
    assert await closed_with(polite) == (1001, "")
    assert venue.observations.connections_open == 0
    silent_writer.close()
    deaf_writer.close()


async def test_a_venue_can_be_served_again_on_its_port() -> None:
    """The last quotes are current when it is served again."""
    market = ScriptedMarket()
    venue = SimulatedVenue(market, clock=SystemClock())
    async with venue.serve() as first:
        market.push("LTCBTC", bid=BID)
    async with venue.serve(port=first.port) as second:
        assert second.rest_url == first.rest_url
        assert venue.current_quote("LTCBTC").update_id == 1001


class FailingMarket:
    """A market that fails before or after its opening."""

    def __init__(self, *, is_opened: bool) -> None:
        self._is_opened = is_opened
        self.listings = ScriptedMarket().listings

    async def run(self, playback: Playback) -> None:
        """Fail."""
        if self._is_opened:
            playback.opened.set()
            await asyncio.sleep(0)
        raise RuntimeError("a bug of the market")


@pytest.mark.parametrize("is_opened", [False, True])
async def test_a_failure_of_the_market_is_raised(is_opened: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The error is raised at the opening or at the end."""
    market: Market = FailingMarket(is_opened=is_opened)
    with pytest.raises(RuntimeError, match="a bug of the market"):
        async with SimulatedVenue(market, clock=SystemClock()).serve() as running:
            await running.wait_market_end()


@pytest.mark.parametrize("speed", [0, -1])
def test_a_speed_of_zero_or_below_is_refused(speed: float) -> None:
    """The market would never play."""
    with pytest.raises(ValueError, match="above 0"):
        SimulatedVenue(ScriptedMarket(), clock=SystemClock(), speed=speed)
