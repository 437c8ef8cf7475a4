"""The service against every kind of garbage that the simulated venue can send.

The module also tests repeated, late and resent frames.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from app.simulator.faults.garbage import GARBAGE
from tests.support.drills import check_books, count_of, splits_of
from tests.support.scrape import scrape
from tests.support.services import ServiceUnderTest, service_under_test
from tests.support.waiting import eventually_true


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The counter, and whether the frame's symbol is known, on raw and on combined streams."""

    counter: str
    is_named: bool = True
    is_named_in_envelope: bool = True


EFFECTS: Final = {
    "truncated": Effect(counter="dropped_not_json"),
    "binary": Effect(counter="dropped_binary", is_named=False, is_named_in_envelope=False),
    "invalid_utf8": Effect(counter="dropped_not_json"),
    "non_json": Effect(counter="dropped_not_json", is_named=False, is_named_in_envelope=False),
    "empty": Effect(counter="dropped_not_json", is_named=False, is_named_in_envelope=False),
    "null": Effect(counter="dropped_wrong_type", is_named=False),
    "list": Effect(counter="dropped_wrong_type", is_named=False),
    "nested": Effect(counter="dropped_oversized", is_named=False, is_named_in_envelope=False),
    "oversized": Effect(counter="dropped_oversized"),
    "long_number": Effect(counter="dropped_not_json", is_named=False),
    "non_ascii": Effect(counter="dropped_unsubscribed", is_named=False, is_named_in_envelope=False),
    "unknown_symbol": Effect(
        counter="dropped_unsubscribed", is_named=False, is_named_in_envelope=False
    ),
    "wrong_type": Effect(counter="dropped_wrong_type"),
    "missing_key": Effect(counter="dropped_missing_key"),
    "negative": Effect(counter="dropped_negative"),
    "negative_quantity": Effect(counter="dropped_negative"),
    "negative_id": Effect(counter="dropped_update_id_not_positive"),
    "zero": Effect(counter="dropped_ask_half_empty"),
    "nan": Effect(counter="dropped_not_an_amount"),
    "infinity": Effect(counter="dropped_not_an_amount"),
    "exponent": Effect(counter="dropped_not_an_amount"),
    "crossed": Effect(counter="dropped_crossed"),
}
SYMBOLS: Final = {kind: f"COIN{number}BTC" for number, kind in enumerate(EFFECTS)}


def test_every_kind_of_garbage_has_its_row() -> None:
    """Every kind of garbage of the venue has an expected effect."""
    assert EFFECTS.keys() == {kind for kind, one in GARBAGE.items() if not one.is_sound}


@pytest.mark.parametrize("stream_path", ["/ws", "/stream"], ids=["raw", "combined"])
async def test_garbage_in_place_of_a_move_fills_nothing_wrongly(
    stream_path: str, tmp_path: Path
) -> None:
    """A known symbol is seeded again; an unknown one only makes the ledger stricter."""
    async with service_under_test(
        tmp_path, symbols=SYMBOLS.values(), stream_path=stream_path
    ) as service:
        buying = {kind: _buy_five(service, symbol) for kind, symbol in SYMBOLS.items()}
        await eventually_true(lambda: _have_all_filled(service, len(SYMBOLS), "5"))
        for kind, effect in EFFECTS.items():
            is_named = effect.is_named if stream_path == "/ws" else effect.is_named_in_envelope
            counter = effect.counter
            if stream_path == "/stream" and counter == "dropped_unsubscribed":
                counter = "dropped_foreign"  # the envelope names another stream
            before = await count_of(service, counter)
            await _miss_a_move(service, kind, is_named=is_named)
            splits = splits_of(await buying[kind])

            missed = [("0.0025", "15")] if is_named else [("0.0025", "10"), ("0.00251", "5")]
            assert (kind, splits) == (kind, [("0.0025", "5"), *missed])
            assert (kind, await count_of(service, counter)) == (kind, before + 1)
        assert await count_of(service, "connections") == 1
        await check_books(tmp_path)


def _buy_five(service: ServiceUnderTest, symbol: str) -> asyncio.Task[dict[str, Any]]:
    """Post an order of 20 while 5 are displayed."""
    service.market.push(symbol, bid=("0.0024", "7"), ask=("0.0025", "5"))
    return asyncio.create_task(
        service.order(symbol=symbol, order_size=20, price="0.0026", timeout_seconds=3_600)
    )


async def _miss_a_move(service: ServiceUnderTest, kind: str, *, is_named: bool) -> None:
    """Spoil the frame of a price move, then push a quote at the old price."""
    symbol, market = SYMBOLS[kind], service.market
    frames = await count_of(service, "frames")
    service.venue.faults.spoil(kind, symbol=symbol)
    moved = market.push(symbol, bid=("0.0022", "7"), ask=("0.0030", "9"))
    await eventually_true(lambda: _counts_more(service, frames))
    if is_named:
        await service.until_quoted(symbol, moved.update_id)
    market.push(symbol, bid=("0.0022", "7"), ask=("0.0025", "15"))
    if not is_named:
        market.push(symbol, bid=("0.0022", "7"), ask=("0.00251", "5"))


@pytest.mark.parametrize("how", ["duplicate", "reorder", "resend"])
async def test_frames_sent_twice_late_or_once_more_sell_no_lot_again(
    how: str, tmp_path: Path
) -> None:
    """Repeated or late frames do not let the ledger sell a lot again."""
    async with service_under_test(tmp_path, symbols=["COIN0BTC"]) as service:
        market, faults = service.market, service.venue.faults
        buying = _buy_five(service, "COIN0BTC")
        await eventually_true(lambda: _have_all_filled(service, 1, "5"))
        if how == "duplicate":
            faults.duplicate()
        if how == "reorder":
            faults.reorder(1)
            market.push("COIN0BTC", bid=("0.0024", "6"), ask=("0.0025", "4"))
        market.push("COIN0BTC", bid=("0.0024", "5"), ask=("0.0025", "5"))
        if how == "resend":
            faults.resend("COIN0BTC")
        market.push("COIN0BTC", bid=("0.0024", "4"), ask=("0.0025", "5"))
        market.push("COIN0BTC", bid=("0.0024", "4"), ask=("0.00251", "15"))

        assert splits_of(await buying) == [("0.0025", "5"), ("0.00251", "15")]
        assert (await scrape(service.client))["quotes_refused_total"] > 0
        await check_books(tmp_path)


async def _have_all_filled(service: ServiceUnderTest, count: int, quantity: str) -> bool:
    filled = [one["filled_quantity"] for one in await service.open_orders()]
    return filled == [quantity] * count


async def _counts_more(service: ServiceUnderTest, frames: int) -> bool:
    return await count_of(service, "frames") > frames
