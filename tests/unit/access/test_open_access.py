"""Open access."""

import pytest

from app.access.open_access import OpenAccess
from app.domain.caller import ANONYMOUS


@pytest.mark.parametrize("bearer", [None, "", "pt_anything"])
def test_everybody_is_let_in_with_a_key_or_without(bearer: str | None) -> None:
    """A client that has a key for elsewhere is not refused here."""
    assert OpenAccess().identify(bearer) == ANONYMOUS


def test_the_log_can_say_that_nobody_is_asked() -> None:
    """An operator reads it at the start."""
    assert OpenAccess().description == "open, no keys asked"
