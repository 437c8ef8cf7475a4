"""The docs page loads everything from the service."""

import re

import pytest
from httpx2 import AsyncClient


async def test_page_refers_to_nothing_outside(client: AsyncClient) -> None:
    """Every address on the page is a path of the service or a data URL."""
    response = await client.get("/docs")

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    addresses = re.findall(r'(?:href|src|url)[=:] ?"([^"]*)"', response.text)
    assert len(addresses) >= 4
    assert all(address.startswith(("/", "data:")) for address in addresses)
    assert not any(address.startswith("//") for address in addresses)


async def test_files_of_the_page_are_served(client: AsyncClient) -> None:
    """Every file that the page loads is served."""
    page = await client.get("/docs")

    for path in re.findall(r'(?:href|src)="(/[^"]*)"', page.text):
        response = await client.get(path)
        assert response.status_code == 200
        assert len(response.content) > 1_000


@pytest.mark.parametrize(
    "rule",
    ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'none'"],
)
async def test_policy_keeps_the_page_at_home(client: AsyncClient, rule: str) -> None:
    """The policy forbids foreign content and framing of the page."""
    policy = (await client.get("/docs")).headers["content-security-policy"]

    assert rule in policy.split("; ")
    assert "unsafe-inline" not in policy.split("style-src")[0]
