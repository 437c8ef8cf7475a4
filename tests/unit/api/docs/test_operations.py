"""The description of every route."""

from app.api.docs.operations import DESCRIPTION, TAGS, operations


def test_description_explains_what_a_newcomer_asks() -> None:
    """Side, price test, partial fills and splits are explained on the page itself."""
    for topic in ("**Side.**", "**Price test.**", "**Partial fills.**", "**Splits.**"):
        assert topic in DESCRIPTION


def test_operations_have_their_own_ids_and_known_tags() -> None:
    """A generator of clients gets one function for each."""
    described = operations()

    assert len({operation.operation_id for operation in described}) == len(described)
    assert {operation.tag for operation in described} == {tag["name"] for tag in TAGS}
