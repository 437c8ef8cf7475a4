"""The least service of this kind: FastAPI under uvicorn, one table of SQLAlchemy's in SQLite.

empty_service.py PORT DATABASE
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(f"sqlite+aiosqlite:///{sys.argv[2]}")
new_session = async_sessionmaker(engine)


class Table(DeclarativeBase):
    """The tables."""


class Order(Table):
    """The one table."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    symbol: Mapped[str]


@asynccontextmanager
async def lifespan(_application: FastAPI) -> AsyncIterator[None]:
    """Make the table before the first request."""
    async with engine.begin() as connection:
        await connection.run_sync(Table.metadata.create_all)
    yield
    await engine.dispose()


application = FastAPI(lifespan=lifespan)


@application.get("/readyz")
async def readyz() -> dict[str, int]:
    """Ask the database something."""
    async with new_session() as session:
        return {"orders": await session.scalar(select(func.count()).select_from(Order)) or 0}


if __name__ == "__main__":
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
