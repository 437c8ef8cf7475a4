"""The ports and the settings of the edge."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from app.domain.order import Symbol
from app.ports import (
    Access,
    Clock,
    ClockState,
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
    """The ports that the edge calls.

    Attributes:
        confirm_status: Makes sure that ``rules`` knows a symbol's status of now, if it can be
            known within a second.
        is_recovered: Returns whether the open orders of the last stop were read back.
        clock_state: Returns how often the machine's date stepped.
        recording: Returns the state of the recording, ``None`` where nothing is recorded.
    """

    access: Access
    orders: OrderReader
    events: EventReader
    desk: OrderDesk
    waiters: OrderWaiters
    subscriptions: EventSubscriptions
    rules: RulesBook
    confirm_status: Callable[[Symbol], Awaitable[None]]
    feed: Feed
    journal: Journal
    clock: Clock
    ids: IdSource
    is_recovered: Callable[[], bool]
    clock_state: Callable[[], ClockState]
    recording: Callable[[], RecordingState] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """The settings of the edge.

    Attributes:
        order_timeout_seconds: How long an order rests that does not say so itself.
        timeout_seconds_max: The longest time that an order may ask for.
        wait_seconds_max: The longest time that a request waits for its order's end.
        requests_per_second_max: The requests of one owner; 0 is no limit.
        websockets_max: The WebSocket connections at a time.
        websockets_per_owner_max: The same of one owner, where keys are needed.
        body_bytes_max: The longest body.
        allowed_hosts: The host names of the service, without port, IPv6 addresses in brackets.
        version: The version of the service, as the documents and probes show it.
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
