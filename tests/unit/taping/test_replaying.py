"""Tests of ``app.taping.replaying`` through the command; real tapes: ``tests/end_to_end``."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from app import cli
from app.tapes.orders import read_orders
from app.tapes.replay import ReplayResult
from app.taping.replaying import ROWS_SHOWN_MAX

START: Final = 1_723_161_254_000_000


def frame(ts: int, update_id: int, ask: str, quantity: str, symbol: str = "LTCBTC") -> str:
    """Return a line of a tape; ``ts`` counts from its start."""
    data = f'{{"u":{update_id},"s":"{symbol}","b":"99.00","B":"1","a":"{ask}","A":"{quantity}"}}'
    return f'{{"ts":{START + ts},"data":{data}}}\n'


TAPE: Final = (
    frame(0, 10, "99.99", "5.00000000")
    + frame(1_000, 1, "700", "3", "ETHBTC")
    + frame(2_000, 11, "99.99", "8")
    + frame(9_000, 12, "99.98", "1")
)
ORDER: Final = {
    "id": "a",
    "symbol": "LTCBTC",
    "order_size": "20",
    "price": "100",
    "placed_ts": START + 500,
    "timeout_ms": 5,
}


class Replayed:
    """A folder with a tape, and the command on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tape = folder / "tape.jsonl"
        self.tape.write_text(TAPE)

    def run(self, orders: object, *arguments: str) -> Result:
        """Replay orders, given as what becomes JSON or as text."""
        text = orders if isinstance(orders, str) else json.dumps(orders)
        (self.folder / "orders.json").write_text(text)
        return self.invoke(str(self.tape), "--orders", str(self.folder / "orders.json"), *arguments)

    def invoke(self, *arguments: str, standard_input: str = "") -> Result:
        """Run ``papertape replay ARGUMENTS``."""
        return CliRunner().invoke(cli._cli, ["replay", *arguments], input=standard_input)

    def refused(self, orders: object, *arguments: str) -> str:
        """Return the one line that refuses."""
        result = self.run(orders, *arguments)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        return line.replace(f"{self.folder}/", "")


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    """Write the tape."""
    return Replayed(tmp_path)


def results(result: Result) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Return what ``--json`` printed."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_results_have_exactly_this_form(replayed: Replayed) -> None:
    """Amounts in plain notation, one order to a line, nothing else on the output."""
    result = replayed.run([ORDER, {**ORDER, "id": "b", "symbol": "ETHBTC", "price": 1}], "--json")

    assert result.stdout == (
        '[\n{"id":"a","final_state":"expired_partial","filled_quantity":"8",'
        '"remaining_quantity":"12","total_cost":"799.92","splits":['
        f'{{"update_id":10,"price":"99.99","quantity":"5","ts":{START}}},'
        f'{{"update_id":11,"price":"99.99","quantity":"3","ts":{START + 2_000}}}]}},\n'
        '{"id":"b","final_state":"expired_unfilled","filled_quantity":"0",'
        '"remaining_quantity":"20","total_cost":"0","splits":[]}\n]\n'
    )
    assert re.fullmatch(r"papertape: 3 frames in [0-9.]+ s, [0-9,]+ a second\n", result.stderr), (
        "no warning"
    )


def test_orders_may_come_by_the_standard_input(replayed: Replayed) -> None:
    """Named ``-``; problems name it so."""
    arguments = (str(replayed.tape), "--orders", "-", "--json")

    result = replayed.invoke(*arguments, standard_input=json.dumps(ORDER))
    refused = replayed.invoke(*arguments, standard_input="")

    assert results(result)[0]["filled_quantity"] == "8"
    assert (
        refused.stderr
        == "papertape: standard input: not JSON at line 1 column 1: Expecting value\n"
    )


def test_the_table_shows_each_order_and_the_summary_all_of_them(replayed: Replayed) -> None:
    """Readable without JSON, and the same each time."""
    orders = [
        ORDER,
        {**ORDER, "id": "b", "owner": "bob", "order_size": "5", "side": "SELL", "price": "99"},
    ]

    result = replayed.run(orders)

    header, first, second, *words = result.stdout.splitlines()
    assert header.split() == [
        *("order", "symbol", "side", "size", "price", "filled"),
        *("average", "price", "cost", "splits", "state"),
    ]
    assert first.split() == [
        *("a", "LTCBTC", "BUY", "20", "100", "8", "99.99", "799.92", "2", "expired_partial"),
    ]
    assert second.split()[-6:] == ["99", "1", "99", "99", "1", "expired_partial"]
    assert words[0] == "2 orders: 0 filled, 2 expired_partial, 0 expired_unfilled; 3 splits"
    assert words[1].endswith(
        "tape.jsonl: 3 frames read, 2024-08-08 23:54:14.000000Z to 2024-08-08 23:54:14.002000Z"
    )
    assert result.stdout == replayed.run(orders).stdout


def test_a_long_table_is_cut_and_says_so(replayed: Replayed) -> None:
    """JSON has all of them."""
    orders = [{**ORDER, "id": f"{number}"} for number in range(ROWS_SHOWN_MAX + 7)]

    result = replayed.run(orders)

    assert "7 more; --json has all of them" in result.stdout
    assert len(results(replayed.run(orders, "--json"))) == ROWS_SHOWN_MAX + 7


def test_out_gets_the_json_and_the_output_the_table(replayed: Replayed) -> None:
    """With ``--json`` the output gets nothing; a file of former results is replaced."""
    out = replayed.folder / "results.json"
    out.write_text("former results" * 1_000)

    shown = replayed.run([ORDER], "--out", str(out))
    quiet = replayed.run([ORDER], "--json", "--out", str(out))

    assert shown.stdout.startswith("order")
    assert quiet.stdout == ""
    assert out.read_bytes() == replayed.run([ORDER], "--json").stdout_bytes


def test_times_beside_the_tape_are_told(replayed: Replayed) -> None:
    """Before it, after it, and beyond its end; each is decided all the same."""
    orders = [
        {**ORDER, "id": "early", "placed_ts": START - 4_000, "owner": "1"},
        {**ORDER, "id": "late", "placed_ts": START + 9_001, "owner": "2"},
        {**ORDER, "id": "long", "timeout_ms": 86_400_000, "owner": "3"},
        {**ORDER, "id": "inside", "owner": "4"},
    ]

    result = replayed.run(orders, "--json")

    assert [one["filled_quantity"] for one in results(result)] == ["5", "0", "9", "8"]
    assert result.stderr.splitlines()[:-1] == [
        "papertape: 1 order placed before the tape begins, to wait for it: early",
        "papertape: 1 order placed after the tape ends, and unfilled: late",
        "papertape: 1 order still had time when the tape ended: long",
    ]


def test_a_tape_with_faults_is_replayed_and_they_are_told(replayed: Replayed) -> None:
    """Cut short, with quotes again and frames of no use."""
    note = f'{{"ts":{START + 550},"note":{{"kind":"connection","what":"lost"}}}}\n'
    unsound = (
        note + frame(500, 10, "99.99", "9") + frame(500, 13, "98", "9") + frame(600, 14, "99", "0")
    )
    replayed.tape.write_text(TAPE.splitlines(keepends=True)[0] + unsound + TAPE[-60:][:30])

    result = replayed.run([{**ORDER, "placed_ts": START}], "--json")

    assert results(result)[0]["filled_quantity"] == "5"
    assert f"papertape: {replayed.tape} ends in the middle" in result.stderr
    assert "papertape: 1 quote with an update id that did not rise" in result.stderr
    assert "papertape: 2 frames of no use: " in result.stderr
    assert "papertape: 1 gap in the recording: " in result.stderr


@pytest.mark.parametrize(
    ("orders", "line"),
    [
        ("", "orders.json: not JSON at line 1 column 1: Expecting value"),
        ([], "orders.json: holds no order"),
        ([{**ORDER, "price": "0"}], "orders.json: order 1 (a): price must be above zero"),
        ([ORDER, ORDER], "orders.json: order 2 (a): the id is that of order 1 already"),
        (
            [ORDER, {**ORDER, "id": "b", "symbol": "LTCBTX"}],
            "tape.jsonl: holds no quote of LTCBTX; it has ETHBTC, LTCBTC",
        ),
    ],
    ids=["nothing", "no order", "bad amount", "same id", "unknown symbol"],
)
def test_bad_orders_are_one_line(replayed: Replayed, orders: object, line: str) -> None:
    """It says what to change."""
    assert replayed.refused(orders) == f"papertape: {line}"


def test_a_bad_tape_is_one_line(replayed: Replayed) -> None:
    """It says where."""
    replayed.tape.write_text(TAPE + "nonsense\n")
    message = replayed.refused([{**ORDER, "timeout_ms": 60_000}])
    assert message.startswith("papertape: tape.jsonl, line 5: not a line of a tape: ")

    replayed.tape.unlink()
    assert replayed.refused([ORDER]) == "papertape: tape.jsonl: No such file or directory"


def test_orders_that_are_not_there_are_one_line(replayed: Replayed) -> None:
    """So are a folder, and a tape in their place."""
    missing = replayed.invoke(str(replayed.tape), "--orders", "none.json")
    folder = replayed.invoke(str(replayed.tape), "--orders", str(replayed.folder))
    tape = replayed.invoke(str(replayed.tape), "--orders", str(replayed.tape))

    assert missing.stderr == "papertape: none.json: No such file or directory\n"
    assert folder.stderr == f"papertape: {replayed.folder}: Is a directory\n"
    assert tape.stderr == (
        f"papertape: {replayed.tape}: order 1: ts is not known; known are id, symbol, "
        "order_size, price, placed_ts, timeout_ms, side, owner\n"
    )
    assert {missing.exit_code, folder.exit_code, tape.exit_code} == {1}


@pytest.mark.parametrize(
    ("out", "line"),
    [
        ("none/results.json", "none/results.json: there is no folder none"),
        (".", ".: is a folder"),
        ("tape.jsonl", "tape.jsonl: is read by this replay; name another file for the results"),
        ("orders.json", "orders.json: is read by this replay; name another file for the results"),
    ],
)
def test_results_go_nowhere_where_they_would_do_harm(
    replayed: Replayed, monkeypatch: pytest.MonkeyPatch, out: str, line: str
) -> None:
    """It is refused before the replay, and tape and orders stay as they are."""
    monkeypatch.chdir(replayed.folder)

    assert replayed.refused([ORDER], "--out", out) == f"papertape: {line}"
    assert replayed.tape.read_text() == TAPE


def test_a_result_says_how_it_ended() -> None:
    """An order of which nothing is known yet is unfilled."""
    (order,) = read_orders(json.dumps([ORDER]).encode(), "orders.json")

    assert ReplayResult(order=order).final_state == "expired_unfilled"
