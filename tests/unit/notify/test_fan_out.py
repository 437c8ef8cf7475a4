"""Tests of ``app.notify.fan_out``."""

from collections.abc import Sequence

from app.domain.events import StoredEvent
from app.notify.fan_out import FanOut
from tests.support.builders import make_order
from tests.support.events import in_commit_order, make_event


class Listening:
    """Keeps what it is told, beside a note of who was told."""

    def __init__(self, name: str, told: list[tuple[str, Sequence[StoredEvent]]]) -> None:
        self._name = name
        self._told = told

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Keep them."""
        self._told.append((self._name, events))


def test_every_receiver_is_told_the_same_in_turn() -> None:
    """Requests that wait and those who follow hear of the same transactions."""
    told: list[tuple[str, Sequence[StoredEvent]]] = []
    events = in_commit_order(make_event(make_order()), make_event(make_order(number=2)))

    FanOut(Listening("first", told), Listening("second", told)).publish(events)

    assert told == [("first", events), ("second", events)]
