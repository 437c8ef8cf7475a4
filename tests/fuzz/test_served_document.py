"""The service answers every request as its served document says.

This run sends a few hundred requests with keys. ``python -m tests.fuzz`` (``task schemathesis``)
sends thousands, in open access as well.
"""

import os
from pathlib import Path

from tests.fuzz.document_run import run_document

EXAMPLES = 5
REQUESTS_LEAST = 300
SEED = int(os.environ.get("SCHEMATHESIS_SEED", "20261124"))


async def test_the_service_does_what_its_document_says(tmp_path: Path) -> None:
    """Status, type, headers and body are documented, and no invalid request is accepted."""
    run = await run_document(tmp_path, examples=EXAMPLES, seed=SEED, with_keys=True)

    assert run.exit_code == 0, run.report
    # The requests reached the whole service: links between operations were followed, orders filled.
    assert run.requests > REQUESTS_LEAST
    assert run.links
    assert run.statuses >= {"FILLED", "EXPIRED"}
