"""Clients with long timeouts for a busy machine; the defaults of the libraries are seconds."""

from functools import partial
from typing import Final

import httpx2
from websockets.asyncio.client import connect as connect_by_default

from tests.support.waiting import WAIT_SECONDS_MAX

connect: Final = partial(
    connect_by_default, open_timeout=WAIT_SECONDS_MAX, ping_interval=None, proxy=None
)
"""Open a WebSocket that sends no pings, so that none is counted or missed."""

http_client: Final = partial(
    httpx2.AsyncClient,
    timeout=WAIT_SECONDS_MAX,
    limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
    verify=False,
)
"""Make an HTTP client for loopback without a limit on connections."""
