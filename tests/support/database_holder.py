"""Another service as far as a database sees it: ``python -m tests.support.database_holder``.

With URL and OWNER it migrates the database and says the revision, then opens it and says ``open``
or why not, and stays until it is killed. It waits for another that migrates as long as a busy
machine needs.
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
    """Tell whoever started us."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
