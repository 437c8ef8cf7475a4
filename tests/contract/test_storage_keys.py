"""A key belongs to one order permanently, the same on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.domain.errors import (
    ClientOrderIdTakenError,
    JournalUnavailableError,
    OutcomeUnknownError,
)
from app.domain.order import PUBLIC, Order, OrderId, Owner
from app.storage.journal.group_commit import BATCH_EVENTS_MAX
from tests.support.builders import make_order, make_quote
from tests.support.databases import OpenStorage, open_storage
from tests.support.faulty_writer import faulty_storage
from tests.support.outcomes import SymbolAtWork
from tests.support.waiting import eventually

ALICE = Owner("alice")
KEY = "mine-1"


def keyed(number: int, key: str = KEY, owner: Owner = PUBLIC) -> Order:
    """Return an order with a key."""
    return make_order(number=number, client_order_id=key, owner=owner)


async def accept_all(
    storage: OpenStorage, orders: Sequence[Order]
) -> list[OrderId | type[BaseException] | None]:
    """Accept orders at once; return None, the order id that has the key, or the error of each."""
    results = await asyncio.gather(
        *(storage.journal.accept(order) for order in orders), return_exceptions=True
    )
    return [
        one.order_id
        if isinstance(one, ClientOrderIdTakenError)
        else (None if one is None else type(one))
        for one in results
    ]


async def numbers(storage: OpenStorage) -> list[int]:
    """Return the stored acceptance numbers."""
    return [n for (n,) in await storage.rows("SELECT acceptance_number FROM orders ORDER BY 1")]


async def test_within_one_batch_the_first_order_has_the_key(storage: OpenStorage) -> None:
    """Later orders get the id of the first; orders with other keys are accepted."""
    first = keyed(1)

    results = await accept_all(
        storage, [first, keyed(2), make_order(number=3), keyed(4, "mine-2"), keyed(5)]
    )

    assert results == [None, first.order_id, None, None, first.order_id]
    assert storage.listener.transactions == [3]
    assert storage.listener.heard == ["0001/1", "0003/1", "0004/1"]
    assert await storage.orders.find_by_key(PUBLIC, KEY) == first.order_id


async def test_across_batches_and_restarts_the_first_order_has_the_key(url: str) -> None:
    """A key stays taken after its order is closed and after a restart."""
    first = keyed(1)
    async with open_storage(url) as storage:
        await storage.journal.accept(first)
        across_batches = await accept_all(storage, [keyed(2)])
        work = SymbolAtWork()
        work.rest(first)
        storage.journal.record(work.meet(make_quote(1, ask=("99", 9))))
        await storage.journal.settle()
    async with open_storage(url) as storage:
        across_a_restart = await accept_all(storage, [keyed(3)])
        stored = await numbers(storage)

    assert across_batches == across_a_restart == [first.order_id]
    assert stored == [1]


async def test_an_order_without_its_key_leaves_no_row(storage: OpenStorage) -> None:
    """A refused order stores no row, and its number and position are not used again."""
    await storage.journal.accept(keyed(1))

    await accept_all(storage, [keyed(2), make_order(number=3)])

    assert await numbers(storage) == [1, 3]
    assert await storage.rows("SELECT order_id FROM client_order_ids") == [(keyed(1).order_id,)]
    assert await storage.rows("SELECT position, order_id FROM order_events ORDER BY 1") == [
        (1, keyed(1).order_id),
        (3, make_order(number=3).order_id),
    ]


async def test_the_same_key_of_another_owner_is_free(storage: OpenStorage) -> None:
    """Two owners may use the same key for different orders."""
    mine, hers = keyed(1), keyed(2, owner=ALICE)

    assert await accept_all(storage, [mine, hers]) == [None, None]
    twins = [keyed(3), keyed(4, owner=ALICE)]
    assert await accept_all(storage, twins) == [mine.order_id, hers.order_id]
    assert await storage.orders.find_by_key(PUBLIC, KEY) == mine.order_id
    assert await storage.orders.find_by_key(ALICE, KEY) == hers.order_id
    assert await storage.orders.find_by_key(Owner("bob"), KEY) is None


async def test_hundreds_of_keys_are_settled_as_few(storage: OpenStorage) -> None:
    """A full transaction of keys is stored, and later orders with the same keys are refused."""
    total = BATCH_EVENTS_MAX - 1
    first = [keyed(number, f"key-{number}") for number in range(1, total + 1)]
    twins = [keyed(total + number, f"key-{number}") for number in (1, total)]

    results = await accept_all(storage, [*first, *twins])

    assert results == [*[None] * total, first[0].order_id, first[-1].order_id]
    assert storage.listener.transactions == [total]
    assert storage.journal.state().commits == 2


async def test_a_twin_and_a_bad_order_in_one_batch_fail_alone(storage: OpenStorage) -> None:
    """Keys are also checked when the parts of a batch are written one by one."""
    bad = replace(keyed(1, "mine-2"), quantity=make_order("0").quantity)

    results = await accept_all(
        storage, [bad, keyed(2), keyed(3), keyed(4, "mine-2"), make_order(number=5)]
    )

    assert results == [JournalUnavailableError, None, keyed(2).order_id, None, None]
    assert await storage.orders.find_by_key(PUBLIC, "mine-2") == keyed(4).order_id
    assert await numbers(storage) == [2, 4, 5]


async def test_a_repeated_commit_finds_its_own_key(url: str) -> None:
    """After a lost answer the repeated commit accepts the order and refuses the second one."""
    async with faulty_storage(url) as (writer, storage):
        writer.answers_to_lose = 2

        results = await accept_all(storage, [keyed(1), keyed(2)])

        assert results == [None, keyed(1).order_id]
        assert storage.listener.heard == ["trouble", "0001/1", "recovery"]
        assert await numbers(storage) == [1]


async def test_a_withdrawn_order_leaves_its_key_free(url: str) -> None:
    """A withdrawn order was never executed, so its key may be used again."""
    async with faulty_storage(url) as (writer, storage):
        writer.connections_to_lose = 1
        refused = await accept_all(storage, [keyed(1)])
        await eventually(lambda: storage.journal.is_writable)

        again = await accept_all(storage, [keyed(2)])

    assert (refused, again) == ([JournalUnavailableError], [None])


async def test_a_key_outlives_its_order(storage: OpenStorage) -> None:
    """A pruned order keeps its key, which still leads to its id."""
    first = keyed(1)
    await storage.journal.accept(first)
    for table in ("order_events", "orders"):
        await storage.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours

    assert await accept_all(storage, [keyed(2)]) == [first.order_id]
    assert await storage.orders.find_by_key(PUBLIC, KEY) == first.order_id
    assert await storage.orders.find(PUBLIC, first.order_id) is None


async def test_many_orders_are_found_at_once_by_acceptance(storage: OpenStorage) -> None:
    """Only the owner's orders are found; unknown ids and other owners' orders are skipped."""
    orders = [make_order(number=n, order_id=make_order(number=9 - n).order_id) for n in (3, 1, 2)]
    hers = make_order(number=4, owner=ALICE)
    await accept_all(storage, [*orders, hers])
    ids = [order.order_id for order in (orders[0], orders[1], hers)]

    found = await storage.orders.find_many(PUBLIC, [*ids, OrderId("unknown")])

    assert [one.order.acceptance_number for one in found] == [1, 3]
    assert await storage.orders.find_many(PUBLIC, []) == []


async def test_a_key_is_under_way_until_its_order_is_stored_or_withdrawn(url: str) -> None:
    """A key is reported as long as the outcome of its order is unknown."""
    async with faulty_storage(url, answer_seconds_max=1) as (writer, storage):
        writer.may_begin.clear()
        doubtful, withdrawn = keyed(1), keyed(2, "mine-2")
        first = asyncio.create_task(storage.journal.accept(doubtful))
        await eventually(lambda: writer.is_waiting)
        second = asyncio.create_task(storage.journal.accept(withdrawn))

        with pytest.raises(OutcomeUnknownError):
            await first
        with pytest.raises(JournalUnavailableError):
            await second

        under_way = storage.journal.order_under_way
        assert under_way(PUBLIC, KEY) == doubtful.order_id
        assert under_way(PUBLIC, "mine-2") is None
        assert under_way(ALICE, KEY) is None
        writer.may_begin.set()
        await storage.journal.settle()
        assert under_way(PUBLIC, KEY) is None
        assert await storage.orders.find_by_key(PUBLIC, KEY) == doubtful.order_id


async def test_of_twins_under_way_the_one_that_may_be_stored_stays(url: str) -> None:
    """Withdrawing a repeated order does not hide the first one."""
    async with faulty_storage(url, answer_seconds_max=1) as (writer, storage):
        writer.may_begin.clear()
        first, again = keyed(1), keyed(2)
        answers = [asyncio.create_task(storage.journal.accept(first))]
        await eventually(lambda: writer.is_waiting)
        answers.append(asyncio.create_task(storage.journal.accept(again)))

        ends = await asyncio.gather(*answers, return_exceptions=True)

        assert [type(end) for end in ends] == [OutcomeUnknownError, JournalUnavailableError]
        assert storage.journal.order_under_way(PUBLIC, KEY) == first.order_id
        writer.may_begin.set()


async def test_orders_count_until_their_outcome_is_known(url: str) -> None:
    """Orders with an unknown outcome are counted until it is known, as they may become open."""
    async with faulty_storage(url, answer_seconds_max=1) as (writer, storage):
        writer.may_begin.clear()
        written = asyncio.create_task(storage.journal.accept(make_order(number=1)))
        await eventually(lambda: writer.is_waiting)
        queued = asyncio.create_task(storage.journal.accept(make_order(number=2)))
        left = asyncio.create_task(storage.journal.accept(make_order(number=3)))
        await asyncio.sleep(0)
        counts = storage.journal.orders_under_way
        assert counts.total == 3
        left.cancel()

        ends = await asyncio.gather(written, queued, return_exceptions=True)

        assert [type(end) for end in ends] == [OutcomeUnknownError, JournalUnavailableError]
        assert counts.of_owner(PUBLIC) == 2
        writer.may_begin.set()
        await storage.journal.settle()
        assert counts.total == 0
        assert await numbers(storage) == [1, 3]
