"""The state of the service at one instant."""

from datetime import timedelta

from app.api.service.service_state import Instant, ServiceState
from tests.support.hand_driven import HandClock
from tests.support.in_memory import MemoryPorts, quote


def test_an_age_is_never_negative() -> None:
    """An age is zero if a quote is newer than the instant or the clock was set back."""
    instant = Instant.of(HandClock())

    assert instant.age(instant.now + timedelta(seconds=1)) == timedelta()
    assert instant.age(instant.now - timedelta(seconds=2)) == timedelta(seconds=2)
    assert instant.age_ns(instant.now_ns + 1) == 0
    assert instant.age_ns(instant.now_ns - 7) == 7


async def test_every_part_is_asked(ports: MemoryPorts) -> None:
    """The state holds the current state of each part."""
    ports.desk.show(quote(7))
    ports.journal.is_writable = False

    state = ServiceState.of(ports.services())

    assert state.feed is ports.feed.feed_state
    assert state.desk.symbols_live == 1
    assert state.rules == ports.rules.state()
    assert state.missing == ["journal"]
    assert state.subscriptions == 0
