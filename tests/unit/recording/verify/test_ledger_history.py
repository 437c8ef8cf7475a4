"""Tests of ``app.recording.verify.ledger_history``."""

from decimal import Decimal

from app.domain.liquidity import TakenLevel
from app.domain.order import PUBLIC, Side
from app.recording.verify.ledger_history import VERSIONS_MAX, LedgerHistory


def level(price: int, quantity: int) -> TakenLevel:
    """Return a level of the asks that public orders took."""
    return TakenLevel(owner=PUBLIC, side=Side.BUY, price=Decimal(price), quantity=Decimal(quantity))


def stored(gate: int, *levels: TakenLevel) -> LedgerHistory:
    """Return a ledger as the database stores it."""
    return LedgerHistory(gate, levels, is_complete=True)


def test_each_version_is_included_and_no_other() -> None:
    """Levels appear, change and disappear; equal amounts are equal in any notation."""
    history = LedgerHistory(5, [level(100, 1)], is_complete=True)
    history.apply(6, [level(100, 2), level(101, 3)])
    history.apply(7, [level(100, 0)])
    history.apply(7, [])

    assert history.includes(stored(5, level(100, 1)))
    assert history.includes(stored(6, level(101, 3), level(100, 2)))
    assert history.includes(stored(7, level(101, 3)))
    assert not history.includes(stored(6, level(101, 3)))
    assert not history.includes(stored(7))
    assert history.newest() == stored(7, level(101, 3)).newest()


def test_a_matcher_older_than_the_recording_has_unknown_versions() -> None:
    """The ledger at the beginning of the recording need not be the one in the database."""
    history = LedgerHistory(5, [level(100, 1)], is_complete=False)

    assert not history.includes(stored(5, level(100, 1)))
    assert not history.is_complete


def test_the_number_of_versions_is_bounded() -> None:
    """The history drops its oldest version, and is complete from then on."""
    history = LedgerHistory(0, [], is_complete=False)
    for number in range(1, VERSIONS_MAX + 2):
        history.apply(number, [])

    assert not history.includes(stored(1))
    assert history.includes(stored(2))
    assert history.is_complete
    history.clear()
    assert not history.includes(stored(2))
