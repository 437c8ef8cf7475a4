"""What a database's error means: wait and try again, our own bug, or a wrong set-up."""

import sqlite3
from typing import Final

import asyncpg  # type: ignore[import-untyped] # it has no types
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.domain.errors import PapertapeError, StartupError
from app.storage.address import DatabaseAddress

_SQLSTATE_CLASSES_OF_BAD_ROWS: Final = frozenset({"21", "22", "23"})
"""PostgreSQL, Appendix A: cardinality violation, data exception, integrity constraint violation."""

_SQLITE_ERRORS_OF_BAD_ROWS: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""Refused rows, and values that cannot be bound."""

_NOT_WRITABLE: Final = "cannot be written; check the permissions of the file and its folder"
_SQLITE_ADVICE: Final = {
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; name another file in DATABASE_URL",
    sqlite3.SQLITE_BUSY: "is locked by another program; close it there and start again",
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
}


class OwnershipLostError(PapertapeError):
    """Another service took over the database: this one must not write any more."""

    code = "ownership_lost"

    def __init__(self, owner: str | None) -> None:
        self.owner = owner
        super().__init__(f"the database was taken over by {owner or 'another service'}")


class MaintenanceError(PapertapeError):
    """A database cannot be audited, pruned or backed up as asked; one line says why."""

    code = "maintenance"


DATABASE_ERRORS: Final = (SQLAlchemyError, OSError, asyncpg.PostgresError, sqlite3.Error)
"""Every error of the libraries: a server that cannot be reached raises a bare OSError, and a
connection that fails while it is set up raises the driver's error."""


def is_operational(error: BaseException) -> bool:
    """Whether the same write may pass later: locked, full, read-only, gone, restarting.

    The rest is our bug: rows that the database refuses, values it cannot store, code that raises.
    What a database says that is not about the rows counts as operational, even a missing table or
    permission, since no symbol is to blame and only an operator can help.
    """
    if isinstance(error, OSError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = _cause(error)
    if isinstance(cause, sqlite3.Error):
        return not isinstance(cause, _SQLITE_ERRORS_OF_BAD_ROWS)
    if isinstance(cause, asyncpg.PostgresError):
        return str(cause.sqlstate)[:2] not in _SQLSTATE_CLASSES_OF_BAD_ROWS
    # A value that asyncpg cannot encode is a ValueError.
    return isinstance(error, DBAPIError) and not isinstance(cause, ValueError)


def startup_error(address: DatabaseAddress, error: BaseException) -> StartupError:
    """Put into one line why a database cannot be used, and what to do."""
    cause = _cause(error)
    said = first_line(error)
    if isinstance(cause, OSError) and address.path is None:
        server = f"{address.url.host}:{address.url.port or 5432}"
        return StartupError(
            f"PostgreSQL at {server} cannot be reached ({said}); start it or correct DATABASE_URL"
        )
    advice = _SQLITE_ADVICE.get(getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_OK))
    if advice is not None:
        return StartupError(f"{address} {advice}")
    return StartupError(f"the database {address} cannot be used: {said}")


def first_line(error: BaseException) -> str:
    """Return what the database said, without the statement that it was told."""
    cause = _cause(error)
    return next(iter(str(cause).splitlines()), type(cause).__name__)


def _cause(error: BaseException) -> BaseException:
    return error.driver_exception if isinstance(error, DBAPIError) else error
