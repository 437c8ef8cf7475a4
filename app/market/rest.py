"""``VenueRest``: the venue's REST interface, as far as market data needs it.

The venue counts weight per address and minute, and bans whoever goes on after 429: so we keep
below half of what it allows, and while a Retry-After lasts every call fails at once, unsent.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import httpx2
import msgspec
import structlog

from app import __version__
from app.domain.amounts import ZERO, parse_amount
from app.domain.errors import VenueThrottledError, VenueUnreachableError
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.book_ticker import UpdateId
from app.market.exchange_info import (
    ParsedExchangeInfo,
    UnreadableExchangeInfoError,
    parse_exchange_info,
)
from app.market.transport.pacing import SlidingWindow
from app.ports import Clock

DEPTH_WEIGHT: Final = 5
"""Of ``depth`` with a limit up to 100."""

EXCHANGE_INFO_WEIGHT: Final = 20

CONNECTIONS_MAX: Final = 32
"""A little above what the feed asks for at once."""

DEPTH_BYTES_MAX: Final = 65_536
EXCHANGE_INFO_BYTES_MAX: Final = 64 * 1024 * 1024
"""Several times what the venue sends."""

THROTTLE_SECONDS_DEFAULT: Final = 60.0
"""Where 429 or 418 come without Retry-After: one window of the venue's weight."""

THROTTLE_SECONDS_MAX: Final = 3 * 86_400.0
"""The venue's longest ban."""

_HTTP_OK: Final = 200
_HTTP_THROTTLED: Final = (418, 429)
_ERROR_TEXT_MAX: Final = 200
_BANNED_UNTIL: Final = re.compile(rb"banned until ([0-9]{13})\b")
_NANOSECONDS: Final = 1_000_000_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestLimits:
    """How much we ask for, and how long an answer may take, all of it included."""

    # Half of the venue's 6,000 a minute: other programs may share the address.
    weight_max: int = 3_000
    weight_seconds: float = 60.0
    # A seed that takes longer is asked for again.
    depth_seconds_max: float = 5.0
    # The body has some megabytes, and nothing waits for it but the first start.
    exchange_info_seconds_max: float = 60.0


class _Depth(msgspec.Struct, rename="camel", gc=False):
    last_update_id: UpdateId
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class _VenueRefusal(msgspec.Struct, gc=False):
    code: int
    msg: str


_decode_depth = msgspec.json.Decoder(_Depth).decode
_decode_refusal = msgspec.json.Decoder(_VenueRefusal).decode


def _trusted(base_url: str) -> ssl.SSLContext:
    """Return the certificates to trust: those of the feed with TLS, none without it.

    Loading the certificates takes longer than all else that a start does.
    """
    if base_url.startswith("https:"):
        return httpx2.create_ssl_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class VenueRest:
    """Depth snapshots and trading rules, within the venue's limits.

    ``base_url`` is the venue's, without ``/api``. Proxies of the environment are not used. Close it
    with ``aclose``.
    """

    def __init__(self, base_url: str, *, clock: Clock, limits: RestLimits | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._limits = limits or RestLimits()
        self._clock = clock
        self._weight = SlidingWindow(
            limit=self._limits.weight_max, seconds=self._limits.weight_seconds
        )
        self._throttled_until_ns = 0
        self._client = httpx2.AsyncClient(
            headers={"User-Agent": f"papertape/{__version__}"},
            limits=httpx2.Limits(
                max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX
            ),
            timeout=None,  # each call has one deadline for the whole of it, in ``_get``
            verify=_trusted(base_url),
            trust_env=False,
        )

    async def depth(self, symbol: Symbol) -> Quote:
        """Return the best of both sides now, with the snapshot's ``lastUpdateId``.

        Raises:
            VenueUnreachableError: no answer, or none that can be used.
            VenueThrottledError: the venue asked us to wait; nothing was sent if it asked before.
        """
        body = await self._get(
            "/api/v3/depth",
            {"symbol": symbol, "limit": "5"},
            weight=DEPTH_WEIGHT,
            seconds_max=self._limits.depth_seconds_max,
            bytes_max=DEPTH_BYTES_MAX,
        )
        quote = self._read_depth(symbol, body)
        if quote.malformation is not None:
            raise self._unusable("/api/v3/depth", f"{symbol} is {quote.malformation}")
        return quote

    async def exchange_info(self) -> ParsedExchangeInfo:
        """Return the rules of all symbols; one that cannot be read is left out and counted.

        Raises: as ``depth``.
        """
        path = "/api/v3/exchangeInfo"
        body = await self._get(
            path,
            {},
            weight=EXCHANGE_INFO_WEIGHT,
            seconds_max=self._limits.exchange_info_seconds_max,
            bytes_max=EXCHANGE_INFO_BYTES_MAX,
        )
        try:
            # In a thread: it takes 50 ms, and no quote is to wait that long.
            return await asyncio.to_thread(parse_exchange_info, body)
        except UnreadableExchangeInfoError as error:
            raise self._unusable(path, str(error)) from error

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def _read_depth(self, symbol: Symbol, body: bytes) -> Quote:
        try:
            depth = _decode_depth(body)
            bid_price, bid_quantity = _best(depth.bids)
            ask_price, ask_quantity = _best(depth.asks)
        except (ValueError, RecursionError) as error:
            raise self._unusable("/api/v3/depth", "not a depth snapshot") from error
        return Quote(
            symbol=symbol,
            update_id=depth.last_update_id,
            bid_price=bid_price,
            bid_quantity=bid_quantity,
            ask_price=ask_price,
            ask_quantity=ask_quantity,
            received_ns=self._clock.monotonic_ns(),
        )

    async def _get(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        weight: int,
        seconds_max: float,
        bytes_max: int,
    ) -> bytes:
        """Return the body of a good answer, once the weight limit lets the request pass."""
        self._refuse_while_throttled()
        await self._weight.acquire(weight)
        self._refuse_while_throttled()
        try:
            async with (
                asyncio.timeout(seconds_max),
                self._client.stream("GET", self.base_url + path, params=params) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > bytes_max:
                        raise self._unusable(path, f"more than {bytes_max} bytes")
        except TimeoutError as error:
            raise self._unusable(path, f"no answer within {seconds_max:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._unusable(path, str(error) or type(error).__name__) from error
        if response.status_code in _HTTP_THROTTLED:
            raise self._throttled(response, bytes(body))
        if response.status_code != _HTTP_OK:
            raise self._unusable(path, _refusal(response.status_code, bytes(body)))
        return bytes(body)

    def _unusable(self, path: str, cause: str) -> VenueUnreachableError:
        return VenueUnreachableError(f"{self.base_url}{path}: {cause[:_ERROR_TEXT_MAX]}")

    def _refuse_while_throttled(self) -> None:
        left_ns = self._throttled_until_ns - self._clock.monotonic_ns()
        if left_ns > 0:
            raise VenueThrottledError(left_ns / _NANOSECONDS)

    def _throttled(self, response: httpx2.Response, body: bytes) -> VenueThrottledError:
        """Remember how long the venue wants to be left alone."""
        seconds = self._seconds_to_wait(response.headers.get("Retry-After", ""), body)
        until_ns = self._clock.monotonic_ns() + round(seconds * _NANOSECONDS)
        self._throttled_until_ns = max(self._throttled_until_ns, until_ns)
        _log.warning("venue_throttled", status=response.status_code, seconds=seconds)
        return VenueThrottledError(seconds)

    def _seconds_to_wait(self, retry_after: str, body: bytes) -> float:
        """Read the header, else the end of a ban that the text names, else a whole window."""
        banned = _BANNED_UNTIL.search(body)
        if re.fullmatch(r"[0-9]{1,9}", retry_after, re.ASCII):
            seconds = float(retry_after)
        elif banned is not None:
            seconds = int(banned.group(1)) / 1000 - self._clock.now().timestamp()
        else:
            seconds = THROTTLE_SECONDS_DEFAULT
        return min(max(seconds, 1.0), THROTTLE_SECONDS_MAX)


def _best(levels: list[tuple[str, str]]) -> tuple[Decimal, Decimal]:
    if not levels:
        return ZERO, ZERO
    price, quantity = levels[0]
    return parse_amount(price), parse_amount(quantity)


def _refusal(status: int, body: bytes) -> str:
    """Say what a refusal says; its body is JSON, or the HTML of something in between."""
    try:
        refusal = _decode_refusal(body)
    except (ValueError, RecursionError):
        return f"HTTP {status}"
    return f"HTTP {status}, {refusal.code}: {refusal.msg}"
