"""A small service with the wire contract over real sockets, whose failures the test controls.

It has no market: the test fills the orders. Each planned failure happens once, in the planned
order.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.cli.client.retries import RetryPolicy
from app.cli.client.service_address import ServiceAddress
from app.domain.amounts import EXACT, format_amount
from tests.support.serving import serving

QUICK: Final = RetryPolicy(
    attempts_max=3,
    pause_seconds_first=0.001,
    pause_seconds_max=0.001,
    retry_after_seconds_max=0.001,
    poll_seconds=0.001,
)
"""Fewer retries than usual, without pauses."""

AT: Final = "2026-03-01T12:00:00.000000Z"
CLOSED: Final = ("FILLED", "CANCELED", "EXPIRED")


def problem(
    status: int,
    code: str,
    detail: str = "no",
    *,
    retry_after: str | None = None,
    **members: Any,  # noqa: ANN401 - any JSON
) -> Response:
    """Return an error response."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return JSONResponse(
        {"code": code, "title": code, "status": status, "detail": detail, **members},
        status_code=status,
        headers=headers,
        media_type="application/problem+json",
    )


class LostAnswer(Response):
    """An answer whose connection is cut after the headers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the headers without a body, so that uvicorn cuts the connection."""
        headers = [(b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class HangingAnswer(Response):
    """An answer that is never sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Wait until the client disconnects."""
        while (await receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAnswer:
    """The answer to a request; with ``does_work`` the request takes effect, too."""

    answer: Response
    does_work: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedClose:
    """The end of a stream after some events, with an optional error before the close.

    With a ``refusal`` the handshake is refused.
    """

    after_events: int = 0
    code: int | None = None
    reason: str = ""
    error: str | None = None
    refusal: Response | None = None


@dataclass(slots=True)
class FakeService:
    """Orders, their events, and the requests received."""

    on_accepted: Callable[[str], None] = lambda _order_id: None
    key: str | None = None
    page_limit: int = 1_000
    greeting: str = '{"type": "greeting"}'
    """A message that a newer service might send; a client has to ignore it."""
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    planned: dict[str, deque[PlannedAnswer]] = field(default_factory=dict)
    planned_streams: deque[PlannedClose] = field(default_factory=deque)
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    unheard: set[str] = field(default_factory=set)
    """Positions that streams skip, which a real service never does."""
    url: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> ServiceAddress:
        """The address for a client with the right key."""
        return ServiceAddress(url=self.url, key=self.key)

    def plan(self, operation: str, *answers: PlannedAnswer) -> None:
        """Answer the next requests of an operation, such as ``POST /order``, with these answers."""
        self.planned.setdefault(operation, deque()).extend(answers)

    def accept(self, body: Mapping[str, str]) -> dict[str, Any]:
        """Accept an order."""
        order_id = f"0199c0de-0000-7000-8000-{len(self.orders) + 1:012}"
        self.orders[order_id] = {
            "order_id": order_id,
            "client_order_id": body.get("client_order_id"),
            "symbol": body["symbol"],
            "side": body.get("side", "BUY"),
            "time_in_force": body.get("time_in_force", "GTD"),
            "order_size": body["order_size"],
            "price": body["price"],
            "status": "NEW",
            "reason": None,
            "filled_quantity": "0",
            "remaining_quantity": body["order_size"],
            "quote_quantity": "0",
            "average_price": None,
            "accepted_at": AT,
            "expires_at": AT,
            "closed_at": None,
            "splits": [],
            "splits_total": 0,
        }
        self._happen(order_id, None)
        self.on_accepted(order_id)
        return self.orders[order_id]

    def fill(self, order_id: str, quantity: str, price: str) -> None:
        """Fill a part of an order; the last part closes it."""
        order = self.orders[order_id]
        filled = EXACT.add(Decimal(order["filled_quantity"]), Decimal(quantity))
        cost = EXACT.multiply(Decimal(quantity), Decimal(price))
        quote_quantity = EXACT.add(Decimal(order["quote_quantity"]), cost)
        order["filled_quantity"] = format_amount(filled)
        order["quote_quantity"] = format_amount(quote_quantity)
        order["average_price"] = price
        order["remaining_quantity"] = format_amount(
            EXACT.subtract(Decimal(order["order_size"]), filled)
        )
        split = {"update_id": len(self.events), "price": price, "quantity": quantity}
        order["splits"].append({**split, "filled_at": AT})
        order["splits_total"] += 1
        is_filled = order["remaining_quantity"] == "0"
        order["status"] = "FILLED" if is_filled else "PARTIALLY_FILLED"
        if is_filled:
            order["closed_at"] = AT
        self._happen(order_id, {**split, "split_number": order["splits_total"]})

    def close(self, order_id: str, status: str, reason: str) -> None:
        """End an order without filling it."""
        self.orders[order_id] |= {"status": status, "reason": reason, "closed_at": AT}
        self._happen(order_id, None)

    def _happen(self, order_id: str, split: dict[str, Any] | None) -> None:
        order = self.orders[order_id]
        shared = (
            *("order_id", "client_order_id", "symbol", "side", "order_size", "price", "status"),
            *("reason", "filled_quantity", "remaining_quantity", "quote_quantity"),
        )
        self.events.append(
            {
                "type": "event",
                "position": f"p{len(self.events) + 1}",
                **{name: order[name] for name in shared},
                "sequence": 1 + sum(1 for one in self.events if one["order_id"] == order_id),
                "at": AT,
                "split": split,
            }
        )
        self._changed.set()
        self._changed = asyncio.Event()

    def view(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Return an order in the form of GET."""
        is_closed = order["status"] in CLOSED
        market = {
            "obstacle": "price_not_reached",
            "explanation": "the best ask is above the limit",
            "best_price": "0.0027",
            "distance": "0.0001",
            "displayed_quantity": "12",
            "taken_quantity": "2",
            "quote_age_milliseconds": 40,
            "update_id": 7,
            "feed": {"status": "connected", "cause": None, "since": AT},
        }
        execution = {
            "arrival_update_id": 7,
            "arrival_price": "0.0025",
            "slippage": "0.00001" if order["splits"] else None,
            "improvement": "0.00009" if order["splits"] else None,
            "first_fill_milliseconds": 3 if order["splits"] else None,
            "last_fill_milliseconds": 9 if order["splits"] else None,
            "quotes_seen": 5,
            "decision": None,
        }
        return {
            **order,
            "splits": order["splits"][: self.page_limit],
            "market": None if is_closed else market,
            "execution": execution if is_closed else None,
        }

    def application(self) -> Starlette:
        """Make the application."""
        return Starlette(
            routes=[
                Route("/order/limit", self._place, methods=["POST"]),
                Route("/order/{order_id}", self._show, methods=["GET"]),
                Route("/order/{order_id}", self._cancel, methods=["DELETE"]),
                Route("/order/{order_id}/splits", self._list_splits),
                Route("/order/{order_id}/events", self._list_events),
                Route("/orders", self._list_orders, methods=["GET"]),
                Route("/orders", self._cancel_all, methods=["DELETE"]),
                WebSocketRoute("/ws/orders", self._stream),
            ]
        )

    def _planned(self, operation: str, request: Request) -> PlannedAnswer | None:
        self.asked.append(operation)
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return PlannedAnswer(answer=problem(401, "unauthorized", "a key is needed"))
        answers = self.planned.get(operation)
        return answers.popleft() if answers else None

    async def _place(self, request: Request) -> Response:
        planned = self._planned("POST /order", request)
        body = json.loads(await request.body())
        if planned and not planned.does_work:
            return planned.answer
        self.bodies.append(body)
        known = [
            order
            for order in self.orders.values()
            if order["client_order_id"] == body["client_order_id"]
        ]
        order = known[0] if known else self.accept(body)
        if planned:
            return planned.answer
        return JSONResponse(
            {"message": "Order accepted, not finished", **order},
            status_code=200 if order["status"] in CLOSED else 202,
            headers={"Idempotent-Replayed": "true"} if known else {},
        )

    async def _show(self, request: Request) -> Response:
        if planned := self._planned("GET /order", request):
            return planned.answer
        order = self.orders.get(request.path_params["order_id"])
        if order is None:
            return problem(404, "order_not_found", "no order has this id")
        return JSONResponse(self.view(order))

    async def _cancel(self, request: Request) -> Response:
        if planned := self._planned("DELETE /order", request):
            return planned.answer
        order = self.orders[request.path_params["order_id"]]
        if order["status"] in {"FILLED", "EXPIRED"}:
            return problem(409, "order_closed", "the order is closed", order=order)
        if order["status"] != "CANCELED":
            self.close(order["order_id"], "CANCELED", "CANCELED_BY_CLIENT")
        return JSONResponse(order)

    async def _cancel_all(self, request: Request) -> Response:
        self._planned("DELETE /orders", request)
        symbol = request.query_params["symbol"]
        canceled = [
            order
            for order in self.orders.values()
            if order["symbol"] == symbol and order["status"] not in CLOSED
        ]
        for order in canceled:
            self.close(order["order_id"], "CANCELED", "CANCELED_BY_CLIENT")
        return JSONResponse({"symbol": symbol, "canceled_total": len(canceled), "orders": canceled})

    async def _list_splits(self, request: Request) -> Response:
        splits = self.orders[request.path_params["order_id"]]["splits"]
        return JSONResponse(self._page(request, "splits", splits))

    async def _list_events(self, request: Request) -> Response:
        if planned := self._planned("GET /events", request):
            return planned.answer
        order_id = request.path_params["order_id"]
        events = [event for event in self.events if event["order_id"] == order_id]
        return JSONResponse(self._page(request, "events", events))

    async def _list_orders(self, request: Request) -> Response:
        if planned := self._planned(f"GET /orders?{request.query_params}", request):
            return planned.answer
        wanted = {
            name: request.query_params[name]
            for name in ("symbol", "status", "client_order_id")
            if name in request.query_params
        }
        found = [
            order
            for order in reversed(self.orders.values())
            if all(order[name] == value for name, value in wanted.items())
        ]
        return JSONResponse(self._page(request, "orders", found))

    def _page(self, request: Request, name: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
        begin = int(request.query_params.get("cursor", "0"))
        end = begin + min(int(request.query_params.get("limit", "1000")), self.page_limit)
        return {name: entries[begin:end], "next_cursor": str(end) if end < len(entries) else None}

    async def _stream(self, websocket: WebSocket) -> None:
        plan = self.planned_streams.popleft() if self.planned_streams else PlannedClose()
        self.asked.append("WS")
        if plan.refusal is not None:
            await websocket.send_denial_response(plan.refusal)
            return
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await self._serve(websocket, plan)

    async def _serve(self, websocket: WebSocket, plan: PlannedClose) -> None:
        if self.key and websocket.headers.get("authorization") != f"Bearer {self.key}":
            await self._refuse(websocket, "unauthorized")
            return
        subscription = await websocket.receive_json()
        self.subscriptions.append(subscription)
        after = subscription.get("after", f"p{len(self.events)}").removeprefix("p")
        index = 0 if after == "beginning" else int(after)
        if index > len(self.events):
            await self._refuse(websocket, "position_beyond_head")
            return
        await websocket.send_json({"type": "subscribed", "position": f"p{len(self.events)}"})
        await websocket.send_text(self.greeting)
        leaving = asyncio.create_task(websocket.receive())
        try:
            await self._send_events(websocket, plan, subscription, index, leaving)
        finally:
            leaving.cancel()

    async def _send_events(
        self,
        websocket: WebSocket,
        plan: PlannedClose,
        subscription: dict[str, Any],
        index: int,
        leaving: asyncio.Task[Any],
    ) -> None:
        sent = 0
        while not leaving.done():
            if plan.code is not None and sent >= plan.after_events:
                await self._end(websocket, plan)
                return
            if index < len(self.events):
                event = self.events[index]
                index += 1
                if event["position"] not in self.unheard and _is_wanted(event, subscription):
                    await websocket.send_json(event)
                    sent += 1
                continue
            changed = asyncio.create_task(self._changed.wait())
            await asyncio.wait({changed, leaving}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()

    async def _refuse(self, websocket: WebSocket, error: str) -> None:
        await self._end(websocket, PlannedClose(code=1008, error=error))

    async def _end(self, websocket: WebSocket, plan: PlannedClose) -> None:
        if plan.error is not None:
            said = {"type": "error", "code": plan.error, "detail": f"said {plan.error}"}
            await websocket.send_json(said)
        assert plan.code is not None, "a stream ends with a code"
        await websocket.close(plan.code, plan.reason)


def _is_wanted(event: dict[str, Any], subscription: dict[str, Any]) -> bool:
    return event["order_id"] in subscription.get("order_ids", [event["order_id"]]) and event[
        "symbol"
    ] in subscription.get("symbols", [event["symbol"]])


@contextlib.asynccontextmanager
async def fake_service() -> AsyncIterator[FakeService]:
    """Run the service on a free port of this machine."""
    service = FakeService()
    async with serving(service.application()) as service.url:
        yield service
