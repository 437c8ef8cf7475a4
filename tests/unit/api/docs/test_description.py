"""The introduction of the OpenAPI document."""

import httpx2

from app.api.docs.description import DESCRIPTION, TAGS


def test_description_explains_what_a_newcomer_asks() -> None:
    """The introduction explains sides, the price test, partial fills and splits."""
    for topic in ("**Side.**", "**Price test.**", "**Partial fills.**", "**Splits.**"):
        assert topic in DESCRIPTION


async def test_every_group_of_operations_is_described(client: httpx2.AsyncClient) -> None:
    """Every group of operations has a description, and no group is empty."""
    document = (await client.get("/openapi.json")).json()

    used = {
        tag
        for path in document["paths"].values()
        for operation in path.values()
        for tag in operation["tags"]
    }
    assert used == {tag["name"] for tag in TAGS}
