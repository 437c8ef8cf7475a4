"""A recording service on a real database and files; the test controls feed and clock."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

from app.domain.amounts import format_amount
from app.domain.order import (
    PUBLIC,
    NewOrder,
    Order,
    OrderId,
    Owner,
    Side,
    Symbol,
    TimeInForce,
)
from app.domain.order_counts import OpenOrderLimits
from app.domain.quote import Quote
from app.domain.rules import TRADING
from app.fulfillment.desk import FulfillmentDesk
from app.notify.announcements import Announcements
from app.recording.service.recorder import RecordedDatabase, Recorder
from app.recording.service.recording_folder import RecordingFolder
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.queries import StoredOrders
from tests.support.builders import LTCBTC, Amount, make_quote
from tests.support.databases import OWNER, VENUE, place_migrated_sqlite, sqlite_url
from tests.support.hand_driven import HandClock, HandFeed
from tests.support.waiting import eventually

LIMITS: Final = OpenOrderLimits(total=10_000, per_owner=10_000, per_symbol=10_000)


def frame_of(quote: Quote) -> bytes:
    """Return the frame of a quote."""
    amounts = (quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity)
    texts = ",".join(
        f'"{key}":"{format_amount(amount)}"' for key, amount in zip("bBaA", amounts, strict=True)
    )
    return f'{{"u":{quote.update_id},"s":"{quote.symbol}",{texts}}}'.encode()


def break_disk(recorder: Recorder) -> None:
    """Make every further write to a recorder's current file fail with a full disk."""
    writer = recorder._writer
    assert writer is not None, "it records"
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._file.fileno())
    os.close(full)


class RecordedProcess:
    """One process of the service."""

    def __init__(
        self,
        database: Database,
        recorder: Recorder,
        clock: HandClock,
        journal: GroupCommitJournal,
    ) -> None:
        self.database = database
        self.recorder = recorder
        self.feed = HandFeed()
        self.journal = journal
        self.is_trading = True
        self._clock = clock
        self.desk = FulfillmentDesk(
            feed=self.feed,
            journal=self.journal,
            store=StoredOrders(database, self.journal),
            bus=Announcements(),
            clock=clock,
            is_trading=lambda _symbol: self.is_trading,
            limits=LIMITS,
            matchers=recorder,
        )
        self._tasks = [
            asyncio.create_task(self.journal.run(self.desk)),
            asyncio.create_task(self.desk.run()),
        ]

    def push(
        self,
        update_id: int,
        ask: tuple[Amount, Amount],
        *,
        bid: tuple[Amount, Amount] = ("99", 1),
        symbol: Symbol = LTCBTC,
    ) -> None:
        """Deliver a frame."""
        received_ns = self._clock.monotonic_ns()
        quote = make_quote(update_id, ask=ask, bid=bid, symbol=symbol, received_ns=received_ns)
        assert quote.malformation is None, "the feed would drop it"
        self.recorder.on_frame(symbol, frame_of(quote), received_ns)
        if symbol in self.feed.listeners:
            self.feed.push(quote)

    def seed(
        self, update_id: int, ask: tuple[Amount, Amount], bid: tuple[Amount, Amount] = ("99", 1)
    ) -> bool:
        """Deliver a depth snapshot."""
        received_ns = self._clock.monotonic_ns()
        quote = make_quote(update_id, ask=ask, bid=bid, received_ns=received_ns)
        assert quote.malformation is None, "the feed would refuse it"
        self.recorder.on_seed(quote)
        return self.feed.seed(quote)

    def halt(self) -> None:
        """Halt trading in all symbols."""
        self.recorder.on_status(LTCBTC, "BREAK")
        self.is_trading = False
        self.desk.on_rules()

    def resume(self) -> None:
        """Resume trading in all symbols."""
        self.recorder.on_status(LTCBTC, TRADING)
        self.is_trading = True
        self.desk.on_rules()

    def lose_connection(self) -> None:
        """Lose the connection."""
        self.recorder.on_connection("lost", "by the test")
        self.feed.interrupt()

    async def settle(self) -> None:
        """Wait until everything is durable."""
        await self.journal.settle()

    async def stop(self) -> None:
        """Stop as the composition root does."""
        self.desk.stop()
        self._tasks[1].cancel()
        await self.journal.close()
        self.recorder.is_all_durable = self.journal.has_written_all
        self.recorder.close()
        await self._gone()

    async def crash(self) -> None:
        """End as ``kill -9`` does: queued writes and unflushed lines are lost."""
        for task in self._tasks:
            task.cancel()
        writer, self.recorder._writer = self.recorder._writer, None
        if writer is not None:
            writer._file.close()
        await self._gone()

    def break_disk(self) -> None:
        """Make every further write to the current file fail with a full disk."""
        break_disk(self.recorder)

    async def _gone(self) -> None:
        await asyncio.wait(self._tasks)
        await self.database.close()


class RecordedService:
    """Successive processes on one database and one folder of recordings."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "papertape.db"
        self.recordings = folder / "recordings"
        self.clock = HandClock()
        self.file_bytes_max = 1_000_000
        self.total_bytes_max = 10_000_000
        self._numbers = itertools.count(1)

    @contextlib.asynccontextmanager
    async def process(
        self,
        *,
        is_killed: bool = False,
        journal: Callable[[Database], GroupCommitJournal] = GroupCommitJournal,
    ) -> AsyncIterator[RecordedProcess]:
        """Run a process, which stops cleanly at the end unless it ``is_killed``."""
        self.clock.advance(1)  # the next file has another name
        place_migrated_sqlite(self.path)
        database = await Database.open(sqlite_url(self.path), venue=VENUE, owner=OWNER)
        folder = RecordingFolder(
            self.recordings,
            file_bytes_max=self.file_bytes_max,
            total_bytes_max=self.total_bytes_max,
        )
        of = RecordedDatabase(
            stream_id=database.stream_id,
            epoch=database.epoch,
            acceptance_number=database.last_acceptance_number,
        )
        recorder = Recorder(folder, of, clock=self.clock, version="0")
        recorder.start()
        process = RecordedProcess(database, recorder, self.clock, journal(database))
        await eventually(lambda: process.desk.is_recovered)
        try:
            yield process
        finally:
            await (process.crash() if is_killed else process.stop())

    async def place(
        self,
        process: RecordedProcess,
        quantity: Amount,
        *,
        limit_price: Amount = 100,
        side: Side = Side.BUY,
        symbol: Symbol = LTCBTC,
        owner: Owner = PUBLIC,
        time_in_force: TimeInForce = TimeInForce.GTD,
        timeout_seconds: int = 30,
    ) -> Order:
        """Place an order and wait until its matcher has it."""
        number = next(self._numbers)
        order = await process.desk.place(
            OrderId(f"00000000-0000-7000-8000-{number:012d}"),
            NewOrder(
                owner=owner,
                client_order_id=None,
                symbol=symbol,
                side=side,
                time_in_force=time_in_force,
                quantity=Decimal(quantity),
                limit_price=Decimal(limit_price),
                timeout_seconds=Decimal(timeout_seconds),
            ),
        )
        await eventually(lambda: symbol in process.feed.listeners)
        return order
