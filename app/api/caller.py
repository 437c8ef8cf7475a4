"""Whose request it is."""

from starlette.requests import HTTPConnection

from app.domain.order import PUBLIC, Owner


def owner_of(_connection: HTTPConnection) -> Owner:
    """Return whose orders the request is about."""
    return PUBLIC
