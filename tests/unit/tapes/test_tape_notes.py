"""Tests of ``app.tapes.tape_notes``."""

import msgspec
import pytest

from app.domain.order import Symbol
from app.recording.service.recording_notes import (
    ConnectionChanged,
    FileBegun,
    FrameIgnored,
    Interrupted,
    SymbolEnded,
)
from app.tapes.tape_notes import ConnectionNote, DropNote, Interruption, read_interruption


def begun(*, continues: bool) -> FileBegun:
    """Return the first note of a service's file."""
    return FileBegun(
        stream_id="a", epoch=1, number=2, continues=continues, acceptance_number=7, version="0.1.0"
    )


@pytest.mark.parametrize(
    ("note", "interruption"),
    [
        (ConnectionNote(what="lost", cause="closed"), Interruption(None)),
        (ConnectionNote(what="opened"), None),
        (ConnectionNote(what="rotated"), None),
        (DropNote(symbol="LTCBTC", reason="crossed"), Interruption(Symbol("LTCBTC"))),
        (DropNote(symbol=None, reason="not_json"), None),
        (Interrupted(symbol=Symbol("LTCBTC")), Interruption(Symbol("LTCBTC"))),
        (SymbolEnded(symbol=Symbol("LTCBTC"), how="ended"), Interruption(Symbol("LTCBTC"))),
        (ConnectionChanged(what="lost", cause="closed"), Interruption(None)),
        (ConnectionChanged(what="rotated", cause=None), None),
        (FrameIgnored(symbol=Symbol("LTCBTC")), None),
        (begun(continues=False), Interruption(None)),
        (begun(continues=True), None),
        ({"kind": "symbol", "what": "lost"}, None),
        ({"kind": "connection", "what": 7}, None),
        ({"what": "lost"}, None),
        (
            {"kind": "dropped", "symbol": "LTCBTC", "reason": "crossed", "received_ns": 1},
            Interruption(Symbol("LTCBTC")),
        ),
        ("a text", None),
        ([], None),
    ],
    ids=str,
)
def test_a_note_invalidates_the_quotes_that_it_affects(
    note: object, interruption: Interruption | None
) -> None:
    """A lost connection affects every symbol, a dropped frame one symbol, other notes none.

    Of what `papertape record` notes and of what the service does.
    """
    assert read_interruption(msgspec.json.encode(note)) == interruption


def test_a_note_nested_without_end_is_of_another_kind() -> None:
    """A note from another program cannot stop a replay."""
    assert (
        read_interruption(b'{"kind":"connection","what":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
        is None
    )
