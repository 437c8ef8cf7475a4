"""python-binance: a combined stream of all symbols, or a raw stream of each."""

import asyncio
import importlib
from typing import Any

from tests.clients.programs.telling import Task, tell_answer, tell_quote

binance = importlib.import_module("binance")


async def main(task: Task, *, is_combined: bool) -> None:
    """Request everything from REST, then print the quotes."""
    binance.AsyncClient.API_URL = f"{task.rest_url}/api"
    client = await binance.AsyncClient.create()
    try:
        tell_answer("ping", await client.ping())
        tell_answer("time", await client.get_server_time())
        tell_answer("exchangeInfo", await client.get_exchange_info())
        for symbol in task.symbols:
            depth = await client.get_order_book(symbol=symbol, limit=5)
            tell_answer(f"depth {symbol}", depth)
            tell_answer(f"bookTicker {symbol}", await client.get_orderbook_ticker(symbol=symbol))
        sockets = binance.BinanceSocketManager(client)
        sockets.STREAM_URL = f"{task.stream_url}/"
        if is_combined:
            streams = [f"{symbol.lower()}@bookTicker" for symbol in task.symbols]
            await listen(sockets.multiplex_socket(streams), quotes=task.quotes)
        else:
            share = task.quotes // len(task.symbols)
            await asyncio.gather(
                *(
                    listen(sockets.symbol_book_ticker_socket(symbol), quotes=share)
                    for symbol in task.symbols
                )
            )
    finally:
        await client.close_connection()


async def listen(socket: Any, *, quotes: int) -> None:  # noqa: ANN401 - the package has no types
    """Print this number of quotes of one connection."""
    async with socket as stream:
        for _ in range(quotes):
            message = await stream.recv()
            tell_quote(message.get("data", message))
