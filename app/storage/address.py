"""The address of a database: the URL from the settings, parsed and checked once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.domain.errors import StartupError

SQLITE_SCHEME: Final = "sqlite+aiosqlite"
POSTGRESQL_SCHEME: Final = "postgresql+asyncpg"

_IN_MEMORY_SIGNS: Final = (":memory:", "file:")
"""The beginnings of names that SQLite does not take for a plain file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAddress:
    """The address of a database.

    Attributes:
        url: The URL for SQLAlchemy.
        path: The file of an SQLite database, None for PostgreSQL.
    """

    url: URL
    path: Path | None

    @classmethod
    def parse(cls, text: str) -> "DatabaseAddress":
        """Parse a URL.

        Raises:
            StartupError: the text is not a URL, or names another kind of database or one in memory.
        """
        try:
            url = make_url(text)
        except ArgumentError:
            # The message does not repeat the text, which may hold a password.
            raise StartupError(
                f"DATABASE_URL is not a URL; write {SQLITE_SCHEME}:///database.db"
            ) from None
        if url.drivername == POSTGRESQL_SCHEME:
            return cls(url=url, path=None)
        if url.drivername != SQLITE_SCHEME:
            message = (
                f"DATABASE_URL begins with {url.drivername}, which is not supported; "
                f"use {SQLITE_SCHEME} or {POSTGRESQL_SCHEME}"
            )
            raise StartupError(message)
        name = url.database or ""
        if not name or name.startswith(_IN_MEMORY_SIGNS):
            message = (
                "DATABASE_URL names a database in memory, which would lose every order; "
                f"name a file, as in {SQLITE_SCHEME}:///database.db"
            )
            raise StartupError(message)
        path = Path(name).resolve()
        return cls(url=url.set(database=str(path)), path=path)

    @classmethod
    def of_file(cls, path: Path) -> "DatabaseAddress":
        """Return the address of an SQLite file."""
        path = path.resolve()
        return cls(url=URL.create(SQLITE_SCHEME, database=str(path)), path=path)

    def __str__(self) -> str:
        """Return the database's name for messages, without its password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    def check_place(self) -> None:
        """Check that the path is an SQLite file, or that one can be created there.

        Raises:
            StartupError: neither holds; the message says why.
        """
        if self.path is None:
            return
        if not self.path.parent.is_dir():
            message = f"there is no folder {self.path.parent} for the database; make it first"
            raise StartupError(message)
        if self.path.exists() and not self.path.is_file():
            raise StartupError(f"{self.path} is not a file; name another one in DATABASE_URL")
