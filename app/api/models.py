"""What the response models share: their base class, and the forms of amounts and times.

A response model is the answer and its documentation in one: its builder ``of`` turns domain values
into the texts that a client reads. Keys are sent in the order in which the fields are declared.
Amounts are strings in plain notation, so that no reader turns them into binary fractions.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from app.domain.amounts import format_amount

_UTC_OFFSET: Final = "+00:00"
_encode: Final = msgspec.json.Encoder().encode

Amount = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]*[1-9])?$")]
SignedAmount = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]*[1-9])?$")]
Time = Annotated[
    str,
    Field(
        description="UTC, RFC 3339 with six decimals and `Z`.",
        json_schema_extra={"format": "date-time"},
    ),
]


class ResponseModel(BaseModel):
    """A JSON object with exactly these keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def format_time(at: datetime) -> str:
    """Write an aware UTC time with six decimals and ``Z`` (RFC 3339)."""
    if at.microsecond:
        text = _encode(at)[1:-1].decode()  # without its quotes; a third of isoformat's time
    else:  # msgspec omits the decimals of a whole second
        text = at.isoformat(timespec="microseconds").replace(_UTC_OFFSET, "Z")
    assert text.endswith("Z"), "times are aware and UTC"
    return text


def format_time_if_set(at: datetime | None) -> str | None:
    """Write a time, ``None`` as it is."""
    return None if at is None else format_time(at)


def format_signed(amount: Decimal) -> str:
    """Write an amount that may be negative in plain notation."""
    text = format_amount(amount.copy_abs())
    return f"-{text}" if amount < 0 else text


def format_amount_if_set(amount: Decimal) -> str | None:
    """Write an amount, ``None`` for the zero that marks an unused limit or an empty side."""
    return format_amount(amount) if amount else None
