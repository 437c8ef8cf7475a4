"""Print the results of a replay, as JSON or as a table.

The results depend only on the tape and the orders, byte for byte.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table
from rich.text import Text

from app.cli.client.sentences import count_of
from app.cli.client.terminal import make_console, print_message, print_table, print_words
from app.domain.amounts import average_price, format_amount
from app.tapes.replay import FinalState, ReplayOrder, ReplayOutcome, ReplayReport, ReplayResult
from app.tapes.tape_reader import TapeReader

ROWS_SHOWN_MAX: Final = 100
IDS_LISTED_MAX: Final = 5

LIST_BEGIN: Final = b"[\n"
"""The beginning of the JSON, which identifies a file of results."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STYLES: Final = {
    FinalState.FILLED: "green",
    FinalState.EXPIRED_PARTIAL: "yellow",
    FinalState.EXPIRED_UNFILLED: "yellow",
}


def json_lines(results: Sequence[ReplayResult]) -> Iterator[bytes]:
    """Yield a JSON list with one result per line."""
    for number, result in enumerate(results):
        yield (b",\n" if number else LIST_BEGIN) + msgspec.json.encode(_document(result))
    yield b"\n]\n"


def _document(result: ReplayResult) -> dict[str, object]:
    return {
        "id": result.order.order_id,
        "final_state": result.final_state.value,
        "filled_quantity": format_amount(result.filled_quantity),
        "remaining_quantity": format_amount(result.remaining_quantity),
        "total_cost": format_amount(result.total_cost),
        "splits": [
            {
                "update_id": split.update_id,
                "price": format_amount(split.price),
                "quantity": format_amount(split.quantity),
                "ts": split.ts,
            }
            for split in result.splits
        ],
    }


def show_results(outcome: ReplayOutcome, tape: Path) -> None:
    """Print a table of the results and a summary on standard output."""
    console = make_console()
    print_table(console, _table(outcome.results))
    states = Counter(result.final_state for result in outcome.results)
    ended = ", ".join(f"{states[state]} {state}" for state in FinalState)
    splits = sum(len(result.splits) for result in outcome.results)
    orders = count_of(len(outcome.results), "order")
    print_words(console, f"{orders}: {ended}; {count_of(splits, 'split')}")
    report = outcome.report
    assert report.first_ts is not None, "the tape has a quote"
    span = f"{_instant(report.first_ts)} to {_instant(report.last_ts)}"
    print_words(console, f"{tape}: {count_of(report.frames, 'frame')} read, {span}")


def _table(results: Sequence[ReplayResult]) -> Table:
    table = Table()
    for heading in ("order", "symbol", "side"):
        table.add_column(heading, no_wrap=True)
    for heading in ("size", "price", "filled", "average price", "cost", "splits"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for result in results[:ROWS_SHOWN_MAX]:
        order = result.order
        average = average_price(
            quote_quantity=result.total_cost, filled_quantity=result.filled_quantity
        )
        table.add_row(
            Text(order.order_id),
            order.symbol,
            order.side,
            format_amount(order.quantity),
            format_amount(order.limit_price),
            format_amount(result.filled_quantity),
            "-" if average is None else format_amount(average),
            format_amount(result.total_cost),
            str(len(result.splits)),
            Text(result.final_state, style=_STYLES[result.final_state]),
        )
    if len(results) > ROWS_SHOWN_MAX:
        table.add_row("…", f"{len(results) - ROWS_SHOWN_MAX} more; --json has all of them")
    return table


def _instant(ts: int) -> str:
    return (_EPOCH + timedelta(microseconds=ts)).strftime("%Y-%m-%d %H:%M:%S.%fZ")


def warn_of_times_and_faults(
    reader: TapeReader, results: Sequence[ReplayResult], report: ReplayReport
) -> None:
    """Print warnings about the tape, and about orders whose time is not on it."""
    if reader.is_cut_short:
        print_message(f"{reader.path} is cut short; its complete lines were replayed")
    if report.quotes_late:
        late = count_of(report.quotes_late, "quote")
        print_message(f"{late} ignored: the update id was not above the previous one")
    if report.frames_unusable:
        unusable = count_of(report.frames_unusable, "unusable frame")
        print_message(f"{unusable}: after each its symbol has no quote until the next frame")
    if report.interruptions:
        gaps = count_of(report.interruptions, "gap")
        print_message(f"{gaps} in the recording: after each there is no quote until the next frame")
    assert report.first_ts is not None, "the tape has a quote"
    first, last = report.first_ts, report.last_ts
    early = [one.order for one in results if one.order.placed_ts < first]
    _warn_about(
        [order for order in early if order.deadline_ts >= first],
        "placed before the tape begins, waited for it",
    )
    _warn_about(
        [order for order in early if order.deadline_ts < first],
        "expired before the tape begins (placed_ts is in microseconds)",
    )
    # Reading stopped early, so the end of the tape is unknown.
    if not report.has_ended:
        return
    _warn_about(
        [one.order for one in results if one.order.placed_ts > last],
        "placed after the tape ends, unfilled",
    )
    _warn_about(
        [
            one.order
            for one in results
            if one.order.placed_ts <= last < one.order.deadline_ts and one.remaining_quantity
        ],
        "still had time when the tape ended",
    )


def _warn_about(orders: Sequence[ReplayOrder], what: str) -> None:
    if not orders:
        return
    ids = ", ".join(order.order_id for order in orders[:IDS_LISTED_MAX])
    more = ", …" if len(orders) > IDS_LISTED_MAX else ""
    print_message(f"{count_of(len(orders), 'order')} {what}: {ids}{more}")
