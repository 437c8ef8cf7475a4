"""What an audit sees of a symbol's splits, one after the other."""

from decimal import Decimal
from typing import Final

from app.auditing.audit_report import AuditReport, Findings, Invariant
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
    """Make a split with what an audit needs beside it."""
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
    """Make a level of the public owner's BUY ledger."""
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
    """Show the splits to an audit and return what it found."""
    findings = Findings()
    quotes = QuoteAudit(findings, levels, was_pruned=was_pruned)
    for one in splits:
        quotes.show(one)
    quotes.end({LTCBTC: gate})
    return findings.report("a.db", orders=0)


def test_orders_share_what_a_quote_displays() -> None:
    """Exactly all of it is fine; a hair more was sold twice, and the order that got it is named."""
    assert audited(split(1, 3), split(1, 2)).is_sound

    report = audited(split(1, 3), split(1, "2.000000000001"), split(1, 1))

    assert report.violated == {Invariant.SOLD_ONCE}
    (violation,) = report.examples
    assert violation.order_id == "order of quote 1"
    assert violation.detail == "quote 1 of LTCBTC displays 5 at 100 and gave 5.000000000001"


def test_owners_and_sides_do_not_compete() -> None:
    """Each owner may take all of it, from either side of the book."""
    assert audited(
        split(1, 5),
        split(1, 5, owner=ALICE),
        split(1, 5, side=Side.SELL, price=99, displayed=7),
    ).is_sound


def test_a_later_quote_may_display_something_else() -> None:
    """Only within one quote there is one price."""
    assert audited(split(1, 5), split(2, 8, displayed=9, price=99)).is_sound


def test_the_ids_of_a_reset_are_quotes_of_their_own() -> None:
    """A venue that counts anew gives the same id to another quote."""
    report = audited(split(7, 5), split(3, 1), split(7, 5, price=98))

    assert report.is_sound
    assert report.notes_total == 1


def test_the_ledger_is_bound_by_the_newest_quote_at_its_price() -> None:
    """What was displayed there before is no excuse."""
    splits = (split(1, 5), split(2, 1, displayed=3))

    assert audited(*splits, levels=(level(3),)).is_sound
    assert audited(*splits, levels=(level(4),)).violated == {Invariant.LEDGER}
    assert audited(*splits, levels=(level(4),), was_pruned=True).is_sound


def test_the_last_quote_applied_is_remembered() -> None:
    """Until another quote comes, nothing of it may be forgotten."""
    given = (split(1, 3), split(1, 2))

    assert audited(*given, levels=(level(5),), gate=1).is_sound
    assert audited(*given, levels=(level(4),), gate=1).violated == {Invariant.LEDGER}
    assert audited(*given, gate=1, was_pruned=True).violated == {Invariant.LEDGER}
    assert audited(*given, gate=2).is_sound
