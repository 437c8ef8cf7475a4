"""Tests of ``app.notify.announcements``."""

import asyncio
from decimal import Decimal

from app.domain.amounts import ZERO
from app.domain.events import OrderEvent, acceptance_event
from app.domain.matcher import Fill
from app.domain.order import Order, OrderStatus
from app.fulfillment import outcome
from app.notify.announcements import Announcements
from tests.support.builders import ACCEPTED_AT, make_order


def make_fill(order: Order, split_number: int, filled_quantity: int) -> Fill:
    """Make a fill that brings the order to ``filled_quantity``."""
    return Fill(
        order=order,
        split_number=split_number,
        update_id=split_number,
        price=Decimal(1),
        quantity=Decimal(1),
        displayed_quantity=Decimal(1),
        filled_quantity=Decimal(filled_quantity),
        quote_quantity=Decimal(filled_quantity),
    )


def fill_events(fills: list[Fill]) -> list[OrderEvent]:
    """Make their events."""
    return outcome.fill_events(fills, ACCEPTED_AT)


def make_event(order: Order, status: OrderStatus) -> OrderEvent:
    """Make an event of which only the order and the status matter."""
    return OrderEvent(
        order=order,
        sequence=2,
        status=status,
        reason=None,
        at=ACCEPTED_AT,
        split=None,
        filled_quantity=ZERO,
        quote_quantity=ZERO,
    )


async def test_a_waiter_wakes_when_its_order_ends() -> None:
    """The terminal event of the order, and no other, wakes the waiter."""
    announcements = Announcements()
    order, other = make_order(number=1), make_order(number=2)
    with announcements.expect(order.order_id) as waiter:
        waiting = asyncio.create_task(waiter.wait())

        announcements.publish([make_event(other, OrderStatus.FILLED)])
        announcements.publish([make_event(order, OrderStatus.PARTIALLY_FILLED)])
        await asyncio.sleep(0)
        assert not waiting.done()
        announcements.publish([make_event(order, OrderStatus.FILLED)])

        assert await waiting is True


async def test_an_end_announced_before_the_wait_is_not_missed() -> None:
    """It is enough to expect an order before it is placed."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as waiter:
        announcements.publish([make_event(order, OrderStatus.EXPIRED)])

        assert await waiter.wait() is True


async def test_several_waiters_of_one_order_all_wake() -> None:
    """Whoever waits for an order is told."""
    announcements = Announcements()
    order = make_order()
    with (
        announcements.expect(order.order_id) as first,
        announcements.expect(order.order_id) as second,
    ):
        announcements.publish([make_event(order, OrderStatus.CANCELED)])

        assert [await first.wait(), await second.wait()] == [True, True]


async def test_a_stop_lets_present_and_later_waiters_go() -> None:
    """Nobody is kept waiting by a service that is about to end."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as present:
        announcements.stop()
        with announcements.expect(order.order_id) as later:
            assert [await present.wait(), await later.wait()] == [False, False]


async def test_an_end_before_the_stop_still_counts() -> None:
    """A stop does not turn an order's end into something else."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as waiter:
        announcements.publish([make_event(order, OrderStatus.FILLED)])
        announcements.stop()

        assert await waiter.wait() is True


async def test_a_waiter_knows_how_the_order_stands() -> None:
    """The answer is put together from what was announced, without a read."""
    announcements = Announcements()
    order = make_order(5)
    with announcements.expect(order.order_id) as waiter:
        announcements.publish([acceptance_event(order)])
        announcements.publish(fill_events([make_fill(order, 1, 2), make_fill(order, 2, 5)]))

        assert waiter.snapshot.status is OrderStatus.FILLED
        assert waiter.snapshot.filled_quantity == 5
        assert waiter.snapshot.splits_total == 2
        assert [split.split_number for split in waiter.splits] == [1, 2]


async def test_a_waiter_keeps_as_many_splits_as_an_answer_holds() -> None:
    """An order of very many splits does not grow the memory of who waits for it."""
    announcements = Announcements()
    order = make_order(5_000)
    with announcements.expect(order.order_id) as waiter:
        fills = [make_fill(order, number, number) for number in range(1, 1_102)]
        announcements.publish(fill_events(fills))

        assert len(waiter.splits) == 1_000
        assert waiter.snapshot.splits_total == 1_101


async def test_nothing_is_kept_of_waiters_that_left() -> None:
    """A client that gives up costs nothing afterwards."""
    announcements = Announcements()
    order = make_order()
    with announcements.expect(order.order_id) as waiter:
        waiting = asyncio.create_task(waiter.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})

    assert not announcements._waiters
