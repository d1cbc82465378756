"""Tests of the events that are read back from OpenTelemetry logs of usagectl's own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.support.contract import AWS_REQUEST, CLI_CMD
from tests.support.machine import NOW
from tests.support.otlp_reading import BOTH, JSON, PROTOBUF
from tests.support.spooling import make_record
from tests.test_delivery_otlp import KINDS, expected
from tests.test_same_bytes import generate
from usagectl.capture import decoding, records
from usagectl.capture.records import Privacy, Request
from usagectl.delivery import otlp, otlp_reading
from usagectl.delivery.otlp_records import group

if TYPE_CHECKING:
    from collections.abc import Iterable

    from usagectl.delivery.otlp_reading import Delivered


def compact(event: object) -> bytes:
    """Write an event as clients do."""
    return json.dumps(event, separators=(",", ":")).encode()


def encode(events: Iterable[bytes], encoding: str, *, tool: str = "tool") -> bytes:
    """Write events as one request."""
    records = [make_record(event, tool=tool) for event in events]
    groups = group(records, lambda name: {"tool": "1.0"}.get(name, ""))
    return otlp.encode_json(groups) if encoding == JSON else otlp.encode_protobuf(groups)


def read(body: bytes, encoding: str) -> list[Delivered] | None:
    """Read a request as a capture does."""
    is_json = encoding == JSON
    return otlp_reading.read(
        body, body if is_json else decoding.otlp_as_json(body, "logs", is_grpc=False)
    )


@pytest.mark.parametrize("encoding", BOTH)
def test_events_come_back_as_the_bytes_that_were_spooled(encoding: str) -> None:
    """Events of the notice, of several tools in one request, are what they were, to the byte."""
    events = [compact(CLI_CMD), compact(AWS_REQUEST)]
    assert read(encode(events, encoding), encoding) == [("tool", each) for each in events]
    assert read(encode(events, encoding, tool="other"), encoding) == [
        ("other", each) for each in events
    ]


@pytest.mark.parametrize("encoding", BOTH)
def test_odd_events_come_back_with_their_values(encoding: str) -> None:
    """Names, groups, nulls, numbers, depths: each value is what the mapping makes of it."""
    events = [*map(compact, KINDS), *generate(60)]
    for event in events:
        found = read(encode([event], encoding), encoding)
        assert found, event
        wanted: dict[str, Any] = {"metadata": {}, "payload": {}, **json.loads(event)}
        got = json.loads(found[0].event)
        got["metadata"].pop("client_time", None)
        wanted["metadata"].pop("client_time", None)
        assert _text(expected(got)) == _text(expected(wanted)), event


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def test_whatever_holds_more_is_not_read() -> None:
    """A message with anything that usagectl does not write is none of its own."""
    body = encode([compact(CLI_CMD), compact(AWS_REQUEST)], JSON)
    for old, new in (
        (b'"name":"usagectl"', b'"name":"another"'),
        (b'"severityNumber":9', b'"severityNumber":9,"traceId":"00"'),
        (b'"severityNumber":9', b'"severityNumber":17'),
        (b'{"attributes":[', b'{"attributes":[{"key":"host.name","value":{"stringValue":"h"}},'),
        (b'"intValue"', b'"bytesValue"'),
        (b'"log.record.uid"', b'"log.record.UID"'),
        (b"{", b"{ "),
        (b'"stringValue":"tool"', b'"stringValue":"Tool of alice"'),
        (b'{"stringValue":"tool"}', b'{"kvlistValue":{"values":[]}}'),
        (b'"stringValue":"1.0"', b'"stringValue":"1.0 /home/alice"'),
        (b'"version":"', b'"version":"alice laptop '),
        (b'"observedTimeUnixNano":"1', b'"observedTimeUnixNano":"7'),
        (b'log.record.uid","value":{"stringValue":"', b'log.record.uid","value":{"stringValue":"x'),
    ):
        changed = body.replace(old, new, 1)
        assert changed != body
        assert read(changed, JSON) is None, new
    message = ExportLogsServiceRequest.FromString(encode([compact(CLI_CMD)], PROTOBUF))
    message.resource_logs[0].scope_logs[0].log_records[0].trace_id = b"0" * 16
    for each in (
        message.SerializeToString(),
        encode([compact(CLI_CMD)], PROTOBUF) + b"\xa8\x01\x01",
    ):
        assert read(each, PROTOBUF) is None
    for each in (
        b"",
        b"{}",
        b"[]",
        b'{"resourceLogs":[]}',
        b'{"resourceLogs":[{}]}',
        b"[" * 10_000,
    ):
        assert read(each, JSON) is None


def test_a_later_release_is_read_too() -> None:
    """The scope's version is that of the usagectl that sent."""
    body = encode([compact(CLI_CMD)], JSON)
    scope = body.index(b'"scope":')
    start = body.index(b'"version":"', scope) + len(b'"version":"')
    later = body[:start] + b"9.9" + body[body.index(b'"', start) :]
    assert read(later, JSON) == [("tool", compact(CLI_CMD))]


def test_a_message_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits meanwhile, and each event becomes a line."""
    body = encode([compact(CLI_CMD)] * 3, JSON)
    about = Request("POST", "/v1/logs", "", {"content-type": "application/json"}, body)

    def names() -> list[str]:
        _, arrival = records.build(about, now=NOW, entropy=os.urandom, privacy=Privacy())
        return arrival.names

    assert names() == ["cli_cmd"] * 3
    monkeypatch.setattr(records, "MOST_EVENTS", 2)
    assert names() != ["cli_cmd"] * 3
    monkeypatch.setattr(otlp_reading, "_MOST_BYTES", len(body) - 1)
    assert read(body, JSON) is None
