"""Tests of ``app.recording.verify``."""

# ruff: noqa: S608 - statements made of constants

import asyncio
import gzip
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from app.auditing.audit import audit
from app.domain.errors import StartupError
from app.domain.events import SymbolOutcome
from app.domain.liquidity import LiquidityLedger
from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, Owner, Side, Symbol, TimeInForce
from app.recording.service.recording_folder import recordings_in
from app.recording.verify.verification import verify
from app.recording.verify.verification_report import Kind, VerificationReport
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.schema.tables import orders
from app.tapes.tape_reader import TapeError
from tests.support.builders import LTCBTC, Amount, make_quote
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
def history_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a recorded history, shared by all tests and never changed."""
    folder = tmp_path_factory.mktemp("recorded")
    asyncio.run(history(folder))
    return folder


@pytest.fixture
def recorded(history_folder: Path, tmp_path: Path) -> RecordedService:
    """Return a copy of the recorded history for one test."""
    shutil.copytree(history_folder, tmp_path, dirs_exist_ok=True)
    return RecordedService(tmp_path)


@pytest.fixture
def service(tmp_path: Path) -> RecordedService:
    """Return a service without a database and without recordings."""
    return RecordedService(tmp_path)


def change(service: RecordedService, *statements: str) -> None:
    """Change a database without the checks that SQLite can switch off."""
    with closing(sqlite3.connect(service.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0


async def trade(
    service: RecordedService,
    quantity: Amount = 5,
    *,
    update_id: int = 10,
    displayed: Amount = 8,
    is_killed: bool = False,
    journal: Callable[[Database], GroupCommitJournal] = GroupCommitJournal,
) -> Order:
    """Run a process in which one more order is placed and meets one quote."""
    async with service.process(is_killed=is_killed, journal=journal) as process:
        order = await service.place(process, quantity)
        process.push(update_id, ("99.99", displayed))
        await process.settle()
    return order


async def resume(service: RecordedService, *quotes: tuple[int, tuple[Amount, Amount]]) -> None:
    """Run a process whose open orders meet these quotes."""
    async with service.process() as process:
        await eventually(lambda: LTCBTC in process.feed.listeners)
        for update_id, ask in quotes:
            process.push(update_id, ask)
        await process.settle()


def kinds_in(report: VerificationReport) -> set[Kind]:
    """Return the kinds of all differences."""
    return {one.kind for one in report.differences}


async def test_an_untouched_history_is_verified_completely(recorded: RecordedService) -> None:
    """The report counts every order and every split."""
    report = await verified(recorded)

    assert report.differences == ()
    assert (report.splits_not_covered, report.orders_not_covered, report.undurable) == (0, 0, 0)
    assert (report.orders, report.files) == (ORDERS_TOTAL, 3)
    with closing(sqlite3.connect(recorded.path)) as connection:
        ((splits,),) = connection.execute("SELECT count(*) FROM fulfilled_order_splits")
        statuses = connection.execute("SELECT DISTINCT status, reason FROM orders").fetchall()
    assert report.splits == splits > 10
    assert len(statuses) >= 6, statuses
    assert (await audit(str(recorded.path))).is_sound


async def test_files_in_any_order_are_read_as_they_were_written(recorded: RecordedService) -> None:
    """The command line may name files in any order, and one of them twice."""
    files = recordings_in(recorded.recordings)

    report = await verified(recorded, *reversed(files), files[0])

    assert (report.differences, report.orders, report.files) == ((), ORDERS_TOTAL, 3)


_Planted = tuple[Kind, int, Sequence[str]]


def planted(kind: Kind, number: int, *statements: str) -> _Planted:
    """Return changes to the database, and the difference that they must cause."""
    return kind, number, statements


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


def _another_order(**values: str) -> str:
    """Return a statement that copies order 8 with another number and with these values."""
    values = {"acceptance_number": "77", "order_id": f"'{id_of(77)}'"} | values
    selected = ", ".join(values.get(column.name, column.name) for column in orders.columns)
    return f"INSERT INTO orders SELECT {selected} FROM orders WHERE acceptance_number = 8"


PLANTED: Final = (
    planted(Kind.PRICE, 1, _split("price = '99.98'")),
    planted(Kind.QUOTE, 1, _split("price = '99.98'")),
    planted(Kind.QUANTITY, 1, _split("quantity = '4.9'")),
    planted(Kind.DISPLAYED_QUANTITY, 1, _split("displayed_quantity = '5.5'")),
    planted(Kind.UPDATE_ID, 1, _split("update_id = 11")),
    planted(Kind.PRICE, OPEN, _split("price = '99.4'", OPEN)),
    planted(Kind.MISSING_SPLIT, 1, _NO_SPLIT.format(order=id_of(1), number=1)),
    planted(Kind.MISSING_SPLIT, 1, _NO_SPLIT.format(order=id_of(1), number=2)),
    planted(Kind.MISSING_SPLIT, OPEN, _NO_SPLIT.format(order=id_of(OPEN), number=1)),
    planted(Kind.UNKNOWN_ORDER, OPEN, f"DELETE FROM orders WHERE order_id = '{id_of(OPEN)}'"),
    planted(Kind.EXTRA_SPLIT, 8, _EXTRA.format(order=id_of(8), number=1)),
    planted(Kind.EXTRA_SPLIT, OPEN, _EXTRA.format(order=id_of(OPEN), number=2)),
    planted(Kind.STATUS, 8, _order("status = 'EXPIRED', reason = 'TIMEOUT'", 8)),
    planted(Kind.STATUS, OPEN, _order("status = 'CANCELED', closed_at = accepted_at", OPEN)),
    planted(Kind.STATUS, 8, _order("status = 'NEW', reason = NULL, closed_at = NULL", 8)),
    planted(Kind.REASON, 2, _order("reason = 'TIMEOUT_DURING_OUTAGE'", 2)),
    planted(Kind.ARRIVAL, 1, _order("arrival_update_id = 9")),
    planted(Kind.DEPARTURE, 1, _order("departure_update_id = 16")),
    planted(Kind.DECISION, IOC, _order("decision_displayed_quantity = '999'", IOC)),
    planted(Kind.DECISION, IOC, _order("decision_price = '99.9'", IOC)),
    planted(Kind.DECISION, FOK, _order("decision_taken_quantity = '0.25'", FOK)),
    planted(Kind.DECISION, FOK, _order("decision_price = NULL", FOK)),
    planted(Kind.QUOTES_SEEN, 2, _order("quotes_seen = quotes_seen + 1", 2)),
    planted(Kind.FILLED_QUANTITY, 2, _order("filled_quantity = '5'", 2)),
    planted(Kind.FILLED_QUANTITY, OPEN, _order("filled_quantity = '5'", OPEN)),
    planted(Kind.COUNTS, 1, _order("splits_total = 3")),
    planted(Kind.COUNTS, 2, _order("last_sequence = last_sequence - 1", 2)),
    planted(Kind.ORDER, 1, _order("limit_price = '101'")),
    planted(Kind.FORM, 1, _split("price = 'NaN'")),
    planted(Kind.UNKNOWN_ORDER, 1, f"DELETE FROM orders WHERE order_id = '{id_of(1)}'"),
    planted(Kind.UNRECORDED_ORDER, 77, _another_order()),
    # The splits of an unrecorded order count, not its status.
    planted(
        Kind.UNRECORDED_ORDER,
        77,
        _another_order(last_sequence="1", splits_total="0", status="'NEW'", reason="NULL"),
        _EXTRA.format(order=id_of(77), number=1),
    ),
)


@pytest.mark.parametrize(
    ("kind", "number", "statements"),
    PLANTED,
    ids=[f"{kind} of {number}" for kind, number, _ in PLANTED],
)
async def test_a_planted_difference_is_named(
    recorded: RecordedService, kind: Kind, number: int, statements: Sequence[str]
) -> None:
    """The report names the kind, the order and both sides, and no other order."""
    change(recorded, *statements)

    report = await verified(recorded)

    assert kind in kinds_in(report)
    assert {one.order_id for one in report.differences} == {id_of(number)}
    assert report.orders_differing == 1
    assert all(one.recorded != one.stored for one in report.differences)


def test_every_kind_of_difference_is_planted() -> None:
    """The kinds that concern no stored order have their own tests below."""
    below = {Kind.CARRIED, Kind.NOT_A_TAIL, Kind.SOLD_TWICE, Kind.LATE, Kind.HALTED, Kind.LEDGER}

    assert {kind for kind, *_ in PLANTED} == set(Kind) - below - {Kind.STATE}


# --- Crashes --------------------------------------------------------------------------------------


async def test_a_split_after_the_end_is_a_difference_even_before_a_crash(
    service: RecordedService,
) -> None:
    """A crash may cut off the recording, but nothing can follow an order's end."""
    order = await trade(service, is_killed=True)
    change(
        service,
        _EXTRA.format(order=order.order_id, number=2),
        "UPDATE fulfilled_order_splits SET update_id = 11 WHERE id = 2",
        "UPDATE orders SET splits_total = 2, last_sequence = 3",
    )

    report = await verified(service)

    assert [one.kind for one in report.differences] == [Kind.EXTRA_SPLIT]


async def test_an_open_order_that_no_session_resumed_is_a_difference(
    service: RecordedService,
) -> None:
    """This holds even if another process was killed between the two sessions."""
    order = await trade(service, is_killed=True)
    async with service.process(is_killed=True) as process:
        await service.place(process, 5, symbol=Symbol("ETHBTC"))
    await trade(service, 1, update_id=20, displayed=1)
    change(
        service,
        "UPDATE orders SET status = 'PARTIALLY_FILLED', closed_at = NULL,"
        f" departure_update_id = NULL WHERE order_id = '{order.order_id}'",
    )

    report = await verified(service)

    assert {one.order_id for one in report.differences} == {order.order_id}
    assert Kind.STATUS in kinds_in(report)


async def test_fills_lost_in_a_crash_are_not_a_difference(service: RecordedService) -> None:
    """The next process fills from other quotes; the lost fills were never announced."""
    async with service.process(is_killed=True) as process:
        await service.place(process, 8)
        process.push(10, ("99.99", 5))
        await process.settle()
        process.push(11, ("99.98", 1))
        process.push(12, ("99.97", 1))
    await resume(service, (14, ("99.96", 10)))

    report = await verified(service)

    assert report.differences == ()
    assert (report.orders, report.splits, report.undurable) == (1, 2, 2)


@pytest.mark.parametrize("is_file_left", [True, False])
async def test_fills_lost_before_a_gap_are_not_a_difference(
    service: RecordedService,
    is_file_left: bool,  # noqa: FBT001 - a case
) -> None:
    """A process without a recording, or with a lost one, filled the rest from another quote."""
    async with service.process(is_killed=True) as process:
        await service.place(process, 8)
        process.push(10, ("99.99", 5))
        await process.settle()
        process.push(11, ("99.98", 3))
    await resume(service, (14, ("99.96", 10)))
    lost = recordings_in(service.recordings)[1]
    first_line, *_ = gzip.decompress(lost.read_bytes()).splitlines(keepends=True)
    if is_file_left:
        lost.write_bytes(gzip.compress(first_line))
    else:
        lost.unlink()
    await trade(service, update_id=20)

    report = await verified(service)

    assert (report.differences, report.orders, report.splits) == ((), 1, 2)
    assert (report.splits_not_covered, report.undurable) == (1, 2)
    assert report.causes == {"in a gap of the recording": 2}


async def test_an_order_that_ends_at_a_restart_without_a_matcher_is_derived(
    service: RecordedService,
) -> None:
    """An IOC order found open at a start ends without a matcher."""
    async with service.process(is_killed=True) as process:
        await service.place(process, 8, time_in_force=TimeInForce.IOC)
    await resume(service)

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


async def test_a_lost_result_before_a_stored_one_is_a_difference(service: RecordedService) -> None:
    """A crash can lose only the newest results."""
    async with service.process(is_killed=True, journal=ForgetfulJournal) as process:
        first = await service.place(process, 5)
        second = await service.place(process, 5, limit_price="99.50")
        assert isinstance(process.journal, ForgetfulJournal)
        process.journal.forgets = True
        process.push(10, ("99.99", 1))
        await process.desk.cancel(second)
    await resume(service)

    report = await verified(service)

    assert [(one.kind, one.order_id) for one in report.differences] == [
        (Kind.LEDGER, None),  # what the split took went with it
        (Kind.NOT_A_TAIL, first.order_id),
    ]


# --- Gaps and rotation ----------------------------------------------------------------------------


async def test_any_file_can_be_replayed_alone(service: RecordedService) -> None:
    """Each file begins with the state of every matcher; earlier splits are not covered."""
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


async def test_the_oldest_files_are_deleted(service: RecordedService) -> None:
    """The total size stays within its maximum."""
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


async def test_a_full_disk_leaves_a_gap_and_stops_no_order(service: RecordedService) -> None:
    """Fills in the gap are not covered; before and after it nothing differs."""
    async with service.process() as process:
        await service.place(process, 5)
        await service.place(process, 100, limit_price="99.98")
        process.push(10, ("99.98", 6))
        process.break_disk()
        process.push(11, ("99.97", 7))
        assert not process.recorder.state().is_recording
        await service.place(process, 5, limit_price="99.97", owner=ALICE)
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


# --- What a matcher lives through -----------------------------------------------------------------


async def test_pauses_resets_and_new_starts_are_derived(service: RecordedService) -> None:
    """The replay follows a held journal, falling update ids, and a symbol that is reloaded."""
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


async def test_a_frame_without_a_matcher_fills_nothing(service: RecordedService) -> None:
    """The frame is on the tape, marked as ignored."""
    async with service.process() as process:
        await service.place(process, 5)
        process.push(10, ("99.99", 1))
        unheard = make_quote(11, ask=("99.98", 1), bid=("99", 1))
        process.recorder.on_frame(LTCBTC, frame_of(unheard), service.clock.monotonic_ns())
        process.push(12, ("99.97", 1))
        await process.settle()

    report = await verified(service)

    assert (report.differences, report.splits, report.frames) == ((), 2, 3)


async def test_a_ledger_changed_between_sessions_is_a_difference(service: RecordedService) -> None:
    """A session begins with the ledger that the session before it left."""
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
        change(service, "UPDATE taken_liquidity SET quantity = '4'")
        await service.place(process, 1)

    report = await verified(service)

    assert sound.differences == ()
    assert [one.kind for one in report.differences] == [Kind.LEDGER]


async def test_the_ledger_after_a_crash_is_one_of_the_recorded_versions(
    service: RecordedService,
) -> None:
    """A level lost in `kill -9` would let its quantity be sold again."""
    await trade(service, is_killed=True)
    await trade(service, 9, update_id=11, is_killed=True)
    sound = await verified(service)
    change(service, "DELETE FROM taken_liquidity")
    await trade(service, 8, update_id=12)

    report = await verified(service)

    assert sound.differences == ()
    assert [one.kind for one in report.differences] == [Kind.LEDGER]


@pytest.mark.parametrize("all_is_durable", [True, False], ids=["durable", "not all durable"])
async def test_durable_results_survive_an_orderly_stop(
    service: RecordedService, *, all_is_durable: bool
) -> None:
    """A split or ledger missing at the next start is a difference, unless writing had failed."""
    await trade(service, 9, journal=GroupCommitJournal if all_is_durable else UnfinishedJournal)
    change(
        service,
        "DELETE FROM fulfilled_order_splits",
        "DELETE FROM taken_liquidity",
        "DELETE FROM order_events WHERE sequence > 1",
        "UPDATE orders SET status = 'NEW', splits_total = 0, last_sequence = 1,"
        " filled_quantity = '0', quote_quantity = '0'",
    )
    await resume(service, (11, ("99.99", 8)))

    report = await verified(service)

    assert kinds_in(report) == ({Kind.CARRIED, Kind.LEDGER} if all_is_durable else set())


# --- Faults of our own ----------------------------------------------------------------------------


async def test_a_quantity_that_the_matcher_sold_twice_is_found(
    service: RecordedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The derived fills differ; if the replay repeats the bug, the liquidity check finds it."""
    with monkeypatch.context() as bug:
        bug.setattr(LiquidityLedger, "available", lambda _self, _price, displayed: displayed)
        async with service.process() as process:
            for update_id in (10, 11):
                await service.place(process, 5)
                process.push(update_id, ("99.99", 5))
            await process.settle()
        repeated = await verified(service)

    report = await verified(service)

    assert Kind.EXTRA_SPLIT in kinds_in(report)
    assert kinds_in(repeated) == {Kind.SOLD_TWICE}


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


async def test_a_journal_that_stores_other_values_is_found(service: RecordedService) -> None:
    """The report names the order and the correct value."""
    order = await trade(service, displayed=3, journal=WrongJournal)

    report = await verified(service)

    (difference,) = report.differences
    assert (difference.kind, difference.order_id) == (Kind.QUANTITY, order.order_id)
    assert difference.recorded.startswith("3 at 99.99")
    assert difference.stored.startswith("0.5 at 99.99")


async def test_a_fill_after_the_deadline_is_found(
    service: RecordedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found even if the replayed matcher makes the same fill."""
    monkeypatch.setattr(SymbolMatcher, "expire", lambda _self, _now_ns: [])
    async with service.process() as process:
        order = await service.place(process, 5)
        service.clock.advance(31)
        process.push(10, ("99.99", 5))
        await process.settle()

    report = await verified(service)

    assert [(one.kind, one.order_id) for one in report.differences] == [(Kind.LATE, order.order_id)]


@pytest.mark.parametrize("is_new_file", [False, True], ids=["one file", "the next file"])
@pytest.mark.parametrize("is_known_before", [False, True], ids=["later", "before"])
async def test_a_fill_while_the_symbol_does_not_trade_is_found(
    service: RecordedService,
    *,
    is_known_before: bool,
    is_new_file: bool,
) -> None:
    """It is found although the replayed matcher, which was not held, makes the same fill."""
    async with service.process() as process:
        if is_known_before:
            process.recorder.on_status(LTCBTC, "HALT")
        order = await service.place(process, 5)
        process.recorder.on_status(LTCBTC, "HALT")
        if is_new_file:
            process.recorder._folder.file_bytes_max = 1
            service.clock.advance(1)
            await process.recorder.tick()
        process.push(10, ("99.99", 2))
        process.recorder.on_status(LTCBTC, "TRADING")
        process.push(11, ("99.99", 9))
        await process.settle()

    report = await verified(service)

    (difference,) = report.differences
    assert (difference.kind, difference.order_id) == (Kind.HALTED, order.order_id)
    assert (difference.recorded, difference.stored) == ("the venue's status was HALT", "2")


async def test_a_halt_that_is_obeyed_differs_in_nothing(service: RecordedService) -> None:
    """Orders rest through it, come to it, and are filled after it."""
    async with service.process() as process:
        await service.place(process, 5)
        process.halt()
        process.push(10, ("99.99", 2))
        await service.place(process, 5)
        process.push(11, ("99.99", 3))
        process.resume()
        process.push(12, ("99.99", 9))
        await process.settle()

    report = await verified(service)

    assert not report.differs
    assert report.splits == 3


# --- What cannot be read --------------------------------------------------------------------------


async def test_a_recording_of_another_database_is_refused(
    recorded: RecordedService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The stream ids differ."""
    other = RecordedService(tmp_path_factory.mktemp("other"))
    async with other.process():
        pass

    with pytest.raises(StartupError, match="is a recording of another database"):
        await verified(recorded, other.recordings)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("quotes.jsonl", StartupError, "is not a recording of the service"),
        ("empty", StartupError, "there is no recording in"),
        ("nothing", TapeError, "nothing"),
    ],
)
async def test_a_tape_without_orders_is_refused(
    recorded: RecordedService, tmp_path: Path, name: str, error: type[Exception], message: str
) -> None:
    """The file has quotes alone or does not exist, or the folder is empty."""
    (tmp_path / "quotes.jsonl").write_text('{"ts":1,"data":{"u":1}}\n')
    (tmp_path / "empty").mkdir()

    with pytest.raises(error, match=message):
        await verified(recorded, tmp_path / name)


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    """Change the text of a recording."""
    text = gzip.decompress(path.read_bytes())
    assert text.count(old) >= 1
    path.write_bytes(gzip.compress(text.replace(old, new, 1)))


async def test_an_unknown_note_is_refused(recorded: RecordedService) -> None:
    """The message names the file and the line."""
    file = recordings_in(recorded.recordings)[0]
    rewrite(file, b'"kind":"seed"', b'"kind":"weed"')

    with pytest.raises(TapeError, match=rf"{file.name}, line 4: not a note of a recording"):
        await verified(recorded)


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
    recorded: RecordedService, old: bytes, new: bytes, kinds: set[Kind]
) -> None:
    """It contradicts the database or itself."""
    rewrite(recordings_in(recorded.recordings)[0], old, new)

    report = await verified(recorded)

    assert kinds <= kinds_in(report)


@pytest.mark.parametrize("what", ["twice", "unmarked", "unmeant"])
async def test_a_repeated_or_deleted_line_is_found(recorded: RecordedService, what: str) -> None:
    """A note about the refusal follows each refused quote and no other."""
    file = recordings_in(recorded.recordings)[0]
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

    report = await verified(recorded)

    assert kinds_in(report) == {Kind.STATE}
    assert all(one.recorded != one.stored for one in report.differences)
