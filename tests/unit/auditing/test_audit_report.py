"""The findings that an audit keeps."""

from app.auditing.audit_report import EXAMPLES_MAX, SENTENCES, Findings, Invariant


def test_every_invariant_has_its_sentence() -> None:
    """Each invariant has a description in the report."""
    assert SENTENCES.keys() == set(Invariant)
    assert len(set(SENTENCES.values())) == len(Invariant)


def test_rows_and_violations_are_counted_and_the_first_kept() -> None:
    """All violations are counted, and a bounded number is kept."""
    findings = Findings()
    for number in range(1_000):
        findings.look(Invariant.SUMS)
        findings.blame(Invariant.SUMS, f"order {number}", "too much")
        findings.note("the venue restarted its ids")

    report = findings.report("a.db", orders=7)

    (sums,) = (finding for finding in report.findings if finding.violations)
    assert (sums.invariant, sums.rows, sums.violations) == (Invariant.SUMS, 1_000, 1_000)
    assert [one.order_id for one in sums.examples] == [f"order {n}" for n in range(EXAMPLES_MAX)]
    assert (report.violations_total, report.notes_total) == (1_000, 1_000)
    assert len(report.notes) == EXAMPLES_MAX
    assert not report.is_sound
    assert report.violated == {Invariant.SUMS}


def test_one_invariant_does_not_hide_another() -> None:
    """The examples include some violations of each violated invariant."""
    findings = Findings()
    for invariant in (Invariant.SUMS, Invariant.GATES):
        for _ in range(100):
            findings.blame(invariant, None, "wrong")

    shown = [one.invariant for one in findings.report("a.db", orders=0).examples]

    assert shown == [Invariant.SUMS] * 10 + [Invariant.GATES] * 10


def test_notes_are_no_violations() -> None:
    """A database with notes and no violations is sound."""
    findings = Findings()
    findings.note("the venue restarted its ids")

    report = findings.report("a.db", orders=0)

    assert (report.is_sound, report.notes) == (True, ("the venue restarted its ids",))
