"""The probes."""

from dataclasses import replace

import httpx2
import pytest

from app.api import shapes
from tests.support.in_memory import MemoryPorts


async def test_healthz_tells_that_the_process_runs(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """It depends on nothing."""
    ports.rules.by_symbol = None
    ports.journal.is_writable = False

    response = await client.get("/healthz?from=probe")

    assert (response.status_code, response.json()) == (200, {"status": "ok", "version": "0.1.0"})
    shapes.Health.model_validate_json(response.content, strict=True)


@pytest.mark.parametrize("status", ["idle", "connecting", "connected", "down"])
async def test_readyz_is_200_whatever_the_feed_does(
    client: httpx2.AsyncClient, ports: MemoryPorts, status: str
) -> None:
    """A venue out of reach does not take the service out of rotation, but is told."""
    cause = "connection refused" if status == "down" else None
    ports.feed.feed_state = replace(ports.feed.feed_state, status=status, cause=cause)

    response = await client.get("/readyz")

    assert response.status_code == 200
    answer = response.json()
    assert (answer["ready"], answer["missing"]) == (True, [])
    assert (answer["feed"]["status"], answer["feed"]["cause"]) == (status, cause)
    shapes.Readiness.model_validate_json(response.content, strict=True)


@pytest.mark.parametrize(
    "missing",
    [["journal"], ["recovery"], ["rules"], ["journal", "recovery", "rules"]],
)
async def test_readyz_is_503_and_names_what_is_missing(
    client: httpx2.AsyncClient, ports: MemoryPorts, missing: list[str]
) -> None:
    """Whoever reads the probe knows where to look, and sees the other parts beside it."""
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
    shapes.NotReady.model_validate_json(response.content, strict=True)
