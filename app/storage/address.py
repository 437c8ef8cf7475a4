"""Where a database is: the URL of the settings, taken apart and checked once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.domain.errors import StartupError

SQLITE_SCHEME: Final = "sqlite+aiosqlite"
POSTGRESQL_SCHEME: Final = "postgresql+asyncpg"

_IN_MEMORY_SIGNS: Final = (":memory:", "file:")
"""SQLite's names for what is no plain file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAddress:
    """A database we can open; ``path`` is the file of an SQLite database, None for PostgreSQL."""

    url: URL
    path: Path | None

    @classmethod
    def parse(cls, text: str) -> "DatabaseAddress":
        """Take a URL apart.

        Raises:
            StartupError: not a URL, another kind of database, or a database in memory.
        """
        try:
            url = make_url(text)
        except ArgumentError:
            # The text is not repeated: it may hold a password.
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
        """Name an SQLite file by its path."""
        path = path.resolve()
        return cls(url=URL.create(SQLITE_SCHEME, database=str(path)), path=path)

    def __str__(self) -> str:
        """Name the database for people, without its password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    def check_place(self) -> None:
        """See that an SQLite file is or can be where it is meant to be.

        Raises:
            StartupError: it cannot, and why.
        """
        if self.path is None:
            return
        if not self.path.parent.is_dir():
            message = f"there is no folder {self.path.parent} for the database; make it first"
            raise StartupError(message)
        if self.path.exists() and not self.path.is_file():
            raise StartupError(f"{self.path} is not a file; name another one in DATABASE_URL")
