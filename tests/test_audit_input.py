"""Hold what an audit reads: every form that events come in, whatever else there is, and bounds."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import REPOSITORY
from usagectl import audit, notice, spool
from usagectl.audit.reading import cut

if TYPE_CHECKING:
    from tests.support.machine import Machine

EVENT = notice.find_event("cli_cmd").example
TEXT = json.dumps(EVENT)
RECORD = f'{{"uid":"1","time":"t","tool":"usagectl","kind":"cli_cmd","event":{TEXT}}}'
NOTHING = audit.Context()


def run(*texts: str | bytes) -> audit.AuditResult:
    """Audit lines."""
    data = b"".join((text if isinstance(text, bytes) else text.encode()) + b"\n" for text in texts)
    return audit.audit_stream(io.BytesIO(data), context=NOTHING)


@pytest.mark.parametrize(
    ("lines", "events"),
    [
        ((RECORD, RECORD), 2),
        ((RECORD.replace('"event"', '"consent":"x","event"'),), 1),
        ((TEXT, "", TEXT), 2),
        ((f'{{"events":[{TEXT},{TEXT}]}}',), 2),
        ((f"[{TEXT},{TEXT}]",), 2),
        ((json.dumps({"events": [EVENT, EVENT]}, indent=2),), 2),
        ((json.dumps(EVENT, indent=2), json.dumps(EVENT, indent=2)), 2),
        (('{"at":"t","to":"http://127.0.0.1/v1","status":200}', RECORD), 1),
        (('{"capture":1,"command":["localstack"]}', RECORD), 1),
        ((), 0),
        (("", "  "), 0),
    ],
)
def test_forms(lines: tuple[str, ...], events: int) -> None:
    """Records, events, bodies and headers are told apart, in one line or set out over many."""
    result = run(*lines)
    assert (result.events, result.bad_lines) == (events, 0)
    assert result.findings == ()


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("size", [1, 1000])
def test_what_a_shell_redirected(coding: str, size: int) -> None:
    """PowerShell writes UTF-16 or a mark before UTF-8: what is in it is found all the same."""
    mail = TEXT.replace('"params":', '"mail": "jane.doe@acme.io", "params":')
    mark = "\ufeff" if coding == "utf-16-be" else ""
    data = f"{mark}{TEXT}\r\n{mail}\r\n".encode(coding)
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    result = audit.audit_stream(pieces, context=NOTHING)
    assert (result.events, result.bad_lines) == (2, 0)
    assert {finding.rule for finding in result.findings} == {"UC102", "UC501"}


def test_lines_of_windows() -> None:
    """A carriage return before the line end changes nothing."""
    assert run(f"{TEXT}\r", f"{RECORD}\r").events == 2


def test_pieces_of_any_size() -> None:
    """However the bytes arrive, the same events are found in the same lines."""
    data = f"junk\n{RECORD}\n\n{TEXT}\n".encode()
    for size in (1, 7, 64, len(data)):
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        result = audit.audit_stream(pieces, context=NOTHING)
        assert (result.events, result.bad_lines, result.first_bad_line) == (2, 1, 1)


def test_unparsed_body() -> None:
    """A body that is no JSON is a finding, and its text is searched."""
    body = base64.b64encode(b"name=x&mail=jo@corp.io").decode()
    record = {"uid": "1", "tool": "unknown", "kind": "unparsed", "problem": "x", "body": body}
    assert [each.rule for each in run(json.dumps(record)).findings] == ["UC107", "UC501"]


def test_line_of_a_finding() -> None:
    """A finding knows where it was first seen."""
    bad = TEXT.replace('"client_time"', '"session_id":"x","client_time"')
    assert run(RECORD, "", bad, bad).findings[0].line == 3


HOSTILE = {
    "deep nesting": b'{"name":"cli_cmd","payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep event": b'{"name":"x","payload":' + b'{"a":' * 400 + b"1" + b"}" * 401,
    "huge number": b'{"name":"run_init","metadata":{},"payload":{"scripts":1' + b"0" * 5000 + b"}}",
    "long digits": b'{"name":"run_init","payload":{"duration":1e999}}',
    "nan": b'{"name":"run_init","metadata":{},"payload":{"duration":NaN}}',
    "invalid utf-8": b'{"name":"cli_cmd","payload":{"cmd":"\xff\xfe"}}',
    "half a pair": b'{"name":"cli_cmd","payload":{"cmd":"\\ud800","\\ud800":1}}',
    "odd keys": b'{"name":"x","a/b":{"~":{"":1}},"payload":{"\\u0000\\n":"\\u001b[31m"}}',
    "name is a list": b'{"name":["cli_cmd"]}',
    "event is a word": b'{"uid":"1","event":"word"}',
    "torn": b'{"uid":"1","event":{"name":"cli_',
    "nul": b"\x00" * 100,
    "null": b"null",
    "payload is a list": b'{"name":"cli_cmd","metadata":[],"payload":[{"x":1}]}',
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_lines(what: str) -> None:
    """Whatever a line holds, it is audited or counted, and the line behind it is audited."""
    result = run(TEXT, HOSTILE[what], TEXT)
    assert result.by_name["cli_cmd"] >= 2
    assert result.events + result.bad_lines == 3
    for finding in result.findings:
        assert f"{finding.event}{finding.field}{finding.example}".encode()


def test_line_longer_than_any_event() -> None:
    """A line of a hundred megabytes is counted as none, and never held whole."""
    pieces = [TEXT.encode() + b"\n", *[b"x" * (1 << 20)] * 100, b"\n" + TEXT.encode() + b"\n"]
    result = audit.audit_stream(pieces, context=NOTHING)
    assert (result.events, result.bad_lines, result.first_bad_line) == (2, 1, 2)
    assert max(len(block.data) for block in cut(pieces)) < 1 << 20


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from([event.name for event in notice.load().events]) | st.text()
members = st.fixed_dictionaries({}, optional={"metadata": values, "payload": values, "x": values})


@settings(max_examples=300)
@given(name=names | values, rest=members, headers=values)
def test_any_event_can_be_audited(name: object, rest: dict[str, object], headers: object) -> None:
    """No JSON value makes an audit fail, as an event, in a record, or in a body."""
    event = {"name": name, **rest}
    auditor = audit.Auditor(NOTHING)
    for record in (event, {"event": event, "headers": headers}, {"events": [event]}, name):
        auditor.add(record)
    for finding in auditor.result().findings:
        assert finding.count > 0


def test_same_place_is_one_finding() -> None:
    """Occurrences are counted by rule, event and field, an index standing as `*`."""
    event = json.dumps(
        {
            **(notice.find_event("aws_request_agg").example or {}),
            "payload": {"api_calls": [1, 2, 3]},
        }
    )
    findings = run(event, event).findings
    assert [(each.rule, each.field, each.count) for each in findings] == [
        ("UC103", "/payload/api_calls/*", 6)
    ]


def test_findings_are_bounded() -> None:
    """However many names somebody makes up, so many findings are kept and all are counted."""
    auditor = audit.Auditor(NOTHING)
    for number in range(3000):
        auditor.add({"name": "cli_cmd", "payload": {f"key{number}": 1}, "metadata": {}})
        auditor.add({"name": f"event{number}", "payload": {f"key{number}": "jo@corp.io"}})
    result = auditor.result()
    assert len(result.by_name) <= 1001
    assert sum(result.by_name.values()) == result.events == 6000
    fields = [each for each in result.findings if (each.rule, each.event) == ("UC102", "cli_cmd")]
    assert len(fields) <= 201
    assert sum(each.count for each in fields) == 3000
    assert sum(each.count for each in result.findings if each.rule == "UC501") == 3000


MEASURE = """
import resource, sys
from usagectl import audit
amount = int(sys.argv[1])
line = (b'{"uid":"%012d","time":"t","tool":"x","kind":"cli_cmd","event":{"name":"cli_cmd",'
        b'"metadata":{"client_time":"2026-11-23 09:00:00.%06d","session_id":"%08x-0000-4000-8000-'
        b'000000000000"},"payload":{"cmd":"c%d","params":["p%d"],"k%d":"jo%d@corp.io"}}}\\n')
pieces = (line % ((n,) * 7) for n in range(amount))
result = audit.audit_stream(pieces, context=audit.Context())
assert result.events == amount, result.events
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is not on Windows")
def test_memory_is_flat() -> None:
    """A hundred times as many events, all different, take not even twice the memory."""
    peaks = []
    for amount in (2_000, 200_000):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(amount)],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
            text=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < 2 * peaks[0]


def test_spool(machine: Machine) -> None:
    """What waits in the spool is audited, and the spool stays as it is."""
    environment = machine.environment()
    for _ in range(3):
        spool.append(environment, TEXT.encode(), tool="usagectl", kind="cli_cmd")
    result = audit.audit_spool(environment, context=NOTHING)
    assert (result.events, result.by_name) == (3, {"cli_cmd": 3})
    assert spool.state(environment).pending == 3
