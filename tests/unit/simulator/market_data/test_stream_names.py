"""Tests of the names of streams."""

import pytest

from app.simulator.market_data.stream_names import Stream, read_stream


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("ltcbtc@bookTicker", Stream("LTCBTC", "bookTicker")),
        ("ltcbtc@aggTrade", Stream("LTCBTC", "aggTrade")),
        ("币安人生usdt@trade", Stream("币安人生USDT", "trade")),
        ("ltcbtc@depth", Stream("LTCBTC", "depth")),
        ("ltcbtc@depth@100ms", Stream("LTCBTC", "depth", speed_ms=100)),
        ("ltcbtc@depth@1000ms", Stream("LTCBTC", "depth")),
        ("ltcbtc@depth20@100ms", Stream("LTCBTC", "levels", levels=20, speed_ms=100)),
        ("ltcbtc@depth5", Stream("LTCBTC", "levels", levels=5)),
        ("ltcbtc@kline_1M", Stream("LTCBTC", "kline", interval="1M")),
        (
            "ltcbtc@kline_4h@+08:00",
            Stream("LTCBTC", "kline", interval="4h", offset_ms=8 * 3_600_000),
        ),
    ],
)
def test_a_served_stream_is_read(name: str, stream: Stream) -> None:
    """The name says the symbol, the kind, and what belongs to the kind."""
    assert read_stream(name) == stream


@pytest.mark.parametrize(
    "name",
    [
        "LTCBTC@trade",
        "ltcbtc",
        "@trade",
        "ltcbtc@",
        "ltcbtc@Trade",
        "ltcbtc@trade@100ms",
        "ltcbtc@depth50",
        "ltcbtc@depth@250ms",
        "ltcbtc@kline_7m",
        "ltcbtc@kline_1H",
        "ltcbtc@kline_1m@+09:00",
        "!bookTicker",
        "!ticker@arr",
        "ltcbtc@ticker_1h",
        "ltcbtc@blockTrade",
    ],
)
def test_every_other_name_is_not_served(name: str) -> None:
    """A name must be exact, as at Binance."""
    assert read_stream(name) is None
