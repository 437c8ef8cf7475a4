"""A recording of the real service, compared with its database."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from app.auditing.audit import audit
from app.clock import SystemClock
from app.domain.errors import StartupError
from app.recording.verify.verification import verify
from app.settings import Settings
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.venue.server import RunningVenue, SimulatedVenue
from tests.support.busy_trading import Trader
from tests.support.connections import http_client
from tests.support.keys import write_key_file
from tests.support.services import make_settings, started, until_ready

SEED: Final = 20261125
ORDERS: Final = 280


def settings_of(folder: Path, venue: RunningVenue) -> Settings:
    """Return the settings of a service that records."""
    keys = folder / "keys.json"
    if not keys.exists():
        write_key_file(keys)
    settings = make_settings(folder, stream_url=venue.stream_url, rest_url=venue.rest_url)
    return settings.model_copy(
        update={"record_dir": str(folder / "recordings"), "api_keys_file": str(keys)}
    )


async def test_a_recording_that_cannot_be_written_ends_the_start(tmp_path: Path) -> None:
    """If the recording cannot be written, the service refuses to start and names the setting."""
    venue = SimulatedVenue(SyntheticMarket(SEED), clock=SystemClock())
    async with venue.serve() as running:
        settings = settings_of(tmp_path, running)
        settings = settings.model_copy(update={"record_dir": str(tmp_path / "keys.json")})
        with pytest.raises(StartupError, match=r"RECORD_DIR=.*keys.json"):
            async with started(settings):
                raise AssertionError("it has not started")


async def test_a_recording_derives_exactly_the_splits_of_the_database(tmp_path: Path) -> None:
    """The recording explains every stored split, despite lost connections and a restart."""
    venue = SimulatedVenue(SyntheticMarket(SEED), clock=SystemClock())
    async with venue.serve() as running:
        trader = Trader(SEED, running.rest_url)
        settings = settings_of(tmp_path, running)
        for _ in range(2):
            async with (
                started(settings) as url,
                http_client(base_url=url) as client,
            ):
                await until_ready(client)
                for _ in range(4):
                    await trader.place(client, ORDERS // 10)
                    venue.drop_connections()
                await trader.place(client, ORDERS // 10)

    report = await verify(str(tmp_path / "service.db"), [tmp_path / "recordings"])

    assert report.differences == ()
    assert (report.splits_not_covered, report.orders_not_covered) == (0, 0)
    assert report.orders == trader.placed >= 200
    with closing(sqlite3.connect(tmp_path / "service.db")) as connection:
        ((splits,),) = connection.execute("SELECT count(*) FROM fulfilled_order_splits")
    assert report.splits == splits > 10
    assert (await audit(str(tmp_path / "service.db"))).is_sound
