"""Tests of ``app.simulator.venue.rest_bodies``."""

import json

import pytest

from app.simulator.venue.rest_bodies import MAINTENANCE_PAGE, default_body, is_page


def body(status: int, retry_after: int | None = None) -> str:
    """Return the body at the epoch."""
    return default_body(status, retry_after=retry_after, now_ms=0)


@pytest.mark.parametrize(("status", "code"), [(400, -1100), (418, -1003), (429, -1003), (451, 0)])
def test_the_venue_s_own_refusals_are_json(status: int, code: int) -> None:
    """With its code and its words."""
    assert json.loads(body(status))["code"] == code
    assert not is_page(body(status))


@pytest.mark.parametrize("status", [403, 404, 502, 503, 504])
def test_what_stands_before_the_venue_answers_with_a_page(status: int) -> None:
    """As a load balancer does."""
    assert is_page(body(status))
    assert str(status) in body(status)
    assert is_page(MAINTENANCE_PAGE)


def test_a_ban_lasts_as_long_as_retry_after_says() -> None:
    """Two minutes unless it says anything."""
    assert "IP banned until 720000. " in body(418, 720)
    assert "IP banned until 120000. " in body(418)


def test_other_statuses_have_no_body() -> None:
    """Nothing is made up."""
    assert body(599) == ""
