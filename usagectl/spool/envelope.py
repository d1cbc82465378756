"""Own the form of a line: a small envelope whose last member is the exact event bytes.

`{"uid":…,"time":…,"tool":…,"kind":…,"event":{…}}`. `kind` is the event's name. An
event that was recorded while its user let usagectl send has one more member,
`consent`: which consent that was. Knows nothing of files.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVENT_KEY = b',"event":'
UID_BYTES = 10
_TO_SECONDS = len("2026-11-23T09:00:00")
_NO_TIME = timedelta()
_SECOND = timedelta(seconds=1)
_48_BITS = (1 << 48) - 1
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
"""As strict as what delivers: it knows no NaN, and a number of any length."""


class Record(NamedTuple):
    """Hold one spooled event: its envelope's members and its exact bytes.

    Attributes:
        uid: a UUIDv7.
        time: when it was recorded, ISO 8601 with its zone.
        tool: whose event it is.
        kind: the event's name.
        event: the exact bytes.
        consent: under which consent to send it was recorded, empty without one.
    """

    uid: str
    time: str
    tool: str
    kind: str
    event: bytes
    consent: str = ""


def build_labels(tool: str, kind: str, consent: str = "") -> bytes:
    """Build the middle of an envelope, which is the same for many events."""
    return build_members({"tool": tool, "kind": kind, **({"consent": consent} if consent else {})})


def build_members(members: Mapping[str, object]) -> bytes:
    """Build the same of any members: what stands between the time and the event."""
    return b"," + json.dumps(members, separators=(",", ":")).encode()[1:-1] + EVENT_KEY


def build_line(
    event: bytes, labels: bytes, *, now: datetime, entropy: Callable[[int], bytes]
) -> bytes:
    """Build a whole line, its line end included."""
    return Assembler().build_line(event, labels, now=now, drawn=entropy(UID_BYTES).hex())


class Assembler:
    """Build many lines: what is the same within a second is built once."""

    def __init__(self) -> None:
        self._second = datetime.max.replace(tzinfo=UTC)
        self._text = self._zone = ""
        self._milliseconds = 0

    def build_line(self, event: bytes, labels: bytes, *, now: datetime, drawn: str) -> bytes:
        """Build a whole line with a uid of random digits that were drawn before."""
        if now.tzinfo is not self._second.tzinfo or not _NO_TIME <= now - self._second < _SECOND:
            self._begin_second(now)
        passed = (now - self._second).microseconds
        uid = _start_uid(self._milliseconds + passed // 1000) + _end_uid(drawn)
        head = f'{{"uid":"{uid}","time":"{self._text}.{passed:06d}{self._zone}"'
        return b"%b%b%b}\n" % (head.encode("ascii"), labels, event)

    def _begin_second(self, now: datetime) -> None:
        self._second = now.replace(microsecond=0)
        text = self._second.isoformat()
        self._text, self._zone = text[:_TO_SECONDS], text[_TO_SECONDS:]
        self._milliseconds = int(self._second.timestamp()) * 1000


def build_uid(now: datetime, entropy: Callable[[int], bytes]) -> str:
    """Build a UUIDv7: milliseconds since 1970, then random bits (RFC 9562, section 5.7)."""
    return _start_uid(int(now.timestamp() * 1000)) + _end_uid(entropy(UID_BYTES).hex())


def _start_uid(milliseconds: int) -> str:
    time = f"{milliseconds & _48_BITS:012x}"
    return f"{time[:8]}-{time[8:]}-7"


def _end_uid(drawn: str) -> str:
    return f"{drawn[:3]}-{_VARIANTS[drawn[3]]}{drawn[4:7]}-{drawn[7:19]}"


def parse_line(line: bytes) -> Record | None:
    """Read a line without its line end; None when it is torn or not of this form."""
    start = line.find(EVENT_KEY)
    if start < 0 or not line.endswith(b"}"):
        return None
    event = line[start + len(EVENT_KEY) : -1]
    try:
        envelope = _decoder.decode(str(line[:start], "utf-8") + "}")
        document = _decoder.decode(str(event, "utf-8"))
    except (ValueError, RecursionError):
        return None
    if not (event.startswith(b"{") and event.endswith(b"}")):
        return None
    if not isinstance(envelope, dict) or not isinstance(document, dict):
        return None
    members = [envelope.get(name, "") for name in ("uid", "time", "tool", "kind", "consent")]
    if not all(isinstance(member, str) for member in members) or not all(members[:4]):
        return None
    uid, time, tool, kind, consent = members
    return Record(uid, time, tool, kind, event, consent)


def uid_of(line: bytes) -> bytes:
    """Slice the uid out of a line; empty when there is none."""
    if not line.startswith(b'{"uid":"'):
        return b""
    end = line.find(b'"', 8)
    return line[8:end] if end > 0 and b" " not in line[8:end] else b""


def day_of(head: bytes) -> str:
    """Slice the day out of the first bytes of a line: `2026-11-23`; empty when there is none."""
    start = head.find(b'"time":"')
    return head[start + 8 : start + 18].decode("ascii", "replace") if start >= 0 else ""


def looks_whole(line: bytes) -> bool:
    """Tell a record from a torn line, nearly always without parsing it."""
    if not (line.startswith(b'{"uid":') and EVENT_KEY in line and line.endswith(b"}}")):
        return False
    return line.count(b"{") == line.count(b"}") or parse_line(line) is not None


def parse_time(text: str) -> datetime | None:
    """Read an instant of a line; None when it is none. Without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
