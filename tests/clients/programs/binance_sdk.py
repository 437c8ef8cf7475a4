"""binance-sdk-spot, Binance's own: one connection, a SUBSCRIBE for each symbol."""

import asyncio
import importlib
from typing import Any

from tests.clients.programs.telling import Task, read_task, tell_answer, tell_quote

sdk = importlib.import_module("binance_sdk_spot.spot")


async def main(task: Task) -> None:
    """Request everything from REST, then print the quotes."""
    client = sdk.Spot(
        config_rest_api=sdk.ConfigurationRestAPI(
            api_key="", api_secret="", base_path=task.rest_url
        ),
        config_ws_streams=sdk.ConfigurationWebSocketStreams(stream_url=task.stream_url),
    )
    rest = client.rest_api
    tell_answer("ping", rest.ping().data())
    tell_answer("time", rest.time().data().to_dict())
    tell_answer("exchangeInfo", rest.exchange_info().data().to_dict())
    for symbol in task.symbols:
        tell_answer(f"depth {symbol}", rest.depth(symbol=symbol, limit=5).data().to_dict())
        ticker = rest.ticker_book_ticker(symbol=symbol).data()
        tell_answer(f"bookTicker {symbol}", ticker.to_dict())
    received: asyncio.Queue[Any] = asyncio.Queue()
    connection = await client.websocket_streams.create_connection()
    try:
        for symbol in task.symbols:
            stream = await connection.book_ticker(symbol=symbol.lower())
            stream.on("message", received.put_nowait)
        for _ in range(task.quotes):
            tell_quote((await received.get()).to_dict())
    finally:
        await connection.close_connection(close_session=True)


asyncio.run(main(read_task()))
