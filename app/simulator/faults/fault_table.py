"""Every fault and control of the venue, once: routes, help and documentation come from this table.

Each is ``POST /simulator/<name>`` with its parameters in the query, and a method of the venue that
takes them as keywords.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.simulator.faults import control_parameters as read
from app.simulator.faults.control_parameters import (
    ANY_SYMBOL,
    FRAMES,
    ON,
    PATH,
    SYMBOL,
    TIMES,
    ControlError,
    Parameter,
    read_parameters,
)
from app.simulator.faults.garbage import GARBAGE
from app.simulator.faults.venue_faults import DELAY_SECONDS_MAX, VenueFaults
from app.simulator.venue.listed_symbols import RULES
from app.simulator.venue.listing import HALTED

ROOT: Final = "/simulator"
WAIT_SECONDS_MAX: Final = 60.0

_STATUSES: Final = (HALTED, "HALT", "END_OF_DAY", "TRADING")
_CLOSE_CODE: Final = 1008

_SECONDS: Final = Parameter(
    name="seconds",
    read=read.seconds(DELAY_SECONDS_MAX),
    words=f"0 to {DELAY_SECONDS_MAX:g}; 0 ends it",
    is_required=True,
)
_KIND: Final = Parameter(
    name="kind", read=read.one_of(GARBAGE), words=", ".join(GARBAGE), is_required=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One thing that can be done to a venue."""

    name: str
    words: str
    act: Callable[..., object]
    parameters: tuple[Parameter, ...] = ()

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return f"{ROOT}/{self.name}"

    @property
    def usage(self) -> str:
        """The path with its parameters, optional ones in brackets."""
        named = [one.name + "=" if one.is_required else f"[{one.name}=]" for one in self.parameters]
        return self.path + ("?" + "&".join(named) if named else "")

    async def perform(self, venue: VenueFaults, query: str) -> object:
        """Do it, as the query says, and return what comes of it.

        Raises:
            ControlError: the query makes no sense to it.
        """
        values = read_parameters(self.parameters, query)
        try:
            result = self.act(venue, **values)
            return await result if inspect.isawaitable(result) else result
        except ValueError as error:
            raise ControlError(str(error)) from error


def _close(venue: VenueFaults, code: int = _CLOSE_CODE, reason: str = "") -> None:
    venue.close_connections(code, reason)


def _shutdown(venue: VenueFaults, seconds: float | None = None) -> None:
    venue.announce_shutdown(seconds)


def _refuse(venue: VenueFaults, *, on: bool = True, status: int = 502) -> None:
    venue.refuse_connections(refused=on, status=status)


def _mute(venue: VenueFaults, symbol: str, *, on: bool = True) -> None:
    (venue.mute if on else venue.unmute)(symbol)


CONTROLS: Final = (
    Control(name="drop", words="Cut every stream without a closing frame.",
            act=VenueFaults.drop_connections),
    Control(name="close", words="Close every stream with a closing frame.", act=_close,
            parameters=(
                Parameter(name="code", read=read.close_code, words="1008 unless given"),
                Parameter(name="reason", read=read.text_of, words="empty unless given"),
            )),
    Control(name="stall", words="Send no quotes on the streams of now; pings and depth go on.",
            act=VenueFaults.stall, parameters=(ON,)),
    Control(name="swallow", words="Leave the streams of now half open: TCP stands, nothing is "
            "sent or answered, not even a pong.",
            act=VenueFaults.swallow, parameters=(ON,)),
    Control(name="shutdown", words="Announce serverShutdown on every stream.", act=_shutdown,
            parameters=(
                Parameter(name="seconds", read=read.seconds(DELAY_SECONDS_MAX),
                          words="close the streams so much later; never unless given"),
            )),
    Control(name="vanish", words="Cut every stream and refuse TCP connections, this API's too.",
            act=VenueFaults.vanish, parameters=(_SECONDS,)),
    Control(name="refuse", words="Answer handshakes with a status.", act=_refuse,
            parameters=(
                ON,
                Parameter(name="status", read=read.status_code, words="502 unless given"),
            )),
    Control(name="reset-handshakes", words="Cut whoever wants to open a stream.",
            act=VenueFaults.reset_handshakes, parameters=(ON,)),
    Control(name="slow-handshake", words="Hold back the answer to every handshake.",
            act=VenueFaults.delay_handshakes, parameters=(_SECONDS,)),
    Control(name="mute", words="Send no quotes of a symbol; its depth goes on.", act=_mute,
            parameters=(SYMBOL, ON)),
    Control(name="duplicate", words="Send frames twice.",
            act=VenueFaults.duplicate, parameters=(FRAMES,)),
    Control(name="reorder", words="Send frames behind the next one of their symbol.",
            act=VenueFaults.reorder, parameters=(FRAMES,)),
    Control(name="resend", words="Send the last frames of a symbol once more.",
            act=VenueFaults.resend,
            parameters=(
                SYMBOL,
                Parameter(name="frames", read=read.count, words="how many; 10 unless given"),
            )),
    Control(name="garbage", words="Send a spoiled frame now, beside the quotes.",
            act=VenueFaults.garbage, parameters=(_KIND, ANY_SYMBOL)),
    Control(name="spoil", words="Spoil the next quotes.", act=VenueFaults.spoil,
            parameters=(
                _KIND,
                ANY_SYMBOL,
                Parameter(name="frames", read=read.count, words="how many; 1 unless given"),
            )),
    Control(name="send", words="Send any text on the stream of a symbol.",
            act=VenueFaults.send_frame,
            parameters=(
                SYMBOL,
                Parameter(name="data", read=read.text_of, words="the text", is_required=True),
            )),
    Control(name="rest-failure", words="Answer REST requests with a status.",
            act=VenueFaults.rest_failure,
            parameters=(
                Parameter(name="status", read=read.status_code,
                          words="200 to 599; 403, 418, 429, 451 and 5xx have Binance's body",
                          is_required=True),
                Parameter(name="retry_after", read=read.count, words="seconds"),
                Parameter(name="body", read=read.text_of, words="instead of the usual one"),
                PATH,
                TIMES,
            )),
    Control(name="html", words="Answer REST requests with 200 and a page of HTML.",
            act=VenueFaults.html, parameters=(PATH, TIMES)),
    Control(name="slow-rest", words="Hold back the answers to REST requests.",
            act=VenueFaults.slow_rest, parameters=(_SECONDS, PATH)),
    Control(name="clear-rest", words="Answer REST requests properly again, and at once.",
            act=VenueFaults.clear_rest_failure),
    Control(name="halt", words="Change a symbol's status; its quotes stop unless it is TRADING.",
            act=VenueFaults.set_status,
            parameters=(
                SYMBOL,
                Parameter(name="status", read=read.one_of(_STATUSES),
                          words=f"{', '.join(_STATUSES)}; {HALTED} unless given"),
            )),
    Control(name="delist", words="Take a symbol off the market.",
            act=VenueFaults.remove_symbol, parameters=(SYMBOL,)),
    Control(name="relist", words="List a symbol again, and let it trade.",
            act=VenueFaults.restore_symbol, parameters=(SYMBOL,)),
    Control(name="rules", words="Change a symbol's trading rules.",
            act=VenueFaults.change_rules,
            parameters=(
                SYMBOL,
                *(Parameter(name=name, read=read.amount, words=f"{'/'.join(kinds)}.{key}")
                  for name, (kinds, key) in RULES.items()),
            )),
    Control(name="reset-ids", words="Begin the update ids anew.",
            act=VenueFaults.reset_update_ids,
            parameters=(
                Parameter(name="to", read=read.update_id,
                          words="the id of the current quote; 1 unless given"),
                ANY_SYMBOL,
            )),
    Control(name="pause", words="Stop the market's time.", act=VenueFaults.pause),
    Control(name="resume", words="Let the market's time go on.", act=VenueFaults.resume),
    Control(name="play-to", words="Play up to and including an update id, and pause right there.",
            act=VenueFaults.play_and_wait,
            parameters=(
                Parameter(name="update_id", read=read.update_id, words="the market's own",
                          is_required=True),
                Parameter(name="symbol", read=read.symbol,
                          words="whose id it is; the first to have it unless given"),
                Parameter(name="wait", read=read.seconds(WAIT_SECONDS_MAX),
                          words=f"answer when it is reached, or after so many seconds, "
                          f"{WAIT_SECONDS_MAX:g} at most; at once unless given"),
            )),
    Control(name="clear", words="End every fault; ids and the market's time stay as they are.",
            act=VenueFaults.clear),
)  # fmt: skip
"""In the order of the documentation."""

BY_NAME: Final = {control.name: control for control in CONTROLS}


def help_lines() -> list[str]:
    """Return a line for each control: its name, its parameters, and what it does."""
    return [
        " ".join(
            [
                control.name,
                *(one.name if one.is_required else f"[{one.name}]" for one in control.parameters),
            ]
        )
        + f": {control.words}"
        for control in CONTROLS
    ]


def documentation() -> str:
    """Return the table of the documentation, in Markdown."""
    rows = ["| `POST` | does | parameters |", "| --- | --- | --- |"]
    for control in CONTROLS:
        told = "; ".join(
            f"`{one.name}`{' (required)' if one.is_required else ''}: {one.words}"
            for one in control.parameters
        )
        rows.append(f"| `{control.path}` | {control.words} | {told} |")
    return "\n".join(rows)
