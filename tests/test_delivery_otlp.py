"""Tests of events as OpenTelemetry logs: what arrives, what answers mean, who is asked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

from tests.support import endpoint as loopback
from tests.support.commands import run_inside
from tests.support.contract import AWS_REQUEST, CLI_CMD, SESSION_PAYLOAD
from tests.support.delivering import fill, register, send, states
from tests.support.endpoint import Endpoint, always, in_turn
from tests.support.machine import NOW, Machine
from tests.support.otlp_reading import BOTH, JSON, PROTOBUF, members, records_of
from tests.support.spooling import lay, make_record, put
from tests.test_same_bytes import generate
from usagectl import consent, spool
from usagectl._version import __version__
from usagectl.delivery import attempts, otlp, otlp_options, replay, sender
from usagectl.delivery.requests import Answer
from usagectl.delivery.transport import Transport
from usagectl.errors import UsagectlError
from usagectl.preview import preview
from usagectl.sensitive import MASK
from usagectl.settings import save
from usagectl.spool import ALL, Batch, Selection
from usagectl.tools import instrumented
from usagectl.tools.instrumented import Registration
from usagectl.tools.previews import PreviewWish
from usagectl.tools.registry import select

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.endpoint import Behaviour, Connection, Received
    from tests.support.machine import Machines, Outcome
    from usagectl.delivery.requests import Wire
    from usagectl.events.record import Record

ENDPOINT, PROTOCOL = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"
LOGS_ENDPOINT = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
OTLP = '[delivery]\nformat = "otlp"\n'

KINDS = (
    {
        "name": "session",
        "metadata": {"client_time": "x", "session_id": "s-1"},
        "payload": SESSION_PAYLOAD,
    },
    AWS_REQUEST,
    CLI_CMD,
    {"name": "seconds", "metadata": {"client_time": "1661870814"}, "payload": {}},
    {"name": "bare", "metadata": {}, "payload": {}},
    {
        "name": "odd",
        "metadata": {"a": [1]},
        "payload": {"": 1, "session.id": 2},
        "more": {"b": None},
    },
    {"name": "nested", "metadata": {}, "payload": {"l": [[], {}, [None, {"k": None}], True, -0.5]}},
    {"name": "numbers", "metadata": {}, "payload": {"n": [2**63 - 1, -(2**63), 2**63, 1e300, 0]}},
    {"name": "half", "metadata": {}, "payload": {"t": "\ud800 \u2028é\0", "\udcff": 1}},
)


def wire(machine: Machine, encoding: str = PROTOBUF, **variables: str) -> Wire:
    """Choose the protocol as a machine with some variables does."""
    environment = machine.environment(variables={PROTOCOL: encoding, **variables})
    return replay.wire_of(environment, "otlp")


def settings_file(machine: Machine, text: str) -> None:
    """Write the user's settings."""
    machine.config_dir.mkdir(parents=True, exist_ok=True)
    (machine.config_dir / "settings.toml").write_text(text)


def inside(machine: Machine, *words: str) -> Outcome:
    """Run a command line in this process, with the variables of a machine."""
    variables = {"HOME": str(machine.home), **machine.variables}
    return run_inside(machine.environment(variables=variables), *words)


def send_otlp(machine: Machine, there: Endpoint, encoding: str, **options: Any) -> Any:  # noqa: ANN401
    """Replay what waits to an endpoint, whose base has no path."""
    url = f"http://127.0.0.1:{there.port}/v1/logs"
    return send(machine, url, wire=wire(machine, encoding), **options)


def expected(value: Any, *, is_item: bool = False) -> Any:  # noqa: ANN401
    """Say what a value of an event is in OpenTelemetry's kinds of values."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {expected(key): expected(each) for key, each in value.items()}
    if isinstance(value, list):
        return [expected(each, is_item=True) for each in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return "null" if value is None and is_item else value


def as_event(record: Any) -> dict[str, Any]:  # noqa: ANN401  (a LogRecord)
    """Read an event back from a log record, by the words of the mapping."""
    found = members(record.attributes)
    event: dict[str, Any] = {"name": record.event_name, "metadata": {}, "payload": {}}
    del found["log.record.uid"]
    for key, value in found.items():
        if key == "session.id":
            event["metadata"]["session_id"] = value
        elif key.startswith("metadata."):
            event["metadata"][key.removeprefix("metadata.")] = value
        elif key.startswith("event."):
            event[key.removeprefix("event.")] = value
        else:
            event["payload"][key.removeprefix("payload.")] = value
    return event


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)  # To `==` a 1 is True, and 1.0.


def compare(records: Iterable[Record], requests: Iterable[Received]) -> None:
    """Hold every log record against its event, member by member."""
    arrived = {
        members(each.attributes)["log.record.uid"]: (r, each) for r, each in records_of(requests)
    }
    wrong = []
    for record in records:
        resource, found = arrived.pop(record.uid)
        event = json.loads(record.event)
        written = event.get("metadata", {}).get("client_time")
        back = as_event(found)
        if written and "client_time" not in back["metadata"]:
            time = datetime.fromtimestamp(found.time_unix_nano // 10**9, UTC)
            micro = found.time_unix_nano // 1000 % 10**6
            back["metadata"]["client_time"] = f"{time:%Y-%m-%d %H:%M:%S}.{micro:06}"
        observed = datetime.fromisoformat(record.time).timestamp()
        facts = (resource["service.name"], found.severity_number, found.HasField("body"))
        is_same = _text(back) == _text(expected(event)) and facts == (record.tool, 9, False)
        if not is_same or abs(found.observed_time_unix_nano / 1e9 - observed) > 1e-3:
            wrong.append((event, back, facts))
    assert (wrong, arrived) == ([], {})


@pytest.mark.parametrize("encoding", BOTH)
def test_every_member_arrives(machine: Machine, encoding: str) -> None:
    """Events of every kind, and odd ones: each member is there once, as OpenTelemetry has it."""
    bodies = [json.dumps(event).encode() for event in KINDS]
    bodies += [each for each in generate(150) if b'"v":12345' not in each]
    records = [
        make_record(body, kind=json.loads(body)["name"] or "x", tool=f"tool-{number % 3}")
        for number, body in enumerate(bodies)
    ]
    lay(machine, *records)
    with Endpoint() as there:
        result = send_otlp(machine, there, encoding, batch_size=100)
    assert (result.progress.sent, result.problem) == (len(records), None)
    assert {request.path for request in there.received} == {"/v1/logs"}
    compare(records, there.received)


@pytest.mark.parametrize("encoding", BOTH)
def test_a_resource_is_the_tool_alone(machine: Machine, encoding: str) -> None:
    """Name and version of the tool, the version an event has itself first; nothing of a machine."""
    register_version(machine, "mytool", "2.0")
    own = b'{"name":"cli_cmd","metadata":{},"payload":{"cmd":"x","params":[],"version":"1.5"}}'
    lay(machine, make_record(own, tool="mytool"), make_record(kind="x"))
    lay(machine, make_record(tool="mytool", kind="x"), make_record(tool="other", kind="x"))
    with Endpoint() as there:
        send_otlp(machine, there, encoding)
    found = [resource for resource, _ in records_of(there.received)]
    assert found == [
        {"service.name": "mytool", "service.version": "1.5"},
        {"service.name": "mytool", "service.version": "2.0"},
        {"service.name": "other"},
        {"service.name": "usagectl", "service.version": __version__},
    ]


def register_version(machine: Machine, name: str, version: str) -> None:
    """Register a tool that names its version."""
    instrumented.register(machine.environment(), Registration(name, version=version))


@pytest.mark.parametrize("encoding", BOTH)
def test_bytes_that_are_no_event_go_whole(machine: Machine, encoding: str) -> None:
    """What cannot be read, or is nested too deeply, stands in the body, or as the JSON it was."""
    deep = b"[" * 500 + b"]" * 500
    far = b"[" * 60 + b"]" * 60
    bodies = [b"{", b"[1]", b'\xff"', b'{"name":"e","payload":{"v":%b}}' % far]
    lay(machine, *(make_record(body, kind="k") for body in (*bodies, b'{"name":%b}' % deep)))
    with Endpoint() as there:
        assert send_otlp(machine, there, encoding).problem is None
    *broken, nested, deepest = [record for _, record in records_of(there.received)]
    assert [(each.event_name, each.body.string_value) for each in broken] == [
        ("k", "{"),
        ("k", "[1]"),
        ("k", '\ufffd"'),
    ]
    assert (nested.event_name, "[[[" in str(members(nested.attributes)["v"])) == ("e", True)
    assert deepest.event_name == "k"


# Answers.


def _answer(*, rejected: int = 0, message: str = "") -> bytes:
    found = logs_service_pb2.ExportLogsPartialSuccess(
        rejected_log_records=rejected, error_message=message
    )
    answer = logs_service_pb2.ExportLogsServiceResponse(partial_success=found)
    return bytes(answer.SerializeToString())


SOME = {
    PROTOBUF: _answer(rejected=2, message="too old\x1b."),
    JSON: b'{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old\\u001b."}}',
}
ALL_OF_THEM = {
    PROTOBUF: _answer(rejected=5),
    JSON: b'{"partialSuccess":{"rejectedLogRecords":5}}',
}
WARNED = {
    PROTOBUF: _answer(message="slow down"),
    JSON: b'{"partialSuccess":{"errorMessage":"slow down"}}',
}
EVENTS = 5
SENT, REJECTED = ("sent", None, 1), ("rejected", "events-rejected", 1)
TABLE: list[tuple[str, Behaviour, tuple[str, str | None, int]]] = [
    ("200 of nothing", always(200, b""), SENT),
    ("200 of garbage", always(200, b"\xff{"), SENT),
    ("200 that refuses tracking", always(200, b'{"track_events": false}'), SENT),
    ("202", always(202), SENT),
    *((f"{status}", always(status), REJECTED) for status in (400, 403, 500)),
    ("413 for one event", always(413), ("rejected", "events-rejected", 9)),
    ("301", always(301, location="https://x.test/a"), ("pending", "endpoint-redirects", 1)),
    ("429 for an hour", always(429, retry_after="3600"), ("pending", "endpoint-busy", 1)),
    ("503 with seconds", in_turn(always(503, retry_after="1"), always(200)), ("sent", None, 2)),
    ("reset, then well", in_turn(loopback.reset, always(200)), ("sent", None, 2)),
]


def test_four_statuses_are_tried_again(machine: Machine) -> None:
    """429, 502, 503 and 504, and no other one that refuses (OTLP/HTTP, response)."""
    otlp_wire = wire(machine)
    tried = [status for status in range(400, 600) if not otlp_wire.is_refusal(status)]
    assert tried == [429, 502, 503, 504]


def test_every_event_ends_in_one_place(tmp_path: Path) -> None:
    """Whatever the receiver answers, each event is there once, where the specification wants it."""

    def outcome_of(row: tuple[str, Behaviour, object]) -> object:
        name, behave, _ = row
        machine = Machine(tmp_path / name)
        bodies = fill(machine, EVENTS)
        with Endpoint(behave) as there:
            result = send_otlp(machine, there, PROTOBUF)
        (where,) = (
            state for state, each in states(machine).items() if sorted(each) == sorted(bodies)
        )
        code, requests = result.problem.code if result.problem else None, len(there.received)
        return where, code, requests

    with ThreadPoolExecutor(len(TABLE)) as pool:
        found = list(pool.map(outcome_of, TABLE))
    assert found == [expected for *_, expected in TABLE]


@pytest.mark.parametrize("encoding", BOTH)
def test_what_a_receiver_refuses_of_a_request_is_counted_and_told(
    machines: Machines, encoding: str
) -> None:
    """Some: nobody says which, so they stay with those that were sent; all: they are rejected."""
    table = {
        SOME[encoding]: ((3, 0, 2), "events-refused", "too old\x1b.", "sent"),
        ALL_OF_THEM[encoding]: ((0, 5, 0), "events-rejected", "", "rejected"),
        WARNED[encoding]: ((5, 0, 0), None, "slow down", "sent"),
    }
    found = {}
    for body in table:
        machine = machines()
        fill(machine, EVENTS)
        with Endpoint(always(200, body)) as there:
            result = send_otlp(machine, there, encoding)
        progress, problem = result.progress, result.problem
        numbers = (progress.sent, progress.rejected, progress.refused)
        (where,) = (state for state, each in states(machine).items() if len(each) == EVENTS)
        found[body] = (numbers, problem.code if problem else None, result.message, where)
        assert (len(there.received), result.kept) == (1, 0)
        with spool.open_spool(machine.environment()) as store:
            answers = {
                each.handover.answer for each in store.entries(spool.STATES) if each.handover
            }
        refused = progress.refused or progress.rejected
        told = f"{refused} of the request refused" if refused else ""
        assert all(told in each and result.message in each for each in answers)
    assert found == table


def test_a_refusal_is_kept_in_the_words_of_its_status(machine: Machine) -> None:
    """The body of a refusal is a `google.rpc.Status` in the request's encoding."""
    for encoding, body in ((PROTOBUF, b"\x08\x03\x12\x03bad"), (JSON, b'{"message":"bad"}')):
        answer = Answer(400, body)
        assert wire(machine, encoding).words_of(answer) == "bad"
        assert wire(machine, encoding).words_of(Answer(400, b"\x08{")) == "\x08{"
        assert wire(machine, encoding).words_of(Answer(200, b"")) == ""


@pytest.mark.parametrize("encoding", BOTH)
def test_a_request_that_is_too_large_is_split(machine: Machine, encoding: str) -> None:
    """413 halves a batch until it fits: each event arrives once."""
    fill(machine, 37)

    def behave(connection: Connection, request: Received) -> None:
        connection.answer(413 if len([*records_of([request])]) > 5 else 200, b"")

    with Endpoint(behave) as there:
        result = send_otlp(machine, there, encoding)
    taken = [each for each in there.received if len([*records_of([each])]) <= 5]
    numbers = [members(each.attributes)["n"] for _, each in records_of(taken)]
    assert (numbers, result.progress.sent) == ([*range(37)], 37)


# Variables, settings, consent.


def test_variables_say_how(machine: Machine) -> None:
    """That for logs goes first, an empty one counts as none, an odd one is ignored and told."""
    table: list[tuple[dict[str, str], tuple[object, ...]]] = [
        ({}, ("http/protobuf", {}, "none", 10.0, 0)),
        ({"PROTOCOL": "http/json"}, ("http/json", {}, "none", 10.0, 0)),
        (
            {"PROTOCOL": "http/json", "LOGS_PROTOCOL": "http/protobuf"},
            ("http/protobuf", {}, "none", 10.0, 0),
        ),
        ({"PROTOCOL": "http/json", "LOGS_PROTOCOL": ""}, ("http/json", {}, "none", 10.0, 0)),
        ({"PROTOCOL": "thrift"}, ("http/protobuf", {}, "none", 10.0, 1)),
        ({"COMPRESSION": "gzip"}, ("http/protobuf", {}, "gzip", 10.0, 0)),
        (
            {"COMPRESSION": "gzip", "LOGS_COMPRESSION": "none"},
            ("http/protobuf", {}, "none", 10.0, 0),
        ),
        ({"COMPRESSION": "zstd"}, ("http/protobuf", {}, "none", 10.0, 1)),
        ({"TIMEOUT": "1500"}, ("http/protobuf", {}, "none", 1.5, 0)),
        ({"TIMEOUT": "0"}, ("http/protobuf", {}, "none", 0.0, 0)),
        ({"TIMEOUT": "1.5"}, ("http/protobuf", {}, "none", 10.0, 1)),
        ({"TIMEOUT": "-1"}, ("http/protobuf", {}, "none", 10.0, 1)),
        (
            {"HEADERS": " a = b%20c ,d=e=f"},
            ("http/protobuf", {"a": "b c", "d": "e=f"}, "none", 10.0, 0),
        ),
        ({"HEADERS": "a=b,,x,host=y,c d=1,e=%0Af"}, ("http/protobuf", {"a": "b"}, "none", 10.0, 1)),
    ]
    found = []
    for given, _ in table:
        named = {f"OTEL_EXPORTER_OTLP_{name}": text for name, text in given.items()}
        read = otlp_options.read(named)
        seconds = read.timeout.total_seconds()
        found.append((read.encoding, read.headers, read.compression, seconds, len(read.remarks)))
    assert found == [each for _, each in table]
    with pytest.raises(otlp_options.OtlpUnavailableError, match="PROTOCOL asks for grpc"):
        wire(machine, "grpc")


def test_where_logs_go(machine: Machine) -> None:
    """The variable for logs is a whole URL; the path comes to every other one; no default."""
    register(machine, mytool="https://example.org/v1")
    logs, base = "http://127.0.0.1:1/in", "http://127.0.0.1:2/x/"
    table: list[tuple[dict[str, str], str, str | None, str]] = [
        ({}, "", None, "endpoint-missing"),
        ({ENDPOINT: base}, "", None, "http://127.0.0.1:2/x/v1/logs"),
        ({ENDPOINT: base, LOGS_ENDPOINT: logs}, "", None, logs),
        ({ENDPOINT: base, LOGS_ENDPOINT: ""}, "", None, "http://127.0.0.1:2/x/v1/logs"),
        ({ENDPOINT: base}, "http://127.0.0.1:3", None, "http://127.0.0.1:2/x/v1/logs"),
        ({}, "http://127.0.0.1:3", None, "http://127.0.0.1:3/v1/logs"),
        ({}, "http://127.0.0.1:3/v1/logs", None, "http://127.0.0.1:3/v1/logs"),
        ({ENDPOINT: base}, "", "http://127.0.0.1:4", "http://127.0.0.1:4/v1/logs"),
        (
            {ENDPOINT: base, "ANALYTICS_API": "http://127.0.0.1:5/v1"},
            "",
            None,
            "http://127.0.0.1:5/v1/logs",
        ),
        ({ENDPOINT: "ftp://x"}, "", None, "endpoint-invalid"),
        ({ENDPOINT: "http://example.org"}, "", None, "endpoint-not-https"),
    ]
    found = []
    for variables, chosen, to, _ in table:
        machine.variables = variables
        save(machine.environment(), {"endpoint": chosen or None})
        try:
            route = replay.find_route(machine.environment(), ALL, to=to, delivery_format="otlp")
            found.append(route.base)
        except UsagectlError as error:
            found.append(error.code)
    assert found == [each for *_, each in table]
    # The tool's author takes the other format: its events stay, or go where the variable says.
    machine.variables = {}
    mine = Selection(tools=("mytool",))
    with pytest.raises(replay.EndpointMissingError, match="OpenTelemetry"):
        replay.find_route(machine.environment(), mine, to=None, delivery_format="otlp")
    assert replay.find_route(machine.environment(), mine, to=None).base == "https://example.org/v1"


def test_the_settings_are_shown_with_their_sources(machine: Machine) -> None:
    """Each option says which variable chose it; of headers no value is shown anywhere."""
    secret = "s3cr3t-value"  # noqa: S105
    machine.variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={secret}",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "2000",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "lz4",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
        ENDPOINT: "http://127.0.0.1:9",
    }
    before = inside(machine, "settings", "--json")
    assert not [row for row in before.data["settings"] if row["name"].startswith("otlp.")]
    assert inside(machine, "settings", "set", "delivery.format", "OTLP").status == 0
    shown = inside(machine, "settings", "--json")
    rows = {row["name"]: row for row in shown.data["settings"]}
    told = [
        (rows[f"otlp.{name}"]["value"], rows[f"otlp.{name}"]["origin"])
        for name in (
            "protocol",
            "headers",
            "compression",
            "timeout_ms",
            "certificate",
            "client_key",
        )
    ]
    assert told == [
        ("http/protobuf", ""),
        (f"api-key={MASK}", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("none", ""),
        (2000, "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT"),
        ("ca.pem", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        (None, ""),
    ]
    endpoint = rows["telemetry.endpoint"]
    assert (endpoint["value"], endpoint["origin"]) == ("http://127.0.0.1:9/v1/logs", ENDPOINT)
    assert "COMPRESSION is ignored" in shown.stderr
    put(machine)
    page = inside(machine, "preview", "usagectl", "--waiting")
    assert (secret in page.stdout + shown.stdout, f"api-key: {MASK}" in page.stdout) == (
        False,
        True,
    )
    revealed = inside(machine, "preview", "usagectl", "--waiting", "--reveal").stdout
    assert f"api-key: {secret}" in revealed
    machine.variables = {}
    done = inside(machine, "settings", "set", "telemetry.endpoint", "http://127.0.0.1:9")
    assert (done.status, done.stderr) == (0, "")  # It is the same, and its path comes by itself.
    assert inside(machine, "settings", "set", "delivery.format", "xml").status == 2
    assert inside(machine, "settings", "unset", "delivery.format").status == 0


@pytest.mark.parametrize("encoding", BOTH)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_bytes_shown_are_the_bytes_on_the_socket(
    machine: Machine, encoding: str, compression: str
) -> None:
    """Preview and dry run give the bodies that arrive; headers of the user go along."""
    fill(machine, 30)
    settings_file(machine, OTLP)
    with Endpoint() as there:
        machine.variables = {
            PROTOCOL: encoding,
            ENDPOINT: f"http://127.0.0.1:{there.port}",
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=x",
        }
        environment = machine.environment()
        (tool,) = select(environment, ["usagectl"])
        (shown,), _ = preview(environment, tool, PreviewWish(reveal=True), waiting=True)
        assert there.accepted == 0
        options = replay.Options(wire=replay.wire_of(environment))
        with spool.open_spool(environment) as store:
            base = replay.find_route(environment, ALL, to=None).base
            result = replay.run(environment, options, base=base, store=store)
    assert result.problem is None
    (request,), (seen,) = shown.requests, there.received
    assert (request.body, dict(request.headers)) == (seen.body, seen.headers)
    assert (seen.headers["api-key"], request.events) == ("x", ("e",) * 30)
    assert json.loads(otlp.to_json(request.body, request.headers))["resourceLogs"]


@pytest.mark.parametrize("encoding", BOTH)
def test_a_preview_hides_a_sessions_token(machine: Machine, encoding: str) -> None:
    """As in the other format: the token is masked and named, everything else is as it is sent."""
    lay(machine, make_record(json.dumps(KINDS[0]).encode(), kind="session"), make_record())
    settings_file(machine, OTLP)
    machine.variables = {PROTOCOL: encoding, ENDPOINT: "http://127.0.0.1:9"}
    environment = machine.environment()
    (tool,) = select(environment, ["usagectl"])
    token = SESSION_PAYLOAD["api_key"].encode()
    for reveal, masked in ((False, ("/payload/api_key",)), (True, ())):
        (shown,), _ = preview(environment, tool, PreviewWish(reveal=reveal), waiting=True)
        (request,) = shown.requests
        assert (request.masked, token in request.body) == (masked, reveal)


def test_a_format_that_nobody_knows_counts_as_off(machine: Machine) -> None:
    """What usagectl cannot read of its own settings it takes for a No."""
    settings_file(machine, '[delivery]\nformat = "xml"\n')
    (found,) = consent.evaluate(machine.environment(), ["usagectl"])
    assert found.telemetry == "off"
    assert "delivery.format is not one of events, otlp" in found.cautions[0].message


def test_variables_have_nothing_sent(machine: Machine) -> None:
    """Consent is asked as ever: a variable starts no delivery, and a No ends one."""
    with Endpoint() as there:
        machine.variables = {ENDPOINT: f"http://127.0.0.1:{there.port}"}
        fill(machine, 3)
        settings_file(machine, OTLP)
        sender.send(machine.environment())
        machine.variables["DO_NOT_TRACK"] = "1"
        with pytest.raises(replay.TelemetryOffError):
            replay.find_route(machine.environment(), ALL, to=None)
        sender.send(machine.environment())
    assert there.accepted == 0


def test_what_was_recorded_under_consent_is_sent_by_itself(machine: Machine) -> None:
    """With sending on, the detached sender delivers in the format of the settings."""
    settings_file(machine, OTLP)
    with Endpoint() as there:
        machine.variables = {ENDPOINT: f"http://127.0.0.1:{there.port}", "USAGECTL_TELEMETRY": "on"}
        records = [make_record(json.dumps(CLI_CMD).encode(), consent="environment")]
        lay(machine, *records)
        sender.send(machine.environment())
        compare(records, there.received)
        # Without an address nothing goes to the one of the other format.
        lay(machine, make_record(consent="environment"))
        del machine.variables[ENDPOINT]
        sender.send(machine.environment())
    assert (len(there.received), len(states(machine)["pending"])) == (1, 1)


def test_the_command_line_sends(machine: Machine) -> None:
    """`replay --format otlp --to` sends, and `--format events` does where the settings differ."""
    fill(machine, 3)
    with Endpoint(always(200, SOME[PROTOBUF])) as there:
        to = ("--to", f"http://127.0.0.1:{there.port}", "--event", "e")
        done = inside(machine, "replay", "--format", "otlp", *to, "--json")
        fill(machine, 3)
        page = inside(machine, "replay", "--format", "otlp", *to)
    told = done.data
    assert (done.status, told["sent"], told["refused"], told["kept"]) == (5, 1, 2, 0)
    assert told["endpoint"] == f"http://127.0.0.1:{there.port}/v1/logs"
    assert "2 events" in done.envelope["errors"][0]["message"]
    assert "2 events refused by the receiver" in page.stdout
    assert "saying which: too old\\x1b." in page.stderr
    fill(machine, 2)
    settings_file(machine, OTLP)
    with Endpoint() as there:
        done = inside(machine, "replay", "--format", "events", "--to", there.base, "--event", "e")
    assert (done.status, [request.path for request in there.received]) == (0, ["/v1/events"])


# Status.


def test_a_status_becomes_a_record_a_tool(machine: Machine) -> None:
    """Name, version, verdict and kind of switch, delivered as events are; no value and no path."""
    machine.variables = {"DISABLE_EVENTS": "canary-value", "HF_HUB_DISABLE_TELEMETRY": "1"}
    machine.install_localstack("4.12.0")
    environment = machine.environment()
    verdicts = consent.evaluate(environment, ["usagectl", "localstack"])
    entropy = environment.entropy
    records = otlp.status_records(verdicts, now=NOW, entropy=entropy)
    batch = Batch(tuple(range(len(records))), records)
    with Endpoint() as there, closing(Transport(there.base)) as transport:
        deliverer = attempts.Deliverer(
            transport.send,
            f"http://127.0.0.1:{there.port}/v1/logs",
            patience=timedelta(seconds=3),
            may_continue=lambda: None,
            wire=wire(machine),
        )
        ((_, answer),) = deliverer.deliver(batch)
    found = [
        (resource, each.event_name, members(each.attributes))
        for resource, each in records_of(there.received)
    ]
    for _, name, attributes in found:
        assert name == "usagectl.status"
        assert attributes.pop("log.record.uid")
    of_tools = {each["tool"]: each for *_, each in found}
    assert answer.is_success
    assert of_tools["usagectl"].keys() == {"tool", "version", "telemetry", "decided_by"}
    assert of_tools["localstack"]["version"] == "4.12.0"
    assert of_tools["localstack"]["decided_by"] == "environment"
    assert len(of_tools) == len(found) == 2
    texts = b"".join(there.bodies)
    assert not [word for word in (b"canary", str(machine.root).encode()) if word in texts]


def test_of_several_parts_that_counts_which_sends_most(machine: Machine) -> None:
    """A tool that is half off is not told to be off, whichever part comes first."""
    (one,) = consent.evaluate(machine.environment(), ["usagectl"])
    parts = [one._replace(part=each, telemetry=each) for each in ("off", "on", "unknown", "local")]
    for verdicts in (parts, parts[::-1]):
        (found,) = otlp.status_records(verdicts, now=NOW, entropy=machine.environment().entropy)
        assert json.loads(found.event)["payload"]["telemetry"] == "on"
