"""A journal whose writer waits, fails, or loses answers when the test asks for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import Connection

from app.storage.connections import Writer
from app.storage.database import Database, _StartState
from tests.support.databases import OWNER, VENUE, OpenStorage, run_storage
from tests.support.waiting import WAIT_SECONDS_MAX

_Result = TypeVar("_Result")


class FaultyWriter(Writer):
    """A real writer that can wait before a transaction, fail, or lose the answer of COMMIT."""

    def __init__(self, inner: Writer) -> None:
        self.may_begin = asyncio.Event()
        self.may_begin.set()
        self.is_waiting = False
        self.answers_to_lose = 0
        self.connections_to_lose = 0
        self.transactions = 0
        self._inner = inner

    async def transact(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run the transaction with the requested faults."""
        self.is_waiting = True
        await self.may_begin.wait()
        self.is_waiting = False
        if self.connections_to_lose:
            self.connections_to_lose -= 1
            raise ConnectionRefusedError("no connection to begin with")
        result = await self._inner.transact(work)
        self.transactions += 1
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise ConnectionResetError("the answer to COMMIT is lost")
        return result

    async def close(self) -> None:
        """Close the inner writer."""
        await self._inner.close()


@asynccontextmanager
async def faulty_storage(
    url: str, *, answer_seconds_max: float = WAIT_SECONDS_MAX
) -> AsyncIterator[tuple[FaultyWriter, OpenStorage]]:
    """Run a journal with a faulty writer."""
    database = await Database.open(url, venue=VENUE, owner=OWNER)
    writer = FaultyWriter(database._writer)
    faulty = Database(
        writer=writer,
        readers=database._readers,
        lock=database._lock,
        start_state=_StartState(
            epoch=database.epoch,
            last_acceptance_number=database.last_acceptance_number,
            last_position=database.last_position,
            newest_open_at=database.newest_open_at,
            stream_id=database.stream_id,
        ),
    )
    async with run_storage(faulty, answer_seconds_max=answer_seconds_max) as storage:
        yield writer, storage
