"""The feed against a simulated venue, over real sockets: subscriptions, seeds, and idle times."""

import asyncio

import pytest

from app.domain.order import Symbol
from app.market.feed import BookTickerFeed
from app.market.timing import FeedTiming
from tests.support.market import (
    INTERRUPTED,
    LTCBTC,
    SEED,
    RecordingListener,
    eventually_has,
    venue_and_feed,
)
from tests.support.waiting import eventually

CHINESE = Symbol("币安人生USDT")


async def test_subscription_acknowledgment_and_depth_come_in_this_order() -> None:
    """A seed is requested after the subscription, so that no update is lost in between."""
    listener = RecordingListener()
    async with venue_and_feed([LTCBTC]) as on:
        on.market.push(LTCBTC, bid=("99", "1"), ask=("100", "2"), update_id=5_000)

        on.feed.subscribe(LTCBTC, listener)
        await eventually(lambda: listener.seeds)

        assert on.observed.subscribed == ["ltcbtc@bookTicker"]
        (subscribed,) = on.observed.messages_of("SUBSCRIBE")
        (asked,) = on.observed.depth_requests
        assert asked.received_at > subscribed.received_at
        assert asked.query == {"symbol": "LTCBTC", "limit": "5", "symbolStatus": "TRADING"}
        assert listener.seeds[0].update_id == 5_000
        assert str(listener.seeds[0].ask_price) == "100.00000000"
        assert listener.told == [SEED]


async def test_last_listener_of_a_symbol_unsubscribes_its_stream() -> None:
    """A stream is unsubscribed when its last listener leaves."""
    first, second = RecordingListener(), RecordingListener()
    async with venue_and_feed([LTCBTC]) as on:
        on.feed.subscribe(LTCBTC, first)
        on.feed.subscribe(LTCBTC, second)
        await eventually(lambda: second.seeds)

        on.feed.unsubscribe(LTCBTC, first)
        on.market.push(LTCBTC, bid=("99", "1"), ask=("100", "2"))
        await eventually(lambda: second.quotes)
        on.feed.unsubscribe(LTCBTC, second)
        await eventually(lambda: on.observed.messages_of("UNSUBSCRIBE"))

        assert first.told == [SEED]
        assert len(on.observed.control_messages) == 2
        assert on.feed.state().symbols == 0


@pytest.mark.virtual_time
async def test_stale_seed_is_requested_again_after_growing_pauses() -> None:
    """A listener that refuses a seed gets another one after a pause."""
    listener = RecordingListener(refused_seeds=2)
    async with venue_and_feed([LTCBTC]) as on:
        on.feed.subscribe(LTCBTC, listener)
        await eventually_has(listener.seeds, 3)

        assert on.feed.state().counters["seeds_stale"] == 2

    first, second, third = (one.received_at for one in on.observed.depth_requests)
    assert second - first >= 0.1
    assert third - second >= 0.2


async def test_symbol_beyond_ascii_is_quoted_like_any_other() -> None:
    """A symbol with Chinese characters works, although a URL must escape it."""
    listener = RecordingListener()
    async with venue_and_feed([CHINESE]) as on:
        on.feed.subscribe(CHINESE, listener)
        await eventually(lambda: listener.seeds)
        on.market.push(CHINESE, bid=("1", "1"), ask=("2", "2"))
        await eventually(lambda: listener.quotes)

    assert listener.quotes[0].symbol == CHINESE


class ReadingListener(RecordingListener):
    """A listener that reads the feed's state at each interruption."""

    def __init__(self, feed: BookTickerFeed) -> None:
        super().__init__()
        self.states: list[tuple[str, str | None]] = []
        self._feed = feed

    def on_interrupted(self) -> None:
        """Read the state."""
        super().on_interrupted()
        state = self._feed.state()
        self.states.append((state.status, state.cause))


async def test_state_names_the_cause_of_a_loss_when_listeners_are_interrupted() -> None:
    """The state names the cause of a lost connection as soon as listeners are interrupted."""
    async with venue_and_feed([LTCBTC]) as on:
        listener = ReadingListener(on.feed)
        on.feed.subscribe(LTCBTC, listener)
        await eventually(lambda: listener.seeds)
        on.venue.refuse_connections()

        on.venue.close_connections(1008, "Pong timeout")
        await eventually(lambda: listener.states)

    status, cause = listener.states[0]
    assert status == "down"
    assert "Pong timeout" in str(cause)


@pytest.mark.virtual_time
async def test_no_connection_is_kept_without_listeners() -> None:
    """A feed without subscriptions closes its connection and opens another when needed."""
    listener = RecordingListener()
    async with venue_and_feed([LTCBTC], timing=FeedTiming(idle_seconds=0.05)) as on:
        statuses = [on.feed.state().status]
        for round_number in (1, 2):
            on.feed.subscribe(LTCBTC, listener)
            statuses.append(on.feed.state().status)
            await eventually_has(listener.seeds, round_number)
            statuses.append(on.feed.state().status)
            on.feed.unsubscribe(LTCBTC, listener)
            await eventually(lambda: not on.observed.connections_open)
            statuses.append(on.feed.state().status)

    assert statuses == ["idle", *["connecting", "connected", "idle"] * 2]
    assert listener.told == [SEED, SEED]
    assert on.observed.connections_opened == 2


@pytest.mark.virtual_time
async def test_half_open_connection_is_found_by_keepalive() -> None:
    """A half-open connection is detected by a missing pong within 11 s and replaced."""
    listener = RecordingListener()
    time = asyncio.get_running_loop().time
    async with venue_and_feed([LTCBTC], timing=FeedTiming()) as on:
        on.feed.subscribe(LTCBTC, listener)
        await eventually(lambda: listener.seeds)
        on.venue.swallow()
        swallowed_at = time()
        await eventually(lambda: INTERRUPTED in listener.told)
        unnoticed_seconds = time() - swallowed_at
        state = on.feed.state()
        on.venue.swallow(on=False)
        await eventually_has(listener.seeds, 2)

        assert listener.told == [SEED, INTERRUPTED, SEED]

    assert "no pong" in str(state.cause)
    assert state.counters["lost_keepalive"] == 1
    assert unnoticed_seconds < 11
