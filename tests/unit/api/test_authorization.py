"""Who may go on; every route is asked in ``test_security``."""

from pathlib import Path

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.access.key_file import KeyFileAccess
from app.access.open_access import OpenAccess
from app.api.authorization import Admission, bearer_of, caller_of
from app.api.rate_limit import RequestRates
from app.domain.access import EVERYBODY, Scope
from app.domain.errors import MissingScopeError, RateLimitedError, UnauthorizedError
from app.domain.order import Owner
from tests.support.hand_driven import HandClock
from tests.support.keys import ALICE, BOB, NOBODY, SCOPE_KEYS, write_key_file


@pytest.fixture
def admission(tmp_path: Path) -> Admission:
    """Return the door of a service with keys that takes two requests a second of each owner."""
    clock = HandClock()
    access = KeyFileAccess(write_key_file(tmp_path / "keys.json"), clock=clock)
    return Admission(access, RequestRates(2, clock=clock))


def request(*authorizations: str) -> Request:
    """Return a request with these Authorization headers."""
    headers = [(b"authorization", value.encode("latin-1")) for value in authorizations]
    return Request({"type": "http", "method": "GET", "headers": headers})


async def tell_owner(request: Request) -> Response:
    """Answer whose request it is."""
    return PlainTextResponse(caller_of(request).owner)


async def test_a_handler_finds_its_caller(admission: Admission) -> None:
    """It need not know how callers are known."""
    answer = await admission.needs(Scope.ORDERS_READ, tell_owner)(request(f"Bearer {BOB}"))

    assert answer.body == b"bob"


@pytest.mark.parametrize(
    ("authorizations", "error"),
    [
        ([], UnauthorizedError),
        ([f"Bearer {NOBODY}"], UnauthorizedError),
        ([f"Bearer {SCOPE_KEYS[Scope.METRICS]}"], MissingScopeError),
    ],
)
async def test_a_handler_is_not_called_for_others(
    admission: Admission, authorizations: list[str], error: type[Exception]
) -> None:
    """Nothing of a request is looked at before its sender is known."""

    async def never(_request: Request) -> Response:
        raise AssertionError

    with pytest.raises(error):
        await admission.needs(Scope.ORDERS_READ, never)(request(*authorizations))


def test_a_websocket_can_ask_with_a_key_of_its_own(admission: Admission) -> None:
    """The key may come from anywhere; it is asked for in the same way."""
    assert admission.admit(ALICE, Scope.ORDERS_READ).owner == "alice"
    with pytest.raises(UnauthorizedError):
        admission.admit(None, Scope.ORDERS_READ)


def test_a_connection_goes_on_with_its_key_while_that_is_its_owners(admission: Admission) -> None:
    """A key that was given to another name is as good as revoked, and asking does not count."""
    for _ in range(10):
        admission.confirm(ALICE, Scope.ORDERS_READ, owner=Owner("alice"))
    for key, owner, error in (
        (ALICE, "bob", UnauthorizedError),
        (NOBODY, "alice", UnauthorizedError),
        (SCOPE_KEYS[Scope.METRICS], "alice", MissingScopeError),
    ):
        with pytest.raises(error):
            admission.confirm(key, Scope.ORDERS_READ, owner=Owner(owner))


def test_keys_of_one_owner_share_its_rate(admission: Admission) -> None:
    """A second key is no second helping; refused scopes count too."""
    admission.admit(ALICE, Scope.ORDERS_READ)
    with pytest.raises(MissingScopeError):
        admission.admit(SCOPE_KEYS[Scope.METRICS], Scope.ORDERS_READ)

    with pytest.raises(RateLimitedError):
        admission.admit(SCOPE_KEYS[Scope.ORDERS_READ], Scope.ORDERS_READ)
    admission.admit(BOB, Scope.ORDERS_READ)


def test_whoever_is_known_may_be_told_more(admission: Admission) -> None:
    """Any valid key will do, and asking does not count."""
    for _ in range(10):
        assert admission.knows(request(f"Bearer {SCOPE_KEYS[Scope.METRICS]}"))
        assert not admission.knows(request())
        assert not admission.knows(request(f"Bearer {NOBODY}"))


def test_open_access_lets_everybody_do_everything() -> None:
    """Nobody is asked, and a key for elsewhere does no harm."""
    admission = Admission(OpenAccess(), RequestRates(0, clock=HandClock()))

    assert [admission.admit(None, scope) for scope in Scope] == [EVERYBODY] * len(Scope)
    assert admission.knows(request())


def test_whether_keys_are_asked_for_is_known(admission: Admission) -> None:
    """The document says so."""
    assert admission.asks_for_keys
    assert not Admission(OpenAccess(), RequestRates(0, clock=HandClock())).asks_for_keys


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
    headers = Headers(raw=request(*authorizations).scope["headers"])

    assert bearer_of(headers) == bearer
