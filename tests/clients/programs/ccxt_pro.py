"""ccxt.pro: best bids and asks. It returns only the newest, so quotes must come one by one."""

import asyncio
import importlib

from tests.clients.programs.telling import Task, read_task, tell_answer, tell_quote

ccxt = importlib.import_module("ccxt.pro")


async def main(task: Task) -> None:
    """Request everything from REST, then print the quotes."""
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}
    venue = ccxt.binance({"options": options})
    venue.urls["api"]["public"] = f"{task.rest_url}/api/v3"
    venue.urls["api"]["ws"]["spot"] = f"{task.stream_url}/ws"
    try:
        markets = await venue.load_markets()
        names = {market["id"]: name for name, market in markets.items()}
        tell_answer("ping", await venue.public_get_ping())
        tell_answer("time", {"serverTime": await venue.fetch_time()})
        tell_answer("exchangeInfo", {"symbols": [market["info"] for market in markets.values()]})
        for symbol in task.symbols:
            depth = await venue.public_get_depth({"symbol": symbol, "limit": 5})
            tell_answer(f"depth {symbol}", {**depth, "lastUpdateId": int(depth["lastUpdateId"])})
            tickers = await venue.fetch_bids_asks([names[symbol]])
            tell_answer(f"bookTicker {symbol}", tickers[names[symbol]]["info"])
        for _ in range(task.quotes):
            tickers = await venue.watch_bids_asks([names[symbol] for symbol in task.symbols])
            for ticker in tickers.values():
                told = ticker["info"]
                assert ticker["bid"] == float(told["b"])
                assert ticker["askVolume"] == float(told["A"])
                tell_quote(told)
    finally:
        await venue.close()


asyncio.run(main(read_task()))
