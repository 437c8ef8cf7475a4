"""The findings that an audit keeps."""

import pytest

from app.auditing.audit_report import EXAMPLES_MAX, AuditReport, Invariant, Rule
from app.recording.verify.verification_report import Kind


@pytest.mark.parametrize("rules", [Invariant, Kind])
def test_every_rule_has_a_sentence_of_its_own(rules: type[Rule]) -> None:
    """A report describes each rule; the name is the value in JSON."""
    assert len({rule.sentence for rule in rules}) == len(rules)
    assert [rule.value for rule in rules] == [rule.name.lower() for rule in rules]


def test_rows_and_violations_are_counted_and_the_first_kept() -> None:
    """All violations are counted, and a bounded number is kept."""
    report = AuditReport("a.db")
    for number in range(1_000):
        report.look(Invariant.SUMS)
        report.blame(Invariant.SUMS, f"order {number}", "too much")
        report.note("the venue restarted its ids")

    sums = report.findings[Invariant.SUMS]
    assert (sums.rows, sums.violations) == (1_000, 1_000)
    assert [one.order_id for one in sums.examples] == [f"order {n}" for n in range(EXAMPLES_MAX)]
    assert (report.violations_total, report.notes_total) == (1_000, 1_000)
    assert len(report.notes) == EXAMPLES_MAX
    assert not report.is_sound
    assert report.violated == {Invariant.SUMS}


def test_one_invariant_does_not_hide_another() -> None:
    """The examples include some violations of each violated invariant."""
    report = AuditReport("a.db")
    for invariant in (Invariant.SUMS, Invariant.GATES):
        for _ in range(100):
            report.blame(invariant, None, "wrong")

    shown = [one.invariant for one in report.examples]

    assert shown == [Invariant.SUMS] * 10 + [Invariant.GATES] * 10
