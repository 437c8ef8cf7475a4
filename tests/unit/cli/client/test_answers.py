"""Tests of ``app.cli.client.answers``."""

import pytest

from app.cli.client import answers as wire
from app.domain.order import OrderStatus


def test_unknown_keys_are_kept() -> None:
    """`--json` prints the keys of a newer service too."""
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
def test_another_shape_is_refused(text: bytes) -> None:
    """A missing key never causes a KeyError later."""
    with pytest.raises(wire.UnexpectedShapeError):
        wire.read_shape(text, wire.OrdersPage)


def test_the_closed_statuses_are_the_terminal_ones() -> None:
    """The client and the domain agree on the terminal statuses."""
    assert {status for status in OrderStatus if status.is_terminal} == wire.CLOSED
    assert wire.FILLED == OrderStatus.FILLED
