"""Events as OpenTelemetry logs over HTTP: one log record an event, in protobuf or JSON.

An event's details are attributes and its body stays empty, as the conventions for events want it
(opentelemetry.io/docs/specs/semconv/general/events); so nothing goes out twice either.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl._version import __version__
from usagectl.delivery import otlp_options
from usagectl.delivery.requests import Refusal, Wire, assemble
from usagectl.events.record import CLI_CMD, CLI_MEMBERS, format_client_time, new_record, parse_time
from usagectl.sensitive import MASK
from usagectl.settings import OWN_NAME
from usagectl.tools import instrumented
from usagectl.tools.base import RANK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from usagectl.consent import Consent
    from usagectl.delivery.otlp_options import Encoding, OtlpOptions
    from usagectl.delivery.requests import Answer, Post
    from usagectl.events.record import Record
    from usagectl.machine.environment import Environment
    from usagectl.spool import Batch

    Version = Callable[[str], str]

_CONTENT_TYPES: Mapping[Encoding, str] = {
    "http/protobuf": "application/x-protobuf",
    "http/json": "application/json",
}
_RETRIED = frozenset({429, 502, 503, 504})
"""The statuses that are tried again (opentelemetry.io/docs/specs/otlp, OTLP/HTTP response)."""

_FIRST_REFUSAL = 400
_INFO = 9
"""The severity of every event: the conventions ask for one, and none of ours tells of a fault."""

_MOST_DEPTH = 24
"""Levels of a value; a receiver's protobuf gives a message up that has a hundred, three a level."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT64 = range(-(2**63), 2**63)
_MOST_NANOSECONDS = 2**64 - 1
STATUS_EVENT = "usagectl.status"
"""The name of the log record that says what one tool's switches come to."""

_SERVICE = "collector.logs.v1.logs_service"
_UID = "log.record.uid"
_SESSION_ID = "session.id"
_METADATA = "metadata."
_GROUPS = (_METADATA, "payload.", "event.")
_TOKEN = "api_key"  # noqa: S105  (a name)


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


def choose(environment: Environment) -> Otlp:
    """Return the protocol as OpenTelemetry's variables want it.

    Raises:
        OtlpUnavailableError: they ask for what usagectl, or this installation, cannot do.
    """
    options = otlp_options.read(environment.variables)
    otlp_options.check(options)

    @cache
    def version_of(tool: str) -> str:
        if tool == OWN_NAME:
            return __version__
        found = instrumented.read(environment, tool)
        return found.version if found else ""

    return Otlp(options, version_of)


class Otlp(Wire):
    """OTLP over HTTP (opentelemetry.io/docs/specs/otlp)."""

    name = "otlp"
    sessions_apart = False

    def __init__(
        self, options: OtlpOptions, version_of: Version, *, is_masked: bool = False
    ) -> None:
        self._options = options
        self._version_of = version_of
        self._is_masked = is_masked
        self.remarks = options.remarks
        self.attempt_seconds = options.timeout.total_seconds() or math.inf

    @property
    def encoding(self) -> Encoding:
        """Protobuf or JSON."""
        return self._options.encoding

    def masked(self) -> Otlp:
        """Return the same protocol, with values of headers and tokens of sessions masked."""
        return Otlp(self._options, self._version_of, is_masked=True)

    def build(self, batch: Batch, *, base: str, compress: bool = False) -> Post:
        """Build the request that carries a batch; the base is the whole URL."""
        records = (
            [_hide_token(each) for each in batch.records] if self._is_masked else batch.records
        )
        groups = group(records, self._version_of)
        is_json = self.encoding == "http/json"
        body = encode_json(groups) if is_json else encode_protobuf(groups)
        headers = self._options.headers
        if self._is_masked:
            headers = dict.fromkeys(headers, MASK)
        return assemble(
            base,
            body,
            content_type=_CONTENT_TYPES[self.encoding],
            more=headers,
            compress=compress or self._options.compression == "gzip",
        )

    def masks(self, batch: Batch) -> tuple[str, ...]:
        """Name the members that its requests hide."""
        hides = self._is_masked and any(_hide_token(each) is not each for each in batch.records)
        return (f"/payload/{_TOKEN}",) if hides else ()

    def is_refusal(self, status: int) -> bool:
        """True if a status refuses for good: all but the four that the protocol tries again."""
        return status >= _FIRST_REFUSAL and status not in _RETRIED

    def refuses_tracking(self, answer: Answer) -> bool:
        """Nothing in this protocol says that no more events are wanted."""
        del answer
        return False

    def read_refusal(self, answer: Answer) -> Refusal:
        """Read the partial success of a receiver that took a request but not all of its events."""
        return self._read(answer) if answer.is_success else Refusal()

    def words_of(self, answer: Answer) -> str:
        """Return what a partial success or a refusal says, else the text that came."""
        events, message = self._read(answer)
        if answer.is_success and events:
            return f"{events} of the request refused: {message}".removesuffix(": ")
        return message or super().words_of(answer)

    def _read(self, answer: Answer) -> Refusal:
        """Read number and message of an answer; a broken one says nothing."""
        if self.encoding == "http/protobuf":
            return _read_protobuf(answer)
        try:
            return _read_json(answer.body)
        except (ValueError, TypeError, AttributeError, RecursionError):
            return Refusal()


def _hide_token(record: Record) -> Record:
    """Mask the token of a session event, as a preview of the other protocol does."""
    document = _parse(record.event)
    payload = document.get("payload") if isinstance(document, dict) else None
    if record.kind != "session" or not isinstance(payload, dict) or not payload.get(_TOKEN):
        return record
    payload[_TOKEN] = MASK
    return record._replace(event=json.dumps(document).encode())


def status_records(
    verdicts: Iterable[Consent], *, now: datetime, entropy: Callable[[int], bytes]
) -> tuple[Record, ...]:
    """Turn verdicts of a status into one record a tool, which are delivered as events are.

    Each says name, version, verdict and the kind of switch that decided: no value, no path, and
    no name of a variable. Of several parts that one counts which sends most.
    """
    worst: dict[str, Consent] = {}
    for each in verdicts:
        before = worst.get(each.tool)
        if before is None or RANK[each.telemetry] > RANK[before.telemetry]:
            worst[each.tool] = each
    return tuple(_status_record(each, now=now, entropy=entropy) for each in worst.values())


def _status_record(found: Consent, *, now: datetime, entropy: Callable[[int], bytes]) -> Record:
    payload = {
        "tool": found.tool,
        "version": found.installation.version,
        "telemetry": found.shown,
        "decided_by": found.decided_by.source,
    }
    event = {
        "name": STATUS_EVENT,
        "metadata": {"client_time": format_client_time(now)},
        "payload": {key: value for key, value in payload.items() if value},
    }
    data = json.dumps(event, separators=(",", ":")).encode("ascii")
    return new_record(data, tool=OWN_NAME, kind=STATUS_EVENT, now=now, entropy=entropy)


def group(records: Iterable[Record], version_of: Version) -> list[Group]:
    """Turn records into log records, and put those of one tool and version together."""
    found = []
    for record in records:
        document = _parse(record.event)
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
    uid = {_UID: _sound(record.uid)}
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


def _parse(event: bytes) -> Any:  # noqa: ANN401  (any JSON)
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
    found = {f"{_METADATA}{key}": value for key, value in rest.items()}
    if isinstance(rest.get("session_id"), str):
        found[_SESSION_ID] = found.pop(f"{_METADATA}session_id")
    return _nanoseconds(time), found


def _parse_client_time(text: str) -> datetime | None:
    """Read a time; that of LocalStack's session events is in whole seconds since 1970."""
    if re.fullmatch(r"[0-9]{9,10}", text):
        return _EPOCH + timedelta(seconds=int(text))
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
    is_taken = member in ("", _UID, _SESSION_ID) or member.startswith(_GROUPS)
    return f"payload.{member}" if is_taken else member


def _nanoseconds(time: datetime | None) -> int:
    """Return nanoseconds since 1970; 0, which stands for none, where they do not fit."""
    if time is None:
        return 0
    found = (time - _EPOCH) // _MICROSECOND * 1000
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


def encode_json(groups: Iterable[Group]) -> bytes:
    """Write log records in OTLP's JSON: names in camelCase, 64-bit numbers as texts."""
    document = {
        "resourceLogs": [
            {
                "resource": {"attributes": _json_members(_resource_attributes(each))},
                "scopeLogs": [
                    {
                        "scope": {"name": OWN_NAME, "version": __version__},
                        "logRecords": [_json_record(record) for record in each.records],
                    }
                ],
            }
            for each in groups
        ]
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _resource_attributes(found: Group) -> dict[str, object]:
    """Describe the tool alone: no host, no process, no ID of this machine."""
    attributes: dict[str, object] = {"service.name": found.service}
    if found.version:
        attributes["service.version"] = found.version
    return attributes


def _json_record(record: LogRecord) -> dict[str, object]:
    found: dict[str, object] = {
        "timeUnixNano": str(record.time),
        "observedTimeUnixNano": str(record.observed),
        "severityNumber": _INFO,
        "eventName": record.name,
        "attributes": _json_members(record.attributes),
    }
    return {**found, "body": {"stringValue": record.body}} if record.body else found


def _json_members(members: Mapping[str, object]) -> list[dict[str, object]]:
    return [
        {"key": key} if value is None else {"key": key, "value": _json_value(value)}
        for key, value in members.items()
    ]


def _json_value(value: object) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _json_members(value)}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_json_value(each) for each in value]}}
    return {"stringValue": value}


def _message(module: str, name: str) -> Any:  # noqa: ANN401  (a class of protobuf's)
    return getattr(import_module(f"opentelemetry.proto.{module}_pb2"), name)


def encode_protobuf(groups: Iterable[Group]) -> bytes:
    """Write log records in protobuf."""
    request = _message(_SERVICE, "ExportLogsServiceRequest")()
    for each in groups:
        logs = request.resource_logs.add()
        _fill(logs.resource.attributes, _resource_attributes(each))
        scope = logs.scope_logs.add()
        scope.scope.name, scope.scope.version = OWN_NAME, __version__
        for record in each.records:
            _fill_record(scope.log_records.add(), record)
    return bytes(request.SerializeToString(deterministic=True))


def _fill_record(target: Any, record: LogRecord) -> None:  # noqa: ANN401  (protobuf's)
    target.time_unix_nano, target.observed_time_unix_nano = record.time, record.observed
    target.severity_number = _INFO
    target.event_name = record.name
    _fill(target.attributes, record.attributes)
    if record.body:
        target.body.string_value = record.body


def _fill(target: Any, members: Mapping[str, object]) -> None:  # noqa: ANN401  (protobuf's)
    for key, value in members.items():
        member = target.add(key=key)
        if value is not None:
            _set(member.value, value)


def _set(target: Any, value: object) -> None:  # noqa: ANN401  (protobuf's)
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, dict):
        target.kvlist_value.SetInParent()
        _fill(target.kvlist_value.values, value)
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for each in value:
            _set(target.array_value.values.add(), each)
    else:
        target.string_value = value


def _read_json(body: bytes) -> Refusal:
    document = json.loads(body)
    found = document.get("partialSuccess") or {}
    message = found.get("errorMessage") or document.get("message") or ""
    return Refusal(max(int(found.get("rejectedLogRecords") or 0), 0), str(message))


def _read_protobuf(answer: Answer) -> Refusal:
    """Read what came for a request that was taken, or the `google.rpc.Status` of a refusal."""
    try:
        if answer.is_success:
            response = _message(_SERVICE, "ExportLogsServiceResponse")
            found = response.FromString(answer.body).partial_success
            return Refusal(max(found.rejected_log_records, 0), found.error_message)
        # A status has its message in the same place, and its class is in another distribution.
        status = _message(_SERVICE, "ExportLogsPartialSuccess").FromString(answer.body)
        return Refusal(0, status.error_message)
    except import_module("google.protobuf.message").DecodeError:
        return Refusal()


def to_json(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a body of ours as JSON, for people who look at it before it is sent."""
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    if headers["Content-Type"] == _CONTENT_TYPES["http/json"]:
        return body
    message = _message(_SERVICE, "ExportLogsServiceRequest").FromString(body)
    written = import_module("google.protobuf.json_format").MessageToJson(message, indent=None)
    return str(written).encode()


def members_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """List event, group and name of each member that a body in JSON holds."""
    for logs in document["resourceLogs"]:
        for record in logs["scopeLogs"][0]["logRecords"]:
            yield record["eventName"], "metadata", "client_time"
            for each in record["attributes"]:
                key = each["key"].removeprefix(_METADATA)
                if key == _SESSION_ID:
                    yield record["eventName"], "metadata", "session_id"
                elif key != _UID:
                    is_detail = key == each["key"]
                    yield record["eventName"], "payload" if is_detail else "metadata", key
