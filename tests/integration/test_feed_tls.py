"""The feed and its seeds over TLS: whom the system trusts, and nobody else."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.clock import SystemClock
from app.domain.errors import VenueUnreachableError
from app.market.rest import VenueRest
from app.simulator.scripted_market import ScriptedMarket
from app.simulator.venue import SimulatedVenue
from tests.support.market import LTCBTC, HandDepth, RecordingListener, running_feed
from tests.support.waiting import eventually


@pytest.fixture
async def certificate(tmp_path: Path) -> Path:
    """Make a certificate of 127.0.0.1 that nobody vouches for, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    path = tmp_path / "venue.pem"
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    names = ("-subj", "/CN=venue", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", path, "-out", tmp_path / "certificate.pem")
    process = await asyncio.create_subprocess_exec(
        openssl, *request.split(), *names, *files, stderr=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    path.write_text(path.read_text() + (tmp_path / "certificate.pem").read_text())
    return path


@asynccontextmanager
async def venue_behind_tls(certificate: Path) -> AsyncIterator[str]:
    """Run a venue whose streams and REST are reached over TLS alone; give host and port."""
    venue = SimulatedVenue(ScriptedMarket([LTCBTC]), clock=SystemClock())
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with venue.serve() as running:

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", running.port)
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

        server = await asyncio.start_server(connect, "127.0.0.1", 0, ssl=tls)
        async with server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side ends."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except OSError:
        pass
    finally:
        writer.close()


async def test_certificates_that_the_system_is_told_to_trust_count_for_streams_and_rest(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's own authority, named by SSL_CERT_FILE, is enough to be live."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    listener = RecordingListener()

    async with venue_behind_tls(certificate) as address:
        rest = VenueRest(f"https://{address}", clock=SystemClock())
        async with running_feed(f"wss://{address}", rest) as feed:
            feed.subscribe(LTCBTC, listener)
            await eventually(lambda: listener.seeds or feed.state().cause)
            state = feed.state()
        await rest.aclose()

    assert state.cause is None
    assert listener.seeds


async def test_venue_that_the_system_does_not_trust_is_not_talked_to(certificate: Path) -> None:
    """Both say so, and neither goes on without a check."""
    async with venue_behind_tls(certificate) as address:
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
