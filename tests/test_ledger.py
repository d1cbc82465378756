"""Tests of ledgers: what is counted is in memory that outlives the process, and becomes events."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
from typing import TYPE_CHECKING

import pytest

from tests.support.counting import ledgers, left_in, memory_of
from tests.support.crowds import in_threads
from tests.support.spooling import read, run, start, wait_for_word
from usagectl import spool
from usagectl.emitting import ledger
from usagectl.emitting.ledger import Form, Ledger, LedgerFullError, files, places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.machine import Machine

FORM = Form("k", '{"name":"k","metadata":{"client_time":"', '"},"payload":{"counts":[', "]}}")
ITEM = '{"outcome":"hit","count":'

# Counts, says so, and stays until it is killed.
COUNT = """
from usagectl.emitting.ledger import Form, Ledger
form = Form(*sys.argv[2:6])
ledger = Ledger(machine.environment(), "t", "c")
assert ledger.is_kept
slot = ledger.enter(form, sys.argv[6])
for _ in range(int(sys.argv[7])):
    ledger.cells[slot] += 1
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


def event_of(count: int, time: str = "2026-11-23 06:30:00.123456") -> bytes:
    """Build the event that so many counts become."""
    return f"{FORM.opening}{time}{FORM.middle}{ITEM}{count}}}{FORM.closing}".encode()


def kill_after(machine: Machine, script: str, count: int) -> None:
    """Run a process that counts, and kill it while it lives."""
    process = start(machine, script, *FORM, ITEM, count)
    wait_for_word(process)
    process.kill()
    process.communicate()


def test_a_count_is_in_the_file_at_once(machine: Machine, memory: Path) -> None:
    """Nothing has to be flushed: another process would read each count the moment it is made."""
    found = Ledger(machine.environment(), "t", "")
    slot = found.enter(FORM, ITEM)
    (file,) = ledgers(memory)
    for expected in (1, 2, 3):
        found.cells[slot] += 1
        assert struct.unpack_from("Q", file.read_bytes())[0] == expected
    assert file.stat().st_blocks * 512 >= files.SIZE  # Really there: no page can fail later.
    found.remove()
    assert ledgers(memory) == []
    assert left_in(memory) == []


def test_what_a_killed_process_counted_becomes_an_event(machine: Machine, memory: Path) -> None:
    """Every count that was made is in the event, under the tool and consent it was made under."""
    kill_after(machine, COUNT + STAY, 41)
    assert ledger.recover(machine.environment()) == 1
    (record,) = spool.records(machine.environment())
    assert (record.tool, record.kind, record.consent) == ("t", "k", "c")
    assert record.event == event_of(41)
    assert left_in(memory) == []
    assert ledger.recover(machine.environment()) == 0


def test_the_counts_of_a_living_process_are_its_own(machine: Machine, memory: Path) -> None:
    """Nobody takes what is still being counted; this process's own is left alone too."""
    own = Ledger(machine.environment(), "t", "")
    own.cells[own.enter(FORM, ITEM)] += 1
    process = start(machine, COUNT + STAY, *FORM, ITEM, 3)
    wait_for_word(process)
    assert ledger.recover(machine.environment()) == 0
    ledger.discard(machine.environment())
    assert len(ledgers(memory)) == 2
    process.kill()
    process.communicate()
    assert ledger.recover(machine.environment()) == 1
    assert len(ledgers(memory)) == 1


CLOSE_ALL = """
os.closerange(3, 1000)
stranger = [os.open(sys.argv[1] + "/stranger", os.O_RDWR | os.O_CREAT) for _ in range(20)]
"""


def test_a_process_that_lost_its_descriptors_counts_on(machine: Machine, memory: Path) -> None:
    """A daemon closes every descriptor, its lock too: its counts stay its own while it lives."""
    process = start(machine, COUNT + CLOSE_ALL + STAY, *FORM, ITEM, 3)
    wait_for_word(process)
    assert ledger.recover(machine.environment()) == 0
    assert len(ledgers(memory)) == 1
    process.kill()
    process.communicate()
    assert ledger.recover(machine.environment()) == 1
    assert read(machine) == [event_of(3)]


def test_another_file_gets_no_byte_of_a_ledger(machine: Machine, memory: Path) -> None:
    """When the descriptor became another file's, counting goes on without the ledger's own."""
    more = (
        CLOSE_ALL
        + """
slot = ledger.enter(form, '{"outcome":"miss","count":')
ledger.cells[slot] += 5
print(ledger.settle("T")[0][1].decode())
"""
    )
    event = json.loads(run(machine, COUNT + more, *FORM, ITEM, 3))
    assert [each["count"] for each in event["payload"]["counts"]] == [3, 5]
    assert (machine.folder / "stranger").read_bytes() == b""
    assert ledgers(memory) == []


def test_a_ledger_lets_go_without_closing_what_is_anothers(machine: Machine, memory: Path) -> None:
    """When the descriptors became other files', removing the ledger leaves those open."""
    ending = CLOSE_ALL + "ledger.remove()\nfor each in stranger:\n    os.fstat(each)\n"
    run(machine, COUNT + ending, *FORM, ITEM, 3)
    assert ledgers(memory) == []


@pytest.mark.parametrize("place", ["waiting", "nowhere"])
def test_no_instant_of_a_kill_counts_twice(place: str, machine: Machine, memory: Path) -> None:
    """Killed before the append or between it and the removal, the event is there once."""
    settle = 'events = ledger.settle("2026-11-23 09:00:00.000000")\n'
    append = 'spool.append(machine.environment(), events[0][1], tool="t", kind="k")\n'
    kill_after(machine, COUNT + settle + (append if place == "waiting" else "") + STAY, 7)
    assert ledger.recover(machine.environment()) == (place == "nowhere")
    assert read(machine) == [event_of(7, "2026-11-23 09:00:00.000000")]
    assert ledgers(memory) == []


def test_a_recovery_that_is_killed_is_taken_up(machine: Machine, memory: Path) -> None:
    """A recovery notes its time before it appends, so that the next one makes the same bytes."""
    kill_after(machine, COUNT + STAY, 7)
    (file,) = ledgers(memory)
    kept = machine.folder / "kept"
    ledger_bytes = file.read_bytes()
    ledger.recover(machine.environment())
    kept.write_bytes(ledger_bytes + b'{"time":"2026-11-23 06:30:00.123456"}\n')
    file.parent.mkdir(mode=0o700, parents=True)
    file.parent.parent.chmod(0o700)
    shutil.copy(kept, file)
    assert ledger.recover(machine.environment()) == 0
    assert read(machine) == [event_of(7)]


def test_a_spool_that_takes_nothing_loses_nothing(machine: Machine, memory: Path) -> None:
    """Where the event cannot be kept, the ledger stays for the next time."""
    kill_after(machine, COUNT + STAY, 7)
    machine.state_dir.mkdir()
    (machine.state_dir / "spool").write_text("in the way")
    assert ledger.recover(machine.environment()) == 0
    assert len(ledgers(memory)) == 1
    (machine.state_dir / "spool").unlink()
    assert ledger.recover(machine.environment()) == 1
    assert len(read(machine)) == 1


def test_the_ledgers_of_another_spool_are_left(
    machine: Machine, memory: Path, tmp_path: Path
) -> None:
    """Each state folder has its own counts."""
    kill_after(machine, COUNT + STAY, 7)
    other = machine.environment(state_dir=tmp_path / "other")
    assert ledger.recover(other) == 0
    (mine,) = places.folders(machine.environment())
    (theirs,) = places.folders(other)
    mine.rename(theirs)  # As if the names of both folders were one.
    assert ledger.recover(other) == 0
    assert len(ledgers(memory)) == 1


def test_what_is_discarded_never_becomes_an_event(machine: Machine, memory: Path) -> None:
    """Switched off, what was left behind goes."""
    kill_after(machine, COUNT + STAY, 7)
    ledger.discard(machine.environment())
    assert ledgers(memory) == []
    assert ledger.recover(machine.environment()) == 0
    assert not machine.state_dir.exists()


def test_a_torn_line_counted_nothing(machine: Machine, memory: Path) -> None:
    """A process that is killed within a line has not counted it yet; the lines before it hold."""
    kill_after(machine, COUNT + STAY, 7)
    (file,) = ledgers(memory)
    with file.open("ab") as stream:
        stream.write(b'["k","open')
    assert ledger.recover(machine.environment()) == 1
    assert read(machine) == [event_of(7)]


HOSTILE = [
    b"",
    b"\0" * 100,
    b"\0" * files.SIZE + b"no json\n",
    b"\xff" * 20_000,
    b"\1" * files.SIZE + b'{"tool":1}\n[1,2]\n',
    b"\1" * files.SIZE + b"[" * 100_000 + b"\n",
]


@pytest.mark.parametrize("data", HOSTILE)
def test_a_file_that_is_no_ledger_is_removed(data: bytes, machine: Machine, memory: Path) -> None:
    """Whatever lies in the place of a ledger makes no event and no trouble."""
    (folder,) = places.folders(machine.environment(), make=True)
    folder.mkdir()
    (folder / "1-1.ledger").write_bytes(data)
    (folder / "1-2.tmp").write_bytes(data)
    assert ledger.recover(machine.environment()) == 0
    assert ledgers(memory) == []


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_file_is_left_alone(kind: str, machine: Machine, memory: Path) -> None:
    """A pipe does not hang a recovery, a link is not followed."""
    (folder,) = places.folders(machine.environment(), make=True)
    folder.mkdir()
    place, target = folder / "1-1.ledger", machine.folder / "target"
    target.write_bytes(b"x")
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case _:
            place.symlink_to(target)
    assert ledger.recover(machine.environment()) == 0
    assert target.read_bytes() == b"x"
    assert os.path.lexists(place)
    assert list(memory.iterdir())


def test_a_hostile_item_makes_no_event(machine: Machine, memory: Path) -> None:
    """What would not be JSON is not put into the spool."""
    process = start(machine, COUNT + STAY, *FORM, '{"broken', 3)
    wait_for_word(process)
    process.kill()
    process.communicate()
    assert ledger.recover(machine.environment()) == 0
    assert read(machine) == []
    assert ledgers(memory) == []


def test_without_memory_to_share_counts_are_the_process_s(machine: Machine) -> None:
    """On a disk no ledger is made: a page that it cannot take would end the program."""
    (machine.root / "proc").symlink_to("/proc")
    (machine.root / "dev" / "shm").mkdir(parents=True)  # On the disk of the test.
    environment = machine.environment()
    if list(places.folders(environment)):
        pytest.skip("the temporary folder is memory")
    found = Ledger(environment, "t", "")
    assert not found.is_kept
    found.cells[found.enter(FORM, ITEM)] += 4
    assert found.settle("2026-11-23 06:30:00.123456") == [("k", event_of(4))]
    found.remove()
    assert ledgers(machine.root / "dev") == []


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_a_folder_that_others_may_enter_is_not_used(
    mode: int, machine: Machine, memory: Path
) -> None:
    """What is not the user's alone could hold another's ledgers."""
    folder = memory / f"usagectl-{os.getuid()}"
    folder.mkdir()
    folder.chmod(mode)
    assert not Ledger(machine.environment(), "t", "").is_kept
    assert ledgers(memory) == []


def test_the_user_s_own_runtime_folder_is_better(machine: Machine, memory: Path) -> None:
    """XDG_RUNTIME_DIR is taken before the folder of all users, and looked into after a kill."""
    runtime = memory / "runtime"
    runtime.mkdir()
    machine.variables["XDG_RUNTIME_DIR"] = str(runtime)
    environment = machine.environment()
    found = Ledger(environment, "t", "")
    assert ledgers(runtime) == ledgers(memory) != []
    found.remove()


def test_a_ledger_has_room_for_so_many(machine: Machine, memory: Path) -> None:
    """Beyond its counters it says so, and those it has go on counting."""
    found = Ledger(machine.environment(), "t", "")
    for number in range(ledger.CELLS):
        found.cells[found.enter(FORM, f'{{"n":{number},"count":')] += number
    with pytest.raises(LedgerFullError):
        found.enter(FORM, "one more")
    ((_, event),) = found.settle("t")
    counts = [each["count"] for each in json.loads(event)["payload"]["counts"]]
    assert counts == list(range(1, ledger.CELLS))  # None is counted that never occurred.
    found.remove()
    assert ledgers(memory) == []


@pytest.mark.filterwarnings("error")
def test_folders_that_are_tidied_away_meanwhile_are_made_again(
    machine: Machine, memory: Path
) -> None:
    """Ledgers that come and go at once, and recoveries beside them, all find their place."""
    environment = machine.environment()
    kept: list[bool] = []

    def come_and_go() -> None:
        for _ in range(150):
            found = Ledger(environment, "t", "")
            kept.append(found.is_kept)
            found.cells[found.enter(FORM, ITEM)] += 1
            kept.append(found.is_kept)
            found.remove()
            ledger.recover(environment)

    in_threads(4, come_and_go)
    assert kept == [True] * 1200
    assert left_in(memory) == []
    assert read(machine) == []


LIMITED = """
import resource
from usagectl.emitting.ledger import Form, Ledger
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = Ledger(machine.environment(), "t", "")
form = Form(*sys.argv[2:6])
first = ledger.enter(form, '{"n":1,"count":')
ledger.cells[first] += 5
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
second = ledger.enter(form, '{"n":2,"count":')
ledger.cells[first] += 1
ledger.cells[second] += 1
assert not ledger.is_kept
print(ledger.settle("T")[0][1].decode())
"""


def test_full_memory_is_left_for_the_process_s_own(machine: Machine, memory: Path) -> None:
    """Where a new combination cannot be written down, counting goes on without the file."""
    event = json.loads(run(machine, LIMITED, *FORM, ITEM))
    assert event["payload"]["counts"] == [{"n": 1, "count": 6}, {"n": 2, "count": 1}]
    assert ledgers(memory) == []


def test_a_child_that_lets_go_keeps_nothing_from_its_parent(machine: Machine, memory: Path) -> None:
    """The lock is the parent's alone once a forked child abandoned what it inherited."""
    fork = """
pid = os.fork()
if not pid:
    ledger.abandon()
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""
    process = start(machine, COUNT + fork, *FORM, ITEM, 9)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    assert ledgers(memory)
    recovered = ledger.recover(machine.environment())
    os.kill(child, signal.SIGKILL)
    process.communicate()
    assert recovered == 1
    assert read(machine) == [event_of(9)]
