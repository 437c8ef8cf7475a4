"""The route of symbols: what the venue allows and shows."""

from starlette.requests import Request
from starlette.responses import Response

from app.api.fields import FieldRefusal, read_symbol
from app.api.orders.order_models import json_response
from app.api.orders.order_query import refuse_query
from app.api.service.readiness import SymbolState, symbol_view
from app.api.service.service_state import Present
from app.api.services import ApiServices
from app.domain.errors import UnknownSymbolError


class SymbolRoutes:
    """Handlers for everything below ``/symbols``."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """Answer a symbol's rules and its current quote; it never subscribes."""
        refuse_query(request)
        services = self._services
        try:
            symbol = read_symbol(request.path_params["symbol"])
        except FieldRefusal:
            raise UnknownSymbolError from None
        rules = services.rules.find(symbol)
        if rules is None:
            raise UnknownSymbolError
        return json_response(
            symbol_view(
                SymbolState(
                    rules=rules,
                    is_subscribed=services.desk.is_serving(symbol),
                    quote=services.desk.current_quote(symbol),
                ),
                services.rules.state(),
                services.feed.state(),
                Present.of(services.clock),
            )
        )
