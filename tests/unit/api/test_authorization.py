"""Who may go on; every route is asked in ``test_security``."""

from pathlib import Path

import pytest
from starlette.datastructures import Headers

from app.access.key_file import KeyFileAccess, OpenAccess
from app.api.authorization import Authorizer, bearer_of
from app.api.rate_limit import RateLimiter
from app.domain.caller import ANONYMOUS, Scope
from app.domain.errors import MissingScopeError, RateLimitedError, UnauthorizedError
from app.domain.order import Owner
from tests.support.hand_driven import HandClock
from tests.support.keys import ALICE, BOB, NOBODY, SCOPE_KEYS, write_key_file


@pytest.fixture
def authorizer(tmp_path: Path) -> Authorizer:
    """Return the door of a service with keys that takes two requests a second of each owner."""
    clock = HandClock()
    access = KeyFileAccess(write_key_file(tmp_path / "keys.json"), clock=clock)
    return Authorizer(access, RateLimiter(2, clock=clock))


def test_a_websocket_can_ask_with_a_key_of_its_own(authorizer: Authorizer) -> None:
    """The key may come from anywhere; it is asked for in the same way."""
    assert authorizer.authorize(ALICE, Scope.ORDERS_READ).owner == "alice"
    with pytest.raises(UnauthorizedError):
        authorizer.authorize(None, Scope.ORDERS_READ)


def test_a_connection_goes_on_with_its_key_while_that_is_its_owners(authorizer: Authorizer) -> None:
    """A key that was given to another name is as good as revoked, and asking does not count."""
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
    """A second key is no second helping; refused scopes count too."""
    authorizer.authorize(ALICE, Scope.ORDERS_READ)
    with pytest.raises(MissingScopeError):
        authorizer.authorize(SCOPE_KEYS[Scope.METRICS], Scope.ORDERS_READ)

    with pytest.raises(RateLimitedError):
        authorizer.authorize(SCOPE_KEYS[Scope.ORDERS_READ], Scope.ORDERS_READ)
    authorizer.authorize(BOB, Scope.ORDERS_READ)


def test_whoever_is_known_may_be_told_more(authorizer: Authorizer) -> None:
    """Any valid key will do, and asking does not count."""
    for _ in range(10):
        assert authorizer.recognizes(SCOPE_KEYS[Scope.METRICS])
        assert not authorizer.recognizes(None)
        assert not authorizer.recognizes(NOBODY)


def test_open_access_lets_everybody_do_everything() -> None:
    """Nobody is asked, and a key for elsewhere does no harm."""
    authorizer = Authorizer(OpenAccess(), RateLimiter(0, clock=HandClock()))

    assert [authorizer.authorize(None, scope) for scope in Scope] == [ANONYMOUS] * len(Scope)
    assert authorizer.recognizes(None)


def test_whether_keys_are_asked_for_is_known(authorizer: Authorizer) -> None:
    """The document says so."""
    assert authorizer.requires_keys
    assert not Authorizer(OpenAccess(), RateLimiter(0, clock=HandClock())).requires_keys


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
    """The scheme is read in any case of letters; two headers are a trick, not two keys."""
    headers = Headers(raw=[(b"authorization", value.encode("latin-1")) for value in authorizations])

    assert bearer_of(headers) == bearer
