"""Events as OpenTelemetry logs over HTTP: one log record an event, in protobuf or JSON."""

from __future__ import annotations

import gzip
import json
import math
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from usagectl._version import __version__
from usagectl.delivery import otlp_options
from usagectl.delivery.otlp_records import group, parse, resource_attributes
from usagectl.delivery.requests import Refusal, Wire, assemble
from usagectl.events.record import format_client_time, new_record
from usagectl.sensitive import MASK
from usagectl.settings import OWN_NAME
from usagectl.tools import instrumented
from usagectl.tools.base import RANK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from usagectl.consent import Consent
    from usagectl.delivery.otlp_options import Encoding, OtlpOptions
    from usagectl.delivery.otlp_records import Group, LogRecord, Version
    from usagectl.delivery.requests import Answer, Post
    from usagectl.events.record import Record
    from usagectl.machine.environment import Environment
    from usagectl.spool import Batch

_CONTENT_TYPES: Mapping[Encoding, str] = {
    "http/protobuf": "application/x-protobuf",
    "http/json": "application/json",
}
_RETRIED = frozenset({429, 502, 503, 504})
"""The statuses that are tried again (opentelemetry.io/docs/specs/otlp, OTLP/HTTP response)."""

_FIRST_REFUSAL = 400
_INFO = 9
"""The severity of every event: the conventions ask for one, and none of ours tells of a fault."""

STATUS_EVENT = "usagectl.status"
"""The name of the log record that says what one tool's switches come to."""

_SERVICE = "collector.logs.v1.logs_service"
_TOKEN = "api_key"  # noqa: S105  (a name)


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
        self.remarks, self.tls = options.remarks, options.tls
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
    document = parse(record.event)
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


def encode_json(groups: Iterable[Group], *, scope_version: str = __version__) -> bytes:
    """Write log records in OTLP's JSON: names in camelCase, 64-bit numbers as texts."""
    document = {
        "resourceLogs": [
            {
                "resource": {"attributes": _json_members(resource_attributes(each))},
                "scopeLogs": [
                    {
                        "scope": {"name": OWN_NAME, "version": scope_version},
                        "logRecords": [_json_record(record) for record in each.records],
                    }
                ],
            }
            for each in groups
        ]
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


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


def encode_protobuf(groups: Iterable[Group], *, scope_version: str = __version__) -> bytes:
    """Write log records in protobuf."""
    request = _message(_SERVICE, "ExportLogsServiceRequest")()
    for each in groups:
        logs = request.resource_logs.add()
        _fill(logs.resource.attributes, resource_attributes(each))
        scope = logs.scope_logs.add()
        scope.scope.name, scope.scope.version = OWN_NAME, scope_version
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
