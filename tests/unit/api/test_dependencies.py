"""The id in a path; ``test_direct_route`` and ``test_security`` test the caller behind a key."""

import pytest

from app.api.dependencies import get_order_id
from app.api.problems import MethodNotAllowedError
from app.domain.errors import OrderNotFoundError

ORDER_ID = "0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"


async def test_an_id_is_read_in_lower_case() -> None:
    """A UUID is accepted in upper or lower case and read in lower case."""
    assert await get_order_id(ORDER_ID.upper()) == ORDER_ID


@pytest.mark.parametrize(
    ("text", "error"), [("1", OrderNotFoundError), ("LIMIT", MethodNotAllowedError)]
)
async def test_a_text_that_is_no_id_is_refused(text: str, error: type[Exception]) -> None:
    """``GET /order/limit`` is answered with 405, and not as an unknown order."""
    with pytest.raises(error):
        await get_order_id(text)
