"""What the edge is given: the ports it calls, and how it is set up."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from app.ports import (
    Access,
    Clock,
    EventReader,
    EventSubscriptions,
    Feed,
    IdSource,
    Journal,
    OrderDesk,
    OrderReader,
    OrderWaiters,
    RecordingState,
    RulesBook,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """The ports that the edge calls; ``is_recovered`` tells whether open orders were read back.

    ``recording`` tells how that is, None where nothing is to be recorded.
    """

    access: Access
    orders: OrderReader
    events: EventReader
    desk: OrderDesk
    waiters: OrderWaiters
    subscriptions: EventSubscriptions
    rules: RulesBook
    feed: Feed
    journal: Journal
    clock: Clock
    ids: IdSource
    is_recovered: Callable[[], bool]
    recording: Callable[[], RecordingState] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """How the edge is set up.

    ``order_timeout_seconds`` is how long an order rests that does not say so itself;
    ``timeout_seconds_max`` the longest that it may ask for. ``wait_seconds_max`` is how long a
    request waits for its order's end, ``websockets_max`` how many connections may follow events.
    ``allowed_hosts`` are the host names
    under which the service answers, without port, an IPv6 address in brackets.
    ``wait_seconds_max`` bounds what a client may ask to wait, ``requests_per_second_max`` the
    requests of one owner (0 is no limit), ``websockets_max`` the WebSocket connections at a time,
    ``websockets_per_owner_max`` those of one owner where keys are asked for.
    """

    order_timeout_seconds: Decimal
    timeout_seconds_max: Decimal
    wait_seconds_max: int
    requests_per_second_max: int
    websockets_max: int
    websockets_per_owner_max: int
    body_bytes_max: int
    allowed_hosts: tuple[str, ...]
    version: str
