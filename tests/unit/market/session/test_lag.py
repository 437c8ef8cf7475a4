"""Tests of ``LagMeter``, alone and behind a connection."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app.market.session.lag import LAG_SECONDS_MAX, OFFSET_SECONDS_MAX, LagMeter
from app.ports import ConnectionState, FeedState, Lag
from tests.support.builders import ACCEPTED_AT
from tests.support.hand_driven import HandClock
from tests.support.market import LTCBTC, PATIENT, eventually_has
from tests.support.virtual_time import VirtualClock, in_virtual_time
from tests.support.waiting import eventually
from tests.unit.market.conftest import SHUTDOWN, rigged, ticker


class Venue:
    """A venue that sends its time once a second, with its clock ``ahead_ms`` ahead of ours."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self.clock = HandClock()
        self.meter = LagMeter(self.clock)
        self._ahead_ms = ahead_ms

    def tell(self, *, late_ms: int) -> Lag:
        """Send the time at the next full second, and read it ``late_ms`` later."""
        self.clock.advance(1 - self.clock.now().microsecond / 1_000_000)
        told_ms = round(self.clock.now().timestamp() * 1_000) + self._ahead_ms
        self.clock.advance(late_ms / 1_000)
        self.meter.note(told_ms)
        lag = self.meter.newest
        assert lag is not None, "just noted"
        return lag


@pytest.mark.parametrize("ahead_ms", [-3_600_000, -5, 0, 5, 3_600_000])
def test_lag_is_our_time_less_the_venues_and_excess_is_over_the_smallest(ahead_ms: int) -> None:
    """A difference of the clocks changes the lag but not the excess; the first one has none."""
    venue = Venue(ahead_ms)
    assert venue.meter.newest is None

    first, lag = venue.tell(late_ms=40), venue.tell(late_ms=240)

    assert first.seconds == pytest.approx(0.04 - ahead_ms / 1_000)
    assert first.excess_seconds == 0
    assert lag.seconds == pytest.approx(0.24 - ahead_ms / 1_000)
    assert lag.excess_seconds == pytest.approx(0.2)


def test_smallest_lag_is_forgotten_after_five_minutes() -> None:
    """A permanently longer network delay stops counting as excess after five minutes."""
    venue = Venue()
    venue.tell(late_ms=10)

    excess = [venue.tell(late_ms=110).excess_seconds for _ in range(6 * 60)]

    assert excess[:240] == pytest.approx([0.1] * 240)
    assert excess[-60:] == pytest.approx([0.0] * 60)


def test_lag_is_unknown_without_recent_times() -> None:
    """Without new times the lag becomes unknown, and after minutes its smallest value too."""
    venue = Venue()
    venue.tell(late_ms=10)
    venue.clock.advance(LAG_SECONDS_MAX)
    assert venue.meter.newest is not None

    venue.clock.advance(1)

    assert venue.meter.newest is None
    venue.clock.advance(3_600)
    assert venue.tell(late_ms=110).excess_seconds == 0


def test_lost_connection_has_no_lag_but_the_next_uses_its_smallest_lag() -> None:
    """A lost connection has no lag, and the next one compares with its smallest lag."""
    venue = Venue()
    venue.tell(late_ms=10)

    venue.meter.forget()

    assert venue.meter.newest is None
    assert venue.tell(late_ms=510).excess_seconds == pytest.approx(0.5)


@pytest.mark.parametrize("venue_ms", [0, 9_999_999_999_999])
def test_time_that_is_days_off_is_ignored(venue_ms: int) -> None:
    """A time that is days off is ignored."""
    venue = Venue()
    lag = venue.tell(late_ms=10)
    assert OFFSET_SECONDS_MAX == 86_400

    venue.meter.note(venue_ms)

    assert venue.meter.newest == lag
    assert venue.tell(late_ms=20).excess_seconds == pytest.approx(0.01)


def test_log_tells_when_it_lags_and_when_it_has_caught_up() -> None:
    """The log has one entry when the excess begins and one when it ends."""
    venue = Venue()
    with capture_logs() as logs:
        for late_ms in (10, 1_900, 2_100, 5_000, 1_500, 2_500, 900, 10, 1_500):
            venue.clock.advance(10)
            venue.tell(late_ms=late_ms)

    assert [(one["event"], one["excess_seconds"]) for one in logs] == [
        ("feed_lags_behind", 2.09),
        ("feed_caught_up", 0.89),
    ]


AT_ONCE = replace(PATIENT, time_stream_seconds=0)


def time_frame(clock: VirtualClock, *, ago_ms: int) -> str:
    """Make a mini-ticker frame with a time ``ago_ms`` before now."""
    at_ms = round(clock.now().timestamp() * 1_000) - ago_ms
    return f'{{"e":"24hrMiniTicker","E":{at_ms},"s":"BTCUSDT","c":"1"}}'


async def test_a_connection_asks_for_the_time_and_knows_its_lag() -> None:
    """A connection requests the time in a separate message and computes its lag."""
    clock = VirtualClock()
    async with rigged(timing=AT_ONCE, clock=clock) as rig:
        listener = await rig.live(LTCBTC)
        await eventually_has(rig.peer.time_requests, 1)
        assert rig.connection.state().lag is None
        await rig.peer.last.send(time_frame(clock, ago_ms=30))
        await rig.peer.last.send(time_frame(clock, ago_ms=250))
        await eventually(lambda: rig.counters["venue_times"] == 2)

        lag = rig.connection.state().lag
        assert lag is not None
        assert (lag.seconds, lag.excess_seconds) == pytest.approx((0.25, 0.22))
        assert rig.peer.time_requests[0]["params"] == ["btcusdt@miniTicker"]
        assert listener.quotes == []


@pytest.mark.parametrize("answer", ['{"error":{"code":2,"msg":"no"},"id":{id}}', '{"code":2}', ""])
@in_virtual_time
async def test_missing_time_stream_causes_no_error(answer: str) -> None:
    """A refused or unanswered time request causes no error and no lost connection."""
    timing = replace(PATIENT, time_stream_seconds=0.1, acknowledgment_seconds_max=0.05)
    async with rigged(timing=timing) as rig:
        listener = await rig.live(LTCBTC)
        rig.peer.answer = answer
        await eventually_has(rig.peer.time_requests, 1)
        await asyncio.sleep(0.2)
        await rig.peer.last.send(ticker(7))
        await eventually_has(listener.quotes, 1)

        assert rig.connection.state().lag is None
        assert (rig.connection.status, rig.connection.cause) == ("connected", None)
        assert len(rig.peer.connections) == 1


async def test_lag_comes_from_the_delivering_connection() -> None:
    """Only the delivering connection sets the lag, and its loss clears the lag."""
    clock = VirtualClock()
    timing = replace(
        PATIENT, time_stream_seconds=0, rotation_look_seconds=60, pause_seconds_first=0.02
    )
    async with rigged(timing=timing, clock=clock) as rig:
        await rig.live(LTCBTC)
        old = rig.peer.last
        await old.send(time_frame(clock, ago_ms=30))
        await old.send(SHUTDOWN)
        await eventually_has(rig.peer.time_requests, 2)
        await rig.peer.last.send(time_frame(clock, ago_ms=900))
        await eventually(lambda: rig.counters["venue_times"] == 2)
        lag = rig.connection.state().lag
        assert lag is not None
        assert lag.seconds == pytest.approx(0.03)

        for connection in rig.peer.connections:
            connection.transport.abort()
        await eventually(lambda: rig.counters["lost_reset"] + rig.counters["lost_shutdown"] >= 2)

        assert rig.connection.state().lag is None


def test_the_feed_is_as_far_behind_as_its_worst_connection() -> None:
    """The feed reports the largest excess of the connections with a known lag."""
    lags = [Lag(seconds=9, excess_seconds=0.1), Lag(seconds=1, excess_seconds=0.2), None]
    feed = FeedState(
        status="connected",
        cause=None,
        since=ACCEPTED_AT,
        symbols=1,
        counters={},
        connections=tuple(
            ConnectionState(status="connected", since=ACCEPTED_AT, streams=1, cause=None, lag=lag)
            for lag in lags
        ),
    )

    assert feed.lag == lags[1]
    assert replace(feed, connections=feed.connections[2:]).lag is None
