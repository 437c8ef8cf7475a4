"""The modules that a process loads: a start, above all after a crash, has to be fast."""

import re
from pathlib import Path
from typing import Final

from tests.support.processes import papertape_from_scratch
from tests.support.services import ScriptedVenue, scripted_venue

_IMPORT: Final = re.compile(r"^import time: .*\| +(\S+)$", re.MULTILINE)
"""A line of the log that PYTHONPROFILEIMPORTTIME turns on. Failed imports are listed, too, so the
sets below name a module inside a package that may be tried."""

NOT_NEEDED_AT_A_START: Final = {
    "alembic",
    "fastapi_offline",
    "mako",
    "prometheus_client",
    "rich.console",
    "app.api.docs.answer_examples",
    "app.api.docs.openapi",
    "app.api.service.prometheus_metrics",
    "app.cli.client.service_client",
    "app.cli.demo",
    "app.cli.maintenance",
    "app.simulator.venue.server",
    "app.auditing.audit",
    "app.cli.record",
    "app.recording.verify",
}
NOT_NEEDED_FOR_THE_VERSION: Final = {
    "app.settings",
    "app.storage",
    "fastapi",
    "httpx2",
    "msgspec",
    "pydantic",
    "rich",
    "sqlalchemy",
    "structlog",
    "uvicorn",
    "uvloop",
}


async def loaded_by_a_start(folder: Path, venue: ScriptedVenue, name: str) -> set[str]:
    """Start the service, wait until it takes orders, stop it, and return the loaded modules."""
    settings = {"PYTHONPROFILEIMPORTTIME": "1", **venue.environment}
    async with papertape_from_scratch(folder, "serve", name=name, **settings) as process:
        async with process.ready_client():
            pass
        assert await process.stop() == 0
        return set(_IMPORT.findall(process.log))


async def test_a_start_loads_nothing_that_only_other_commands_need(tmp_path: Path) -> None:
    """A start loads Alembic for a new database, but not for an up-to-date one."""
    async with scripted_venue() as venue:
        first = await loaded_by_a_start(tmp_path, venue, "first")
        second = await loaded_by_a_start(tmp_path, venue, "second")

    assert "alembic" in first
    assert second & NOT_NEEDED_AT_A_START == set()
    assert {"app.composition", "sqlalchemy", "structlog"} <= second


async def test_the_version_is_printed_without_loading_the_service(tmp_path: Path) -> None:
    """Printing the version does not load the modules of the service."""
    async with papertape_from_scratch(
        tmp_path, "--version", PYTHONPROFILEIMPORTTIME="1"
    ) as process:
        assert await process.wait() == 0
        loaded = set(_IMPORT.findall(process.log))

    assert "app.cli.main" in loaded
    assert loaded & NOT_NEEDED_FOR_THE_VERSION == set()
