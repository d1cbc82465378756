"""Tests of purging: what is meant is gone from the disk, what is not stays, whatever happens.

A purge is killed SPOOL_KILLS times; 300 is the long run:
`SPOOL_KILLS=300 pytest tests/test_spool_purging.py`.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import NOW
from tests.support.spooling import (
    aside,
    claimed,
    deliver,
    make_line,
    names,
    put,
    read,
    run,
    segment,
    spool_dir,
    start,
    take,
    wait_for_word,
)
from usagectl import spool
from usagectl.errors import LockTimeoutError, SpoolUnwritableError
from usagectl.spool import logs, purging, queue
from usagectl.spool.lines import Selection
from usagectl.spool.logs import Handover

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.errors import UsagectlError
    from usagectl.spool.purging import State

SECRET = b"s3cret-b1ts"
EVENT = b'{"x":"%b"}' % SECRET
KEPT = b'{"x":"stays"}'


def purge(machine: Machine, *states: State, selection: Selection | None = None) -> int:
    """Purge; without a state what was not sent."""
    return purging.purge(
        machine.environment(),
        states=states or purging.UNSENT,
        selection=selection or Selection(),
    )


def files_with(folder: Path, text: bytes = SECRET) -> list[str]:
    """Name the files below a folder that hold some bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(file.name for file in files if text in file.read_bytes())


def log(machine: Machine, name: str, *events: bytes) -> None:
    """Put events into one of the logs."""
    found = logs.Log(machine.environment(), spool_dir(machine) / name)
    handover = Handover("2026-11-23T06:30:00+00:00", "http://127.0.0.1:9/v1", 200)
    found.append(handover, b"".join(make_line(event) for event in events))
    found.close()


def test_purge_of_everything(machine: Machine) -> None:
    """Every waiting event goes, however it waits; a dry run says how many, and removes none."""
    assert purge(machine) == 0
    assert not machine.state_dir.exists()
    for day in range(3):
        put(machine, EVENT, now=NOW + timedelta(days=day))
    take(machine, batch_size=1, most=1)
    segment(machine, 9, ".sending").write_bytes(make_line(EVENT) * 2 + b"torn " + SECRET)
    segment(machine, 8, ".own").write_bytes(make_line(EVENT))
    assert purging.purge(machine.environment(), dry_run=True) == 5
    assert len(read(machine)) == 5
    told: list[int] = []
    assert purging.purge(machine.environment(), on_progress=told.append) == 5
    assert told == sorted(told)
    assert told[-1] == 5
    assert (read(machine), names(machine), files_with(machine.folder)) == ([], [], [])
    put(machine, EVENT)
    assert read(machine) == [EVENT]


def test_purge_by_state(machine: Machine) -> None:
    """Pending, sent and rejected go apart; without a state, what was not sent goes."""
    put(machine, EVENT)
    log(machine, "sent", EVENT, EVENT)
    log(machine, "rejected", EVENT, EVENT, EVENT)
    assert purging.purge(machine.environment(), states=["sent"], dry_run=True) == 2
    assert purge(machine, "sent") == 2
    assert files_with(spool_dir(machine) / "sent") == []
    assert spool.state(machine.environment())[1:4] == (1, 0, 3)
    log(machine, "sent", EVENT)
    assert purge(machine) == 4
    assert spool.state(machine.environment())[1:4] == (0, 1, 0)
    assert len(files_with(machine.folder)) == 1
    assert purge(machine, "pending", "sent", "rejected") == 1
    assert files_with(machine.folder) == []


def test_purge_by_selection(machine: Machine) -> None:
    """What is selected goes, byte for byte; what is not stays in its order, undelivered."""
    for count in range(10):
        for tool, event in (("a", EVENT), ("b", b'{"n":%d}' % count)):
            put(machine, event, tool=tool, now=NOW + timedelta(days=count // 5))
    with segment(machine, 2).open("ab") as stream:
        stream.write(b"foreign\n\n")
    take(machine, batch_size=2, most=1)
    selection = Selection(tools=("a",))
    assert purging.purge(machine.environment(), selection=selection, dry_run=True) == 9
    assert len(files_with(machine.folder)) == 2
    assert purge(machine, selection=selection) == 9
    assert files_with(machine.folder) == []
    rest = [b'{"n":%d}' % count for count in range(1, 10)]
    assert read(machine) == rest
    assert deliver(machine) == rest
    assert (aside(machine), names(machine)) == (b"foreign\n", ["aside"])


def test_a_log_keeps_its_headers(machine: Machine) -> None:
    """What stays of a log still says when it was sent; a log of headers alone is removed."""
    log(machine, "sent", EVENT, KEPT)
    uid = Selection(uids=("u",))
    sent = spool_dir(machine) / "sent"
    assert purge(machine, "sent", selection=Selection(uids=("other",))) == 0
    (file,) = sent.glob("*.jsonl")
    assert [line[:6] for line in file.read_bytes().splitlines()] == [
        b'{"at":',
        b'{"uid"',
        b'{"uid"',
    ]
    assert purge(machine, "sent", selection=uid) == 2
    assert list(sent.iterdir()) == []


def test_what_was_set_aside_goes_with_everything(machine: Machine) -> None:
    """Torn lines are bytes of events too; a purge of some events keeps them."""
    segment(machine).write_bytes(b"torn " + SECRET + b"\n" + make_line(KEPT))
    assert deliver(machine) == [KEPT]
    purge(machine, selection=Selection(tools=("none",)))
    assert SECRET in aside(machine)
    purge(machine, "sent", "rejected")
    assert SECRET in aside(machine)
    purge(machine)
    assert files_with(machine.folder) == []


def test_a_live_writer_is_purged_under_its_hands(machine: Machine) -> None:
    """Everything goes, and what the writer adds afterwards is kept."""
    with spool.Writer(machine.environment()) as writer:
        for _ in range(3):
            writer.append(EVENT, tool="t", kind="k")
        assert purge(machine) == 3
        assert files_with(machine.folder) == []
        writer.append(KEPT, tool="t", kind="k")
        assert read(machine) == [KEPT]
    assert deliver(machine) == [KEPT]


def test_a_selection_that_a_live_writer_holds_is_an_error(machine: Machine) -> None:
    """Such a file cannot be rewritten: that is said, instead of a purge that kept something."""
    with spool.Writer(machine.environment()) as writer:
        writer.append(KEPT, tool="b", kind="k")
        assert purge(machine, selection=Selection(tools=("a",))) == 0
        writer.append(EVENT, tool="a", kind="k")
        with pytest.raises(SpoolUnwritableError, match=r"keeps 00000001\.own\.jsonl open"):
            purge(machine, selection=Selection(tools=("a",)))
    assert purge(machine, selection=Selection(tools=("a",))) == 1
    assert read(machine) == [KEPT]


HOLD = """
import fcntl
descriptor = os.open(sys.argv[2], os.O_RDWR)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_segment_that_another_process_holds_is_emptied(machine: Machine) -> None:
    """A stopped process that was about to append keeps nothing from being purged."""
    put(machine, EVENT)
    process = start(machine, HOLD, segment(machine))
    wait_for_word(process)
    assert purge(machine) == 1
    assert files_with(machine.folder) == []
    process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows neither pipes nor such links")
def test_pipes_and_links_are_removed(machine: Machine) -> None:
    """They neither hang nor lead away: what a link points to stays."""
    target = machine.folder / "mine"
    target.write_bytes(make_line(KEPT))
    os.mkfifo(segment(machine, 1))
    segment(machine, 2).symlink_to(target)
    segment(machine, 3).symlink_to(machine.folder / "nowhere")
    os.mkfifo(segment(machine, 4, ".own"))
    put(machine, EVENT)
    assert purge(machine) == 1
    assert names(machine) == []
    assert target.read_bytes() == make_line(KEPT)


def test_a_folder_is_an_error_that_says_so(machine: Machine) -> None:
    """A folder cannot be purged; all the rest is gone all the same."""
    segment(machine, 1).mkdir()
    put(machine, EVENT)
    with pytest.raises(SpoolUnwritableError, match=r"(?i)a directory|not permitted"):
        purge(machine)
    assert (names(machine), files_with(machine.folder)) == (["00000001.jsonl"], [])


def test_a_purge_waits_for_a_delivery(machine: Machine) -> None:
    """It does not change what is being sent, and says so when that goes on and on."""
    put(machine, EVENT)
    with claimed(machine), pytest.raises(LockTimeoutError):
        queue.held(machine.environment(), seconds=0.0).__enter__()


# Purges tool `a` again and again, each time in a child that is killed at some moment.
KILLS = """
import random
from tests.support.spooling import make_line, segment, spool_dir, read
from usagectl.spool import purging
from usagectl.spool.lines import Selection
selection = Selection(tools=("a",))
chance = random.Random(int(sys.argv[2]))
unfinished = 0
for attempt in range(int(sys.argv[3])):
    for day in range(3):
        block = b"".join(
            make_line(b'{"n":%d,"x":"%b"}' % (n, b"gone" if n % 2 else b"stays"), uid="u-%d" % n)
            .replace(b'"tool":"usagectl"', b'"tool":"a"' if n % 2 else b'"tool":"b"')
            for n in range(day * 300, day * 300 + 300)
        )
        segment(machine, day + 1).write_bytes(block)
    child = os.fork()
    if not child:
        purging.purge(machine.environment(), selection=selection)
        os._exit(0)
    time.sleep(chance.random() * 0.012)
    os.kill(child, signal.SIGKILL)
    unfinished += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left = [event for event in read(machine) if b"stays" in event]
    assert left == [b'{"n":%d,"x":"stays"}' % n for n in range(0, 900, 2)], attempt
    purging.purge(machine.environment(), selection=selection)
    for file in spool_dir(machine).iterdir():
        assert b"gone" not in file.read_bytes(), file
        assert file.suffix != ".tmp"
    assert len(read(machine)) == 450
    for file in spool_dir(machine).iterdir():
        file.unlink()
print(unfinished)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")
def test_a_killed_purge_loses_nothing_that_should_stay(machine: Machine) -> None:
    """Killed at any moment: what stays is whole, and the next purge ends the work."""
    kills = int(os.environ.get("SPOOL_KILLS", "30"))
    assert int(run(machine, KILLS, 20261123, kills)) > kills // 10


def test_a_leftover_of_a_killed_purge_goes(machine: Machine) -> None:
    """A half-written file beside a segment holds events too."""
    put(machine, KEPT)
    (spool_dir(machine) / "00000001.sending.tmp").write_bytes(make_line(EVENT))
    assert purge(machine, selection=Selection(tools=("none",))) == 0
    assert files_with(machine.folder) == []
    assert deliver(machine) == [KEPT]


def test_each_segment_that_stays_is_told(machine: Machine) -> None:
    """Folders in the place of segments stop nothing: all else goes, and each is named."""
    for count in (1, 3):
        segment(machine, count).mkdir()
    segment(machine, 2).write_bytes(make_line(EVENT))
    log(machine, logs.REJECTED, EVENT)
    problems: list[UsagectlError] = []
    gone = purging.purge(machine.environment(), on_problem=problems.append)
    assert (gone, files_with(machine.folder)) == (2, [])
    for problem, count in zip(problems, (1, 3), strict=True):
        assert str(segment(machine, count)) in problem.message
    put(machine, EVENT)
    found = machine.run("spool", "purge", "--yes", "--json")
    assert (found.status, found.data["purged"]) == (4, 1)
    assert str(segment(machine, 3)) in found.envelope["errors"][1]["message"]


def test_what_a_selection_does_not_meet_is_not_written_anew(machine: Machine) -> None:
    """A segment with nothing to remove stays the file that it is: a full disk needs no room."""
    for count in (1, 2):
        segment(machine, count).write_bytes(make_line(EVENT, kind=f"k{count}") * 2)
    before = [segment(machine, count).stat().st_ino for count in (1, 2)]
    assert purge(machine, selection=Selection(events=("k2",))) == 2
    assert purge(machine, selection=Selection(events=("none",))) == 0
    left = sorted(spool_dir(machine).glob("*.jsonl"))
    assert [each.stat().st_ino for each in left] == before[:1]


def test_a_file_in_the_spools_place_is_no_empty_spool(machine: Machine) -> None:
    """List and purge say what lies there, instead of that nothing waits."""
    machine.state_dir.mkdir(exist_ok=True)
    (machine.state_dir / "spool").write_bytes(b"")
    for words in (("spool", "list"), ("spool", "purge", "--yes"), ("spool", "stats")):
        found = machine.run(*words)
        assert (found.status, "not a directory" in found.stderr.lower()) == (4, True), words
