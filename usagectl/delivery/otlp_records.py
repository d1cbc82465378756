"""Log records of OpenTelemetry, made of events: which member goes where, in which kind of value.

An event's details are attributes and its body stays empty, as the conventions for events want it
(opentelemetry.io/docs/specs/semconv/general/events); so nothing goes out twice either.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl.events.record import CLI_CMD, CLI_MEMBERS, format_client_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from usagectl.events.record import Record

    Version = Callable[[str], str]

_MOST_DEPTH = 24
"""Levels of a value; a receiver's protobuf gives a message up that has a hundred, three a level."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT64 = range(-(2**63), 2**63)
_MOST_NANOSECONDS = 2**64 - 1
UID = "log.record.uid"
SESSION_ID = "session.id"
METADATA = "metadata."
_GROUPS = (METADATA, "payload.", "event.")


class LogRecord(NamedTuple):
    """One event as OpenTelemetry models it."""

    time: int  # Nanoseconds since 1970; 0 where nobody tells.
    observed: int  # When it was recorded.
    name: str
    attributes: Mapping[str, object]
    body: str = ""  # Only of bytes that are no event: they go whole.


class Group(NamedTuple):
    """Log records of one resource."""

    service: str  # The tool.
    version: str  # Its version; empty where nobody tells.
    records: tuple[LogRecord, ...]


def group(records: Iterable[Record], version_of: Version) -> list[Group]:
    """Turn records into log records, and put those of one tool and version together."""
    found = []
    for record in records:
        document = parse(record.event)
        version = _version_in(record, document) or version_of(record.tool)
        found.append((_sound(record.tool), _sound(version), to_log_record(record, document)))
    found.sort(key=lambda each: each[:2])  # Stable: their order stays.
    return [
        Group(service, version, tuple(each[2] for each in these))
        for (service, version), these in groupby(found, key=lambda each: each[:2])
    ]


def _version_in(record: Record, document: object) -> str:
    """Read the version that an event has itself: by now the tool may be another one."""
    payload = document.get("payload") if isinstance(document, dict) else None
    if record.kind != CLI_CMD or not isinstance(payload, dict):
        return ""
    found = payload.get(CLI_MEMBERS[0])
    return found if isinstance(found, str) else ""


def to_log_record(record: Record, document: object) -> LogRecord:
    """Turn an event, and what its bytes say, into a log record."""
    observed = _nanoseconds(parse_time(record.time))
    uid = {UID: _sound(record.uid)}
    try:
        if isinstance(document, dict):
            return _describe(record, document, observed, uid)
    except RecursionError:  # It is as deep as Python can read, and not as deep as it can write.
        pass
    # A spool that people can edit may hold anything.
    text = record.event.decode("utf-8", "replace")
    return LogRecord(observed, observed, _sound(record.kind), uid, text)


def _describe(
    record: Record, document: Mapping[str, Any], observed: int, uid: Mapping[str, object]
) -> LogRecord:
    """Lay an event out: members of its payload become attributes of their names.

    Those of the metadata get `metadata.` before them, but for what OpenTelemetry has a place for.
    """
    name = document.get("name")
    time, metadata = _client_time(document)
    attributes = {**uid, **metadata, **dict(_details(document))}
    name = name if isinstance(name, str) and name else record.kind
    return LogRecord(time or observed, observed, _sound(name), _sound(attributes))


def parse(event: bytes) -> Any:  # noqa: ANN401  (any JSON)
    """Parse an event; a number that OpenTelemetry has no kind for stays the text that it was."""
    try:
        return json.loads(
            event, parse_int=_integer, parse_float=_float, parse_constant=lambda text: text
        )
    except (ValueError, RecursionError):
        return None


def _integer(text: str) -> int | str:
    number = int(text) if len(text) < 21 else 2**63  # noqa: PLR2004  (longer than any of 64 bits)
    return number if number in _INT64 else text


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _client_time(document: Mapping[str, Any]) -> tuple[int, dict[str, object]]:
    """Read the event's own time, and the rest of its metadata as attributes."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return 0, {} if metadata is None else {"metadata": metadata}
    rest = dict(metadata)
    written = rest.get("client_time")
    time = _parse_client_time(written) if isinstance(written, str) else None
    if time and _nanoseconds(time) and format_client_time(time) == written:
        del rest["client_time"]  # Else the attribute keeps what an instant cannot.
    found = {f"{METADATA}{key}": value for key, value in rest.items()}
    if isinstance(rest.get("session_id"), str):
        found[SESSION_ID] = found.pop(f"{METADATA}session_id")
    return _nanoseconds(time), found


def _parse_client_time(text: str) -> datetime | None:
    """Read a time; that of LocalStack's session events is in whole seconds since 1970."""
    if re.fullmatch(r"[0-9]{9,10}", text):
        return EPOCH + timedelta(seconds=int(text))
    return parse_time(text)


def _details(document: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the members of the payload, and members of the event that no protocol knows."""
    for key, value in document.items():
        if key == "payload" and isinstance(value, dict):
            yield from ((_name_of(name), each) for name, each in value.items())
        elif key != "metadata" and not (key == "name" and isinstance(value, str)):
            yield f"event.{key}", value


def _name_of(member: str) -> str:
    """Name the attribute of a payload's member: its own name, unless that says something else."""
    is_taken = member in ("", UID, SESSION_ID) or member.startswith(_GROUPS)
    return f"payload.{member}" if is_taken else member


def _nanoseconds(time: datetime | None) -> int:
    """Return nanoseconds since 1970; 0, which stands for none, where they do not fit."""
    if time is None:
        return 0
    found = (time - EPOCH) // _MICROSECOND * 1000
    return found if 0 < found <= _MOST_NANOSECONDS else 0


def _sound(value: Any, depth: int = 1) -> Any:  # noqa: ANN401  (any JSON)
    """Make a value one that every receiver takes.

    Half a surrogate pair has no bytes. A value that is nested too deeply becomes its JSON, and a
    null in an array the text `null`: the JSON of real receivers knows it among members alone.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if not isinstance(value, dict | list):
        return value
    if depth > _MOST_DEPTH:
        return json.dumps(value)
    if isinstance(value, dict):
        return {_sound(key): _sound(each, depth + 1) for key, each in value.items()}
    return ["null" if each is None else _sound(each, depth + 1) for each in value]


def resource_attributes(found: Group) -> dict[str, object]:
    """Describe the tool alone: no host, no process, no ID of this machine."""
    attributes: dict[str, object] = {"service.name": found.service}
    if found.version:
        attributes["service.version"] = found.version
    return attributes


def members_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """List event, group and name of each member that a body in JSON holds."""
    for logs in document["resourceLogs"]:
        for record in logs["scopeLogs"][0]["logRecords"]:
            yield record["eventName"], "metadata", "client_time"
            for each in record["attributes"]:
                key = each["key"].removeprefix(METADATA)
                if key == SESSION_ID:
                    yield record["eventName"], "metadata", "session_id"
                elif key != UID:
                    is_detail = key == each["key"]
                    yield record["eventName"], "payload" if is_detail else "metadata", key
