"""Which interruptions are told."""

import pytest

from app.domain.order import Symbol
from app.fulfillment import interruptions
from app.fulfillment.interruptions import LONG_SECONDS, Changes, Interruptions, tell
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

ETHBTC = Symbol("ETHBTC")
SECOND = 1_000_000_000


def test_a_short_interruption_is_not_told() -> None:
    """A connection that is replaced within seconds is nobody's trouble."""
    seen = Interruptions(long_seconds=30)

    changes = [
        seen.look({LTCBTC: is_live}, now_ns=second * SECOND)
        for second, is_live in [(0, False), (29, False), (34, True), (40, False), (69, False)]
    ]

    assert changes == [Changes([], [])] * 5


def test_a_long_interruption_is_told_once_and_its_end_too() -> None:
    """Whoever reads the log sees when fills stopped and when they went on, each once."""
    seen = Interruptions(long_seconds=30)

    changes = [
        seen.look({LTCBTC: is_live, ETHBTC: True}, now_ns=second * SECOND)
        for second, is_live in [(5, False), (35, False), (40, False), (45, True), (50, True)]
    ]

    assert changes == [
        Changes([], []),
        Changes([LTCBTC], []),
        Changes([], []),
        Changes([], [LTCBTC]),
        Changes([], []),
    ]


async def test_the_desk_looks_again_and_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A symbol that waits for its quote is counted after half a minute, until the quote comes."""
    monkeypatch.setattr(interruptions, "CHECK_SECONDS", 0.001)
    async with shop.restarted():
        await shop.place(5, limit_price=1)
        await eventually(lambda: LTCBTC in shop.desk._interruptions._since_ns)
        before = shop.desk.state().symbols_interrupted
        shop.clock.advance(LONG_SECONDS)
        await eventually(lambda: shop.desk.state().symbols_interrupted == 1)
        shop.feed.push(make_quote(1))
        await eventually(lambda: shop.desk.state().symbols_interrupted == 0)

    assert before == 0


def test_a_symbol_that_ended_is_forgotten() -> None:
    """One that comes back later is a new one, and nothing is kept of those that went."""
    seen = Interruptions(long_seconds=30)
    seen.look({LTCBTC: False}, now_ns=0)
    seen.look({LTCBTC: False}, now_ns=30 * SECOND)
    seen.look({}, now_ns=35 * SECOND)

    assert not seen._since_ns
    assert not seen._told
    assert seen.look({LTCBTC: False}, now_ns=65 * SECOND) == Changes([], [])
    assert seen.look({LTCBTC: False}, now_ns=95 * SECOND) == Changes([LTCBTC], [])


def test_telling_takes_any_number_of_symbols() -> None:
    """The entry of a lost venue names a few of a thousand symbols."""
    many = [Symbol(f"A{number}BTC") for number in range(1_000)]

    tell(Changes(many, many))
    tell(Changes([], []))
