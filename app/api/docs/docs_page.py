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

router = APIRouter(include_in_schema=False)


@router.get("/")
async def open_docs() -> Response:
    """Redirect the bare address to the page."""
    return RedirectResponse(DOCS_PATH, status_code=HTTPStatus.TEMPORARY_REDIRECT)


@router.get(DOCS_PATH)
async def docs_page() -> Response:
    """Answer the page."""
    page = _file("docs_page.html")
    return HTMLResponse(page, headers={"Content-Security-Policy": _policy(page)})


def _policy(page: bytes) -> str:
    """Return the content security policy that names the script of the page."""
    script = page.rpartition(b"<script>")[2].partition(b"</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'sha256-{digest}'",
            "style-src 'self' 'unsafe-inline'",  # Swagger UI sets styles on its elements
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _file(name: str) -> bytes:
    return files("app.api.docs").joinpath(name).read_bytes()


@router.get(ASYNCAPI_PATH)
async def asyncapi_document(request: Request, options: Options) -> dict[str, Any]:
    """Answer the AsyncAPI document, for the address of the request."""
    document = read_asyncapi()
    document["info"]["version"] = options.version
    document["servers"] = {"this": _server_of(request)}
    return document


def read_asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI document as it is checked in, without version and servers."""
    document = msgspec.json.decode(_file("asyncapi.json"))
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
