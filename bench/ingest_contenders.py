"""Who is measured by the ingest benchmark, and how one of them is run."""

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from bench.burst_frames import FIRST_UPDATE_ID, burst_pairs
from bench.burst_venue import BurstVenue, Plan
from bench.ingest_receiver import run_ours
from bench.peer_environments import peer_python, run_peer
from bench.report import amount, tell

WARM_FRAMES: Final = 2_000
SECONDS_MAX: Final = 20
"""For one client, with its start; then it counts as failed."""

_LEAVE_SECONDS_MAX: Final = 5
"""Until it has told so, or is killed."""

DECIDING_ROUNDS: Final = 1
"""Further ones for those on whom the goal depends: ours and the cheapest client."""

_ENVIRONMENT: Final = "ingest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Who takes the quotes; ``kind`` is ours, client, library or floor.

    ``key`` is what the script of the peers calls it, or an option of ours. Slow ones get fewer
    ``frames``, so that the report does not take long.
    """

    label: str
    key: str
    kind: str
    frames: int

    @property
    def decodes(self) -> bool:
        """Whether it reads what is in the frames."""
        return self.kind != "sender" and not self.key.endswith("-count")


OURS: Final = Contender(label="papertape", key="", kind="ours", frames=200_000)
OURS_BARE: Final = Contender(
    label="papertape, feed alone", key="--bare", kind="part of ours", frames=200_000
)
FLOOR: Final = Contender(
    label="asyncio protocol, frames found, msgspec",
    key="asyncio-msgspec",
    kind="floor",
    frames=200_000,
)
NOBODY: Final = Contender(
    label="blocking socket, unread", key="socket-null", kind="sender", frames=500_000
)
OURS_ALL: Final = (OURS, OURS_BARE)
CONTENDERS: Final = (
    *OURS_ALL,
    Contender(label="python-binance", key="python-binance", kind="client", frames=20_000),
    Contender(label="binance-sdk-spot", key="binance-sdk-spot", kind="client", frames=40_000),
    Contender(label="unicorn-binance-websocket-api", key="unicorn", kind="client", frames=50_000),
    Contender(
        label="unicorn-binance-websocket-api, picows",
        key="unicorn-picows",
        kind="client",
        frames=100_000,
    ),
    Contender(label="cryptofeed", key="cryptofeed", kind="client", frames=50_000),
    Contender(label="ccxt.pro", key="ccxt.pro", kind="client", frames=20_000),
    Contender(label="websockets, json", key="websockets-json", kind="library", frames=50_000),
    Contender(
        label="websockets, recv(decode=False), msgspec",
        key="websockets-msgspec",
        kind="library",
        frames=100_000,
    ),
    Contender(label="picows, msgspec", key="picows-msgspec", kind="library", frames=200_000),
    FLOOR,
    Contender(
        label="asyncio protocol, frames found", key="asyncio-count", kind="floor", frames=200_000
    ),
    Contender(
        label="blocking socket, frames found", key="socket-count", kind="floor", frames=200_000
    ),
    NOBODY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one burst cost a contender, or why there is nothing to say.

    ``arrived`` is the part of the quotes that reached the callback; ``versions`` names packages.
    """

    contender: Contender
    cpu_microseconds: float = 0.0
    quotes_per_second: float = 0.0
    arrived: float = 0.0
    versions: str = ""
    sender_microseconds: float = 0.0
    cause: str = ""


Outcome = dict[str, object]


def run(contender: Contender, symbols: int, venue: BurstVenue) -> Run:
    """Send a burst to a contender in a process of its own; whatever it does, this ends in time."""
    plan = Plan(symbols=symbols, warm=WARM_FRAMES, frames=contender.frames)
    try:
        venue.prepare(plan)
        if contender in OURS_ALL:
            told = run_ours(plan, venue, contender.key)
        else:
            told = _peer(plan, venue, contender)
        if told.get("cause"):
            return Run(contender=contender, cause=_failure(told))
        sent = venue.sent()
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return Run(contender=contender, cause=_first_line(error))
    seconds = (number(told, "ended_ns") - sent.started_ns) / 1e9
    versions = told.get("versions", {})
    assert isinstance(versions, dict), "as the script tells it"
    return Run(
        contender=contender,
        cpu_microseconds=number(told, "cpu_seconds") / plan.frames * 1e6,
        quotes_per_second=plan.frames / seconds,
        arrived=number(told, "arrived") / plan.frames,
        versions=", ".join(f"{package} {version}" for package, version in versions.items()),
        sender_microseconds=sent.cpu_seconds / plan.frames * 1e6,
    )


def best(runs: Sequence[Run]) -> Run:
    """Return the cheapest of several runs of one contender, a failed one only if all failed."""
    return min(runs, key=lambda one: (bool(one.cause), one.cpu_microseconds))


def number(told: Outcome, name: str) -> float:
    """Return a number that a process told."""
    value = told[name]
    assert isinstance(value, int | float), f"{name} is a number"
    return value


def _peer(plan: Plan, venue: BurstVenue, contender: Contender) -> Outcome:
    pairs = burst_pairs(plan.symbols)
    return run_peer(
        _ENVIRONMENT,
        "ingest.py",
        contender.key,
        venue.stream_url,
        venue.rest_url,
        ",".join(f"{pair.base_asset}/{pair.quote_asset}" for pair in pairs),
        *map(str, (FIRST_UPDATE_ID, plan.warm_id, plan.last_id, SECONDS_MAX)),
        seconds_max=SECONDS_MAX + _LEAVE_SECONDS_MAX,
    )


def _failure(told: Outcome) -> str:
    return f"{told['cause']}; {told['arrived']} quotes had come"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0][:200]


def run_all(symbols: int) -> list[Run]:
    """Run everybody, then those on whom the goal depends again, in turn.

    What disturbs the machine for a while then disturbs both of them.
    """
    with _Measuring(symbols, _missing()) as measuring:
        runs = {one: measuring.run(one) for one in CONTENDERS}
        cheapest = cheapest_client(runs.values())
        deciding = [OURS] if cheapest is None else [OURS, cheapest.contender]
        for one in deciding * DECIDING_ROUNDS:
            runs[one] = best([runs[one], measuring.run(one)])
    return list(runs.values())


class _Measuring:
    """Runs contenders one after the other, on one venue as long as none fails."""

    def __init__(self, symbols: int, missing: str) -> None:
        self._symbols = symbols
        self._missing = missing
        self._venue = BurstVenue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._venue.close()

    def run(self, contender: Contender) -> Run:
        if self._missing and contender not in OURS_ALL:
            one = Run(contender=contender, cause=self._missing)
        else:
            one = run(contender, self._symbols, self._venue)
            if one.cause:
                self._venue.close()
                self._venue = BurstVenue()
        shown = one.cause or f"{amount(one.cpu_microseconds)} µs per quote"
        tell(f"{of_symbols(self._symbols)}, {contender.label}: {shown}")
        return one


def cheapest_client(runs: Iterable[Run]) -> Run | None:
    """Return the cheapest run of a packaged client, None if none was measured."""
    clients = [one for one in runs if one.contender.kind == "client" and not one.cause]
    return min(clients, key=lambda one: one.cpu_microseconds, default=None)


def _missing() -> str:
    """Return why the peers cannot be run, if so."""
    try:
        peer_python(_ENVIRONMENT)
    except (subprocess.SubprocessError, OSError) as error:
        return f"not installed: {_first_line(error)}"
    return ""


def of_symbols(symbols: int) -> str:
    """Write how many symbols."""
    return "one symbol" if symbols == 1 else f"{symbols} symbols"
