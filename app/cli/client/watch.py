"""``papertape watch``: follow the events of many orders until Ctrl-C."""

import asyncio
import contextlib
from typing import Final, Never

from app.cli.client.client_errors import ClientError, RefusedError
from app.cli.client.event_stream import EventStream, Subscription
from app.cli.client.sentences import event_line
from app.cli.client.service_address import ServiceAddress
from app.cli.client.service_client import ServiceClient
from app.cli.client.terminal import make_console, print_json, print_line, print_message

_POSITION_REFUSED: Final = frozenset(
    {
        "invalid_position",
        "position_of_another_database",
        "position_beyond_head",
        "position_pruned",
    }
)
"""After a refusal with these codes the position cannot be used again."""


async def watch_events(
    service: ServiceClient, subscription: Subscription, *, after: str | None, as_json: bool
) -> Never:
    """Print events as they happen; at the end print the command that resumes the stream.

    Raises:
        ClientError: the service refuses the stream, or the stream was lost.
    """
    address = service.address
    stream = EventStream(address, subscription, retries=service.retries, after=after)
    console = make_console()
    try:
        async with contextlib.aclosing(stream.messages()) as messages:
            async for message in messages:
                if message["type"] != "event":
                    continue
                if as_json:
                    print_json(message)
                else:
                    print_line(console, event_line(message))
    # Ctrl-C is the usual end.
    except asyncio.CancelledError:
        _print_resume_command(address, subscription, stream.position)
        raise
    except ClientError as error:
        is_refused = isinstance(error, RefusedError) and error.reason_code in _POSITION_REFUSED
        # The user already knows the position from the command line.
        if not is_refused and stream.position != after:
            _print_resume_command(address, subscription, stream.position)
        raise
    raise AssertionError("the stream has no end")


def _print_resume_command(
    address: ServiceAddress, subscription: Subscription, position: str | None
) -> None:
    if position is None:
        return
    words = ["papertape watch", *subscription.order_ids]
    words += [f"--symbol {symbol}" for symbol in subscription.symbols]
    print_message(f"to resume from here: {' '.join(words)} --after {position}{address.options}")
