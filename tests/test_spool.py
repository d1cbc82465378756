"""Tests of the spool: what a line holds, its uid, who can read it, and what is no part of it."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import NOW, Machine
from tests.support.spooling import EVENT, put, read, segment
from usagectl import spool
from usagectl.errors import FolderUnknownError, SpoolUnwritableError
from usagectl.events import encoding
from usagectl.spool import envelope, purging

if TYPE_CHECKING:
    from pathlib import Path


def test_the_form_of_a_line(machine: Machine) -> None:
    """A line is one JSON object: uid, time, tool, kind, and last the event's exact bytes."""
    put(machine)
    data = segment(machine).read_bytes()
    assert data.endswith(b',"event":' + EVENT + b"}\n")
    assert data.count(b"\n") == 1
    line = json.loads(data)
    assert list(line) == ["uid", "time", "tool", "kind", "event"]
    assert (line["tool"], line["kind"]) == ("usagectl", "cli_cmd")
    assert datetime.fromisoformat(line["time"]) == NOW


def test_consent_is_a_member_only_where_there_was_one(machine: Machine) -> None:
    """An event that was recorded under a consent to send names it; it is read back."""
    put(machine, consent="setting:2026")
    put(machine)
    first, second = map(json.loads, segment(machine).read_bytes().splitlines())
    assert list(first) == ["uid", "time", "tool", "kind", "consent", "event"]
    assert "consent" not in second
    found = spool.records(machine.environment())
    assert [record.consent for record in found] == ["setting:2026", ""]


def test_only_the_owner_can_read_it(machine: Machine) -> None:
    """The folder has mode 0700, a segment and the count of losses 0600."""
    put(machine)
    folder = segment(machine).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
texts = st.sampled_from([',"event":', "\n", "\r", "\u2028", "}", '"', "\\", "\0", "é"]) | st.text()


@settings(max_examples=100, database=None)
@given(st.lists(st.dictionaries(texts, json_values | texts, max_size=3), min_size=1, max_size=4))
def test_the_bytes_of_an_event_never_change(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[dict[str, object]]
) -> None:
    """What is appended is read back byte for byte, whatever text an event holds."""
    machine = Machine(tmp_path_factory.mktemp("spool"))
    written = [build(payload) for payload in payloads]
    for event in written:
        put(machine, event)
    assert read(machine) == written
    assert spool.last_event(machine.environment(), tool="usagectl") == written[-1]
    assert spool.state(machine.environment()).pending == len(written)


def build(payload: dict[str, object]) -> bytes:
    """Serialise an event as usagectl does; text that is no Unicode has no bytes."""
    clean = json.loads(json.dumps(payload).encode("ascii", "ignore"))
    return encoding.build_event("e", metadata={}, payload=clean)


@settings(max_examples=100, database=None)
@given(texts, texts, texts)
def test_labels_of_any_text_are_read_back(tool: str, kind: str, consent: str) -> None:
    """A tool, a kind or a consent with quotes, line ends or `,"event":` breaks no line."""
    tool, kind, consent = (
        text.encode("utf-8", "replace").decode() for text in (tool, kind, consent)
    )
    labels = envelope.build_labels(tool or "t", kind or "k", consent)
    line = envelope.build_line(EVENT, labels, now=NOW, entropy=os.urandom)
    assert line.count(b"\n") == 1
    record = envelope.parse_line(line[:-1])
    assert record is not None
    assert record[2:] == (tool or "t", kind or "k", EVENT, consent)


def test_uids_are_uuid7_and_in_order(machine: Machine) -> None:
    """A uid is a UUIDv7: version, variant, the instant in front, so that text order is time's."""
    instants = [NOW + timedelta(milliseconds=n * 7) for n in range(20)]
    for now in instants:
        put(machine, now=now)
    uids = [record.uid for record in spool.records(machine.environment())]
    pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(pattern, uid) for uid in uids)
    assert uids == sorted(uids)
    assert len(set(uids)) == len(uids)
    milliseconds = [int(uid.replace("-", "")[:12], 16) for uid in uids]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert milliseconds == [(now - epoch) // timedelta(milliseconds=1) for now in instants]


@pytest.mark.parametrize("fill", [b"\x00", b"\xff"])
def test_a_uid_keeps_its_shape_for_any_entropy(machine: Machine, fill: bytes) -> None:
    """Version and variant hold for all-zero and all-one entropy."""
    environment = machine.environment(entropy=lambda count: fill * count)
    spool.append(environment, EVENT, tool="usagectl", kind="k")
    (record,) = spool.records(environment)
    assert (record.uid[14], record.uid[19] in "89ab") == ("7", True)


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_uid_keeps_its_shape_for_any_clock(year: int) -> None:
    """A clock before 1970 or at the end of time gives a uid too."""
    now = datetime(year, 12, 31, 12, tzinfo=UTC)
    assert re.fullmatch(r"[0-9a-f-]{36}", envelope.build_uid(now, os.urandom))


def test_foreign_files_are_left_alone(machine: Machine) -> None:
    """Only segments are read, written and purged; whatever else lies in the folder stays."""
    put(machine)
    folder = segment(machine).parent
    foreign = ("notes.txt", "mine.jsonl", "٣.jsonl", "1.mine.jsonl", f"{'9' * 200}.jsonl")
    for name in foreign:
        (folder / name).write_bytes(segment(machine).read_bytes())
    put(machine)
    assert read(machine) == [EVENT, EVENT]
    assert purging.purge(machine.environment()) == 2
    assert not segment(machine).exists()
    assert all((folder / name).exists() for name in foreign)


def test_a_pipe_as_a_segment(machine: Machine) -> None:
    """A pipe neither hangs nor takes the event, with a reader waiting or without."""
    os.mkfifo(segment(machine))
    put(machine)
    reader = os.open(segment(machine), os.O_RDONLY | os.O_NONBLOCK)
    try:
        put(machine)
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)
    assert segment(machine, 2).read_bytes().count(EVENT) == 2
    assert "no file" in spool.state(machine.environment()).problem


def test_a_pipe_among_other_segments(machine: Machine) -> None:
    """When segments are pruned, a pipe between them hangs nothing either."""
    put(machine)
    os.mkfifo(segment(machine, 2))
    for _ in range(3):
        put(machine, b'{"x":"%b"}' % (b"x" * 700_000))
    assert segment(machine, 5).exists()


def test_a_link_as_a_segment(machine: Machine) -> None:
    """A link in a segment's place leads no event away."""
    target = machine.folder / "elsewhere"
    target.write_bytes(b"mine\n")
    segment(machine).symlink_to(target)
    put(machine)
    assert segment(machine, 2).read_bytes().count(EVENT) == 1
    purging.purge(machine.environment())
    assert target.read_bytes() == b"mine\n"


def test_the_newest_event_of_a_tool(machine: Machine) -> None:
    """The newest waiting event of the asked tool is found behind those of others."""
    assert spool.last_event(machine.environment(), tool="usagectl") is None
    put(machine, b'{"n":1}')
    put(machine, b'{"n":2}')
    put(machine, b'{"n":3}', tool="other")
    assert spool.last_event(machine.environment(), tool="usagectl") == b'{"n":2}'
    assert spool.last_event(machine.environment(), tool="none") is None


def test_without_a_home(machine: Machine) -> None:
    """Without a folder nothing is kept, and appending says so."""
    bare = machine.environment(state_dir=None)
    assert spool.state(bare).problem
    assert (list(spool.records(bare)), purging.purge(bare)) == ([], 0)
    with pytest.raises(FolderUnknownError):
        spool.append(bare, EVENT, tool="usagectl", kind="k")
    with pytest.raises(FolderUnknownError):
        spool.Writer(bare)


def test_a_file_in_the_folders_place(machine: Machine) -> None:
    """A file where the spool's folder should be is an error, to write and to read; it stays."""
    machine.state_dir.mkdir()
    place: Path = machine.state_dir / "spool"
    place.write_bytes(b"mine")
    with pytest.raises(SpoolUnwritableError):
        put(machine)
    with pytest.raises(SpoolUnwritableError):
        read(machine)
    assert place.read_bytes() == b"mine"
