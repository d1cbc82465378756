"""Tests of backlogs: an event is in memory that outlives the process, and gets one line, once."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.counting import ledgers, left_in, memory_of
from tests.support.machine import NOW
from tests.support.spooling import aside, deliver, run, start, wait_for_word
from usagectl import spool
from usagectl.emitting import ledger
from usagectl.emitting.ledger import EVENTS, EventWriter, Series, TimedLines, files
from usagectl.spool import envelope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.machine import Machine

OPENING = '{"name":"k","metadata":{"client_time":"'
TAIL = b'"},"payload":{"n":%d}}'
SERIES = Series("t", "k", "c", OPENING, "abc-8def-", 1000)

# Adds events of two kinds of tails, says so, and stays until it is killed.
ADD = """
from usagectl import ledger
from usagectl.emitting.ledger import EventWriter, Series
series = Series("t", "k", "c", sys.argv[2], "abc-8def-", 1000)
backlog = ledger.make_backlog(machine.environment(), series)
texts = [backlog.enter(each.encode()) for each in sys.argv[3:5]]
for number in range(int(sys.argv[5])):
    assert backlog.put(1795410767.5 + number / 1000, texts[number % 2])
writer = EventWriter(machine.environment(), tool="t", consent="c")
"""
STAY = """
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def memory(machine: Machine) -> Iterator[Path]:
    """Give the machine a memory file system."""
    with memory_of(machine) as folder:
        yield folder


def kill_after(machine: Machine, script: str, count: int) -> None:
    """Run a process that adds so many events, and kill it while it lives."""
    tails = [(TAIL % number).decode() for number in range(2)]
    process = start(machine, ADD + script + STAY, OPENING, *tails, count)
    wait_for_word(process)
    process.kill()
    process.communicate()


def numbers(machine: Machine) -> list[int]:
    """Read which events of the series wait, by their uids."""
    uids = [record.uid for record in spool.records(machine.environment())]
    return sorted(int(uid[24:], 16) - 1000 for uid in uids)


def test_an_event_is_in_memory_at_once(machine: Machine, memory: Path) -> None:
    """Nothing has to be flushed: whoever finds the file after a kill has every event in it."""
    kill_after(machine, "", 5)
    assert not machine.state_dir.exists()
    assert ledger.recover(machine.environment()) == 5
    records = list(spool.records(machine.environment()))
    assert {(each.tool, each.kind, each.consent) for each in records} == {("t", "k", "c")}
    payloads = [json.loads(each.event)["payload"]["n"] for each in records]
    assert payloads == [0, 1, 0, 1, 0]
    assert [each.time.partition(".")[2] for each in records] == [
        f"50{n}000+00:00" for n in range(5)
    ]
    assert numbers(machine) == [0, 1, 2, 3, 4]
    assert left_in(memory) == []
    assert ledger.recover(machine.environment()) == 0


WRITTEN = {
    "nothing": ("", 0),
    "all": ("for lines in backlog.batches(): writer.add_lines(lines)", 300),
    "some": ("for lines in backlog.batches(): writer.add_lines(lines[:120]); break", 120),
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("where", ["waiting", "sent"])
def test_no_instant_of_a_kill_doubles_an_event(
    written: str, where: str, machine: Machine, memory: Path
) -> None:
    """Killed amid the lines of a batch, those that are there are not put there again."""
    script, count = WRITTEN[written]
    kill_after(machine, script, 300)
    if where == "sent":
        assert len(deliver(machine)) == count
        log = machine.state_dir / "spool" / "sent"
        log.mkdir(exist_ok=True)
        lines = [TimedLines(SERIES).build(1.0, number, TAIL % 1) for number in range(count)]
        (log / "00000001.jsonl").write_bytes(b"".join(lines))
    assert ledger.recover(machine.environment()) == 300 - count
    first = count if where == "sent" else 0
    assert numbers(machine) == list(range(first, 300))
    assert left_in(memory) == []


def test_a_line_that_was_torn_is_put_there_whole(machine: Machine, memory: Path) -> None:
    """A kill within a write leaves a part of a line, which is none."""
    kill_after(machine, "for lines in backlog.batches(): writer.add_lines(lines[:2]); break", 3)
    (file,) = (machine.state_dir / "spool").glob("*.own.jsonl")
    file.write_bytes(file.read_bytes()[:-20])
    assert ledger.recover(machine.environment()) == 2
    assert len(deliver(machine)) == 3
    assert aside(machine).count(b"\n") == 1
    assert left_in(memory) == []


def test_a_spool_that_takes_nothing_loses_nothing(machine: Machine, memory: Path) -> None:
    """Where the events cannot be kept, the backlog stays for the next time."""
    kill_after(machine, "", 5)
    machine.state_dir.mkdir()
    (machine.state_dir / "spool").write_text("in the way")
    assert ledger.recover(machine.environment()) == 0
    assert len(ledgers(memory)) == 1
    (machine.state_dir / "spool").unlink()
    assert ledger.recover(machine.environment()) == 5


@pytest.mark.usefixtures("memory")
def test_a_backlog_has_room_for_so_many(machine: Machine) -> None:
    """When it is full it says so, and all that it holds becomes lines in their order."""
    found = ledger.make_backlog(machine.environment(), SERIES)
    assert found is not None
    text = found.enter(TAIL % 1)
    assert text is not None
    for number in range(EVENTS):
        assert found.put(float(number), text)
    assert found.is_full
    assert not found.put(0.0, text)
    built = [line for lines in found.batches() for line in lines]
    assert [envelope.uid_of(line)[24:] for line in built] == [
        b"%012x" % (1000 + number) for number in range(EVENTS)
    ]
    assert list(found.batches()) == []
    found.remove()


@given(st.integers(0, 4_000_000_000_000_000))
def test_a_line_is_the_envelope_s_own(microseconds: int) -> None:
    """For every instant the line is the one that `envelope` builds, but for random digits."""
    instant = datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(
        microsecond=microseconds % 1_000_000
    )
    line = TimedLines(SERIES).build(instant.timestamp(), 5, TAIL % 1)
    record = envelope.parse_line(line[:-1])
    assert record is not None
    labels = envelope.build_labels("t", "k", "c")
    wanted = envelope.build_line(record.event, labels, now=instant, entropy=lambda n: b"\1" * n)
    uid = record.uid.encode()
    assert uid[:15] == envelope.uid_of(wanted)[:15]
    assert uid[15:] == b"abc-8def-0000000003ed"
    time = datetime.fromisoformat(record.time)
    assert time == instant
    client_time = json.loads(record.event)["metadata"]["client_time"]
    assert client_time == instant.strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
    assert line.endswith(wanted[wanted.index(b'"tool"') :])


def pack(added: int, done: int, instant: float, text: int) -> bytes:
    """Build the mapped part of a backlog with one event in the first place."""
    state = struct.pack("QQ", added, done)
    times = struct.pack("d", instant) + bytes(8 * (EVENTS - 1))
    tails = struct.pack("Q", text) + bytes(8 * (EVENTS - 1))
    return (state + times + tails).ljust(files.SIZE, b"\0")


HOSTILE = [
    pack(1, 0, float("nan"), 0),
    pack(1, 0, float("inf"), 0),
    pack(1, 0, 1e300, 0),
    pack(1, 0, -1e300, 0),
    pack(1, 0, 1.0, 7),
    pack(1, 0, 1.0, 2**63),
    pack(2**60, 2**61, 1.0, 0),
    b"\xff" * files.SIZE,
]


@pytest.mark.parametrize("data", HOSTILE)
@pytest.mark.parametrize("text", ['"tail"', '"\\udc80\\n"', '{"a":1}', "[1]"])
def test_a_backlog_that_somebody_wrote_makes_no_trouble(
    data: bytes, text: str, machine: Machine, memory: Path
) -> None:
    """Numbers of no sense and texts that make no event put nothing into the spool that is none."""
    kill_after(machine, "", 1)
    (file,) = ledgers(memory)
    head, series, *_ = file.read_bytes()[files.SIZE :].split(b"\n")
    file.write_bytes(data + b"\n".join([head, series, text.encode(), b""]))
    ledger.recover(machine.environment())
    assert ledgers(memory) == []
    assert spool.state(machine.environment()).problem == ""
    assert list(spool.records(machine.environment())) == []


CLOSE_ALL = """
from usagectl.emitting.ledger import EventWriter, Series, TimedLines
writer = EventWriter(machine.environment(), tool="t", consent="c")
lines = TimedLines(Series("t", "k", "c", sys.argv[2], "abc-8def-", 1000))
writer.add_timed(lines, sys.argv[3].encode())
os.closerange(3, 200)
strangers = [os.open(sys.argv[1] + "/stranger", os.O_RDWR | os.O_CREAT) for _ in range(20)]
writer.add_timed(lines, sys.argv[3].encode())
os.closerange(3, 200)
writer.add("k", (sys.argv[2] + sys.argv[3]).encode())
os.closerange(3, 200)
strangers = [os.open(sys.argv[1] + "/stranger", os.O_RDWR | os.O_CREAT) for _ in range(20)]
writer.release()
for each in strangers:
    assert os.fstat(each).st_size == 0
"""


def test_a_segment_whose_descriptor_was_closed_is_left(machine: Machine) -> None:
    """When a program closed all descriptors, other files get no byte, and stay open."""
    run(machine, CLOSE_ALL, OPENING, (TAIL % 1).decode())
    assert (machine.folder / "stranger").read_bytes() == b""
    assert len(deliver(machine)) == 3


@pytest.mark.usefixtures("memory")
def test_what_a_full_disk_does_not_take_is_counted(machine: Machine) -> None:
    """Lines that the spool cannot keep are lost, all of a write, and counted."""
    machine.state_dir.mkdir()
    (machine.state_dir / "spool").write_text("in the way")
    machine.variables["TMPDIR"] = str(machine.folder / "tmp")
    writer = EventWriter(machine.environment(), tool="t", consent="")
    lines = [TimedLines(SERIES).build(NOW.timestamp(), number, TAIL % 1) for number in range(3)]
    writer.add_lines(lines)
    writer.release()
    (machine.state_dir / "spool").unlink()
    assert spool.state_of_losses(machine.environment()).unwritable == 3
    writer.add_lines(lines)
    writer.release()
    assert len(deliver(machine)) == 3
