"""SQLAlchemy's asynchronous engines, which PostgreSQL needs; SQLite is served from threads.

They bring the ORM along, which nobody here uses: a quarter of a second of a start and some 7 MB. So
they are imported when the first one is made.
"""

from typing import TYPE_CHECKING

from app.storage.address import DatabaseAddress

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


def make_async_engine(address: DatabaseAddress, **options: object) -> "AsyncEngine":
    """Make an engine with the options of SQLAlchemy's ``create_async_engine``."""
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - see above

    return create_async_engine(address.url, **options)
