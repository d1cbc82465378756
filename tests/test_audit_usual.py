"""Hold the quick reading of usual records: it finds what reading them whole finds."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.audit_cases import (
    CASES,
    ID,
    OTHER_ID,
    call,
    cli,
    example,
    failed,
    other,
    somebodys_machine,
)
from usagectl import audit, notice
from usagectl.audit import patterns, usual
from usagectl.capture import records
from usagectl.spool import envelope

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

AGENTS = ("localstack/4.12.0", "localstack lstk/0.5.1", "curl")


@pytest.fixture
def context(machine: Machine, tmp_path: Path) -> audit.Context:
    """Give the values of a machine on which somebody works."""
    return somebodys_machine(machine, tmp_path)


def event_in(record: object) -> dict[str, object] | None:
    """Give the event in what triggers a rule, or nearly does; None if it is of another build."""
    found = record.get("event", record) if isinstance(record, dict) else None
    if not isinstance(found, dict) or tuple(found) != usual.MEMBERS:
        return None
    return found


EVENTS = [
    event
    for case in CASES.values()
    for each in (*case.triggers, *case.misses)
    if (event := event_in(each)) is not None
] + [event.example for event in notice.load().events if event.example is not None]

PLACES = ("metadata", "payload")
leaves = st.sampled_from([None, True, 0, 400, 2.5, "", "x", ID, OTHER_ID, "jo@corp.io", "load"])


@st.composite
def events(draw: st.DrawFn) -> dict[str, object]:
    """Draw an event of a rule's case, and change a member or two of it."""
    event = copy.deepcopy(draw(st.sampled_from(EVENTS)))
    for _ in range(draw(st.integers(0, 2))):
        group = event[draw(st.sampled_from(PLACES))]
        assert isinstance(group, dict)
        key = draw(st.sampled_from([*group, "session_id", "jodoe", "new", "cmd"]))
        group[key] = draw(leaves | st.lists(leaves) | st.dictionaries(st.just("a"), leaves))
    return event


def text_of(value: object, *, spaced: bool = False) -> bytes:
    """Write a line of JSON, compact or with the blanks of Python's json."""
    separators = None if spaced else (",", ":")
    return json.dumps(value, separators=separators, ensure_ascii=False).encode() + b"\n"


def line_of(
    event: object, headers: object, *, spaced: bool = False, unusual: bool = False
) -> bytes:
    """Write a record as the spool and a capture do, or with a member that they do not have."""
    members: dict[str, object] = {"uid": "1", "time": "t", "tool": "x", "kind": "k"}
    if headers is not None:
        members["headers"] = headers
    if unusual:
        members["more"] = 1
    return text_of({**members, "event": event}, spaced=spaced)


headers = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "user-agent": st.sampled_from(AGENTS),
        "localstack-session-id": st.sampled_from(["", ID, OTHER_ID]),
    },
)
Sent = tuple[object, object]


def audit_twice(
    sent: list[Sent], context: audit.Context, *, spaced: bool = False, plain: bool = False
) -> tuple[audit.AuditResult, audit.AuditResult]:
    """Audit events with their headers, read quickly and whole; plain ones have no headers."""
    sent = [(event, None) for event, _ in sent] if plain else sent
    lines = b"".join(
        text_of(event, spaced=spaced) if plain else line_of(event, known, spaced=spaced)
        for event, known in sent
    )
    unusual = b"".join(line_of(event, known, unusual=True) for event, known in sent)
    assert usual.read(lines) is not None
    assert usual.read(unusual) is None
    quick = audit.audit_stream([lines], context=context, shows_values=True)
    return quick, audit.audit_stream([unusual], context=context, shows_values=True)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pool=st.lists(st.tuples(events(), headers), min_size=1, max_size=4),
    order=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    spaced=st.booleans(),
    plain=st.booleans(),
)
def test_the_same_is_found(
    pool: list[Sent], order: list[int], *, spaced: bool, plain: bool, context: audit.Context
) -> None:
    """Events that come again and again count the same, read quickly or whole."""
    sent = [pool[place % len(pool)] for place in order]
    quick, whole = audit_twice(sent, context, spaced=spaced, plain=plain)
    assert quick == whole


def test_an_id_counts_each_time() -> None:
    """A payload of a CLI event that holds an ID is never in order: each ties two events."""
    naming: Sent = (example("cli_cmd", cmd=ID), None)
    quick, whole = audit_twice([naming, naming, naming, (call(), None)], audit.Context())
    assert quick == whole
    assert [(each.count, each.field) for each in quick.findings if each.rule == "UC202"] == [
        (3, "/payload/cmd")
    ]


def test_a_name_that_is_a_users_counts_each_time() -> None:
    """An event's name is searched as well, each time that it comes."""
    context = audit.Context(values=(("UC403", ("config",)),))
    quick, whole = audit_twice([(other("config"), None)] * 3, context)
    assert quick == whole
    assert [each.count for each in quick.findings if each.rule == "UC403"] == [3]


def test_a_session_in_a_header_counts_each_time() -> None:
    """A header ties a CLI event to its session although its payload was in order before."""
    sent: Sent = (cli(), {"localstack-session-id": ID})
    quick, whole = audit_twice([sent] * 3, audit.Context())
    assert quick == whole
    assert [each.count for each in quick.findings if each.rule == "UC201"] == [3]


def test_what_was_in_order_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload is read once while nothing is found in it, and each time otherwise."""
    read: list[bytes] = []
    really = usual.read_payload

    def note(text: bytes) -> dict[str, object] | None:
        read.append(text)
        return really(text)

    monkeypatch.setattr(usual, "read_payload", note)
    lines = [line_of(cli(), None)] * 3 + [line_of(failed("mail jo@corp.io"), None)] * 2
    result = audit.audit_stream([b"".join(lines)], context=audit.Context())
    assert [b"cmd" in text for text in read] == [True, False, False]
    assert [(each.rule, each.count) for each in result.findings] == [("UC501", 2)]


MAIL = '"secret jo@corp.io"'
ENVELOPE = '{"uid":"1","time":"t","tool":"x","kind":"k","event":%s}'
HIDDEN = {
    "payload": '{"name":"run_init","metadata":{},"payload":{"a":%s,"a":1}}',
    "spaced": '{"name":"run_init","metadata":{},"payload":{ "a" : %s , "a" : 1 }}',
    "escaped": '{"name":"run_init","metadata":{},"payload":{"a":%s,"\\u0061":1}}',
    "metadata": '{"name":"run_init","metadata":{"a":%s,"a":1},"payload":{}}',
    "whole": '{"name":"run_init","metadata":{},"payload":{"a":%s},"payload":{}}',
    "unknown": '{"name":"brand_new","metadata":{},"payload":{"a":%s,"a":1}}',
}


@pytest.mark.parametrize("form", HIDDEN)
@pytest.mark.parametrize("around", ["%s", ENVELOPE])
def test_what_a_repeated_name_hides_is_found(
    form: str, around: str, context: audit.Context
) -> None:
    """A name that stands twice in a usual event is seen, and what it hides is searched."""
    lines = [text_of(cli()).decode().strip(), HIDDEN[form] % MAIL, text_of(cli()).decode().strip()]
    data = "\n".join(around % line for line in lines).encode()
    result = audit.audit_stream([data], context=context)
    found = {each.rule: each.line for each in result.findings}
    assert (found["UC108"], found["UC501"]) == (2, 2)
    assert (result.events, result.bad_lines) == (3, 0)


@pytest.mark.parametrize("payload", ["null", "[]", "5", '{"a":NaN}', '{"a":"\\ud800"}'])
def test_payloads_that_are_none_are_read_whole(payload: str, context: audit.Context) -> None:
    """What cannot be read quickly is counted once, as an event."""
    line = ENVELOPE % f'{{"name":"run_init","metadata":{{}},"payload":{payload}}}'
    result = audit.audit_stream([f"{line}\n".encode() * 2], context=context)
    assert (result.events, result.bad_lines) == (2, 0)
    assert result.by_name == {"run_init": 2}


def test_payload_that_is_no_text_is_a_bad_line(context: audit.Context) -> None:
    """Bytes that are no UTF-8 are counted as no event, and the lines around them are audited."""
    bad = ENVELOPE % '{"name":"run_init","metadata":{},"payload":{"a":"?"}}'
    plain = line_of(cli(), None)
    data = plain + bad.encode().replace(b"?", b"\xff") + b"\n" + plain
    result = audit.audit_stream([data], context=context)
    assert (result.events, result.bad_lines, result.first_bad_line) == (2, 1, 2)


def test_lines_of_ours_are_usual(machine: Machine) -> None:
    """What the spool and a capture write is read quickly, and can be written again."""
    now, entropy = machine.environment().now(), bytes
    event = json.dumps(cli(session_id=ID)).encode()
    labels = envelope.build_labels("localstack", "cli_cmd", "consent")
    spooled = envelope.build_line(event, labels, now=now, entropy=entropy)
    known = {"user-agent": AGENTS[0], "localstack-session-id": ID, "x-other": "1"}
    request = records.Request("POST", "/v1/events", "q=1", known, b'{"events":[' + event + b"]}")
    captured = records.build(request, now=now, entropy=entropy, privacy=records.Privacy()).lines
    for line in (spooled, captured):
        found = usual.read(line)
        assert found is not None
        assert json.loads(usual.write(found[0])) == json.loads(line)


TELLING = [
    text
    for case in CASES.values()
    for event in case.triggers
    if isinstance(found := event_in(event), dict)
    for text in json.dumps(found).replace("\\n", "\n").split('"')
]
pieces = (
    st.sampled_from(TELLING)
    | st.text(max_size=12)
    | st.sampled_from(["/home/", "@", ".", ":", "ls-"])
)


@settings(max_examples=500)
@given(st.lists(pieces, max_size=4).map("".join))
def test_a_glance_misses_nothing(text: str) -> None:
    """A text in which a shape is found is one that is searched for patterns."""
    if any(list(find(text)) for _, find in patterns.SHAPES):
        assert patterns.may_tell(text)


PATTERNS = ("_EMAIL", "_IPV4", "_IPV6", "_CLOUD_KEY", "_LOCALSTACK_TOKEN", "_TOKEN", "_HOME")


@pytest.mark.parametrize("name", [*PATTERNS, "_RESOURCE", "_TRACE"])
@settings(max_examples=60)
@given(data=st.data())
def test_a_glance_misses_no_form_of_a_pattern(name: str, data: st.DataObject) -> None:
    """Whatever a pattern matches, and however short, is searched."""
    text = data.draw(st.from_regex(getattr(patterns, name), fullmatch=True))
    assert patterns.may_tell(text)
