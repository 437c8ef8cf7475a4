"""The route of an order on the service's own server, with nothing behind it.

accept_floor.py PORT DATABASE

It checks the body as FastAPI does, and always gives the same answer. It uses no database.
"""

import sys
from decimal import Decimal
from http import HTTPStatus
from typing import Final

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from app.api.server.http_protocol import BoundedHttpProtocol
from app.event_loop import run

_ANSWER: Final = {"message": "Order accepted, not finished", "status": "NEW", "padding": "x" * 450}
"""About as long as the service's own answer."""

application = FastAPI()


class LimitOrder(BaseModel):
    """A request's body."""

    symbol: str
    order_size: Decimal
    price: Decimal
    timeout_seconds: int


@application.post("/order/limit", status_code=HTTPStatus.ACCEPTED)
async def place(_order: LimitOrder) -> JSONResponse:
    """Answer as if the order were accepted."""
    return JSONResponse(_ANSWER, status_code=HTTPStatus.ACCEPTED)


if __name__ == "__main__":
    settings = uvicorn.Config(
        application,
        port=int(sys.argv[1]),
        http=BoundedHttpProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    run(uvicorn.Server(settings).serve())
