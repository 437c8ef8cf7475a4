"""The response models of the feed."""

from dataclasses import replace

from app.api.docs import examples
from app.api.service.feed_models import split_counters
from app.api.service.readiness import Readiness

STATE = examples.EXAMPLE_STATE


def test_counters_are_told_by_cause_and_new_causes_by_themselves() -> None:
    """Counters are grouped by cause, and a new cause needs no change here."""
    counters = {"lost_keepalive": 2, "lost_to_the_moon": 1, "frames": 3, "failed_dns": 1}
    nothing = {"lost_reset": 0, "failed_tls": 0, "dropped_binary": 0}

    assert split_counters(counters, "lost_") == {"keepalive": 2, "to_the_moon": 1}
    feed = replace(STATE.feed, counters=counters | nothing | {"dropped_crossed": 4})
    view = Readiness.of(replace(STATE, feed=feed))

    assert view.feed.lost == {"keepalive": 2, "to_the_moon": 1}
    assert view.feed.failed == {"dns": 1}
    assert view.feed.dropped == {"crossed": 4}
    assert view.feed.counters == {"frames": 3}
