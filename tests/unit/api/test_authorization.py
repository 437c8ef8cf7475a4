"""Authorization of requests and their rate; ``test_security`` tests it for every route."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from app.access.key_file import KeyFileAccess, OpenAccess
from app.api import authorization
from app.api.authorization import Authorizer, RateLimiter, bearer_of
from app.domain.caller import ANONYMOUS, Scope
from app.domain.errors import MissingScopeError, RateLimitedError, UnauthorizedError
from app.domain.order import Owner
from tests.support.hand_driven import HandClock
from tests.support.keys import ALICE, BOB, NOBODY, SCOPE_KEYS, write_key_file

OWNER = Owner("alice")


@pytest.fixture
def authorizer(tmp_path: Path) -> Authorizer:
    """Return an authorizer with keys and a limit of two requests a second per owner."""
    clock = HandClock()
    access = KeyFileAccess(write_key_file(tmp_path / "keys.json"), clock=clock)
    return Authorizer(access, RateLimiter(2, clock=clock))


def test_a_connection_goes_on_with_its_key_while_that_is_its_owners(authorizer: Authorizer) -> None:
    """A key that now belongs to another owner counts as revoked, and checks use no rate."""
    for _ in range(10):
        authorizer.confirm(ALICE, Scope.ORDERS_READ, owner=Owner("alice"))
    for key, owner, error in (
        (ALICE, "bob", UnauthorizedError),
        (NOBODY, "alice", UnauthorizedError),
        (SCOPE_KEYS[Scope.METRICS], "alice", MissingScopeError),
    ):
        with pytest.raises(error):
            authorizer.confirm(key, Scope.ORDERS_READ, owner=Owner(owner))


def test_keys_of_one_owner_share_its_rate(authorizer: Authorizer) -> None:
    """All keys of an owner share one rate limit, and refused scopes count."""
    authorizer.authorize(ALICE, Scope.ORDERS_READ)
    with pytest.raises(MissingScopeError):
        authorizer.authorize(SCOPE_KEYS[Scope.METRICS], Scope.ORDERS_READ)

    with pytest.raises(RateLimitedError):
        authorizer.authorize(SCOPE_KEYS[Scope.ORDERS_READ], Scope.ORDERS_READ)
    authorizer.authorize(BOB, Scope.ORDERS_READ)


def test_whoever_is_known_may_be_told_more(authorizer: Authorizer) -> None:
    """Any valid key is recognized, and recognition uses no rate."""
    for _ in range(10):
        assert authorizer.recognizes(SCOPE_KEYS[Scope.METRICS])
        assert not authorizer.recognizes(None)
        assert not authorizer.recognizes(NOBODY)


def test_open_access_lets_every_client_do_everything(authorizer: Authorizer) -> None:
    """In open access, no key is needed, and every scope is granted; the document says which."""
    open_to_all = Authorizer(OpenAccess(), RateLimiter(0, clock=HandClock()))

    assert [open_to_all.authorize(None, scope) for scope in Scope] == [ANONYMOUS] * len(Scope)
    assert open_to_all.recognizes(None)
    assert (open_to_all.requires_keys, authorizer.requires_keys) == (False, True)


@pytest.mark.parametrize(
    ("authorizations", "bearer"),
    [
        (["Bearer pt_a"], "pt_a"),
        (["bearer pt_a"], "pt_a"),
        (["BEARER   pt_a "], "pt_a"),
        (["Bearer "], ""),
        ([], None),
        ([""], None),
        (["Bearer"], None),
        (["pt_a"], None),
        (["Basic pt_a"], None),
        (["Bearerpt_a"], None),
        (["Bearer pt_a", "Bearer pt_a"], None),
        (["Bearer pt_a", "Bearer pt_b"], None),
    ],
)
def test_a_key_comes_in_the_only_authorization_header(
    authorizations: list[str], bearer: str | None
) -> None:
    """The scheme is read in upper or lower case, and two headers count as no key."""
    headers = Headers(raw=[(b"authorization", value.encode("latin-1")) for value in authorizations])

    assert bearer_of(headers) == bearer


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that stands still."""
    return HandClock()


def taken(limit: RateLimiter, owner: Owner = OWNER) -> int:
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

    assert taken(limit, OWNER) == 2
    assert taken(limit, Owner("bob")) == 2


def test_zero_is_no_limit(clock: HandClock) -> None:
    """Zero means no limit, and then no state is kept."""
    limit = RateLimiter(0, clock=clock)

    for _ in range(100_000):
        limit.count(OWNER)

    assert not limit._full_at_ns


def test_refusal_says_when_to_come_back(clock: HandClock) -> None:
    """After the time in the refusal, a request is accepted."""
    limit = RateLimiter(1, clock=clock)
    limit.count(OWNER)

    with pytest.raises(RateLimitedError, match="more than 1 requests a second") as caught:
        limit.count(OWNER)
    clock.advance(caught.value.retry_after_seconds)
    limit.count(OWNER)


def test_only_owners_who_sent_lately_are_remembered(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old owners are forgotten, but only after their limit has fully recovered."""
    monkeypatch.setattr(authorization, "OWNERS_REMEMBERED", 3)
    limit = RateLimiter(1, clock=clock)
    for name in ("a", "b", "c"):
        limit.count(Owner(name))
    clock.advance(1)
    limit.count(Owner("c"))
    limit.count(Owner("d"))

    assert set(limit._full_at_ns) == {"c", "d"}
    assert (taken(limit, Owner("c")), taken(limit, Owner("d")), taken(limit, OWNER)) == (0, 0, 1)
