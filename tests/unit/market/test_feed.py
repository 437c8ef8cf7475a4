"""Tests of ``BookTickerFeed``."""

import asyncio
import random
import ssl
from dataclasses import replace

import pytest

from app.domain.order import Symbol
from app.market.feed import BookTickerFeed
from app.market.timing import STREAMS_MAX, FeedLimits
from app.ports import Clock
from tests.support.builders import make_quote
from tests.support.hand_driven import HandClock
from tests.support.market import (
    LTCBTC,
    PATIENT,
    HandDepth,
    NotingRecorder,
    RecordingListener,
    WebSocketPeer,
    eventually_has,
    running_feed,
)
from tests.support.waiting import eventually
from tests.unit.market.conftest import ticker


def feed_of(stream_url: str, clock: Clock | None = None) -> BookTickerFeed:
    """Make a feed that does not run."""
    return BookTickerFeed(
        stream_url=stream_url,
        depth=HandDepth(),
        clock=clock or HandClock(),
        random=random.Random(1),
    )


async def test_feed_is_idle_from_the_start_with_all_counters_at_zero() -> None:
    """A new feed is idle, without connections, and has all counters at zero."""
    clock = HandClock()

    state = feed_of("ws://127.0.0.1:1", clock).state()

    assert (state.status, state.cause, state.symbols) == ("idle", None, 0)
    assert state.since == clock.now()
    assert set(state.counters.values()) == {0}
    assert {"connections", "frames", "quotes", "seeds"} <= state.counters.keys()


@pytest.mark.parametrize(
    ("stream_url", "has_tls"), [("wss://127.0.0.1:1", True), ("ws://127.0.0.1:1", False)]
)
def test_system_certificates_are_read_once_and_only_where_needed(
    *, stream_url: str, has_tls: bool
) -> None:
    """System certificates are read once, and only for ``wss:`` endpoints."""
    assert isinstance(feed_of(stream_url)._parts.tls, ssl.SSLContext) == has_tls


async def test_subscriptions_made_before_it_runs_are_served(peer: WebSocketPeer) -> None:
    """Subscriptions from before ``run`` are served, by a second connection if there are many."""
    clock = HandClock()
    feed = feed_of(peer.url, clock)
    clock.advance(5)

    for number in range(STREAMS_MAX):
        feed.subscribe(Symbol(f"COIN{number}"), RecordingListener())

    assert (feed.state().status, feed.state().since) == ("connecting", clock.now())
    assert [one.streams for one in feed.state().connections] == [1_023, 1]


async def test_unsubscribing_without_a_subscription_is_ignored(peer: WebSocketPeer) -> None:
    """Unsubscribing without a subscription is ignored."""
    listener = RecordingListener()
    async with running_feed(peer.url, HandDepth([make_quote(5)])) as feed:
        feed.unsubscribe(LTCBTC, listener)
        feed.subscribe(LTCBTC, listener)
        feed.unsubscribe(LTCBTC, RecordingListener())
        await eventually(lambda: listener.seeds)

        assert feed.state().symbols == 1


async def test_recorder_gets_everything_before_the_listener(peer: WebSocketPeer) -> None:
    """The recorder gets everything before the listeners."""
    listener = RecordingListener()
    recorder = NotingRecorder(listener)
    depth = HandDepth([make_quote(5)])
    async with running_feed(peer.url, depth, recorder=recorder) as feed:
        feed.subscribe(LTCBTC, listener)
        await eventually(lambda: listener.seeds)
        depth.answer(make_quote(7))
        await peer.last.send('{"u":6,"s":"LTCBTC","b":"1","B":"1","a":"2","A":"1"}')
        await peer.last.send('{"u":7,"s":"LTCBTC","b":"3","B":"1","a":"2","A":"1"}')
        await peer.last.send('{"u":8,"s":"ETHBTC","b":"1","B":"1","a":"2","A":"1"}')
        await eventually(lambda: len(listener.seeds) == 2)
        feed.unsubscribe(LTCBTC, listener)

    assert recorder.noted[:5] == [
        ("opened", None, 0),
        ("seed", LTCBTC, 5, 0),
        ("frame", LTCBTC, 6, 1),
        ("drop", LTCBTC, "crossed", 2),
        ("seed", LTCBTC, 7, 3),
    ]


async def test_recorder_gets_buffered_frames_at_their_delivery(peer: WebSocketPeer) -> None:
    """Frames of a rotation are recorded once, with the change of connections."""
    listener = RecordingListener()
    recorder = NotingRecorder(listener)
    timing = replace(PATIENT, rotation_look_seconds=0.02)
    depth = HandDepth([make_quote(5)])
    async with running_feed(peer.url, depth, recorder=recorder, timing=timing) as feed:
        feed.subscribe(LTCBTC, listener)
        await eventually(lambda: listener.seeds)
        await peer.last.send('{"e":"serverShutdown"}')
        # A venue quotes a symbol only after its subscription, which comes after the handshake.
        await eventually_has(peer.received, 2)
        old, new = peer.connections
        for update_id in (6, 7):
            await new.send(ticker(update_id))
        await old.send(ticker(6))
        await eventually_has(listener.quotes, 2)
        noted = list(recorder.noted)

    assert noted == [
        ("opened", None, 0),
        ("seed", LTCBTC, 5, 0),
        ("opened", None, 1),
        ("frame", LTCBTC, 6, 1),
        ("rotated", None, 2),
        ("frame", LTCBTC, 7, 2),
    ]


async def test_each_connection_says_how_it_is_and_since_when(peer: WebSocketPeer) -> None:
    """Each connection reports its own status and since when it has it."""
    listener = RecordingListener()
    async with running_feed(peer.url, HandDepth([make_quote(5)])) as feed:
        (before,) = feed.state().connections
        feed.subscribe(LTCBTC, listener)
        await eventually(lambda: listener.seeds)
        (after,) = feed.state().connections

    assert (before.status, before.streams, before.cause) == ("idle", 0, None)
    assert (after.status, after.streams, after.cause) == ("connected", 1, None)
    assert after.since > before.since


async def test_limits_of_the_venue_can_be_shrunk_for_a_test_of_many_hours(
    peer: WebSocketPeer,
) -> None:
    """Given limits bound streams per connection and attempts of all connections.

    A symbol beyond a full connection gets another one, and free room is used first.
    """
    limits = FeedLimits(streams_max=3, attempts_max=2, attempts_seconds=0.3)
    listener = RecordingListener()
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with running_feed(peer.url, HandDepth(), limits=limits) as feed:
        for number in range(5):
            feed.subscribe(Symbol(f"COIN{number}"), listener)
        await eventually_has(peer.connections, 3)

        assert loop.time() - started >= 0.3
        assert [one.streams for one in feed.state().connections] == [2, 2, 1]
        feed.unsubscribe(Symbol("COIN0"), listener)
        feed.subscribe(LTCBTC, listener)
        assert [one.streams for one in feed.state().connections] == [2, 2, 1]


async def test_confirmation_for_a_symbol_without_listeners_is_ignored(peer: WebSocketPeer) -> None:
    """A confirmation for a symbol without listeners is ignored."""
    depth = HandDepth()
    async with running_feed(peer.url, depth) as feed:
        feed.confirm(LTCBTC, RecordingListener())

        assert feed.state().symbols == 0
    assert depth.asked == []
