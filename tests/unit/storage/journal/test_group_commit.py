"""The journal's queue, tested with writers that wait, fail, or lose the answer to a commit."""

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
    """Yield a running journal and its writer."""
    async with faulty_storage(sqlite_url(tmp_path / "a.db")) as made:
        yield made


@pytest.fixture
def writer(writer_and_storage: tuple[FaultyWriter, OpenStorage]) -> FaultyWriter:
    """Return the writer."""
    return writer_and_storage[0]


@pytest.fixture
def storage(writer_and_storage: tuple[FaultyWriter, OpenStorage]) -> OpenStorage:
    """Return the storage that uses the writer."""
    return writer_and_storage[1]


def answer_soon(storage: OpenStorage) -> None:
    """Let orders wait for one second only."""
    storage.journal._answer_seconds_max = ANSWER_SECONDS


def accept(storage: OpenStorage, number: int) -> "asyncio.Task[None]":
    """Start to accept an order."""
    return asyncio.create_task(storage.journal.accept(make_order(number=number)))


async def numbers(storage: OpenStorage) -> list[int]:
    """Return the stored acceptance numbers."""
    return [n for (n,) in await storage.rows("SELECT acceptance_number FROM orders ORDER BY 1")]


async def test_what_comes_during_a_commit_is_the_next_group(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """All orders that arrive during a commit are written together in the next transaction."""
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
    """A transaction takes a bounded number of events; an entry with more is written alone."""
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


async def test_a_commit_with_a_lost_answer_is_repeated(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """A commit whose answer was lost is repeated and stores nothing twice."""
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
    """The order gets an unknown outcome in time, and is executed once the commit succeeds."""
    answer_soon(storage)
    writer.answers_to_lose = 1
    accepting = accept(storage, 1)
    await eventually(lambda: writer.transactions)
    writer.may_begin.clear()

    with pytest.raises(OutcomeUnknownError) as caught:
        await accepting

    assert caught.value.order_id == make_order(number=1).order_id
    assert storage.listener.heard == ["trouble"]
    writer.may_begin.set()
    await eventually(lambda: "recovery" in storage.listener.heard)
    assert storage.listener.heard == ["trouble", "0001/1", "recovery"]


async def test_an_order_that_still_stands_in_the_queue_is_withdrawn_in_time(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """While the database hangs, an order in the queue is withdrawn; one being written is not."""
    answer_soon(storage)
    writer.may_begin.clear()
    being_written = accept(storage, 1)
    await eventually(lambda: writer.is_waiting)
    queued = accept(storage, 2)

    with pytest.raises(OutcomeUnknownError):
        await being_written
    with pytest.raises(JournalUnavailableError):
        await queued

    writer.may_begin.set()
    await storage.journal.settle()
    assert await numbers(storage) == [1]
    assert storage.listener.heard == ["0001/1"]


async def test_trouble_withdraws_what_stands_in_the_queue(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """An order queued behind a group that fails is refused at once and never stored."""
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
    """A timer that fires while the order is being withdrawn does nothing more."""
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
    """A stop answers waiting orders before their requests are canceled; fills are written."""
    async with faulty_storage(sqlite_url(tmp_path / "a.db"), answer_seconds_max=3_600) as (
        writer,
        storage,
    ):
        writer.may_begin.clear()
        being_written = accept(storage, 1)
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
                await being_written
            with pytest.raises(JournalUnavailableError):
                await queued
        writer.may_begin.set()
        await storage.journal.settle()
        assert await numbers(storage) == [1]
        assert (await storage.orders.load_ledger(LTCBTC)).gate == 7


async def test_a_stop_lets_commits_under_way_end(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """During a stop an order still gets the success of a commit that completes in time."""
    writer.may_begin.clear()
    accepting = [accept(storage, 1)]
    await eventually(lambda: writer.is_waiting)
    accepting.append(accept(storage, 2))
    await asyncio.sleep(0)

    storage.journal.prepare_to_stop()
    writer.may_begin.set()

    await asyncio.gather(*accepting)
    assert await numbers(storage) == [1, 2]


async def test_a_canceled_caller_does_not_withdraw_the_order(
    writer: FaultyWriter, storage: OpenStorage
) -> None:
    """Canceling the caller withdraws no order, whether queued or being written."""
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
    """A full queue refuses new orders but still takes fills."""
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
    """The symbol is reloaded from the database, so its queued outcomes are dropped."""

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
    """A copy of the rules that is not stored raises, and a later copy is stored."""
    answer_soon(storage)
    writer.may_begin.clear()
    saving = asyncio.create_task(
        storage.orders.save_trading_rules(StoredRules(rules=(), fetched_at=ACCEPTED_AT))
    )

    with pytest.raises(JournalUnavailableError):
        await saving

    writer.may_begin.set()


async def test_nothing_to_settle_is_settled(storage: OpenStorage) -> None:
    """Settling an empty queue returns at once."""
    await storage.journal.settle()


async def test_closing_writes_what_is_queued(writer: FaultyWriter, storage: OpenStorage) -> None:
    """Closing writes the queued fills and refuses new orders."""
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
    """Closing ends after its time limit, and every waiting order gets an answer."""
    writer.may_begin.clear()
    being_written = accept(storage, 1)
    await eventually(lambda: writer.is_waiting)
    queued = accept(storage, 2)
    settling = asyncio.create_task(storage.journal.settle())
    await asyncio.sleep(0)

    await storage.journal.close()

    results = await asyncio.gather(being_written, queued, settling, return_exceptions=True)
    assert [type(result) for result in results] == [
        OutcomeUnknownError,
        JournalUnavailableError,
        JournalUnavailableError,
    ]
    await asyncio.wait({storage.task})
    assert storage.task.exception() is None
    assert not storage.journal.has_written_all


async def test_a_journal_that_never_ran_closes_at_once(storage: OpenStorage) -> None:
    """Closing a journal that never ran returns at once, and a later run ends at once."""
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
    """A TimeoutError of the listener is raised, not taken for the journal's own time limit."""

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
