"""A recording of the service is a tape whose replay gives the same splits."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from app.cli import main as cli
from app.simulator.market.tape_market import TapeMarket
from app.tapes.tape_reader import TapeReader
from tests.support.services import service_under_test
from tests.support.waiting import eventually_true

ASKS = [("100", "5"), ("100", "4"), ("100", "8"), ("99", "3"), ("100", "6"), ("101", "9")]


def split_facts(splits: Sequence[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """Return the update id, price and quantity of each split."""
    return [(split["update_id"], split["price"], split["quantity"]) for split in splits]


async def test_a_replay_of_a_service_s_recording_gives_the_service_s_splits(
    tmp_path: Path,
) -> None:
    """The recording holds frames and gaps, and other notes do not disturb the replay."""
    folder = tmp_path / "recordings"
    async with service_under_test(tmp_path, limits={"record_dir": str(folder)}) as service:
        order_id = await service.place(symbol="LTCBTC", order_size="40", price="100")
        # The seed is the empty opening quote, so only frames can fill the order.
        await eventually_true(service.quote)
        for ask in ASKS:
            service.market.push("LTCBTC", bid=("98", "1"), ask=ask)
        await service.order(
            symbol="LTCBTC", side="SELL", order_size="1", price="98", time_in_force="IOC"
        )
        await service.client.delete(f"/order/{order_id}")
        stored = await service.stored(order_id)
    (recording,) = folder.iterdir()
    *lines, last = TapeReader(recording)
    first = next(line for line in lines if line.data is not None)
    order = {
        "id": "a",
        "symbol": "LTCBTC",
        "order_size": "40",
        "price": "100",
        "placed_ts": first.ts - 1,
        "timeout_ms": 3_600_000,
    }

    arguments = ["replay", str(recording), "--orders", "-", "--json"]
    (result,) = json.loads(CliRunner().invoke(cli._cli, arguments, json.dumps(order)).stdout)

    assert last.note == b'{"kind":"closed","is_durable":true}'
    assert len(stored["splits"]) > 2
    assert split_facts(result["splits"]) == split_facts(stored["splits"])
    played = [quote.data for quote in TapeMarket(recording).quotes() if quote.at_ns]
    assert len(played) == len(ASKS)
