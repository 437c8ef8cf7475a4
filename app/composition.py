"""The composition root: turns settings into a running service, and closes it in reverse order.

Only this module knows all packages. It passes its objects on as arguments; no other module builds
its own collaborators.
"""

import asyncio
import contextlib
import os
import random
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

import app
from app.access.key_file import KeyFileAccess, OpenAccess
from app.api.application import ApiOptions, ApiServices, build_application
from app.api.server.http_protocol import KEEP_ALIVE_SECONDS, BoundedHttpProtocol
from app.api.server.websocket_protocol import MESSAGE_BYTES_MAX, BoundedWebSocketProtocol
from app.clock import SystemClock, Uuid7Source
from app.domain.errors import StartupError
from app.domain.order_counts import OpenOrderLimits
from app.event_loop import stop_event
from app.fulfillment.desk import FulfillmentDesk
from app.market.feed import BookTickerFeed
from app.market.report import MarketReport
from app.market.rest import VenueRest
from app.market.rules_book import VenueRulesBook
from app.market.status_watch import StatusWatch
from app.market.timing import FeedTiming
from app.notify.announcements import Announcements, FanOut
from app.notify.subscriptions import Subscriptions
from app.ports import Access, Clock, RulesStore
from app.recording.service.recorder import RecordedDatabase, Recorder
from app.recording.service.recording_folder import RecordingFolder
from app.settings import Settings
from app.storage.database import Database
from app.storage.event_queries import StoredEvents
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.queries import StoredOrders

GRACEFUL_SECONDS: Final = 2
"""How long running requests may take to finish once the service stops."""

CLOSE_NOTICE_SECONDS: Final = 1
"""How long the last message to each WebSocket may take; it says where to resume."""

LISTEN_BACKLOG: Final = 2_048

UNREAD_SECONDS_MAX: Final = 60
"""How long a peer may leave sent data unread or unacknowledged. Closing alone does not end such a
connection, because closing waits without limit until the rest is sent."""

SEND_BUFFER_BYTES: Final = 64 * 1024
"""The kernel's send buffer per connection. The default holds megabytes and reports free space only
in large steps, so that a slow but steady reader would look like a peer that never reads."""

BYTES_PER_MB: Final = 1_000_000

DESCRIPTORS_WANTED: Final = 65_536
"""Open files and sockets. The usual limit of 1,024 would allow as many waiting clients."""

_log = structlog.get_logger()


@asynccontextmanager
async def running_service(
    settings: Settings, *, timing: FeedTiming | None = None
) -> AsyncIterator[str]:
    """Run the service while the block runs, and stop it in order afterwards. Yield its URL.

    ``timing`` replaces the default timing of the feed.

    Raises:
        StartupError: the configuration prevents the start.
    """
    with _listening_socket(settings.http_host, settings.http_port) as listener:
        clock = SystemClock()
        access = _access(settings, clock)
        owner = (
            f"pid {os.getpid()} on {socket.gethostname()} since {clock.now():%Y-%m-%d %H:%M:%SZ}"
        )
        # The socket is bound before the database opens: a start with an occupied port leaves no
        # file behind.
        database = await Database.open(settings.database_url, venue=settings.venue, owner=owner)
        clock.start_after(database.newest_open_at)
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

    Before the service is open, a signal ends the process at once. Nothing is half-written then.
    """
    raise_descriptor_limit()
    async with running_service(settings):
        await stop_event().wait()


def raise_descriptor_limit() -> None:
    """Raise the limit of open files as far as allowed: every waiting client holds a socket."""
    # Only an administrator may raise the hard limit.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(DESCRIPTORS_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@asynccontextmanager
async def _tasks(
    settings: Settings,
    database: Database,
    rest: VenueRest,
    clock: SystemClock,
    listener: socket.socket,
    *,
    access: Access,
    recorder: Recorder | None,
    timing: FeedTiming | None,
) -> AsyncIterator[None]:
    """Run every long-lived task. At the end stop them so that nothing is half-written."""
    announcements = Announcements()
    subscriptions = Subscriptions(head=database.last_position)
    journal = GroupCommitJournal(database, backlog_entries_max=settings.journal_backlog_max)
    orders = StoredOrders(database, journal)
    rules, feed, watch = _market(settings, rest, orders, clock, timing=timing, recorder=recorder)
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
        confirm_status=watch.confirm,
        feed=feed,
        journal=journal,
        clock=clock,
        ids=Uuid7Source(),
        is_recovered=lambda: desk.is_recovered,
        clock_state=clock.state,
        recording=None if recorder is None else recorder.state,
    )
    server = _HttpServer(
        build_application(services, _options(settings)),
        on_stopping=partial(_notify_clients_of_stop, announcements, journal, subscriptions),
    )
    async with asyncio.TaskGroup() as group:
        # The journal is not canceled. It ends in `_stop_filling`, after it has written its queue.
        group.create_task(journal.run(desk), name="journal")
        workers = [
            group.create_task(rules.run(desk.on_rules), name="trading rules"),
            group.create_task(watch.run(), name="symbol statuses"),
            group.create_task(feed.run(), name="feed"),
            group.create_task(desk.run(), name="fulfillment"),
            group.create_task(database.keep_lock(), name="owner lock"),
            group.create_task(report.run(), name="market report"),
            group.create_task(clock.run(), name="clock"),
        ]
        listener.listen(LISTEN_BACKLOG)  # from here on a client waits instead of being refused
        serving = group.create_task(server.serve(sockets=[listener]), name="http")
        try:
            yield
        finally:
            # Answers need the desk and the journal, so the server finishes its requests first.
            server.should_exit = True
            await asyncio.wait({serving})
            await _stop_filling(desk, workers, journal, recorder)


async def _stop_filling(
    desk: FulfillmentDesk,
    workers: Sequence[asyncio.Task[None]],
    journal: GroupCommitJournal,
    recorder: Recorder | None,
) -> None:
    """Stop the desk and its tasks, then write the remaining entries of the journal."""
    desk.stop()
    for worker in workers:
        worker.cancel()
    await journal.close()
    if recorder is not None:
        recorder.is_all_durable = journal.has_written_all


async def _notify_clients_of_stop(
    announcements: Announcements, journal: GroupCommitJournal, subscriptions: Subscriptions
) -> None:
    """Notify waiting requests and subscriptions that the service stops."""
    announcements.stop()
    journal.prepare_to_stop()
    await subscriptions.stop(seconds=CLOSE_NOTICE_SECONDS)


@asynccontextmanager
async def _recording(
    settings: Settings, database: Database, clock: Clock
) -> AsyncIterator[Recorder | None]:
    """Record while the block runs, if a folder is configured.

    Raises:
        StartupError: the folder is not writable.
    """
    if not settings.record_dir:
        yield None
        return
    folder = RecordingFolder(
        Path(settings.record_dir),
        file_bytes_max=settings.record_file_mb * BYTES_PER_MB,
        total_bytes_max=settings.record_total_mb * BYTES_PER_MB,
    )
    recorded_database = RecordedDatabase(
        stream_id=database.stream_id,
        epoch=database.epoch,
        acceptance_number=database.last_acceptance_number,
    )
    recorder = Recorder(folder, recorded_database, clock=clock, version=app.__version__)
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


def _market(
    settings: Settings,
    rest: VenueRest,
    store: RulesStore,
    clock: Clock,
    *,
    timing: FeedTiming | None,
    recorder: Recorder | None,
) -> tuple[VenueRulesBook, BookTickerFeed, StatusWatch]:
    """Return the trading rules, the feed of quotes, and the watch of the symbols' statuses."""
    jitter = random.Random()  # noqa: S311 - jitter of waiting times, not a secret
    rules = VenueRulesBook(
        rest=rest,
        store=store,
        clock=clock,
        random=jitter,
        on_status=None if recorder is None else recorder.on_status,
    )
    feed = BookTickerFeed(
        stream_url=settings.stream_url,
        depth=rest,
        clock=clock,
        random=jitter,
        timing=timing,
        recorder=recorder,
        statuses=rules,
    )
    watch = StatusWatch(source=rest, book=rules, subscribed=feed.subscribed, clock=clock)
    return rules, feed, watch


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
    """Uvicorn in a program that handles signals itself."""

    def __init__(self, application: FastAPI, *, on_stopping: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=BoundedHttpProtocol,
                ws=BoundedWebSocketProtocol,
                ws_max_size=MESSAGE_BYTES_MAX,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                lifespan="off",  # `_tasks` starts and stops all collaborators
                log_config=None,
                access_log=False,
                backlog=LISTEN_BACKLOG,
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
                server_header=False,
                proxy_headers=False,  # the route that shows its address reads them itself
                ws_per_message_deflate=False,
            )
        )
        self._on_stopping = on_stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Notify the clients before waiting for their connections to close."""
        await self._on_stopping()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signal: uvicorn would raise it again and end the process half-way."""
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
        # A restart must not wait for old connections in TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit the options.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # only Linux has it
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
