"""Lines that a program of ours never writes."""

from __future__ import annotations

from tests.support.spooling import make_record
from usagectl.events.record import to_line

CANARY = "canary-7f"
EVENT = b'{"name":"cli_cmd","metadata":{},"payload":{"cmd":"canary-7f"}}'


def make_line(event: bytes = EVENT, **labels: str) -> bytes:
    """Build a line with labels of the test's choosing, its line end included."""
    return to_line(make_record(event, **labels)) + b"\n"


HOSTILE = {
    "torn": make_line()[:60],
    "torn without its end": make_line()[:-3],
    "foreign": b"hello\n",
    "empty lines": b"\n\n\n",
    "nul": b"\0" * 4096 + b"\n",
    "no event": b'{"uid":"u","time":"t","tool":"t","kind":"k"}\n',
    "an event that is no object": make_line(b"[1]"),
    "two events": make_line()[:-2] + b',"event":{}}\n',
    "not utf-8": make_line(b'{"a":"\xff"}'),
    # Deeper than any Python follows: 3.13 takes ten thousand.
    "deep": make_line(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "half a header": b'{"at":"x"\n',
    "a header of other types": b'{"at":1,"to":[],"status":"x"}\n',
    "escapes": make_line(tool="\x1b[31m\u202e", kind="a\nFORGED", uid="\x9b\x07\r"),
    "no instant": make_line(time="yesterday\x1b[2J"),
    "an instant before all": make_line(time="0001-01-01T00:00:00+14:00"),
    "huge": make_line(b'{"a":"' + b"x" * 3_000_000 + b'"}'),
    "a huge name": make_line(kind="k" * 300_000),
    "a huge number": make_line(b'{"a":' + b"1" * 5000 + b"}"),
    "no number": make_line(b'{"a":NaN}'),
    "a member twice": make_line(b'{"a":1,"a":2}'),
}
"""Lines that no writer of ours leaves, or that would hurt whoever shows them as they are."""

FOREIGN = [
    b"[]",
    b"null",
    b'{"event":{}}',
    b'{"uid":1,"time":"t","tool":"usagectl","kind":"k","event":{}}',
    b'{"uid":"u","time":"t","tool":null,"kind":"k","event":{}}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":[]}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":{},"x":1}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":{},"x":{}}',
    b'["uid","event":{}}',
    b'{"uid":"u","a":' + b"[" * 100_000 + b',"event":{}}',
    make_line(b'{"a":"\xed\xa0\x80"}'),
    make_line(b'{"a":"\0"}'),
    make_line(b'{"a":-Infinity}'),
    make_line(b'\xef\xbb\xbf{"a":1}'),
    make_line(b'{"a":%b%b}' % (b"[" * 100_000, b"]" * 100_000)),
    b"x" * 5_000_000,
    make_line()[:-1] + b"\r" + make_line()[:-1],
]
"""More lines that are not records, whichever way they are read."""
