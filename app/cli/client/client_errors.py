"""What ends a command, each told in words a user can act on.

::

    PapertapeError
    └── ClientError
        ├── ServiceUnreachableError   nobody listens, or the connection broke too often
        ├── UnexpectedAnswerError     somebody answers, but not as a Papertape service does
        └── RefusedError              the service said no, and why
            └── KeyRefusedError       it does not know who asks
"""

import os
import socket
import ssl
from typing import Final

from app.cli.client.answers import Problem
from app.domain.errors import PapertapeError

TEXT_CHARACTERS_MAX: Final = 500
"""What a stranger's server answers is shown, but not at any length."""

NO_HTTPS: Final = "the service does not speak https there"
"""Why a connection failed: plain text came back, where the beginning of TLS was awaited."""

_UNAUTHORIZED: Final = "unauthorized"
_SEE_ERRORS: Final = "; see errors"
"""Where a program finds the problems; here they stand right below."""


class ClientError(PapertapeError):
    """A command cannot go on."""


class ServiceUnreachableError(ClientError):
    """No answer from the address; ``was_sent`` if a request may have arrived there all the same."""

    code = "service_unreachable"

    def __init__(self, url: str, cause: str, *, was_sent: bool = False) -> None:
        self.url = url
        self.was_sent = was_sent
        if cause == NO_HTTPS:
            super().__init__(f"{cause}; try http:{url.partition(':')[2]}")
            return
        super().__init__(
            f"cannot reach a service at {url} ({cause}): start one with `papertape serve`, "
            "or name another with --url or PAPERTAPE_URL"
        )


class UnexpectedAnswerError(ClientError):
    """An answer that no Papertape service gives."""

    code = "unexpected_answer"

    def __init__(self, url: str, what: str) -> None:
        self.url = url
        super().__init__(f"{url} does not answer as a Papertape service does: {what}")


class RefusedError(ClientError):
    """The service refused, with a problem document (RFC 9457) or an error on the stream."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(_block(problem))

    @property
    def reason_code(self) -> str:
        """The problem's stable code."""
        return self.problem["code"]


class KeyRefusedError(RefusedError):
    """The service asks for a key, or does not know the one that it was sent."""

    def __init__(self, problem: Problem, *, was_sent: bool) -> None:
        detail = (
            "the service does not know this key"
            if was_sent
            else "the service asks for a key: give --key or set PAPERTAPE_KEY"
        )
        super().__init__({**problem, "detail": detail})


def refusal(problem: Problem, *, has_key: bool) -> RefusedError:
    """Return the error of a refusal, in the service's words; of a key in those of the command."""
    if problem["code"] == _UNAUTHORIZED:
        return KeyRefusedError(problem, was_sent=has_key)
    return RefusedError(problem)


def shorten(text: str) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARACTERS_MAX else f"{line[:TEXT_CHARACTERS_MAX]}…"


def cause_of(error: Exception) -> str:
    """Return what kept a connection from working, in the system's words where it has some."""
    root: BaseException = error
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    if isinstance(root, ssl.SSLError) and root.reason == "WRONG_VERSION_NUMBER":
        return NO_HTTPS
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
