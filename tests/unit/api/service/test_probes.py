"""The probes."""

from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from app.access.key_file import KeyFileAccess
from app.api.application import ApiOptions, ApiServices, build_application
from app.api.service import state_shapes
from app.domain.access import Scope
from app.states import RecordingState
from tests.support.hand_driven import HandClock
from tests.support.in_memory import MemoryPorts
from tests.support.keys import NOBODY, SCOPE_KEYS, authorization, write_key_file


async def test_healthz_tells_that_the_process_runs(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """It depends on nothing."""
    ports.rules.by_symbol = None
    ports.journal.is_writable = False

    response = await client.get("/healthz?from=probe")

    assert (response.status_code, response.json()) == (200, {"status": "ok", "version": "0.1.0"})
    state_shapes.Health.model_validate_json(response.content, strict=True)


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
    state_shapes.Readiness.model_validate_json(response.content, strict=True)


async def test_readyz_tells_a_recording_that_does_not_go_on_and_stays_200(
    options: ApiOptions, ports: MemoryPorts
) -> None:
    """Orders do not wait for it."""
    state = RecordingState(
        is_recording=False,
        cause="No space left on device",
        lines=1,
        bytes=1,
        files=1,
        files_deleted=0,
        failures=1,
    )
    services = replace(ports.services(), recording=lambda: state)
    transport = httpx2.ASGITransport(app=build_application(services, options))

    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["recording"] == {"active": False, "cause": "No space left on device"}
    state_shapes.Readiness.model_validate_json(response.content, strict=True)


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
    state_shapes.NotReady.model_validate_json(response.content, strict=True)


@pytest.mark.parametrize("is_ready", [True, False])
async def test_readyz_tells_a_stranger_whether_and_a_key_why(
    services: ApiServices,
    options: ApiOptions,
    ports: MemoryPorts,
    tmp_path: Path,
    *,
    is_ready: bool,
) -> None:
    """Where keys are asked for, the inside of the service is for whoever has one, of any scope."""
    ports.journal.is_writable = is_ready
    access = KeyFileAccess(write_key_file(tmp_path / "keys.json"), clock=HandClock())
    application = build_application(replace(services, access=access), options)
    transport = httpx2.ASGITransport(app=application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
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
        state_shapes.NotReadyAlone.model_validate_json(stranger.content, strict=True)
        assert stranger.json()["detail"] == "orders cannot be accepted now"
        assert stranger.headers["retry-after"] == "2"
