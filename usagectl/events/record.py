"""Recorded events and their JSON Lines form: what `export`, `replay --file` and captures hold.

`{"uid":…,"time":…,"tool":…,"kind":…,"event":{…}}`. `kind` is the event's name. An event that was
recorded while its user let usagectl send has one more member, `consent`: which consent that was.
Further members stand before `event`, which is last, so that its exact bytes can be sliced.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVENT_KEY = b',"event":'
_RANDOM_BYTES = 10
_48_BITS = (1 << 48) - 1
_VARIANTS = "89ab" * 4


class Record(NamedTuple):
    """One recorded event: its labels and its exact bytes."""

    uid: str  # A UUIDv7.
    time: str  # When it was recorded, ISO 8601 with its zone.
    tool: str
    kind: str  # The event's name.
    event: bytes
    consent: str = ""  # The one to send it, if there was one.


def new_record(
    event: bytes,
    *,
    tool: str,
    kind: str,
    consent: str = "",
    now: datetime,
    entropy: Callable[[int], bytes],
) -> Record:
    """Label an event that is recorded now."""
    time = now.isoformat(timespec="microseconds")
    return Record(build_uid(now, entropy), time, tool, kind, event, consent)


def build_uid(now: datetime, entropy: Callable[[int], bytes]) -> str:
    """Build a UUIDv7: milliseconds since 1970, then random bits (RFC 9562, section 5.7)."""
    start = f"{int(now.timestamp() * 1000) & _48_BITS:012x}"
    drawn = entropy(_RANDOM_BYTES).hex()
    variant = _VARIANTS[int(drawn[3], 16)]
    return f"{start[:8]}-{start[8:]}-7{drawn[:3]}-{variant}{drawn[4:7]}-{drawn[7:19]}"


def to_line(record: Record, members: Mapping[str, object] | None = None) -> bytes:
    """Write a record as one line, without a line end; further members stand before the event."""
    labels = {"uid": record.uid, "time": record.time, "tool": record.tool, "kind": record.kind}
    if record.consent:
        labels["consent"] = record.consent
    head = json.dumps({**labels, **(members or {})}, separators=(",", ":")).encode("ascii")
    return b"%b%b%b}" % (head[:-1], EVENT_KEY, record.event)


def parse_line(line: bytes) -> Record | None:
    """Read a line with or without its line end; None when it is torn or of another form."""
    from usagectl.events.slicing import REFUSED  # it loads msgspec: few commands read lines

    line = line.rstrip(b"\r\n")
    try:
        str(line, "utf-8")  # msgspec does not look into an event that it slices.
        found = _line_decoder().decode(line)
    except REFUSED:
        return _parse_slowly(line)
    event = bytes(found.event)
    is_last = line.endswith(EVENT_KEY + event + b"}") and event.startswith(b"{")
    record = Record(found.uid, found.time, found.tool, found.kind, event, found.consent)
    return record if is_last else None


@cache
def _line_decoder() -> Any:  # noqa: ANN401
    import msgspec  # as above

    members: list[Any] = [(name, str) for name in ("uid", "time", "tool", "kind")]
    members += [("event", msgspec.Raw), ("consent", str, "")]
    return msgspec.json.Decoder(msgspec.defstruct("Line", members))


def _parse_slowly(line: bytes) -> Record | None:
    """Read what is JSON and msgspec refuses: half of a surrogate pair, as an escape."""
    head, key, rest = line.partition(EVENT_KEY)
    if b"\\u" not in line or not key or not rest.startswith(b"{"):
        return None
    try:
        labels = _decoder.decode(str(head, "utf-8") + "}")
        event, end = _decoder.raw_decode(str(rest, "utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(labels, dict) or not isinstance(event, dict):
        return None
    members: list[Any] = [labels.get(name) for name in ("uid", "time", "tool", "kind")]
    members.append(labels.get("consent", ""))
    if str(rest, "utf-8")[end:] != "}" or not all(isinstance(each, str) for each in members):
        return None
    uid, time, tool, kind, consent = members
    return Record(uid, time, tool, kind, rest[:-1], consent)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
"""As strict as msgspec: it knows no NaN, and a number of any length."""


def parse_time(text: str) -> datetime | None:
    """Read an instant, None if the text is not one; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def in_utc(time: str) -> str:
    """Write an instant in UTC, to the second; empty where it is not one."""
    found = parse_time(time)
    if found is None:
        return ""
    try:
        return found.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds")
    except OverflowError:  # The first hours of the year 1, or the last of 9999, elsewhere.
        return ""
