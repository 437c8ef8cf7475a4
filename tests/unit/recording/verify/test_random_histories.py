"""Random histories of a service: its stored orders follow from its recording."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from app.auditing.audit import audit
from app.domain.order import PUBLIC, Order, Owner, Side, Symbol, TimeInForce
from app.recording.service.recording_folder import recordings_in
from app.recording.verify.verification import verify
from tests.support.builders import LTCBTC
from tests.support.recorded_service import RecordedProcess, RecordedService

SEEDS: Final = range(2)
PROCESSES: Final = 3
STEPS: Final = 120
SYMBOLS: Final = (LTCBTC, Symbol("ETHBTC"))
OWNERS: Final = (PUBLIC, Owner("alice"))


class RandomHistory:
    """Drives a recorded service by random choices from a seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.service = RecordedService(folder)
        self.service.file_bytes_max = 1  # each tick begins another file
        self.has_gaps = False
        self._random = random.Random(seed)
        self._update_id = 10**12
        self._orders: list[Order] = []

    async def run(self, *, with_gaps: bool) -> None:
        """Run several processes in turn; some are killed."""
        for _ in range(PROCESSES):
            is_killed = self._random.random() < 0.6
            async with self.service.process(is_killed=is_killed) as process:
                for _ in range(STEPS):
                    await self._step(process, with_gaps=with_gaps)
                if self._random.random() < 0.5:
                    await process.settle()

    async def _step(self, process: RecordedProcess, *, with_gaps: bool) -> None:
        what = self._random.random()
        self.service.clock.advance(self._random.choice((0.001, 0.001, 0.001, 0.3, 6)))
        if what < 0.55:
            self._push(process)
        elif what < 0.78:
            await self._place(process)
        elif what < 0.83 and self._orders:
            await self._cancel(process)
        elif what < 0.88:
            self._interrupt(process, with_gaps=with_gaps)
        elif what < 0.92:
            self._toggle(process)
        elif what < 0.98:
            await process.recorder.tick()
        elif with_gaps and process.recorder.state().is_recording:
            process.break_disk()
            self.has_gaps = True

    def _push(self, process: RecordedProcess) -> None:
        symbol = self._random.choice(SYMBOLS)
        self._update_id += self._random.choice((1, 1, 2))
        ask = 100 + self._random.randint(0, 2)
        bid = ask - self._random.randint(1, 3)
        shown = [self._random.choice((0, 1, 2, 3, 5, 8)) for _ in range(2)]
        process.push(
            self._update_id - self._random.choice((0, 0, 0, 0, 500)),  # an old one now and then
            (ask if shown[0] else 0, shown[0]),
            bid=(bid if shown[1] else 0, shown[1]),
            symbol=symbol,
        )

    async def _place(self, process: RecordedProcess) -> None:
        order = await self.service.place(
            process,
            self._random.choice(("0.5", "2", "7", "30")),
            limit_price=Decimal(100 + self._random.randint(-3, 4)),
            side=self._random.choice(list(Side)),
            symbol=self._random.choice(SYMBOLS),
            owner=self._random.choice(OWNERS),
            time_in_force=self._random.choice((TimeInForce.GTD, *TimeInForce)),
            timeout_seconds=self._random.choice((1, 5, 600)),
        )
        self._orders.append(order)

    async def _cancel(self, process: RecordedProcess) -> None:
        order = self._random.choice(self._orders)
        if self._random.random() < 0.3:
            await process.desk.cancel_all(order.owner, order.symbol)
        else:
            await process.desk.cancel(order)

    def _interrupt(self, process: RecordedProcess, *, with_gaps: bool) -> None:
        """Lose the connection; the next seed may have lower update ids.

        Update ids never fall within a gap: the verification recognizes quotes of a gap by their id.
        """
        process.lose_connection()
        if LTCBTC not in process.feed.listeners:
            return
        if with_gaps or self._random.random() < 0.5:
            self._update_id += 1
            process.seed(self._update_id, (101, 3), bid=(99, 3))
            return
        self._update_id //= 2
        for _ in range(3):
            self.service.clock.advance(6)
            process.seed(self._update_id, (102, 4), bid=(100, 2))

    def _toggle(self, process: RecordedProcess) -> None:
        """Begin or end a pause of all symbols."""
        if process.is_trading:
            process.halt()
        else:
            process.resume()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("with_gaps", [False, True], ids=["whole", "with gaps"])
async def test_stored_orders_follow_from_the_recording(
    tmp_path: Path, seed: int, *, with_gaps: bool
) -> None:
    """Nothing differs; everything is covered if no part of the recording is missing."""
    history = RandomHistory(seed, tmp_path)
    await history.run(with_gaps=with_gaps)
    files = recordings_in(history.service.recordings)
    database = str(history.service.path)

    whole = await verify(database, files)
    part = await verify(database, files[len(files) // 2 :])

    assert whole.differences == ()
    assert whole.is_covered or history.has_gaps
    assert part.differences == ()
    assert 0 < part.splits <= whole.splits
    assert (await audit(database)).is_sound
