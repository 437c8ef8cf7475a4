"""The state of every part of the service at one instant, for the probes and the metrics."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.api.services import ApiServices
from app.ports import (
    Clock,
    ClockState,
    DeskState,
    FeedState,
    JournalState,
    RecordingState,
    RulesState,
)

NO_RULES: Final = "none"
"""The source of rules that were never loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """The instant of an answer, as a date and on the monotonic clock."""

    now: datetime
    now_ns: int

    @classmethod
    def of(cls, clock: Clock) -> "Instant":
        """Read the clock."""
        return cls(now=clock.now(), now_ns=clock.monotonic_ns())

    def age(self, at: datetime) -> timedelta:
        """Return the time since ``at``; 0 if the machine's date was set back since."""
        return max(timedelta(), self.now - at)

    def age_ns(self, instant_ns: int) -> int:
        """Return the time since an instant of the monotonic clock."""
        return max(0, self.now_ns - instant_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """The states of all parts.

    Attributes:
        orders_under_way: How many orders wait for the disk.
        subscriptions: How many subscriptions to the event stream are open.
        recording: The state of the recording, ``None`` where nothing is recorded.
    """

    instant: Instant
    is_recovered: bool
    journal: JournalState
    rules: RulesState
    feed: FeedState
    desk: DeskState
    clock: ClockState
    orders_under_way: int
    subscriptions: int
    recording: RecordingState | None = None

    @classmethod
    def of(cls, services: ApiServices) -> "ServiceState":
        """Read the state of every part."""
        return cls(
            instant=Instant.of(services.clock),
            is_recovered=services.is_recovered(),
            journal=services.journal.state(),
            rules=services.rules.state(),
            feed=services.feed.state(),
            desk=services.desk.state(),
            clock=services.clock_state(),
            orders_under_way=services.journal.orders_under_way.total,
            subscriptions=services.subscriptions.total,
            recording=None if services.recording is None else services.recording(),
        )

    @property
    def missing(self) -> list[str]:
        """The parts that keep orders from being accepted durably; the feed is not among them."""
        parts = {
            "journal": self.journal.is_writable,
            "recovery": self.is_recovered,
            "rules": self.rules.source != NO_RULES,
        }
        return [name for name, is_there in parts.items() if not is_there]
