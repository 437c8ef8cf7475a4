"""Tests of ``SessionSupervisor`` against a scripted peer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.protocol import State

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.transport.pacing import SlidingWindow
from tests.support.builders import make_quote
from tests.support.hand_driven import HandClock
from tests.support.market import (
    INTERRUPTED,
    LTCBTC,
    PATIENT,
    QUOTE,
    SEED,
    HandDepth,
    RecordingListener,
    eventually_has,
)
from tests.support.virtual_time import in_virtual_time
from tests.support.waiting import eventually
from tests.unit.market.conftest import ACKNOWLEDGMENT, ETHBTC, rigged, ticker


class ActingListener(RecordingListener):
    """A listener that acts before it notes a quote or seed."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act = act

    def on_quote(self, quote: Quote) -> None:
        """Act, and note the quote."""
        self._act()
        super().on_quote(quote)

    def on_seed(self, seed: Quote) -> bool:
        """Act, and note the seed."""
        self._act()
        return super().on_seed(seed)


async def test_seed_is_not_asked_for_before_the_acknowledgment() -> None:
    """The supervisor requests a seed only after the acknowledgment of the stream."""
    async with rigged() as rig:
        listener = await rig.live(LTCBTC)
        rig.peer.answer = ""
        rig.connection.add(ETHBTC, listener)
        await eventually_has(rig.peer.received, 2)
        await rig.peer.last.send(ticker(7, "ETHBTC"))
        await eventually(lambda: listener.quotes)
        asked_before = list(rig.depth.asked)

        await rig.peer.last.send(rig.acknowledgment())
        await eventually_has(rig.depth.asked, 2)

    assert asked_before == [LTCBTC]


async def test_seed_canceled_before_its_first_step_comes_after_the_reconnect() -> None:
    """An acknowledgment and the end in one segment still lead to a seed after reconnecting."""
    async with rigged() as rig:
        listener = RecordingListener()
        await rig.subscribe_unanswered(listener)

        rig.peer.last.protocol.send_text(rig.acknowledgment().encode())
        await rig.peer.last.close()
        rig.depth.answer(make_quote(5))
        await eventually(lambda: listener.seeds)

    assert listener.told[:2] == [INTERRUPTED, SEED]
    assert rig.counters["connections"] == 2


async def test_seed_canceled_before_its_first_step_leaves_no_task() -> None:
    """An acknowledgment and a last fill in one segment leave no seed task behind."""
    async with rigged() as rig:
        leaving = ActingListener(lambda: rig.connection.remove(LTCBTC, leaving))
        await rig.subscribe_unanswered(leaving)

        rig.peer.send_at_once(rig.acknowledgment(), ticker(6))
        await eventually(lambda: leaving.quotes)
        left_behind = dict(rig.connection._seeding)
        listener = await rig.live(LTCBTC)

    assert left_behind == {}
    assert leaving.told == [QUOTE]
    assert listener.seeds


@pytest.mark.parametrize("answer", ["", '{"code":2,"msg":"Invalid request"}'])
@in_virtual_time
async def test_control_message_that_is_not_acknowledged_replaces_the_connection(
    answer: str,
) -> None:
    """The venue is silent, or refuses without an id, which is counted."""
    timing = replace(PATIENT, acknowledgment_seconds_max=0.1)
    async with rigged(timing=timing) as rig:
        rig.peer.answer = answer
        listener = rig.subscribe()
        await eventually(lambda: rig.connection.status == "down")
        cause = rig.connection.cause
        rig.peer.answer = ACKNOWLEDGMENT
        rig.depth.answer(make_quote(5))
        await eventually(lambda: listener.seeds)

    assert cause == "the venue did not acknowledge a control message"
    assert listener.told[-3:-1] == [INTERRUPTED, SEED]
    assert bool(rig.counters["control_refusals"]) is bool(answer)


@in_virtual_time
async def test_refused_subscription_is_named_and_asked_for_again() -> None:
    """A refused subscription shows as the cause, and is retried on the same connection."""
    async with rigged(timing=replace(PATIENT, refusal_seconds=0.05)) as rig:
        rig.peer.answer = '{"error":{"code":4,"msg":"Too many subscriptions"},"id":{id}}'
        listener = rig.subscribe()
        await eventually(lambda: rig.counters["control_refusals"] == 2)
        cause = rig.connection.cause
        rig.peer.answer = ACKNOWLEDGMENT
        rig.depth.answer(make_quote(5))
        await eventually(lambda: listener.seeds)

        assert rig.connection.status == "connected"
        assert rig.connection.cause is None
        assert len(rig.peer.connections) == 1
    assert cause == "the venue refused a control message: 4: Too many subscriptions"
    assert [message["method"] for message in rig.peer.received] == ["SUBSCRIBE"] * 3


@in_virtual_time
async def test_refusal_of_an_earlier_connection_is_forgotten_with_it() -> None:
    """A new connection clears the refusal of the previous one."""
    async with rigged(timing=replace(PATIENT, refusal_seconds=0.3)) as rig:
        rig.peer.answer = '{"error":"no","id":{id}}'
        rig.subscribe()
        await eventually(lambda: rig.counters["control_refusals"])
        rig.peer.answer = ACKNOWLEDGMENT
        await rig.peer.last.close()
        await eventually(lambda: rig.depth.asked)
        await asyncio.sleep(0.3)

    assert len(rig.peer.received) == 2


async def test_frames_go_to_their_listeners_and_others_are_counted() -> None:
    """Frames reach the listeners of their symbol; other frames, even malformed, are counted."""
    async with rigged() as rig:
        listener = await rig.live(LTCBTC)

        malformed = '{"s":"ETHBTC","u":1}'
        others = (ticker(7, "ETHBTC"), b"\x00", '{"e":"trade"}', malformed)
        for frame in (ticker(6), *others, ticker(8)):
            await rig.peer.last.send(frame)
        await eventually(lambda: len(listener.quotes) == 2)

        assert [quote.update_id for quote in listener.quotes] == [6, 8]
        assert listener.told == [SEED, QUOTE, QUOTE]
        for reason in ("unsubscribed", "binary", "foreign", "missing_key"):
            assert rig.counters[f"dropped_{reason}"] == 1


async def test_listener_may_leave_while_it_is_seeded() -> None:
    """A listener may unsubscribe inside its seed callback."""
    async with rigged() as rig:
        leaving = ActingListener(lambda: rig.connection.remove(LTCBTC, leaving))
        rig.connection.add(LTCBTC, leaving)
        rig.depth.answer(make_quote(5))
        await eventually(lambda: len(rig.peer.received) == 2)
        listener = await rig.live(ETHBTC)

        assert len(rig.peer.connections) == 1
    assert leaving.told == [SEED]
    assert listener.seeds


async def test_symbol_that_left_and_came_back_is_seeded_anew() -> None:
    """A symbol that returns gets a new seed, not the one under way when it left."""
    async with rigged() as rig:
        first, second = RecordingListener(), RecordingListener()
        rig.connection.add(LTCBTC, first)
        await eventually(lambda: rig.depth.asked)

        rig.connection.remove(LTCBTC, first)
        rig.connection.add(LTCBTC, second)
        await eventually(lambda: len(rig.depth.asked) == 2)
        rig.depth.answer(make_quote(6))
        await eventually(lambda: second.seeds)

    assert first.told == []
    assert len(rig.peer.received) == 1


async def test_unexpected_error_is_logged_and_survived() -> None:
    """The supervisor logs an unexpected exception and connects again."""

    class BrokenOnce(HandDepth):
        """A source of seeds whose first call raises an unexpected exception."""

        async def depth(self, symbol: Symbol) -> Quote:
            """Fail the first time."""
            if not self.asked:
                self.asked.append(symbol)
                raise KeyError(symbol)
            return await super().depth(symbol)

    depth = BrokenOnce()
    async with rigged(depth=depth) as rig:
        listener = rig.subscribe()
        await eventually(lambda: "error of our own" in str(rig.connection.cause))
        status = rig.connection.status
        depth.answer(make_quote(5))
        await eventually(lambda: listener.seeds)

    assert status == "down"
    assert listener.told[:2] == [INTERRUPTED, SEED]


@pytest.mark.parametrize("is_open", [False, True], ids=["during the handshake", "after it"])
async def test_connection_that_lost_its_listeners_is_closed_after_the_idle_time(
    *, is_open: bool
) -> None:
    """All symbols left while the connection was being opened, or before the venue answered."""
    async with rigged(timing=replace(PATIENT, idle_seconds=0.02)) as rig:
        if not is_open:
            rig.peer.accepts.clear()
        listener = rig.subscribe()
        await eventually(lambda: rig.peer.connections if is_open else rig.peer.handshakes)
        rig.connection.remove(LTCBTC, listener)
        await eventually(lambda: rig.connection._idle_timer is None)
        rig.peer.accepts.set()
        await eventually(lambda: rig.peer.connections)
        await eventually(lambda: rig.peer.last.state is State.CLOSED)

        assert (rig.connection.status, rig.connection.cause) == ("idle", None)
        assert len(rig.peer.connections) == 1
    assert "down" not in rig.statuses


@in_virtual_time
async def test_listener_that_comes_within_the_idle_time_keeps_the_connection() -> None:
    """A new listener cancels the end of an idle connection."""
    async with rigged(timing=replace(PATIENT, idle_seconds=0.1)) as rig:
        listener = await rig.live(LTCBTC)
        rig.connection.remove(LTCBTC, listener)
        await rig.live(ETHBTC)
        await asyncio.sleep(0.2)

        assert rig.connection.status == "connected"
        assert len(rig.peer.connections) == 1


@in_virtual_time
async def test_no_attempt_if_all_symbols_left_during_a_pause() -> None:
    """The supervisor makes no attempt if no symbol is left after a pause."""
    timing = replace(PATIENT, pause_seconds_first=0.2, stable_seconds=0)
    async with rigged(timing=timing) as rig:
        listener = await rig.live(LTCBTC)
        await rig.peer.last.close()
        await eventually(lambda: INTERRUPTED in listener.told)

        rig.connection.remove(LTCBTC, listener)
        await asyncio.sleep(0.25)

        assert len(rig.peer.connections) == 1
        assert rig.connection.status == "idle"


@in_virtual_time
async def test_attempts_of_all_connections_together_are_bounded() -> None:
    """All connections share one limit on connection attempts."""
    timing = replace(PATIENT, pause_seconds_first=0.001, early_pause_seconds_max=0.001)
    attempts = SlidingWindow(limit=3, seconds=60)
    async with rigged(timing=timing, attempts=attempts) as rig:
        rig.subscribe()
        for number in range(1, 4):
            await eventually_has(rig.peer.connections, number)
            await rig.peer.last.close()
        await asyncio.sleep(0.1)

        assert len(rig.peer.connections) == 3
        assert rig.connection.status == "down"


async def test_update_ids_that_stay_below_the_highest_for_ten_seconds_replace_it() -> None:
    """Update ids that stay below the highest for ten seconds replace the connection."""
    clock = HandClock()
    timing = replace(PATIENT, pause_seconds_first=0.01, ids_back_seconds=10)
    async with rigged(clock=clock, timing=timing) as rig:
        listener = await rig.live(LTCBTC)
        for number, update_id in enumerate((2**62, 6, 7, 8), start=1):
            await rig.peer.last.send(ticker(update_id))
            await eventually_has(listener.quotes, number)
            clock.advance(5)
        rig.depth.answer(make_quote(9))
        await eventually_has(listener.seeds, 2)
        await rig.peer.last.send(ticker(10))
        await eventually_has(listener.quotes, 5)

        assert rig.counters["lost_ids_went_back"] == 1
        assert listener.told == [SEED, *[QUOTE] * 4, INTERRUPTED, SEED, QUOTE]
        assert len(rig.peer.connections) == 2


async def test_late_and_repeated_frames_between_others_replace_nothing() -> None:
    """Single late or repeated frames do not replace the connection."""
    clock = HandClock()
    async with rigged(clock=clock) as rig:
        listener = await rig.live(LTCBTC)
        for number, update_id in enumerate((8, 8, 7, 9, 9, 8, 10, 10), start=1):
            await rig.peer.last.send(ticker(update_id))
            await eventually_has(listener.quotes, number)
            clock.advance(4)

        assert len(rig.peer.connections) == 1
    assert INTERRUPTED not in listener.told[:9]


@pytest.mark.parametrize(
    ("ask", "frame", "is_stalled"),
    [("98", None, True), ("98", ticker(8), False), ("99.99", None, False)],
    ids=["a change without a frame", "a change with a frame", "no change"],
)
@in_virtual_time
async def test_change_in_depth_without_a_frame_is_a_stall(
    ask: str, frame: str | None, *, is_stalled: bool
) -> None:
    """The depth is used as a seed, and a stalled connection is replaced."""
    timing = replace(PATIENT, stall_seconds=0.1, confirmation_seconds=0, pause_seconds_first=0.01)
    async with rigged(timing=timing) as rig:
        listener = await rig.live(LTCBTC)
        for _ in range(1 + is_stalled):
            rig.depth.answer(make_quote(9, ask=(ask, 5)))
        rig.connection.confirm(LTCBTC, listener)
        await eventually_has(listener.seeds, 2)
        told = list(listener.told)
        if frame is not None:
            await rig.peer.last.send(frame)
        await asyncio.sleep(0.15)
        await eventually_has(listener.seeds, 2 + is_stalled)

        assert told == [SEED, SEED]
        quotes = [] if frame is None else [QUOTE]
        assert listener.told == told + quotes + [INTERRUPTED, SEED] * is_stalled
        assert rig.counters["lost_stalled"] == is_stalled


@pytest.mark.parametrize("status", [429, 418, 503])
@in_virtual_time
async def test_refused_handshake_is_tried_again_when_the_venue_says(status: int) -> None:
    """Retry-After of a refused handshake delays all connections of the feed."""
    async with rigged(timing=replace(PATIENT, pause_seconds_first=0.01)) as rig:
        headers = Headers({"Retry-After": "1", "Content-Length": "0"})
        rig.peer.refusals.append(Response(status, "", headers, b""))
        loop = asyncio.get_running_loop()
        rig.subscribe()
        await eventually(lambda: rig.counters["failed_http_status"])
        refused_at = loop.time()
        cause = str(rig.connection.cause)
        await eventually(lambda: rig.connection.status == "connected")

        assert loop.time() - refused_at >= 0.95
    assert f"HTTP {status}" in cause
    assert rig.peer.handshakes == 2


async def test_each_end_and_each_failure_is_counted_by_its_kind() -> None:
    """Each kind of end and of failure has its own counter."""
    timing = replace(PATIENT, pause_seconds_first=0.01, open_seconds_early=0.1, stable_seconds=0)
    async with rigged(timing=timing) as rig:
        listener = await rig.live(LTCBTC)

        async def lose(number: int) -> None:
            rig.depth.answer(make_quote(5))
            await eventually_has(listener.seeds, number)

        await rig.peer.last.close(1008, "Too many requests")
        await lose(2)
        rig.peer.last.transport.abort()
        await lose(3)
        rig.peer.refusals.append(Response(451, "", Headers({"Content-Length": "0"}), b""))
        await rig.peer.last.close(1001)
        await lose(4)
        rig.peer.accepts.clear()
        await rig.peer.last.close(1001)
        await eventually(lambda: rig.counters["failed_timeout"])
        rig.peer.accepts.set()
        await lose(5)

    kinds = {name: count for name, count in rig.counters.items() if name[:5] in {"lost_", "faile"}}
    assert kinds.pop("failed_timeout") >= 1
    assert kinds == {
        "lost_closed_by_venue": 3,
        "lost_reset": 1,
        "lost_ended_by_us": 1,
        "failed_http_status": 1,
    }


async def test_quotes_read_at_once_were_received_at_one_instant() -> None:
    """All quotes of one read have the same arrival time."""
    async with rigged() as rig:
        listener = await rig.live(LTCBTC)
        rig.peer.send_at_once(ticker(6), ticker(7), ticker(8))
        await eventually(lambda: len(listener.quotes) == 3)

    assert len({quote.received_ns for quote in listener.quotes}) == 1


async def test_no_frame_is_delivered_after_a_session_ends_itself() -> None:
    """No later frame of the same read is delivered after a session ends itself."""
    async with rigged() as rig:
        await rig.live(LTCBTC)
        session = rig.connection.current
        assert session is not None
        listener = ActingListener(session.mute)
        rig.connection.add(LTCBTC, listener)
        rig.peer.send_at_once(ticker(6), ticker(7))
        await (await rig.peer.last.ping())

    assert [quote.update_id for quote in listener.quotes] == [6]
