"""Tests of ``app.cli.replay`` through the command; ``tests/end_to_end`` has real tapes."""

import json
import re

import pytest

from app.cli.replay import replay_tape
from tests.support.hand_driven import HandClock
from tests.unit.cli.command_runner import refused
from tests.unit.cli.replays import ORDER, TAPE, Replayed, frame, results

IS_INPUT = "is an input of this replay; name another file for the results"
KNOWN_KEYS = "id, symbol, order_size, price, placed_ts, timeout_ms, side, owner"


def test_orders_may_come_from_standard_input(replayed: Replayed) -> None:
    """The name is ``-``; messages call it standard input."""
    arguments = (str(replayed.tape), "--orders", "-", "--json")

    result = replayed.invoke(*arguments, standard_input=json.dumps(ORDER))
    line = refused(replayed.invoke(*arguments, standard_input=""))

    assert results(result)[0]["filled_quantity"] == "8"
    assert line == "papertape: standard input: not JSON at line 1 column 1: Expecting value"


def test_out_gets_the_json_and_standard_output_the_table(replayed: Replayed) -> None:
    """With ``--json`` standard output is empty; a file of earlier results is replaced."""
    out = replayed.folder / "results.json"
    out.write_text("[\nformer results" * 1_000)

    shown = replayed.run([ORDER], "--out", str(out))
    quiet = replayed.run([ORDER], "--json", "--out", str(out))

    assert shown.stdout.startswith("order")
    assert quiet.stdout == ""
    assert out.read_bytes() == replayed.run([ORDER], "--json").stdout_bytes


@pytest.mark.parametrize(
    ("orders", "line"),
    [
        ("", "orders.json: not JSON at line 1 column 1: Expecting value"),
        ([], "orders.json: contains no orders"),
        ([{**ORDER, "price": "0"}], "orders.json: order 1 (a): price must be above zero"),
        ([ORDER, ORDER], "orders.json: order 2 (a): the id is already used by order 1"),
        (
            [ORDER, {**ORDER, "id": "b", "symbol": "LTCBTX"}],
            "tape.jsonl: contains no quote of LTCBTX; it has ETHBTC, LTCBTC",
        ),
    ],
    ids=["nothing", "no order", "bad amount", "same id", "unknown symbol"],
)
def test_bad_orders_are_one_line(replayed: Replayed, orders: object, line: str) -> None:
    """The line says what to change."""
    assert replayed.refused(orders) == f"papertape: {line}"


def test_a_bad_tape_is_one_line(replayed: Replayed) -> None:
    """The line has the position."""
    replayed.tape.write_text(TAPE + "nonsense\n")
    message = replayed.refused([{**ORDER, "timeout_ms": 60_000}])
    assert message.startswith("papertape: tape.jsonl, line 5: not a line of a tape: ")

    replayed.tape.unlink()
    assert replayed.refused([ORDER]) == "papertape: tape.jsonl: No such file or directory"


@pytest.mark.parametrize(
    ("orders", "complaint"),
    [
        ("none.json", "No such file or directory"),
        (".", "Is a directory"),
        ("tape.jsonl", f"order 1: ts is unknown; known are {KNOWN_KEYS}"),
    ],
)
def test_unusable_orders_are_one_line(
    replayed: Replayed, monkeypatch: pytest.MonkeyPatch, orders: str, complaint: str
) -> None:
    """A missing file, a folder, and a tape instead of orders are refused."""
    monkeypatch.chdir(replayed.folder)

    line = refused(replayed.invoke("tape.jsonl", "--orders", orders))

    assert line == f"papertape: {orders}: {complaint}"


@pytest.mark.parametrize(
    ("out", "line"),
    [
        ("none/results.json", "none/results.json: the folder none does not exist"),
        (".", ".: is a folder"),
        ("tape.jsonl", f"tape.jsonl: {IS_INPUT}"),
        ("orders.json", f"orders.json: {IS_INPUT}"),
        ("other.jsonl", "other.jsonl: exists already and contains no results; name another file"),
    ],
)
def test_a_harmful_output_file_is_refused(
    replayed: Replayed, monkeypatch: pytest.MonkeyPatch, out: str, line: str
) -> None:
    """The refusal comes before the replay; orders and tapes, also other ones, stay unchanged."""
    monkeypatch.chdir(replayed.folder)
    other = replayed.folder / "other.jsonl"
    other.write_text(TAPE)

    assert replayed.refused([ORDER], "--out", out) == f"papertape: {line}"
    assert replayed.tape.read_text() == other.read_text() == TAPE


class LeapingClock(HandClock):
    """A clock that advances by a second at each reading."""

    def monotonic_ns(self) -> int:
        """Return a second more than before."""
        self.advance(1)
        return super().monotonic_ns()


def test_a_long_replay_prints_its_progress(
    replayed: Replayed, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe gets a line every few seconds on standard error."""
    lines = "".join(frame(number, number, "99.99", "5") for number in range(1, 60_000))
    replayed.tape.write_text(lines)
    orders = replayed.folder / "orders.json"
    orders.write_text(json.dumps([{**ORDER, "timeout_ms": 86_400_000}]))

    replay_tape(replayed.tape, str(orders), as_json=True, out=None, clock=LeapingClock())

    first, *_, last = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"papertape: [0-9]+ % of {replayed.tape}, line [0-9]+", first)
    assert last.startswith("papertape: 59999 frames in ")
