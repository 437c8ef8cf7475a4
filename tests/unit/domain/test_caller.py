"""Callers and scopes."""

import pytest

from app.domain.caller import ANONYMOUS, Caller, Scope
from app.domain.errors import MissingScopeError
from app.domain.order import PUBLIC, Owner


@pytest.mark.parametrize("scope", Scope)
def test_a_caller_may_do_what_its_scopes_say_and_nothing_else(scope: Scope) -> None:
    """No scope stands for another."""
    Caller(Owner("alice"), frozenset({scope})).check(scope)

    with pytest.raises(MissingScopeError) as caught:
        Caller(Owner("alice"), frozenset(Scope) - {scope}).check(scope)
    assert caught.value.scope == scope


def test_everybody_is_one_owner_who_may_do_everything() -> None:
    """Open access has no scopes to miss."""
    assert ANONYMOUS.owner == PUBLIC
    for scope in Scope:
        ANONYMOUS.check(scope)
