"""Log records of OpenTelemetry as a receiver reads them, by opentelemetry-proto's own classes."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    from tests.support.endpoint import Received

PROTOBUF, JSON = "http/protobuf", "http/json"
BOTH = (PROTOBUF, JSON)


def parse(request: Received) -> ExportLogsServiceRequest:
    """Parse a request by its headers alone; a name that the protocol does not know fails."""
    body = request.body
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    found = ExportLogsServiceRequest()
    if request.headers["Content-Type"] == "application/json":
        json_format.Parse(body, found)
    else:
        assert request.headers["Content-Type"] == "application/x-protobuf"
        found.ParseFromString(body)
    return found


def records_of(requests: Iterable[Received]) -> Iterator[tuple[dict[str, Any], LogRecord]]:
    """Yield each log record with the attributes of its resource."""
    for request in requests:
        for logs in parse(request).resource_logs:
            for scope in logs.scope_logs:
                assert scope.scope.name == "usagectl"
                yield from ((members(logs.resource.attributes), each) for each in scope.log_records)


def members(found: Iterable[KeyValue]) -> dict[str, Any]:
    """Turn attributes into a dictionary."""
    pairs = [(each.key, value_of(each.value)) for each in found]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def value_of(found: AnyValue) -> Any:  # noqa: ANN401  (any JSON)
    """Turn a value into Python's."""
    kind = found.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value_of(each) for each in found.array_value.values]
    if kind == "kvlist_value":
        return members(found.kvlist_value.values)
    return getattr(found, kind)
