"""Tests of the spool: what a line holds, that no byte changes, and that nothing foreign harms."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import NOW, REPOSITORY
from usagectl import events, spool
from usagectl.errors import FolderUnknownError, SpoolUnwritableError
from usagectl.spool import bounds, purging

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

EVENT = b'{"name":"cli_cmd","metadata":{"client_time":"t"},"payload":{"cmd":"x","params":[]}}'

# Appends many events of one process; what it is is told by its arguments.
WRITER = """
import sys
from tests.support.machine import Machine
from pathlib import Path
from usagectl import events, spool
machine = Machine(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    event = events.build_event("e", metadata={}, payload={"n": [int(sys.argv[2]), number]})
    spool.append(machine.environment(), event, tool="usagectl", kind="e")
"""


def put(machine: Machine, event: bytes = EVENT, *, tool: str = "usagectl") -> None:
    """Append one event."""
    spool.append(machine.environment(), event, tool=tool, kind="cli_cmd")


def read(machine: Machine) -> list[bytes]:
    """Read the waiting events' bytes."""
    return [record.event for record in spool.records(machine.environment())]


def segment(machine: Machine, number: int = 1) -> Path:
    """Name a segment, its folder made."""
    folder = machine.state_dir / "spool"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{number:08d}.jsonl"


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


def test_only_the_owner_can_read_it(machine: Machine) -> None:
    """The folder has mode 0700, a segment 0600."""
    put(machine)
    assert segment(machine).parent.stat().st_mode & 0o777 == 0o700
    assert segment(machine).stat().st_mode & 0o777 == 0o600


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
texts = st.sampled_from([',"event":', "\n", "\r", "\u2028", "}", '"', "\\", "\0", "é"]) | st.text()


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(st.dictionaries(texts, json_values | texts, max_size=3), min_size=1, max_size=4))
def test_the_bytes_of_an_event_never_change(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[dict[str, object]]
) -> None:
    """What is appended is read back byte for byte, whatever text an event holds."""
    from tests.support.machine import Machine

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
    return events.build_event("e", metadata={}, payload=clean)


TORN = [
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":{"na',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":{"a":1}',
    b'{"uid":"u"',
    b"{",
    b"\0\0\0\0",
    b"\xff\xfe",
]


@pytest.mark.parametrize("torn", TORN)
def test_a_torn_last_line_is_passed_over(machine: Machine, torn: bytes) -> None:
    """What a killed process left is not counted, harms no other line, and stays for a person."""
    put(machine)
    with segment(machine).open("ab") as stream:
        stream.write(torn)
    assert read(machine) == [EVENT]
    assert spool.state(machine.environment()).pending == 1
    put(machine)
    assert read(machine) == [EVENT, EVENT]
    assert torn + b"\n" in segment(machine).read_bytes()


FOREIGN = [
    b"",
    b"hello",
    b"[]",
    b"null",
    b'{"event":{}}',
    b'{"uid":1,"time":"t","tool":"usagectl","kind":"k","event":{}}',
    b'{"uid":"u","time":"t","tool":null,"kind":"k","event":{}}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":}',
    b'{"uid":"u","time":"t","tool":"usagectl","kind":"k","event":{}} ',
    b'["uid","event":{}}',
    b'{"uid":"u","a":' + b"[" * 100_000 + b',"event":{}}',
]


@pytest.mark.parametrize("line", FOREIGN, ids=range(len(FOREIGN)))
def test_foreign_lines_are_passed_over(machine: Machine, line: bytes) -> None:
    """A line that is no record is not read as one, and the lines around it are."""
    put(machine)
    with segment(machine).open("ab") as stream:
        stream.write(line + b"\n")
    put(machine)
    assert read(machine) == [EVENT, EVENT]


def test_foreign_files_are_left_alone(machine: Machine) -> None:
    """Only segments are read, written and purged; whatever else lies in the folder stays."""
    put(machine)
    notes = segment(machine).with_name("notes.txt")
    other = segment(machine).with_name("mine.jsonl")
    for file in (notes, other):
        file.write_bytes(segment(machine).read_bytes())
    assert read(machine) == [EVENT]
    assert purging.purge(machine.environment()) == 1
    assert (notes.exists(), other.exists(), segment(machine).exists()) == (True, True, False)


def test_a_pipe_as_a_segment(machine: Machine) -> None:
    """A pipe neither hangs nor takes the event: it goes to a segment beside it."""
    os.mkfifo(segment(machine))
    put(machine)
    reader = os.open(segment(machine), os.O_RDONLY | os.O_NONBLOCK)
    try:
        put(machine)
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)
    assert "no file" in spool.state(machine.environment()).problem
    assert segment(machine, 2).read_bytes().count(EVENT) == 2


def test_a_link_as_a_segment(machine: Machine) -> None:
    """A link in a segment's place leads no event away, and its target survives a purge."""
    target = machine.folder / "elsewhere"
    target.write_bytes(b"mine\n")
    segment(machine).symlink_to(target)
    put(machine)
    assert target.read_bytes() == b"mine\n"
    purging.purge(machine.environment())
    assert target.read_bytes() == b"mine\n"
    assert not segment(machine).is_symlink()


def test_the_bounds_hold(machine: Machine) -> None:
    """No segment outgrows its size, all together not their bound, the oldest go first, counted."""
    machine.config_dir.mkdir()
    (machine.config_dir / "settings.toml").write_text("[spool]\nmax_bytes = 4000000\n")
    size = bounds.SEGMENT_BYTES - 1000
    for number in range(7):
        put(machine, b'{"n":%d,"x":"%s"}' % (number, b"x" * size))
    files = sorted(segment(machine).parent.glob("*.jsonl"))
    assert all(file.stat().st_size <= bounds.SEGMENT_BYTES for file in files)
    numbers = [json.loads(event)["n"] for event in read(machine)]
    assert numbers == list(range(7 - len(files), 7))
    assert len(files) in (3, 4)
    assert spool.state(machine.environment()).losses.full == 7 - len(files)


def test_old_events_are_dropped(machine: Machine) -> None:
    """What is older than the bound goes when a new day begins, and is counted."""
    for days in (200, 50, 0):
        environment = machine.environment(now=lambda days=days: NOW - timedelta(days=days))
        spool.append(environment, b'{"days":%d}' % days, tool="usagectl", kind="e")
    assert read(machine) == [b'{"days":50}', b'{"days":0}']
    assert spool.state(machine.environment()).losses.old == 1


def test_many_processes_at_once(machine: Machine) -> None:
    """16 processes append 200 events each: none is torn, lost or out of its process' order."""
    command = [sys.executable, "-c", WRITER, str(machine.folder)]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    writers = [
        subprocess.Popen([*command, str(n), "200"], env=environ, cwd=REPOSITORY) for n in range(16)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 16
    pairs = [json.loads(event)["payload"]["n"] for event in read(machine)]
    assert sorted(pairs) == [[n, number] for n in range(16) for number in range(200)]
    for n in range(16):
        own = [number for writer, number in pairs if writer == n]
        assert own == sorted(own)


def test_purge(machine: Machine) -> None:
    """Purge removes every waiting event and says how many; a dry run removes none."""
    assert purging.purge(machine.environment()) == 0
    for _ in range(3):
        put(machine)
    assert purging.purge(machine.environment(), dry_run=True) == 3
    assert len(read(machine)) == 3
    assert purging.purge(machine.environment()) == 3
    assert read(machine) == []
    put(machine)
    assert len(read(machine)) == 1


def test_the_newest_event_of_a_tool(machine: Machine) -> None:
    """The newest waiting event of the asked tool is found behind those of others."""
    assert spool.last_event(machine.environment(), tool="usagectl") is None
    put(machine, b'{"n":1}')
    put(machine, b'{"n":2}')
    put(machine, b'{"n":3}', tool="other")
    assert spool.last_event(machine.environment(), tool="usagectl") == b'{"n":2}'
    assert spool.last_event(machine.environment(), tool="none") is None


def test_uids_are_uuid7_and_in_order(machine: Machine) -> None:
    """A uid is a UUIDv7: version, variant, the instant in front, so that text order is time's."""
    instants = [NOW + timedelta(milliseconds=n * 7) for n in range(20)]
    for now in instants:
        environment = machine.environment(now=lambda now=now: now)
        spool.append(environment, EVENT, tool="usagectl", kind="k")
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


def test_without_a_home(machine: Machine) -> None:
    """Without a folder nothing is kept, and appending says so."""
    bare = machine.environment(state_dir=None)
    assert spool.state(bare).problem
    assert (list(spool.records(bare)), purging.purge(bare)) == ([], 0)
    with pytest.raises(FolderUnknownError):
        spool.append(bare, EVENT, tool="usagectl", kind="k")


def test_a_file_in_the_folders_place(machine: Machine) -> None:
    """A file where the spool's folder should be is an error to write, nothing to read."""
    machine.state_dir.mkdir()
    (machine.state_dir / "spool").write_bytes(b"mine")
    with pytest.raises(SpoolUnwritableError):
        put(machine)
    assert read(machine) == []
    assert (machine.state_dir / "spool").read_bytes() == b"mine"
