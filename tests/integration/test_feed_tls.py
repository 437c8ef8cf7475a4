"""The feed and its seeds over TLS trust only certificates that the system trusts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.clock import SystemClock
from app.domain.errors import VenueUnreachableError
from app.market.rest import VenueRest
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.certificates import Authority, behind_tls, make_authority
from tests.support.market import LTCBTC, HandDepth, RecordingListener, running_feed
from tests.support.waiting import eventually


@pytest.fixture
async def authority(tmp_path: Path) -> Authority:
    """Return a new authority that the system does not trust."""
    return await make_authority(tmp_path, "company")


@asynccontextmanager
async def venue_behind_tls(authority: Authority) -> AsyncIterator[str]:
    """Run a venue that is reachable over TLS only; yield its host and port."""
    venue = SimulatedVenue(ScriptedMarket([LTCBTC]), clock=SystemClock())
    async with venue.serve() as running, behind_tls(running.port, authority.server) as port:
        yield f"127.0.0.1:{port}"


async def test_certificates_that_the_system_is_told_to_trust_count_for_streams_and_rest(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority named by SSL_CERT_FILE is trusted for streams and REST."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    listener = RecordingListener()

    async with venue_behind_tls(authority) as address:
        rest = VenueRest(f"https://{address}", clock=SystemClock())
        async with running_feed(f"wss://{address}", rest) as feed:
            feed.subscribe(LTCBTC, listener)
            await eventually(lambda: listener.seeds or feed.state().cause)
            state = feed.state()
        await rest.aclose()

    assert state.cause is None
    assert listener.seeds


async def test_venue_that_the_system_does_not_trust_is_not_talked_to(authority: Authority) -> None:
    """Streams and REST both refuse an untrusted certificate and report it."""
    async with venue_behind_tls(authority) as address:
        rest = VenueRest(f"https://{address}", clock=SystemClock())
        with pytest.raises(VenueUnreachableError, match="certificate verify failed"):
            await rest.depth(LTCBTC)
        await rest.aclose()
        async with running_feed(f"wss://{address}", HandDepth()) as feed:
            feed.subscribe(LTCBTC, RecordingListener())
            await eventually(lambda: feed.state().cause)
            state = feed.state()

    assert state.status == "down"
    assert "certificate verify failed" in str(state.cause)
