"""Closed orders are deleted except for their numbers and keys, on both databases."""

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from app.auditing.audit import audit
from app.auditing.prune import ORDERS_PER_TRANSACTION_MAX, Pruned, count_finished, prune
from app.domain.errors import StartupError
from app.storage.database import Database
from tests.support.builders import ACCEPTED_AT, make_order, make_quote
from tests.support.databases import (
    OWNER,
    VENUE,
    OpenStorage,
    open_storage,
    run_storage,
)
from tests.support.outcomes import SymbolAtWork
from tests.support.sound_database import CANCELED, NEW, OPEN, ORDERS_TOTAL, fill_soundly, id_of

BEFORE_THE_CANCELLATION = ACCEPTED_AT + timedelta(seconds=2)
LATER = ACCEPTED_AT + timedelta(days=1)
LEDGER = "SELECT symbol, owner, side, price, quantity FROM taken_liquidity ORDER BY symbol, price"
GATES = "SELECT symbol, update_id FROM symbol_gates ORDER BY symbol"
STREAM = "SELECT last_pruned_position, last_pruned_acceptance_number FROM event_stream"


@pytest.fixture
async def sound_url(url: str) -> str:
    """Yield a database with closed orders and two open ones."""
    await fill_soundly(url)
    return url


async def ids_in(storage: OpenStorage, table: str, key: str = "order_id") -> set[str]:
    """Return the ids of the orders that have rows in a table."""
    return {row[0] for row in await storage.rows(f"SELECT {key} FROM {table}")}  # noqa: S608 - ours


async def test_finished_orders_are_deleted_with_all_their_rows(sound_url: str) -> None:
    """Only orders closed before the instant are deleted; keys, ledger and gates stay."""
    async with open_storage(sound_url) as storage:
        kept = [await storage.rows(statement) for statement in (LEDGER, GATES)]

        pruned = await prune(sound_url, BEFORE_THE_CANCELLATION)

        assert pruned == Pruned(orders=5, events=12, splits=5)
        left = {id_of(number) for number in (CANCELED, OPEN, NEW)}
        assert await ids_in(storage, "orders") == left
        assert await ids_in(storage, "order_events") == left
        assert await ids_in(storage, "fulfilled_order_splits") == {id_of(OPEN)}
        assert await ids_in(storage, "fulfilled_orders", "id") == set()
        assert [await storage.rows(statement) for statement in (LEDGER, GATES)] == kept
        assert await storage.rows("SELECT client_order_id FROM client_order_ids") == [("mine-1",)]
    assert (await audit(sound_url)).is_sound


async def test_an_order_closed_at_the_instant_stays(sound_url: str) -> None:
    """An order closed exactly at the instant is not deleted."""
    assert (await count_finished(sound_url, BEFORE_THE_CANCELLATION)).orders == 5
    assert (await prune(sound_url, BEFORE_THE_CANCELLATION)).orders == 5
    one_later = BEFORE_THE_CANCELLATION + timedelta(microseconds=1)

    assert await prune(sound_url, one_later) == Pruned(orders=1, events=2, splits=0)


async def test_what_is_counted_is_what_is_deleted(sound_url: str) -> None:
    """Counting deletes no row, and equals what is then deleted; a second prune deletes none."""
    counted = await count_finished(sound_url, LATER)

    assert counted == await count_finished(sound_url, LATER)
    assert counted == await prune(sound_url, LATER)
    assert await prune(sound_url, LATER) == Pruned()


async def test_no_number_is_given_twice(sound_url: str) -> None:
    """The next owner continues after the deleted numbers, even if no order is left."""
    async with open_storage(sound_url) as storage:
        await storage.execute(
            "UPDATE orders SET closed_at = accepted_at, status = 'CANCELED',"
            " reason = 'CANCELED_BY_CLIENT', last_sequence = splits_total + 2"
            " WHERE closed_at IS NULL"
        )
        (last,) = await storage.rows("SELECT max(position) FROM order_events")
        await prune(sound_url, LATER)
        assert await storage.rows(STREAM) == [(last[0], ORDERS_TOTAL)]
        assert await storage.events.last_pruned_position() == last[0]

    database = await Database.open(sound_url, venue=VENUE, owner=OWNER)

    async with run_storage(database) as storage:
        assert (database.last_acceptance_number, database.last_position) == (ORDERS_TOTAL, last[0])
        order = make_order(number=storage.journal.next_acceptance_number())
        await storage.journal.accept(order)
        assert await storage.rows("SELECT acceptance_number FROM orders") == [(ORDERS_TOTAL + 1,)]
        assert await storage.rows("SELECT position FROM order_events") == [(last[0] + 1,)]


async def test_a_later_prune_keeps_the_greatest_numbers(url: str) -> None:
    """The stored greatest numbers never fall, for any order in which orders end."""
    longer, shorter = make_order(number=1, timeout_seconds=31), make_order(number=2)
    async with open_storage(url) as storage:
        for order in (longer, shorter):
            work = SymbolAtWork()
            await storage.journal.accept(order)
            storage.journal.record(work.rest(order))
            if order is longer:
                storage.journal.record(work.meet(make_quote(1, ask=(101, 1))))
            storage.journal.record(work.expire())
        await storage.journal.settle()
        ended_at = max(event.at for event in storage.listener.events)

        assert await prune(url, ended_at) == Pruned(orders=1, events=2)
        assert await ids_in(storage, "orders") == {longer.order_id}
        after_one = await storage.rows(STREAM)
        assert await prune(url, LATER) == Pruned(orders=1, events=2)

        assert after_one == await storage.rows(STREAM) == [(4, 2)]


@pytest.mark.parametrize("trace", ["numbers", "keys"])
async def test_a_pruned_database_keeps_to_its_venue(sound_url: str, trace: str) -> None:
    """The venue stays fixed after pruning: the stored numbers or keys show earlier orders."""
    async with open_storage(sound_url) as storage:
        for table in (
            "order_events",
            "fulfilled_orders",
            "fulfilled_order_splits",
            "orders",
        ):
            await storage.execute(f"DELETE FROM {table}")  # noqa: S608 - ours
        if trace == "numbers":
            await storage.execute("DELETE FROM client_order_ids")
            await storage.execute("UPDATE event_stream SET last_pruned_acceptance_number = 1")

    with pytest.raises(StartupError, match="holds orders of the venue simulator and VENUE is"):
        await Database.open(sound_url, venue="binance", owner=OWNER)


async def test_a_service_goes_on_while_its_orders_are_pruned(url: str) -> None:
    """No write of the service fails, no order is lost, and the audit finds no violation."""
    async with open_storage(url) as storage:
        work = SymbolAtWork()
        old = [make_order(1, number=number) for number in range(1, 1501)]
        await asyncio.gather(*(storage.journal.accept(order) for order in old))
        for order in old:
            storage.journal.record(work.rest(order))
        storage.journal.record(work.meet(make_quote(1, ask=(99, 700))))
        storage.journal.record(work.expire())
        await storage.journal.settle()
        is_over = False
        served: list[str] = []

        async def serve() -> None:
            for number in itertools.count(2001):
                order = replace(make_order(1, number=number), accepted_at=LATER, expires_at=LATER)
                await storage.journal.accept(order)
                served.append(order.order_id)
                if is_over:
                    return

        reports: list[tuple[int, int]] = []
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(serve())
            pruned = await prune(url, LATER, on_progress=lambda *progress: reports.append(progress))
            assert not serving.done()
            is_over = True

        assert pruned == Pruned(orders=1500, events=3000, splits=700)
        assert [total for _, total in reports] == [1500] * len(reports)
        assert len(reports) >= 1500 // ORDERS_PER_TRANSACTION_MAX
        assert reports[-1] == (1500, 1500)
        assert "trouble" not in storage.listener.heard
        assert await ids_in(storage, "orders") == set(served)
    assert (await audit(url)).is_sound


async def test_a_database_without_its_stream_is_not_pruned(sound_url: str) -> None:
    """Without its ``event_stream`` row a database is refused: the numbers would be lost."""
    async with open_storage(sound_url) as storage:
        (stream,) = await storage.rows("SELECT * FROM event_stream")
        await storage.execute("DELETE FROM event_stream")

        with pytest.raises(StartupError, match="has lost its event_stream row"):
            await prune(sound_url, LATER)

        assert len(await ids_in(storage, "orders")) == ORDERS_TOTAL
        await storage.execute(
            "INSERT INTO event_stream VALUES (:id, :stream, :position, :number)",
            **dict(zip(("id", "stream", "position", "number"), stream, strict=True)),
        )
