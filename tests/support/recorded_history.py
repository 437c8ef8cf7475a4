"""A recorded history with sound orders of every kind, closed and open."""

from pathlib import Path
from typing import Final

from app.domain.order import Owner, Side, TimeInForce
from tests.support.recorded_service import RecordedProcess, RecordedService

ALICE: Final = Owner("alice")
ORDERS_TOTAL: Final = 14
IOC: Final = 5
FOK: Final = 6
OPEN: Final = 14
"""The order that is open and partly filled."""


def id_of(number: int) -> str:
    """Return the id of an order by its acceptance number."""
    return f"00000000-0000-7000-8000-{number:012d}"


async def trade(service: RecordedService, process: RecordedProcess) -> None:
    """Trade eleven orders of every kind through quotes, losses and cancels."""
    one = await service.place(process, 8)
    assert process.seed(10, ("99.99", 5))
    await service.place(process, 20, limit_price="99.95")
    process.push(11, ("99.95", 4))
    process.push(12, ("99.95", 6), bid=("99.94", 3))
    await service.place(process, 2, owner=ALICE)
    await service.place(process, 5, side=Side.SELL, limit_price="99.90")
    await service.place(process, 50, time_in_force=TimeInForce.IOC)
    await service.place(process, 50, time_in_force=TimeInForce.FOK, owner=ALICE)
    process.push(12, ("99.9", 100))  # not above the gate
    process.lose_connection()
    await service.place(process, 1, limit_price=50, timeout_seconds=1)
    service.clock.advance(2)
    assert process.seed(15, ("99.95", 9), bid=("99.9", 8))
    process.push(16, ("99.80", 2), bid=("99.70", 2))
    canceled = await service.place(process, 3, limit_price=60)
    await process.settle()
    await process.desk.cancel(canceled)
    await service.place(process, 3, limit_price=60, owner=ALICE)
    await process.desk.cancel_all(ALICE, one.symbol)
    service.clock.advance(31)
    process.push(17, ("99.70", 50))
    await service.place(process, 4, limit_price="99.70")
    await service.place(process, 90, limit_price="99.70")
    await process.settle()


async def history(folder: Path) -> RecordedService:
    """Record orders of every kind in three processes, one of them killed."""
    service = RecordedService(folder)
    async with service.process() as process:
        await trade(service, process)
    async with service.process(is_killed=True) as process:
        await service.place(process, 4, limit_price="99.70")
        process.push(20, ("99.65", 60))
        await process.settle()
    async with service.process() as process:
        await service.place(process, 4, limit_price="99.60")
        process.push(30, ("99.50", 7))
        await service.place(process, 10, limit_price="99.60")
        await process.settle()
    return service
