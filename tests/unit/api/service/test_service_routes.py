"""The routes of probes, metrics and symbols."""

from dataclasses import replace

import pytest
from httpx2 import AsyncClient

from app.api.application import ApiOptions, ApiServices, build_application
from app.api.service import readiness, symbol_models
from app.domain.caller import Scope
from tests.support.in_memory import MemoryPorts, quote
from tests.support.in_process import client_of
from tests.support.keys import NOBODY, SCOPE_KEYS, authorization
from tests.support.scrape import scrape
from tests.unit.api.service.test_prometheus_metrics import RECORDING

SYMBOL_KEYS = [
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


async def test_healthz_tells_that_the_process_runs(client: AsyncClient, ports: MemoryPorts) -> None:
    """The probe depends on no other part of the service."""
    ports.rules.by_symbol = None
    ports.journal.is_writable = False

    response = await client.get("/healthz?from=probe")

    assert (response.status_code, response.json()) == (200, {"status": "ok", "version": "0.1.0"})
    readiness.Health.model_validate_json(response.content, strict=True)


@pytest.mark.parametrize("status", ["idle", "connecting", "connected", "down"])
async def test_readyz_is_200_whatever_the_feed_does(
    client: AsyncClient, ports: MemoryPorts, status: str
) -> None:
    """An unreachable venue is reported but does not make the service unready."""
    cause = "connection refused" if status == "down" else None
    ports.feed.feed_state = replace(ports.feed.feed_state, status=status, cause=cause)

    response = await client.get("/readyz")

    assert response.status_code == 200
    answer = response.json()
    assert (answer["ready"], answer["missing"]) == (True, [])
    assert (answer["feed"]["status"], answer["feed"]["cause"]) == (status, cause)
    readiness.Readiness.model_validate_json(response.content, strict=True)


async def test_readyz_tells_a_recording_that_does_not_go_on_and_stays_200(
    options: ApiOptions, ports: MemoryPorts
) -> None:
    """A failed recording is reported but does not make the service unready."""
    services = replace(ports.services(), recording=lambda: RECORDING)

    async with client_of(build_application(services, options)) as client:
        response = await client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["recording"] == {"active": False, "cause": "No space left on device"}
    readiness.Readiness.model_validate_json(response.content, strict=True)


@pytest.mark.parametrize(
    "missing",
    [["journal"], ["recovery"], ["rules"], ["journal", "recovery", "rules"]],
)
async def test_readyz_is_503_and_names_what_is_missing(
    client: AsyncClient, ports: MemoryPorts, missing: list[str]
) -> None:
    """A 503 names the missing parts and shows the state of the others."""
    ports.journal.is_writable = "journal" not in missing
    ports.is_recovered = "recovery" not in missing
    if "rules" in missing:
        ports.rules.by_symbol = None

    response = await client.get("/readyz")

    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "2"
    problem = response.json()
    assert problem["code"] == "not_ready"
    assert (problem["ready"], problem["missing"]) == (False, missing)
    assert all(name in problem["detail"] for name in missing)
    assert problem["rules"]["source"] == ("none" if "rules" in missing else "venue")
    assert problem["journal"]["writable"] is ("journal" not in missing)
    assert problem["recovery"]["done"] is ("recovery" not in missing)
    readiness.NotReady.model_validate_json(response.content, strict=True)


@pytest.mark.parametrize("is_ready", [True, False])
async def test_readyz_tells_a_stranger_whether_and_a_key_why(
    keyed_services: ApiServices,
    options: ApiOptions,
    ports: MemoryPorts,
    *,
    is_ready: bool,
) -> None:
    """With keys required, details need a valid key of any scope."""
    ports.journal.is_writable = is_ready
    async with client_of(build_application(keyed_services, options)) as client:
        stranger = await client.get("/readyz")
        pretender = await client.get("/readyz", headers=authorization(NOBODY))
        known = [
            await client.get("/readyz", headers=authorization(SCOPE_KEYS[scope])) for scope in Scope
        ]

    assert stranger.content == pretender.content
    assert {answer.status_code for answer in [stranger, pretender, *known]} == (
        {200} if is_ready else {503}
    )
    assert all("journal" in answer.json() for answer in known)
    if is_ready:
        assert stranger.json() == {"ready": True}
    else:
        readiness.NotReadyAlone.model_validate_json(stranger.content, strict=True)
        assert stranger.json()["detail"] == "orders cannot be accepted now"
        assert stranger.headers["retry-after"] == "2"


async def test_metrics_tell_the_parts_as_they_are_now(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """Each scrape shows the current state."""
    before = await scrape(client)
    ports.desk.show(quote(7))
    ports.journal.is_writable = False
    after = await scrape(client)

    assert (before["symbols_live"], before["ready"]) == (0, 1)
    assert (after["symbols_live"], after["ready"]) == (1, 0)


async def test_a_scraper_may_ask_with_parameters(client: AsyncClient) -> None:
    """Unknown parameters are ignored, because some scrapers add their own."""
    response = await client.get("/metrics?target=papertape")

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"


async def test_symbol_tells_rules_quote_and_feed(client: AsyncClient, ports: MemoryPorts) -> None:
    """The answer holds rules, quote and feed, and an empty side is null."""
    ports.desk.show(quote(7, ask=("0", "0")))

    response = await client.get("/symbols/ltcbtc")

    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == SYMBOL_KEYS
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
    symbol_models.Symbol.model_validate_json(response.content, strict=True)


async def test_symbol_without_a_quote_is_answered(client: AsyncClient, ports: MemoryPorts) -> None:
    """A request does not subscribe, and a symbol that lost its quote stays subscribed."""
    ports.desk.show(quote(7))
    ports.desk.interrupt()

    halted = await client.get("/symbols/HALTBTC")
    lost = await client.get("/symbols/LTCBTC")

    for answer, expected in ((halted, ("BREAK", False)), (lost, ("TRADING", True))):
        told = answer.json()
        assert (told["status"], told["subscribed"]) == expected
        assert (told["live"], told["quote"]) == (False, None)
        symbol_models.Symbol.model_validate_json(answer.content, strict=True)


@pytest.mark.parametrize(
    "symbol", ["ABCXYZ", "LTC-BTC", "%00", "A" * 21, "A" * 5_000, "\u017fTCBTC"]
)
async def test_unknown_symbol_is_404(client: AsyncClient, symbol: str) -> None:
    """An unlisted or malformed symbol gets 404."""
    response = await client.get(f"/symbols/{symbol}")

    assert response.status_code == 404
    assert response.json()["code"] == "unknown_symbol"


async def test_symbol_without_rules_is_503(client: AsyncClient, ports: MemoryPorts) -> None:
    """Without rules, the service cannot know whether a symbol exists, and answers 503."""
    ports.rules.by_symbol = None

    response = await client.get("/symbols/LTCBTC")

    assert response.status_code == 503
    assert response.json()["code"] == "rules_not_loaded"
