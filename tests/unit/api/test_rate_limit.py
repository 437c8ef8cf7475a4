"""The limit on requests per second."""

from collections.abc import Iterator

import pytest

from app.api import rate_limit as rates
from app.api.rate_limit import RateLimiter
from app.domain.errors import RateLimitedError
from app.domain.order import Owner
from tests.support.hand_driven import HandClock

ALICE = Owner("alice")
BOB = Owner("bob")


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that stands still."""
    return HandClock()


def taken(limit: RateLimiter, owner: Owner = ALICE) -> int:
    """Return how many requests are accepted before one is refused."""

    def attempts() -> Iterator[None]:
        while True:
            try:
                limit.count(owner)
            except RateLimitedError:
                return
            yield

    return sum(1 for _ in attempts())


@pytest.mark.parametrize("per_second_max", [1, 3, 7, 1_000, 10_000])
def test_a_seconds_worth_may_come_at_once(per_second_max: int, clock: HandClock) -> None:
    """A client may send the requests of one second at once."""
    limit = RateLimiter(per_second_max, clock=clock)

    assert taken(limit) == per_second_max
    clock.advance(1)
    assert taken(limit) == per_second_max


def test_what_is_free_again_grows_with_time(clock: HandClock) -> None:
    """The long-term rate does not exceed the limit, and refused requests do not count."""
    limit = RateLimiter(10, clock=clock)
    taken(limit)

    total = 0
    for _ in range(40):
        clock.advance(0.05)
        total += taken(limit)

    assert total == 20


def test_an_idle_time_saves_up_no_more_than_a_second(clock: HandClock) -> None:
    """An idle hour allows no more than the requests of one second."""
    limit = RateLimiter(5, clock=clock)
    taken(limit)
    clock.advance(3_600)

    assert taken(limit) == 5


def test_owners_do_not_share(clock: HandClock) -> None:
    """Each owner has its own limit."""
    limit = RateLimiter(2, clock=clock)

    assert taken(limit, ALICE) == 2
    assert taken(limit, BOB) == 2


def test_zero_is_no_limit(clock: HandClock) -> None:
    """Zero means no limit, and then no state is kept."""
    limit = RateLimiter(0, clock=clock)

    for _ in range(100_000):
        limit.count(ALICE)

    assert not limit._full_at_ns


def test_refusal_says_when_to_come_back(clock: HandClock) -> None:
    """After the time in the refusal, a request is accepted."""
    limit = RateLimiter(1, clock=clock)
    limit.count(ALICE)

    with pytest.raises(RateLimitedError, match="more than 1 requests a second") as caught:
        limit.count(ALICE)
    clock.advance(caught.value.retry_after_seconds)
    limit.count(ALICE)


def test_only_owners_who_sent_lately_are_remembered(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old owners are forgotten, but only after their limit has fully recovered."""
    monkeypatch.setattr(rates, "OWNERS_REMEMBERED", 3)
    limit = RateLimiter(1, clock=clock)
    for name in ("a", "b", "c"):
        limit.count(Owner(name))
    clock.advance(1)
    limit.count(Owner("c"))
    limit.count(Owner("d"))

    assert set(limit._full_at_ns) == {"c", "d"}
    assert (taken(limit, Owner("c")), taken(limit, Owner("d")), taken(limit, ALICE)) == (0, 0, 1)
