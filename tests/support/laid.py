"""Own spools laid out by hand: records of any members, headers, segments of any state."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING

from tests.support.machine import NOW
from usagectl.spool import envelope, logs

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tests.support.machine import Machine

EVENT = b'{"name":"cli_cmd","metadata":{},"payload":{"cmd":"canary-7f"}}'
CANARY = "canary-7f"
FOLDERS = {"pending": ".", "sent": logs.SENT, "rejected": logs.REJECTED}


def record(
    event: bytes = EVENT,
    *,
    uid: str = "",
    time: datetime | str = NOW,
    tool: str = "usagectl",
    kind: str = "cli_cmd",
    consent: str = "",
) -> bytes:
    """Build a line whose members the test chooses, its line end included."""
    uid = uid or envelope.build_uid(NOW, os.urandom)
    text = time if isinstance(time, str) else time.isoformat()
    head = json.dumps({"uid": uid, "time": text}, separators=(",", ":")).encode()[:-1]
    return head + envelope.build_labels(tool, kind, consent) + event + b"}\n"


def header(
    status: int = 400,
    *,
    to: str = "https://h.example",
    answer: str = "no",
    at: str = "2026-11-23T07:00:00+00:00",
) -> bytes:
    """Build the line that stands before the events of one answer."""
    return logs.build_header(logs.Handover(at, to, status, answer))


def lay(machine: Machine, *texts: bytes, state: str = "pending", number: int = 1) -> Path:
    """Write a segment of a state; give its file."""
    folder = machine.state_dir / "spool" / FOLDERS[state]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{number:08d}.jsonl"
    file.write_bytes(b"".join(texts))
    return file


def make_events(count: int, *, seed: int = 1) -> list[bytes]:
    """Generate events whose bytes a second encoder would change: spaces, escapes, odd numbers."""
    chance = random.Random(seed)  # noqa: S311  (test data)
    odd = ["1.10", "1e3", "-0", '"é😀"', '"\\u00e9"', '"\\/"', '{"event":{"event":{}}}', "[ ]"]
    odd += ['"\u2028"', '"}}"', '",\\"event\\":{"', "12345678901234567890123"]
    return [
        f'{{"n": {number},"v":{chance.choice(odd)}, "w":{chance.choice(odd)}}}'.encode()
        for number in range(count)
    ]


HOSTILE = {
    "torn": record()[:60],
    "torn without its end": record()[:-3],
    "foreign": b"hello\n",
    "empty lines": b"\n\n\n",
    "nul": b"\0" * 4096 + b"\n",
    "no event": b'{"uid":"u","time":"t","tool":"t","kind":"k"}\n',
    "an event that is no object": record(b"[1]"),
    "two events": record()[:-2] + b',"event":{}}\n',
    "not utf-8": record(b'{"a":"\xff"}'),
    "deep": record(b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "half a header": b'{"at":"x"\n',
    "a header of other types": b'{"at":1,"to":[],"status":"x"}\n',
    "escapes": record(tool="\x1b[31m\u202e", kind="a\nFORGED", uid="\x9b\x07\r"),
    "no instant": record(time="yesterday\x1b[2J"),
    "an instant before all": record(time="0001-01-01T00:00:00+14:00"),
    "huge": record(b'{"a":"' + b"x" * 3_000_000 + b'"}'),
    "a huge name": record(kind="k" * 300_000),
    "a huge number": record(b'{"a":' + b"1" * 5000 + b"}"),
    "no number": record(b'{"a":NaN}'),
    "a member twice": record(b'{"a":1,"a":2}'),
}
"""Lines that no writer of ours leaves, or that would hurt whoever shows them as they are."""
