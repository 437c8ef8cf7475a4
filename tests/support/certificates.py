"""Makes certificate authorities and certificates, and puts a port behind TLS."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An authority, and ``server``, its certificate for 127.0.0.1 with the key."""

    certificate: Path
    server: Path


async def make_authority(folder: Path, name: str) -> Authority:
    """Make an authority and a certificate that it issued; skip the test without openssl."""
    authority, authority_key = folder / f"{name}.pem", folder / f"{name}.key"
    request, key, issued = (folder / f"{name}-server.{end}" for end in ("csr", "key", "pem"))
    extensions = folder / f"{name}.ext"
    # Python 3.13 requires the extensions of RFC 5280: key usage and authority key identifier.
    extensions.write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid")
    await _openssl(
        *("req", "-x509", "-days", "1", "-subj", f"/CN={name}", *_KEY),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", authority_key, "-out", authority),
    )
    await _openssl("req", "-subj", "/CN=venue", *_KEY, "-keyout", key, "-out", request)
    await _openssl(
        *("x509", "-req", "-in", request, "-days", "1", "-extfile", extensions),
        *("-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-out", issued),
    )
    issued.write_text(key.read_text() + issued.read_text())
    return Authority(certificate=authority, server=issued)


@asynccontextmanager
async def behind_tls(inner_port: int, certificate: Path) -> AsyncIterator[int]:
    """Put a port of this machine behind TLS while the block runs; yield the new port."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", inner_port)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    async with await asyncio.start_server(connect, "127.0.0.1", 0, ssl=tls) as server:
        yield int(server.sockets[0].getsockname()[1])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward bytes until one side ends."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except OSError:
        pass
    finally:
        writer.close()


async def _openssl(*arguments: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl to make a certificate with")
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stderr=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
