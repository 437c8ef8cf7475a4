"""The arithmetic of the benchmark of growth."""

from dataclasses import replace

import pytest

from bench.growth import Step, first_to_give_in, outlook, shares
from bench.growth_loads import Rest, Usage
from bench.live_service import ThreadSeconds
from bench.raw_listener import RawListener

IDLE = ThreadSeconds(loop=0, others=0)


def usage(*, seconds: float = 2, loop: float, others: float = 0, units: float = 1) -> Usage:
    """Return a usage with these processor times."""
    cpu = ThreadSeconds(loop=loop, others=others)
    return Usage(seconds=seconds, cpu=cpu, commits=100, units=units, clients=IDLE)


REST = Rest.of([usage(seconds=4, loop=0.3, others=0.1), usage(seconds=2, loop=0.16, others=0.04)])


def test_a_unit_costs_what_is_spent_beyond_rest_of_the_same_length() -> None:
    """Rest is scaled to the load's seconds, and all threads count."""
    assert REST.microseconds_per_unit(usage(loop=0.9, others=0.3, units=1_000)) == pytest.approx(
        1_000
    )


def test_what_rest_itself_may_differ_by_is_below_noise() -> None:
    """No cost is made up of it, and none of it is told as zero."""
    noisy = Rest.of([usage(loop=0.1), usage(loop=0.3)])

    assert noisy.noise == pytest.approx(0.1)
    assert noisy.microseconds_per_unit(usage(loop=0.39)) is None
    assert noisy.microseconds_per_unit(usage(loop=0.5)) == pytest.approx(300_000)


def test_what_a_load_takes_without_that_which_is_counted_is_left_out() -> None:
    """Each less rest of its own length."""
    told = replace(usage(seconds=2, loop=1.2, units=10), beside=usage(seconds=1, loop=0.6))

    assert REST.microseconds_per_unit(told) == pytest.approx(50_000)


def test_the_resource_with_the_least_room_left_comes_first() -> None:
    """It gives in first as the load grows; the time it stood ready to run is no room."""
    waiting = ThreadSeconds(loop=0.8, others=0.6, others_queued=0.4)
    loaded = replace(usage(loop=0), cpu=waiting)

    assert [one.of for one in shares(loaded, 0.004)][:3] == ["writer", "event loop", "disk"]
    assert first_to_give_in(loaded, 0.004) == "writer, 30 % busy, and ready to run 20 %"


def test_who_mostly_waits_for_a_processor_is_not_what_gives_in() -> None:
    """The machine is: others have it."""
    starved = replace(
        usage(loop=0), cpu=ThreadSeconds(loop=0.4, others=0, loop_queued=1.4), machine=1.0
    )

    assert first_to_give_in(starved, 0.004) == (
        "the machine's processors, 100 % busy: the event loop stood ready to run 70 % of the time,"
        " and ran 20 %"
    )


def test_a_rate_falls_behind_when_it_is_late_or_its_answers_are() -> None:
    """A tenth of the work, or ten times the p99 of the rate before."""
    fast = replace(usage(loop=1, units=200), latencies=[0.01])
    before = Step(per_second=100, usage=fast)

    def step(units: float, seconds: float) -> Step:
        return Step(per_second=200, usage=replace(fast, units=units, latencies=[seconds]))

    assert not before.falls_behind(None)
    assert not step(400, 0.1).falls_behind(before)
    assert step(400, 0.101).falls_behind(before)
    assert step(359, 0.01).falls_behind(before)


def test_a_listener_counts_whole_messages_however_they_arrive() -> None:
    """Short and long ones, several at once or in pieces; what is no text is not counted."""
    listener = RawListener()
    short, long = b"\x81\x05short", b"\x81\x7e\x01\x00" + bytes(256)
    listener.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")

    for piece in (short + long + b"\x89\x02hi", long[:3], long[3:100], long[100:] + short):
        listener.data_received(piece)

    assert listener.heard == 4


def test_what_is_full_is_named_before_anything_is_late() -> None:
    """At the last rate the nearest is named, whatever room it has."""
    easy = Step(per_second=100, usage=usage(loop=0.5, units=200))
    full = Step(per_second=100, usage=usage(loop=1.9, units=200))
    late = Step(per_second=100, usage=usage(loop=1.9, units=100))

    assert outlook(easy, None, 0.004, is_last=False) == "not yet"
    assert outlook(easy, None, 0.004, is_last=True) == "not yet; nearest: event loop, 25 % busy"
    assert outlook(full, easy, 0.004, is_last=False) == "full: event loop, 95 % busy"
    assert outlook(late, full, 0.004, is_last=True) == "event loop, 95 % busy"
