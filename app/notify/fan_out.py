"""One bus for all who are told."""

from collections.abc import Sequence

from app.domain.events import StoredEvent
from app.ports import EventBus


class FanOut:
    """Tells each receiver in turn (port ``EventBus``)."""

    def __init__(self, *receivers: EventBus) -> None:
        self._receivers = receivers

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Tell events that are on disk, in commit order."""
        for receiver in self._receivers:
            receiver.publish(events)
