"""The words at the head of the OpenAPI document."""

import httpx2

from app.api.docs.description import DESCRIPTION, TAGS


def test_description_explains_what_a_newcomer_asks() -> None:
    """Side, price test, partial fills and splits are explained on the page itself."""
    for topic in ("**Side.**", "**Price test.**", "**Partial fills.**", "**Splits.**"):
        assert topic in DESCRIPTION


async def test_every_group_of_operations_is_described(client: httpx2.AsyncClient) -> None:
    """No operation stands in a group without words, and no group is empty."""
    document = (await client.get("/openapi.json")).json()

    used = {
        tag
        for path in document["paths"].values()
        for operation in path.values()
        for tag in operation["tags"]
    }
    assert used == {tag["name"] for tag in TAGS}
