"""``/docs`` and the AsyncAPI document; everything that the page loads comes from the service.

Swagger UI comes from the ``fastapi-offline`` package. The page is our own, so that a content
security policy can name its one inline script: with it the browser refuses anything from elsewhere,
and no other page can frame the Execute button.
"""

import base64
import hashlib
from http import HTTPStatus
from importlib.resources import files
from os import PathLike, stat_result
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.api.dependencies import Options

DOCS_PATH: Final = "/docs"
OPENAPI_PATH: Final = "/openapi.json"
ASYNCAPI_PATH: Final = "/docs/asyncapi.json"
ASSETS_PATH: Final = "/docs-assets"

_PROXY: Final = "127.0.0.1"

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


router = APIRouter(include_in_schema=False)


@router.get("/")
async def open_docs() -> Response:
    """Redirect the bare address to the page."""
    return RedirectResponse(DOCS_PATH, status_code=HTTPStatus.TEMPORARY_REDIRECT)


@router.get(DOCS_PATH)
async def docs_page() -> Response:
    """Answer the page."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get(ASYNCAPI_PATH)
async def asyncapi_document(request: Request, options: Options) -> dict[str, Any]:
    """Answer the AsyncAPI document, for the address of the request."""
    document = read_asyncapi()
    document["info"]["version"] = options.version
    document["servers"] = {"this": _server_of(request)}
    return document


def read_asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI document as it is checked in, without version and servers."""
    document = msgspec.json.decode(files("app.api.docs").joinpath("asyncapi.json").read_bytes())
    assert isinstance(document, dict), "the file holds an object"
    return document


def _server_of(request: Request) -> dict[str, Any]:
    """Return the server object of the address that the client asked."""
    return {
        "host": request.url.netloc,
        "protocol": "wss" if _is_secure(request) else "ws",
        "description": "The service that answered.",
        "security": [{"$ref": "#/components/securitySchemes/key"}],
    }


def _is_secure(request: Request) -> bool:
    forwarded = request.headers.get("x-forwarded-proto")
    # Only a proxy on this machine is believed: any client can send the header.
    if forwarded is not None and request.client is not None and request.client.host == _PROXY:
        return forwarded in {"https", "wss"}
    return request.url.scheme == "https"


class _Assets(StaticFiles):
    """Files that a browser may keep, and revalidates by their tag."""

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
