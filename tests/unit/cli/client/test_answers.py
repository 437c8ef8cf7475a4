"""Tests of ``app.cli.client.answers``."""

import pytest

from app.cli.client import answers as wire
from app.domain.order import OrderStatus


def test_keys_that_the_client_does_not_know_are_kept() -> None:
    """What a newer service adds is printed by --json, too."""
    text = b'{"orders": [], "next_cursor": null, "novelty": [1.50]}'

    page: object = wire.read_shape(text, wire.OrdersPage)

    assert page == {"orders": [], "next_cursor": None, "novelty": [1.5]}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"orders": [{}], "next_cursor": null}',
        b'{"orders": 1}',
        b"[" * 100_000,
    ],
    ids=lambda text: str(text)[:40],
)
def test_another_shape_is_told(text: bytes) -> None:
    """What is missing does not surface later as a KeyError."""
    with pytest.raises(wire.UnexpectedShapeError):
        wire.read_shape(text, wire.OrdersPage)


def test_the_closed_statuses_are_the_terminal_ones() -> None:
    """The client agrees with the domain about when an order is over."""
    assert {status for status in OrderStatus if status.is_terminal} == wire.CLOSED
    assert wire.FILLED == OrderStatus.FILLED
