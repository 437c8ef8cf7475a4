"""The clients of the ingest benchmark, and how one of them is run."""

import subprocess
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import msgspec

from bench.burst.frames import burst_pairs
from bench.burst.receiver import Received, run_ours
from bench.burst.venue import BurstVenue, Plan
from bench.harness.peer_environments import run_peer
from bench.harness.report import amount, tell

WARM_FRAMES: Final = 2_000
SECONDS_MAX: Final = 20
"""The limit for one client, its start included; then it counts as failed."""

_EXIT_SECONDS_MAX: Final = 5
"""The further time for its report, until it is killed."""

_ENVIRONMENT: Final = "ingest"


@dataclass(frozen=True, slots=True)
class Contender:
    """A client that receives the quotes.

    Attributes:
        label: its name in the report.
        key: its name in the script of the other clients; empty for ours.
        kind: ours, client, library, floor or sender.
        frames: the length of its burst; slow clients get a short one.
    """

    label: str
    key: str
    kind: str
    frames: int


OURS: Final = Contender("papertape", "", "ours", 200_000)
FLOOR: Final = Contender(
    "asyncio protocol, frames found, msgspec", "asyncio-msgspec", "floor", 200_000
)
UNREAD: Final = Contender("blocking socket, unread", "socket-null", "sender", 500_000)
CONTENDERS: Final = (
    OURS,
    Contender("python-binance", "python-binance", "client", 20_000),
    Contender("binance-sdk-spot", "binance-sdk-spot", "client", 40_000),
    Contender("unicorn-binance-websocket-api", "unicorn", "client", 50_000),
    Contender("unicorn-binance-websocket-api, picows", "unicorn-picows", "client", 100_000),
    Contender("cryptofeed", "cryptofeed", "client", 50_000),
    Contender("ccxt.pro", "ccxt.pro", "client", 20_000),
    Contender("picows, msgspec", "picows-msgspec", "library", 200_000),
    FLOOR,
    UNREAD,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One burst to one client.

    Attributes:
        contender: the client.
        cpu_microseconds: its CPU time per quote.
        quotes_per_second: from the first write to its last quote.
        arrived: the share of the quotes that reached its callback.
        versions: the names and versions of its packages.
        sender_microseconds: the venue's CPU time per quote.
        cause: why there are no figures; empty if there are.
    """

    contender: Contender
    cpu_microseconds: float = 0.0
    quotes_per_second: float = 0.0
    arrived: float = 0.0
    versions: str = ""
    sender_microseconds: float = 0.0
    cause: str = ""

    @property
    def named(self) -> str:
        """The client and its versions."""
        return (
            f"{self.contender.label} ({self.versions})" if self.versions else self.contender.label
        )


def run(contender: Contender, symbols: int) -> Run:
    """Send a burst to a client in a process of its own; this always returns in time."""
    plan = Plan(symbols=symbols, warm=WARM_FRAMES, frames=contender.frames)
    try:
        with closing(BurstVenue(plan)) as venue:
            if contender is OURS:
                received = run_ours(plan, venue)
            else:
                received = _run_peer(plan, venue, contender.key)
            if received.cause:
                cause = f"{received.cause}; {received.arrived} quotes had come"
                return Run(contender=contender, cause=cause)
            sent = venue.sent()
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return Run(contender=contender, cause=repr(error)[:200])
    return Run(
        contender=contender,
        cpu_microseconds=received.cpu_seconds / plan.frames * 1e6,
        quotes_per_second=plan.frames / (received.ended_ns - sent.started_ns) * 1e9,
        arrived=received.arrived / plan.frames,
        versions=", ".join(f"{package} {one}" for package, one in received.versions.items()),
        sender_microseconds=sent.cpu_seconds / plan.frames * 1e6,
    )


def _run_peer(plan: Plan, venue: BurstVenue, key: str) -> Received:
    pairs = burst_pairs(plan.symbols)
    printed = run_peer(
        _ENVIRONMENT,
        "ingest.py",
        key,
        venue.stream_url,
        venue.rest_url,
        ",".join(f"{pair.base_asset}/{pair.quote_asset}" for pair in pairs),
        *map(str, (plan.warm_id, plan.last_id, SECONDS_MAX)),
        seconds_max=SECONDS_MAX + _EXIT_SECONDS_MAX,
    )
    return msgspec.convert(printed, Received)


def run_all(symbols: int) -> list[Run]:
    """Run all clients, then the deciding ones again in turn.

    A disturbance of the machine then meets both of them.
    """
    runs = {one: _shown_run(one, symbols) for one in CONTENDERS}
    cheapest = cheapest_client(runs.values())
    deciding = [OURS] if cheapest is None else [OURS, cheapest.contender]
    for one in deciding:
        runs[one] = best(runs[one], _shown_run(one, symbols))
    return list(runs.values())


def _shown_run(contender: Contender, symbols: int) -> Run:
    one = run(contender, symbols)
    shown = one.cause or f"{amount(one.cpu_microseconds)} µs per quote"
    tell(f"{of_symbols(symbols)}, {contender.label}: {shown}")
    return one


def best(*runs: Run) -> Run:
    """Return the cheapest run of one client, a failed one only if all failed."""
    return min(runs, key=lambda one: (bool(one.cause), one.cpu_microseconds))


def cheapest_client(runs: Iterable[Run]) -> Run | None:
    """Return the cheapest run of a packaged client, None if none was measured."""
    clients = [one for one in runs if one.contender.kind == "client" and not one.cause]
    return min(clients, key=lambda one: one.cpu_microseconds, default=None)


def of_symbols(symbols: int) -> str:
    """Write the number of symbols."""
    return "one symbol" if symbols == 1 else f"{symbols} symbols"
