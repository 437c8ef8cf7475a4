"""Tests of ``VenueRest`` over a real socket."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from urllib.parse import unquote

import pytest

from app.domain.errors import SymbolNotTradingError, VenueThrottledError, VenueUnreachableError
from app.domain.order import Symbol
from app.market import rest as rest_module
from app.market.exchange_info import ParsedExchangeInfo, parse_exchange_info
from app.market.rest import DEPTH_BYTES_MAX, SYMBOLS_PER_REQUEST_MAX, RestLimits, VenueRest
from app.ports import Clock
from tests.support.hand_driven import HandClock
from tests.support.market import LTCBTC
from tests.support.tapes import TAPES_FOLDER
from tests.support.virtual_time import clock_of_loop
from tests.support.waiting import WAIT_SECONDS_MAX, eventually

DEPTH = {
    "lastUpdateId": 77,
    "bids": [["0.0025", "3.1"], ["0.0024", "9"]],
    "asks": [["0.0026", "40.66"], ["0.0027", "9"]],
}
SYMBOL = {
    "symbol": "LTCBTC",
    "status": "TRADING",
    "baseAsset": "LTC",
    "quoteAsset": "BTC",
    "filters": [],
}
HTML = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"


class HttpPeer:
    """Answers every request with the same bytes, and records the requests."""

    def __init__(self) -> None:
        self.requested: list[str] = []
        self.url = ""
        self._answer = b""

    def answer(
        self, body: object, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Answer with JSON, or with text as it is."""
        text = body if isinstance(body, str) else json.dumps(body)
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(text.encode())}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.answer_raw("\r\n".join([*lines, "", text]).encode())

    def answer_raw(self, answer: bytes) -> None:
        """Answer with these bytes; without bytes, stay silent."""
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                self.requested.append(request.split(b" ")[1].decode())
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def peer() -> AsyncIterator[HttpPeer]:
    """Run a peer on a free port."""
    peer = HttpPeer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    async with server:
        peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield peer


@asynccontextmanager
async def client(
    url: str, clock: Clock | None = None, *, limits: RestLimits | None = None
) -> AsyncIterator[VenueRest]:
    """Open a client."""
    rest = VenueRest(url, clock=clock or HandClock(), limits=limits)
    try:
        yield rest
    finally:
        await rest.aclose()


async def depth_trouble(peer: HttpPeer, *, limits: RestLimits | None = None) -> str:
    """Request depth and return the text of the failure."""
    async with client(peer.url, limits=limits) as rest:
        with pytest.raises(VenueUnreachableError) as failure:
            await rest.depth(LTCBTC)
    return str(failure.value)


async def test_depth_is_the_best_of_both_sides(peer: HttpPeer) -> None:
    """Depth gives the best bid and ask with the snapshot's id, and zeros for an empty side.

    A symbol beyond ASCII is percent-encoded in the URL.
    """
    clock = HandClock()

    async with client(f"{peer.url}/", clock) as rest:
        peer.answer(DEPTH)
        quote = await rest.depth(LTCBTC)
        peer.answer({"lastUpdateId": 5, "bids": [], "asks": [], "more": 1})
        empty = await rest.depth(Symbol("币USDT&x=1"))

    assert (quote.symbol, quote.update_id) == ("LTCBTC", 77)
    assert (quote.bid_price, quote.bid_quantity) == (Decimal("0.0025"), Decimal("3.1"))
    assert (quote.ask_price, quote.ask_quantity) == (Decimal("0.0026"), Decimal("40.66"))
    assert quote.received_ns == clock.monotonic_ns()
    assert not any([empty.bid_price, empty.bid_quantity, empty.ask_price, empty.ask_quantity])
    assert peer.requested == [
        "/api/v3/depth?symbol=LTCBTC&limit=5&symbolStatus=TRADING",
        "/api/v3/depth?symbol=%E5%B8%81USDT%26x%3D1&limit=5&symbolStatus=TRADING",
    ]


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        "",
        "[]",
        '{"lastUpdateId":7',
        {**DEPTH, "lastUpdateId": 0},
        {**DEPTH, "lastUpdateId": "7"},
        {**DEPTH, "asks": [["-1", "1"]]},
        {**DEPTH, "asks": [["1e5", "1"]]},
        {**DEPTH, "asks": [[1, 2]]},
        {**DEPTH, "asks": [["0.0026"]]},
        {**DEPTH, "asks": [["0.0026", "0"]]},
        {**DEPTH, "asks": [["0.0025", "1"]]},
        "[" * 50_000,
        " " * (DEPTH_BYTES_MAX + 1),
    ],
    ids=lambda body: str(body)[:60],
)
async def test_unusable_depth_counts_as_no_answer(peer: HttpPeer, body: object) -> None:
    """An unusable depth raises an error that names address and path."""
    peer.answer(body)

    assert (await depth_trouble(peer)).startswith(f"{peer.url}/api/v3/depth: ")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (502, HTML, "HTTP 502"),
        (403, HTML, "HTTP 403"),
        (302, "", "HTTP 302"),
        (400, {"code": -1121, "msg": "Invalid symbol."}, "HTTP 400, -1121: Invalid symbol."),
        (500, {"code": -1000, "msg": "An unknown error occured"}, "HTTP 500, -1000: An unknown"),
        (451, {"code": 0, "msg": "Service unavailable from a restricted location " * 9}, "451"),
    ],
)
async def test_refusal_says_what_the_venue_says(
    peer: HttpPeer, status: int, body: object, said: str
) -> None:
    """A refusal shows the venue's code and text, shortened, or else the status."""
    peer.answer(body, status=status)

    trouble = await depth_trouble(peer)

    assert said in trouble
    assert len(trouble) < 300


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"garbage\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz", ""),
        (b"", "no answer within 0.1 s"),
    ],
    ids=["not HTTP", "not gzip", "silence"],
)
async def test_broken_or_late_answer_counts_as_none(
    peer: HttpPeer, answer: bytes, cause: str
) -> None:
    """Every broken answer raises the same kind of error, and so does the deadline."""
    peer.answer_raw(answer)
    limits = RestLimits() if answer else RestLimits(depth_seconds_max=0.1)

    assert f"{peer.url}/api/v3/depth: {cause}" in await depth_trouble(peer, limits=limits)


async def test_refused_connection_and_unreadable_rules_name_the_address(peer: HttpPeer) -> None:
    """A body that is not exchangeInfo raises, too, instead of giving no rules."""
    peer.answer(HTML)
    async with client(peer.url) as rest:
        with pytest.raises(VenueUnreachableError, match=f"{peer.url}.*: not an exchangeInfo body"):
            await rest.exchange_info()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with client(url) as rest:
            with pytest.raises(VenueUnreachableError, match=url):
                await rest.exchange_info()


@pytest.mark.parametrize("status", [429, 418])
async def test_throttling_is_obeyed_without_asking_again(peer: HttpPeer, status: int) -> None:
    """After throttling every call fails immediately, unsent, until Retry-After is over."""
    clock = HandClock()
    peer.answer("", status=status, headers={"Retry-After": "35"})

    async with client(peer.url, clock) as rest:
        with pytest.raises(VenueThrottledError) as first:
            await rest.depth(LTCBTC)
        clock.advance(30)
        with pytest.raises(VenueThrottledError) as second:
            await rest.exchange_info()
        clock.advance(5)
        peer.answer(DEPTH)
        await rest.depth(LTCBTC)

    assert first.value.retry_after_seconds == 35
    assert second.value.retry_after_seconds == 5
    assert len(peer.requested) == 2


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, "", 60),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 60),
        ({"Retry-After": "0"}, "", 1),
        ({"Retry-After": "999999999"}, "", 259_200),
        ({}, "Way too much request weight used; IP banned until 1723161374000. Please", 120),
    ],
    ids=["no word", "a date", "zero", "an eternity", "a ban with its end"],
)
async def test_time_to_wait_is_read_as_far_as_it_can_be(
    peer: HttpPeer, headers: dict[str, str], body: str, seconds: int
) -> None:
    """The wait is at least a second, at most the longest ban, by default a whole window."""
    peer.answer({"code": -1003, "msg": body}, status=418, headers=headers)

    async with client(peer.url) as rest:
        with pytest.raises(VenueThrottledError) as refusal:
            await rest.depth(LTCBTC)

    assert refusal.value.retry_after_seconds == seconds


async def test_real_error_bodies_of_the_venue_are_understood(peer: HttpPeer) -> None:
    """Every captured error body becomes one of our two errors."""
    path = TAPES_FOLDER / "binance-errors.json"
    if not path.is_file():
        pytest.skip("the captured errors are not beside this repository, in ../shared/tapes")
    captured = json.loads(path.read_text(encoding="utf-8"))["rest_errors"]

    for error in captured:
        peer.answer(error["body"] or "", status=error["status"], headers=error.get("headers"))
        async with client(peer.url) as rest:
            with pytest.raises((VenueUnreachableError, VenueThrottledError)) as failure:
                await rest.exchange_info()
        is_throttled = isinstance(failure.value, VenueThrottledError)
        assert is_throttled == (error["status"] in {418, 429})


async def test_trading_rules_are_read_without_blocking_the_event_loop(
    peer: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreadable symbol is counted and affects no other symbol."""
    peer.answer({"symbols": [SYMBOL, {"symbol": "X"}]})
    is_reading, loop_has_turned = threading.Event(), threading.Event()

    def read_while_the_loop_turns(body: bytes) -> ParsedExchangeInfo:
        is_reading.set()
        assert loop_has_turned.wait(WAIT_SECONDS_MAX), "the loop turns while the rules are read"
        return parse_exchange_info(body)

    monkeypatch.setattr(rest_module, "parse_exchange_info", read_while_the_loop_turns)

    async with client(peer.url) as rest, asyncio.TaskGroup() as group:
        reading = group.create_task(rest.exchange_info())
        await eventually(is_reading.is_set)
        loop_has_turned.set()

    assert [one.symbol for one in reading.result().rules] == ["LTCBTC"]
    assert reading.result().symbols_skipped == 1
    assert peer.requested == ["/api/v3/exchangeInfo"]


async def test_requests_wait_for_their_weight(peer: HttpPeer) -> None:
    """A request beyond the weight limit waits for the next window."""
    limits = RestLimits(weight_max=10, weight_seconds=0.3)
    peer.answer(DEPTH)

    async with client(peer.url, limits=limits) as rest:
        started = time.monotonic()
        for _ in range(3):
            await rest.depth(LTCBTC)

    assert time.monotonic() - started >= 0.3


MISMATCH = {
    "code": -1220,
    "msg": "The symbol's status does not match the requested symbolStatus.",
}
INVALID = {"code": -1121, "msg": "Invalid symbol."}


async def test_depth_of_a_halted_symbol_is_no_quote(peer: HttpPeer) -> None:
    """The venue refuses it by a code of its own; the same code elsewhere is mere trouble."""
    async with client(peer.url) as rest:
        peer.answer(MISMATCH, status=400)
        with pytest.raises(SymbolNotTradingError, match="LTCBTC is not trading"):
            await rest.depth(LTCBTC)
        peer.answer(MISMATCH, status=500)
        with pytest.raises(VenueUnreachableError):
            await rest.depth(LTCBTC)


async def test_trading_symbols_are_those_that_the_venue_lists(peer: HttpPeer) -> None:
    """The request names the symbols without spaces, which the venue would refuse."""
    ether, chinese = Symbol("ETHBTC"), Symbol("币USDT")
    ticker = {"bidPrice": "1", "bidQty": "1", "askPrice": "2", "askQty": "1"}
    peer.answer([{"symbol": "LTCBTC", **ticker}, {"symbol": "币USDT", **ticker}])

    async with client(peer.url) as rest:
        trading = await rest.trading_symbols([LTCBTC, ether, chinese])

    assert trading == {LTCBTC, chinese}
    (requested,) = peer.requested
    assert unquote(requested) == (
        '/api/v3/ticker/bookTicker?symbolStatus=TRADING&symbols=["LTCBTC","ETHBTC","币USDT"]'
    )


@pytest.mark.parametrize("count", [1, SYMBOLS_PER_REQUEST_MAX + 1])
async def test_all_symbols_are_asked_for_if_a_list_cannot_be_sent(
    peer: HttpPeer, count: int
) -> None:
    """A list is too long for an address, or the venue refuses it for a delisted symbol."""
    peer.answer(INVALID, status=400)
    symbols = [Symbol(f"COIN{number}USDT") for number in range(count)]

    async with client(peer.url) as rest:
        with pytest.raises(VenueUnreachableError, match="Invalid symbol"):
            await rest.trading_symbols(symbols)

    assert peer.requested[-1] == "/api/v3/ticker/bookTicker?symbolStatus=TRADING"
    assert len(peer.requested) == (2 if count == 1 else 1)


@pytest.mark.parametrize("body", [HTML, {}, [1], [{"symbol": 7}], "[" * 50_000])
async def test_an_unreadable_list_of_tickers_counts_as_no_answer(
    peer: HttpPeer, body: object
) -> None:
    """It must not look like a list without trading symbols, which would halt every symbol."""
    peer.answer(body)

    async with client(peer.url) as rest:
        with pytest.raises(VenueUnreachableError):
            await rest.trading_symbols([LTCBTC])


@pytest.mark.virtual_time
async def test_statuses_do_not_wait_for_the_weight_of_seeds(peer: HttpPeer) -> None:
    """A halt must be known within seconds, even while many symbols are being seeded."""
    peer.answer(DEPTH)
    loop = asyncio.get_running_loop()

    async with client(peer.url, clock_of_loop()) as rest:
        seeds = [asyncio.create_task(rest.depth(LTCBTC)) for _ in range(501)]
        await asyncio.wait(seeds, return_when=asyncio.FIRST_COMPLETED)
        started = loop.time()
        peer.answer([])
        await rest.trading_symbols([LTCBTC])
        waited = loop.time() - started
        for seed in seeds:
            seed.cancel()
        await asyncio.wait(seeds)

    assert waited < 30, "less than the window of the weight"
