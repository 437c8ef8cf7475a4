"""One client, as its users use it, on the book tickers of a burst; it prints the cost.

    python ingest.py CLIENT STREAM_URL REST_URL SYMBOLS WARM_ID LAST_ID SECONDS_MAX

The client connects to the venue, listens to the symbols (``BTC/USDT,LTC/BTC``), and gives each
quote to a callback that counts it. The measurement lasts from the last update id of the warm-up to
the last one of all. CPU includes the whole process, all threads, user and system. Clients are
imported where they are used: each import takes seconds, and a missing one must not stop the others.
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
    """The symbols to listen to, and the progress; ``names`` are written as in ccxt, BASE/QUOTE."""

    def __init__(self, arguments: list[str]) -> None:
        self.client, self.stream_url, self.rest_url, names, *numbers = arguments
        self.names = names.split(",")
        self.symbols = [name.replace("/", "") for name in self.names]
        self.streams = [f"{symbol.lower()}@bookTicker" for symbol in self.symbols]
        self.warm_id, self.last_id, self.seconds_max = map(int, numbers)
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

    def take(self, update_id: int) -> None:
        """Count a quote."""
        self.arrived += 1
        if update_id >= self._next_id:
            self._pass(update_id)

    def _pass(self, update_id: int) -> None:
        if update_id >= self.last_id:
            self.leave(None)
        self._next_id = self.last_id
        self.arrived = 0
        self._cpu_seconds = cpu_seconds()

    def leave(self, cause: str | None) -> None:
        """Print the measurement and exit at once: closing is not measured."""
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
    """Return the CPU time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- Packaged clients -----------------------------------------------------------------------------


async def python_binance(task: Task) -> None:
    """Enlarge its queue: with 100 messages it overflows at once, which ends the stream."""
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
    """Use Binance's own client: a SUBSCRIBE for each symbol, a model for each quote."""
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
    """Use its thread for the stream, and a callback for each quote."""
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
    """Replace the addresses of its connections: it accepts wss addresses only.

    It chooses and runs its loop itself, with uvloop.
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
    """Watch the newest tickers since the last call; it skips the ones between."""
    task.packages = ("ccxt",)
    ccxt = importlib.import_module("ccxt.pro")
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}
    venue = ccxt.binance({"options": options})
    venue.urls["api"]["public"] = f"{task.rest_url}/api/v3"
    venue.urls["api"]["ws"]["spot"] = f"{task.stream_url}/ws"
    while True:
        for ticker in (await venue.watch_bids_asks(task.names)).values():
            task.take(ticker["info"]["u"])


# --- A library by itself --------------------------------------------------------------------------


async def picows_msgspec(task: Task) -> None:
    """Use a WebSocket library in Cython, with a callback for each frame."""
    task.packages = ("picows", "msgspec")
    picows = importlib.import_module("picows")
    update_id = decoder(is_combined=len(task.symbols) > 1)

    def on_ws_frame(_listener: object, _transport: object, frame: Any) -> None:  # noqa: ANN401
        task.take(update_id(frame.get_payload_as_memoryview()))

    listener = type("Listener", (picows.WSListener,), {"on_ws_frame": on_ws_frame})
    await picows.ws_connect(listener, task.stream_url + task.path)
    await asyncio.Event().wait()


def decoder(*, is_combined: bool) -> Callable[[bytes], int]:
    """Return a function that decodes a frame into a typed structure and returns its update id."""
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


class Frames(asyncio.Protocol):
    """Finds frames in the data of a socket and decodes them: no masks, no fragments, no pings."""

    def __init__(self, task: Task, update_id: Callable[[bytes], int]) -> None:
        self._take = task.take
        self._update_id = update_id
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Decode the complete frames of the received data."""
        data = self._rest + data if self._rest else data
        total, position, update_id, take = len(data), 0, self._update_id, self._take
        while position + 4 <= total:
            size, start = data[position + 1], position + 2
            if size > 125:
                size, start = data[position + 2] << 8 | data[position + 3], position + 4
            end = start + size
            if end > total:
                break
            take(update_id(data[start:end]))
            position = end
        self._rest = data[position:]


async def asyncio_msgspec(task: Task) -> None:
    """Find and decode the frames in an asyncio protocol."""
    connected, rest = connected_socket(task)
    connected.settimeout(0)
    frames = Frames(task, decoder(is_combined=len(task.symbols) > 1))
    frames.data_received(rest)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: frames, sock=connected)
    await asyncio.Event().wait()


async def socket_null(task: Task) -> None:
    """Read a blocking socket and look only at its last bytes: this shows the sender's limit."""
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
    """Make the handshake by hand; also return the data that came right after it."""
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
    "picows-msgspec": picows_msgspec,
    "asyncio-msgspec": asyncio_msgspec,
    "socket-null": socket_null,
}


def main() -> None:
    """Run the client; exit in time in any case, and print the progress."""
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
    except Exception as error:  # noqa: BLE001 - any error of a client is reported
        task.leave(repr(error)[:200])
    task.leave("it returned by itself")


if __name__ == "__main__":
    main()
