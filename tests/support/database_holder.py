"""A process that holds a database like a service: ``python -m tests.support.database_holder``.

It migrates the database at URL and prints the revision, then opens it as OWNER and prints ``open``
or the refusal, and runs until it is killed. It waits long for another migration, because a busy
machine is slow.
"""

import asyncio
import sys

from app.domain.errors import StartupError
from app.storage.database import Database
from app.storage.schema import migrate as migrating
from tests.support.databases import VENUE
from tests.support.waiting import WAIT_SECONDS_MAX


async def main(url: str, owner: str) -> None:
    """Migrate and hold the database."""
    setattr(migrating, "LOCK_SECONDS_MAX", round(WAIT_SECONDS_MAX))  # noqa: B010 - it is final
    say(await migrating.migrate(url))
    try:
        await Database.open(url, venue=VENUE, owner=owner)
    except StartupError as error:
        say(f"refused: {error}")
    else:
        say("open")
    await asyncio.Event().wait()


def say(line: str) -> None:
    """Print a line for the parent process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
