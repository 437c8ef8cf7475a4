"""The errors that end a command, with messages that say what to do.

::

    PapertapeError
    └── ClientError
        ├── ServiceUnreachableError   no connection, or it was lost too often
        ├── UnexpectedAnswerError     the server is not a Papertape service
        └── RefusedError              the service refused the request
"""

import os
import socket
import ssl
from typing import Final

from app.cli.client.answers import Problem
from app.domain.errors import PapertapeError

TEXT_CHARACTERS_MAX: Final = 500
"""The longest text of a server that an error message repeats."""

NO_HTTPS: Final = "the service does not speak https there"
"""The cause if the server answered a TLS handshake with plain text."""

_UNAUTHORIZED: Final = "unauthorized"
_SEE_ERRORS: Final = "; see errors"
"""A hint for programs; here the errors follow on the next lines."""


class ClientError(PapertapeError):
    """A command cannot continue."""


class ServiceUnreachableError(ClientError):
    """The address did not answer; ``was_sent`` if a request may have arrived there anyway."""

    code = "service_unreachable"

    def __init__(self, url: str, cause: str, *, was_sent: bool = False) -> None:
        self.url = url
        self.was_sent = was_sent
        if cause == NO_HTTPS:
            super().__init__(f"{cause}; try http:{url.partition(':')[2]}")
            return
        super().__init__(
            f"cannot reach a service at {url} ({cause}): start one with `papertape serve`, "
            "or choose another with --url or PAPERTAPE_URL"
        )


class UnexpectedAnswerError(ClientError):
    """The answer does not come from a Papertape service."""

    code = "unexpected_answer"

    def __init__(self, url: str, what: str) -> None:
        self.url = url
        super().__init__(f"{url} is not a Papertape service: {what}")


class RefusedError(ClientError):
    """The service answered with a problem document (RFC 9457) or an error on the stream."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(_block(problem))

    @property
    def reason_code(self) -> str:
        """The problem's stable code."""
        return self.problem["code"]


def refusal(problem: Problem, *, has_key: bool) -> RefusedError:
    """Return the error for a problem; a refused key gets a message about the key options."""
    if problem["code"] != _UNAUTHORIZED:
        return RefusedError(problem)
    detail = (
        "the service does not know this key"
        if has_key
        else "the service requires a key: use --key or set PAPERTAPE_KEY"
    )
    return RefusedError({**problem, "detail": detail})


def shorten(text: str) -> str:
    """Return the text on one line, cut to the maximum length."""
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARACTERS_MAX else f"{line[:TEXT_CHARACTERS_MAX]}…"


def cause_of(error: Exception) -> str:
    """Return the cause of a failed connection, if possible as the operating system words it."""
    root: BaseException = error
    # Libraries wrap the system's error, which is the innermost one.
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    if isinstance(root, ssl.SSLError) and root.reason == "WRONG_VERSION_NUMBER":
        return NO_HTTPS
    # The errno of these errors is not a number of the operating system.
    has_other_numbers = isinstance(root, ssl.SSLError | socket.gaierror)
    if isinstance(root, OSError) and root.errno is not None and not has_other_numbers:
        return os.strerror(root.errno)
    return shorten(str(error)) or type(error).__name__


def _block(problem: Problem) -> str:
    lines = [shorten(problem["detail"]).removesuffix(_SEE_ERRORS)]
    lines += [f"  {one['field']}: {shorten(one['message'])}" for one in problem.get("errors") or ()]
    if order_id := problem.get("order_id"):
        lines.append(f"  order: {order_id}")
    return "\n".join(lines)
