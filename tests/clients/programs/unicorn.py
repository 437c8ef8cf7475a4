"""unicorn-binance-websocket-api with its REST client: one combined stream, in threads."""

import importlib
import time

from tests.clients.programs.telling import Task, read_task, tell_answer, tell_quote

rest_api = importlib.import_module("unicorn_binance_rest_api")
websocket_api = importlib.import_module("unicorn_binance_websocket_api")

POLL_SECONDS = 0.01


def main(task: Task) -> None:
    """Request everything from REST, then print the quotes."""
    ask(task)
    streams = websocket_api.BinanceWebSocketApiManager(
        exchange="binance.com",
        websocket_base_uri=f"{task.stream_url}/",
        warn_on_update=False,
        disable_colorama=True,
    )
    try:
        streams.create_stream(
            "bookTicker", [symbol.lower() for symbol in task.symbols], output="dict"
        )
        told = 0
        while told < task.quotes:
            message = streams.pop_stream_data_from_stream_buffer()
            if not message:
                time.sleep(POLL_SECONDS)
            elif "data" in message:
                tell_quote(message["data"])
                told += 1
    finally:
        streams.stop_manager()


def ask(task: Task) -> None:
    """Request everything from REST; a subclass keeps our address, which the manager overwrites."""
    at_venue = property(lambda _: f"{task.rest_url}/api", lambda _, __: None)
    manager = type("AtVenue", (rest_api.BinanceRestApiManager,), {"API_URL": at_venue})
    rest = manager(exchange="binance.com", warn_on_update=False, disable_colorama=True)
    tell_answer("ping", rest.ping())
    tell_answer("time", rest.get_server_time())
    tell_answer("exchangeInfo", rest.get_exchange_info())
    for symbol in task.symbols:
        tell_answer(f"depth {symbol}", rest.get_order_book(symbol=symbol, limit=5))
        tell_answer(f"bookTicker {symbol}", rest.get_orderbook_ticker(symbol=symbol))
    rest.stop_manager()


main(read_task())
