"""``papertape verify`` after a service was killed."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from app.clock import SystemClock
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.busy_trading import Trader
from tests.support.keys import write_key_file
from tests.support.processes import papertape
from tests.support.waiting import eventually

SEED: Final = 20261126
ORDERS: Final = 100


async def test_after_kill_9_everything_durable_is_verified(tmp_path: Path) -> None:
    """A process dies while orders are being filled; another one resumes the orders and stops."""
    write_key_file(tmp_path / "keys.json")
    venue = SimulatedVenue(SyntheticMarket(SEED), clock=SystemClock())
    async with venue.serve() as running:
        settings = {
            "VENUE": "simulator",
            "BINANCE_STREAM_URL": running.stream_url,
            "BINANCE_REST_URL": running.rest_url,
            "API_KEYS_FILE": "keys.json",
            "RECORD_DIR": "recordings",
        }
        trader = Trader(SEED, running.rest_url)
        async with (
            papertape(tmp_path, "serve", name="first", **settings) as first,
            first.ready_client() as client,
        ):
            await trader.place(client, ORDERS)
            venue.drop_connections()
            dying = asyncio.create_task(trader.place_until_it_dies(client))
            await eventually(lambda: trader.placed > 2 * ORDERS)
            await first.kill()
            await dying
        async with papertape(tmp_path, "serve", name="second", **settings) as second:
            async with second.ready_client() as client:
                await trader.place(client, 20)
            assert await second.stop() == 0

    async with papertape(
        tmp_path, "verify", "database.db", "recordings", "--json", name="verify"
    ) as verifying:
        status = await verifying.wait()
        report = json.loads(verifying.log)

    assert report["differences"] == []
    assert (status, report["verified"]) == (0, True)
    with closing(sqlite3.connect(tmp_path / "database.db")) as connection:
        ((orders,),) = connection.execute("SELECT count(*) FROM orders")
        ((splits,),) = connection.execute("SELECT count(*) FROM fulfilled_order_splits")
    assert (report["orders"], report["splits"]) == (orders, splits)
    assert orders >= trader.placed > 200
    assert splits > 100
