"""Tests of ``app.simulator.venue.client_admission``."""

import json

from websockets.http11 import Response

from app.simulator.venue.client_admission import ADDRESSES_MAX, Admission
from app.simulator.venue.observations import Observations
from app.simulator.venue.venue_limits import VenueLimits
from tests.support.hand_driven import HandClock

HERE, THERE = "127.0.0.1", "127.0.0.2"


class SmallAdmission:
    """An admission with small limits and a clock that the test advances."""

    def __init__(self) -> None:
        self.clock = HandClock()  # 14 s into a minute
        self.observations = Observations()
        self.admission = Admission(
            clock=self.clock,
            limits=VenueLimits(
                weight_per_minute_max=10, connection_attempts_max=2, refusals_before_ban=2
            ),
            observations=self.observations,
        )

    def spend(self, weight: int, address: str = HERE) -> tuple[int, int] | None:
        """Spend weight; return the status and the seconds of a refusal."""
        return status_and_seconds(self.admission.spend(address, weight))

    def connect(self, address: str = HERE) -> tuple[int, int] | None:
        """Count a connection attempt; return the status and the seconds of a refusal."""
        return status_and_seconds(self.admission.connect(address))

    @property
    def violations(self) -> list[str]:
        """The recorded violations, in order."""
        return [one.kind.value for one in self.observations.violations]


def status_and_seconds(refusal: Response | None) -> tuple[int, int] | None:
    """Return the status and the seconds that a client receives."""
    return None if refusal is None else (refusal.status_code, int(refusal.headers["Retry-After"]))


def test_weight_is_counted_by_address_until_the_minute_is_over() -> None:
    """Other addresses are not affected by a client over its limit."""
    setup = SmallAdmission()

    assert [setup.spend(10), setup.spend(1), setup.spend(1, THERE)] == [None, (429, 46), None]
    setup.clock.advance(46)
    assert setup.spend(1) is None
    assert setup.admission.used_weight(HERE) == 1
    assert setup.violations == ["request_weight"]


def test_a_client_that_waits_after_a_refusal_is_never_banned() -> None:
    """Only consecutive refusals count towards a ban."""
    setup = SmallAdmission()
    for _ in range(5):
        setup.spend(10)
        assert setup.spend(1) is not None
        setup.clock.advance(60)

    assert "ban" not in setup.violations


def test_a_client_that_continues_is_banned_for_longer_each_time() -> None:
    """Bans last two minutes, then four, up to three days, and apply to streams too."""
    setup = SmallAdmission()
    setup.spend(10)
    assert [setup.spend(1) for _ in range(4)] == [(429, 46), (429, 46), (418, 120), (418, 120)]
    assert (setup.connect(), setup.connect(THERE)) == ((418, 120), None)
    setup.clock.advance(120)
    assert setup.connect() is None

    lengths = []
    for _ in range(13):
        setup.spend(10)
        refused = [setup.spend(1) for _ in range(3)][-1]
        assert refused is not None
        lengths.append(refused[1])
        setup.clock.advance(refused[1])
    assert lengths[:3] == [240, 480, 960]
    assert lengths[-1] == 3 * 24 * 3600
    assert setup.violations[:6] == [
        "request_weight",
        "request_weight",
        "request_weight",
        "ban",
        "while_banned",
        "while_banned",
    ]


def test_a_ban_says_until_when() -> None:
    """The message is the recorded one, with the epoch time in milliseconds."""
    setup = SmallAdmission()
    setup.spend(10)
    refusals = [setup.admission.spend(HERE, 1) for _ in range(3)]

    assert refusals[-1] is not None
    assert json.loads(refusals[-1].body) == {
        "code": -1003,
        "msg": "Way too much request weight used; IP banned until 1723161374000. Please use the "
        "websocket for live updates to avoid bans.",
    }


def test_connections_are_counted_in_a_window_that_slides() -> None:
    """An attempt leaves the window after five minutes."""
    setup = SmallAdmission()
    assert setup.connect() is None
    setup.clock.advance(100)
    assert [setup.connect(), setup.connect(), setup.connect(THERE)] == [None, (429, 200), None]
    setup.clock.advance(200)

    assert [setup.connect(), setup.connect()] == [None, (429, 100)]
    assert setup.violations == ["connection_attempts", "connection_attempts"]


def test_addresses_are_not_remembered_without_bound() -> None:
    """The oldest address is dropped."""
    setup = SmallAdmission()
    setup.spend(10)
    for number in range(ADDRESSES_MAX):
        setup.spend(1, f"10.0.{number // 256}.{number % 256}")

    assert len(setup.admission._usages) == ADDRESSES_MAX
    assert setup.spend(1) is None
