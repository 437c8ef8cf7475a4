"""Tests of ``app.tapes.notes``."""

import msgspec
import pytest

from app.domain.order import Symbol
from app.tapes.notes import ConnectionNote, DropNote, Interruption, read_interruption


@pytest.mark.parametrize(
    ("note", "interruption"),
    [
        (ConnectionNote(connection="lost", cause="closed"), Interruption(None)),
        (ConnectionNote(connection="opened"), None),
        (ConnectionNote(connection="rotated"), None),
        (DropNote(dropped="crossed", symbol="LTCBTC"), Interruption(Symbol("LTCBTC"))),
        (DropNote(dropped="not_json"), None),
        ({"matcher": "something else"}, None),
        ({"connection": 7}, None),
        ("a text", None),
        ([], None),
    ],
    ids=str,
)
def test_a_note_says_whose_quotes_are_no_longer_current(
    note: object, interruption: Interruption | None
) -> None:
    """A lost connection all, a dropped frame its symbol's, anything else nobody's."""
    assert read_interruption(msgspec.json.encode(note)) == interruption


def test_a_note_nested_without_end_is_of_another_kind() -> None:
    """No note of a stranger stops a replay."""
    assert read_interruption(b'{"connection":' + b"[" * 100_000 + b"]" * 100_000 + b"}") is None
