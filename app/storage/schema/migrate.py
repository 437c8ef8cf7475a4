"""Migrates a database to the newest schema, safely when several processes start at once.

The first process holds a lock until the schema is complete. On SQLite this is the write lock of
BEGIN IMMEDIATE, on PostgreSQL an advisory lock that ends with the transaction. All steps run in one
transaction, so a crash leaves the database unchanged.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Text, column, func, inspect, select, table, text

from app.domain.errors import StartupError
from app.storage.address import DatabaseAddress
from app.storage.connections import writing_engine
from app.storage.failures import DATABASE_ERRORS, startup_error

LOCK_SECONDS_MAX: Final = 10
"""How long a process waits while another one migrates, before it fails with a message."""

_POSTGRESQL_LOCK: Final = 0x7061706572_01
"""The key of our advisory lock for migrations; any number that no other program uses."""

_VERSION_TABLE: Final = table("alembic_version", column("version_num", Text))

_IN_THE_WHEEL: Final = Path(__file__).parents[1] / "migrations"
_IN_THE_REPOSITORY: Final = Path(__file__).parents[3] / "migrations"


async def migrate(url: str) -> str:
    """Migrate the database to the newest revision and return that revision.

    Raises:
        StartupError: the database cannot be used as it is; the message says what to do.
    """
    address = DatabaseAddress.parse(url)
    address.check_place()
    try:
        engine = writing_engine(
            address, may_create=True, busy_seconds=LOCK_SECONDS_MAX, command_seconds=None
        )
        async with engine.begin() as connection:
            return await connection.run_sync(_upgrade, address)
    except DATABASE_ERRORS as error:
        raise startup_error(address, error) from error


def check_revision(connection: Connection, address: DatabaseAddress) -> None:
    """Check that the schema is of this release, without changing it.

    Raises:
        StartupError: the schema is of another release; the message says what to do.
    """
    present = _present_revision(connection)
    if present is None:
        raise StartupError(f"{address} holds no orders of Papertape; name another database")
    known = revisions()
    if present not in known:
        raise _of_a_newer_release(address, present)
    if present != known[-1]:
        message = (
            f"the database {address} is of an older release (revision {present}); "
            "bring it up to date with: papertape migrate"
        )
        raise StartupError(message)


def revisions() -> list[str]:
    """Return the revisions of this release in order: the dates in the names of the files."""
    files = (migrations_folder() / "versions").glob("[0-9]*_*.py")
    return sorted(file.name.split("_", 1)[0] for file in files)


def migrations_folder() -> Path:
    """Return the folder of the migrations: in the installed package, else in the repository."""
    return _IN_THE_WHEEL if _IN_THE_WHEEL.is_dir() else _IN_THE_REPOSITORY


def _upgrade(connection: Connection, address: DatabaseAddress) -> str:
    """Run the missing steps in the transaction of the connection."""
    if address.path is None:
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS_MAX}s'"))
        connection.execute(select(func.pg_advisory_xact_lock(_POSTGRESQL_LOCK)))
    known = revisions()
    present = _present_revision(connection)
    if present is not None and present not in known:
        raise _of_a_newer_release(address, present)
    if present != known[-1]:
        _run_steps(connection)
    return known[-1]


def _present_revision(connection: Connection) -> str | None:
    """Return the revision stored by Alembic, None in a database without one."""
    if not inspect(connection).has_table(_VERSION_TABLE.name):
        return None
    return connection.scalar(select(_VERSION_TABLE.c.version_num))


def _run_steps(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, rarely needed
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _of_a_newer_release(address: DatabaseAddress, revision: str) -> StartupError:
    return StartupError(
        f"the database {address} is of a newer release (revision {revision}); "
        "run that release, or name another database in DATABASE_URL"
    )
