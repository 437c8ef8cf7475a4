"""The control API under ``/simulator``, which controls faults while the venue runs.

A web page in a browser on this machine could send requests too. So the API answers only on a
loopback address, and only if the host of the request is a loopback name, unless it is allowed
everywhere. It never answers a request with an origin, which browsers add for a web page.
"""

import ipaddress
import json
from typing import Final
from urllib.parse import urlsplit

import structlog
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from app.simulator.faults.control_parameters import ControlError
from app.simulator.faults.fault_table import BY_NAME, CONTROLS, ROOT
from app.simulator.faults.venue_faults import VenueFaults
from app.simulator.venue.http_answers import http_answer

log = structlog.get_logger()

_FORBIDDEN: Final = 403
_LOCAL_NAMES: Final = frozenset({"localhost"})


class ControlApi:
    """Applies the requested controls to a venue."""

    def __init__(self, venue: VenueFaults, *, is_allowed_everywhere: bool = False) -> None:
        self._venue = venue
        self._is_allowed_everywhere = is_allowed_everywhere

    @staticmethod
    def is_for(path: str) -> bool:
        """Return whether a path belongs to the control API."""
        return path == ROOT or path.startswith(f"{ROOT}/")

    async def answer(self, request: Request, *, local_address: str) -> Response:
        """Answer in JSON; ``error`` explains a wrong request.

        Args:
            request: its query holds the parameters.
            local_address: the address of this machine that the client connected to.
        """
        if (reason := self._why_forbidden(request.headers, local_address)) is not None:
            return _error(_FORBIDDEN, reason)
        url = urlsplit(request.path)
        name = url.path.removeprefix(ROOT).strip("/")
        if not name:
            return self._overview(request.method)
        control = BY_NAME.get(name)
        if control is None:
            return _error(404, f"no fault {name[:40]!r}; GET {ROOT} lists them", known=[*BY_NAME])
        # A browser prefetches GET requests, so only POST may change anything.
        if request.method != "POST":
            return _error(405, f"use POST {control.usage}", allow="POST")
        try:
            result = await control.perform(self._venue, url.query)
        except ControlError as error:
            return _error(400, str(error), usage=control.usage)
        log.info("control_done", control=name, query=url.query)
        return _json(200, {"done": name, "result": result, "on": self._venue.faults_on()})

    def _overview(self, method: str) -> Response:
        if method != "GET":
            return _error(405, f"use GET {ROOT}, which returns the state", allow="GET")
        faults = [
            {
                "name": control.name,
                "method": "POST",
                "usage": control.usage,
                "does": control.help,
                "parameters": {
                    one.name: {"is_required": one.name in control.required, "words": one.help}
                    for one in control.parameters
                },
            }
            for control in CONTROLS
        ]
        return _json(200, {**self._venue.state(), "faults": faults})

    def _why_forbidden(self, headers: Headers, local_address: str) -> str | None:
        # Browsers add one of these headers to the requests of a page, and a page cannot remove it.
        if "Origin" in headers or set(headers.get_all("Sec-Fetch-Site")) - {"none"}:
            return "the control API does not answer web pages"
        if self._is_allowed_everywhere:
            return None
        if not _is_loopback(local_address):
            return (
                "the control API answers on loopback addresses only; "
                "the option --control-from-everywhere allows others"
            )
        # A foreign name that resolves to 127.0.0.1 (DNS rebinding) gives a page access without an
        # origin, because the page and the API then have the same one.
        hosts = headers.get_all("Host")
        if not hosts or not all(map(_is_local_host, hosts)):
            return "the control API answers only if the host is localhost or a loopback address"
        return None


def _is_local_host(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in _LOCAL_NAMES or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A dual-stack socket shows 127.0.0.1 as ::ffff:127.0.0.1.
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _error(status: int, message: str, *, allow: str | None = None, **more: object) -> Response:
    answer = _json(status, {"error": message, **more})
    if allow is not None:
        answer.headers["Allow"] = allow
    return answer


def _json(status: int, body: object) -> Response:
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    return http_answer(status, text, headers={"Cache-Control": "no-store"})
