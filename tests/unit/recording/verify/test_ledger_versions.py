"""The ledgers that a matcher handed on: which of them a database has."""

from decimal import Decimal

from app.domain.liquidity import TakenLevel
from app.domain.order import PUBLIC, Side
from app.recording.verify.ledger_versions import VERSIONS_MAX, LedgerVersions


def level(price: int, quantity: int) -> TakenLevel:
    """Make a level of the public's asks."""
    return TakenLevel(owner=PUBLIC, side=Side.BUY, price=Decimal(price), quantity=Decimal(quantity))


def found(gate: int, *levels: TakenLevel) -> LedgerVersions:
    """Return a ledger as a database has it."""
    return LedgerVersions(gate, levels, is_whole=True)


def test_each_version_is_known_and_no_other() -> None:
    """Levels come, change and go; equal amounts are equal however they are written."""
    versions = LedgerVersions(5, [level(100, 1)], is_whole=True)
    versions.store(6, [level(100, 2), level(101, 3)])
    versions.store(7, [level(100, 0)])
    versions.store(7, [])

    assert versions.has_been(found(5, level(100, 1)))
    assert versions.has_been(found(6, level(101, 3), level(100, 2)))
    assert versions.has_been(found(7, level(101, 3)))
    assert not versions.has_been(found(6, level(101, 3)))
    assert not versions.has_been(found(7))
    assert versions.told() == found(7, level(101, 3)).told()


def test_a_matcher_that_was_there_before_may_have_handed_on_others() -> None:
    """What it had when its recording began is not what the database had."""
    versions = LedgerVersions(5, [level(100, 1)], is_whole=False)

    assert not versions.has_been(found(5, level(100, 1)))
    assert not versions.is_whole


def test_no_more_versions_are_kept_than_can_wait_to_be_written() -> None:
    """The oldest is forgotten, and from then on none is older than those that are known."""
    versions = LedgerVersions(0, [], is_whole=False)
    for number in range(1, VERSIONS_MAX + 2):
        versions.store(number, [])

    assert not versions.has_been(found(1))
    assert versions.has_been(found(2))
    assert versions.is_whole
    versions.forget()
    assert not versions.has_been(found(2))
