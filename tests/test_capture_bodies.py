"""Tests of how a body's coding is taken off, and where that ends."""

from __future__ import annotations

import gzip
import resource
import zlib

import pytest

from usagectl.capture import bodies

BODY = b'{"events":[{"name":"a"}]}'


def packed(data: bytes) -> bytes:
    """Compress; the same bytes whenever it is done, since they name a test."""
    return gzip.compress(data, mtime=0)


def _raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", packed(BODY)),
        ("x-gzip", packed(BODY)),
        (" GZIP ", packed(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", _raw_deflate(BODY)),
        ("gzip, deflate", zlib.compress(packed(BODY))),
        ("gzip", packed(BODY[:5]) + packed(BODY[5:])),
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
        ("gzip", packed(BODY)[:-9], "too soon"),
        ("deflate", b"\x00garbage", "broken"),
        pytest.param("gzip", packed(b"") * 60_000, "too many parts", id="parts"),
        ("gzip," * 5, BODY, "four times"),
        ("", b"", "empty"),
        ("", b"nonsense", "no JSON"),
        ("", b'{"events":[]}', "no event"),
        pytest.param("", b"[" + b"{}," * 20_000 + b"{}]", "more than", id="many"),
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


@pytest.mark.parametrize(
    ("body", "beside"),
    [
        (b'{"events":[{"name":"a"}]}', b""),
        (b'{"events":[{"name":"a"}],"host":"h"}', b'{"host":"h"}'),
        (b'{"home" : [1, 2] ,"events":[{"name":"a"}]}', b'{"home":[1, 2]}'),
        (b'{"events":[{"name":"b"}],"events":[{"name":"a"}]}', b'{"events":[{"name":"b"}]}'),
        (b'[{"name":"a"}]', b""),
        (b'{"name":"a","events":1}', b""),
    ],
)
def test_what_stands_beside_the_events_is_found(body: bytes, beside: bytes) -> None:
    """A body may hold more than its events; it is evidence as they are."""
    assert bodies.parse(body, "").beside == beside
