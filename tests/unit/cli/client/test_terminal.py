"""Tests of ``app.cli.client.terminal``."""

import io
import json

import pytest
from rich.console import Console

from app.cli.client.tables import orders_table
from app.cli.client.terminal import (
    make_console,
    print_json,
    print_line,
    print_message,
    print_table,
    print_words,
)
from tests.unit.cli.client.order_builders import filled_order


def test_on_a_pipe_a_table_is_complete_and_plain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no frame, no color and no cut cell, even if the environment forces color."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    order = filled_order()

    print_table(make_console(), orders_table([order]))

    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["order", "symbol"]
    assert row.startswith(f"{order['order_id']}  LTCBTC  BUY")
    assert row.endswith("2026-03-01 12:00:00")


@pytest.mark.parametrize(("columns", "has_frame"), [(40, False), (300, True)])
def test_on_a_terminal_a_table_is_complete(*, columns: int, has_frame: bool) -> None:
    """The frame is dropped if it does not fit; an id is never cut."""
    file = io.StringIO()
    order = filled_order()

    print_table(Console(file=file, force_terminal=True, width=columns), orders_table([order]))

    text = file.getvalue()
    assert order["order_id"] in text
    assert "2026-03-01 12:00:00" in text
    assert ("━" in text) is has_frame


def test_a_printed_line_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """Markup in the text is not interpreted."""
    sentence = f"[bold]{'word ' * 100}end"

    print_line(make_console(), sentence)

    assert capsys.readouterr().out == f"{sentence}\n"


def test_words_are_broken_between_words_on_a_terminal() -> None:
    """Continuation lines are indented to the text, not to its name."""
    file = io.StringIO()

    print_words(Console(file=file, force_terminal=True, width=40), "word " * 10, name="execution")

    lines = file.getvalue().splitlines()
    assert lines[0] == "execution        word word word word"
    assert lines[1] == "                 word word word word"


def test_words_stay_together_on_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence is one line on a pipe."""
    print_words(make_console(), "word " * 60)

    assert capsys.readouterr().out == f"{'word ' * 59}word\n"


def test_a_document_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Any document is one line."""
    document = {"text": "two\nlines, é", "list": [{"a": None}]}

    print_json(document)

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == document


def test_messages_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe receives only the output."""
    print_message("try again")

    assert capsys.readouterr() == ("", "papertape: try again\n")
