"""What each route takes, answers and refuses, in words: the source of the OpenAPI document."""

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from app.api.docs import examples
from app.api.docs.lifecycle_operations import lifecycle_operations
from app.api.docs.openapi import Answer, Example, Operation, Parameter
from app.api.docs.order_operations import EVERYWHERE, UNKNOWN_PARAMETER, order_operations
from app.api.problems import InternalError, NotReadyError, StoppingError
from app.api.service import state_shapes
from app.api.service.prometheus_metrics import Exposition
from app.api.service.readiness import SymbolState, readiness_view, symbol_view
from app.domain.access import Scope
from app.domain.errors import RulesNotLoadedError, UnknownSymbolError

DESCRIPTION: Final = """\
Papertape fulfills limit orders against Binance's live best bid and ask **without placing them**. \
Post an order; the answer comes when it is finished, with a record of how it was split.

**Side.** A `BUY` takes from the best ask, a `SELL` from the best bid.

**Price test.** `price` is a limit. A BUY fills while the best ask is at or below it, a SELL \
while the best bid is at or above it, always at the price displayed, which is never worse than \
the limit.

**Partial fills.** An order fills with what the venue really displays, and what an order took \
stays taken: the same displayed quantity is never sold twice. What is not filled by `expires_at` \
expires; what was filled until then stays on record. An unfulfilled order is not an error.

**Time in force.** `GTD` rests until its time is up, `IOC` takes what the first quote has for it, \
`FOK` all or nothing from that quote. `DELETE` cancels what rests.

**Once, and without waiting.** `Prefer: respond-async` answers as soon as the order is durable. An \
order with a `client_order_id`, or the header `Idempotency-Key`, is placed once, however often it \
is sent.

**Splits.** Each quote that fills a part of an order is one entry of `splits`. An order larger \
than what is displayed needs several quotes, hence several splits; they sum exactly to \
`filled_quantity`.

Amounts are strings in plain decimal notation. Errors are `application/problem+json` (RFC 9457): \
rely on `code`, not on texts. A path that is not listed here answers 404, a method that is not \
listed 405 with `Allow`, what is no HTTP/1.1 request 400 `malformed_http`, a request head of more \
than 16 KiB 431 `head_too_large`.

**Keys.** Where the service is set up with `API_KEYS_FILE`, every route but the probes and this \
page needs a key, sent as `Authorization: Bearer KEY` (**Authorize** on this page). Each route \
names the scope that the key must have. Orders belong to the key's name: somebody else's are not \
found. Otherwise nobody is asked for a key, and all share their orders.

**Events.** The WebSocket `/ws/orders` tells every transition of your orders once it is durable, \
and resumes where you left off. [/docs/asyncapi.json](/docs/asyncapi.json) is its contract, an \
AsyncAPI 3 document."""

_ORDER_PATHS: Final = (
    "/order/limit",
    "/order/{order_id}",
    "/order/{order_id}/splits",
    "/order/{order_id}/events",
    "/orders",
)
"""The order in which the page shows them."""

TAGS: Final = (
    {"name": "Orders", "description": "Place an order, read it back, cancel it."},
    {"name": "Symbols", "description": "What the venue allows and shows."},
    {"name": "Service", "description": "Probes and figures for whoever watches the service."},
)


def operations() -> tuple[Operation, ...]:
    """Return every route that the documentation lists."""
    of_orders = (*order_operations(), *lifecycle_operations())
    in_order = sorted(of_orders, key=lambda operation: _ORDER_PATHS.index(operation.path))
    return (*in_order, _show_symbol(), _healthz(), _readyz(), _metrics())


def _show_symbol() -> Operation:
    view = symbol_view(
        SymbolState(rules=examples.EXAMPLE_RULES, is_subscribed=True, quote=examples.EXAMPLE_QUOTE),
        examples.EXAMPLE_RULES_STATE,
        examples.EXAMPLE_FEED,
        examples.EXAMPLE_PRESENT,
    )
    return Operation(
        operation_id="showSymbol",
        method="GET",
        path="/symbols/{symbol}",
        scope=Scope.ORDERS_READ,
        tag="Symbols",
        summary="Read a symbol's trading rules and current quote",
        description="It never subscribes: without an open order of the symbol there is no quote.",
        parameters=(
            Parameter(
                name="symbol",
                place="path",
                description="Trading pair; lower case is accepted.",
                schema={"type": "string"},
                example=examples.EXAMPLE_SYMBOL,
            ),
        ),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="The symbol.",
                model=state_shapes.Symbol,
                examples=(Example(name="symbol", summary="With a current quote", value=view),),
            ),
        ),
        errors=(UnknownSymbolError(), UNKNOWN_PARAMETER, RulesNotLoadedError(), *EVERYWHERE),
    )


def _healthz() -> Operation:
    return Operation(
        operation_id="healthz",
        method="GET",
        path="/healthz",
        tag="Service",
        summary="Is the process alive",
        description="Answers under any host name.",
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="It is.",
                model=state_shapes.Health,
                examples=(
                    Example(name="ok", summary="Alive", value={"status": "ok", "version": "0.1.0"}),
                ),
            ),
        ),
        errors=(StoppingError(), InternalError()),
    )


def _readyz() -> Operation:
    return Operation(
        operation_id="readyz",
        method="GET",
        path="/readyz",
        tells_more_by_key=True,
        tag="Service",
        summary="Can orders be accepted durably",
        description="Ready while the database takes writes, the open orders were read back and the "
        "trading rules were loaded once. The feed stands beside it: while the venue is out of "
        "reach, orders are accepted and wait. Answers under any host name. Where keys are asked "
        "for, whoever sends none hears `ready` alone.",
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="They can.",
                model=state_shapes.Readiness,
                examples=(
                    Example(name="ready", summary="Ready", value=_readiness(is_writable=True)),
                ),
            ),
            Answer(
                status=HTTPStatus.OK,
                description="They can.",
                model=state_shapes.ReadyAlone,
                examples=(Example(name="no_key", summary="No key", value={"ready": True}),),
            ),
        ),
        errors=(
            NotReadyError(["journal"], _readiness(is_writable=False)),
            NotReadyError([], {"ready": False}),
            StoppingError(),
            InternalError(),
        ),
    )


def _metrics() -> Operation:
    return Operation(
        operation_id="metrics",
        method="GET",
        path="/metrics",
        scope=Scope.METRICS,
        tag="Service",
        summary="How the service and its market data are, in figures",
        description="In the text format of Prometheus, read off the service as it is asked. "
        "Counters begin with the process. Labels name causes, reasons and states, never symbols: "
        "`GET /symbols/{symbol}` tells of one.",
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="The figures.",
                model=None,
                media_type="text/plain",
                examples=(
                    Example(
                        name="metrics",
                        summary="A connected service",
                        value=_metrics_example(),
                    ),
                ),
            ),
        ),
        errors=EVERYWHERE,
    )


def _readiness(*, is_writable: bool) -> dict[str, object]:
    journal = replace(examples.EXAMPLE_JOURNAL, is_writable=is_writable)
    return readiness_view(replace(examples.EXAMPLE_VITALS, journal=journal))


def _metrics_example() -> str:
    """Return the service's own figures; those of the process come after them."""
    text = Exposition(lambda: examples.EXAMPLE_VITALS, version="0.1.0").text().decode()
    return text.partition("# HELP process_")[0]
