"""``VenueRest``: the parts of the venue's REST interface that market data needs.

The venue counts weight per address and minute, and bans clients that continue after a 429. So we
use at most half of its limit. While a Retry-After lasts, every call fails immediately and sends
nothing.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import httpx2
import msgspec
import structlog

from app import __version__
from app.domain.amounts import ZERO, parse_amount
from app.domain.errors import SymbolNotTradingError, VenueThrottledError, VenueUnreachableError
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.domain.rules import TRADING
from app.market.book_ticker import UpdateId
from app.market.exchange_info import (
    ParsedExchangeInfo,
    UnreadableExchangeInfoError,
    parse_exchange_info,
)
from app.market.transport.failure_kinds import RETRY_AFTER_SECONDS_MAX
from app.market.transport.pacing import SlidingWindow
from app.ports import Clock

DEPTH_WEIGHT: Final = 5
"""Weight of ``depth`` with a limit up to 100."""

EXCHANGE_INFO_WEIGHT: Final = 20

TICKERS_WEIGHT: Final = 4
"""Weight of ``ticker/bookTicker`` for several symbols, or for all."""

SYMBOLS_PER_REQUEST_MAX: Final = 100
"""Symbols named in one URL. Beyond it all symbols are requested, at the same weight."""

CONNECTIONS_MAX: Final = 32
"""A little above the number of seeds that the feed requests at once."""

DEPTH_BYTES_MAX: Final = 65_536
TICKERS_BYTES_MAX: Final = 8 * 1024 * 1024
EXCHANGE_INFO_BYTES_MAX: Final = 64 * 1024 * 1024
"""Several times the size of the venue's body."""

THROTTLE_SECONDS_DEFAULT: Final = 60.0
"""For 429 or 418 without Retry-After: one window of the venue's weight."""

_HTTP_OK: Final = 200
_HTTP_REFUSED: Final = 400
_HTTP_THROTTLED: Final = (418, 429)
_INVALID_SYMBOL: Final = -1121
_STATUS_MISMATCH: Final = -1220
_ERROR_TEXT_MAX: Final = 200
_BANNED_UNTIL: Final = re.compile(rb"banned until ([0-9]{13})\b")
_NANOSECONDS: Final = 1_000_000_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestLimits:
    """Our weight limit, and how long a complete answer may take."""

    # Together half of the venue's 6,000 a minute: other programs may share the address.
    weight_max: int = 2_500
    # Apart, so that many seeds cannot delay the discovery of a halt.
    status_weight_max: int = 500
    weight_seconds: float = 60.0
    # A seed that takes longer is requested again.
    depth_seconds_max: float = 5.0
    # The body has several megabytes, and only the first start waits for it.
    exchange_info_seconds_max: float = 60.0


class _Depth(msgspec.Struct, rename="camel", gc=False):
    last_update_id: UpdateId
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class _Ticker(msgspec.Struct, gc=False):
    symbol: Symbol


class _VenueRefusal(msgspec.Struct, gc=False):
    code: int
    msg: str


class _RefusedError(VenueUnreachableError):
    """The venue refused a request with an error code of its own."""

    def __init__(self, message: str, *, venue_code: int) -> None:
        self.venue_code = venue_code
        super().__init__(message)


_decode_tickers = msgspec.json.Decoder(list[_Ticker]).decode
_decode_depth = msgspec.json.Decoder(_Depth).decode
_decode_refusal = msgspec.json.Decoder(_VenueRefusal).decode


def _tls_context(base_url: str) -> ssl.SSLContext:
    """Return the certificates to trust: the feed's with TLS, none without it.

    Loading the certificates takes longer than the rest of a start.
    """
    if base_url.startswith("https:"):
        return httpx2.create_ssl_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class VenueRest:
    """Depth snapshots and trading rules, within the venue's limits; close it with ``aclose``.

    Proxy settings of the environment are ignored. ``base_url`` does not include ``/api``.
    """

    def __init__(self, base_url: str, *, clock: Clock, limits: RestLimits | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._limits = limits or RestLimits()
        self._clock = clock
        seconds = self._limits.weight_seconds
        self._weight = SlidingWindow(limit=self._limits.weight_max, seconds=seconds)
        self._status_weight = SlidingWindow(limit=self._limits.status_weight_max, seconds=seconds)
        self._throttled_until_ns = 0
        self._client = httpx2.AsyncClient(
            headers={"User-Agent": f"papertape/{__version__}"},
            limits=httpx2.Limits(
                max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX
            ),
            timeout=None,  # ``_get`` sets one deadline for the complete call
            verify=_tls_context(base_url),
            trust_env=False,
        )

    async def depth(self, symbol: Symbol) -> Quote:
        """Return the current best bid and ask, with the snapshot's ``lastUpdateId``.

        Raises:
            SymbolNotTradingError: the symbol has another status than TRADING. Without
                ``symbolStatus`` the venue would answer with the frozen book.
            VenueUnreachableError: there was no answer, or an unusable one.
            VenueThrottledError: the venue asked us to wait. If it did so before, nothing was sent.
        """
        try:
            body = await self._get(
                "/api/v3/depth",
                {"symbol": symbol, "limit": "5", "symbolStatus": TRADING},
                weight=DEPTH_WEIGHT,
                seconds_max=self._limits.depth_seconds_max,
                bytes_max=DEPTH_BYTES_MAX,
            )
        except _RefusedError as error:
            # In the words of the venue: "A status mismatch returns error -1220".
            if error.venue_code == _STATUS_MISMATCH:
                raise SymbolNotTradingError(symbol) from None
            raise
        quote = self._read_depth(symbol, body)
        if quote.malformation is not None:
            raise self._unreachable("/api/v3/depth", f"{symbol} is {quote.malformation}")
        return quote

    async def trading_symbols(self, symbols: Collection[Symbol]) -> set[Symbol]:
        """Return the symbols whose status is TRADING, of ``symbols`` and perhaps of others.

        Raises: as ``depth``, except SymbolNotTradingError.
        """
        query = {"symbolStatus": TRADING}
        if len(symbols) <= SYMBOLS_PER_REQUEST_MAX:
            names = json.dumps(list(symbols), ensure_ascii=False, separators=(",", ":"))
            try:
                return await self._tickers({**query, "symbols": names})
            except _RefusedError as error:
                # One delisted symbol makes the venue refuse the whole list.
                if error.venue_code != _INVALID_SYMBOL:
                    raise
        return await self._tickers(query)

    async def exchange_info(self) -> ParsedExchangeInfo:
        """Return the rules of all symbols; an unreadable symbol is left out and counted.

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
            # In a thread: parsing takes 50 ms, and quotes must not wait that long.
            return await asyncio.to_thread(parse_exchange_info, body)
        except UnreadableExchangeInfoError as error:
            raise self._unreachable(path, str(error)) from error

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _tickers(self, query: Mapping[str, str]) -> set[Symbol]:
        path = "/api/v3/ticker/bookTicker"
        body = await self._get(
            path,
            query,
            limit=self._status_weight,
            weight=TICKERS_WEIGHT,
            seconds_max=self._limits.depth_seconds_max,
            bytes_max=TICKERS_BYTES_MAX,
        )
        try:
            return {ticker.symbol for ticker in _decode_tickers(body)}
        except (ValueError, RecursionError) as error:
            raise self._unreachable(path, "not a list of tickers") from error

    def _read_depth(self, symbol: Symbol, body: bytes) -> Quote:
        try:
            depth = _decode_depth(body)
            bid_price, bid_quantity = _best(depth.bids)
            ask_price, ask_quantity = _best(depth.asks)
        except (ValueError, RecursionError) as error:
            raise self._unreachable("/api/v3/depth", "not a depth snapshot") from error
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
        limit: SlidingWindow | None = None,
    ) -> bytes:
        """Return the body of a successful answer, after waiting for the weight limit."""
        self._refuse_while_throttled()
        await (limit or self._weight).acquire(weight)
        # Another call may have been throttled during the wait.
        self._refuse_while_throttled()
        try:
            async with (
                asyncio.timeout(seconds_max),
                self._client.stream("GET", self.base_url + path, params=params) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > bytes_max:  # an endless body must not use unlimited memory
                        raise self._unreachable(path, f"more than {bytes_max} bytes")
        except TimeoutError as error:
            raise self._unreachable(path, f"no answer within {seconds_max:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._unreachable(path, str(error) or type(error).__name__) from error
        if response.status_code in _HTTP_THROTTLED:
            raise self._note_throttled(response, bytes(body))
        if response.status_code != _HTTP_OK:
            raise self._refused(path, response.status_code, bytes(body))
        return bytes(body)

    def _unreachable(self, path: str, cause: str) -> VenueUnreachableError:
        return VenueUnreachableError(self._trouble(path, cause))

    def _refused(self, path: str, status: int, body: bytes) -> VenueUnreachableError:
        """Describe a refusal; its body is JSON, or HTML of an intermediary."""
        try:
            refusal = _decode_refusal(body)
        except (ValueError, RecursionError):
            return self._unreachable(path, f"HTTP {status}")
        text = f"HTTP {status}, {refusal.code}: {refusal.msg}"
        if status == _HTTP_REFUSED:
            return _RefusedError(self._trouble(path, text), venue_code=refusal.code)
        return self._unreachable(path, text)

    def _trouble(self, path: str, cause: str) -> str:
        return f"{self.base_url}{path}: {cause[:_ERROR_TEXT_MAX]}"

    def _refuse_while_throttled(self) -> None:
        wait_ns = self._throttled_until_ns - self._clock.monotonic_ns()
        if wait_ns > 0:
            raise VenueThrottledError(wait_ns / _NANOSECONDS)

    def _note_throttled(self, response: httpx2.Response, body: bytes) -> VenueThrottledError:
        """Remember how long the venue asked us to wait."""
        seconds = self._seconds_to_wait(response.headers.get("Retry-After", ""), body)
        until_ns = self._clock.monotonic_ns() + round(seconds * _NANOSECONDS)
        self._throttled_until_ns = max(self._throttled_until_ns, until_ns)
        _log.warning("venue_throttled", status=response.status_code, seconds=seconds)
        return VenueThrottledError(seconds)

    def _seconds_to_wait(self, retry_after: str, body: bytes) -> float:
        """Read Retry-After, else the end of a ban named in the text, else use the default."""
        # The text of a ban: "IP banned until <milliseconds since 1970>".
        banned = _BANNED_UNTIL.search(body)
        if re.fullmatch(r"[0-9]{1,9}", retry_after, re.ASCII):
            seconds = float(retry_after)
        elif banned is not None:
            seconds = int(banned.group(1)) / 1000 - self._clock.now().timestamp()
        else:
            seconds = THROTTLE_SECONDS_DEFAULT
        return min(max(seconds, 1.0), RETRY_AFTER_SECONDS_MAX)


def _best(levels: list[tuple[str, str]]) -> tuple[Decimal, Decimal]:
    if not levels:
        return ZERO, ZERO
    price, quantity = levels[0]
    return parse_amount(price), parse_amount(quantity)
