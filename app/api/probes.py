"""The probes: is the process alive, can it accept orders durably."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.admission import Admission
from app.api.answers import json_response, readiness_view
from app.api.errors import NotReadyError
from app.api.services import ApiOptions, ApiServices

NO_RULES: Final = "none"
"""The source of rules that were never loaded."""


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
        services = self._services
        is_writable = services.journal.is_writable
        is_recovered = services.is_recovered()
        rules = services.rules.state()
        parts = {
            "journal": is_writable,
            "recovery": is_recovered,
            "rules": rules.source != NO_RULES,
        }
        missing = [name for name, is_there in parts.items() if not is_there]
        if not self._admission.knows(request):
            if missing:
                raise NotReadyError([], {"ready": False})
            return json_response({"ready": True})
        readiness = readiness_view(
            missing=missing,
            is_writable=is_writable,
            is_recovered=is_recovered,
            rules=rules,
            feed=services.feed.state(),
        )
        if missing:
            raise NotReadyError(missing, readiness)
        return json_response(readiness)
