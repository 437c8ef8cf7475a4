"""Tests of ``app.notify.announcements``."""

import asyncio
from collections.abc import Sequence

from app.domain.events import StoredEvent, acceptance_event
from app.domain.order import OrderStatus
from app.notify.announcements import Announcements, FanOut
from tests.support.builders import make_order, make_quote
from tests.support.events import in_commit_order, make_event
from tests.support.outcomes import SymbolAtWork

FAR_SECONDS = 3_600.0
"""Longer than any test runs."""


async def test_a_waiter_wakes_when_its_order_ends() -> None:
    """Only the terminal event of its order wakes a waiter."""
    announcements = Announcements()
    order, other = make_order(number=1), make_order(number=2)
    with announcements.expect(order.order_id) as waiter:
        waiting = asyncio.create_task(waiter.wait(FAR_SECONDS))

        announcements.publish(in_commit_order(make_event(other, OrderStatus.FILLED)))
        announcements.publish(in_commit_order(make_event(order, OrderStatus.PARTIALLY_FILLED)))
        await asyncio.sleep(0)
        assert not waiting.done()
        announcements.publish(in_commit_order(make_event(order, OrderStatus.FILLED)))

        assert await waiting is True


async def test_an_end_announced_before_the_wait_is_not_missed() -> None:
    """A waiter that was registered before the end does not miss it."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as waiter:
        announcements.publish(in_commit_order(make_event(order, OrderStatus.EXPIRED)))

        assert await waiter.wait(FAR_SECONDS) is True


async def test_several_waiters_of_one_order_all_wake() -> None:
    """All waiters of an order wake."""
    announcements = Announcements()
    order = make_order()
    with (
        announcements.expect(order.order_id) as first,
        announcements.expect(order.order_id) as second,
    ):
        announcements.publish(in_commit_order(make_event(order, OrderStatus.CANCELED)))

        assert [await first.wait(FAR_SECONDS), await second.wait(FAR_SECONDS)] == [True, True]


async def test_a_stop_lets_present_and_later_waiters_go() -> None:
    """A stop releases present and later waiters."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as present:
        announcements.stop()
        with announcements.expect(order.order_id) as later:
            told = [await present.wait(FAR_SECONDS), await later.wait(FAR_SECONDS)]

    assert told == [False, False]


async def test_an_end_before_the_stop_still_counts() -> None:
    """A stop does not change the result of an order that ended before."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as waiter:
        announcements.publish(in_commit_order(make_event(order, OrderStatus.FILLED)))
        announcements.stop()

        assert await waiter.wait(FAR_SECONDS) is True


async def test_a_waiter_has_the_order_snapshot() -> None:
    """A waiter builds the order's snapshot from its events, without a read."""
    announcements = Announcements()
    order = make_order(5)
    with announcements.expect(order.order_id) as waiter:
        announcements.publish(in_commit_order(acceptance_event(order)))
        work = SymbolAtWork()
        work.rest(order)
        for number, displayed in ((1, 2), (2, 7)):
            outcome = work.meet(make_quote(number, ask=("99.99", displayed)))
            announcements.publish(in_commit_order(*outcome.events))

        assert waiter.snapshot.status is OrderStatus.FILLED
        assert waiter.snapshot.filled_quantity == 5
        assert waiter.snapshot.splits_total == 2
        assert [split.split_number for split in waiter.splits] == [1, 2]


async def test_a_waiter_keeps_as_many_splits_as_an_answer_holds() -> None:
    """A waiter keeps at most as many splits as an answer holds."""
    announcements = Announcements()
    order = make_order(5_000)
    with announcements.expect(order.order_id) as waiter:
        work = SymbolAtWork()
        work.rest(order)
        for number in range(1, 1_102):
            outcome = work.meet(make_quote(number, ask=("99.99", number)))
            announcements.publish(in_commit_order(*outcome.events))

        assert len(waiter.splits) == 1_000
        assert waiter.snapshot.splits_total == 1_101


async def test_nothing_is_kept_of_waiters_that_left() -> None:
    """No memory remains of waiters that left."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as waiter:
        waiting = asyncio.create_task(waiter.wait(FAR_SECONDS))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})

    assert not announcements._waiters


async def test_a_wait_ends_with_its_time_though_the_order_goes_on() -> None:
    """A wait returns False at its timeout, and can be repeated."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as waiter:
        announcements.publish(in_commit_order(acceptance_event(order)))

        in_time = await waiter.wait(0)
        announcements.publish(in_commit_order(make_event(order, OrderStatus.EXPIRED)))
        later = await waiter.wait(0)

    assert (in_time, later) == (False, True)
    assert waiter.snapshot.status is OrderStatus.EXPIRED


async def test_a_wait_without_time_tells_an_end_that_was_heard() -> None:
    """A wait of zero seconds returns True if the order has ended."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as waiter:
        announcements.publish(in_commit_order(make_event(order, OrderStatus.FILLED)))

        assert await waiter.wait(0) is True


async def test_a_waiter_knows_its_order_from_the_acceptance_on() -> None:
    """A waiter has a snapshot from the order's acceptance on."""
    announcements = Announcements()
    order = make_order(5)
    with announcements.expect(order.order_id) as waiter:
        announcements.publish(in_commit_order(acceptance_event(order)))

        assert await waiter.wait(0) is False
        assert waiter.snapshot.status is OrderStatus.NEW
        assert list(waiter.splits) == []


async def test_an_end_after_a_canceled_wait_reaches_the_other_waiters() -> None:
    """An end after a canceled wait still reaches the other waiters."""
    announcements = Announcements()
    order = make_order()
    with (
        announcements.expect(order.order_id) as first,
        announcements.expect(order.order_id) as second,
    ):
        gone = asyncio.create_task(first.wait(FAR_SECONDS))
        waiting = asyncio.create_task(second.wait(FAR_SECONDS))
        await asyncio.sleep(0)
        gone.cancel()
        announcements.publish(in_commit_order(make_event(order, OrderStatus.FILLED)))

        await asyncio.gather(gone, waiting, return_exceptions=True)
        assert gone.cancelled()
        assert waiting.result() is True


class RecordingBus:
    """Records the events it gets, with its name, in a list shared by several buses."""

    def __init__(self, name: str, calls: list[tuple[str, Sequence[StoredEvent]]]) -> None:
        self._name = name
        self._calls = calls

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Record the events."""
        self._calls.append((self._name, events))


def test_every_receiver_is_told_the_same_in_turn() -> None:
    """A fan-out passes the same events to each receiver, in the order of the receivers."""
    calls: list[tuple[str, Sequence[StoredEvent]]] = []
    events = in_commit_order(make_event(make_order()), make_event(make_order(number=2)))

    FanOut(RecordingBus("first", calls), RecordingBus("second", calls)).publish(events)

    assert calls == [("first", events), ("second", events)]
