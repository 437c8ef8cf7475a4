"""``python -m tests.fuzz --examples 2000``: a longer check of the service by its document."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.document_run import run_document


def main() -> int:
    """Run in open access and with keys, and print the report; return 1 after any failure."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=main.__doc__)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    arguments = parser.parse_args()
    has_failed = False
    for with_keys in (False, True):
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="papertape-fuzz-") as folder:
            run = asyncio.run(
                run_document(
                    Path(folder),
                    examples=arguments.examples,
                    seed=arguments.seed,
                    with_keys=with_keys,
                )
            )
        has_failed |= run.exit_code != 0
        access = "with keys" if with_keys else "open access"
        seconds = time.monotonic() - started
        print(run.report)  # noqa: T201 - its report is what it prints
        print(f"{access}, seed {arguments.seed}: {run.requests} requests in {seconds:.0f} s")  # noqa: T201 - as above
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
