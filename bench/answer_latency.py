"""How long after the venue's first sufficient quote the client has its answer, durable included.

Run with `uv run python -m bench.answer_latency`. The service runs as a process of its own, the
venue and the clients in this one, all over loopback. Each round rests some orders, pushes one quote
that fills them all, and measures from the push to each answer. A waiting client is answered when
its last split is on disk; polling at any interval would show as that interval.
"""

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from typing import Final

import httpx2

from app.clock import SystemClock
from app.simulator.scripted_market import ScriptedMarket
from app.simulator.venue import SimulatedVenue

ROUNDS: Final = 40
ORDERS_AT_ONCE: Final = (1, 50)
SYMBOL: Final = "LTCBTC"


async def main() -> None:
    """Measure and print a line per number of orders."""
    market = ScriptedMarket([SYMBOL])
    with tempfile.TemporaryDirectory() as folder:
        async with SimulatedVenue(market, clock=SystemClock()).serve("127.0.0.1", 0) as venue:
            environment = os.environ | {
                "HTTP_PORT": "0",
                "LOG_FORMAT": "json",
                "VENUE": "simulator",
                "BINANCE_STREAM_URL": venue.stream_url,
                "BINANCE_REST_URL": venue.rest_url,
                "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/bench.db",
            }
            service = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app",
                "serve",
                env=environment,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                await _measure_all(market, await _url(service))
            finally:
                service.terminate()
                await service.wait()


async def _url(service: asyncio.subprocess.Process) -> str:
    assert service.stderr is not None
    async for line in service.stderr:
        found = re.search(r'"url": "([^"]+)"', line.decode())
        if found is not None:
            return found[1]
    raise SystemExit("the service did not start")


async def _measure_all(market: ScriptedMarket, url: str) -> None:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        while (await client.get("/readyz")).is_error:
            await asyncio.sleep(0.05)
        print("orders at once |  p50 ms |  p99 ms |  max ms")
        for orders in ORDERS_AT_ONCE:
            seconds = [one for _ in range(ROUNDS) for one in await _round(market, client, orders)]
            seconds.sort()
            figures = (
                statistics.median(seconds),
                seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))],
                seconds[-1],
            )
            print(f"{orders:14} | " + " | ".join(f"{1000 * one:7.2f}" for one in figures))


async def _round(market: ScriptedMarket, client: httpx2.AsyncClient, orders: int) -> list[float]:
    market.push(SYMBOL, bid=("1", "1"), ask=("3", "1"))
    body = {"symbol": SYMBOL, "order_size": 1, "price": 2}
    posts = [asyncio.create_task(_timed_post(client, body)) for _ in range(orders)]
    while await _open_orders(client) < orders:
        await asyncio.sleep(0.005)
    pushed_at = time.perf_counter()
    market.push(SYMBOL, bid=("1", "1"), ask=("2", str(orders)))
    return [answered_at - pushed_at for answered_at in await asyncio.gather(*posts)]


async def _timed_post(client: httpx2.AsyncClient, body: dict[str, object]) -> float:
    answer = await client.post("/order/limit", json=body)
    answered_at = time.perf_counter()
    assert answer.json()["status"] == "FILLED", answer.text
    return answered_at


async def _open_orders(client: httpx2.AsyncClient) -> int:
    answer = await client.get("/orders", params={"status": "NEW", "limit": 100})
    return len(answer.json()["orders"])


if __name__ == "__main__":
    asyncio.run(main())
