"""The usual service of FastAPI and SQLAlchemy: one table in SQLite, and a session per request.

session_service.py PORT DATABASE

A commit is as durable as the service's own. The answer to an order has about the same length.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(f"sqlite+aiosqlite:///{sys.argv[2]}")
new_session = async_sessionmaker(engine)
ANSWER = {"message": "Order accepted, not finished", "status": "NEW", "padding": "x" * 450}


@event.listens_for(engine.sync_engine, "connect")
def configure(connection: Any, _entry: object) -> None:  # noqa: ANN401 - the driver's own
    """Wait for the disk at each commit."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=60000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Table(DeclarativeBase):
    """The tables."""


class Order(Table):
    """The one table."""

    __tablename__ = "orders"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    quantity: Mapped[str]
    limit_price: Mapped[str]


class LimitOrder(BaseModel):
    """A request's body."""

    symbol: str
    order_size: Decimal
    price: Decimal
    timeout_seconds: int


@asynccontextmanager
async def lifespan(_application: FastAPI) -> AsyncIterator[None]:
    """Create the table before the first request."""
    async with engine.begin() as connection:
        await connection.run_sync(Table.metadata.create_all)
    yield
    await engine.dispose()


application = FastAPI(lifespan=lifespan)


@application.get("/readyz")
async def readyz() -> dict[str, int]:
    """Count the rows."""
    async with new_session() as session:
        return {"orders": await session.scalar(select(func.count()).select_from(Order)) or 0}


@application.post("/order/limit", status_code=202)
async def place(order: LimitOrder) -> dict[str, str]:
    """Commit a row."""
    row = Order(
        order_id=str(uuid4()),
        symbol=order.symbol,
        quantity=str(order.order_size),
        limit_price=str(order.price),
    )
    async with new_session() as session:
        session.add(row)
        await session.commit()
    return ANSWER


if __name__ == "__main__":
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
    )
