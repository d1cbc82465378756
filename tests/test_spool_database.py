"""Tests of the spool's file: for its owner alone, whole after anything, set aside when foreign."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support import confined
from tests.support.spooling import (
    EVENT,
    check_integrity,
    entries,
    number,
    put,
    read,
    run,
    set_aside,
    spool_file,
    start,
    wait_for_word,
)
from usagectl import spool
from usagectl.errors import FileUnreadableError, SpoolUnwritableError
from usagectl.machine import files
from usagectl.spool.database import SpoolSetAsideError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and pipes are POSIX")
STATE = "print(spool.state(environment))"
APPEND = """
try:
    put(machine)
    print("kept")
except spool.SpoolUnwritableError as error:
    print(error.message)
"""

# Without locks of its file system, as some have it over a network: fcntl(F_SETLK) is refused.
LOCKLESS = """
import ctypes, struct, platform
nr = {"x86_64": 72, "aarch64": 25}[platform.machine()]
program = b"".join(struct.pack("HBBI", *each) for each in (
    (0x20, 0, 0, 0), (0x15, 0, 4, nr), (0x20, 0, 0, 24), (0x15, 1, 0, 6), (0x15, 0, 1, 7),
    (0x06, 0, 0, 0x00050000 | 37), (0x06, 0, 0, 0x7FFF0000),
))
buffer = ctypes.create_string_buffer(program)
class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
filled = Program(len(program) // 8, ctypes.addressof(buffer))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(filled), 0, 0) == 0
"""


def names(machine: Machine) -> set[str]:
    """Name what lies in the state folder."""
    return {each.name for each in machine.state_dir.iterdir()}


@posix
def test_only_the_owner_can_read_it(machine: Machine) -> None:
    """The folder has mode 0700; the file, and what SQLite keeps beside it, 0600."""
    before = os.umask(0)
    try:
        put(machine)
    finally:
        os.umask(before)
    assert stat.S_IMODE(machine.state_dir.stat().st_mode) == 0o700
    assert names(machine) <= {"spool.db", "spool.db-wal", "spool.db-shm"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in machine.state_dir.iterdir()} == {0o600}


def test_reading_makes_nothing(machine: Machine) -> None:
    """Where no spool is, every question has an answer, and nothing is made."""
    environment = machine.environment()
    assert spool.state(environment) == spool.SpoolState(spool_file(machine))
    assert spool.purge(environment) == 0
    for read_only in (True, False):
        with spool.open_spool(environment, read_only=read_only) as store:
            assert (store.count(spool.STATES), store.stats().total) == (0, 0)
            assert list(store.entries(spool.STATES)) == []
            assert list(store.batches(size=10, max_bytes=1000)) == []
    assert names(machine) == set()


def test_a_glance_leaves_no_trace(machine: Machine) -> None:
    """What `status` asks makes no file, even where SQLite would make some for a reader."""
    put(machine)
    with spool.opened(spool_file(machine)):
        pass
    assert names(machine) == {"spool.db"}
    assert spool.state(machine.environment()).pending == 1
    assert names(machine) == {"spool.db"}


def test_a_folder_of_any_name(machine: Machine) -> None:
    """What stands for something in an address of SQLite's is a character of the name."""
    for name in ("a?mode=memory", "b#c", "d%20e", "é &;'\"", "f\udcff" * (os.name != "nt")):
        environment = machine.environment(state_dir=machine.folder / name)
        spool.append(environment, EVENT, tool="t", kind="k")
        assert spool.state(environment).pending == 1, name
        assert (machine.folder / name / "spool.db").exists()


FOREIGN = {
    "text": b"hello\n" * 1000,
    "nul": b"\0" * 5000,
    "torn": b"SQLite format 3\0" + b"\xff" * 84,
    "half a header": b"SQLite format 3\0",
}


def spoil(file: Path, how: str) -> None:
    """Put something that is not a spool in its place, or spoil the one that is there."""
    if how in FOREIGN:
        file.write_bytes(FOREIGN[how])
    elif how == "a page":
        with spool.opened(file) as store:
            store.add([])
        with file.open("r+b") as stream:
            stream.seek(4096)
            stream.write(b"\xff" * (file.stat().st_size - 4096))
    elif how == "newer":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA user_version = 99")
    elif how == "another program":
        file.unlink()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE events (a)")
    elif how == "a folder":
        file.unlink()
        file.mkdir()
    elif how == "a pipe":
        file.unlink()
        os.mkfifo(file)
    else:
        file.unlink()
        file.with_name("elsewhere").write_bytes(b"mine")
        file.symlink_to("elsewhere")


SPOILT = [*FOREIGN, "a page", "newer", "another program", "a folder", "a pipe", "a link"]


@posix
@pytest.mark.parametrize("how", SPOILT)
def test_what_is_not_a_spool_is_set_aside(how: str, machine: Machine) -> None:
    """A reader says so and changes nothing; the next event is kept in a new spool beside it."""
    put(machine, number(1))
    file = spool_file(machine)
    with spool.opened(file):  # SQLite keeps nothing beside it any more.
        pass
    spoil(file, how)
    state = spool.state(machine.environment())
    assert (state.pending, str(file) in state.problem) == (None, True)
    with pytest.raises(FileUnreadableError):
        read(machine)
    assert set_aside(machine) == []
    put(machine, number(2))
    assert read(machine) == [number(2)]
    aside, *_ = set_aside(machine)
    state = spool.state(machine.environment())
    assert (state.pending, aside.name in state.problem) == (1, True)
    if how in FOREIGN:
        assert aside.read_bytes() == FOREIGN[how]
    if how == "a link":
        assert (aside.is_symlink(), file.with_name("elsewhere").read_bytes()) == (True, b"mine")
    assert check_integrity(file) == "ok"


def test_whoever_asked_is_told_what_was_set_aside(machine: Machine) -> None:
    """A purge of what is not a spool sets it aside, and says where it is now."""
    spool_file(machine).write_bytes(b"hello" * 1000)
    with pytest.raises(SpoolSetAsideError) as raised:
        spool.purge(machine.environment())
    (aside,) = set_aside(machine)
    assert aside.name in raised.value.message
    assert (raised.value.exit_status, str(machine.state_dir) in raised.value.hint) == (4, True)
    assert spool.purge(machine.environment()) == 0


@posix
def test_a_log_goes_aside_with_its_file(machine: Machine) -> None:
    """What was written and not yet copied into a spoilt file stays with it."""
    put(machine, number(1))
    file = spool_file(machine)
    with closing(sqlite3.connect(file)) as first, closing(sqlite3.connect(file)) as second:
        first.execute("SELECT * FROM events").fetchall()
        second.execute("PRAGMA user_version = 99")
        put(machine, number(2))
    assert read(machine) == [number(2)]
    aside = next(each for each in set_aside(machine) if not each.name.endswith(("-wal", "-shm")))
    with closing(sqlite3.connect(aside)) as connection:
        assert connection.execute("SELECT event FROM events").fetchall() == [(number(1),)]
        assert connection.execute("PRAGMA user_version").fetchall() == [(99,)]


@posix
def test_a_linked_folder_is_not_followed(machine: Machine) -> None:
    """The folder is made by whoever owns the home, and leads nowhere else."""
    elsewhere = machine.folder / "elsewhere"
    elsewhere.mkdir()
    machine.state_dir.symlink_to(elsewhere)
    with pytest.raises(SpoolUnwritableError, match="link"):
        put(machine)
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_the_folders_place(machine: Machine) -> None:
    """Nothing waits there, and no event can be kept."""
    machine.state_dir.write_bytes(b"mine")
    found = spool.state(machine.environment())
    assert (found.pending, found.problem) == (0, "")
    assert f"{machine.state_dir} cannot be written" in found.unwritable
    with pytest.raises(SpoolUnwritableError):
        put(machine)
    assert machine.state_dir.read_bytes() == b"mine"


@posix
def test_what_may_not_be_read(machine: Machine) -> None:
    """A file or a folder without rights is a problem in words, to read and to write."""
    put(machine)
    for place, mode in ((spool_file(machine), 0o600), (machine.state_dir, 0o700)):
        place.chmod(0)
        try:
            told = run(machine, STATE + APPEND, wall=confined.powerless())
        finally:
            place.chmod(mode)
        assert "problem=''" not in told, place
        assert "cannot be written" in told.splitlines()[-1]


@posix
@pytest.mark.parametrize("has_log", [True, False])
def test_a_read_only_disk(has_log: bool, machine: Machine) -> None:  # noqa: FBT001
    """What waits can be counted and read there, and a sentence says that nothing is kept."""
    put(machine)
    if not has_log:
        with spool.opened(spool_file(machine)):
            pass
    told = run(machine, f"{STATE}; print(read(machine))", wall=confined.read_only(machine))
    assert "pending=1" in told
    assert "cannot be written, so that no event is kept" in told
    assert str([EVENT]) in told
    assert "cannot be written" in run(machine, APPEND, wall=confined.read_only(machine))


@posix
def test_a_full_disk(machine: Machine) -> None:
    """An event that the disk does not take is an error, and the spool is sound afterwards."""
    put(machine)
    script = f"print([EVENT] == read(machine)){APPEND * 9}"
    told = run(machine, script, wall=confined.full_disk(machine))
    assert told.splitlines()[0] == "True"
    assert set(told.splitlines()[1:]) - {"kept"}
    after = machine.folder.with_name(machine.folder.name + ".after") / "state" / "spool.db"
    assert check_integrity(after) == "ok"


@posix
def test_a_limit_on_the_size_of_files(machine: Machine) -> None:
    """A process that may write no large file gets an error, and no signal ends it."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    told = run(machine, f"{limit}{APPEND * 30}").splitlines()
    assert (told[0], "cannot be written" in told[-1]) == ("kept", True)
    assert check_integrity(spool_file(machine)) == "ok"
    assert len(read(machine)) == told.count("kept")


@posix
@pytest.mark.parametrize("is_old", [True, False])
def test_a_disk_without_shared_memory(is_old: bool, machine: Machine) -> None:  # noqa: FBT001
    """A spool that was made with a log of writes, or a new one, does without it there."""
    if is_old:
        put(machine, number(0))
        with spool.opened(spool_file(machine)):
            pass
    spool_file(machine).with_name("spool.db-shm").symlink_to("nowhere")  # It cannot be opened.
    put(machine, number(1))
    put(machine, number(2))
    assert read(machine) == [number(count) for count in range(not is_old, 3)]
    assert spool.purge(machine.environment()) == 2 + is_old
    assert set_aside(machine) == []


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of system calls is Linux's")
@pytest.mark.parametrize("is_old", [True, False])
def test_a_disk_without_locks(is_old: bool, machine: Machine) -> None:  # noqa: FBT001
    """Events are kept, read and removed there all the same."""
    if is_old:
        put(machine, number(0))
    script = "put(machine, number(1)); put(machine, number(2)); print(read(machine), purge())"
    told = run(machine, f"{LOCKLESS}\npurge = lambda: spool.purge(environment)\n{script}")
    assert told.strip() == f"{[number(n) for n in range(not is_old, 3)]} {2 + is_old}"


@posix
def test_a_busy_spool_costs_the_event(machine: Machine) -> None:
    """A process that does not let go of the spool, or of its folder, delays no command for long.

    The folder is locked while the first event makes the store.
    """
    told = "another process keeps it locked"
    machine.state_dir.mkdir(parents=True)
    with files.lock(machine.state_dir), pytest.raises(SpoolUnwritableError, match=told):
        put(machine)
    put(machine)
    with closing(sqlite3.connect(spool_file(machine), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(SpoolUnwritableError, match=told):
            put(machine)
        assert spool.state(machine.environment()).pending == 1
    put(machine)
    assert len(read(machine)) == 2


def test_a_killed_writer_leaves_nothing_half_done(machine: Machine) -> None:
    """What it had not committed is not there; the next process goes on at once."""
    put(machine)
    script = """
with spool.opened(spool_file(machine)) as store, store._transaction():
    store._connection.execute("DELETE FROM events")
    print("now", flush=True)
    time.sleep(60)
"""
    with start(machine, script) as process:
        wait_for_word(process)
        os.kill(process.pid, signal.SIGKILL)
    assert spool.state(machine.environment()).pending == 1
    put(machine)
    assert (len(read(machine)), check_integrity(spool_file(machine))) == (2, "ok")


@posix
def test_a_fork_meets_no_open_store(machine: Machine) -> None:
    """A child adds events of its own while a thread of its parent adds some; none hangs."""
    script = """
threading.Thread(target=lambda: [put(machine, b'{"p":%d}' % n) for n in range(100)]).start()
children = []
for turn in range(20):
    child = os.fork()
    if not child:
        put(machine, b'{"c":%d}' % turn)
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""
    run(machine, script)
    assert len(set(read(machine))) == 120


@posix
def test_a_fork_waits_for_no_hung_disk(machine: Machine) -> None:
    """A fork goes on while a thread hangs in the spool; the child's event is an error."""
    script = """
held = threading.Event()
def hang():
    with spool._lock:
        held.set()
        time.sleep(60)
threading.Thread(target=hang, daemon=True).start()
held.wait()
child = os.fork()
if not child:
    try:
        put(machine)
    except spool.SpoolUnwritableError as error:
        print(error.message, flush=True)
    os._exit(0)
os.waitpid(child, 0)
os._exit(0)
"""
    assert "another thread keeps it locked" in run(machine, script)


CROWD = int(os.environ.get("USAGECTL_CROWD", "16"))


def test_a_crowd_of_processes(machine: Machine) -> None:
    """Each event of each of many processes is there once; USAGECTL_CROWD=64 makes them 64."""
    script = """
print("ready", flush=True)
sys.stdin.readline()
for count in range(int(sys.argv[3])):
    put(machine, b'{"p":%d,"n":%d}' % (int(sys.argv[2]), count))
"""
    amount = 200 if CROWD > 16 else 25
    crowd = [start(machine, script, process, amount) for process in range(CROWD)]
    for process in crowd:
        wait_for_word(process)
    for process in crowd:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    assert [process.communicate(timeout=300)[0] for process in crowd] == [b""] * CROWD
    assert {process.returncode for process in crowd} == {0}
    assert len(set(read(machine))) == len(entries(machine)) == CROWD * amount
    assert check_integrity(spool_file(machine)) == "ok"
