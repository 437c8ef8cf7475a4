"""Which interruptions are told."""

from app.domain.order import Symbol
from app.fulfillment.interruptions import Changes, Interruptions, tell
from tests.support.builders import LTCBTC

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
