"""``python -m tests.crash --kills 500``: a longer campaign with a report."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.crash.campaign import campaign, kills


def main() -> int:
    """Run a campaign and print its result; return 1 after any complaint."""
    parser = argparse.ArgumentParser(prog="tests.crash", description=main.__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="papertape-crash-") as folder:
        ordeal = kills(arguments.kills, lambda kill: _show_progress(kill, arguments.kills))
        outcome = asyncio.run(campaign(Path(folder), ordeal, seed=arguments.seed))
    print(  # noqa: T201 - its report is what it prints
        f"seed {arguments.seed}: {arguments.kills} kills, {outcome.orders} orders, "
        f"{outcome.events} events, {outcome.splits} splits, {len(outcome.complaints)} complaints"
    )
    for complaint in outcome.complaints:
        print(complaint)  # noqa: T201 - as above
    return int(bool(outcome.complaints))


def _show_progress(kill: int, kills: int) -> None:
    if sys.stderr.isatty() or kill % 50 == 0:
        print(f"\r{kill} of {kills} kills", end="", file=sys.stderr, flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    sys.exit(main())
