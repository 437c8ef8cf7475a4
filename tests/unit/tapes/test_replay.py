"""Tests of ``app.tapes.replay``; real tapes are replayed in ``tests/end_to_end/test_tapes.py``."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from app.domain.order import PUBLIC, OrderId, Owner, Side, Symbol
from app.domain.quote import Quote
from app.tapes.replay import FinalState, Replay, ReplayOrder, ReplayOutcome, UnusableFrame, replay
from app.tapes.tape_lines import TapeLine
from app.tapes.tape_notes import ConnectionNote, DropNote
from tests.support.builders import LTCBTC, Amount, make_quote

ETHBTC = Symbol("ETHBTC")
MILLISECOND = 1_000

Told = Quote | UnusableFrame | ConnectionNote | DropNote


class WrittenTape:
    """A tape whose frames are objects that the parser looks up."""

    def __init__(self, *told: tuple[int, Told]) -> None:
        self._told = told
        self.lines_taken = 0

    def lines(self) -> Iterator[TapeLine]:
        """Yield the lines; a frame is its own index."""
        for number, (ts, what) in enumerate(self._told, start=1):
            self.lines_taken = number
            if isinstance(what, Quote | UnusableFrame):
                yield TapeLine(number, ts, str(number).encode(), None)
            else:
                yield TapeLine(number, ts, None, msgspec.json.encode(what))

    def parse(self, frame: bytes, received_ns: int) -> Quote | UnusableFrame:
        """Return the frame with that index."""
        what = self._told[int(frame) - 1][1]
        if isinstance(what, Quote):
            return replace(what, received_ns=received_ns)
        assert isinstance(what, UnusableFrame)
        return what

    def replay(self, *orders: ReplayOrder) -> ReplayOutcome:
        """Replay orders on this tape."""
        return replay(self.lines(), orders, parse=self.parse)


def ask(
    update_id: int, quantity: Amount, price: Amount = "99.99", symbol: Symbol = LTCBTC
) -> Quote:
    """Return a quote that asks ``quantity`` at ``price``."""
    return make_quote(update_id, ask=(price, quantity), symbol=symbol)


def order(
    placed_ts: int,
    quantity: Amount = 20,
    *,
    name: str = "a",
    price: Amount = 100,
    timeout_ms: int = 1,
    owner: Owner = PUBLIC,
    symbol: Symbol = LTCBTC,
    side: Side = Side.BUY,
) -> ReplayOrder:
    """Return an order to place."""
    return ReplayOrder(
        order_id=OrderId(name),
        owner=owner,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        limit_price=Decimal(price),
        placed_ts=placed_ts,
        timeout_us=timeout_ms * MILLISECOND,
    )


def ids(outcome: ReplayOutcome, number: int = 0) -> list[int]:
    """Return the update ids of the quotes that filled an order."""
    return [split.update_id for split in outcome.results[number].splits]


def filled(outcome: ReplayOutcome) -> list[Decimal]:
    """Return the filled quantity of each order."""
    return [result.filled_quantity for result in outcome.results]


def test_an_order_meets_the_last_quote_before_it_and_later_ones_until_its_deadline() -> None:
    """Both ends are inclusive; a fill at the placing has the time of its quote."""
    tape = WrittenTape(
        (1_000, ask(1, 1)),
        (2_000, ask(2, 2)),
        (3_000, ask(3, 4)),
        (3_500, ask(4, 7)),
        (3_501, ask(5, 100)),
    )

    outcome = tape.replay(order(2_500))

    (result,) = outcome.results
    assert ids(outcome) == [2, 3, 4]
    assert [split.quantity for split in result.splits] == [2, 2, 3]
    assert [split.ts for split in result.splits] == [2_000, 3_000, 3_500]
    assert result.filled_quantity == 7
    assert result.remaining_quantity == 13
    assert result.total_cost == 7 * Decimal("99.99")
    assert result.final_state is FinalState.EXPIRED_PARTIAL


@pytest.mark.parametrize(
    ("told", "orders", "quantities"),
    [
        pytest.param(
            [(1_000, ask(1, 1)), (2_000, ask(2, 2)), (2_000, ask(3, 3))],
            [order(2_000)],
            [3],
            id="at one instant, quotes come first and the last one counts",
        ),
        pytest.param(
            [(1_000, ask(1, 5))],
            [order(1_000, 4), order(1_000, 4), order(1_000, 4, owner=Owner("alice"))],
            [4, 1, 4],
            id="orders of one owner share the display, owners do not",
        ),
        pytest.param(
            [(1_000, ask(1, 5)), (5_000, ask(2, 5)), (9_000, ask(3, 5)), (13_000, ask(4, 6))],
            [order(1_000, 4), order(9_500, 4, timeout_ms=9)],
            [4, 2],
            id="the ledger lasts until the last order, even if none rested between",
        ),
        pytest.param(
            [(1_000, make_quote(1, bid=("101", 3), ask=("102", 9)))],
            [order(1_000, side=Side.SELL)],
            [3],
            id="a SELL takes from bids",
        ),
        pytest.param(
            [(1_000, ask(1, 5)), (1_200, UnusableFrame(symbol=LTCBTC)), (1_300, ask(2, 5))],
            [order(1_000, 3), order(1_100, 4), order(1_250, 4)],
            [3, 2, 0],
            id="quantity taken before an interruption stays taken",
        ),
        pytest.param(
            [(1_000, ask(1, 5)), (1_100, DropNote(symbol=LTCBTC, reason="")), (1_300, ask(2, 3))],
            [order(1_200)],
            [3],
            id="a frame that was not written leaves its symbol without a quote",
        ),
        pytest.param(
            [(1_000, ask(1, 5)), (1_100, DropNote(symbol="X", reason="")), (1_300, ask(2, 3))],
            [order(1_200)],
            [5],
            id="but no other symbol",
        ),
        pytest.param(
            [(2_000, ask(1, 5)), (2_600, ask(2, 9))],
            [order(1_500), order(500)],
            [5, 0],
            id="an order before the tape waits for its first quote",
        ),
        pytest.param(
            [(1_000, ask(1, 5)), (9_000, ask(2, 9))],
            [order(2_000)],
            [5],
            id="the line that ends a replay places the orders before it",
        ),
        pytest.param(
            [(1_000, ask(1, 5))],
            [order(1_001)],
            [0],
            id="what was displayed after the tape is unknown",
        ),
    ],
)
def test_orders_get_what_the_tape_displays_within_their_time(
    told: list[tuple[int, Told]], orders: list[ReplayOrder], quantities: list[int]
) -> None:
    """The rules are those of the service, and the time is that of the lines."""
    named = [replace(one, order_id=OrderId(str(number))) for number, one in enumerate(orders)]

    outcome = WrittenTape(*told).replay(*named)

    assert filled(outcome) == quantities


def test_each_final_state() -> None:
    """An order ends filled, partly filled, or unfilled."""
    tape = WrittenTape((1_000, ask(1, 5)))

    outcome = tape.replay(
        order(1_000, 2, name="whole"),
        order(1_000, 20, name="part"),
        order(1_000, 1, name="none", price="99.98"),
    )

    assert [result.final_state for result in outcome.results] == [
        "filled",
        "expired_partial",
        "expired_unfilled",
    ]
    assert filled(outcome) == [2, 3, 0]


def test_earlier_placed_orders_come_first_then_list_order() -> None:
    """Orders at one price have this priority; results keep the order of the list."""
    tape = WrittenTape((1_000, ask(1, 1, 101)), (3_000, ask(2, 5)))

    outcome = tape.replay(
        order(2_500, 3, name="late"), order(2_000, 3, name="first"), order(2_000, 3, name="second")
    )

    assert [result.order.order_id for result in outcome.results] == ["late", "first", "second"]
    assert filled(outcome) == [0, 3, 2]


def test_symbols_do_not_meet() -> None:
    """Each order meets the quotes of its own symbol; time is shared by all symbols."""
    tape = WrittenTape((1_000, ask(50, 5)), (1_500, ask(9, 7, symbol=ETHBTC)), (2_500, ask(51, 6)))

    outcome = tape.replay(order(2_000, name="a"), order(2_000, name="b", symbol=ETHBTC))

    assert [ids(outcome, 0), ids(outcome, 1)] == [[50, 51], [9]]


def test_a_quote_whose_id_does_not_rise_fills_nothing() -> None:
    """A repeated or late quote is counted and never becomes the current one."""
    tape = WrittenTape(
        (1_000, ask(7, 5)), (2_000, ask(7, 9)), (2_000, ask(6, 9)), (2_001, ask(8, 6))
    )

    outcome = tape.replay(order(1_500))

    assert ids(outcome) == [7, 8]
    assert filled(outcome) == [6]
    assert outcome.report.quotes_late == 2


def test_an_unusable_frame_leaves_its_symbol_without_a_quote() -> None:
    """The displayed quantity is unknown until the next usable quote."""
    tape = WrittenTape(
        (1_000, ask(1, 5)),
        (1_000, ask(1, 5, symbol=ETHBTC)),
        (1_100, UnusableFrame(symbol=LTCBTC)),
        (1_150, UnusableFrame(symbol=None)),
        (1_300, ask(2, 6)),
    )

    outcome = tape.replay(order(1_200, name="a"), order(1_200, name="b", symbol=ETHBTC))

    assert [ids(outcome, 0), ids(outcome, 1)] == [[2], [1]]
    assert filled(outcome) == [6, 5]
    assert outcome.report.frames_unusable == 2


def test_a_lost_connection_leaves_no_symbol_with_a_quote() -> None:
    """The displayed quantities are unknown until the next frame."""
    tape = WrittenTape(
        (900, ConnectionNote(what="lost", cause="before the first frame it is no matter")),
        (1_000, ask(1, 5)),
        (1_000, ask(1, 5, symbol=ETHBTC)),
        (1_100, ConnectionNote(what="lost", cause="closed")),
        (1_250, ConnectionNote(what="opened")),
        (1_300, ask(2, 6)),
    )

    outcome = tape.replay(
        order(1_050, name="before", symbol=ETHBTC, quantity=2),
        order(1_200, name="a"),
        order(1_200, name="b", symbol=ETHBTC),
    )

    assert [ids(outcome, number) for number in range(3)] == [[1], [2], []]
    assert outcome.report.interruptions == 1


def test_reading_stops_when_no_order_can_change() -> None:
    """A day's tape is not read completely for an order of its first minute."""
    tape = WrittenTape(
        (1_000, ask(1, 5)), (1_900, ask(2, 6)), (2_001, ask(3, 9)), (2_002, ask(4, 9))
    )

    outcome = tape.replay(order(1_000))

    assert tape.lines_taken == 3
    assert filled(outcome) == [6]
    report = outcome.report
    assert (report.frames, report.first_ts, report.last_ts) == (2, 1_000, 1_900)
    assert not report.has_ended


def test_symbols_without_a_quote_are_reported_with_the_others() -> None:
    """The whole tape is searched for these symbols."""
    tape = WrittenTape((1_000, ask(1, 5)), (99_000, ask(1, 5, symbol=ETHBTC)))

    report = tape.replay(order(1_000, symbol=Symbol("LTCBTX"))).report

    assert report.unseen == {"LTCBTX"}
    assert set(report.symbols) == {LTCBTC, ETHBTC}
    assert tape.lines_taken == 2


def test_the_ledgers_of_finished_owners_are_freed() -> None:
    """The memory for 10,000 isolated orders depends only on those open at once."""
    tape = WrittenTape(*((1_000 + 10 * number, ask(number + 1, 5)) for number in range(500)))
    orders = [
        order(1_000 + 10 * number, 8, name=f"{number}", owner=Owner(f"owner {number}"))
        for number in range(500)
    ]
    running = Replay(orders, tape.parse)
    owners_at_once = []
    for line in tape.lines():
        running.apply(line)
        owners_at_once.append(len(running._markets[LTCBTC]._matchers))
    running.finish()

    assert [result.filled_quantity for result in running.results.values()] == [5] * 500
    assert max(owners_at_once) == 100, "as many as are placed within a millisecond"
