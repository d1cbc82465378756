"""What an audit reads: every form that events come in, hostile lines, and within which bounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.audit_cases import counts_of, rules_in, run
from tests.support.machine import NOW, REPOSITORY
from usagectl import audit, notice, spool
from usagectl.capture import records
from usagectl.events.reading import Reader, cut

if TYPE_CHECKING:
    from tests.support.machine import Machine

EVENT = notice.find_event("cli_cmd").example
TEXT = json.dumps(EVENT)
RECORD = f'{{"uid":"1","time":"t","tool":"usagectl","kind":"cli_cmd","event":{TEXT}}}'
NOTHING = audit.Context()

FORMS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (2, (RECORD, RECORD)),
    (1, (RECORD.replace('"event"', '"consent":"x","event"'),)),
    (2, (TEXT, "", TEXT)),
    (2, (f"{TEXT}\r", f"{RECORD}\r")),
    (2, (f'{{"events":[{TEXT},{TEXT}]}}',)),
    (2, (f"[{TEXT},{TEXT}]",)),
    (2, (json.dumps({"events": [EVENT, EVENT]}, indent=2),)),
    (2, (json.dumps(EVENT, indent=2), json.dumps(EVENT, indent=2))),
    (1, (f"\ufeff{TEXT}",)),
    (2, (TEXT, f"\ufeff{TEXT}")),
    (0, ()),
    (0, ("", "  ")),
)


def test_forms() -> None:
    """Records, events, bodies and headers are told apart, in one line or pretty-printed."""
    results = [run(NOTHING, *lines) for _, lines in FORMS]
    assert [each.events for each in results] == [events for events, _ in FORMS]
    assert [(each.bad_lines, each.findings) for each in results] == [(0, ())] * len(FORMS)


def test_the_endpoint_reads_every_form_that_a_file_has() -> None:
    """However events are put into one body, and in whatever coding, each is captured as it is."""
    unread = []
    for (count, lines), coding in product(FORMS, ("utf-8", "utf-8-sig", "utf-16")):
        body = "\n".join(lines).encode(coding)
        request = records.Request("POST", "/v1/events", "", {}, body)
        captured, arrival = records.build(
            request, now=NOW, entropy=os.urandom, privacy=records.Privacy()
        )
        result = audit.Auditor(NOTHING).add_stream([captured])
        if arrival.names != ["cli_cmd"] * count or result.by_name.get("cli_cmd", 0) != count:
            unread.append((coding, lines))
    assert unread == []


def test_a_document_that_breaks_off_is_read_by_line() -> None:
    """What follows a pretty-printed event is read line by line from the first that is no JSON."""
    result = run(NOTHING, json.dumps(EVENT, indent=2), "junk", TEXT)
    assert (result.events, result.bad_lines) == (2, 1)
    assert result.first_bad_line == json.dumps(EVENT, indent=2).count("\n") + 2


def test_pieces_of_any_size() -> None:
    """However the bytes arrive, and as a shell redirected them, the same events are found.

    PowerShell writes UTF-16 or a mark before UTF-8.
    """
    mail = TEXT.replace('"params":', '"mail": "jane.doe@acme.io", "params":')
    text = f"junk\n{RECORD}\r\n\n{mail}\n"
    for coding, size in product(("utf-8", "utf-16", "utf-16-be", "utf-8-sig"), (1, 7, 64, 5000)):
        mark = "\ufeff" if coding == "utf-16-be" else ""
        data = f"{mark}{text}".encode(coding)
        pieces = (data[start : start + size] for start in range(0, len(data), size))
        result = audit.Auditor(NOTHING).add_stream(pieces)
        found = (result.events, result.bad_lines, result.first_bad_line, rules_in(result))
        assert found == (2, 1, 1, {"UC102", "UC501"}), (coding, size)


def test_progress_is_told_of_all_that_was_read() -> None:
    """Whoever watches a long audit sees events and bytes grow."""
    told: list[tuple[int, int]] = []
    pieces = [f"{TEXT}\n".encode() * 1000] * 3
    audit.Auditor(NOTHING, on_progress=lambda *done: told.append(done)).add_stream(pieces)
    assert told == [(1000 * part, len(pieces[0]) * part) for part in (1, 2, 3)]


IN_RECORD = b'{"uid":"1","event":{"name":"run_init","metadata":{},"payload":%s}}'
HOSTILE = {
    "deep nesting": b'{"name":"cli_cmd","payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep event": b'{"name":"x","payload":' + b'{"a":' * 400 + b"1" + b"}" * 401,
    "huge number": b'{"name":"run_init","metadata":{},"payload":{"scripts":1' + b"0" * 5000 + b"}}",
    "long digits": b'{"name":"run_init","payload":{"duration":1e999}}',
    "nan": b'{"name":"run_init","metadata":{},"payload":{"duration":NaN}}',
    "invalid utf-8": b'{"name":"cli_cmd","payload":{"cmd":"\xff\xfe"}}',
    "invalid utf-8 in a record": IN_RECORD % b'{"a":"\xff"}',
    "half a pair": b'{"name":"cli_cmd","payload":{"cmd":"\\ud800","\\ud800":1}}',
    "odd keys": b'{"name":"x","a/b":{"~":{"":1}},"payload":{"\\u0000\\n":"\\u001b[31m"}}',
    "name is a list": b'{"name":["cli_cmd"]}',
    "event is a word": b'{"uid":"1","event":"word"}',
    "torn": b'{"uid":"1","event":{"name":"cli_',
    "nul": b"\x00" * 100,
    "null": b"null",
    "payload is a list": b'{"name":"cli_cmd","metadata":[],"payload":[{"x":1}]}',
    **{
        f"payload is {payload!r}": IN_RECORD % payload
        for payload in (b"null", b"[]", b"5", b'{"a":NaN}', b'{"a":"\\ud800"}')
    },
}
NO_EVENTS = {"deep nesting", "name is a list", "torn", "nul", "null"}
NO_EVENTS |= {"invalid utf-8", "invalid utf-8 in a record"}


def test_hostile_lines() -> None:
    """Whatever a line holds, it is audited or counted, and the line behind it is audited."""
    bad = []
    for what, line in HOSTILE.items():
        result = run(NOTHING, TEXT, line, TEXT)
        assert result.by_name["cli_cmd"] >= 2, what
        assert result.events + result.bad_lines == 3, what
        for finding in result.findings:
            assert f"{finding.event}{finding.field}{finding.example}".encode(), what
        if result.bad_lines:
            bad.append((what, result.first_bad_line))
    assert bad == [(what, 2) for what in HOSTILE if what in NO_EVENTS]


def test_each_value_keeps_its_bytes() -> None:
    """In a line and in a document, also bytes that are not UTF-8, and without a mark."""
    texts = (b'{"a":\n "\xff" }', b'{"a": 1.0}', b'{\n"a": [ ]}', b"junk")
    found = [item.text for item in Reader().read([b"\n".join(texts)])]
    assert found == [*texts]
    assert [item.text for item in Reader().read([b"[1]\n\xef\xbb\xbf[2]"])] == [b"[1]", b"[2]"]


def test_line_longer_than_any_event() -> None:
    """A line of a hundred megabytes is counted as none, and never held whole."""
    pieces = [TEXT.encode() + b"\n", *[b" " * (1 << 20)] * 100, b"\n" + TEXT.encode() + b"\n"]
    result = audit.Auditor(NOTHING).add_stream(pieces)
    assert (result.events, result.bad_lines, result.first_bad_line) == (2, 1, 2)
    assert max(map(len, cut(pieces))) < 33 << 20


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from([event.name for event in notice.load().events]) | st.text()
members = st.fixed_dictionaries({}, optional={"metadata": values, "payload": values, "x": values})


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
    event = {
        **(notice.find_event("aws_request_agg").example or {}),
        "payload": {"api_calls": [1, 2, 3]},
    }
    findings = run(NOTHING, event, event).findings
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
    assert sum(counts_of(result, "UC501")) == 3000


MEASURE = """
import resource, sys
from usagectl import audit
amount = int(sys.argv[1])
line = (b'{"uid":"%012d","time":"t","tool":"x","kind":"cli_cmd","event":{"name":"cli_cmd",'
        b'"metadata":{"client_time":"2026-11-23 09:00:00.%06d","session_id":"%08x-0000-4000-8000-'
        b'000000000000"},"payload":{"cmd":"c%d","params":["p%d"],"k%d":"jo%d@corp.io"}}}\\n')
pieces = (line % ((n,) * 7) for n in range(amount))
result = audit.Auditor(audit.Context()).add_stream(pieces)
assert result.events == amount, result.events
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
AMOUNT = int(os.environ.get("USAGECTL_AUDIT_EVENTS", "20000"))


@pytest.mark.skipif(sys.platform == "win32", reason="resource is not on Windows")
def test_memory_is_flat() -> None:
    """Many times as many events, all different, take not even twice the memory."""
    peaks = []
    for amount in (2_000, AMOUNT):
        words = [sys.executable, "-c", MEASURE, str(amount)]
        done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 2 * peaks[0]


def test_spool(machine: Machine) -> None:
    """What waits in the spool is audited, and the spool stays as it is."""
    environment = machine.environment()
    for _ in range(3):
        spool.append(environment, TEXT.encode(), tool="usagectl", kind="cli_cmd")
    result = audit.Auditor(NOTHING).add_spool(environment)
    assert (result.events, result.by_name) == (3, {"cli_cmd": 3})
    assert spool.state(environment).pending == 3
