"""The journal's queue, seen through writers that hold, fail, or lose their answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.errors import JournalBacklogError, JournalUnavailableError, OutcomeUnknownError
from app.domain.events import SymbolOutcome, acceptance_event
from app.domain.order import PUBLIC, OrderStatus, Reason
from app.ports import StoredRules
from app.storage.journal.group_commit import (
    BACKLOG_ENTRIES_MAX,
    BATCH_EVENTS_MAX,
    GroupCommitJournal,
)
from tests.support.builders import ACCEPTED_AT, LTCBTC, make_order, make_quote
from tests.support.databases import (
    HeardListener,
    OpenStorage,
    sqlite_url,
)
from tests.support.faulty_writer import FaultyWriter, faulty_storage
from tests.support.outcomes import SymbolAtWork
from tests.support.waiting import WAIT_SECONDS_MAX, eventually

ANSWER_SECONDS = 1.0


@pytest.fixture
async def writer_and_storage(tmp_path: Path) -> AsyncIterator[tuple[FaultyWriter, OpenStorage]]:
    """Run such a journal."""
    async with faulty_storage(sqlite_url(tmp_path / "a.db")) as made:
        yield made


@pytest.fixture
def writer(writer_and_storage: tuple[FaultyWriter, OpenStorage]) -> FaultyWriter:
    """Give the writer."""
    return writer_and_storage[0]


@pytest.fixture
def storage(writer_and_storage: tuple[FaultyWriter, OpenStorage]) -> OpenStorage:
    """Give the storage that writes through it."""
    return writer_and_storage[1]


def answer_soon(storage: OpenStorage) -> None:
    """Make orders wait for one second only."""
    storage.journal._answer_seconds_max = ANSWER_SECONDS


def accept(storage: OpenStorage, number: int) -> "asyncio.Task[None]":
    """Begin to accept an order."""
    return asyncio.create_task(storage.journal.accept(make_order(number=number)))


async def numbers(storage: OpenStorage) -> list[int]:
    """Return the acceptance numbers that are stored."""
    return [n for (n,) in await storage.rows("SELECT acceptance_number FROM orders ORDER BY 1")]


async def test_what_comes_during_a_commit_is_the_next_group(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """One transaction for the first, one for all that came while it ran."""
    writer.may_begin.clear()
    accepting = [accept(storage, 1)]
    await eventually(lambda: writer.is_waiting)
    accepting += [accept(storage, number) for number in range(2, 60)]
    await asyncio.sleep(0)

    writer.may_begin.set()
    await asyncio.gather(*accepting)

    assert writer.transactions == 2
    assert storage.listener.transactions == [1, 58]


async def test_a_transaction_is_bounded_by_its_events(tmp_path: Path) -> None:
    """It ends in time, however much gathered; an entry of more events is written alone."""
    orders = [make_order(number=number) for number in range(1, BATCH_EVENTS_MAX + 2)]
    gate_alone = SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=7)
    expiries = tuple(
        replace(
            acceptance_event(order), sequence=2, status=OrderStatus.EXPIRED, reason=Reason.TIMEOUT
        )
        for order in orders
    )
    async with faulty_storage(sqlite_url(tmp_path / "a.db"), answer_seconds_max=30) as (
        writer,
        storage,
    ):
        writer.may_begin.clear()
        storage.journal.record(gate_alone)
        await eventually(lambda: writer.is_waiting)
        accepting = [asyncio.create_task(storage.journal.accept(order)) for order in orders]
        await asyncio.sleep(0)
        storage.journal.record(replace(gate_alone, events=expiries))
        storage.journal.record(gate_alone)

        writer.may_begin.set()
        await asyncio.gather(*accepting)
        await storage.journal.settle()

        assert storage.listener.transactions == [BATCH_EVENTS_MAX, 1 + len(expiries)]
        assert writer.transactions == 1 + 2 + 1


async def test_a_lost_answer_is_asked_for_again(writer: FaultyWriter, storage: OpenStorage) -> None:
    """The commit went through unheard: it is repeated, and nothing is there twice."""
    order = make_order(8, number=1)
    work = SymbolAtWork()
    await storage.journal.accept(order)
    work.rest(order)
    writer.answers_to_lose = 2
    accepting = accept(storage, 2)
    storage.journal.record(work.meet(make_quote(1, ask=("99", 5))))

    await accepting

    assert storage.listener.heard == ["0001/1", "trouble", "0001/2", "0002/1", "recovery"]
    assert await storage.rows("SELECT count(*) FROM order_events") == [(3,)]
    found = await storage.orders.find(PUBLIC, order.order_id)
    assert found is not None
    assert found.last_sequence == 2


async def test_an_order_whose_commit_may_have_passed_is_not_withdrawn(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """Its answer waits for a while, then says that nobody knows; it is executed all the same."""
    answer_soon(storage)
    writer.answers_to_lose = 1
    accepting = accept(storage, 1)
    await eventually(lambda: writer.transactions)
    writer.may_begin.clear()

    with pytest.raises(OutcomeUnknownError) as told:
        await accepting

    assert told.value.order_id == make_order(number=1).order_id
    assert storage.listener.heard == ["trouble"]
    writer.may_begin.set()
    await eventually(lambda: "recovery" in storage.listener.heard)
    assert storage.listener.heard == ["trouble", "0001/1", "recovery"]


async def test_an_order_that_still_stands_in_the_queue_is_withdrawn_in_time(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """A database that hangs answers neither; who is not in its hands is never executed."""
    answer_soon(storage)
    writer.may_begin.clear()
    in_its_hands = accept(storage, 1)
    await eventually(lambda: writer.is_waiting)
    queued = accept(storage, 2)

    with pytest.raises(OutcomeUnknownError):
        await in_its_hands
    with pytest.raises(JournalUnavailableError):
        await queued

    writer.may_begin.set()
    await storage.journal.settle()
    assert await numbers(storage) == [1]
    assert storage.listener.heard == ["0001/1"]


async def test_trouble_withdraws_what_stands_in_the_queue(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """An order that came while the failing group was written is answered at once, and is gone."""
    writer.may_begin.clear()
    storage.journal.record(SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=7))
    await eventually(lambda: writer.is_waiting)
    queued = accept(storage, 1)
    await asyncio.sleep(0)
    writer.connections_to_lose = 2

    writer.may_begin.set()
    with pytest.raises(JournalUnavailableError):
        await queued

    assert storage.listener.heard == ["trouble"]
    await storage.journal.settle()
    assert storage.listener.heard == ["trouble", "recovery"]
    assert await numbers(storage) == []
    assert (await storage.orders.load_ledger(LTCBTC)).gate == 7


async def test_an_order_whose_time_ends_as_it_is_withdrawn_is_withdrawn_once(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """Its timer may be due in the very round of the loop that brings the trouble."""
    answer_soon(storage)
    loop = asyncio.get_running_loop()
    mistakes: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: mistakes.append(context))
    writer.may_begin.clear()
    storage.journal.record(SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=7))
    await eventually(lambda: writer.is_waiting)
    queued = accept(storage, 1)
    await asyncio.sleep(0)
    due_at = loop.time() + ANSWER_SECONDS
    writer.connections_to_lose = 1
    writer.may_begin.set()
    while loop.time() <= due_at:
        pass  # the writer's turn and the timer's come in one round

    with pytest.raises(JournalUnavailableError):
        await queued

    assert mistakes == []
    assert storage.listener.heard == ["trouble"]


async def test_a_stop_answers_orders_sooner(tmp_path: Path) -> None:
    """They hear what is known while there is still somebody to tell; fills are written."""
    async with faulty_storage(sqlite_url(tmp_path / "a.db"), answer_seconds_max=3_600) as (
        writer,
        storage,
    ):
        writer.may_begin.clear()
        in_its_hands = accept(storage, 1)
        await eventually(lambda: writer.is_waiting)
        queued = accept(storage, 2)
        await asyncio.sleep(0)

        storage.journal.prepare_to_stop()

        assert not storage.journal.is_writable
        with pytest.raises(JournalUnavailableError):
            await storage.journal.accept(make_order(number=3))
        storage.journal.record(SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=7))
        async with asyncio.timeout(WAIT_SECONDS_MAX):  # far sooner than in an hour
            with pytest.raises(OutcomeUnknownError):
                await in_its_hands
            with pytest.raises(JournalUnavailableError):
                await queued
        writer.may_begin.set()
        await storage.journal.settle()
        assert await numbers(storage) == [1]
        assert (await storage.orders.load_ledger(LTCBTC)).gate == 7


async def test_a_stop_lets_commits_under_way_end(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """Whoever waits for a database that works hears of the success."""
    writer.may_begin.clear()
    accepting = [accept(storage, 1)]
    await eventually(lambda: writer.is_waiting)
    accepting.append(accept(storage, 2))
    await asyncio.sleep(0)

    storage.journal.prepare_to_stop()
    writer.may_begin.set()

    await asyncio.gather(*accepting)
    assert await numbers(storage) == [1, 2]


async def test_a_caller_who_leaves_does_not_take_the_order_along(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """Whatever is committed is told, whether in the queue or being written when he left."""
    writer.may_begin.clear()
    leaving = [accept(storage, 1)]
    await eventually(lambda: writer.is_waiting)
    leaving.append(accept(storage, 2))
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.wait(leaving)

    writer.may_begin.set()
    await storage.journal.settle()

    assert all(task.cancelled() for task in leaving)
    assert storage.listener.heard == ["0001/1", "0002/1"]
    assert await numbers(storage) == [1, 2]


async def test_orders_are_refused_above_the_backlog_and_fills_are_not(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """What was filled stands; who comes new is told to come later."""
    writer.may_begin.clear()
    outcome = SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=1)
    for _ in range(BACKLOG_ENTRIES_MAX + 1):
        storage.journal.record(outcome)

    with pytest.raises(JournalBacklogError):
        await storage.journal.accept(make_order(number=1))

    writer.may_begin.set()
    await storage.journal.settle()
    await storage.journal.accept(make_order(number=2))
    assert await numbers(storage) == [2]


async def test_what_was_queued_on_a_refused_outcome_is_dropped(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """The symbol starts anew from the database, so later outcomes of the old state are void."""

    def outcome(gate: int) -> SymbolOutcome:
        return SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=gate)

    writer.may_begin.clear()
    storage.journal.record(outcome(-1))
    await eventually(lambda: writer.is_waiting)
    storage.journal.record(outcome(5))
    accepting = accept(storage, 1)
    await asyncio.sleep(0)

    writer.may_begin.set()
    await accepting

    assert storage.listener.heard == ["refused LTCBTC", "0001/1"]
    assert (await storage.orders.load_ledger(LTCBTC)).gate == 0


async def test_rules_are_withdrawn_like_orders(writer: FaultyWriter, storage: OpenStorage) -> None:
    """A copy that could not be kept is told, and the next one may be."""
    answer_soon(storage)
    writer.may_begin.clear()
    saving = asyncio.create_task(
        storage.orders.save_trading_rules(StoredRules(rules=(), fetched_at=ACCEPTED_AT))
    )

    with pytest.raises(JournalUnavailableError):
        await saving

    writer.may_begin.set()


async def test_nothing_to_settle_is_settled(storage: OpenStorage) -> None:
    """Nobody waits for an empty queue."""
    await storage.journal.settle()


async def test_closing_writes_what_is_queued(writer: FaultyWriter, storage: OpenStorage) -> None:
    """Fills that were made are on disk when the service ends; orders come too late."""
    storage.journal.record(SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=7))

    await storage.journal.close()

    assert (await storage.orders.load_ledger(LTCBTC)).gate == 7
    assert storage.task.done() or not await asyncio.wait({storage.task})
    with pytest.raises(JournalUnavailableError):
        await storage.journal.accept(make_order(number=1))
    await storage.journal.close()
    assert writer.transactions == 1
    assert storage.journal.has_written_all


async def test_closing_gives_up_on_a_database_that_hangs(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """A stop has its time; whoever waits is told what is known."""
    writer.may_begin.clear()
    in_its_hands = accept(storage, 1)
    await eventually(lambda: writer.is_waiting)
    queued = accept(storage, 2)
    settling = asyncio.create_task(storage.journal.settle())
    await asyncio.sleep(0)

    await storage.journal.close()

    results = await asyncio.gather(in_its_hands, queued, settling, return_exceptions=True)
    assert [type(result) for result in results] == [
        OutcomeUnknownError,
        JournalUnavailableError,
        JournalUnavailableError,
    ]
    await asyncio.wait({storage.task})
    assert storage.task.exception() is None
    assert not storage.journal.has_written_all


async def test_a_journal_that_never_ran_closes_at_once(storage: OpenStorage) -> None:
    """A service that fails to start has nothing to flush, and a late start ends at once."""
    journal = GroupCommitJournal(storage.database)
    accepting = asyncio.create_task(journal.accept(make_order(number=1)))
    await asyncio.sleep(0)

    await journal.close()
    await journal.run(HeardListener())

    with pytest.raises(JournalUnavailableError):
        await accepting
    assert journal.orders_under_way.total == 0
    assert await storage.rows("SELECT order_id FROM orders") == []


async def test_a_listener_that_fails_ends_the_journal(storage: OpenStorage) -> None:
    """Its mistake is not taken for the journal's own time limit."""

    class FailingListener(HeardListener):
        def on_durable(self, events: object) -> None:
            del events
            raise TimeoutError("the listener's")

    journal = GroupCommitJournal(storage.database)
    running = asyncio.create_task(journal.run(FailingListener()))

    with pytest.raises(OutcomeUnknownError):
        await journal.accept(make_order(number=1))

    await asyncio.wait({running})
    assert isinstance(running.exception(), TimeoutError)
    assert not journal.is_writable
