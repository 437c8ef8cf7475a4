"""Tests of ``app.simulator.market.scripted_market``."""

import asyncio
from decimal import Decimal

import pytest

from app.simulator.market.playback import Playback
from app.simulator.market.scripted_market import FIRST_UPDATE_ID, ScriptedMarket
from app.simulator.market.venue_quotes import VenueQuote
from app.simulator.venue.listing import inferred_rules


async def test_pushed_quotes_are_published_immediately() -> None:
    """An earlier quote is current at the opening, and later quotes follow."""
    market, published = ScriptedMarket(), list[VenueQuote]()
    playback = Playback(published.append, first_update_id=5, is_paused=False)
    before = market.push("LTCBTC", bid=("0.0025", "1"), ask=("0.0026", "2"))
    running = asyncio.create_task(market.run(playback))
    await playback.opened.wait()
    after = market.push("LTCBTC", bid=("0.0025", "1"))
    running.cancel()
    await asyncio.wait([running])

    assert published == [before, after]
    assert before.data == (
        '{"u":1001,"s":"LTCBTC","b":"0.00250000","B":"1.00000000",'
        '"a":"0.00260000","A":"2.00000000"}'
    )
    assert (after.ask_price, after.ask_quantity) == ("0.00000000", "0.00000000")


def test_update_ids_rise_by_one_by_default() -> None:
    """A test may give any id, also a lower one."""
    market = ScriptedMarket()
    ids = [
        market.push("LTCBTC").update_id,
        market.push("LTCBTC", update_id=50).update_id,
        market.push("LTCBTC").update_id,
        market.push("LTCBTC", update_id=3).update_id,
    ]

    assert ids == [FIRST_UPDATE_ID + 1, 50, 51, 3]


async def test_a_push_after_the_end_is_only_stored() -> None:
    """A market accepts quotes after it was canceled."""
    market, published = ScriptedMarket(), list[VenueQuote]()
    playback = Playback(published.append, first_update_id=5, is_paused=False)
    running = asyncio.create_task(market.run(playback))
    await playback.opened.wait()
    running.cancel()
    await asyncio.wait([running])
    market.push("LTCBTC")

    assert len(published) == 1


def test_symbols_by_name_and_by_rules_are_listed() -> None:
    """Both can be combined, and an unlisted symbol cannot be pushed."""
    rules = inferred_rules("ETHBTC", tick_size=Decimal("0.01"), step_size=Decimal("0.1"))
    market = ScriptedMarket(["LTCBTC"], rules=[rules])

    assert [listing.symbol for listing in market.listings] == ["LTCBTC", "ETHBTC"]
    with pytest.raises(KeyError):
        market.push("NOPE")
