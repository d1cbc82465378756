"""Tests of how a body's coding is taken off, and where that ends."""

from __future__ import annotations

import gzip
import resource
import zlib

import pytest

from usagectl.capture import bodies

BODY = b'{"events":[{"name":"a"}]}'


def _raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        (" GZIP ", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", _raw_deflate(BODY)),
        ("gzip, deflate", zlib.compress(gzip.compress(BODY))),
        ("gzip", gzip.compress(BODY[:5]) + gzip.compress(BODY[5:])),
    ],
)
def test_a_coding_is_taken_off(encoding: str, body: bytes) -> None:
    """What a client may use comes out as it went in; the last coding is taken off first."""
    assert bodies.decode(body, encoding) == BODY
    assert bodies.parse(body, encoding).events == [b'{"name":"a"}']


@pytest.mark.parametrize(
    ("encoding", "body", "problem"),
    [
        ("br", BODY, "not known"),
        ("gzip", BODY, "broken"),
        ("gzip", gzip.compress(BODY)[:-9], "too soon"),
        ("deflate", b"\x00garbage", "broken"),
        ("gzip," * 5, BODY, "four times"),
        ("", b"", "empty"),
        ("", b"nonsense", "no JSON"),
    ],
)
def test_what_cannot_be_read_says_why(encoding: str, body: bytes, problem: str) -> None:
    """Nothing raises: the body is kept, with the reason."""
    found = bodies.parse(body, encoding)
    assert found.events == []
    assert problem in found.problem


def test_a_bomb_ends_at_the_limit() -> None:
    """A small body that becomes enormous is refused before it is there, in every layer."""
    bomb = gzip.compress(bytes(200_000_000), 9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for body, encoding in ((bomb, "gzip"), (gzip.compress(bomb), "gzip, gzip")):
        assert "larger" in bodies.parse(body, encoding).problem
    with pytest.raises(bodies.TooLargeError):
        bodies.decode(gzip.compress(b"123456"), "gzip", limit=5)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 4 * bodies.MAX_DECODED_BYTES // 1024
