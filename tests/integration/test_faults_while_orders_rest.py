"""The venue fails in every slow way while orders rest, on the whole service.

No order fills on a quote from before the fault, and no lot is sold twice. Each closed order has its
reason, the cause is counted, and orders continue without help. The drills mostly wait, so they run
concurrently, each with its own service, venue and database.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import pytest

from tests.support import drills_of_the_connection, drills_of_the_stream
from tests.support.side_by_side import run_side_by_side

DRILLS: Final = {**drills_of_the_stream.DRILLS, **drills_of_the_connection.DRILLS}


@pytest.fixture(scope="module")
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Exception | None]:
    """Run the selected drills and return their errors."""
    asked = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    }
    chosen = {name: drill for name, drill in DRILLS.items() if name in asked}
    return asyncio.run(run_side_by_side(chosen, tmp_path_factory.mktemp("drills")))


@pytest.mark.parametrize("name", DRILLS)
def test_orders_go_on_after_the_fault(name: str, found: Mapping[str, Exception | None]) -> None:
    """The drill of the row succeeded."""
    error = found[name]
    if error is not None:
        raise error
