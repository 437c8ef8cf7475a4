"""The feed against a simulated venue, over real sockets: subscribing, seeding, sharing."""

import itertools
from collections.abc import AsyncIterator

import pytest

from app.domain.order import Symbol
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
)
from tests.support.virtual_time import clock_of_loop
from tests.support.waiting import eventually


@pytest.fixture
async def wired() -> AsyncIterator[VenueAndFeed]:
    """Run a venue and a feed on it."""
    market = ScriptedMarket([LTCBTC, "币安人生USDT", *SYMBOLS])
    venue = SimulatedVenue(market, clock=clock_of_loop())
    async with venue.serve() as running, feed_on(running) as feed:
        yield VenueAndFeed(market, venue, feed)


async def test_subscription_acknowledgment_and_depth_come_in_this_order(
    wired: VenueAndFeed,
) -> None:
    """A seed is requested after the subscription, so that no update is lost in between."""
    listener = RecordingListener()
    wired.market.push(LTCBTC, bid=("99", "1"), ask=("100", "2"), update_id=5_000)

    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: listener.seeds)

    assert wired.observed.subscribed == ["ltcbtc@bookTicker"]
    (subscribed,) = wired.observed.messages_of("SUBSCRIBE")
    (asked,) = wired.observed.depth_requests
    assert asked.received_at > subscribed.received_at
    assert asked.query == {"symbol": "LTCBTC", "limit": "5"}
    assert listener.seeds[0].update_id == 5_000
    assert str(listener.seeds[0].ask_price) == "100.00000000"
    assert listener.told == [SEED]


async def test_quotes_reach_the_listener_in_the_order_of_the_wire(wired: VenueAndFeed) -> None:
    """Every frame is delivered once and in order."""
    listener = RecordingListener()
    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: listener.seeds)

    for number in range(100):
        wired.market.push(LTCBTC, bid=("99", "1"), ask=("100", str(number + 1)))
    await eventually(lambda: len(listener.quotes) == 100)

    ids = [quote.update_id for quote in listener.quotes]
    assert ids == list(range(ids[0], ids[0] + 100))
    assert [quote.ask_quantity for quote in listener.quotes] == list(range(1, 101))
    assert wired.feed.state().counters["quotes"] == 100


async def test_fifty_symbols_share_one_connection_and_are_all_seeded(wired: VenueAndFeed) -> None:
    """Fifty symbols share one connection, and each is seeded once, in order of subscription."""
    listeners = [RecordingListener() for _ in SYMBOLS]

    for symbol, listener in zip(SYMBOLS, listeners, strict=True):
        wired.feed.subscribe(symbol, listener)
    await eventually(lambda: all(listener.seeds for listener in listeners))

    assert wired.observed.connections_opened == 1
    assert len(wired.observed.messages_of("SUBSCRIBE")) == 1
    assert len(wired.observed.depth_requests) == 50
    assert [listener.seeds[0].symbol for listener in listeners] == SYMBOLS
    assert wired.feed.state().symbols == 50
    assert wired.feed.state().status == "connected"
    assert wired.feed.state().cause is None


async def test_five_hundred_subscriptions_of_one_symbol_cost_one_message(
    wired: VenueAndFeed,
) -> None:
    """Five hundred subscriptions of a symbol use one stream of the venue."""
    listeners = [RecordingListener() for _ in range(500)]

    for listener in listeners:
        wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: all(listener.seeds for listener in listeners))
    wired.market.push(LTCBTC, bid=("99", "1"), ask=("100", "2"))
    await eventually(lambda: all(listener.quotes for listener in listeners))

    assert wired.observed.connections_opened == 1
    assert len(wired.observed.control_messages) == 1
    assert len(wired.observed.depth_requests) == 1


async def test_last_listener_of_a_symbol_unsubscribes_its_stream(wired: VenueAndFeed) -> None:
    """A stream is unsubscribed when its last listener leaves."""
    first, second = RecordingListener(), RecordingListener()
    wired.feed.subscribe(LTCBTC, first)
    wired.feed.subscribe(LTCBTC, second)
    await eventually(lambda: second.seeds)

    wired.feed.unsubscribe(LTCBTC, first)
    wired.market.push(LTCBTC, bid=("99", "1"), ask=("100", "2"))
    await eventually(lambda: second.quotes)
    wired.feed.unsubscribe(LTCBTC, second)
    await eventually(lambda: wired.observed.messages_of("UNSUBSCRIBE"))

    assert first.told == [SEED]
    assert len(wired.observed.control_messages) == 2
    assert wired.feed.state().symbols == 0


async def test_second_listener_of_a_live_symbol_gets_a_seed_of_its_own(
    wired: VenueAndFeed,
) -> None:
    """A late listener gets a seed of its own, because a quiet symbol may send no frame."""
    first, second = RecordingListener(), RecordingListener()
    wired.feed.subscribe(LTCBTC, first)
    await eventually(lambda: first.seeds)

    wired.feed.subscribe(LTCBTC, second)
    await eventually(lambda: second.seeds)

    assert len(first.seeds) == 1
    assert len(wired.observed.messages_of("SUBSCRIBE")) == 1


async def test_stale_seed_is_asked_for_again(wired: VenueAndFeed) -> None:
    """A listener that refuses a seed gets another after a pause."""
    listener = RecordingListener(refused_seeds=2)

    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: len(listener.seeds) == 3)

    first, second, third = (one.received_at for one in wired.observed.depth_requests)
    assert second - first >= 0.1
    assert third - second >= 0.2
    assert wired.feed.state().counters["seeds_stale"] == 2


async def test_symbol_beyond_ascii_is_quoted_like_any_other(wired: VenueAndFeed) -> None:
    """A symbol with Chinese characters works, although a URL must escape it."""
    listener = RecordingListener()
    symbol = Symbol("币安人生USDT")

    wired.feed.subscribe(symbol, listener)
    await eventually(lambda: listener.seeds)
    wired.market.push(symbol, bid=("1", "1"), ask=("2", "2"))
    await eventually(lambda: listener.quotes)

    assert listener.quotes[0].symbol == symbol


async def test_garbage_frames_are_counted_and_the_reader_survives(wired: VenueAndFeed) -> None:
    """Garbage is dropped and counted by reason, and later frames are read."""
    listener = RecordingListener()
    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: listener.seeds)

    for frame in ("{", "\x00", '{"e":"trade","s":"LTCBTC"}', "[" * 100_000, "[" * 1_000):
        wired.venue.send_frame(LTCBTC, frame)
    wired.market.push(LTCBTC, bid=("99", "1"), ask=("100", "2"))
    await eventually(lambda: listener.quotes)

    counters = wired.feed.state().counters
    assert counters["dropped_not_json"] == 3
    assert counters["dropped_foreign"] == 1
    assert counters["dropped_oversized"] == 1
    assert wired.observed.connections_opened == 1
    assert listener.told == [SEED, QUOTE]


async def test_malformed_frame_of_a_symbol_takes_its_quote_until_it_is_seeded_again(
    wired: VenueAndFeed,
) -> None:
    """A malformed frame of a symbol invalidates its quote until the next seed."""
    listener = RecordingListener()
    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: listener.seeds)

    crossed = '{"u":9000,"s":"LTCBTC","b":"101","B":"1","a":"100","A":"1"}'
    wired.venue.send_frame(LTCBTC, crossed)
    await eventually(lambda: len(listener.seeds) == 2)

    assert listener.told == [SEED, INTERRUPTED, SEED]
    assert wired.feed.state().counters["dropped_crossed"] == 1


@pytest.mark.virtual_time
async def test_churn_keeps_within_four_control_messages_a_second(wired: VenueAndFeed) -> None:
    """Many subscriptions and cancellations stay within the venue's limit on messages."""
    listener = RecordingListener()

    for symbol in SYMBOLS:
        wired.feed.subscribe(symbol, listener)
        known = len(wired.observed.control_messages)
        if len(wired.observed.subscribed) < 8:
            await eventually_has(wired.observed.control_messages, known + 1)
    await eventually(lambda: len(listener.seeds) == 50)

    times = [message.received_at for message in wired.observed.control_messages]
    assert len(times) > 8
    assert all(later - earlier >= 1 for earlier, later in zip(times, times[4:], strict=False))
    assert wired.observed.connections_opened == 1
    assert not wired.observed.closes


async def test_symbols_that_come_and_go_between_two_messages_cost_none(
    wired: VenueAndFeed,
) -> None:
    """Changes that cancel each other out cause no control message."""
    listener = RecordingListener()
    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: listener.seeds)

    for _, symbol in itertools.product(range(20), SYMBOLS):
        wired.feed.subscribe(symbol, listener)
        wired.feed.unsubscribe(symbol, listener)
    wired.feed.unsubscribe(LTCBTC, listener)
    wired.feed.subscribe(LTCBTC, listener)
    await eventually(lambda: len(listener.seeds) == 2)

    assert len(wired.observed.control_messages) == 1
