"""The routes that show the state of the service and of a symbol: probes, metrics, symbols."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import PlainTextResponse
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from app.api.dependencies import IsKeyValid, MetricsCaller, Options, ReadingCaller, Services
from app.api.fields import read_symbol
from app.api.problem_models import KEYED, problem_responses
from app.api.problems import InternalError, NotReadyError, StoppingError
from app.api.query_parameters import NoParameters
from app.api.service.readiness import Health, NotReady, NotReadyAlone, Readiness, ReadyAlone
from app.api.service.service_state import Instant, ServiceState
from app.api.service.symbol_models import Symbol
from app.domain.errors import InvalidQueryError, RulesNotLoadedError, UnknownSymbolError

router = APIRouter()


@router.get(
    "/symbols/{symbol}",
    operation_id="showSymbol",
    tags=["Symbols"],
    summary="Read a symbol's trading rules and current quote",
    response_description="The symbol.",
    responses=problem_responses(UnknownSymbolError, InvalidQueryError, RulesNotLoadedError, *KEYED),
)
async def show_symbol(
    _caller: ReadingCaller,
    _no_parameters: NoParameters,
    symbol: Annotated[
        str,
        Path(
            description="Trading pair; lower case is accepted.",
            openapi_examples={"LTCBTC": {"value": "LTCBTC"}},
        ),
    ],
    services: Services,
) -> Symbol:
    """Read a symbol; this never subscribes, so there is no quote without an open order of it."""
    try:
        name = read_symbol(symbol)
    except PydanticCustomError:
        raise UnknownSymbolError from None
    await services.confirm_status(name)
    rules = services.rules.find(name)
    if rules is None:
        raise UnknownSymbolError
    return Symbol.of(
        rules,
        is_subscribed=services.desk.is_serving(name),
        quote=services.desk.current_quote(name) if rules.is_trading else None,
        rules_state=services.rules.state(),
        feed=services.feed.state(),
        instant=Instant.of(services.clock),
    )


@router.get(
    "/healthz",
    operation_id="healthz",
    tags=["Service"],
    summary="Is the process alive",
    response_description="It is.",
    responses=problem_responses(StoppingError, InternalError),
)
async def healthz(options: Options) -> Health:
    """Answer that the process runs, under any host name."""
    return Health(status="ok", version=options.version)


@router.get(
    "/readyz",
    operation_id="readyz",
    tags=["Service"],
    summary="Can orders be accepted durably",
    response_description="They can.",
    responses=problem_responses(
        NotReadyError,
        StoppingError,
        InternalError,
        models={NotReadyError: NotReady | NotReadyAlone},
    ),
)
async def readyz(is_key_valid: IsKeyValid, services: Services) -> Readiness | ReadyAlone:
    """Answer whether orders can be accepted durably, under any host name.

    Ready while the database takes writes, the open orders were read back and the trading rules were
    loaded once. The feed stands beside it and decides nothing: while the venue is out of reach,
    orders are accepted and wait. Where keys are needed, a caller without one gets `ready` alone.
    """
    readiness = Readiness.of(ServiceState.of(services))
    if is_key_valid:
        if readiness.missing:
            raise NotReadyError(readiness.missing, readiness.model_dump(mode="json"))
        return readiness
    # An orchestrator without a key learns whether, not why.
    if readiness.missing:
        raise NotReadyError([], {"ready": False})
    return ReadyAlone(ready=True)


@router.get(
    "/metrics",
    operation_id="metrics",
    tags=["Service"],
    summary="The state of the service and its market data, in figures",
    response_class=PlainTextResponse,
    response_description="The figures.",
    responses=problem_responses(*KEYED),
)
async def metrics(_caller: MetricsCaller, services: Services, options: Options) -> Response:
    """Read the metrics in the text format of Prometheus, as they are at this moment.

    Counters begin with the process. Labels name causes, reasons and states, never symbols:
    `GET /symbols/{symbol}` shows one.
    """
    # Imported at the first scrape: a start, above all a restart after a crash, is spared it.
    from app.api.service.prometheus_metrics import (  # noqa: PLC0415 - see above
        CONTENT_TYPE,
        write_metrics,
    )

    figures = write_metrics(ServiceState.of(services), version=options.version)
    return Response(figures, headers={"content-type": CONTENT_TYPE})
