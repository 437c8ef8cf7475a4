"""Cursors; reading them is tested with the queries that take them."""

from app.api.cursors import Cursor, write_cursor


def test_cursors_of_two_listings_differ() -> None:
    """A cursor names its listing and needs no URL escape."""
    cursors = {write_cursor(kind, 42) for kind in Cursor}

    assert len(cursors) == len(Cursor)
    assert all(cursor.isalnum() for cursor in cursors)
