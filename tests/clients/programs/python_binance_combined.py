"""python-binance on one combined stream."""

import asyncio

from tests.clients.programs.python_binance import main
from tests.clients.programs.telling import read_task

asyncio.run(main(read_task(), is_combined=True))
