"""Own what a request's body turns into: its transfer coding off, the exact bytes of its events.

What is too large, coded in an unknown way or no JSON is not lost: the body is
kept as it came. Knows nothing of sockets and files.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from usagectl.events import slicing

MAX_DECODED_BYTES = 32 * 1024 * 1024
"""No body becomes larger than this, however small it came in: a decompression bomb ends here."""

MOST_EVENTS = 20_000
"""No request of a client has more; each becomes a line with the request's headers."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_MOST_CODINGS = 4
_MOST_MEMBERS = 1000


class Parsed(NamedTuple):
    """Hold what was found in a body.

    Attributes:
        events: the exact bytes of each event.
        problem: why there are none, in a few words without a value; else empty.
        beside: what stands beside the list of events, as a JSON object; else empty.
    """

    events: list[bytes]
    problem: str = ""
    beside: bytes = b""


class UndecodableError(Exception):
    """Tell why a body's coding cannot be taken off."""


class TooLargeError(UndecodableError):
    """Tell that a body becomes larger than is taken."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it becomes larger than {limit} bytes")


def parse(body: bytes, content_encoding: str) -> Parsed:
    """Find the events in a body."""
    try:
        decoded = decode(body, content_encoding)
    except UndecodableError as error:
        return Parsed([], str(error))
    if not decoded.strip():
        return Parsed([], "it is empty")
    found = slicing.objects_of(decoded)
    if found is None:
        return Parsed([], "it is no JSON object or list of objects")
    if not found:
        return Parsed([], "it holds no event")
    if len(found) > MOST_EVENTS:
        return Parsed([], f"it holds more than {MOST_EVENTS} events")
    return Parsed(found, beside=slicing.beside_events(decoded))


def decode(body: bytes, content_encoding: str, *, limit: int = MAX_DECODED_BYTES) -> bytes:
    """Take the codings off that a `Content-Encoding` names, the last one first (RFC 9110, 8.4).

    Raises:
        UndecodableError: a coding is unknown or broken, or more than `limit` bytes come out.
    """
    codings = [each.strip().lower() for each in content_encoding.split(",") if each.strip()]
    if len(codings) > _MOST_CODINGS:
        raise UndecodableError("it is coded more than four times")
    for coding in reversed(codings):
        if coding in ("gzip", "x-gzip", "deflate"):
            body = _inflate(body, is_deflate=coding == "deflate", limit=limit)
        elif coding != "identity":
            raise UndecodableError("its coding is not known")
    return body


def _inflate(body: bytes, *, is_deflate: bool, limit: int) -> bytes:
    """Decompress every member; `deflate` means zlib's form, and some send it without its frame."""
    window = _GZIP_OR_ZLIB
    found = b""
    rest = body
    for _ in range(_MOST_MEMBERS):
        if not rest:
            return found
        inflater = zlib.decompressobj(window)
        try:
            found += inflater.decompress(rest, limit + 1 - len(found))
        except zlib.error as error:
            if is_deflate and not found and window == _GZIP_OR_ZLIB:
                window = -zlib.MAX_WBITS
                continue
            raise UndecodableError("its compression is broken") from error
        if len(found) > limit:
            raise TooLargeError(limit)
        if not inflater.eof:
            raise UndecodableError("its compression ends too soon")
        rest = inflater.unused_data.lstrip(b"\0")
    raise UndecodableError("its compression has too many parts")
