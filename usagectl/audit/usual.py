"""Own the quick reading of events of the usual build, many at once.

That is an event of a name, metadata and a payload, by itself or in a line of the spool or
of a capture. The payload stays bytes, so that one that was in order before need not be
read again. Whatever is built otherwise is not read here. It must not know rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from usagectl.audit.repeats import may_repeat
from usagectl.events.slicing import REFUSED

if TYPE_CHECKING:
    from collections.abc import Sequence


class Event(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Hold an event, its payload as it was written."""

    name: str
    metadata: dict[str, object]
    payload: msgspec.Raw


class Record(
    msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """Hold one line; what only a capture has may be missing."""

    uid: str
    time: str
    tool: str
    kind: str
    consent: str = ""
    request: str = ""
    method: str = ""
    path: str = ""
    headers: dict[str, str] | None = None
    withheld: list[str] | None = None
    masked: list[str] | None = None
    event: Event


MEMBERS = Event.__struct_fields__
_PLAIN = b'{"name"'
_events = msgspec.json.Decoder(Event)
_records = msgspec.json.Decoder(Record)
_payload = msgspec.json.Decoder(dict[str, object])


def read(lines: bytes) -> Sequence[Event | Record] | None:
    """Read lines that are all of one kind.

    None unless each is such an event or record, and no name stands twice around a payload.
    """
    found: Sequence[Event | Record]
    try:
        if lines.startswith(_PLAIN):
            found = _events.decode_lines(lines)
        else:
            found = _records.decode_lines(lines)
    except REFUSED:
        return None
    return None if may_repeat(lines, found) else found


def read_payload(text: bytes) -> dict[str, object] | None:
    """Read a payload; None when it is no object, or when a name may stand in it twice."""
    try:
        found = _payload.decode(text)
    except REFUSED:
        return None
    return None if may_repeat(text, [found]) else found


def write(each: Event | Record) -> bytes:
    """Write one again as a line without its end, the payload byte for byte."""
    return msgspec.json.encode(each)
