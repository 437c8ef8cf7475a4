"""Tests of ``app.domain.caller``."""

import pytest

from app.domain.caller import ANONYMOUS, Caller, Scope
from app.domain.errors import MissingScopeError
from app.domain.order import PUBLIC, Owner


@pytest.mark.parametrize("scope", Scope)
def test_a_caller_has_exactly_its_scopes(scope: Scope) -> None:
    """No scope includes another."""
    Caller(Owner("alice"), frozenset({scope})).check(scope)

    with pytest.raises(MissingScopeError) as caught:
        Caller(Owner("alice"), frozenset(Scope) - {scope}).check(scope)
    assert caught.value.scope == scope


def test_open_access_has_one_owner_with_every_scope() -> None:
    """Open access lacks no scope."""
    assert ANONYMOUS.owner == PUBLIC
    for scope in Scope:
        ANONYMOUS.check(scope)
