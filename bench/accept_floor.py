"""The same web framework with nothing, or the usual, behind the same route: what an accept costs.

accept_floor.py PORT DATABASE WHAT SERVER

WHAT is ``empty``, which answers always the same, or ``session``, which commits a row with an
``AsyncSession`` of SQLAlchemy per request. SERVER is ``ours``, uvicorn as the service sets it up,
or ``standard``, uvicorn with what comes by default.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry

from app.api.server.http_protocol import BoundedHttpProtocol
from app.event_loop import run

_ANSWER: Final[dict[str, object]] = {
    "message": "Order accepted, not finished",
    "order_id": "0199c0de-0000-7000-8000-000000000000",
    "client_order_id": None,
    "symbol": "LTCBTC",
    "side": "BUY",
    "time_in_force": "GTD",
    "order_size": "1",
    "price": "0.5",
    "status": "NEW",
    "reason": None,
    "filled_quantity": "0",
    "remaining_quantity": "1",
    "quote_quantity": "0",
    "average_price": None,
    "accepted_at": "2026-11-25T08:00:00.000000Z",
    "expires_at": "2026-11-25T08:00:05.000000Z",
    "closed_at": None,
    "splits": [],
    "splits_total": 0,
}


class LimitOrder(BaseModel):
    """A request's body."""

    symbol: str
    order_size: Decimal
    price: Decimal
    timeout_seconds: int


class _Table(DeclarativeBase):
    pass


class _Order(_Table):
    __tablename__ = "orders"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str]
    quantity: Mapped[str]
    limit_price: Mapped[str]


def _empty() -> FastAPI:
    application = FastAPI()

    @application.post("/order/limit", status_code=HTTPStatus.ACCEPTED)
    async def place(_order: LimitOrder) -> JSONResponse:
        return JSONResponse(_ANSWER, status_code=HTTPStatus.ACCEPTED)

    return application


def _session(database: str) -> FastAPI:
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
    _as_durable_as_ours(engine)
    new_session = async_sessionmaker(engine)

    @asynccontextmanager
    async def lifespan(_application: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(_Table.metadata.create_all)
        yield
        await engine.dispose()

    application = FastAPI(lifespan=lifespan)

    @application.post("/order/limit", status_code=HTTPStatus.ACCEPTED)
    async def place(order: LimitOrder) -> JSONResponse:
        row = _Order(
            order_id=str(uuid4()),
            symbol=order.symbol,
            quantity=str(order.order_size),
            limit_price=str(order.price),
        )
        async with new_session() as session:
            session.add(row)
            await session.commit()
        return JSONResponse(_ANSWER, status_code=HTTPStatus.ACCEPTED)

    return application


def _as_durable_as_ours(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=60000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _server(application: FastAPI, port: int, kind: str) -> uvicorn.Server:
    if kind == "ours":
        return uvicorn.Server(
            uvicorn.Config(
                application,
                port=port,
                http=BoundedHttpProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
    return uvicorn.Server(
        uvicorn.Config(
            application, port=port, http="httptools", log_level="warning", access_log=False
        )
    )


if __name__ == "__main__":
    _, _port, _database, _what, _kind = sys.argv
    run(_server(_empty() if _what == "empty" else _session(_database), int(_port), _kind).serve())
