"""The feed reports failures of the venue over real sockets, and recovers from them."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.domain.order import Symbol
from app.market.rest import VenueRest
from app.market.timing import FeedTiming
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.market import (
    INTERRUPTED,
    LTCBTC,
    QUOTE,
    SEED,
    SYMBOLS,
    RecordingListener,
    VenueAndFeed,
    eventually_has,
    feed_on,
    running_feed,
)
from tests.support.virtual_time import clock_of_loop
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def wired() -> AsyncIterator[VenueAndFeed]:
    """Run a venue and a feed on it."""
    market = ScriptedMarket([LTCBTC, *SYMBOLS])
    venue = SimulatedVenue(market, clock=clock_of_loop())
    async with venue.serve() as running, feed_on(running) as feed:
        yield VenueAndFeed(market, venue, feed)


async def test_dropped_connection_interrupts_then_seeds_everything_again(
    wired: VenueAndFeed,
) -> None:
    """All symbols are interrupted, and seeded within a second of the new connection."""
    listeners = [RecordingListener() for _ in SYMBOLS]
    for symbol, listener in zip(SYMBOLS, listeners, strict=True):
        wired.feed.subscribe(symbol, listener)
    await eventually(lambda: all(listener.seeds for listener in listeners))

    wired.venue.drop_connections()
    await eventually(lambda: all(len(listener.seeds) == 2 for listener in listeners))

    assert all(listener.told == [SEED, INTERRUPTED, SEED] for listener in listeners)
    assert wired.observed.connections_opened == 2
    reconnected_at = wired.observed.connection_attempts_at[-1]
    depth_requests = wired.observed.depth_requests[50:]
    assert [one.query["symbol"] for one in depth_requests] == SYMBOLS
    assert depth_requests[-1].received_at - reconnected_at < 1
    assert wired.count("reconnects") == 1


async def test_interruption_is_told_before_anything_else_happens(wired: VenueAndFeed) -> None:
    """The state names the cause of a lost connection as soon as listeners are interrupted."""
    listener = RecordingListener()
    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: listener.seeds)
    wired.venue.refuse_connections()

    wired.venue.close_connections(1008, "Pong timeout")
    await eventually(lambda: INTERRUPTED in listener.told)

    state = wired.feed.state()
    assert state.status == "down"
    assert state.cause is not None
    assert "Pong timeout" in state.cause


async def test_refused_connections_back_off_and_recover(wired: VenueAndFeed) -> None:
    """Pauses between attempts grow, stay below 5 s, and end with the first accepted attempt.

    The state names the cause until then.
    """
    listener = RecordingListener()
    wired.venue.refuse_connections()

    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: len(wired.observed.connection_attempts_at) >= 5)
    state = wired.feed.state()
    wired.venue.refuse_connections(on=False)
    await eventually(lambda: listener.seeds)

    assert state.status == "down"
    assert "502" in str(state.cause)
    times = wired.observed.connection_attempts_at
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[3] > pauses[0]
    assert max(pauses) < 5
    assert wired.feed.state().status == "connected"
    assert wired.feed.state().cause is None
    assert wired.count("connection_failures") >= 5
    assert wired.count("failed_http_status") == wired.count("connection_failures")


@pytest.mark.parametrize(
    "notice",
    [
        '{"e":"serverShutdown","E":1770123456789}',
        '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ],
    ids=["raw", "combined"],
)
async def test_announced_shutdown_moves_to_a_new_connection(
    wired: VenueAndFeed, notice: str
) -> None:
    """On a shutdown notice the feed moves to a new connection without an interruption."""
    listener = RecordingListener()
    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: listener.seeds)

    wired.venue.send_frame(LTCBTC, notice)
    await eventually(lambda: wired.count("rotations"))
    wired.market.push(LTCBTC, bid=("99", "1"), ask=("100", "2"))
    await eventually(lambda: listener.quotes)

    assert wired.observed.connections_opened == 2
    assert wired.count("shutdown_notices") == 1
    assert listener.told == [SEED, QUOTE]


async def test_venue_that_is_not_there_yet_is_found_when_it_comes() -> None:
    """A feed that starts before its venue reports the cause and connects later."""
    market = ScriptedMarket([LTCBTC])
    venue = SimulatedVenue(market, clock=clock_of_loop())
    async with venue.serve() as running:
        stream_url, rest_url, port = running.stream_url, running.rest_url, running.port
    rest = VenueRest(rest_url, clock=clock_of_loop())
    listener = RecordingListener()

    async with running_feed(stream_url, rest) as feed:
        feed.subscribe(LTCBTC, listener)
        await eventually(lambda: feed.state().counters["connection_failures"])
        before = feed.state()
        async with venue.serve(port=port):
            await eventually(lambda: listener.seeds)
            after = feed.state()
    await rest.aclose()

    assert before.status == "down"
    assert stream_url in str(before.cause)
    assert before.counters["failed_refused"] == before.counters["connection_failures"]
    assert after.status == "connected"
    assert after.since > before.since


async def test_failing_depth_is_asked_for_again_and_shows_in_the_state(
    wired: VenueAndFeed,
) -> None:
    """Without a seed a symbol is not live, and the state names the cause."""
    listener = RecordingListener()
    wired.venue.rest_failure(502, "<html>Bad Gateway</html>", path="/api/v3/depth")

    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: wired.count("seeds_failed") >= 2)
    state = wired.feed.state()
    wired.market.push(LTCBTC, bid=("99", "1"), ask=("100", "2"))
    await eventually(lambda: listener.quotes)
    wired.venue.clear_rest_failure()
    await eventually(lambda: listener.seeds)

    assert state.status == "connected"
    assert "HTTP 502" in str(state.cause)
    assert listener.told == [QUOTE, SEED]
    assert wired.feed.state().cause is None


async def test_throttled_depth_waits_as_long_as_the_venue_says(wired: VenueAndFeed) -> None:
    """Every symbol waits for the full Retry-After."""
    listener = RecordingListener()
    wired.venue.rest_failure(429, "", 1, path="/api/v3/depth", times=1)

    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: wired.observed.depth_requests)
    wired.feed.subscribe(SYMBOLS[0], listener)
    await eventually(lambda: len(listener.seeds) == 2)

    refused, *later = wired.observed.depth_requests
    assert refused.status == 429
    assert len(later) == 2
    assert later[0].received_at - refused.received_at >= 1 - 1e-6


async def test_no_connection_is_kept_while_nobody_listens() -> None:
    """A feed without subscriptions closes its connection and opens another when needed."""
    market = ScriptedMarket([LTCBTC])
    venue = SimulatedVenue(market, clock=clock_of_loop())
    listener = RecordingListener()
    timing = FeedTiming(idle_seconds=0.05)

    async with venue.serve() as running, feed_on(running, timing=timing) as feed:
        statuses = [feed.state().status]
        for round_number in (1, 2):
            feed.subscribe(LTCBTC, listener)
            statuses.append(feed.state().status)
            await eventually_has(listener.seeds, round_number)
            statuses.append(feed.state().status)
            feed.unsubscribe(LTCBTC, listener)
            await eventually(lambda: not venue.observations.connections_open)
            statuses.append(feed.state().status)

    assert statuses == ["idle", *["connecting", "connected", "idle"] * 2]
    assert listener.told == [SEED, SEED]
    assert venue.observations.connections_opened == 2


async def test_half_open_connection_is_found_by_keepalive() -> None:
    """A half-open connection is detected by a missing pong within 11 s and replaced."""
    market = ScriptedMarket([LTCBTC])
    venue = SimulatedVenue(market, clock=clock_of_loop())
    listener = RecordingListener()

    async with venue.serve() as running, swallowing_proxy(running.port) as (port, swallow):
        rest = VenueRest(running.rest_url, clock=clock_of_loop())
        async with running_feed(f"ws://127.0.0.1:{port}", rest) as feed:
            feed.subscribe(LTCBTC, listener)
            await eventually(lambda: listener.seeds)
            swallow.set()
            swallowed_at = asyncio.get_running_loop().time()
            await eventually(lambda: INTERRUPTED in listener.told)
            unnoticed_seconds = asyncio.get_running_loop().time() - swallowed_at
            state = feed.state()
            swallow.clear()
            await eventually(lambda: len(listener.seeds) == 2)
            told = list(listener.told)
        await rest.aclose()

    assert state.status == "down"
    assert "no pong" in str(state.cause)
    assert unnoticed_seconds < 11
    assert state.counters["lost_keepalive"] == 1
    assert told == [SEED, INTERRUPTED, SEED]


async def test_more_streams_than_one_connection_holds_open_a_second() -> None:
    """More than 1,024 streams use a second connection, within the venue's limits."""
    symbols = [Symbol(f"COIN{number}USDT") for number in range(1_100)]
    market = ScriptedMarket(symbols)
    venue = SimulatedVenue(market, clock=clock_of_loop())
    listener = RecordingListener()

    async with venue.serve() as running, feed_on(running) as feed:
        for symbol in symbols:
            feed.subscribe(symbol, listener)
        await eventually(lambda: len(venue.observations.subscribed) == 1_100)
        for symbol in symbols:
            market.push(symbol, bid=("1", "1"), ask=("2", "1"))
        await eventually(lambda: len(listener.quotes) == 1_100)

    assert venue.observations.connections_opened == 2
    assert all(len(message.text) < 4_088 for message in venue.observations.control_messages)
    assert not venue.observations.closes["Too many requests"]


@asynccontextmanager
async def swallowing_proxy(venue_port: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Forward bytes in both directions, but drop them while the event is set."""
    swallow = asyncio.Event()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if not swallow.is_set():
                    writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        venue_reader, venue_writer = await asyncio.open_connection("127.0.0.1", venue_port)
        await asyncio.gather(pump(reader, venue_writer), pump(venue_reader, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], swallow
