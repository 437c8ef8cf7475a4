"""The route of metrics: how the service and its market data are, in figures.

What writes them is imported with the first scrape: a start, a restart after a crash above all, is
spared it.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from app.api.service.service_state import Vitals
from app.api.services import ApiOptions, ApiServices

if TYPE_CHECKING:
    from app.api.service.prometheus_metrics import Exposition


class MetricsRoute:
    """Handler of ``/metrics``."""

    def __init__(self, services: ApiServices, options: ApiOptions) -> None:
        self._services = services
        self._options = options

    @cached_property
    def _exposition(self) -> "Exposition":
        from app.api.service.prometheus_metrics import Exposition  # noqa: PLC0415 - see the module

        return Exposition(lambda: Vitals.of(self._services), version=self._options.version)

    async def show(self, _request: Request) -> Response:
        """Answer every figure as it is now."""
        exposition = self._exposition
        return Response(exposition.text(), headers={"content-type": exposition.content_type})
