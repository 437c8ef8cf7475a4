"""The composition root: turns settings into a running service and takes it down in reverse.

The only module that knows all packages. What it builds is passed on as arguments; nothing else
builds its own collaborators.
"""

import asyncio
import contextlib
import os
import random
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

import app
from app.access.key_file import KeyFileAccess
from app.access.open_access import OpenAccess
from app.api.application import ApiOptions, ApiServices, build_application
from app.api.server.http_protocol import KEEP_ALIVE_SECONDS, BoundedHttpProtocol
from app.api.server.websocket_protocol import MESSAGE_BYTES_MAX, BoundedWebSocketProtocol
from app.clock import SystemClock, Uuid7Source
from app.domain.errors import StartupError
from app.evidence.files import RecordingFolder
from app.evidence.recorder import RecordedDatabase, Recorder
from app.fulfillment.desk import FulfillmentDesk
from app.fulfillment.open_orders import OpenOrderLimits
from app.market.feed import BookTickerFeed
from app.market.rest import VenueRest
from app.market.rules_book import VenueRulesBook
from app.market.timing import FeedTiming
from app.market_report import MarketReport
from app.notify.announcements import Announcements
from app.notify.fan_out import FanOut
from app.notify.subscriptions import Subscriptions
from app.ports import Access, Clock
from app.settings import Settings
from app.storage.database import Database
from app.storage.event_queries import StoredEvents
from app.storage.journal import GroupCommitJournal
from app.storage.queries import StoredOrders

GRACEFUL_SECONDS: Final = 2
"""How long answers that are under way may take to leave once the service stops."""

FAREWELL_SECONDS: Final = 1
"""How long WebSockets may take to be told where to resume."""

LISTEN_BACKLOG: Final = 2_048

UNREAD_SECONDS_MAX: Final = 60
"""How long a peer may leave what was sent to it unread, or its arrival unconfirmed. Closing does
not end such a connection: it waits for what is left to be sent, for ever."""

SEND_BUFFER_BYTES: Final = 64 * 1024
"""What the kernel keeps for a reader. It would keep megabytes, and make room for more only in large
steps, so that one who reads slowly but steadily would look like one who does not read at all."""

BYTES_PER_MB: Final = 1_000_000

DESCRIPTORS_WANTED: Final = 65_536
"""Open files and sockets; the usual limit of 1,024 would end at as many waiting clients."""

_log = structlog.get_logger()


@asynccontextmanager
async def running_service(
    settings: Settings, *, timing: FeedTiming | None = None
) -> AsyncIterator[str]:
    """Run the service while the block runs, which gets its URL; stop it in order afterwards.

    ``timing`` is that of the feed, its usual one if there is none.

    Raises:
        StartupError: it cannot start as it is set up.
    """
    with _listening_socket(settings.http_host, settings.http_port) as listener:
        clock = SystemClock()
        access = _access(settings, clock)
        owner = (
            f"pid {os.getpid()} on {socket.gethostname()} since {clock.now():%Y-%m-%d %H:%M:%SZ}"
        )
        database = await Database.open(settings.database_url, venue=settings.venue, owner=owner)
        rest = VenueRest(settings.rest_url, clock=clock)
        try:
            async with (
                _recording(settings, database, clock) as recorder,
                _tasks(
                    settings,
                    database,
                    rest,
                    clock,
                    listener,
                    access=access,
                    recorder=recorder,
                    timing=timing,
                ),
            ):
                url = _url_of(settings.http_host, listener)
                _log.info(
                    "service_started",
                    url=url,
                    docs=f"{url}/docs",
                    version=app.__version__,
                    venue=str(settings.venue),
                    stream_url=settings.stream_url,
                    access=access.description,
                )
                yield url
        finally:
            await rest.aclose()
            await database.close()
        _log.info("service_stopped")


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT.

    Until it is open, a signal ends the process at once, as signals do: nothing is half-written.
    """
    raise_descriptor_limit()
    async with running_service(settings):
        await told_to_end()


async def told_to_end() -> None:
    """Wait for SIGTERM or SIGINT."""
    signaled = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, signaled.set)
    await signaled.wait()


def raise_descriptor_limit() -> None:
    """Allow as many open sockets as the system lets us: every waiting client holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(DESCRIPTORS_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@asynccontextmanager
async def _tasks(
    settings: Settings,
    database: Database,
    rest: VenueRest,
    clock: Clock,
    listener: socket.socket,
    *,
    access: Access,
    recorder: Recorder | None,
    timing: FeedTiming | None,
) -> AsyncIterator[None]:
    """Run every long-lived task; at the end stop them so that nothing is half-written."""
    seeded = random.Random()  # noqa: S311 - jitter of waiting times, not a secret
    announcements = Announcements()
    subscriptions = Subscriptions(head=database.last_position)
    journal = GroupCommitJournal(database, backlog_entries_max=settings.journal_backlog_max)
    orders = StoredOrders(database, journal)
    feed = _feed(settings, rest, clock, seeded, timing=timing, recorder=recorder)
    rules = VenueRulesBook(rest=rest, store=orders, clock=clock, random=seeded)
    desk = FulfillmentDesk(
        feed=feed,
        journal=journal,
        store=orders,
        bus=FanOut(announcements, subscriptions),
        clock=clock,
        limits=_limits(settings),
        is_trading=rules.is_trading,
        matchers=recorder,
    )
    report = MarketReport(feed=feed, rules=rules, desk=desk, clock=clock)
    services = ApiServices(
        access=access,
        orders=orders,
        events=StoredEvents(database),
        desk=desk,
        waiters=announcements,
        subscriptions=subscriptions,
        rules=rules,
        feed=feed,
        journal=journal,
        clock=clock,
        ids=Uuid7Source(),
        is_recovered=lambda: desk.is_recovered,
        recording=None if recorder is None else recorder.state,
    )
    server = _HttpServer(
        build_application(services, _options(settings)),
        on_stopping=partial(_say_farewell, announcements, journal, subscriptions),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(journal.run(desk), name="journal")
        workers = [
            group.create_task(rules.run(desk.on_rules), name="trading rules"),
            group.create_task(feed.run(), name="feed"),
            group.create_task(desk.run(), name="fulfillment"),
            group.create_task(database.keep_lock(), name="owner lock"),
            group.create_task(report.run(), name="market report"),
        ]
        listener.listen(LISTEN_BACKLOG)  # Who connects from here on waits instead of being refused.
        serving = group.create_task(server.serve(sockets=[listener]), name="http")
        try:
            yield
        finally:
            server.stop()
            await asyncio.wait({serving})
            desk.stop()
            for worker in workers:
                worker.cancel()
            await _close(journal, recorder)


async def _close(journal: GroupCommitJournal, recorder: Recorder | None) -> None:
    """Write what is left, and have the recording say whether that was possible."""
    await journal.close()
    if recorder is not None:
        recorder.is_all_durable = journal.has_written_all


async def _say_farewell(
    announcements: Announcements, journal: GroupCommitJournal, subscriptions: Subscriptions
) -> None:
    """Tell those who wait or listen that the service stops."""
    announcements.stop()
    journal.hasten()
    await subscriptions.stop(seconds=FAREWELL_SECONDS)


@asynccontextmanager
async def _recording(
    settings: Settings, database: Database, clock: Clock
) -> AsyncIterator[Recorder | None]:
    """Record while the block runs, if that is wanted.

    Raises:
        StartupError: the folder cannot be written to.
    """
    if not settings.record_dir:
        yield None
        return
    folder = RecordingFolder(
        Path(settings.record_dir),
        file_bytes_max=settings.record_file_mb * BYTES_PER_MB,
        total_bytes_max=settings.record_total_mb * BYTES_PER_MB,
    )
    of = RecordedDatabase(
        stream_id=database.stream_id,
        epoch=database.epoch,
        acceptance_number=database.last_acceptance_number,
    )
    recorder = Recorder(folder, of, clock=clock, version=app.__version__)
    recorder.start()
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(recorder.run(), name="recorder")
            try:
                yield recorder
            finally:
                running.cancel()
    finally:
        recorder.close()


def _feed(
    settings: Settings,
    rest: VenueRest,
    clock: Clock,
    seeded: random.Random,
    *,
    timing: FeedTiming | None,
    recorder: Recorder | None,
) -> BookTickerFeed:
    return BookTickerFeed(
        stream_url=settings.stream_url,
        depth=rest,
        clock=clock,
        random=seeded,
        timing=timing,
        recorder=recorder,
    )


def _access(settings: Settings, clock: Clock) -> Access:
    if not settings.api_keys_file:
        return OpenAccess()
    return KeyFileAccess(Path(settings.api_keys_file), clock=clock)


def _limits(settings: Settings) -> OpenOrderLimits:
    return OpenOrderLimits(
        total=settings.open_orders_max,
        per_owner=settings.open_orders_per_owner_max,
        per_symbol=settings.open_orders_per_symbol_max,
    )


def _options(settings: Settings) -> ApiOptions:
    return ApiOptions(
        order_timeout_seconds=settings.order_timeout_seconds,
        timeout_seconds_max=settings.timeout_seconds_max,
        wait_seconds_max=settings.wait_seconds_max,
        requests_per_second_max=settings.requests_per_second_max,
        websockets_max=settings.websockets_max,
        websockets_per_owner_max=settings.websockets_per_owner_max,
        body_bytes_max=settings.body_bytes_max,
        allowed_hosts=settings.http_allowed_hosts,
        version=app.__version__,
    )


class _HttpServer(uvicorn.Server):
    """Uvicorn inside a program that handles the signals itself."""

    def __init__(self, application: FastAPI, *, on_stopping: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=BoundedHttpProtocol,
                ws=BoundedWebSocketProtocol,
                ws_max_size=MESSAGE_BYTES_MAX,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                lifespan="off",
                log_config=None,
                access_log=False,
                backlog=LISTEN_BACKLOG,
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
                server_header=False,
                proxy_headers=False,  # the route that tells its address sees to them itself
                ws_per_message_deflate=False,
            )
        )
        self._on_stopping = on_stopping

    def stop(self) -> None:
        """Stop accepting, answer what is under way, end."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell those who wait or listen before waiting for them to leave."""
        await self._on_stopping()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: uvicorn would raise them again and end us half-way."""
        yield


@contextlib.contextmanager
def _listening_socket(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartupError(f"HTTP_HOST={host}: {error.strerror}") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # What is accepted inherits it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; what is accepted inherits it
            milliseconds = UNREAD_SECONDS_MAX * 1_000
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        try:
            listener.bind(address)
        except OSError as error:
            message = f"cannot listen on {host}:{port}: {error.strerror}; set HTTP_PORT to another"
            raise StartupError(message) from None
        yield listener


def _url_of(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"
