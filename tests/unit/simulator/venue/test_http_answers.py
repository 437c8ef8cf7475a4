"""Tests of ``app.simulator.venue.http_answers``."""

import pytest

from app.simulator.venue.http_answers import (
    MAINTENANCE_PAGE,
    default_body,
    http_answer,
    is_page,
    json_answer,
)


def test_an_answer_is_json_and_ends_its_connection() -> None:
    """Own headers follow, and the body has no white space."""
    answer = json_answer(429, {"code": -1003}, headers={"Retry-After": "5"})

    assert answer.serialize() == (
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json;charset=UTF-8\r\n"
        b'Content-Length: 14\r\nConnection: close\r\nRetry-After: 5\r\n\r\n{"code":-1003}'
    )


def test_an_unknown_status_has_no_phrase() -> None:
    """A fault may have any status."""
    assert http_answer(599).reason_phrase == ""


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, '{"code":-1100,'),
        (403, "<title>403"),
        (404, "<title>404"),
        (418, "IP banned until 120000. "),
        (429, '{"code":-1003,'),
        (451, "restricted location"),
        (500, '{"code":-1000,'),
        (502, "<title>502"),
        (503, "<title>503"),
        (504, "<title>504"),
        (599, ""),
    ],
)
def test_a_status_has_its_usual_body(status: int, text: str) -> None:
    """The venue refuses in JSON, and its load balancer with a page; other statuses have no body."""
    body = default_body(status, retry_after=None, now_ms=0)

    assert text in body
    assert is_page(body) == ("<title>" in text)
    assert bool(body) == bool(text)


def test_a_ban_lasts_as_long_as_retry_after_says() -> None:
    """The default is two minutes."""
    assert "IP banned until 720000. " in default_body(418, retry_after=720, now_ms=0)
    assert is_page(MAINTENANCE_PAGE)
