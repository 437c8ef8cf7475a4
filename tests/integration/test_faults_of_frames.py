"""The service against bad frames while an order rests.

If the symbol of a bad frame is known, its last quote is invalid until a good frame or a depth
snapshot arrives. If it is unknown, the feed continues, and the missed update makes the ledger
stricter, never more generous.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from app.auditing.audit import audit
from tests.support.drills import SYMBOL, count_of, has_met, reason_of, splits_of, until_filled
from tests.support.services import ServiceUnderTest, service_under_test
from tests.support.waiting import eventually_true

BID: Final = '"b":"0.0022","B":"7"'
ASK: Final = '"a":"0.0030","A":"9"'
LISTED: Final = (SYMBOL, "ETHBTC", "币安人生USDT")


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFrame:
    """A frame, with ``{u}`` for the next update id, and the counter that it must increase."""

    text: str
    counter: str


def quote(body: str) -> str:
    """Return a book ticker of the symbol with the given fields."""
    return '{"u":{u},"s":"' + SYMBOL + '",' + body + "}"


OF_THE_SYMBOL: Final = {
    "wrong type": BadFrame(text=quote('"b":0.0022,"B":"7",' + ASK), counter="dropped_wrong_type"),
    "negative": BadFrame(text=quote('"b":"-0.0022","B":"7",' + ASK), counter="dropped_negative"),
    "half zero": BadFrame(
        text=quote(BID + ',"a":"0.0030","A":"0"'), counter="dropped_ask_half_empty"
    ),
    "NaN": BadFrame(text=quote('"b":"NaN","B":"7",' + ASK), counter="dropped_not_an_amount"),
    "exponent": BadFrame(text=quote('"b":"1e-3","B":"7",' + ASK), counter="dropped_not_an_amount"),
    "missing key": BadFrame(text=quote(ASK), counter="dropped_missing_key"),
    "crossed": BadFrame(text=quote('"b":"0.0031","B":"7",' + ASK), counter="dropped_crossed"),
    "update id zero": BadFrame(
        text='{"u":0,"s":"LTCBTC",' + BID + "," + ASK + "}",
        counter="dropped_update_id_not_positive",
    ),
    "truncated": BadFrame(text=quote(BID + "," + ASK)[:40], counter="dropped_not_json"),
    "a bare NaN": BadFrame(text=quote('"b":NaN,"B":"7",' + ASK), counter="dropped_not_json"),
    "oversized": BadFrame(
        text=quote(BID + "," + ASK + ',"x":"' + "9" * 70_000 + '"'), counter="dropped_oversized"
    ),
}
OF_NO_KNOWN_SYMBOL: Final = {
    "truncated too early": BadFrame(text=quote(BID)[:12], counter="dropped_not_json"),
    "not JSON": BadFrame(text="<html>502</html>", counter="dropped_not_json"),
    "unknown symbol": BadFrame(
        text='{"u":{u},"s":"NOSUCHBTC",' + BID + "," + ASK + "}", counter="dropped_unsubscribed"
    ),
    "symbol beyond ASCII": BadFrame(
        text='{"u":{u},"s":"币安人生USDT",' + BID + "," + ASK + "}",
        counter="dropped_unsubscribed",
    ),
    "another stream": BadFrame(
        text='{"e":"aggTrade","s":"LTCBTC","p":"0.0030","q":"9"}', counter="dropped_foreign"
    ),
}


@pytest.mark.parametrize("name", OF_THE_SYMBOL)
async def test_a_bad_frame_of_the_symbol_is_made_up_for_by_depth(name: str, tmp_path: Path) -> None:
    """If the frame of a market move is bad, nothing is filled on the old quote."""
    async with service_under_test(tmp_path, symbols=LISTED) as service:
        bad = OF_THE_SYMBOL[name]
        buying = await buy_five(service)

        update_id = await miss_a_move(service, bad)
        await eventually_true(lambda: has_quote(service, update_id))
        selling = await service.place(symbol=SYMBOL, order_size=1, price="0.0023", side="SELL")
        await eventually_true(lambda: has_met(service, selling, update_id))
        service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.0025", "15"))

        assert reason_of(await service.stored(selling)) == ("NEW", None, "0")
        # The touch has passed 0.0025, so what is displayed there now is new.
        assert splits_of(await buying) == [("0.0025", "5"), ("0.0025", "15")]
        assert await count_of(service, bad.counter) == 1
        assert await count_of(service, "connections") == 1
        assert (await audit(str(tmp_path / "service.db"))).is_sound


@pytest.mark.parametrize("name", OF_NO_KNOWN_SYMBOL)
async def test_a_bad_frame_of_no_known_symbol_only_makes_it_stricter(
    name: str, tmp_path: Path
) -> None:
    """The feed continues, and an unseen empty level only makes the ledger stricter."""
    async with service_under_test(tmp_path, symbols=LISTED) as service:
        bad = OF_NO_KNOWN_SYMBOL[name]
        buying = await buy_five(service)

        await miss_a_move(service, bad)
        await eventually_true(lambda: has_counted(service, bad))
        service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.0025", "15"))
        await until_filled(service, "15")
        service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.00251", "5"))

        assert splits_of(await buying) == [("0.0025", "5"), ("0.0025", "10"), ("0.00251", "5")]
        assert await count_of(service, "connections") == 1
        assert (await audit(str(tmp_path / "service.db"))).is_sound


async def test_frames_that_come_twice_or_late_are_not_believed(tmp_path: Path) -> None:
    """A repeated or late frame is ignored, because it would let the ledger sell a lot again."""
    async with service_under_test(tmp_path) as service:
        buying = await buy_five(service)
        old = service.venue.faults.current_quote(SYMBOL).data

        newer = service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.0025", "4"))
        for text in (old, newer.data, old):
            service.venue.faults.send_frame(SYMBOL, text)
        service.market.push(SYMBOL, bid=("0.0021", "7"), ask=("0.0025", "4"))
        service.market.push(SYMBOL, bid=("0.0021", "7"), ask=("0.00251", "15"))

        assert splits_of(await buying) == [("0.0025", "5"), ("0.00251", "15")]
        assert (await audit(str(tmp_path / "service.db"))).is_sound


async def test_a_side_that_is_empty_and_keys_that_are_new_are_no_fault(tmp_path: Path) -> None:
    """Zero price and quantity mean an empty side, and unknown keys are ignored."""
    async with service_under_test(tmp_path) as service:
        buying = await buy_five(service)

        empty = service.market.push(SYMBOL, bid=("0.0022", "7"))
        text = (
            f'{{"u":{empty.update_id + 1},"s":"LTCBTC",{BID},"a":"0.0025","A":"15",'
            '"e":"bookTicker","T":1,"E":2,"ps":"LTCBTC","x":{"y":[1,2]}}'
        )
        service.venue.faults.send_frame(SYMBOL, text)

        assert splits_of(await buying) == [("0.0025", "5"), ("0.0025", "15")]


async def buy_five(service: ServiceUnderTest) -> asyncio.Task[dict[str, object]]:
    """Post an order of 20 and return once it has filled the 5 displayed."""
    service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "5"))
    buying = asyncio.create_task(
        service.order(symbol=SYMBOL, order_size=20, price="0.0026", timeout_seconds=3_600)
    )
    await until_filled(service, "5")
    return buying


async def miss_a_move(service: ServiceUnderTest, bad: BadFrame) -> int:
    """Replace the frame of a market move by a bad frame; return the move's update id."""
    service.venue.faults.mute(SYMBOL)
    moved = service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.0030", "9"))
    text = bad.text.replace("{u}", str(moved.update_id))
    assert service.venue.faults.send_frame(SYMBOL, text) == 1
    service.venue.faults.mute(SYMBOL, on=False)
    return moved.update_id


async def has_quote(service: ServiceUnderTest, update_id: int) -> bool:
    """Return whether the service's current quote has this update id."""
    current = (await service.client.get(f"/symbols/{SYMBOL}")).json()["quote"]
    return current is not None and bool(current["update_id"] == update_id)


async def has_counted(service: ServiceUnderTest, bad: BadFrame) -> bool:
    """Return whether the frame was counted."""
    return await count_of(service, bad.counter) == 1
