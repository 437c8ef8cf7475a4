"""The route of symbols."""

import httpx2
import pytest

from app.api.service import state_shapes
from tests.support.in_memory import MemoryPorts, quote

KEYS = [
    "symbol",
    "status",
    "base_asset",
    "quote_asset",
    "rules",
    "rules_age_seconds",
    "subscribed",
    "live",
    "quote",
    "feed",
]


async def test_symbol_tells_rules_quote_and_feed(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """One answer says what may be ordered and what would be met; an empty side is null."""
    ports.desk.show(quote(7, ask=("0", "0")))

    response = await client.get("/symbols/ltcbtc")

    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == KEYS
    assert (answer["subscribed"], answer["live"]) == (True, True)
    assert answer["rules_age_seconds"] == 0
    age = answer["quote"].pop("age_milliseconds")
    assert 0 <= age < 60_000
    assert answer["quote"] == {
        "update_id": 7,
        "bid_price": "0.000911",
        "bid_quantity": "400",
        "ask_price": None,
        "ask_quantity": None,
    }
    assert answer["rules"]["tick_size"] == "0.000001"
    assert answer["rules"]["price_max"] == "100000"
    assert answer["feed"] == {
        "status": "connected",
        "cause": None,
        "since": "2025-10-07T09:12:30.917204Z",
    }
    state_shapes.Symbol.model_validate_json(response.content, strict=True)


async def test_symbol_without_a_quote_is_answered(client: httpx2.AsyncClient) -> None:
    """Asking does not subscribe, so there may be no quote; a halted pair is still told."""
    response = await client.get("/symbols/HALTBTC")

    assert response.json()["quote"] is None
    assert (response.json()["subscribed"], response.json()["live"]) == (False, False)
    assert response.json()["status"] == "BREAK"
    state_shapes.Symbol.model_validate_json(response.content, strict=True)


async def test_symbol_whose_quote_was_lost_is_subscribed_and_not_live(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """Waiting for a quote is told apart from not asking for one."""
    ports.desk.show(quote(7))
    ports.desk.interrupt()

    answer = (await client.get("/symbols/LTCBTC")).json()

    assert (answer["subscribed"], answer["live"], answer["quote"]) == (True, False, None)


@pytest.mark.parametrize(
    "symbol", ["ABCXYZ", "LTC-BTC", "%00", "A" * 21, "A" * 5_000, "\u017fTCBTC"]
)
async def test_unknown_symbol_is_404(client: httpx2.AsyncClient, symbol: str) -> None:
    """A symbol that the venue does not list, or cannot, is not found."""
    response = await client.get(f"/symbols/{symbol}")

    assert response.status_code == 404
    assert response.json()["code"] == "unknown_symbol"


async def test_symbol_without_rules_is_503(client: httpx2.AsyncClient, ports: MemoryPorts) -> None:
    """Without rules nobody knows whether the symbol exists."""
    ports.rules.by_symbol = None

    response = await client.get("/symbols/LTCBTC")

    assert response.status_code == 503
    assert response.json()["code"] == "rules_not_loaded"
