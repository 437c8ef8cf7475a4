"""Orders are looked up for verification, the same on SQLite and on PostgreSQL."""

from app.domain.order import PUBLIC, OrderId
from app.storage.order_lookup import OrderLookup, look_up
from tests.support.databases import open_storage
from tests.support.sound_database import FILLED, NEW, ORDERS_TOTAL, fill_soundly, id_of


async def test_orders_are_found_with_their_splits(url: str) -> None:
    """Orders are found with exact splits, and missing orders are skipped."""
    wanted = [OrderId(id_of(number)) for number in (FILLED, NEW, 77)]
    await fill_soundly(url)
    async with open_storage(url) as storage:
        stream_id = storage.database.stream_id
        stored = await storage.orders.find_many(PUBLIC, wanted)
        splits = await storage.orders.list_splits(wanted[0], after=0, limit=10)

    def work(lookup: OrderLookup) -> None:
        found = lookup.find(wanted)
        assert set(found) == set(wanted[:2])
        assert [found[order_id].snapshot for order_id in wanted[:2]] == stored
        assert [list(found[order_id].splits) for order_id in wanted[:2]] == [splits, []]
        assert [mark.acceptance_number for mark in lookup.marks()] == list(
            range(1, ORDERS_TOTAL + 1)
        )
        assert (lookup.newest, lookup.last_pruned) == (ORDERS_TOTAL, 0)
        assert lookup.stream_id == stream_id

    await look_up(url, work)
