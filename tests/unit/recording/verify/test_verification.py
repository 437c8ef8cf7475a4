"""Tests of ``app.recording.verify``."""

# ruff: noqa: S608 - statements made of constants

import asyncio
import gzip
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from app.auditing.audit import audit
from app.domain.errors import StartupError
from app.domain.events import SymbolOutcome
from app.domain.liquidity import LiquidityLedger
from app.domain.matcher import SymbolMatcher
from app.domain.order import Owner, Side, Symbol, TimeInForce
from app.recording.service.recording_folder import recordings_in
from app.recording.verify.verification import verify
from app.recording.verify.verification_report import Kind, VerificationReport
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.tapes.tape_reader import TapeError
from tests.support.builders import LTCBTC, make_quote
from tests.support.recorded_history import FOK, IOC, OPEN, ORDERS_TOTAL, history, id_of
from tests.support.recorded_service import RecordedService, frame_of
from tests.support.waiting import eventually

ALICE: Final = Owner("alice")


class UnfinishedJournal(GroupCommitJournal):
    """A journal that reports unwritten outcomes."""

    @property
    def has_written_all(self) -> bool:
        """Report it."""
        return False


async def verified(service: RecordedService, *tapes: Path) -> VerificationReport:
    """Verify a service's database with these recordings, by default with all of them."""
    return await verify(str(service.path), tapes or (service.recordings,))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a recorded history, shared by all tests and never changed."""
    folder = tmp_path_factory.mktemp("recorded")
    asyncio.run(history(folder))
    return folder


@pytest.fixture
def service(recorded: Path, tmp_path: Path) -> RecordedService:
    """Return a copy of the recorded history for one test."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    return RecordedService(tmp_path)


@contextmanager
def unchecked(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database without the checks that SQLite can switch off."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection


async def test_an_untouched_history_is_verified_completely(service: RecordedService) -> None:
    """The report counts every order and every split."""
    report = await verified(service)

    assert report.differences == ()
    assert (report.splits_not_covered, report.orders_not_covered, report.undurable) == (0, 0, 0)
    assert (report.orders, report.files) == (ORDERS_TOTAL, 3)
    with closing(sqlite3.connect(service.path)) as connection:
        ((splits,),) = connection.execute("SELECT count(*) FROM fulfilled_order_splits")
        statuses = connection.execute("SELECT DISTINCT status, reason FROM orders").fetchall()
    assert report.splits == splits > 10
    assert len(statuses) >= 6, statuses
    assert (await audit(str(service.path))).is_sound


async def test_files_in_any_order_are_read_as_they_were_written(service: RecordedService) -> None:
    """The command line may name files in any order, and one of them twice."""
    files = recordings_in(service.recordings)

    report = await verified(service, *reversed(files), files[0])

    assert (report.differences, report.orders, report.files) == ((), ORDERS_TOTAL, 3)


@dataclass(frozen=True, slots=True)
class Planted:
    """A change to the database, and the difference that it must cause."""

    kind: Kind
    number: int
    statement: str


def _split(change: str, number: int = 1, split_number: int = 1) -> str:
    return (
        f"UPDATE fulfilled_order_splits SET {change}"
        f" WHERE order_id = '{id_of(number)}' AND split_number = {split_number}"
    )


def _order(change: str, number: int = 1) -> str:
    return f"UPDATE orders SET {change} WHERE order_id = '{id_of(number)}'"


_EXTRA: Final = (
    "INSERT INTO fulfilled_order_splits (order_id, split_number, update_id, price, quantity,"
    " displayed_quantity, filled_at) SELECT '{order}', {number}, update_id, price, quantity,"
    f" displayed_quantity, filled_at FROM fulfilled_order_splits WHERE order_id = '{id_of(1)}'"
    " AND split_number = 1"
)
_NO_SPLIT: Final = (
    "DELETE FROM fulfilled_order_splits WHERE order_id = '{order}' AND split_number = {number}"
)
_ANOTHER_ORDER: Final = (
    "INSERT INTO orders SELECT {columns} FROM orders WHERE acceptance_number = 8"
)

PLANTED: Final = (
    Planted(Kind.PRICE, 1, _split("price = '99.98'")),
    Planted(Kind.QUOTE, 1, _split("price = '99.98'")),
    Planted(Kind.QUANTITY, 1, _split("quantity = '4.9'")),
    Planted(Kind.DISPLAYED_QUANTITY, 1, _split("displayed_quantity = '5.5'")),
    Planted(Kind.UPDATE_ID, 1, _split("update_id = 11")),
    Planted(Kind.PRICE, OPEN, _split("price = '99.4'", OPEN)),
    Planted(Kind.MISSING_SPLIT, 1, _NO_SPLIT.format(order=id_of(1), number=1)),
    Planted(Kind.MISSING_SPLIT, 1, _NO_SPLIT.format(order=id_of(1), number=2)),
    Planted(Kind.MISSING_SPLIT, OPEN, _NO_SPLIT.format(order=id_of(OPEN), number=1)),
    Planted(Kind.UNKNOWN_ORDER, OPEN, f"DELETE FROM orders WHERE order_id = '{id_of(OPEN)}'"),
    Planted(Kind.EXTRA_SPLIT, 8, _EXTRA.format(order=id_of(8), number=1)),
    Planted(Kind.EXTRA_SPLIT, OPEN, _EXTRA.format(order=id_of(OPEN), number=2)),
    Planted(Kind.STATUS, 8, _order("status = 'EXPIRED', reason = 'TIMEOUT'", 8)),
    Planted(Kind.STATUS, OPEN, _order("status = 'CANCELED', closed_at = accepted_at", OPEN)),
    Planted(Kind.STATUS, 8, _order("status = 'NEW', reason = NULL, closed_at = NULL", 8)),
    Planted(Kind.REASON, 2, _order("reason = 'TIMEOUT_DURING_OUTAGE'", 2)),
    Planted(Kind.ARRIVAL, 1, _order("arrival_update_id = 9")),
    Planted(Kind.DEPARTURE, 1, _order("departure_update_id = 16")),
    Planted(Kind.DECISION, IOC, _order("decision_displayed_quantity = '999'", IOC)),
    Planted(Kind.DECISION, IOC, _order("decision_price = '99.9'", IOC)),
    Planted(Kind.DECISION, FOK, _order("decision_taken_quantity = '0.25'", FOK)),
    Planted(Kind.DECISION, FOK, _order("decision_price = NULL", FOK)),
    Planted(Kind.QUOTES_SEEN, 2, _order("quotes_seen = quotes_seen + 1", 2)),
    Planted(Kind.FILLED_QUANTITY, 2, _order("filled_quantity = '5'", 2)),
    Planted(Kind.FILLED_QUANTITY, OPEN, _order("filled_quantity = '5'", OPEN)),
    Planted(Kind.COUNTS, 1, _order("splits_total = 3")),
    Planted(Kind.COUNTS, 2, _order("last_sequence = last_sequence - 1", 2)),
    Planted(Kind.ORDER, 1, _order("limit_price = '101'")),
    Planted(Kind.FORM, 1, _split("price = 'NaN'")),
    Planted(Kind.UNKNOWN_ORDER, 1, f"DELETE FROM orders WHERE order_id = '{id_of(1)}'"),
    Planted(Kind.UNRECORDED_ORDER, 77, _ANOTHER_ORDER),
)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda one: f"{one.kind} of {one.number}")
async def test_a_planted_difference_is_named(service: RecordedService, planted: Planted) -> None:
    """The report names the kind, the order and both sides, and no other order."""
    with unchecked(service.path) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(orders)")]
        values = {"acceptance_number": "77", "order_id": f"'{id_of(77)}'"}
        selected = ", ".join(values.get(column, column) for column in columns)
        statement = planted.statement.replace("{columns}", selected)
        assert connection.execute(statement).rowcount == 1

    report = await verified(service)

    assert planted.kind in {one.kind for one in report.differences}
    assert {one.order_id for one in report.differences} == {id_of(planted.number)}
    assert report.orders_differing == 1
    assert all(one.recorded != one.stored for one in report.differences)


async def test_an_unrecorded_order_with_splits_and_status_new_is_a_difference(
    service: RecordedService,
) -> None:
    """For an unrecorded order its splits count, not its status."""
    with unchecked(service.path) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(orders)")]
        values = {
            "acceptance_number": "77",
            "order_id": f"'{id_of(77)}'",
            "last_sequence": "1",
            "splits_total": "0",
            "status": "'NEW'",
            "reason": "NULL",
        }
        selected = ", ".join(values.get(column, column) for column in columns)
        connection.execute(_ANOTHER_ORDER.replace("{columns}", selected))
        connection.execute(_EXTRA.format(order=id_of(77), number=1))

    report = await verified(service)

    assert [(one.kind, one.order_id) for one in report.differences] == [
        (Kind.UNRECORDED_ORDER, id_of(77))
    ]


# --- Crashes --------------------------------------------------------------------------------------


async def test_a_split_after_the_end_is_a_difference_even_before_a_crash(
    tmp_path: Path,
) -> None:
    """A crash may cut off the recording, but nothing can follow an order's end."""
    service = RecordedService(tmp_path)
    async with service.process(is_killed=True) as process:
        order = await service.place(process, 5)
        process.push(10, ("99.99", 8))
        await process.settle()
    with unchecked(service.path) as connection:
        connection.execute(_EXTRA.format(order=order.order_id, number=2))
        connection.execute("UPDATE fulfilled_order_splits SET update_id = 11 WHERE id = 2")
        connection.execute("UPDATE orders SET splits_total = 2, last_sequence = 3")

    report = await verified(service)

    assert [one.kind for one in report.differences] == [Kind.EXTRA_SPLIT]


async def test_an_open_order_that_no_session_resumed_is_a_difference(
    tmp_path: Path,
) -> None:
    """This holds even if another process was killed between the two sessions."""
    service = RecordedService(tmp_path)
    async with service.process(is_killed=True) as process:
        order = await service.place(process, 5)
        process.push(10, ("99.99", 8))
        await process.settle()
    async with service.process(is_killed=True) as process:
        await service.place(process, 5, symbol=Symbol("ETHBTC"))
    async with service.process() as process:
        await service.place(process, 1)
        process.push(20, ("99.99", 1))
        await process.settle()
    with unchecked(service.path) as connection:
        connection.execute(
            "UPDATE orders SET status = 'PARTIALLY_FILLED', closed_at = NULL,"
            f" departure_update_id = NULL WHERE order_id = '{order.order_id}'"
        )

    report = await verified(service)

    assert {one.order_id for one in report.differences} == {order.order_id}
    assert Kind.STATUS in {one.kind for one in report.differences}


async def test_fills_lost_in_a_crash_are_not_a_difference(tmp_path: Path) -> None:
    """The next process fills from other quotes; the lost fills were never announced."""
    service = RecordedService(tmp_path)
    async with service.process(is_killed=True) as process:
        await service.place(process, 8)
        process.push(10, ("99.99", 5))
        await process.settle()
        process.push(11, ("99.98", 1))
        process.push(12, ("99.97", 1))
    async with service.process() as process:
        await eventually(lambda: LTCBTC in process.feed.listeners)
        process.push(14, ("99.96", 10))
        await process.settle()

    report = await verified(service)

    assert report.differences == ()
    assert (report.orders, report.splits, report.undurable) == (1, 2, 2)


async def test_an_order_that_ends_at_a_restart_without_a_matcher_is_derived(tmp_path: Path) -> None:
    """An IOC order found open at a start ends without a matcher."""
    service = RecordedService(tmp_path)
    async with service.process(is_killed=True) as process:
        await service.place(process, 8, time_in_force=TimeInForce.IOC)
    async with service.process() as process:
        await eventually(lambda: LTCBTC in process.feed.listeners)
        await process.settle()

    report = await verified(service)

    assert (report.differences, report.orders, report.undurable) == ((), 1, 0)


class ForgetfulJournal(GroupCommitJournal):
    """A journal that loses one outcome and writes the later ones."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.forgets = False

    def record(self, outcome: SymbolOutcome) -> None:
        """Write it, unless it is the one to lose."""
        if not self.forgets:
            super().record(outcome)
        self.forgets = False


async def test_a_lost_result_before_a_stored_one_is_a_difference(tmp_path: Path) -> None:
    """A crash can lose only the newest results."""
    service = RecordedService(tmp_path)
    async with service.process(is_killed=True, journal=ForgetfulJournal) as process:
        first = await service.place(process, 5)
        second = await service.place(process, 5, limit_price="99.50")
        assert isinstance(process.journal, ForgetfulJournal)
        process.journal.forgets = True
        process.push(10, ("99.99", 1))
        await process.desk.cancel(second)
    async with service.process() as process:
        await eventually(lambda: LTCBTC in process.feed.listeners)
        await process.settle()

    report = await verified(service)

    assert [(one.kind, one.order_id) for one in report.differences] == [
        (Kind.LEDGER, None),  # what the split took went with it
        (Kind.NOT_A_TAIL, first.order_id),
    ]


# --- Gaps and rotation ----------------------------------------------------------------------------


async def test_any_file_can_be_replayed_alone(tmp_path: Path) -> None:
    """Each file begins with the state of every matcher; earlier splits are not covered."""
    service = RecordedService(tmp_path)
    service.file_bytes_max = 10
    async with service.process() as process:
        await service.place(process, 100)
        await service.place(process, 100, owner=ALICE, side=Side.SELL, limit_price=99)
        for number in range(1, 7):
            process.push(10 + number, (f"99.9{number}", number), bid=("99.5", 10 + number))
            await process.settle()
            service.clock.advance(1)
            await process.recorder.tick()
    files = recordings_in(service.recordings)
    assert len(files) == 7

    whole = await verified(service)
    later = await verified(service, *files[3:])

    assert (whole.differences, whole.orders, whole.splits, whole.is_covered) == ((), 2, 12, True)
    assert (later.differences, later.splits, later.splits_not_covered) == ((), 6, 6)
    assert later.causes == {"before the recording begins": 6}
    missing = await verified(service, *files[:2], *files[3:])
    assert (missing.differences, missing.splits, missing.splits_not_covered) == ((), 10, 2)


async def test_the_oldest_files_are_deleted(tmp_path: Path) -> None:
    """The total size stays within its maximum."""
    service = RecordedService(tmp_path)
    service.file_bytes_max = 1_000
    service.total_bytes_max = 4_000
    async with service.process() as process:
        await service.place(process, 1_000)
        for number in range(1, 200):
            process.push(10 + number, (f"99.9{number % 7}", number % 5 + 1))
            service.clock.advance(1)
            await process.recorder.tick()
        await process.settle()
        state = process.recorder.state()
    sizes = [file.stat().st_size for file in recordings_in(service.recordings)]

    assert sum(sizes) <= 4_000
    assert state.files_deleted == state.files - len(sizes) > 0
    assert (await verified(service)).differences == ()


async def test_a_full_disk_leaves_a_gap_and_stops_no_order(tmp_path: Path) -> None:
    """Fills in the gap are not covered; before and after it nothing differs."""
    service = RecordedService(tmp_path)
    async with service.process() as process:
        whole = await service.place(process, 5)
        partly = await service.place(process, 100, limit_price="99.98")
        process.push(10, ("99.98", 6))
        process.break_disk()
        process.push(11, ("99.97", 7))
        assert not process.recorder.state().is_recording
        in_gap = await service.place(process, 5, limit_price="99.97", owner=ALICE)
        process.push(12, ("99.96", 8))
        await process.settle()
        service.clock.advance(6)
        await process.recorder.tick()
        assert process.recorder.state().is_recording
        process.push(13, ("99.95", 9))
        await process.settle()

    report = await verified(service)

    assert report.differences == ()
    assert (report.splits, report.splits_not_covered, report.orders_not_covered) == (3, 3, 2)
    assert report.causes == {"in a gap of the recording": 3}
    assert (await audit(str(service.path))).is_sound
    assert {whole.order_id, partly.order_id, in_gap.order_id}


# --- What a matcher lives through -----------------------------------------------------------------


async def test_pauses_resets_and_new_starts_are_derived(tmp_path: Path) -> None:
    """The replay follows a held journal, falling update ids, and a symbol that is reloaded."""
    service = RecordedService(tmp_path)
    async with service.process() as process:
        order = await service.place(process, 100)
        process.push(1_000, ("99.99", 5))
        process.halt()
        process.push(1_001, ("99.98", 6))
        await service.place(process, 1, time_in_force=TimeInForce.IOC)
        process.resume()
        process.lose_connection()
        assert [process.seed(7, ("99.97", 4)), process.seed(7, ("99.97", 4))] == [False, False]
        service.clock.advance(11)
        assert process.seed(8, ("99.97", 4))
        process.push(9, ("99.96", 4))
        await process.settle()
        process.desk.on_outcome_refused(order.symbol)
        await eventually(lambda: LTCBTC in process.feed.listeners)
        process.push(10, ("99.95", 5))
        await process.settle()

    report = await verified(service)

    assert (report.differences, report.orders, report.undurable) == ((), 2, 0)
    assert report.splits > 4


async def test_a_frame_without_a_matcher_fills_nothing(tmp_path: Path) -> None:
    """The frame is on the tape, marked as ignored."""
    service = RecordedService(tmp_path)
    async with service.process() as process:
        await service.place(process, 5)
        process.push(10, ("99.99", 1))
        unheard = make_quote(11, ask=("99.98", 1), bid=("99", 1))
        process.recorder.on_frame(LTCBTC, frame_of(unheard), service.clock.monotonic_ns())
        process.push(12, ("99.97", 1))
        await process.settle()

    report = await verified(service)

    assert (report.differences, report.splits, report.frames) == ((), 2, 3)


async def test_a_ledger_changed_between_sessions_is_a_difference(tmp_path: Path) -> None:
    """A session begins with the ledger that the session before it left."""
    service = RecordedService(tmp_path)
    async with service.process() as process:
        order = await service.place(process, 5)
        process.push(10, ("99.99", 8))
        await process.settle()
        process.desk._symbols[order.symbol].end_lingering()
        await eventually(lambda: not process.desk._symbols)
        await service.place(process, 1)
        process.lose_connection()
        process.desk._symbols[order.symbol].end_lingering()
        sound = await verified(service)
        await process.desk.cancel_all(order.owner, order.symbol)
        process.desk._symbols[order.symbol].end_lingering()
        await eventually(lambda: not process.desk._symbols)
        with unchecked(service.path) as connection:
            connection.execute("UPDATE taken_liquidity SET quantity = '4'")
        await service.place(process, 1)

    report = await verified(service)

    assert sound.differences == ()
    assert [one.kind for one in report.differences] == [Kind.LEDGER]


async def test_the_ledger_after_a_crash_is_one_of_the_recorded_versions(tmp_path: Path) -> None:
    """A level lost in `kill -9` would let its quantity be sold again."""
    service = RecordedService(tmp_path)
    async with service.process(is_killed=True) as process:
        await service.place(process, 5)
        process.push(10, ("99.99", 8))
        await process.settle()
    async with service.process(is_killed=True) as process:
        await service.place(process, 9)
        process.push(11, ("99.99", 8))
        await process.settle()
    sound = await verified(service)
    with unchecked(service.path) as connection:
        connection.execute("DELETE FROM taken_liquidity")
    async with service.process() as process:
        await service.place(process, 8)
        process.push(12, ("99.99", 8))
        await process.settle()

    report = await verified(service)

    assert sound.differences == ()
    assert [one.kind for one in report.differences] == [Kind.LEDGER]


@pytest.mark.parametrize("all_is_durable", [True, False], ids=["durable", "not all durable"])
async def test_durable_results_survive_an_orderly_stop(
    tmp_path: Path, *, all_is_durable: bool
) -> None:
    """A split or ledger missing at the next start is a difference, unless writing had failed."""
    service = RecordedService(tmp_path)
    async with service.process(
        journal=GroupCommitJournal if all_is_durable else UnfinishedJournal
    ) as process:
        order = await service.place(process, 9)
        process.push(10, ("99.99", 8))
        await process.settle()
    with unchecked(service.path) as connection:
        connection.execute("DELETE FROM fulfilled_order_splits")
        connection.execute("DELETE FROM taken_liquidity")
        connection.execute("DELETE FROM order_events WHERE sequence > 1")
        connection.execute(
            "UPDATE orders SET status = 'NEW', splits_total = 0, last_sequence = 1,"
            " filled_quantity = '0', quote_quantity = '0'"
        )
    async with service.process() as process:
        await eventually(lambda: order.symbol in process.feed.listeners)
        process.push(11, ("99.99", 8))
        await process.settle()

    report = await verified(service)

    kinds = {one.kind for one in report.differences}
    assert kinds == ({Kind.CARRIED, Kind.LEDGER} if all_is_durable else set())


# --- Faults of our own ----------------------------------------------------------------------------


async def compete_for_one_quote(folder: Path) -> RecordedService:
    """Let two orders meet a quote with enough for one of them."""
    service = RecordedService(folder)
    async with service.process() as process:
        await service.place(process, 5)
        process.push(10, ("99.99", 5))
        await service.place(process, 5)
        process.push(11, ("99.99", 5), bid=("99.5", 2))
        await process.settle()
    return service


async def test_a_matcher_that_forgets_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service sold a quantity twice, so the derived fills differ."""
    with monkeypatch.context() as planted:
        planted.setattr(LiquidityLedger, "available", lambda _self, _price, displayed: displayed)
        service = await compete_for_one_quote(tmp_path)

    report = await verified(service)

    assert Kind.EXTRA_SPLIT in {one.kind for one in report.differences}


class WrongJournal(GroupCommitJournal):
    """A journal that stores a smaller quantity than was filled."""

    def record(self, outcome: SymbolOutcome) -> None:
        """Write another quantity with each event that has a split."""
        events = tuple(
            event
            if event.split is None
            else replace(event, split=replace(event.split, quantity=Decimal("0.5")))
            for event in outcome.events
        )
        super().record(replace(outcome, events=events))


async def test_a_journal_that_stores_other_values_is_found(tmp_path: Path) -> None:
    """The report names the order and the correct value."""
    service = RecordedService(tmp_path)
    async with service.process(journal=WrongJournal) as process:
        order = await service.place(process, 5)
        process.push(10, ("99.99", 3))
        await process.settle()

    report = await verified(service)

    (difference,) = report.differences
    assert (difference.kind, difference.order_id) == (Kind.QUANTITY, order.order_id)
    assert difference.recorded.startswith("3 at 99.99")
    assert difference.stored.startswith("0.5 at 99.99")


async def test_a_matcher_bug_that_the_replay_repeats_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The liquidity check does not use the matcher."""
    monkeypatch.setattr(LiquidityLedger, "available", lambda _self, _price, displayed: displayed)
    service = await compete_for_one_quote(tmp_path)

    report = await verified(service)

    assert {one.kind for one in report.differences} == {Kind.SOLD_TWICE}


async def test_a_fill_after_the_deadline_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found even if the replayed matcher makes the same fill."""
    monkeypatch.setattr(SymbolMatcher, "expire", lambda _self, _now_ns: [])
    service = RecordedService(tmp_path)
    async with service.process() as process:
        order = await service.place(process, 5)
        service.clock.advance(31)
        process.push(10, ("99.99", 5))
        await process.settle()

    report = await verified(service)

    assert [(one.kind, one.order_id) for one in report.differences] == [(Kind.LATE, order.order_id)]


# --- What cannot be read --------------------------------------------------------------------------


async def test_a_recording_of_another_database_is_refused(
    service: RecordedService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The stream ids differ."""
    other = RecordedService(tmp_path_factory.mktemp("other"))
    async with other.process():
        pass

    with pytest.raises(StartupError, match="is a recording of another database"):
        await verified(service, other.recordings)


async def test_a_tape_of_quotes_alone_is_refused(service: RecordedService, tmp_path: Path) -> None:
    """No orders can be derived from it."""
    tape = tmp_path / "tape.jsonl"
    tape.write_text('{"ts":1,"data":{"u":1}}\n')

    with pytest.raises(StartupError, match="is not a recording of the service"):
        await verified(service, tape)


async def test_no_recording_at_all_is_refused(service: RecordedService, tmp_path: Path) -> None:
    """The folder is empty, or the file does not exist."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(StartupError, match="there is no recording in"):
        await verified(service, tmp_path / "empty")
    with pytest.raises(TapeError):
        await verified(service, tmp_path / "nothing")


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    """Change the text of a recording."""
    text = gzip.decompress(path.read_bytes())
    assert text.count(old) >= 1
    path.write_bytes(gzip.compress(text.replace(old, new, 1)))


async def test_an_unknown_note_is_refused(service: RecordedService) -> None:
    """The message names the file and the line."""
    file = recordings_in(service.recordings)[0]
    rewrite(file, b'"kind":"seed"', b'"kind":"weed"')

    with pytest.raises(TapeError, match=rf"{file.name}, line 4: not a note of a recording"):
        await verified(service)


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        (b'"a":"99.95","A":"4"', b'"a":"99.95","A":"3"', {Kind.DISPLAYED_QUANTITY}),
        (b'"gate":12}', b'"gate":13}', {Kind.STATE}),
        (b'"is_applied":true', b'"is_applied":false', {Kind.STATE}),
        (b'"kind":"canceled"', b'"kind":"ledger"', {Kind.STATUS}),
    ],
)
async def test_a_changed_recording_is_found(
    service: RecordedService, old: bytes, new: bytes, kinds: set[Kind]
) -> None:
    """It contradicts the database or itself."""
    rewrite(recordings_in(service.recordings)[0], old, new)

    report = await verified(service)

    assert kinds <= {one.kind for one in report.differences}


@pytest.mark.parametrize("what", ["twice", "unmarked", "unmeant"])
async def test_a_repeated_or_deleted_line_is_found(service: RecordedService, what: str) -> None:
    """A note about the refusal follows each refused quote and no other."""
    file = recordings_in(service.recordings)[0]
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    (noted,) = (n for n, line in enumerate(lines) if b'"kind":"refused"' in line)
    (applied,) = (n for n, line in enumerate(lines) if b'"data":{"u":16,' in line)
    match what:
        case "twice":
            lines.insert(applied, lines[applied])
        case "unmarked":
            del lines[noted]
        case "unmeant":
            del lines[noted - 1]
    file.write_bytes(gzip.compress(b"".join(lines)))

    report = await verified(service)

    assert {one.kind for one in report.differences} == {Kind.STATE}
    assert all(one.recorded != one.stored for one in report.differences)
