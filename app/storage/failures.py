"""Sorts the errors of a database: retry, our own bug, or a wrong configuration."""

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
"""SQLite refuses the row, or the driver cannot bind a value."""

_NOT_WRITABLE: Final = "cannot be written; check the permissions of the file and its folder"
_SQLITE_ADVICE: Final = {
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; name another file in DATABASE_URL",
    sqlite3.SQLITE_BUSY: "is locked by another program; close it there and start again",
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
}


class OwnershipLostError(PapertapeError):
    """Another service took over the database: this service must not write any more."""

    code = "ownership_lost"

    def __init__(self, owner: str | None) -> None:
        self.owner = owner
        super().__init__(f"the database was taken over by {owner or 'another service'}")


class MaintenanceError(PapertapeError):
    """A database cannot be audited, pruned or backed up; the message is one line."""

    code = "maintenance"


DATABASE_ERRORS: Final = (SQLAlchemyError, OSError, asyncpg.PostgresError, sqlite3.Error)
"""Every error of the libraries.

An unreachable server raises a bare OSError. A connection that fails during its set-up raises the
error of the driver.
"""


def is_operational(error: BaseException) -> bool:
    """Whether the same write may succeed later: locked, full, read-only, deleted, restarting.

    All other errors are our bug: the database refuses a row, cannot store a value, or code raises.
    An error that does not concern the rows is operational, even a missing table or permission: no
    symbol caused it, and only an operator can correct it.
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
    # asyncpg raises a ValueError for a value that it cannot encode: our bug.
    return isinstance(error, DBAPIError) and not isinstance(cause, ValueError)


def startup_error(address: DatabaseAddress, error: BaseException) -> StartupError:
    """Return the error whose one line says why a database cannot be used, and what to do."""
    cause = _cause(error)
    reason = first_line(error)
    if isinstance(cause, OSError) and address.path is None:
        server = f"{address.url.host}:{address.url.port or 5432}"
        return StartupError(
            f"PostgreSQL at {server} cannot be reached ({reason}); start it or correct DATABASE_URL"
        )
    advice = _SQLITE_ADVICE.get(sqlite_code(error) or sqlite3.SQLITE_OK)
    if advice is not None:
        return StartupError(f"{address} {advice}")
    return StartupError(f"the database {address} cannot be used: {reason}")


def first_line(error: BaseException) -> str:
    """Return the first line of the database's message, without the statement."""
    cause = _cause(error)
    return next(iter(str(cause).splitlines()), type(cause).__name__)


def sqlite_code(error: BaseException) -> int | None:
    """Return SQLite's code of an error of SQLAlchemy or of the driver, None for any other error."""
    code: int | None = getattr(_cause(error), "sqlite_errorcode", None)
    return code


def _cause(error: BaseException) -> BaseException:
    return error.driver_exception if isinstance(error, DBAPIError) else error
