"""Tests of ``app.simulator.venue.observations``."""

import json

from app.simulator.venue.observations import (
    ControlMessage,
    Observations,
    RestRequest,
    ViolationKind,
)


def test_messages_and_requests_are_found_by_kind() -> None:
    """Messages and requests are returned in the order of their arrival."""
    seen = Observations()
    for method, params in (
        ("SUBSCRIBE", ("a", "b")),
        ("UNSUBSCRIBE", ("a",)),
        ("SUBSCRIBE", ("c",)),
    ):
        seen.control_messages.append(
            ControlMessage(received_at=1.0, method=method, params=params, text="")
        )
    for path in ("/api/v3/depth", "/api/v3/ping"):
        seen.rest_requests.append(RestRequest(received_at=2.0, path=path, query={}, status=200))

    assert seen.subscribed == ["a", "b", "c"]
    assert len(seen.messages_of("UNSUBSCRIBE")) == 1
    assert [request.path for request in seen.depth_requests] == ["/api/v3/depth"]


def test_the_summary_counts_by_kind_and_is_json() -> None:
    """The control API shows this summary, so it must be JSON."""
    seen = Observations()
    for kind in (ViolationKind.MESSAGE_RATE, ViolationKind.MESSAGE_RATE, ViolationKind.BAN):
        seen.note_violation(kind, at=1.0)
    for status in (200, 200, 429):
        seen.rest_requests.append(RestRequest(received_at=2.0, path="/p", query={}, status=status))
    summary = json.loads(json.dumps(seen.summary()))

    assert summary["violations"] == {"message_rate": 2, "ban": 1}
    assert summary["rest_statuses"] == {"200": 2, "429": 1}
    assert summary["rest_requests"] == {"/p": 3}
