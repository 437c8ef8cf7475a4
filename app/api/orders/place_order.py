"""``POST /order/limit``: places an order once per key, and answers when its sender wants."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.dependencies import WritingCaller, options_of, services_of
from app.api.json_body import read_body, read_json_object
from app.api.orders.direct_route import DirectRoute
from app.api.orders.limit_order import LimitOrder, read_limit_order
from app.api.orders.order_headers import (
    IDEMPOTENCY_HEADER,
    IDEMPOTENCY_KEY_FORM,
    Preference,
    read_preference,
)
from app.api.orders.order_models import OrderAnswer
from app.api.orders.stored_orders import find_with_splits, rest_of_splits
from app.api.problem_models import CHANGING, header_docs, problem_responses
from app.api.problems import BodyTooLargeError, BodyTooSlowError, ContentEncodingError
from app.api.query_parameters import refuse_parameters
from app.api.services import ApiServices
from app.domain import errors
from app.domain.order import NewOrder, OrderId, OrderSnapshot, Owner, Split
from app.domain.rules import order_problems
from app.ports import SPLITS_PER_ANSWER_MAX

router = APIRouter(tags=["Orders"], route_class=DirectRoute)

_ORDER_LINKS: Final = {
    operation_id: {
        "operationId": operation_id,
        "parameters": {"order_id": "$response.body#/order_id"},
    }
    for operation_id in ("showOrder", "cancelOrder", "listSplits", "listEvents")
}
_INPUT_DOCS: Final = {
    "parameters": [
        {
            "name": "Prefer",
            "in": "header",
            "required": False,
            "description": "`respond-async`: answer 202 as soon as the order is durable. `wait=N`: "
            "wait at most N seconds for its end, then 202. RFC 7240.",
            "schema": {"type": "string"},
        },
        {
            "name": IDEMPOTENCY_HEADER,
            "in": "header",
            "required": False,
            "description": "The same as `client_order_id`; it may stand in quotes. If both are "
            "given, they must be equal.",
            "schema": {"type": "string", "pattern": IDEMPOTENCY_KEY_FORM},
        },
    ],
    "requestBody": {
        "required": True,
        "description": "Required: `symbol`, `order_size`, `price`. Optional: `side`, "
        "`time_in_force`, `timeout_seconds`, `client_order_id`. **Schema** below explains each "
        "one's meaning, unit, range and default. Any other field is refused.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/LimitOrder"}}},
    },
}
"""The input that ``read_placement`` reads by itself. FastAPI would decode a body that it knows with
floats and with the last of two equal keys; and it takes 10 us to read a header."""


async def read_placement(request: Request) -> tuple[LimitOrder, Preference]:
    """Return the order that a request places, valid in form, and how long to wait for its end."""
    await refuse_parameters(request)
    options, headers = options_of(request), request.headers
    preference = read_preference(
        headers.getlist("Prefer"), wait_seconds_max=options.wait_seconds_max
    )
    body = await read_body(request, bytes_max=options.body_bytes_max)
    keys = headers.getlist(IDEMPOTENCY_HEADER)
    order = read_limit_order(read_json_object(body), idempotency_keys=keys, options=options)
    return order, preference


@router.post(
    "/order/limit",
    operation_id="placeLimitOrder",
    summary="Place a limit order, and wait for its end or not",
    response_model=OrderAnswer,
    response_description="The order is finished; `status` says whether it was fulfilled.",
    responses={
        HTTPStatus.OK.value: {
            "headers": header_docs("Link", "Preference-Applied", "Idempotent-Replayed"),
            "links": _ORDER_LINKS,
        },
        HTTPStatus.ACCEPTED.value: {
            "model": OrderAnswer,
            "description": "The order is durable and goes on: `Prefer` asked for an early answer, "
            "or the longest time to wait is over, or the service stops. Read it at `Location`.",
            "headers": header_docs("Location", "Link", "Preference-Applied", "Idempotent-Replayed"),
            "links": _ORDER_LINKS,
        },
        **problem_responses(
            errors.MalformedRequestError,
            BodyTooSlowError,
            BodyTooLargeError,
            ContentEncodingError,
            errors.InvalidOrderError,
            errors.ClientOrderIdReusedError,
            errors.OrderPrunedError,
            errors.InvalidQueryError,
            errors.TooManyOrdersError,
            errors.RulesNotLoadedError,
            errors.JournalUnavailableError,
            errors.JournalBacklogError,
            errors.OutcomeUnknownError,
            *CHANGING,
        ),
    },
    openapi_extra=_INPUT_DOCS,
)
async def place_limit_order(
    request: Request,
    caller: WritingCaller,
) -> Response:
    """Place a limit order.

    The answer comes when the order is finished: fulfilled, or its time is up. It comes earlier,
    with 202, if `Prefer` says so. An order with a `client_order_id` can be sent again without being
    placed twice: after a lost connection or a 503, send the same again. The body is read as JSON
    regardless of its content type, so a plain `curl --data '{…}'` works. A client that stops
    waiting does not disturb the order: `GET /orders` finds it.

    The example sells 1,000 LTC at 0.0001 BTC or better. That is far below the market, so it takes
    the best bid of quote after quote, each at the price displayed, until 1,000 are sold or its time
    is up. With side `BUY` the same price is never reached, and the answer is `Order not fulfilled`.
    """
    order, preference = await read_placement(request)
    services = services_of(request)
    new_order = order.new_order(owner=caller.owner, options=options_of(request))
    order_id = services.ids.new_order_id()
    # The waiter comes first: an order may be filled before its acceptance is answered.
    with services.waiters.expect(order_id) as waiter:
        earlier = await _place_once(services, order_id, new_order)
        if earlier is not None:
            return await _replay(services, earlier, new_order, preference)
        await waiter.wait(preference.wait_seconds)
    splits = waiter.splits[:SPLITS_PER_ANSWER_MAX]
    return _answer(waiter.snapshot, splits, preference)


async def _place_once(
    services: ApiServices, order_id: OrderId, new_order: NewOrder
) -> OrderId | None:
    """Place the order, or return the id of the order that has its key.

    A client that sends an accepted order again gets that order, even if a new one would be refused
    now: the symbol halted meanwhile, or there is no room, or the database takes no writes.
    """
    try:
        await services.confirm_status(new_order.symbol)
        _check_rules(services, new_order)
        await services.desk.place(order_id, new_order)
    except errors.ClientOrderIdTakenError as taken:
        return taken.order_id
    except errors.PapertapeError:
        if new_order.client_order_id is None:
            raise
        earlier = await _earlier(services, new_order.owner, new_order.client_order_id)
        if earlier is None:
            raise
        return earlier
    return None


async def _earlier(services: ApiServices, owner: Owner, client_order_id: str) -> OrderId | None:
    """Return the id of the order that has a key, ``None`` if there is certainly none.

    A client may repeat an order whose storing is still undecided; "not executed" would be false.

    Raises:
        OutcomeUnknownError: an earlier request is still under way.
        DatabaseUnavailableError: the database does not answer.
    """
    under_way = services.journal.order_under_way(owner, client_order_id)
    if under_way is not None:
        raise errors.OutcomeUnknownError(under_way)
    return await services.orders.find_by_key(owner, client_order_id)


async def _replay(
    services: ApiServices,
    order_id: OrderId,
    new_order: NewOrder,
    preference: Preference,
) -> Response:
    """Answer a repeated request as the first one would be answered now.

    Raises:
        ClientOrderIdReusedError: it was another request.
        OrderPrunedError: the order is not kept any more.
    """
    with services.waiters.expect(order_id) as waiter:
        snapshot = await services.orders.find(new_order.owner, order_id)
        if snapshot is None:
            raise errors.OrderPrunedError(order_id)
        if not snapshot.order.has_terms_of(new_order):
            raise errors.ClientOrderIdReusedError(order_id)
        if not snapshot.status.is_terminal:
            await waiter.wait(preference.wait_seconds)
    snapshot, splits = await find_with_splits(services.orders, new_order.owner, order_id)
    return _answer(snapshot, splits, preference, is_replay=True)


def _check_rules(services: ApiServices, new_order: NewOrder) -> None:
    rules = services.rules.find(new_order.symbol)
    if rules is None:
        unknown = errors.UnknownSymbolError()
        problem = errors.FieldProblem(field="symbol", code=unknown.code, message=str(unknown))
        raise errors.InvalidOrderError([problem])
    problems = order_problems(rules, quantity=new_order.quantity, limit_price=new_order.limit_price)
    if problems:
        raise errors.InvalidOrderError(problems)


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
    return Response(
        OrderAnswer.json_of(snapshot, splits),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )
