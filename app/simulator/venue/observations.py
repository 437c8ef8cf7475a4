"""Records of everything that the venue received and sent, for tests and for the control API."""

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import structlog

log = structlog.get_logger()

UNSERVED_MAX: Final = 1_000
UNSERVED_CHARACTERS_MAX: Final = 100
"""Names of streams and paths that are not served, and their length."""

KEPT_MAX: Final = 100_000
"""Entries kept of each kind; older ones are dropped."""


class ViolationKind(StrEnum):
    """The kinds of violations that a client can commit."""

    MESSAGE_RATE = "message_rate"
    STREAMS = "streams"
    PONG_TIMEOUT = "pong_timeout"
    SLOW_CLIENT = "slow_client"
    CONNECTION_ATTEMPTS = "connection_attempts"
    REQUEST_WEIGHT = "request_weight"
    BAN = "ban"
    WHILE_BANNED = "while_banned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken rule, at this time of the event loop in seconds."""

    kind: ViolationKind
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMessage:
    """A message from a client.

    Attributes:
        received_at: the time of the event loop, in seconds.
        method: its method; empty if the message was unreadable.
        params: its parameters.
        text: the message as received.
    """

    received_at: float
    method: str
    params: tuple[object, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRequest:
    """A REST request with its query as received, at this time of the event loop in seconds."""

    received_at: float
    path: str
    query: dict[str, str]
    status: int


def _kept() -> deque[Any]:
    # A venue that runs for days must not fill the memory with records.
    return deque(maxlen=KEPT_MAX)


@dataclass(slots=True)
class Observations:
    """Counters and records since the venue was created.

    Times are seconds of the event loop. ``unserved`` counts the requests for streams and paths that
    this venue does not serve. ``violations`` is empty if the clients kept all limits.
    """

    connection_attempts_at: deque[float] = field(default_factory=_kept)
    connections_opened: int = 0
    connections_open: int = 0
    closes: Counter[str] = field(default_factory=Counter)
    control_messages: deque[ControlMessage] = field(default_factory=_kept)
    rest_requests: deque[RestRequest] = field(default_factory=_kept)
    pongs_received: int = 0
    frames_sent: Counter[str] = field(default_factory=Counter)
    last_update_id_sent: dict[str, int] = field(default_factory=dict)
    violations: deque[Violation] = field(default_factory=_kept)
    unserved: Counter[str] = field(default_factory=Counter)

    def note_unserved(self, name: str) -> None:
        """Count a request for a stream or path that is not served; log the first one."""
        shown = name[:UNSERVED_CHARACTERS_MAX]
        if shown not in self.unserved and len(self.unserved) >= UNSERVED_MAX:
            shown = "others"
        if not self.unserved[shown]:
            log.warning("not_served", name=shown)
        self.unserved[shown] += 1

    def note_violation(self, kind: ViolationKind, *, at: float) -> None:
        """Record a broken rule, and log it."""
        self.violations.append(Violation(kind=kind, at=at))
        log.warning("rule_broken", kind=kind.value)

    def messages_of(self, method: str) -> list[ControlMessage]:
        """Return the messages with this method, oldest first."""
        return [message for message in self.control_messages if message.method == method]

    def requests_of(self, path: str) -> list[RestRequest]:
        """Return the requests for this path, oldest first."""
        return [request for request in self.rest_requests if request.path == path]

    @property
    def depth_requests(self) -> list[RestRequest]:
        """The requests for depth, answered and refused, oldest first."""
        return self.requests_of("/api/v3/depth")

    @property
    def subscribed(self) -> list[str]:
        """Each stream of each SUBSCRIBE, in order and with repeats."""
        return [str(one) for message in self.messages_of("SUBSCRIBE") for one in message.params]

    @property
    def quotes_subscribed(self) -> list[str]:
        """The streams of ``subscribed`` that carry quotes; mini tickers are left out."""
        return [one for one in self.subscribed if one.endswith("@bookTicker")]

    def summary(self) -> dict[str, object]:
        """Return the counters and the number of records of each kind, ready for JSON."""
        return {
            "connection_attempts": len(self.connection_attempts_at),
            "connections_opened": self.connections_opened,
            "connections_open": self.connections_open,
            "closes": dict(self.closes),
            "control_messages": dict(Counter(one.method for one in self.control_messages)),
            "rest_requests": dict(Counter(one.path for one in self.rest_requests)),
            "rest_statuses": dict(Counter(str(one.status) for one in self.rest_requests)),
            "pongs_received": self.pongs_received,
            "frames_sent": dict(self.frames_sent),
            "last_update_id_sent": dict(self.last_update_id_sent),
            "not_served": dict(self.unserved),
            "violations": dict(Counter(one.kind.value for one in self.violations)),
        }
