"""The venue fails while orders rest, in every way that takes some time, on the whole service.

Nothing from before a fault is believed, no lot is sold twice, each order says why it ended, the
cause is counted, and the orders go on by themselves. The drills mostly wait, so they run beside one
another, each with a service, a venue and a database of its own.
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
    """Run the drills of all rows that were asked for."""
    asked = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    }
    chosen = {name: drill for name, drill in DRILLS.items() if name in asked}
    return asyncio.run(run_side_by_side(chosen, tmp_path_factory.mktemp("drills")))


@pytest.mark.parametrize("name", DRILLS)
def test_orders_go_on_after_the_fault(name: str, found: Mapping[str, Exception | None]) -> None:
    """What the drill of this row had to see, it saw."""
    error = found[name]
    if error is not None:
        raise error
