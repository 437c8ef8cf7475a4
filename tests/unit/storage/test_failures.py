"""How the errors of a database are sorted."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from app.storage.address import DatabaseAddress
from app.storage.connections import Writer
from app.storage.failures import OwnershipLostError, is_operational, startup_error
from tests.support.databases import scratch_postgresql

POSTGRESQL = DatabaseAddress.parse("postgresql+asyncpg://me:secret@db.example/papertape")


def error_of(statement: str, **values: object) -> DBAPIError:
    """Return SQLite's error for a statement."""
    # Without a pool the connection is closed at the end; Python 3.13 warns of one left open.
    with create_engine("sqlite://", poolclass=NullPool).connect() as connection:
        connection.execute(text("CREATE TABLE things (a INTEGER PRIMARY KEY CHECK (a > 0))"))
        with pytest.raises(DBAPIError) as caught:
            connection.execute(text(statement), values)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.CannotConnectNowError("starting up"),
        error_of("ATTACH '/nowhere/at/all.db' AS nowhere"),
        error_of("INSERT INTO missing VALUES (1)"),
    ],
    ids=repr,
)
def test_trouble_of_the_database_may_pass(error: Exception) -> None:
    """An error that does not concern the rows is operational."""
    assert is_operational(error)


@pytest.mark.parametrize(
    "error",
    [
        error_of("INSERT INTO things VALUES (0)"),
        error_of("INSERT INTO things VALUES (:a)", a=object()),
        AssertionError("our own"),
        OverflowError("too large"),
        InvalidRequestError("wrong use of the library"),
        OwnershipLostError(None),
    ],
    ids=repr,
)
def test_a_bad_row_stays_bad(error: Exception) -> None:
    """A refused row is not operational: a retry would fail again."""
    assert not is_operational(error)


async def test_postgresql_tells_by_its_codes() -> None:
    """On PostgreSQL the class of the SQLSTATE decides."""
    cases = {
        "SELECT 1 / 0": False,
        "SELECT 'x'::bigint": False,
        "INSERT INTO pg_class (oid) VALUES (NULL)": False,
        "SELECT * FROM missing": True,
        "SET TRANSACTION READ ONLY; CREATE TABLE a (b int)": True,
        "SELECT pg_terminate_backend(pg_backend_pid())": True,
    }
    found = {}
    async with scratch_postgresql() as url:
        writer = Writer(DatabaseAddress.parse(url))
        for statement in cases:
            with pytest.raises(DBAPIError) as caught:
                await writer.transact(partial(Connection.exec_driver_sql, statement=statement))
            found[statement] = is_operational(caught.value)

    assert found == cases


def test_a_server_that_cannot_be_reached_is_named() -> None:
    """The message names host and port, without the password."""
    message = str(startup_error(POSTGRESQL, ConnectionRefusedError(111, "Connection refused")))

    assert message == (
        "PostgreSQL at db.example:5432 cannot be reached ([Errno 111] Connection refused); "
        "start it or correct DATABASE_URL"
    )


def test_a_file_that_another_program_locks_is_named(tmp_path: Path) -> None:
    """The message says that another program locks the file; its name is unknown."""
    address = DatabaseAddress.parse(f"sqlite+aiosqlite:///{tmp_path}/a.db")
    with (
        closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as holding,
        closing(sqlite3.connect(tmp_path / "a.db", timeout=0)) as waiting,
    ):
        holding.execute("BEGIN EXCLUSIVE")

        with pytest.raises(sqlite3.OperationalError) as caught:
            waiting.execute("CREATE TABLE a (b)")

    message = str(startup_error(address, caught.value))
    assert message.endswith("a.db is locked by another program; close it there and start again")


def test_any_other_error_is_one_line(tmp_path: Path) -> None:
    """Any other message is the database's first line, or at least the type of the error."""
    address = DatabaseAddress.parse(f"sqlite+aiosqlite:///{tmp_path}/a.db")

    assert str(startup_error(address, sqlite3.OperationalError("no\nway"))).endswith("used: no")
    assert str(startup_error(address, OSError("file is gone"))).endswith("used: file is gone")
    assert "(TimeoutError); start it" in str(startup_error(POSTGRESQL, TimeoutError()))
