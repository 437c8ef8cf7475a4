"""The route that places an order: once per key, and answered as soon or as late as asked for."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from app.api.authorization import caller_of
from app.api.json_body import read_body, read_json_object
from app.api.orders.limit_order import read_new_order
from app.api.orders.order_headers import Preference, read_preference
from app.api.orders.order_models import json_response, order_answer
from app.api.orders.order_query import refuse_query
from app.api.orders.stored_orders import StoredOrderReader, rest_of_splits
from app.api.services import ApiOptions, ApiServices
from app.domain.errors import (
    ClientOrderIdReusedError,
    ClientOrderIdTakenError,
    FieldProblem,
    InvalidOrderError,
    OrderPrunedError,
    OutcomeUnknownError,
    PapertapeError,
    UnknownSymbolError,
)
from app.domain.order import NewOrder, OrderId, OrderSnapshot, Owner, Split
from app.domain.rules import order_problems
from app.ports import SPLITS_PER_ANSWER_MAX


class PlacementRoute:
    """Handler of ``POST /order/limit``."""

    def __init__(self, services: ApiServices, options: ApiOptions) -> None:
        self._services = services
        self._options = options
        self._stored = StoredOrderReader(services.orders)

    async def place(self, request: Request) -> Response:
        """Place an order, and answer once its end is durable or the time to wait is over.

        A client that goes away while it waits leaves its order alone: nothing here ends with it.
        """
        refuse_query(request)
        preference = read_preference(
            request.headers, wait_seconds_max=self._options.wait_seconds_max
        )
        new_order = read_new_order(
            read_json_object(await read_body(request, bytes_max=self._options.body_bytes_max)),
            owner=caller_of(request).owner,
            headers=request.headers,
            timeout_seconds_default=self._options.order_timeout_seconds,
            timeout_seconds_max=self._options.timeout_seconds_max,
        )
        order_id = self._services.ids.new_order_id()
        # The waiter comes first: an order may be filled before its acceptance is answered.
        with self._services.waiters.expect(order_id) as waiter:
            earlier = await self._place_once(order_id, new_order)
            if earlier is not None:
                return await self._replay(earlier, new_order, preference)
            await waiter.wait(preference.wait_seconds)
        splits = waiter.splits[:SPLITS_PER_ANSWER_MAX]
        return _answer(waiter.snapshot, splits, preference)

    async def _place_once(self, order_id: OrderId, new_order: NewOrder) -> OrderId | None:
        """Place the order, or return which one has its key.

        Whoever sends an accepted order again is told of it, even if a new one would be refused
        now: the symbol halted meanwhile, or there is no room, or the database takes no writes.
        """
        try:
            self._check_rules(new_order)
            await self._services.desk.place(order_id, new_order)
        except ClientOrderIdTakenError as taken:
            return taken.order_id
        except PapertapeError:
            if new_order.client_order_id is None:
                raise
            earlier = await self._earlier(new_order.owner, new_order.client_order_id)
            if earlier is None:
                raise
            return earlier
        return None

    async def _earlier(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return which order has the key, None if there is certainly none.

        "Not executed" would be a lie to a client that asks once more for an order of which nobody
        knows yet whether it is stored.

        Raises:
            OutcomeUnknownError: an earlier request is still under way.
            DatabaseUnavailableError: it cannot be told.
        """
        under_way = self._services.journal.order_under_way(owner, client_order_id)
        if under_way is not None:
            raise OutcomeUnknownError(under_way)
        return await self._services.orders.find_by_key(owner, client_order_id)

    async def _replay(
        self, order_id: OrderId, new_order: NewOrder, preference: Preference
    ) -> Response:
        """Answer a request that was sent before as the first one would be answered now.

        Raises:
            ClientOrderIdReusedError: it was another request.
            OrderPrunedError: the order is not kept any more.
        """
        orders = self._services.orders
        with self._services.waiters.expect(order_id) as waiter:
            snapshot = await orders.find(new_order.owner, order_id)
            if snapshot is None:
                raise OrderPrunedError(order_id)
            if not snapshot.order.is_what_was_asked(new_order):
                raise ClientOrderIdReusedError(order_id)
            if not snapshot.status.is_terminal:
                await waiter.wait(preference.wait_seconds)
        snapshot, splits = await self._stored.find(new_order.owner, order_id)
        return _answer(snapshot, splits, preference, is_replay=True)

    def _check_rules(self, new_order: NewOrder) -> None:
        rules = self._services.rules.find(new_order.symbol)
        if rules is None:
            unknown = UnknownSymbolError()
            problem = FieldProblem(field="symbol", code=unknown.code, message=str(unknown))
            raise InvalidOrderError([problem])
        problems = order_problems(
            rules, quantity=new_order.quantity, limit_price=new_order.limit_price
        )
        if problems:
            raise InvalidOrderError(problems)


def _answer(
    snapshot: OrderSnapshot,
    splits: Sequence[Split],
    preference: Preference,
    *,
    is_replay: bool = False,
) -> Response:
    headers = rest_of_splits(snapshot, splits)
    status = HTTPStatus.OK
    if not snapshot.status.is_terminal:
        status = HTTPStatus.ACCEPTED
        headers["Location"] = f"/order/{snapshot.order.order_id}"
    if preference.applied is not None:
        headers["Preference-Applied"] = preference.applied
    if is_replay:
        headers["Idempotent-Replayed"] = "true"
    return json_response(order_answer(snapshot, splits), status=status, headers=headers)
