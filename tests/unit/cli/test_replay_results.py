"""Tests of ``app.cli.replay_results`` through `papertape replay`."""

import re

from app.cli.replay_results import ROWS_SHOWN_MAX
from tests.unit.cli.replays import ORDER, START, TAPE, Replayed, frame, results


def test_results_have_exactly_this_form(replayed: Replayed) -> None:
    """Amounts are in plain notation, each order is one line, and nothing else is printed."""
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


def test_the_table_shows_each_order_and_the_summary_all_of_them(replayed: Replayed) -> None:
    """The table is the same each time."""
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
    """JSON has every order."""
    orders = [{**ORDER, "id": f"{number}"} for number in range(ROWS_SHOWN_MAX + 7)]

    result = replayed.run(orders)

    assert "7 more; --json has all of them" in result.stdout
    assert len(results(replayed.run(orders, "--json"))) == ROWS_SHOWN_MAX + 7


def test_times_outside_of_the_tape_are_reported(replayed: Replayed) -> None:
    """Orders before, after and beyond the end of the tape are still decided.

    An order in milliseconds lies decades before the tape and does not wait for it.
    """
    orders = [
        {**ORDER, "id": "in ms", "placed_ts": START // 1_000, "owner": "0"},
        {**ORDER, "id": "early", "placed_ts": START - 4_000, "owner": "1"},
        {**ORDER, "id": "late", "placed_ts": START + 9_001, "owner": "2"},
        {**ORDER, "id": "long", "timeout_ms": 86_400_000, "owner": "3"},
        {**ORDER, "id": "inside", "owner": "4"},
        {**ORDER, "id": "filled", "owner": "5", "timeout_ms": 60_000, "order_size": 5},
    ]

    result = replayed.run(orders, "--json")

    assert [one["filled_quantity"] for one in results(result)] == ["0", "5", "0", "9", "8", "5"]
    assert result.stderr.splitlines()[:-1] == [
        "papertape: 1 order placed before the tape begins, waited for it: early",
        "papertape: 1 order expired before the tape begins (placed_ts is in microseconds): in ms",
        "papertape: 1 order placed after the tape ends, unfilled: late",
        "papertape: 1 order still had time when the tape ended: long",
    ]


def test_a_tape_with_faults_is_replayed_with_warnings(replayed: Replayed) -> None:
    """The tape is cut short and has repeated quotes and unusable frames."""
    note = f'{{"ts":{START + 550},"note":{{"kind":"connection","what":"lost"}}}}\n'
    unsound = (
        note + frame(500, 10, "99.99", "9") + frame(500, 13, "98", "9") + frame(600, 14, "99", "0")
    )
    replayed.tape.write_text(TAPE.splitlines(keepends=True)[0] + unsound + TAPE[-60:][:30])

    result = replayed.run([{**ORDER, "placed_ts": START}], "--json")

    assert results(result)[0]["filled_quantity"] == "5"
    assert f"papertape: {replayed.tape} is cut short" in result.stderr
    assert "papertape: 1 quote ignored: the update id was not above" in result.stderr
    assert "papertape: 2 unusable frames: " in result.stderr
    assert "papertape: 1 gap in the recording: " in result.stderr
