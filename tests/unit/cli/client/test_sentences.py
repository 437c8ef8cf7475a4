"""Tests of ``app.cli.client.sentences``."""

import pytest

from app.cli.client import answers as wire
from app.cli.client.sentences import (
    count_of,
    event_line,
    execution_quality,
    order_outcome,
    order_title,
    rounded,
    why_not_filled,
)
from app.domain.order import Reason
from tests.unit.cli.client.order_builders import (
    events_of_an_expired_order,
    expired_order,
    filled_order,
    open_order,
)


def test_an_order_is_described_on_one_line() -> None:
    """The title has its terms; the outcome has status, reason, quantities, average and splits."""
    assert order_title(open_order()) == "BUY 100 LTCBTC at 0.0026"
    assert [order_outcome(order) for order in (open_order(), filled_order(), expired_order())] == [
        "NEW: 0 of 100 in 0 splits",
        "FILLED: 20 of 20 at 0.00251 on average in 2 splits",
        "EXPIRED, TIMEOUT: 10 of 100 at 0.00251 on average in 1 split",
    ]


EXECUTION: wire.Execution = {
    "arrival_price": "0.0025",
    "slippage": "0.00001",
    "improvement": "0.00009",
    "first_fill_milliseconds": 3,
    "last_fill_milliseconds": 9,
    "quotes_seen": 1,
}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {},
            (
                "0.00009 better than the limit; 0.00001 worse than the price at arrival, 0.0025; "
                "first fill after 3 ms, the last after 9 ms; 1 quote seen"
            ),
        ),
        (
            {"improvement": "0", "slippage": "-0.2", "last_fill_milliseconds": 3},
            (
                "exactly the limit; 0.2 better than the price at arrival, 0.0025; "
                "first fill after 3 ms; 1 quote seen"
            ),
        ),
        (
            {"improvement": None, "slippage": None, "first_fill_milliseconds": None},
            "the price at arrival was 0.0025; 1 quote seen",
        ),
        (
            {
                "improvement": None,
                "slippage": None,
                "arrival_price": None,
                "first_fill_milliseconds": None,
                "quotes_seen": 0,
            },
            "0 quotes seen",
        ),
    ],
    ids=["usual", "exact", "never filled", "no quote"],
)
def test_execution_quality_is_one_line(changes: dict[str, object], line: str) -> None:
    """Words replace the sign of a difference, and unknown values are left out."""
    execution: wire.Execution = {**EXECUTION, **changes}  # type: ignore[typeddict-item] # cases

    assert execution_quality(execution) == line


def order_in_market(**changes: object) -> wire.Order:
    """Return an open order with changed facts about its market."""
    order = open_order()
    market = order["market"]
    assert market is not None
    order["market"] = {**market, **changes}  # type: ignore[typeddict-item] # cases
    return order


def test_an_open_order_has_its_market() -> None:
    """The service's explanation comes first, then the figures."""
    assert list(why_not_filled(open_order())) == [
        "the best ask is above the limit",
        "best price 0.0027, 40 ms old",
        "beyond the limit by 0.0001",
        "displayed quantity 12, 2 of it taken by earlier fills",
        "market data: connected",
    ]


def test_unknown_facts_of_a_market_are_left_out() -> None:
    """Without a quote there are only the state of the feed and its cause."""
    unknown = ("best_price", "distance", "displayed_quantity", "taken_quantity")
    order = order_in_market(
        **dict.fromkeys(unknown),
        explanation="no quote has come yet",
        feed={"status": "down", "cause": "refused"},
    )

    assert list(why_not_filled(order)) == ["no quote has come yet", "market data: down (refused)"]


def test_a_price_within_the_limit_is_not_beyond_it() -> None:
    """A negative distance is not printed."""
    order = order_in_market(distance="-0.0001")

    assert not [line for line in why_not_filled(order) if "beyond" in line]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    """The words explain that earlier orders of the owner may have taken displayed quantity."""
    (line,) = why_not_filled(expired_order(reason))

    assert reason not in line.split()
    if reason in {Reason.IOC_REMAINDER, Reason.FOK_UNFILLABLE}:
        assert "left" in line
        assert "a quantity that your earlier orders took is not sold again" in line


@pytest.mark.parametrize(
    ("price", "displayed", "line"),
    [
        ("0.0025", "40", "quote 7 displayed 40 at 0.0025, 30 of it taken by earlier fills"),
        (None, "0", "quote 7 displayed nothing"),
    ],
)
def test_an_order_decided_by_a_quote_shows_the_quote(
    price: str | None, displayed: str, line: str
) -> None:
    """The figures follow the reason."""
    order = expired_order(Reason.IOC_REMAINDER)
    execution = order["execution"]
    assert execution is not None
    execution["decision"] = {
        "update_id": 7,
        "price": price,
        "displayed_quantity": displayed,
        "taken_quantity": "30",
    }

    assert list(why_not_filled(order))[1:] == [line]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0.002512345678901234", "0.002512345679"),
        ("0.00251", "0.00251"),
        ("1234.567890123", "1234.56789"),
        ("99999.999999", "100000"),
        ("123456789012.5", "123456789012"),
        ("0", "0"),
    ],
)
def test_an_amount_is_rounded_to_ten_digits(amount: str, text: str) -> None:
    """Rounding is half to even; short amounts and the integer part keep their digits."""
    assert rounded(amount) == text


def test_averages_and_differences_are_rounded() -> None:
    """Computed amounts have more digits than a reader needs."""
    order = filled_order()
    order["average_price"] = "0.002512345678901234"
    execution: wire.Execution = {
        **EXECUTION,
        "slippage": "-0.002512345678901234",
        "improvement": "0.001512345678901234",
    }

    assert "at 0.002512345679 on average" in order_outcome(order)
    assert execution_quality(execution).startswith(
        "0.001512345679 better than the limit; 0.002512345679 better than the price"
    )


@pytest.mark.parametrize(
    ("order", "lines"), [(expired_order("SOLAR_FLARE"), ["SOLAR_FLARE"]), (filled_order(), [])]
)
def test_an_order_without_words_has_its_code_or_no_line(
    order: wire.Order, lines: list[str]
) -> None:
    """An unknown reason is shown unchanged; a fulfilled order needs no explanation."""
    assert list(why_not_filled(order)) == lines


def test_an_event_is_one_line() -> None:
    """The line has time, order, sequence number, fill and filled quantity."""
    accepted, filled, expired = events_of_an_expired_order()
    head = f"{accepted['at']}  {accepted['order_id']}  BUY 100 LTCBTC at 0.0026  "

    assert [event_line(event) for event in (accepted, filled, expired)] == [
        f"{head}#1  NEW  0 of 100",
        f"{head}#2  PARTIALLY_FILLED  10 at 0.00251  10 of 100",
        f"{head}#3  EXPIRED, TIMEOUT  10 of 100",
    ]


def test_a_noun_follows_its_number() -> None:
    """Only the number one has a singular noun."""
    counts = [count_of(number, "frame") for number in (0, 1, 2)]
    assert counts == ["0 frames", "1 frame", "2 frames"]
    assert count_of(3, "loss", plural="losses") == "3 losses"
