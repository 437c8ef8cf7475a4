"""The probes: is the process alive, can it accept orders durably."""

from starlette.requests import Request
from starlette.responses import Response

from app.api.authorization import Admission
from app.api.orders.order_models import json_response
from app.api.problems import NotReadyError
from app.api.service.readiness import readiness_view
from app.api.service.service_state import Vitals
from app.api.services import ApiOptions, ApiServices


class ProbeRoutes:
    """Handlers of ``/healthz`` and ``/readyz``."""

    def __init__(self, services: ApiServices, options: ApiOptions, admission: Admission) -> None:
        self._services = services
        self._options = options
        self._admission = admission

    async def healthz(self, _request: Request) -> Response:
        """Answer that the process runs."""
        return json_response({"status": "ok", "version": self._options.version})

    async def readyz(self, request: Request) -> Response:
        """Answer whether orders can be accepted durably.

        The feed stands beside it and decides nothing: while the venue is out of reach, orders are
        accepted all the same and wait. Whoever has no key where keys are asked for, such as an
        orchestrator, hears whether and not why.
        """
        vitals = Vitals.of(self._services)
        missing = vitals.missing
        if not self._admission.knows(request):
            if missing:
                raise NotReadyError([], {"ready": False})
            return json_response({"ready": True})
        readiness = readiness_view(vitals)
        if missing:
            raise NotReadyError(missing, readiness)
        return json_response(readiness)
