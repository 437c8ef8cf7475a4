"""Tests of ``app.simulator.venue.client_admission``."""

from app.simulator.venue.client_admission import ADDRESSES_MAX, Admission, Refusal, WeightMeter
from app.simulator.venue.observations import Observations
from app.simulator.venue.venue_limits import VenueLimits
from tests.support.hand_driven import HandClock

HERE, THERE = "127.0.0.1", "127.0.0.2"


class Gate:
    """An admission with small limits, on a clock that the test moves."""

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
        """Ask for weight; return the status and the seconds of a refusal."""
        return told(self.admission.spend(address, weight))

    def connect(self, address: str = HERE) -> tuple[int, int] | None:
        """Ask for a connection, likewise."""
        return told(self.admission.connect(address))

    @property
    def violations(self) -> list[str]:
        """What was noted."""
        return [one.kind.value for one in self.observations.violations]


def told(refusal: Refusal | None) -> tuple[int, int] | None:
    """Return what a client reads of a refusal."""
    return None if refusal is None else (refusal.status, refusal.retry_after_seconds)


def test_weight_is_counted_by_address_until_the_minute_is_over() -> None:
    """One client's greed is not another's trouble."""
    gate = Gate()

    assert [gate.spend(10), gate.spend(1), gate.spend(1, THERE)] == [None, (429, 46), None]
    gate.clock.advance(46)
    assert gate.spend(1) is None
    assert gate.admission.used_weight(HERE) == 1
    assert gate.violations == ["request_weight"]


def test_who_heeds_a_refusal_is_never_banned() -> None:
    """Refusals count only while they follow one another."""
    gate = Gate()
    for _ in range(5):
        gate.spend(10)
        assert gate.spend(1) is not None
        gate.clock.advance(60)

    assert "ban" not in gate.violations


def test_who_goes_on_is_banned_for_longer_each_time() -> None:
    """Two minutes, then four, up to three days; streams are shut too, other addresses are not."""
    gate = Gate()
    gate.spend(10)
    assert [gate.spend(1) for _ in range(4)] == [(429, 46), (429, 46), (418, 120), (418, 120)]
    assert (gate.connect(), gate.connect(THERE)) == ((418, 120), None)
    gate.clock.advance(120)
    assert gate.connect() is None

    lengths = []
    for _ in range(13):
        gate.spend(10)
        refused = [gate.spend(1) for _ in range(3)][-1]
        assert refused is not None
        lengths.append(refused[1])
        gate.clock.advance(refused[1])
    assert lengths[:3] == [240, 480, 960]
    assert lengths[-1] == 3 * 24 * 3600
    assert gate.violations[:6] == [
        "request_weight",
        "request_weight",
        "request_weight",
        "ban",
        "while_banned",
        "while_banned",
    ]


def test_a_ban_says_until_when() -> None:
    """The recorded words, with the epoch time in milliseconds."""
    gate = Gate()
    gate.spend(10)
    refusals = [gate.admission.spend(HERE, 1) for _ in range(3)]

    assert refusals[-1] is not None
    assert refusals[-1].body == {
        "code": -1003,
        "msg": "Way too much request weight used; IP banned until 1723161374000. Please use the "
        "websocket for live updates to avoid bans.",
    }


def test_connections_are_counted_in_a_window_that_slides() -> None:
    """The oldest of them makes room when its five minutes are over."""
    gate = Gate()
    assert gate.connect() is None
    gate.clock.advance(100)
    assert [gate.connect(), gate.connect(), gate.connect(THERE)] == [None, (429, 200), None]
    gate.clock.advance(200)

    assert [gate.connect(), gate.connect()] == [None, (429, 100)]
    assert gate.violations == ["connection_attempts", "connection_attempts"]


def test_addresses_are_not_remembered_without_bound() -> None:
    """The one that came first is forgotten."""
    gate = Gate()
    gate.spend(10)
    for number in range(ADDRESSES_MAX):
        gate.spend(1, f"10.0.{number // 256}.{number % 256}")

    assert len(gate.admission._usages) == ADDRESSES_MAX
    assert gate.spend(1) is None


def test_weight_over_the_limit_must_wait_for_the_next_minute() -> None:
    """The seconds to wait are those until the clock's minute is over, and then it is forgotten."""
    clock = HandClock()  # 14 s into a minute
    meter = WeightMeter(clock, weight_max=10)

    assert [meter.spend(6), meter.spend(4), meter.spend(1)] == [None, None, 46]
    clock.advance(46)
    assert meter.spend(1) is None
    assert meter.used == 1
