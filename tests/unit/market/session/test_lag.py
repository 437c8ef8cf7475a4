"""How far behind the venue we are, told from its time and ours."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from app.market.session.lag import OFFSET_SECONDS_MAX, TIME_SECONDS_MAX, LagMeter
from app.market.session.timing import FeedTiming
from app.ports import ConnectionState, FeedState, Lag
from tests.support.market import INTERRUPTED, LTCBTC, eventually_has
from tests.support.virtual_time import VirtualClock, in_virtual_time
from tests.support.waiting import eventually
from tests.unit.market.conftest import SHUTDOWN, rigged, ticker

START = datetime(2026, 1, 1, tzinfo=UTC)


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """Return a date that moves with it."""
        return START + timedelta(seconds=self.seconds)

    def monotonic_ns(self) -> int:
        """Return nanoseconds."""
        return round(self.seconds * 1_000_000_000)


class Venue:
    """A venue that tells the time once a second, its clock ahead of ours by ``ahead_ms``."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self.clock = HandClock()
        self.meter = LagMeter(self.clock)
        self._ahead_ms = ahead_ms

    def tell(self, *, late_ms: int) -> Lag:
        """Tell the time a second after the last, and let it be read so late."""
        self.clock.seconds = float(int(self.clock.seconds)) + 1
        told_ms = round(self.clock.now().timestamp() * 1_000) + self._ahead_ms
        self.clock.seconds += late_ms / 1_000
        self.meter.note(told_ms)
        lag = self.meter.newest
        assert lag is not None, "just told"
        return lag


def test_lag_is_unknown_until_the_venue_tells_the_time() -> None:
    """None is no figure."""
    assert Venue().meter.newest is None


def test_lag_is_our_time_less_the_venues() -> None:
    """In seconds; the first one has nothing to exceed."""
    lag = Venue().tell(late_ms=40)

    assert lag.seconds == pytest.approx(0.04)
    assert lag.excess_seconds == 0


@pytest.mark.parametrize("ahead_ms", [-3_600_000, -5, 0, 5, 3_600_000])
def test_excess_knows_no_difference_of_clocks(ahead_ms: int) -> None:
    """An hour of it, before or behind, stands in the lag alone."""
    venue = Venue(ahead_ms)
    venue.tell(late_ms=40)
    lag = venue.tell(late_ms=240)

    assert lag.seconds == pytest.approx(0.24 - ahead_ms / 1_000)
    assert lag.excess_seconds == pytest.approx(0.2)


def test_smallest_lag_is_forgotten_after_five_minutes() -> None:
    """A way that became longer for good is the usual one in the end."""
    venue = Venue()
    venue.tell(late_ms=10)

    excess = [venue.tell(late_ms=110).excess_seconds for _ in range(6 * 60)]

    assert excess[:240] == pytest.approx([0.1] * 240)
    assert excess[-60:] == pytest.approx([0.0] * 60)


def test_smallest_lag_outlives_a_pause_only_while_it_is_recent() -> None:
    """After minutes without a word nothing is known any more."""
    venue = Venue()
    venue.tell(late_ms=10)
    venue.clock.seconds += 3_600

    assert venue.tell(late_ms=110).excess_seconds == 0


def test_lag_is_unknown_once_the_time_stays_out() -> None:
    """A halted pair, or a stream that was never granted: no old figure is shown for a new one."""
    venue = Venue()
    venue.tell(late_ms=10)
    venue.clock.seconds += TIME_SECONDS_MAX
    assert venue.meter.newest is not None

    venue.clock.seconds += 1

    assert venue.meter.newest is None


def test_lost_connection_has_no_lag_but_the_next_is_held_against_its_best() -> None:
    """A connection that is behind from its first frame on is found out."""
    venue = Venue()
    venue.tell(late_ms=10)

    venue.meter.forget()

    assert venue.meter.newest is None
    assert venue.tell(late_ms=510).excess_seconds == pytest.approx(0.5)


@pytest.mark.parametrize("venue_ms", [0, 9_999_999_999_999])
def test_time_days_off_is_no_time(venue_ms: int) -> None:
    """It would make the smallest lag, or the newest one, absurd for minutes."""
    venue = Venue()
    lag = venue.tell(late_ms=10)
    assert OFFSET_SECONDS_MAX == 86_400

    venue.meter.note(venue_ms)

    assert venue.meter.newest == lag
    assert venue.tell(late_ms=20).excess_seconds == pytest.approx(0.01)


def test_log_tells_when_it_lags_and_when_it_has_caught_up() -> None:
    """Once each, however long it lasts and however it wavers in between."""
    venue = Venue()
    with capture_logs() as logs:
        for late_ms in (10, 1_900, 2_100, 5_000, 1_500, 2_500, 900, 10, 1_500):
            venue.clock.seconds += 10
            venue.tell(late_ms=late_ms)

    assert [(one["event"], one["excess_seconds"]) for one in logs] == [
        ("feed_lags_behind", 2.09),
        ("feed_caught_up", 0.89),
    ]


AT_ONCE = FeedTiming(time_stream_seconds=0)


def told(clock: VirtualClock, *, ago_ms: int) -> str:
    """Make a frame that tells a time so long ago."""
    at_ms = round(clock.now().timestamp() * 1_000) - ago_ms
    return f'{{"e":"24hrMiniTicker","E":{at_ms},"s":"BTCUSDT","c":"1"}}'


async def test_a_connection_asks_for_the_time_and_knows_its_lag() -> None:
    """In a message of its own; what comes is no quote of anybody's."""
    clock = VirtualClock()
    async with rigged(timing=AT_ONCE, clock=clock) as rig:
        listener = await rig.live(LTCBTC)
        await eventually_has(rig.peer.time_requests, 1)
        assert rig.connection.state().lag is None
        await rig.peer.last.send(told(clock, ago_ms=30))
        await rig.peer.last.send(told(clock, ago_ms=250))
        await eventually(lambda: rig.counters["venue_times"] == 2)

        lag = rig.connection.state().lag
        assert lag is not None
        assert (lag.seconds, lag.excess_seconds) == pytest.approx((0.25, 0.22))
        assert rig.peer.time_requests[0]["params"] == ["btcusdt@miniTicker"]
        assert listener.quotes == []


@pytest.mark.parametrize("answer", ['{"error":{"code":2,"msg":"no"},"id":{id}}', '{"code":2}', ""])
@in_virtual_time
async def test_a_venue_that_does_not_tell_the_time_costs_nothing_else(answer: str) -> None:
    """Refused with or without an id, or never answered: no cause of trouble, no lost connection."""
    timing = FeedTiming(time_stream_seconds=0.1, acknowledgment_seconds_max=0.05)
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


async def test_garbage_instead_of_the_time_takes_nobodys_quote() -> None:
    """It is dropped and counted, and the symbol that it names stays live."""
    async with rigged(timing=AT_ONCE) as rig:
        listener = await rig.live(LTCBTC)
        await rig.peer.last.send('{"e":"24hrMiniTicker","E":"soon","s":"LTCBTC"}')
        await rig.peer.last.send('{"e":"24hrMiniTicker","s":"LTCBTC"}')
        await eventually(lambda: rig.counters["dropped_missing_key"])

        assert (rig.counters["dropped_wrong_type"], rig.counters["dropped_missing_key"]) == (1, 1)
        assert INTERRUPTED not in listener.told
        assert rig.connection.state().lag is None


async def test_lag_is_that_of_the_connection_that_delivers() -> None:
    """One that is to take over tells nothing yet; once the old one is lost, nothing is known."""
    clock = VirtualClock()
    timing = FeedTiming(time_stream_seconds=0, rotation_look_seconds=60, pause_seconds_first=0.02)
    async with rigged(timing=timing, clock=clock) as rig:
        await rig.live(LTCBTC)
        old = rig.peer.last
        await old.send(told(clock, ago_ms=30))
        await old.send(SHUTDOWN)
        await eventually_has(rig.peer.time_requests, 2)
        await rig.peer.last.send(told(clock, ago_ms=900))
        await eventually(lambda: rig.counters["venue_times"] == 2)
        lag = rig.connection.state().lag
        assert lag is not None
        assert lag.seconds == pytest.approx(0.03)

        for connection in rig.peer.connections:
            connection.transport.abort()
        await eventually(lambda: rig.counters["lost_reset"] + rig.counters["lost_shutdown"] >= 2)

        assert rig.connection.state().lag is None


def test_the_feed_is_as_far_behind_as_its_worst_connection() -> None:
    """Whichever clocks they are told by; those that know nothing do not count."""
    lags = [Lag(seconds=9, excess_seconds=0.1), Lag(seconds=1, excess_seconds=0.2), None]
    feed = FeedState(
        status="connected",
        cause=None,
        since=START,
        symbols=1,
        counters={},
        connections=tuple(
            ConnectionState(status="connected", since=START, streams=1, cause=None, lag=lag)
            for lag in lags
        ),
    )

    assert feed.lag == lags[1]
    assert replace(feed, connections=feed.connections[2:]).lag is None
