"""Tests of how events get in: threads, forks, rotation, a writer that is stopped, a full disk."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import NOW
from tests.support.spooling import (
    EVENT,
    aside,
    deliver,
    names,
    number,
    put,
    read,
    run,
    segment,
    spool_dir,
    start,
    wait_for_word,
)
from usagectl import spool
from usagectl.spool import bounds, envelope, losses, writer

if TYPE_CHECKING:
    from tests.support.machine import Machine

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")

THREADS = """
import json
writer = spool.Writer(machine.environment())
def work(thread):
    for n in range(2000):
        writer.append(json.dumps({"n": [thread, n]}).encode(), tool="t", kind="k")
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_threads_share_a_writer(machine: Machine) -> None:
    """8 threads append 2,000 events each: none lost, none torn, each thread's in its order."""
    run(machine, THREADS)
    pairs = [json.loads(event)["n"] for event in deliver(machine)]
    assert Counter(thread for thread, _ in pairs) == dict.fromkeys(range(8), 2000)
    for thread in range(8):
        assert [n for each, n in pairs if each == thread] == list(range(2000))
    assert (aside(machine), names(machine)) == (b"", [])


FORK = """
writer = spool.Writer(machine.environment())
add = lambda n: writer.append(b'{"n":%d}' % n, tool="t", kind="k")
add(0)
for child in range(1, 6):
    if not os.fork():
        for n in range(100):
            add(child * 1000 + n)
        os._exit(0)
for n in range(1, 100):
    add(n)
for child in range(1, 6):
    assert os.wait()[1] == 0
"""


@forks
def test_after_a_fork_parent_and_child_go_on(machine: Machine) -> None:
    """Each has a segment of its own, uids never repeat, and nothing is lost."""
    run(machine, FORK)
    uids = [record.uid for record in spool.records(machine.environment())]
    assert len(set(uids)) == len(uids) == 600
    assert len(names(machine)) == 6
    expected = sorted(child * 1000 + n for child in range(6) for n in range(100))
    assert sorted(json.loads(event)["n"] for event in deliver(machine)) == expected


BUSY_FORK = """
import faulthandler, warnings
warnings.simplefilter("ignore", DeprecationWarning)
writer = spool.Writer(machine.environment())
add = lambda: writer.append(b'{}', tool="t", kind="k")
add()
def work():
    while True:
        add()
threading.Thread(target=work, daemon=True).start()
for _ in range(60):
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(30)
        signal.alarm(40)
        add()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print("done", flush=True)
os._exit(0)
"""


@forks
def test_a_fork_amid_an_append_hangs_no_child(machine: Machine) -> None:
    """Another thread holds the writer's lock at the fork, and is not there to let it go."""
    assert run(machine, BUSY_FORK) == "done\n"
    assert sum(1 for name in names(machine) if ".own" in name) > 60


LONG_CHILD = """
writer = spool.Writer(machine.environment())
writer.append(b'{"n":1}', tool="t", kind="k")
child = os.fork()
if not child:
    time.sleep(60)
    os._exit(0)
writer.release()
from tests.support.spooling import deliver
print(deliver(machine))
os.kill(child, signal.SIGKILL)
"""


@forks
def test_a_child_that_lives_on_holds_no_segment_of_its_parent(machine: Machine) -> None:
    """What the parent releases can be delivered, whatever its children do."""
    assert run(machine, LONG_CHILD) == "[b'{\"n\":1}']\n"


SPAWN = """
import multiprocessing
from tests.test_spool_writer import work
context = multiprocessing.get_context("spawn")
crowd = [context.Process(target=work, args=(str(machine.folder), n)) for n in range(3)]
[each.start() for each in crowd]
[each.join() for each in crowd]
assert [each.exitcode for each in crowd] == [0, 0, 0]
"""


def work(folder: str, worker: int) -> None:
    """Append as a spawned process does."""
    from pathlib import Path

    from tests.support.machine import Machine

    with spool.Writer(Machine(Path(folder)).environment()) as each:
        for count in range(100):
            each.append(number(worker * 1000 + count), tool="t", kind="k")


def test_spawned_processes(machine: Machine) -> None:
    """Workers of multiprocessing have a writer each."""
    run(machine, "if __name__ == '__main__':" + SPAWN.replace("\n", "\n    "))
    expected = sorted(worker * 1000 + n for worker in range(3) for n in range(100))
    assert sorted(json.loads(event)["n"] for event in deliver(machine)) == expected


@pytest.mark.parametrize("is_own", [True, False], ids=["writer", "append"])
def test_no_segment_outgrows_its_size(machine: Machine, *, is_own: bool) -> None:
    """A segment ends before the event that would not fit; one larger than all has its own."""
    sizes = [300_000, 300_000, 300_000, 300_000, 2_000_000, 10, 10]
    with spool.Writer(machine.environment()) as own:
        for size in sizes:
            event = b'{"x":"%b"}' % (b"x" * size)
            if is_own:
                own.append(event, tool="t", kind="k")
            else:
                put(machine, event)
    files = sorted(spool_dir(machine).glob("*.jsonl"))
    assert [file.read_bytes().count(b"\n") for file in files] == [3, 1, 1, 2]
    assert sum(file.stat().st_size > bounds.SEGMENT_BYTES for file in files) == 1
    assert [len(event) - 8 for event in deliver(machine)] == sizes


@pytest.mark.parametrize("is_own", [True, False], ids=["writer", "append"])
def test_each_day_has_its_segment(machine: Machine, *, is_own: bool) -> None:
    """A segment is dropped by the age of its first event, so it must not hold younger ones."""
    clock = [NOW]
    environment = machine.environment(now=lambda: clock[0])
    with spool.Writer(environment) as own:
        for count, day in enumerate([0, 0, 1, 1, 0]):
            clock[0] = NOW + timedelta(days=day)
            if is_own:
                own.append(number(count), tool="t", kind="k")
            else:
                spool.append(environment, number(count), tool="t", kind="k")
    files = sorted(spool_dir(machine).glob("*.jsonl"))
    assert [file.read_bytes().count(b"\n") for file in files] == [2, 2, 1]


STOPPED = """
import fcntl
descriptor = os.open(sys.argv[2], os.O_RDWR)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@forks
def test_a_stopped_process_blocks_nobody_for_long(machine: Machine) -> None:
    """Who waits for the last segment's lock gives up in time, and then does not wait again."""
    put(machine, number(1))
    process = start(machine, STOPPED, segment(machine))
    wait_for_word(process)
    slept: list[float] = []
    for count in (2, 3):
        environment = machine.environment()
        spool.append(environment, number(count), tool="t", kind="k", sleep=slept.append)
    assert 0 < sum(slept) <= writer.PATIENCE_SECONDS + 0.001
    assert names(machine) == ["00000001.jsonl", "00000002.jsonl"]
    assert deliver(machine) == [number(2), number(3)]
    assert read(machine) == [number(1)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert deliver(machine) == [number(1)]


# The first write ends after some bytes, as on a disk that gets full.
FULL = """
import resource
from usagectl.errors import SpoolUnwritableError
own = spool.Writer(machine.environment())
def add(event):
    if sys.argv[2] == "writer":
        own.append(event, tool="t", kind="k")
    else:
        spool.append(machine.environment(), event, tool="t", kind="k")
add(b'{"n":1}')
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
for _ in range(3):
    try:
        add(b'{"n":2,"x":"%b"}' % (b"x" * 200))
    except SpoolUnwritableError as error:
        print(error.code)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
add(b'{"n":3}')
"""


@forks
@pytest.mark.parametrize("kind", ["writer", "append"])
def test_a_write_that_was_cut_short_is_taken_back(machine: Machine, kind: str) -> None:
    """No torn line stays, the event is counted as lost, and the next one is kept."""
    assert run(machine, FULL, kind).split() == ["spool-unwritable"] * 3
    assert losses.read(machine.environment()).unwritable == 3
    assert deliver(machine) == [number(1), number(3)]
    assert aside(machine) == b""


LEAK = """
import resource
from usagectl.errors import SpoolUnwritableError
last = Path(sys.argv[2])
last.write_bytes(last.read_bytes() + b"torn")
resource.setrlimit(resource.RLIMIT_FSIZE, (last.stat().st_size, resource.RLIM_INFINITY))
before = len(os.listdir("/dev/fd"))
for _ in range(3):
    try:
        waits = lambda _: print("waited")
        spool.append(machine.environment(), b"{}", tool="t", kind="k", sleep=waits)
    except SpoolUnwritableError as error:
        print(error.code)
print(len(os.listdir("/dev/fd")) - before)
"""


@forks
def test_a_failed_append_keeps_no_lock(machine: Machine) -> None:
    """Else every later one in the process would wait for it: telemetry must not be in the way."""
    put(machine, EVENT)
    assert run(machine, LEAK, segment(machine)).split() == ["spool-unwritable"] * 3 + ["0"]


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=45))])
def test_a_line_bears_its_own_instant_whatever_the_clock_does(zone: tzinfo) -> None:
    """Within a second, over its end, a year on and back: time and uid are those of that instant."""
    start = datetime(2026, 11, 23, 9, 0, 0, 0, tzinfo=zone)
    steps = (0, 1, 999, 999_999, 1_000_000, 1_000_001, 86_400_000_000, -1, -3_600_000_000, 5)
    assembler = envelope.Assembler()
    labels = envelope.build_labels("usagectl", "k")
    for step in steps:
        now = start + timedelta(microseconds=step)
        line = assembler.build_line(b"{}", labels, now=now, drawn=os.urandom(10).hex())
        record = envelope.parse_line(line[:-1])
        assert record is not None
        assert datetime.fromisoformat(record.time) == now
        assert record.uid[:15] == envelope.build_uid(now, os.urandom)[:15]
