"""``/docs`` and the documents of the API: all they need is served by the service itself.

Swagger UI comes from the ``fastapi-offline`` package. The page is our own rather than that
package's, so that a content security policy can name its one inline script: with it the browser
itself refuses anything from elsewhere, and no other page can frame the Execute button.

What documents are made of, hundreds of models, is imported when one is first asked for: a start, a
restart after a crash above all, is spared it.
"""

import base64
import hashlib
from functools import cached_property
from importlib.resources import files
from os import PathLike, stat_result
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.api.services import ApiOptions

DOCS_PATH: Final = "/docs"
OPENAPI_PATH: Final = "/openapi.json"
ASYNCAPI_PATH: Final = "/docs/asyncapi.json"
ASSETS_PATH: Final = "/docs-assets"

_SCRIPT: Final = f"""
SwaggerUIBundle({{
  url: "{OPENAPI_PATH}",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 3,
  defaultModelRendering: "example",
  syntaxHighlight: {{theme: "nord"}},
  validatorUrl: null
}});
"""

_STYLE: Final = """
body { margin: 0; background: #fafafa; }
.swagger-ui .info { margin: 32px 0 16px; }
.swagger-ui .scheme-container { padding: 0 0 16px; background: none; box-shadow: none; }
.swagger-ui .schemes .servers-title, .swagger-ui .schemes .servers { display: none; }
.swagger-ui .renderedMarkdown p, .swagger-ui .info p {
  margin: 0 0 10px; max-width: 90ch; line-height: 1.5;
}
.swagger-ui .body-param__text { min-height: 140px; height: 140px; }
"""

_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='3' fill='%2314532d'/%3E"
    "%3Cpath d='M2 11h3V8h3V5h3V3h3' fill='none' stroke='%23fff' stroke-width='2'/%3E%3C/svg%3E"
)

_PAGE: Final = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Papertape API</title>
<link rel="icon" href="{_ICON}">
<link rel="stylesheet" href="{ASSETS_PATH}/swagger-ui.css">
<style>{_STYLE}</style>
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; the same is at <a href="{OPENAPI_PATH}">{OPENAPI_PATH}</a>.
</noscript>
<script src="{ASSETS_PATH}/swagger-ui-bundle.js"></script>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _script_digest() -> str:
    return base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()


_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'self' 'sha256-{_script_digest()}'",
        "style-src 'self' 'unsafe-inline'",  # Swagger UI sets styles on its elements
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


class DocsRoutes:
    """Handlers of the docs page and the documents."""

    def __init__(self, options: ApiOptions, *, asks_for_keys: bool) -> None:
        self._options = options
        self._asks_for_keys = asks_for_keys

    @cached_property
    def _document(self) -> bytes:
        """The document as it is sent, made when it is first asked for."""
        from app.api.docs.documents import document  # noqa: PLC0415 - see the module

        return msgspec.json.encode(document(self._options, asks_for_keys=self._asks_for_keys))

    @cached_property
    def _asyncapi_document(self) -> dict[str, Any]:
        from app.api.docs import asyncapi  # noqa: PLC0415 - see the module

        return asyncapi.document(version=self._options.version)

    async def page(self, _request: Request) -> Response:
        """Answer the page."""
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})

    async def openapi(self, _request: Request) -> Response:
        """Answer the OpenAPI document."""
        return Response(self._document, media_type="application/json")

    async def asyncapi(self, request: Request) -> Response:
        """Answer the AsyncAPI document, for the address under which it was asked for."""
        from app.api.docs import asyncapi  # noqa: PLC0415 - see the module

        server = asyncapi.server_of(request.url)
        built = self._asyncapi_document | {"servers": {"this": server}}
        return Response(msgspec.json.encode(built), media_type="application/json")


class _Assets(StaticFiles):
    """Files that a browser may keep, and asks about by their tag."""

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response


def assets() -> StaticFiles:
    """Return the files of Swagger UI."""
    return _Assets(directory=str(files("fastapi_offline") / "static"))


def behind_a_proxy(app: ASGIApp) -> ASGIApp:
    """Return the app as one that a proxy on this machine may tell the scheme of its requests.

    The one route that tells its own address asks for it; all others would pay for it.
    """
    return ProxyHeadersMiddleware(app)  # type: ignore[arg-type, return-value] # uvicorn has its own types of ASGI
