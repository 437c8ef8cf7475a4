"""Tests of the rotation of connections against a scripted peer."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from websockets.protocol import State

from app.market.session.session import FRAMES_AT_ONCE_MAX
from app.market.timing import VENUE_LIMITS, FeedTiming
from tests.support.builders import make_quote
from tests.support.hand_driven import HandClock
from tests.support.market import (
    INTERRUPTED,
    LTCBTC,
    PATIENT,
    QUOTE,
    SEED,
    RecordingListener,
    eventually_has,
)
from tests.support.virtual_time import in_virtual_time
from tests.support.waiting import eventually
from tests.unit.market.conftest import ACKNOWLEDGMENT, ETHBTC, SHUTDOWN, Rig, rigged, ticker

SOON = replace(PATIENT, rotation_look_seconds=0.02, pause_seconds_first=0.02, idle_seconds=0.05)
LATE = replace(SOON, rotation_look_seconds=60.0)
"""The new connection is ready, but waits for a test to end the old one."""


async def begin(rig: Rig) -> None:
    """Announce a shutdown, and return once the new connection subscribes."""
    messages = len(rig.peer.received)
    await rig.old.send(SHUTDOWN)
    await eventually_has(rig.peer.connections, 2)
    await eventually_has(rig.peer.received, messages + 1)


@asynccontextmanager
async def rotating(
    *,
    answer: str = ACKNOWLEDGMENT,
    **options: Any,  # noqa: ANN401 - the options of Rig
) -> AsyncIterator[tuple[Rig, RecordingListener]]:
    """Subscribe, and begin a rotation to a second connection, which gets this answer."""
    async with rigged(**options) as rig:
        listener = await rig.live(LTCBTC)
        rig.peer.answer = answer
        await begin(rig)
        yield rig, listener


def ids_of(listener: RecordingListener) -> list[int]:
    """Return the update ids of the frames that a listener got."""
    return [quote.update_id for quote in listener.quotes]


async def quote_slowly(rig: Rig, clock: HandClock) -> None:
    """Send three quotes on the new connection, each 0.7 s after the one before was read."""
    for update_id in (6, 7, 8):
        frames = rig.counts.frames + 1
        await rig.new.send(ticker(update_id))
        await eventually(lambda: rig.counts.frames == frames)  # noqa: B023 - at once
        clock.advance(0.7)


async def test_frames_of_the_new_connection_wait_for_the_last_of_the_old_one() -> None:
    """Frames of both connections arrive in order and once."""
    async with rotating(timing=SOON, answer="") as (rig, listener):
        frames = rig.counts.frames + 3
        for update_id in (8, 9, 10):
            await rig.new.send(ticker(update_id))
        await eventually(lambda: rig.counts.frames == frames)
        # Not earlier: a new connection without frames takes over as soon as it is acknowledged.
        await rig.new.send(rig.acknowledgment())
        for update_id in (6, 7, 8, 9):
            before = ids_of(listener)
            await rig.old.send(ticker(update_id))
            await eventually_has(listener.quotes, len(before) + 1)
        await eventually(lambda: rig.counters["rotations"])
        await rig.new.send(ticker(11))
        await eventually_has(listener.quotes, 6)

        assert ids_of(listener) == [6, 7, 8, 9, 10, 11]
        assert rig.counters["rotation_duplicates"] == 2
        assert rig.counters["reconnects"] == 0
        assert listener.told == [SEED, *[QUOTE] * 6]
        assert rig.depth.asked == [LTCBTC]
        await eventually(lambda: rig.old.state is State.CLOSED)


async def test_new_connection_that_lags_repeats_nothing_after_it_took_over() -> None:
    """A lagging new connection repeats no frame and leaves no gap."""
    async with rigged(timing=SOON) as rig:
        listener = await rig.live(LTCBTC)
        for update_id in (6, 7, 8):
            await rig.peer.last.send(ticker(update_id))
        await eventually_has(listener.quotes, 3)
        await begin(rig)
        await eventually(lambda: rig.counters["rotations"])
        for update_id in (7, 8, 9):
            await rig.peer.last.send(ticker(update_id))
        await eventually_has(listener.quotes, 4)

        assert ids_of(listener) == [6, 7, 8, 9]
        assert rig.counters["rotation_duplicates"] == 2
        assert rig.counters["lost_ids_went_back"] == 0


@in_virtual_time
async def test_old_connection_that_lags_gets_a_limited_time() -> None:
    """A lagging old connection gets a limited time to catch up."""
    async with rigged(timing=replace(SOON, overlap_seconds_max=0.2)) as rig:
        listener = await rig.live(LTCBTC)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await begin(rig)
        await rig.peer.last.send(ticker(9))
        await eventually_has(listener.quotes, 1)

        assert 0.2 <= loop.time() - started < SOON.rotation_ready_seconds_max
        assert ids_of(listener) == [9]
        assert INTERRUPTED not in listener.told


async def test_attempt_that_fails_leaves_the_old_connection_and_is_made_again() -> None:
    """A failed attempt leaves the old connection in place and is retried."""
    async with rigged(timing=replace(SOON, open_seconds_early=0.05)) as rig:
        listener = await rig.live(LTCBTC)
        rig.peer.accepts.clear()
        await rig.peer.last.send(SHUTDOWN)
        await eventually(lambda: rig.counters["failed_timeout"] >= 2)
        cause = rig.connection.cause
        await rig.old.send(ticker(6))
        rig.peer.accepts.set()
        await eventually(lambda: rig.counters["rotations"])

        assert cause is None
        assert listener.told == [SEED, QUOTE]
        assert "down" not in rig.statuses


@pytest.mark.parametrize("kind", ["closed_by_venue", "shutdown"])
async def test_new_connection_that_is_lost_or_announces_a_shutdown_is_replaced(kind: str) -> None:
    """Another new connection replaces it while the old one delivers."""
    async with rotating(timing=SOON, answer="") as (rig, listener):
        await rig.new.send(ticker(6))
        if kind == "shutdown":
            await rig.new.send(SHUTDOWN)
        else:
            await rig.new.close(1013, "try again later")
        await eventually(lambda: rig.counters[f"lost_{kind}"])
        rig.peer.answer = ACKNOWLEDGMENT
        await rig.old.send(ticker(6))
        await eventually(lambda: rig.counters["rotations"])

        assert ids_of(listener) == [6]
        assert INTERRUPTED not in listener.told
        assert rig.counters["connections"] == 3


async def test_notice_that_comes_while_the_new_connection_takes_over_is_not_forgotten() -> None:
    """A shutdown notice during the take-over starts another rotation."""
    async with rotating(timing=SOON) as (rig, listener):
        rig.old.transport.pause_reading()
        await eventually(lambda: rig.connection.current and rig.connection.current.is_finishing)
        rig.old.protocol.send_close(1001)
        rig.old.send_data()
        await eventually(lambda: rig.counters["rotations"])
        await rig.new.send(SHUTDOWN)
        await eventually(lambda: rig.counters["shutdown_notices"] == 2)
        rig.old.transport.abort()
        await eventually(lambda: rig.counters["rotations"] == 2)

        assert listener.told == [SEED]
        assert len(rig.peer.connections) == 3


async def test_full_buffer_ends_the_new_connection() -> None:
    """A full buffer ends the new connection, and the rotation restarts."""
    limits = replace(VENUE_LIMITS, buffered_frames_max=3)
    async with rotating(timing=LATE, limits=limits) as (rig, listener):
        for update_id in range(6, 10):
            await rig.peer.last.send(ticker(update_id))
        await eventually(lambda: rig.counters["lost_too_far_behind"])
        await rig.old.send(ticker(6))
        await eventually_has(listener.quotes, 1)

        assert ids_of(listener) == [6]
        assert INTERRUPTED not in listener.told


async def test_loss_of_the_old_connection_interrupts_only_what_the_new_one_has_not() -> None:
    """Losing the old connection interrupts only streams that the new one lacks."""
    async with rotating(timing=SOON, answer="") as (rig, stays):
        comes = RecordingListener()
        await rig.new.send(rig.acknowledgment())
        rig.connection.add(ETHBTC, comes)
        await eventually_has(rig.peer.received, 4)
        await rig.old.send('{"result":null,"id":2}')
        rig.depth.answer(make_quote(5, symbol=ETHBTC))
        await eventually_has(comes.seeds, 1)

        rig.depth.answer(make_quote(5))
        rig.old.transport.abort()
        await eventually(lambda: INTERRUPTED in comes.told)
        told = list(stays.told)
        rig.depth.answer(make_quote(6, symbol=ETHBTC))
        await rig.new.send('{"result":null,"id":2}')
        await eventually_has(comes.seeds, 2)

        assert INTERRUPTED not in told
        assert comes.told == [SEED, INTERRUPTED, SEED]
        assert rig.counters["reconnects"] == 0
        assert rig.counters["lost_shutdown"] == 1
        assert rig.connection.status == "connected"


async def test_quiet_symbol_is_confirmed_after_the_old_connection_was_lost() -> None:
    """A quiet symbol gets a confirming seed after the old connection was lost."""
    async with rotating(timing=LATE) as (rig, listener):
        rig.depth.answer(make_quote(7))
        rig.old.transport.abort()
        await eventually_has(listener.seeds, 2)

    assert listener.told[:2] == [SEED, SEED]


async def test_seed_asked_for_before_the_old_connection_was_lost_confirms_nothing() -> None:
    """A seed requested before the loss does not count as confirmation."""
    async with rigged(timing=LATE) as rig:
        listener = await rig.live(LTCBTC)
        rig.connection.confirm(LTCBTC, listener)
        await eventually_has(rig.depth.asked, 2)
        await begin(rig)
        session = rig.connection._next
        rig.old.transport.abort()
        await eventually(lambda: rig.connection.current is session)
        await eventually_has(rig.depth.asked, 3)
        rig.depth.answer(make_quote(7))
        await eventually_has(listener.seeds, 2)

        assert listener.told == [SEED, SEED]


async def test_symbol_that_quoted_on_both_connections_needs_no_confirmation() -> None:
    """A symbol that quoted on both connections gets no confirming seed."""
    async with rotating(timing=LATE) as (rig, listener):
        await rig.new.send(ticker(6))
        await rig.new.send(ticker(7))
        await rig.old.send(ticker(6))
        await eventually(lambda: rig.counts.frames >= 6)
        rig.old.transport.abort()
        await eventually_has(listener.quotes, 2)
        await asyncio.sleep(0.05)

        assert listener.told == [SEED, QUOTE, QUOTE]
        assert rig.depth.asked == [LTCBTC]


async def test_quotes_that_were_replaced_long_ago_are_not_delivered_late() -> None:
    """Buffered quotes that were replaced long ago are not delivered."""
    clock = HandClock()
    async with rotating(timing=LATE, clock=clock) as (rig, listener):
        await eventually(lambda: rig.counts.frames == 3)  # two acknowledgments, the announcement
        await quote_slowly(rig, clock)
        rig.depth.answer(make_quote(8))
        rig.old.transport.abort()
        await eventually(lambda: 8 in ids_of(listener))

        assert ids_of(listener) == [8]
        assert rig.counters["rotation_superseded"] == 2


async def test_frames_that_arrive_during_delivery_are_not_skipped() -> None:
    """Frames that arrive during delivery are not mistaken for superseded ones."""
    clock = HandClock()
    async with rotating(timing=LATE, clock=clock) as (rig, listener):
        session = rig.connection._next
        assert session is not None
        ids = itertools.count(6)
        for update_id in itertools.islice(ids, 2 * FRAMES_AT_ONCE_MAX):
            session.on_texts(session._opened, [ticker(update_id).encode()])
        clock.advance(5)
        first_young = last = 6 + 2 * FRAMES_AT_ONCE_MAX
        rig.old.transport.abort()
        while session.buffer is not None:
            await asyncio.sleep(0)
            last = next(ids)
            session.on_texts(session._opened, [ticker(last).encode()])

        assert ids_of(listener) == list(range(first_young, last + 1))


async def test_superseded_quotes_are_skipped_after_a_proper_close() -> None:
    """Superseded quotes are skipped also after a proper close of a stalled connection."""
    clock = HandClock()
    async with rotating(timing=replace(SOON, overlap_seconds_max=0.05), clock=clock, answer="") as (
        rig,
        listener,
    ):
        await quote_slowly(rig, clock)
        await rig.peer.last.send(rig.acknowledgment())
        await eventually(lambda: 8 in ids_of(listener))

        assert rig.counters["rotations"] == 1
        assert ids_of(listener) == [8]
        assert listener.told == [SEED, QUOTE]


async def test_listener_that_subscribes_during_a_rotation_gets_no_older_frames() -> None:
    """A listener that subscribes during a rotation gets no older frames."""
    clock = HandClock()
    async with rigged(timing=SOON, clock=clock) as rig:
        first, second = await rig.live(LTCBTC, ETHBTC), RecordingListener()
        rig.peer.answer = ""
        await begin(rig)
        before = rig.counts.frames
        await rig.new.send(ticker(6))
        await eventually(lambda: rig.counts.frames > before)
        clock.advance(1)
        rig.connection.remove(LTCBTC, first)
        rig.connection.add(LTCBTC, second)
        rig.depth.answer(make_quote(8))
        await rig.new.send(rig.acknowledgment())
        await eventually(lambda: rig.counters["rotations"])
        await eventually(lambda: second.seeds)
        await rig.new.send(ticker(9))
        await eventually(lambda: second.quotes)

        assert rig.old.state is not State.OPEN
        assert ids_of(second) == [9]


async def test_buffered_malformed_frame_interrupts_in_its_place() -> None:
    """A buffered malformed frame interrupts its symbol in its place among the frames."""
    async with rotating(timing=LATE) as (rig, listener):
        for frame in (ticker(6), '{"s":"LTCBTC","u":7}', ticker(8)):
            await rig.new.send(frame)
        await rig.old.send(ticker(6))
        await eventually(lambda: rig.counts.frames >= 7)
        told = list(listener.told)
        rig.old.transport.abort()
        await eventually_has(listener.quotes, 2)

        assert told == [SEED, QUOTE]
        assert listener.told[:4] == [SEED, QUOTE, INTERRUPTED, QUOTE]


async def test_both_connections_close_when_the_last_listener_leaves() -> None:
    """Both connections close when the last listener leaves."""
    async with rotating(timing=replace(LATE, idle_seconds=0.05)) as (rig, listener):
        rig.connection.remove(LTCBTC, listener)
        await eventually(lambda: rig.connection.status == "idle")
        await eventually(lambda: all(one.state is State.CLOSED for one in rig.peer.connections))

    assert listener.told == [SEED]
    assert rig.counters["rotations"] == 0


async def test_loss_while_the_new_connection_opens_is_an_ordinary_loss() -> None:
    """A loss while the new connection opens interrupts all listeners and reconnects."""
    async with rigged(timing=SOON) as rig:
        listener = await rig.live(LTCBTC)
        rig.peer.accepts.clear()
        await rig.peer.last.send(SHUTDOWN)
        await eventually(lambda: rig.peer.handshakes == 2)
        rig.depth.answer(make_quote(6))
        await rig.peer.last.close(1001, "going away")
        await eventually(lambda: INTERRUPTED in listener.told)
        rig.peer.accepts.set()
        await eventually_has(listener.seeds, 2)

        assert listener.told == [SEED, INTERRUPTED, SEED]
        assert rig.counters["lost_shutdown"] == 1
        assert rig.counters["reconnects"] == 1


async def test_connection_that_opened_too_late_is_closed_again() -> None:
    """A new connection that opens after the loss of the old one is closed."""
    async with rigged(timing=SOON) as rig:
        session = await rig.connection.open_next_session()
        await eventually_has(rig.peer.connections, 1)
        await eventually(lambda: rig.peer.last.state is State.CLOSED)

        assert session is None
        assert rig.connection.status == "idle"


@in_virtual_time
async def test_connection_that_lasted_counts_although_another_one_took_over() -> None:
    """A take-over from a stable connection restarts the backoff."""
    async with rigged(timing=replace(SOON, stable_seconds=0.2)) as rig:
        outage = rig.connection._outage
        outage.note_failure("refused")
        for _ in range(9):
            outage.next_pause_seconds()
        await rig.live(LTCBTC)
        await asyncio.sleep(0.2)
        await begin(rig)
        await eventually(lambda: rig.counters["rotations"])

        assert outage.next_pause_seconds() <= 2 * SOON.pause_seconds_first


@in_virtual_time
async def test_streams_that_are_never_ready_put_it_off_for_a_minute_at_most() -> None:
    """Streams that are never ready delay a rotation by at most a minute."""
    timing = replace(SOON, rotation_ready_seconds_max=0.2)
    async with rotating(timing=timing, answer="") as (rig, listener):
        await eventually(lambda: rig.counters["rotations"])
        await eventually(lambda: INTERRUPTED in listener.told)
        rig.depth.answer(make_quote(6))
        await rig.peer.last.send(rig.acknowledgment())
        await eventually_has(listener.seeds, 2)

        assert listener.told == [SEED, INTERRUPTED, SEED]


async def test_rotation_is_due_before_the_venues_day_is_over_and_not_at_one_instant() -> None:
    """Rotations are due before the venue's 24 h, at random times."""
    timing = FeedTiming()
    soonest = timing.rotation_seconds * (1 - timing.rotation_part_sooner_max)

    assert 22 * 3600 < soonest < timing.rotation_seconds == 23 * 3600
