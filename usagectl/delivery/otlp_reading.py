"""Events rebuilt from OpenTelemetry logs that usagectl wrote: the way back of `otlp_records`.

Nothing is guessed: what is rebuilt is written again, and counts only if the same bytes come out.
What stands beside the events has to have its own form, in which nothing else can hide.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl.delivery import otlp
from usagectl.delivery.otlp_records import (
    EPOCH,
    METADATA,
    SESSION_ID,
    UID,
    Group,
    LogRecord,
    parse,
    to_log_record,
)
from usagectl.events.record import Record, format_client_time
from usagectl.tools.instrumented import NAME_LENGTH, NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NUMBERS: Mapping[str, type[int | float]] = {"intValue": int, "doubleValue": float}
_UUID_7 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_VERSION = re.compile(r"[0-9A-Za-z.+!_-]{0,64}")
_YEARS = range(2000, 2100)

_MOST_BYTES = 4 * 1024 * 1024
"""The size of a message that is still read: usagectl puts a MiB of events into one."""

_OTHER_FORM = "what stands beside the events is not of usagectl's form"


class Delivered(NamedTuple):
    """One event as it was delivered."""

    tool: str  # The service that its resource names.
    event: bytes  # As its log has it, in the form of an event.


def read(body: bytes, document: bytes) -> list[Delivered] | None:
    """Return the events of a request that usagectl wrote; None of any other, or a larger one.

    Args:
        body: the message as it came, without compression: protobuf or JSON.
        document: the same in JSON.
    """
    if len(body) > _MOST_BYTES:
        return None
    try:
        found = json.loads(document)
        version = found["resourceLogs"][0]["scopeLogs"][0]["scope"]["version"]
        groups = [_to_group(each) for each in found["resourceLogs"]]
        records = [[_to_record(group.service, each) for each in group.records] for group in groups]
        again = [
            group._replace(records=tuple(to_log_record(each, parse(each.event)) for each in these))
            for group, these in zip(groups, records, strict=True)
        ]
        encode = otlp.encode_json if body == document else otlp.encode_protobuf
        is_ours = _VERSION.fullmatch(version) and encode(again, scope_version=version) == body
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return None
    every = [each for these in records for each in these]
    return [Delivered(each.tool, each.event) for each in every] if is_ours else None


def _to_group(logs: Mapping[str, Any]) -> Group:
    resource = _members(logs["resource"]["attributes"])
    records = [_to_log_record(each) for each in logs["scopeLogs"][0]["logRecords"]]
    service, version = resource["service.name"], resource.get("service.version", "")
    is_name = re.fullmatch(NAME_PATTERN, service) and len(service) <= NAME_LENGTH
    if not (is_name and _VERSION.fullmatch(version)):
        raise ValueError(_OTHER_FORM)
    return Group(service, version, tuple(records))


def _to_log_record(found: Mapping[str, Any]) -> LogRecord:
    time, observed = (int(found.get(f"{name}UnixNano", 0)) for name in ("time", "observedTime"))
    return LogRecord(time, observed, found["eventName"], _members(found["attributes"]))


def _to_record(tool: str, found: LogRecord) -> Record:
    """Build the event of a log record: each attribute goes where `to_log_record` took it from."""
    event: dict[str, Any] = {"name": found.name, "metadata": {}, "payload": {}}
    for name, value in found.attributes.items():
        group, dot, member = name.partition(".")
        if name == SESSION_ID:
            event["metadata"]["session_id"] = value
        elif dot and group in ("metadata", "payload"):
            event[group][member] = value
        elif dot and group == "event":
            event[member] = value
        elif name == "metadata":
            event["metadata"] = value
        elif name != UID:
            event["payload"][name] = value
    if found.time and f"{METADATA}client_time" not in found.attributes:
        event["metadata"]["client_time"] = format_client_time(_instant(found.time))
    data = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
    uid, observed = found.attributes[UID], _instant(found.observed)
    if not (isinstance(uid, str) and _UUID_7.fullmatch(uid) and observed.year in _YEARS):
        raise ValueError(_OTHER_FORM)
    return Record(uid, observed.isoformat(), tool, found.name, data)


def _instant(nanoseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _members(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        each.get("key", ""): _value(each["value"]) if "value" in each else None for each in found
    }


def _value(found: Mapping[str, Any]) -> object:
    [(kind, value)] = found.items()
    if kind == "kvlistValue":
        return _members(value.get("values", ()))
    if kind == "arrayValue":
        return [_value(each) for each in value.get("values", ())]
    return _NUMBERS[kind](value) if kind in _NUMBERS else value
