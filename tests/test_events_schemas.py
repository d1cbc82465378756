"""Tests of what gets into an event that is recorded, and of its exact bytes."""

from __future__ import annotations

import enum
import http
import json
import string
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from tests.support.contract import AWS_REQUEST, BUILT, CACHED, CLI_CMD, DOCUMENT
from tests.support.contract import SESSION_PAYLOAD as SESSION
from usagectl import notice
from usagectl.errors import UnknownEventError
from usagectl.events import schemas
from usagectl.events.kinds import Field, InvalidKindError, Kind
from usagectl.events.schemas import EventShapeError
from usagectl.events.text_rules import RULES
from usagectl.sensitive import looks_like_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

CALL: dict[str, Any] = AWS_REQUEST["payload"]
PLAIN_CALL = {name: each for name, each in CALL.items() if not name.startswith("err_")}
EVENTS = tuple(event.name for event in notice.load().events)
CANARY = "canary-7f3d/Bucket"
ISSUED = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"

BUILD = {"seconds": 1.5, "files": 3, "is_clean": True, "result": "ok", "targets": ["html"]}


def texts_of(schema: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """List every text that a schema allows, and where."""
    kinds = schema.get("type", [])
    if "string" in ([kinds] if isinstance(kinds, str) else kinds):
        yield place, schema
    for name, below in schema.get("properties", {}).items():
        yield from texts_of(below, f"{place}/{name}")
    if "items" in schema:
        yield from texts_of(schema["items"], f"{place}/*")


TEXTS = [
    (name, place, schema)
    for name, event in DOCUMENT["$defs"].items()
    for place, schema in texts_of(event, "")
]


def test_no_documented_text_is_open() -> None:
    """Each text of each event has a rule, and each rule is used and described in the data."""
    is_closed = {
        f"{event}{place}": "enum" in each or each["x-emit"] for event, place, each in TEXTS
    }
    assert [place for place, closed in is_closed.items() if not closed] == []
    assert {schema["x-emit"] for *_, schema in TEXTS if "enum" not in schema} == set(RULES)
    assert DOCUMENT["x-closings"].keys() == RULES.keys()


def test_the_examples_of_the_notice_come_out_member_for_member() -> None:
    """The same inputs, in any order, give the notice's bytes: its members in its order."""
    payloads = (("session", SESSION), ("aws_request", CALL), ("cli_cmd", CLI_CMD["payload"]))
    for name, payload in payloads:
        written = schemas.of(name).payload(dict(reversed(payload.items())))
        assert written == json.dumps(payload, separators=(",", ":")).encode()
    for event in (AWS_REQUEST, CLI_CMD):
        shape = schemas.of(event["name"])
        whole = shape.event(shape.payload(event["payload"]), **event["metadata"])
        assert whole == json.dumps(event, separators=(",", ":")).encode()


def test_the_example_of_each_event_comes_out() -> None:
    """What the data shows of an event can be written, and the schema allows it."""
    for name in EVENTS:
        example: Any = notice.find_event(name).example
        shape = schemas.of(name)
        written = json.loads(shape.event(shape.payload(example["payload"]), **example["metadata"]))
        assert written == example
        Draft202012Validator(notice.event_schema(name)).validate(written)
        assert shape.has_session == ("session_id" in example["metadata"])
        assert shape.endpoint == ("session" if name == "session" else "events")


UNFIT: dict[str, dict[str, list[Any]]] = {
    "aws_request": {
        "bucket": [CANARY],
        "parameters": [{"Bucket": CANARY}],
        CANARY: [1],
        "canary" * 9: [1],
        "service": [CANARY, "", None, 5, b"sqs", ["sqs"]],
        "operation": [
            *("delete_queue", "AKIAIOSFODNN7EXAMPLE", "Qx7fK2mZp9LcW4vTn8RbY3"),
            f"DeleteQueue {CANARY}",
        ],
        "status_code": ["400", 400.0, True, 99, 600],
        "stack_trace": ["Traceback"],
        "is_internal": [0, "false"],
        "err_msg": [{"Bucket": CANARY}],
    },
    "session": {
        "machine_id": ["sys_0123456789ab", "my-host"],
        "session_id": ["F41119FD-af20-4d48-af92-2b8d69f8cf7e"],
        "api_key": ["/home/canary"],
        "version": ["canary", "1.0 canary"],
        "user": ["canary"],
    },
    "cli_cmd": {
        "cmd": [
            *("localstack start /home/canary", "localstack  start", "localstack start\n"),
            *(f"mytool {ISSUED}", "mytool db:", "mytool :db", "mytool db::x", "mytool s3://canary"),
            *("mytool C:canary", "mytool arn:aws:canary", "mytool localhost:4566"),
            *("mytool a2:b:c:d:e", "mytool 4566:canary", f"mytool {'a' * 60}:{'b' * 60}"),
        ],
        "params": [
            *([ISSUED], ["f41119fd0af204d48"], ["a b"], ["docker-compose.yml"], "file"),
            {"file": CANARY},
        ],
        "values": [[CANARY]],
        "version": [CANARY, 1.2],
        "outcome": [CANARY, "OK", 0, True],
        "duration_ms": [-1, 1.5, True, "1"],
    },
    "run_init": {
        "stage": ["canary"],
        "scripts": [-1, True, 10**5000],
        "duration": [False, float("nan"), float("inf"), -0.1],
    },
    "aws_request_agg": {"api_calls": [[CANARY]], "period_start_time": ["x"]},
}
"""Values that do not fit, of each event and field."""

MISNAMED: list[tuple[str, dict[str, Any], str]] = [
    *(("aws_request", {"status_code": status}, "err_type") for status in (200, 500)),
    ("aws_request_agg", {"api_calls": [{"service": "sqs"}]}, "api_calls.operation"),
    *(
        # An unknown name that may be a value is not repeated.
        (event, {field: value}, field if field.isidentifier() and len(field) < 40 else "a field")
        for event, fields in UNFIT.items()
        for field, values in fields.items()
        for value in values
    ),
]
"""Changes of each event's example, and the field that is named as the wrong one."""


def refusal(name: str, payload: dict[str, Any], *kinds: Kind) -> EventShapeError | None:
    """Return the error that a payload meets; None for one that is written."""
    try:
        schemas.of(name, kinds).payload(payload)
    except EventShapeError as error:
        return error
    return None


def test_what_does_not_fit_is_refused_by_name_and_never_by_value() -> None:
    """A field too many, of another type, or of another form: the event and field are named."""
    odd = []
    for name, change, field in MISNAMED:
        example: Any = notice.find_event(name).example
        error = refusal(name, {**example["payload"], **change})
        if (
            error is None
            or (error.event, error.field, error.code) != (name, field, "event-shape")
            or not error.message.startswith(f"{name}: {field} ")
            or "canary" in error.message.lower()
        ):
            odd.append((name, field, str(change)[:60], error))
    assert odd == []


def test_each_required_field_is_missed() -> None:
    """Without it there is no event."""
    for name in EVENTS:
        example: Any = notice.find_event(name).example
        for field in notice.event_schema(name)["properties"]["payload"]["required"]:  # type: ignore[index]
            payload = {key: each for key, each in example["payload"].items() if key != field}
            with pytest.raises(EventShapeError, match=f"{name}: {field} is missing"):
                schemas.of(name).payload(payload)


def test_what_may_be_absent_may_be_none() -> None:
    """A caller can pass what it has; only where the notice has null is null written."""
    shape = schemas.of("aws_request")
    absent = {"err_type": None, "err_msg": None, "stack_trace": None, "status_code": 200}
    assert "err" not in shape.payload({**PLAIN_CALL, **absent}).decode()
    assert b'"api_key":null' in schemas.of("session").payload({**SESSION, "api_key": None})
    del (without := dict(SESSION))["api_key"]
    assert b"api_key" not in schemas.of("session").payload(without)


class Stage(enum.StrEnum):
    """A stage as another program may name it."""

    READY = "READY"


def test_enumerations_are_written_as_what_they_are() -> None:
    """A status of `http` and an enumerated text are a number and a text."""
    call = {**PLAIN_CALL, "status_code": http.HTTPStatus.OK}
    assert b'"status_code":200,' in schemas.of("aws_request").payload(call)
    payload = {"stage": Stage.READY, "scripts": 1, "duration": 2}
    assert schemas.of("run_init").payload(payload) == b'{"stage":"READY","scripts":1,"duration":2}'


CLOSED = [
    ("account_id", "123456789012", "000000000000"),
    ("account_id", CANARY, "000000000000"),
    *(("region", text, "other") for text in ("canary-east", "")),
    *(("region", text, text) for text in ("us-gov-west-1", "eusc-de-east-1", "aws-global")),
    *(
        ("err_type", text, "other")
        for text in ("No such canary", "AKIAIOSFODNN7EXAMPLE", "QxfKmZpLcWvTnRbYhJdGsXw", "alice")
    ),
    *(("err_type", text, text) for text in ("404", "InsufficientS3BucketPolicyException")),
    *(("service", text, "other") for text in ("my-secret-bucket.alice", "alice")),
    *(
        ("service", text, text)
        for text in ("stepfunctions", "cognito-idp", "cloudwatch-logs", "runtime.sagemaker")
    ),
    ("err_msg", f"The bucket {CANARY} is bad", "The bucket <path> is bad"),
    ("user_agent", "Boto3/1.34.0 app/canary", "Boto3/1.34.0"),
    ("user_agent", "", ""),
]


def test_what_servers_and_machines_say_is_closed() -> None:
    """An account becomes the dummy, an unknown region or error type `other`, a text is scrubbed."""
    shape = schemas.of("aws_request")
    found = [
        (field, text, json.loads(shape.payload({**CALL, field: text}))[field])
        for field, text, _ in CLOSED
    ]
    assert found == CLOSED


def test_a_command_may_have_colons_within() -> None:
    """Some programs name their commands so; what has other marks beside is a value."""
    for word in ("db:migrate", "cache:clear:all", "a2:b", "sync-all", "mytool"):
        written = json.loads(schemas.of("cli_cmd").payload({"cmd": f"mytool {word}", "params": []}))
        assert written["cmd"] == f"mytool {word}"


def test_every_name_that_boto3_knows_is_taken_as_it_is() -> None:
    """No service, operation, error or parameter of its models is `other` or looks like a token."""
    session = pytest.importorskip("botocore.session").get_session()
    loader, names = session.get_component("data_loader"), session.get_available_services()
    assert [name for name in names if RULES["service-name"](name) != name] == []
    for service in names[::20]:
        model = loader.load_service_model(service, "service-2")
        members = {name for shape in model["shapes"].values() for name in shape.get("members", {})}
        errors = {name for name, shape in model["shapes"].items() if shape.get("exception")}
        assert [each for each in model["operations"] if not RULES["operation-name"](each)] == []
        assert [each for each in members if looks_like_secret(each)] == []
        assert [each for each in errors if RULES["error-type"](each) != each] == []


def test_what_records_no_call_pays_for_no_list_and_no_scrubber() -> None:
    """A command's event holds neither a service nor an error's text, and starts a program fast."""
    lines = (
        "import sys; read = []",
        "sys.addaudithook(lambda name, args: name == 'open' and read.append(str(args[0])))",
        "from usagectl.events import schemas",
        "schemas.of('cli_cmd').payload({'cmd': 'mytool', 'params': ['file']})",
        "schemas.of('aws_request'); schemas.of('session')",
        "assert any(each.endswith('notice.schema.json') for each in read)",
        "assert not [each for each in read if each.endswith('.txt')]",
        "late = {'vocabulary', 'user_agents'}",
        "assert not {f'usagectl.events.{name}' for name in late} & sys.modules.keys()",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, timeout=60)


TOKENS = st.text(string.ascii_letters + string.digits, min_size=40, max_size=60).map("ghp_".__add__)
DRAWN = TOKENS | st.uuids().map(str) | st.binary(min_size=12, max_size=32).map(bytes.hex)


@given(DRAWN, st.sampled_from(["{}", "deploy-{}", "{}-x", "{}_x"]))
def test_no_name_holds_a_token(drawn: str, form: str) -> None:
    """Not even glued to a name: no place that is closed by form alone takes it."""
    name = form.format(drawn)
    assert RULES["command-path"](f"mytool {name}") is None
    assert RULES["parameter-name"](name) is None
    assert RULES["error-type"](name) == "other"
    assert RULES["operation-name"](name.title()) is None
    assert RULES["service-name"](name) in (None, "other")


def test_a_stack_trace_goes_with_status_500_alone() -> None:
    """As the notice says; it is written without paths."""
    trace = f'Traceback (most recent call last):\n  File "/{CANARY}.py", line 1, in f\nKeyError: 1'
    call = {**PLAIN_CALL, "status_code": 500, "stack_trace": trace}
    written = json.loads(schemas.of("aws_request").payload(call))
    assert written["stack_trace"].endswith('File "<path>", line 1, in f\nKeyError: 1')
    for status in (200, 404, 501, 503):
        with pytest.raises(EventShapeError, match="aws_request: stack_trace"):
            schemas.of("aws_request").payload({**call, "status_code": status})


def test_metadata_is_closed_too() -> None:
    """An event without a session cannot be given one, and one with it needs one."""
    for name, metadata, field in (
        ("cli_cmd", {"client_time": "canary"}, "client_time"),
        ("cli_cmd", {"client_time": "1", "session_id": SESSION["session_id"]}, "session_id"),
        ("session", {"client_time": "1"}, "session_id"),
        ("session", {"client_time": "1", "session_id": "canary"}, "session_id"),
    ):
        with pytest.raises(EventShapeError) as caught:
            schemas.of(name).event(b"{}", **metadata)
        assert caught.value.field == f"metadata.{field}"
        assert "canary" not in caught.value.message


def test_a_declared_kind_has_a_shape() -> None:
    """Its payload holds its fields in their order; a counter's is a list of labels and counts."""
    built, cached = (schemas.of(kind.name, (BUILT, CACHED)) for kind in (BUILT, CACHED))
    failed = {**BUILD, "result": "has failed", "reason": f"No file {CANARY}"}
    assert json.loads(built.payload(failed)) == {**failed, "reason": "No file <path>"}
    assert list(json.loads(built.payload(dict(reversed(BUILD.items()))))) == list(BUILD)
    hits = {"outcome": "hit", "is_warm": True, "count": 3}
    counts = {"counts": [hits, {"outcome": "miss", "is_warm": False, "count": 1}]}
    assert json.loads(cached.payload(counts)) == counts
    assert not built.has_session
    for kind, payload in ((BUILT, BUILD), (CACHED, counts)):
        shape = schemas.of(kind.name, (BUILT, CACHED))
        event = shape.event(shape.payload(payload), client_time="2022-08-30 14:46:54.116457")
        Draft202012Validator(kind.schema("my-tool")).validate(json.loads(event))


def test_a_declared_kind_is_closed_too() -> None:
    """Nothing but what was declared gets in."""
    changes: list[dict[str, Any]] = [
        {"seconds": "canary"},
        {"seconds": float("nan")},
        {"files": 1.0},
        {"result": "canary"},
        {"targets": "html"},
        {"targets": ["canary"]},
        {"path": "/canary"},
        dict.fromkeys(BUILD),
    ]
    errors = [refusal(BUILT.name, {**BUILD, **change}, BUILT, CACHED) for change in changes]
    payloads: list[dict[str, Any]] = [
        {"counts": [{"outcome": "canary", "is_warm": True, "count": 1}]},
        {"counts": [{"outcome": "hit", "is_warm": True, "count": 0}]},
        {"counts": [{"outcome": "hit", "is_warm": True}]},
        {"outcome": "hit"},
    ]
    errors += [refusal(CACHED.name, payload, BUILT, CACHED) for payload in payloads]
    errors += [refusal(BUILT.name, {}, BUILT)]
    assert [error for error in errors if error is None or "canary" in error.message] == []


def test_an_event_of_another_name_has_no_shape() -> None:
    """Neither one that only real clients send, nor a kind that was not given."""
    for name in ("config", "my_tool_built", ""):
        with pytest.raises(UnknownEventError):
            schemas.of(name)
    with pytest.raises(InvalidKindError):
        schemas.of("mytool_open", (Kind("mytool_open", "x", "", (Field("a", "string", "x"),)),))
    unhashable: Any = Kind("mytool_open", "x", "", [Field("a", "string", "x")])
    with pytest.raises(InvalidKindError):
        schemas.of("mytool_open", (unhashable,))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(EVENTS), st.data())
def test_whatever_is_given_the_event_is_allowed_by_the_notice_or_refused(
    name: str, data: st.DataObject
) -> None:
    """Any value in any field: what is written validates, and what does not raises one error."""
    example: Any = notice.find_event(name).example
    fields = [*example["payload"], "stack_trace", "extra"]
    change = data.draw(st.dictionaries(st.sampled_from(fields), VALUES, max_size=2))
    shape = schemas.of(name)
    try:
        payload = shape.payload({**example["payload"], **change})
    except EventShapeError as error:
        assert error.event == name  # noqa: PT017 - not raising is as good
        return
    written = json.loads(shape.event(payload, **example["metadata"]))
    Draft202012Validator(notice.event_schema(name)).validate(written)
