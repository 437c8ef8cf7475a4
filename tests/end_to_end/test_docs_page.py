"""The docs page in a browser that reaches only the service."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, async_playwright, expect

from tests.support.processes import papertape
from tests.support.services import ScriptedVenue, scripted_venue
from tests.support.waiting import eventually_true

CHROMIUM: Final = Path("/usr/bin/chromium")
BROWSER_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
STEP_MILLISECONDS_MAX: Final = 300_000

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(kw_only=True)
class DocsPage:
    """The open page, its service, and the outside requests and errors of the page."""

    page: Page
    venue: ScriptedVenue
    client: httpx2.AsyncClient
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """Block and record requests to other hosts, and record errors of the page."""
        await self.page.route("**/*", self._pass_or_block)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type == "error" else None
            ),
        )

    async def open(self) -> None:
        """Open the page and wait until its operations are listed."""
        await self.page.goto(self._address("/docs"))
        await expect(self.page.locator(".opblock").first).to_be_visible()

    def _address(self, path: str) -> str:
        return str(self.client.base_url.join(path))

    async def _pass_or_block(self, route: Route) -> None:
        if route.request.url.startswith(self._address("/")):
            await route.continue_()
        else:
            self.outside.append(route.request.url)
            await route.abort()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def docs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DocsPage]:
    """Open the docs page of `papertape serve` in a browser, on a scripted venue."""
    if not CHROMIUM.exists():
        assert os.environ.get("CI") != "true", f"CI promises a browser at {CHROMIUM}"
        pytest.skip(f"no browser at {CHROMIUM}")
    async with scripted_venue() as venue:
        settings = venue.environment | {"ORDER_TIMEOUT_SECONDS": "3600"}
        async with (
            papertape(tmp_path_factory.mktemp("docs"), "serve", **settings) as process,
            process.ready_client() as client,
            async_playwright() as playwright,
            await playwright.chromium.launch(
                executable_path=CHROMIUM, args=BROWSER_ARGUMENTS
            ) as browser,
        ):
            page = await browser.new_page(viewport={"width": 1024, "height": 768})
            page.set_default_timeout(STEP_MILLISECONDS_MAX)
            expect.set_options(timeout=STEP_MILLISECONDS_MAX)
            docs = DocsPage(page=page, venue=venue, client=client)
            await docs.watch()
            yield docs


async def test_example_runs_from_the_docs_page_offline(docs: DocsPage) -> None:
    """The documented order runs from the page, shows its splits, and needs no other host."""
    docs.venue.market.push("LTCBTC", bid=("0.0025", "400"), ask=("0.0026", "9"))
    operation = docs.page.locator("#operations-Orders-placeLimitOrder")
    await docs.open()
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await expect(operation.locator("textarea")).to_have_value(
        '{\n  "symbol": "LTCBTC",\n  "order_size": 1000,\n  "price": 0.0001,\n  "side": "SELL"\n}'
    )
    await operation.get_by_role("button", name="Execute").click()
    await eventually_true(lambda: _newest_status(docs.client, "PARTIALLY_FILLED"))
    docs.venue.market.push("LTCBTC", bid=("0.0025", "1000"), ask=("0.0026", "9"))

    answer = operation.locator(".live-responses-table")

    await expect(answer.locator(".response-col_status").nth(1)).to_contain_text("200")
    body = answer.locator(".response-col_description .highlight-code").first
    await expect(body).to_contain_text("Order successfully fulfilled")
    await expect(body).to_contain_text('"price": "0.0025"')
    await expect(body).to_contain_text('"quantity": "400"')
    await expect(body).to_contain_text('"quantity": "600"')
    assert docs.outside == []
    assert docs.complaints == []


async def test_every_operation_opens_with_its_answers_and_errors(docs: DocsPage) -> None:
    """Each operation shows its answers with schemas and examples, without other hosts."""
    operations = docs.page.locator(".opblock")
    await docs.open()

    for index in range(await operations.count()):
        operation = operations.nth(index)
        await operation.locator(".opblock-summary-control").click()
        await expect(operation.locator(".responses-table .response").first).to_be_visible()
        assert await operation.locator(".response .highlight-code").count() >= 2

    assert await operations.count() == 11
    assert docs.outside == []
    assert docs.complaints == []


async def _newest_status(client: httpx2.AsyncClient, status: str) -> bool:
    orders: list[dict[str, Any]] = (await client.get("/orders?limit=1")).json()["orders"]
    return [order["status"] for order in orders] == [status]
