"""Tests of ``app.notify.announcements``."""

import asyncio
from collections.abc import Sequence

import pytest

from app.domain.events import StoredEvent, acceptance_event
from app.domain.order import Order, OrderStatus
from app.notify.announcements import Announcements, FanOut
from tests.support.builders import make_order, make_quote
from tests.support.events import in_commit_order, make_event
from tests.support.outcomes import SymbolAtWork

FAR_SECONDS = 3_600.0
"""Longer than any test runs."""


@pytest.fixture
def announcements() -> Announcements:
    """Return a bus without waiters."""
    return Announcements()


@pytest.fixture
def order() -> Order:
    """Return the order whose end is awaited."""
    return make_order(5_000)


def announce(announcements: Announcements, order: Order, status: OrderStatus) -> None:
    """Publish an event after which the order has a status."""
    announcements.publish(in_commit_order(make_event(order, status)))


async def test_a_waiter_wakes_when_its_order_ends(
    announcements: Announcements, order: Order
) -> None:
    """Only the terminal event of its order wakes a waiter."""
    with announcements.expect(order.order_id) as waiter:
        waiting = asyncio.create_task(waiter.wait(FAR_SECONDS))

        announce(announcements, make_order(number=2), OrderStatus.FILLED)
        announce(announcements, order, OrderStatus.PARTIALLY_FILLED)
        await asyncio.sleep(0)
        assert not waiting.done()
        announce(announcements, order, OrderStatus.FILLED)

        assert await waiting is True


@pytest.mark.parametrize("seconds", [FAR_SECONDS, 0])
@pytest.mark.parametrize("is_stopping", [False, True])
async def test_an_end_announced_before_the_wait_is_not_missed(
    announcements: Announcements, order: Order, seconds: float, *, is_stopping: bool
) -> None:
    """A waiter knows an end before its wait, also without time, and a stop changes nothing."""
    with announcements.expect(order.order_id) as waiter:
        announce(announcements, order, OrderStatus.EXPIRED)
        if is_stopping:
            announcements.stop()

        assert await waiter.wait(seconds) is True


async def test_several_waiters_of_one_order_all_wake(
    announcements: Announcements, order: Order
) -> None:
    """All waiters of an order wake, although the wait of another was canceled."""
    with (
        announcements.expect(order.order_id) as left,
        announcements.expect(order.order_id) as first,
        announcements.expect(order.order_id) as second,
    ):
        waits = [asyncio.create_task(one.wait(FAR_SECONDS)) for one in (left, first, second)]
        await asyncio.sleep(0)
        waits[0].cancel()
        announce(announcements, order, OrderStatus.CANCELED)

        await asyncio.gather(*waits, return_exceptions=True)
        assert waits[0].cancelled()
        assert [one.result() for one in waits[1:]] == [True, True]


async def test_a_stop_lets_present_and_later_waiters_go(
    announcements: Announcements, order: Order
) -> None:
    """A stop releases present and later waiters."""
    with announcements.expect(order.order_id) as present:
        announcements.stop()
        with announcements.expect(order.order_id) as later:
            told = [await present.wait(FAR_SECONDS), await later.wait(FAR_SECONDS)]

    assert told == [False, False]


async def test_a_waiter_has_the_order_snapshot(announcements: Announcements) -> None:
    """A waiter builds the order's snapshot from its acceptance on, without a read."""
    order = make_order(5)
    with announcements.expect(order.order_id) as waiter:
        announcements.publish(in_commit_order(acceptance_event(order)))
        assert await waiter.wait(0) is False
        assert (waiter.snapshot.status, list(waiter.splits)) == (OrderStatus.NEW, [])

        work = SymbolAtWork()
        work.rest(order)
        for number, displayed in ((1, 2), (2, 7)):
            outcome = work.meet(make_quote(number, ask=("99.99", displayed)))
            announcements.publish(in_commit_order(*outcome.events))

        assert waiter.snapshot.status is OrderStatus.FILLED
        assert waiter.snapshot.filled_quantity == 5
        assert waiter.snapshot.splits_total == 2
        assert [split.split_number for split in waiter.splits] == [1, 2]


async def test_a_waiter_keeps_as_many_splits_as_an_answer_holds(
    announcements: Announcements, order: Order
) -> None:
    """A waiter keeps at most as many splits as an answer holds."""
    with announcements.expect(order.order_id) as waiter:
        work = SymbolAtWork()
        work.rest(order)
        for number in range(1, 1_102):
            outcome = work.meet(make_quote(number, ask=("99.99", number)))
            announcements.publish(in_commit_order(*outcome.events))

        assert len(waiter.splits) == 1_000
        assert waiter.snapshot.splits_total == 1_101


async def test_nothing_is_kept_of_waiters_that_left(
    announcements: Announcements, order: Order
) -> None:
    """No memory remains of waiters that left."""
    with announcements.expect(order.order_id) as waiter:
        waiting = asyncio.create_task(waiter.wait(FAR_SECONDS))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})

    assert not announcements._waiters


async def test_a_wait_ends_with_its_time_though_the_order_goes_on(
    announcements: Announcements, order: Order
) -> None:
    """A wait returns False at its timeout, and can be repeated."""
    with announcements.expect(order.order_id) as waiter:
        announcements.publish(in_commit_order(acceptance_event(order)))

        in_time = await waiter.wait(0.001)
        announce(announcements, order, OrderStatus.EXPIRED)
        later = await waiter.wait(0)

    assert (in_time, later) == (False, True)
    assert waiter.snapshot.status is OrderStatus.EXPIRED


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
