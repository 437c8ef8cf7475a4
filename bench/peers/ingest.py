"""One client, as its users use it, on the book tickers of a burst; it tells what that cost.

    python ingest.py CLIENT STREAM_URL REST_URL SYMBOLS FIRST_ID WARM_ID LAST_ID SECONDS_MAX

The client is pointed at the venue, listens to the symbols (``BTC/USDT,LTC/BTC``), and hands each
quote to a callback that counts it. Counted is from the warm-up's last update id to the last one of
all: CPU of the whole process, all threads, user and system. Clients are imported where they are
used, since each takes seconds, and one that is not there must not stop the others.
"""

import asyncio
import functools
import importlib
import importlib.metadata
import json
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

RECEIVE_BYTES = 256 * 1024
QUEUE_MAX = 10**9


class Task:
    """What is to be listened to, and how far it has come.

    ``names`` are the symbols in the words of ccxt, BASE/QUOTE.
    """

    def __init__(self, arguments: list[str]) -> None:
        self.client, self.stream_url, self.rest_url, names, *numbers = arguments
        self.names = names.split(",")
        self.symbols = [name.replace("/", "") for name in self.names]
        self.streams = [f"{symbol.lower()}@bookTicker" for symbol in self.symbols]
        self.first_id, self.warm_id, self.last_id, self.seconds_max = map(int, numbers)
        self.packages: tuple[str, ...] = ()
        self.arrived = 0
        self._next_id = self.warm_id
        self._cpu_seconds = 0.0

    @property
    def path(self) -> str:
        """The path of one raw stream, or of a combined one."""
        if len(self.streams) == 1:
            return f"/ws/{self.streams[0]}"
        return f"/stream?streams={'/'.join(self.streams)}"

    def take(self, update_id: int, total: int = 1) -> None:
        """Count a quote, or several up to this update id."""
        self.arrived += total
        if update_id >= self._next_id:
            self._pass(update_id)

    def _pass(self, update_id: int) -> None:
        if update_id >= self.last_id:
            self.leave(None)
        self._next_id = self.last_id
        self.arrived = 0
        self._cpu_seconds = cpu_seconds()

    def leave(self, cause: str | None) -> None:
        """Tell what was measured and end at once: closing is not what is measured."""
        told = {
            "cpu_seconds": cpu_seconds() - self._cpu_seconds,
            "ended_ns": time.monotonic_ns(),
            "arrived": self.arrived,
            "versions": {one: importlib.metadata.version(one) for one in self.packages},
            "cause": cause,
        }
        sys.stdout.write("\n" + json.dumps(told) + "\n")
        sys.stdout.flush()
        os._exit(0)


def cpu_seconds() -> float:
    """Return what this process has spent."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- Packaged clients -----------------------------------------------------------------------------


async def python_binance(task: Task) -> None:
    """Its queue of 100 messages overflows at once, which ends the stream; so it is made larger."""
    task.packages = ("python-binance",)
    binance = importlib.import_module("binance")
    binance.AsyncClient.API_URL = f"{task.rest_url}/api"
    client = await binance.AsyncClient.create()
    sockets = binance.BinanceSocketManager(client, max_queue_size=QUEUE_MAX)
    sockets.STREAM_URL = f"{task.stream_url}/"
    if len(task.symbols) == 1:
        async with sockets.symbol_book_ticker_socket(task.symbols[0]) as stream:
            while True:
                task.take((await stream.recv())["u"])
    async with sockets.multiplex_socket(task.streams) as stream:
        while True:
            task.take((await stream.recv())["data"]["u"])


async def binance_sdk_spot(task: Task) -> None:
    """Binance's own: a SUBSCRIBE for each symbol, a model for each quote."""
    task.packages = ("binance-sdk-spot",)
    sdk = importlib.import_module("binance_sdk_spot.spot")
    settings = sdk.ConfigurationWebSocketStreams(stream_url=task.stream_url)
    client = sdk.Spot(config_ws_streams=settings)
    connection = await client.websocket_streams.create_connection()
    for symbol in task.symbols:
        stream = await connection.book_ticker(symbol=symbol.lower())
        stream.on("message", lambda quote: task.take(quote.u))
    await asyncio.Event().wait()


async def unicorn(task: Task, library: str = "websockets") -> None:
    """A thread of its own for the stream, and a callback for each quote."""
    task.packages = ("unicorn-binance-websocket-api", library)
    package = importlib.import_module("unicorn_binance_websocket_api")
    manager = package.BinanceWebSocketApiManager(
        exchange="binance.com",
        websocket_base_uri=f"{task.stream_url}/",
        websocket_library=library,
        warn_on_update=False,
        disable_colorama=True,
    )
    markets = [symbol.lower() for symbol in task.symbols]

    def on_message(message: dict[str, dict[str, int]]) -> None:
        if "data" in message:
            task.take(message["data"]["u"])

    manager.create_stream("bookTicker", markets, output="dict", process_stream_data=on_message)
    await asyncio.Event().wait()


def cryptofeed(task: Task) -> None:
    """It takes wss addresses only, so its connections get ours after they were made.

    It chooses and runs a loop itself, that of uvloop.
    """
    task.packages = ("cryptofeed",)
    package = importlib.import_module("cryptofeed")
    defines = importlib.import_module("cryptofeed.defines")
    exchanges = importlib.import_module("cryptofeed.exchanges")
    exchange = exchanges.Binance
    exchange.rest_endpoints[0].address = task.rest_url
    connect = exchange.connect

    def connect_here(feed: object) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = connect(feed)
        for connection, *_ in found:
            address = urlsplit(connection.address)
            connection.address = f"{task.stream_url}{address.path}?{address.query}"
        return found

    exchange.connect = connect_here

    async def on_ticker(ticker: Any, _: float) -> None:  # noqa: ANN401 - it has no types
        task.take(ticker.raw["u"])

    handler = package.FeedHandler(config={"log": {"disabled": True}})
    handler.add_feed(
        exchange(
            symbols=[name.replace("/", "-") for name in task.names],
            channels=[defines.TICKER],
            callbacks={defines.TICKER: on_ticker},
        )
    )
    handler.run()


async def ccxt_pro(task: Task) -> None:
    """Its watch tells the newest tickers since it was last called, so that some are passed over."""
    task.packages = ("ccxt",)
    ccxt = importlib.import_module("ccxt.pro")
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}
    venue = ccxt.binance({"options": options})
    venue.urls["api"]["public"] = f"{task.rest_url}/api/v3"
    venue.urls["api"]["ws"]["spot"] = f"{task.stream_url}/ws"
    while True:
        for ticker in (await venue.watch_bids_asks(task.names)).values():
            task.take(ticker["info"]["u"])


# --- Libraries by themselves ----------------------------------------------------------------------


async def websockets_json(task: Task) -> None:
    """What one writes by hand first."""
    task.packages = ("websockets",)
    client = importlib.import_module("websockets.asyncio.client")
    is_combined = len(task.symbols) > 1
    async with client.connect(task.stream_url + task.path) as stream:
        async for text in stream:
            message = json.loads(text)
            task.take((message["data"] if is_combined else message)["u"])


async def websockets_msgspec(task: Task) -> None:
    """Likewise with what is known to be fast: bytes as they came, into a typed structure."""
    task.packages = ("websockets", "msgspec")
    client = importlib.import_module("websockets.asyncio.client")
    update_id = decoder(is_combined=len(task.symbols) > 1)
    async with client.connect(task.stream_url + task.path, compression=None) as stream:
        while True:
            task.take(update_id(await stream.recv(decode=False)))


async def picows_msgspec(task: Task) -> None:
    """A WebSocket library in Cython, with a callback for each frame."""
    task.packages = ("picows", "msgspec")
    picows = importlib.import_module("picows")
    update_id = decoder(is_combined=len(task.symbols) > 1)

    def on_ws_frame(_listener: object, _transport: object, frame: Any) -> None:  # noqa: ANN401
        task.take(update_id(frame.get_payload_as_memoryview()))

    listener = type("Listener", (picows.WSListener,), {"on_ws_frame": on_ws_frame})
    await picows.ws_connect(listener, task.stream_url + task.path)
    await asyncio.Event().wait()


def decoder(*, is_combined: bool) -> Callable[[bytes], int]:
    """Return what decodes a frame into a typed structure and returns its update id."""
    msgspec = importlib.import_module("msgspec")
    fields = [("u", int), *((key, str) for key in "sbBaA")]
    ticker = msgspec.defstruct("Ticker", fields, gc=False)
    if not is_combined:
        decode = msgspec.json.Decoder(ticker).decode
        return lambda payload: decode(payload).u
    envelope = msgspec.defstruct("Envelope", [("stream", str), ("data", ticker)], gc=False)
    decode = msgspec.json.Decoder(envelope).decode
    return lambda payload: decode(payload).data.u


# --- Floors ---------------------------------------------------------------------------------------


class Frames:
    """Finds frames in what a socket delivers, and nothing else: no masks, no fragments, no pings.

    Update ids are counted and not read, unless ``update_id`` reads them.
    """

    def __init__(self, task: Task, update_id: Callable[[bytes], int] | None) -> None:
        self._task = task
        self._update_id = update_id
        self._rest = b""
        self._count = 0

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        data = self._rest + data if self._rest else data
        total, position, update_id = len(data), 0, self._update_id
        count = 0
        while position + 4 <= total:
            size, start = data[position + 1], position + 2
            if size > 125:
                size, start = data[position + 2] << 8 | data[position + 3], position + 4
            end = start + size
            if end > total:
                break
            count += 1
            if update_id is not None:
                self._task.take(update_id(data[start:end]))
            position = end
        self._rest = data[position:]
        if update_id is None:
            self._count += count
            self._task.take(self._task.first_id + self._count - 1, count)


class FrameProtocol(asyncio.Protocol):
    """The least that asyncio can do."""

    def __init__(self, frames: Frames) -> None:
        self._feed = frames.feed

    def data_received(self, data: bytes) -> None:
        """Find the frames."""
        self._feed(data)


async def asyncio_count(task: Task, *, is_decoded: bool = False) -> None:
    """An asyncio protocol that only finds the frames."""
    connected, rest = connected_socket(task)
    connected.settimeout(0)
    frames = Frames(task, decoder(is_combined=len(task.symbols) > 1) if is_decoded else None)
    frames.feed(rest)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: FrameProtocol(frames), sock=connected)
    await asyncio.Event().wait()


async def socket_count(task: Task) -> None:
    """A blocking socket, and finding the frames."""
    connected, rest = connected_socket(task)
    frames = Frames(task, None)
    frames.feed(rest)
    while True:
        frames.feed(connected.recv(RECEIVE_BYTES))


async def socket_null(task: Task) -> None:
    """A blocking socket of which nobody reads but the last bytes: what a sender can do."""
    connected, _ = connected_socket(task)
    buffer = memoryview(bytearray(4 * RECEIVE_BYTES))
    for update_id in (task.warm_id, task.last_id):
        named = f'"u":{update_id},'.encode()
        end = b""
        while named not in end:
            size = connected.recv_into(buffer)
            end = end[-RECEIVE_BYTES:] + bytes(buffer[max(0, size - 512) : size])
            end = end[-1024:]
        task.take(update_id)


def connected_socket(task: Task) -> tuple[socket.socket, bytes]:
    """Shake hands by hand; return what came right after it, too."""
    address = urlsplit(task.stream_url)
    connected = socket.create_connection((address.hostname, address.port))
    connected.sendall(
        f"GET {task.path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += connected.recv(RECEIVE_BYTES)
    return connected, head.partition(b"\r\n\r\n")[2]


CLIENTS: dict[str, Callable[[Task], Coroutine[None, None, None] | None]] = {
    "python-binance": python_binance,
    "binance-sdk-spot": binance_sdk_spot,
    "unicorn": unicorn,
    "unicorn-picows": functools.partial(unicorn, library="picows"),
    "cryptofeed": cryptofeed,
    "ccxt.pro": ccxt_pro,
    "websockets-json": websockets_json,
    "websockets-msgspec": websockets_msgspec,
    "picows-msgspec": picows_msgspec,
    "asyncio-msgspec": functools.partial(asyncio_count, is_decoded=True),
    "asyncio-count": asyncio_count,
    "socket-count": socket_count,
    "socket-null": socket_null,
}


def main() -> None:
    """Run the client; whatever it does, this ends in time and tells how far it came."""
    task = Task(sys.argv[1:])
    bound = threading.Timer(
        task.seconds_max, lambda: task.leave(f"not done within {task.seconds_max} s")
    )
    bound.daemon = True
    bound.start()
    try:
        listening = CLIENTS[task.client](task)
        if listening is not None:
            asyncio.run(listening)
    except Exception as error:  # noqa: BLE001 - whatever a client raises is told
        task.leave(repr(error)[:200])
    task.leave("ended by itself")


if __name__ == "__main__":
    main()
