"""Tests of ``app.notify.fan_out``."""

from collections.abc import Sequence

from app.domain.events import StoredEvent
from app.notify.fan_out import FanOut
from tests.support.builders import make_order
from tests.support.events import in_commit_order, make_event


def test_every_receiver_is_told_the_same_in_turn() -> None:
    """Who waits for an order and who follows many hear of the same transaction."""
    told: list[tuple[str, Sequence[StoredEvent]]] = []

    class Receiver:
        """Notes what it is told."""

        def __init__(self, name: str) -> None:
            self._name = name

        def publish(self, events: Sequence[StoredEvent]) -> None:
            told.append((self._name, events))

    events = in_commit_order(make_event(make_order()))

    FanOut(Receiver("first"), Receiver("second")).publish(events)

    assert told == [("first", events), ("second", events)]
