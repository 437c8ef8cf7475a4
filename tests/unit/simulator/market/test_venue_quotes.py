"""Tests of ``app.simulator.market.venue_quotes``."""

from decimal import Decimal

from app.simulator.market.venue_quotes import stream_name, venue_quote, wire_amount, with_update_id


def test_data_reads_as_binance_sends_it() -> None:
    """Keys are in Binance's order, amounts are strings, and the update id is a number."""
    quote = venue_quote(
        symbol="BNBUSDT",
        update_id=400900217,
        bid=("25.35190000", "31.21000000"),
        ask=("25.36520000", "40.66000000"),
    )

    assert quote.data == (
        '{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000",'
        '"a":"25.36520000","A":"40.66000000"}'
    )


def test_an_empty_side_is_zero_in_price_and_quantity() -> None:
    """A missing side has zero for both."""
    quote = venue_quote(symbol="BCCBTC", update_id=7)

    assert (quote.bid_price, quote.ask_quantity) == ("0.00000000", "0.00000000")


def test_an_amount_has_eight_decimals_on_the_wire() -> None:
    """Small amounts have no exponent."""
    assert wire_amount(Decimal("1E-8")) == "0.00000001"


def test_a_stream_is_named_in_lower_case() -> None:
    """Binance: all symbols for streams are lowercase."""
    assert stream_name("LTCBTC") == "ltcbtc@bookTicker"


def test_another_update_id_leaves_the_rest_of_the_text() -> None:
    """Only the update id is replaced, even if other numbers look like it."""
    quote = venue_quote(symbol="LTCBTC", update_id=7, bid=("7", "7"))

    assert with_update_id(quote, 7) is quote
    assert with_update_id(quote, 12).data == quote.data.replace('"u":7', '"u":12')
    assert with_update_id(quote, 12).update_id == 12
