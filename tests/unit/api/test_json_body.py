"""Reading a request body; ``test_hostile_bodies`` tests hostile ones."""

import asyncio
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.api.json_body import WHOLE_BODY_EXTENSION, read_body, read_json_object
from app.api.problems import BodyTooLargeError, BodyTooSlowError, ContentEncodingError
from app.domain.errors import MalformedRequestError
from app.exact_json import JsonNumber

BODY_BYTES_MAX = 16_384


def request(chunks: list[bytes], **headers: str) -> Request:
    """Return a request whose body arrives in chunks; reading beyond the last is an error."""

    def messages() -> Iterator[Message]:
        for index, chunk in enumerate(chunks, start=1):
            yield {"type": "http.request", "body": chunk, "more_body": index < len(chunks)}

    remaining = messages()

    async def receive() -> Message:
        return next(remaining)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


@pytest.mark.parametrize(
    "chunks", [[b""], [b"{}"], [b"{", b"", b"}"], [b"x" * BODY_BYTES_MAX], [b"x"] * 1_000]
)
async def test_body_within_the_bound_is_read_whole(chunks: list[bytes]) -> None:
    """A body within the limit is read completely, however it is divided."""
    assert await read_body(request(chunks), bytes_max=BODY_BYTES_MAX) == b"".join(chunks)


async def test_long_body_is_refused_as_soon_as_it_is_too_long() -> None:
    """A body is refused at the limit, and the rest is not received."""
    endless = [b"x" * 8_192, b"x" * 8_192, b"x"]

    with pytest.raises(BodyTooLargeError):
        await read_body(request([*endless, b"never read"]), bytes_max=BODY_BYTES_MAX)


@pytest.mark.parametrize("length", [str(BODY_BYTES_MAX + 1), "9" * 4_000])
async def test_announced_length_is_refused_before_reading(length: str) -> None:
    """A body whose announced length exceeds the limit is refused without reading it."""
    with pytest.raises(BodyTooLargeError):
        await read_body(request([], content_length=length), bytes_max=BODY_BYTES_MAX)


@pytest.mark.parametrize("length", ["2", "-1", "two", "²"])
async def test_announced_length_is_not_believed_otherwise(length: str) -> None:
    """A smaller or invalid announced length is ignored, and the received bytes count."""
    body = await read_body(request([b"{}"], content_length=length), bytes_max=BODY_BYTES_MAX)

    assert body == b"{}"


async def test_body_that_does_not_arrive_is_not_waited_for() -> None:
    """A body that stops arriving is refused after the time limit."""

    async def receive() -> Message:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return] # never

    stalled = Request({"type": "http", "method": "POST", "headers": []}, receive)

    with pytest.raises(BodyTooSlowError):
        await read_body(stalled, bytes_max=BODY_BYTES_MAX, seconds_max=0.01)


async def test_body_that_is_whole_is_bounded_as_well() -> None:
    """The limit also applies to a body that arrived with the head."""
    whole = request([b"x" * 9])
    whole.scope["extensions"] = {WHOLE_BODY_EXTENSION: {}}

    with pytest.raises(BodyTooLargeError):
        await read_body(whole, bytes_max=8)


def test_numbers_keep_their_text() -> None:
    """Numbers keep their original text and are never converted."""
    values = read_json_object(
        b'{"a": 1E+999999, "b": -0.10, "c": 10000000000000000000000, "d": "1"}'
    )

    assert values == {"a": "1E+999999", "b": "-0.10", "c": "10000000000000000000000", "d": "1"}
    assert [type(value) for value in values.values()] == [JsonNumber, JsonNumber, JsonNumber, str]


def test_escaped_characters_are_read() -> None:
    """Escapes are read, and a surrogate pair gives one character."""
    values = read_json_object(b'{"\\u0061": "\\ud83d\\ude00", "b": [null, {"c": "\\u00e9"}, true]}')

    assert values == {"a": "😀", "b": [None, {"c": "é"}, True]}


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"", "is empty"),
        (b"symbol=LTCBTC", "line 1 column 1"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"[1]", "not an object"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b"[" * 16_000, "nested"),
        (b'{"a": "\\u0000"}', "NUL"),
    ],
)
def test_malformed_body_is_told_what_is_wrong(body: bytes, hint: str) -> None:
    """The message names the error in the body."""
    with pytest.raises(MalformedRequestError, match=hint):
        read_json_object(body)


def test_a_byte_order_mark_is_skipped() -> None:
    """PowerShell and some editors write one (RFC 8259 section 8.1 allows to ignore it)."""
    assert read_json_object(b'\xef\xbb\xbf{"symbol": "LTCBTC"}') == {"symbol": "LTCBTC"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xef\xbb\xbf"])
def test_the_message_says_what_is_expected(body: bytes) -> None:
    """A WebSocket expects something else than a request."""
    with pytest.raises(MalformedRequestError, match="send a message such as"):
        read_json_object(body, expected="a message such as {}")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "identity, gzip", "GZIP"])
async def test_an_encoded_body_is_refused(coding: str) -> None:
    """It would look like malformed JSON otherwise."""
    with pytest.raises(ContentEncodingError):
        await read_body(request([b"{}"], content_encoding=coding), bytes_max=10)


@pytest.mark.parametrize("coding", ["", "identity", "Identity, identity"])
async def test_identity_is_no_encoding(coding: str) -> None:
    """Some clients send it."""
    body = request([b"{}"], content_encoding=coding)
    assert await read_body(body, bytes_max=10) == b"{}"
