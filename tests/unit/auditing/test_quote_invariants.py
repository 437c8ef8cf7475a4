"""The checks of all splits of a symbol, in the order of their positions."""

from decimal import Decimal
from typing import Final

from app.auditing.audit_report import AuditReport, Invariant
from app.auditing.audit_rows import SplitInOrder, StoredLevel
from app.auditing.quote_invariants import QuoteAudit
from app.domain.order import PUBLIC, OrderId, Owner, Side, Split
from tests.support.builders import ACCEPTED_AT, LTCBTC, Amount

ALICE: Final = Owner("alice")


def split(
    update_id: int,
    quantity: Amount,
    *,
    displayed: Amount = 5,
    price: Amount = 100,
    owner: Owner = PUBLIC,
    side: Side = Side.BUY,
) -> SplitInOrder:
    """Return a split with its owner, symbol and side."""
    return SplitInOrder(
        owner=owner,
        symbol=LTCBTC,
        side=side,
        split=Split(
            order_id=OrderId(f"order of quote {update_id}"),
            split_number=1,
            update_id=update_id,
            price=Decimal(price),
            quantity=Decimal(quantity),
            displayed_quantity=Decimal(displayed),
            filled_at=ACCEPTED_AT,
        ),
    )


def level(quantity: Amount, *, price: Amount = 100) -> StoredLevel:
    """Return a level of the public owner's BUY ledger."""
    return StoredLevel(
        owner=PUBLIC,
        symbol=LTCBTC,
        side=Side.BUY,
        price=Decimal(price),
        quantity=Decimal(quantity),
    )


def audited(
    *splits: SplitInOrder,
    levels: tuple[StoredLevel, ...] = (),
    gate: int = 1_000,
    was_pruned: bool = False,
) -> AuditReport:
    """Run the checks on the splits and return the report."""
    report = AuditReport("a.db")
    quotes = QuoteAudit(report, levels, was_pruned=was_pruned)
    for one in splits:
        quotes.show(one)
    quotes.end({LTCBTC: gate})
    return report


def test_orders_share_what_a_quote_displays() -> None:
    """The displayed quantity may be sold completely; more is a violation that names the order."""
    assert audited(split(1, 3), split(1, 2)).is_sound

    report = audited(split(1, 3), split(1, "2.000000000001"), split(1, 1))

    assert report.violated == {Invariant.SOLD_ONCE}
    (violation,) = report.examples
    assert violation.order_id == "order of quote 1"
    assert violation.detail == "quote 1 of LTCBTC displays 5 at 100 and gave 5.000000000001"


def test_owners_and_sides_do_not_compete() -> None:
    """Each owner may take the whole displayed quantity, on each side of the book."""
    assert audited(
        split(1, 5),
        split(1, 5, owner=ALICE),
        split(1, 5, side=Side.SELL, price=99, displayed=7),
    ).is_sound


def test_a_later_quote_may_display_something_else() -> None:
    """Price and displayed quantity may change with the next quote."""
    assert audited(split(1, 5), split(2, 8, displayed=9, price=99)).is_sound


def test_the_ids_of_a_reset_are_quotes_of_their_own() -> None:
    """After a reset by the venue, an update id that returns is another quote."""
    report = audited(split(7, 5), split(3, 1), split(7, 5, price=98))

    assert report.is_sound
    assert report.notes_total == 1


def test_the_ledger_is_bound_by_the_newest_quote_at_its_price() -> None:
    """A ledger level may not exceed the quantity that the newest quote at its price displayed."""
    splits = (split(1, 5), split(2, 1, displayed=3))

    assert audited(*splits, levels=(level(3),)).is_sound
    assert audited(*splits, levels=(level(4),)).violated == {Invariant.LEDGER}
    assert audited(*splits, levels=(level(4),), was_pruned=True).is_sound


def test_the_last_quote_applied_is_remembered() -> None:
    """The ledger contains all that the newest applied quote sold."""
    given = (split(1, 3), split(1, 2))

    assert audited(*given, levels=(level(5),), gate=1).is_sound
    assert audited(*given, levels=(level(4),), gate=1).violated == {Invariant.LEDGER}
    assert audited(*given, gate=1, was_pruned=True).violated == {Invariant.LEDGER}
    assert audited(*given, gate=2).is_sound
