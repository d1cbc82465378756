"""Tests of a recorded event's line: exact bytes, its uid, and what is not a line of ours."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.laid import FOREIGN, HOSTILE
from tests.support.machine import NOW
from usagectl.events.record import build_uid, in_utc, new_record, parse_time, to_line
from usagectl.events.slicing import parse_line

EVENT = b'{"name":"cli_cmd","metadata":{},"payload":{"cmd":"x"}}'
WHOLE = to_line(new_record(EVENT, tool="t", kind="k", now=NOW, entropy=os.urandom))
texts = st.sampled_from([',"event":', "\n", "\r", "\u2028", "}", '"', "\\", "\0", "é"]) | st.text()


def test_the_form_of_a_line() -> None:
    """A line is one JSON object: uid, time, tool, kind, consent if any, and last the event."""
    line = to_line(
        new_record(EVENT, tool="t", kind="k", consent="setting:2026", now=NOW, entropy=os.urandom)
    )
    assert line.endswith(b',"event":' + EVENT + b"}")
    assert list(json.loads(line)) == ["uid", "time", "tool", "kind", "consent", "event"]
    assert list(json.loads(WHOLE)) == ["uid", "time", "tool", "kind", "event"]
    assert datetime.fromisoformat(json.loads(WHOLE)["time"]) == NOW


@settings(database=None)
@given(
    texts, texts, texts, st.dictionaries(texts, texts | st.just({"event": {"a": 1}}), max_size=3)
)
def test_labels_of_any_text_are_read_back(
    tool: str, kind: str, consent: str, members: dict[str, object]
) -> None:
    """Quotes, line ends or `,"event":` in a label or a further member break no line."""
    record = new_record(EVENT, tool=tool, kind=kind, consent=consent, now=NOW, entropy=os.urandom)
    further = {f"x{name}": value for name, value in members.items()}
    line = to_line(record, further)
    assert b"\n" not in line
    assert parse_line(line) == parse_line(line + b"\r\n") == record
    assert json.loads(line) | further == json.loads(line)


def test_half_a_surrogate_pair_is_read() -> None:
    """It is JSON as an escape, in a label and in an event."""
    event = b'{"a":"\\ud800", "b":",\\"event\\":{"}'
    line = WHOLE.replace(EVENT, event)
    found = parse_line(line)
    assert found is not None
    assert (found.event, found.tool) == (event, "t")
    odd = parse_line(line.replace(b'"tool":"t"', b'"tool":"\\udfff"'))
    assert odd is not None
    assert odd.tool == "\udfff"
    assert parse_line(line + b"}") is None


def test_a_line_torn_at_any_byte() -> None:
    """Only the whole line is a record."""
    assert [cut for cut in range(len(WHOLE)) if parse_line(WHOLE[:cut]) is not None] == []
    assert parse_line(WHOLE) is not None


def test_foreign_lines() -> None:
    """A line of another form gives None."""
    assert [line[:80] for line in FOREIGN if parse_line(line) is not None] == []
    sound = {name for name, line in HOSTILE.items() if parse_line(line) is not None}
    assert sound == {
        "escapes",
        "no instant",
        "an instant before all",
        "huge",
        "a huge name",
        "a huge number",
        "a member twice",
        "two events",  # The last counts, as it does for readers of JSON.
    }


def test_uids_are_uuid7_and_in_order() -> None:
    """A uid is a UUIDv7: version, variant, the instant in front, so that text order is time's."""
    instants = [NOW + timedelta(milliseconds=n * 7) for n in range(20)]
    uids = [build_uid(now, os.urandom) for now in instants]
    pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(pattern, uid) for uid in uids)
    assert uids == sorted(set(uids))
    milliseconds = [int(uid.replace("-", "")[:12], 16) for uid in uids]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert milliseconds == [(now - epoch) // timedelta(milliseconds=1) for now in instants]
    odd = [build_uid(NOW, fill) for fill in (bytes, lambda count: b"\xff" * count)]
    odd += [
        build_uid(datetime(year, 12, 31, 12, tzinfo=UTC), os.urandom) for year in (1, 1969, 9999)
    ]
    assert all(re.fullmatch(pattern, uid) for uid in odd)


def test_instants() -> None:
    """An instant is read with or without a zone, and written in UTC; other text gives none."""
    told = {
        "2026-11-23T06:30:00.123456+00:00": "2026-11-23 06:30:00",
        "2026-11-23T06:30+14:00": "2026-11-22 16:30:00",
        "2026-11-23": "2026-11-23 00:00:00",
        "0001-01-01T00:00:00": "0001-01-01 00:00:00",
        "0001-01-01T00:00:00+14:00": "",
        "yesterday": "",
        "": "",
    }
    assert {time: in_utc(time) for time in told} == told
    assert parse_time("2026-11-23T06:30:00.123456") == NOW
