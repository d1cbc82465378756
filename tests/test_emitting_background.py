"""Tests of many at once: threads, forks, spawned processes and handlers that record.

`USAGECTL_CROWD=64` makes it 64 threads in place of 16, in four processes; `USAGECTL_CALLS=1000`
makes each of them record so many calls.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.counting import CALL, events, losses, sum_of
from tests.support.crowds import OPERATIONS, in_threads, record, tracker_in
from tests.support.spooling import entries, run
from usagectl.emitting.background import process

if TYPE_CHECKING:
    from tests.support.machine import Machine

PROCESSES = 4
THREADS = int(os.environ.get("USAGECTL_CROWD", "16")) // PROCESSES
CALLS = int(os.environ.get("USAGECTL_CALLS", "200"))
"""Of each thread."""

FORMS = pytest.mark.parametrize("aggregate", [True, False], ids=["counted", "in full"])


@pytest.fixture(autouse=True)
def large_spool(machine: Machine) -> None:
    """Let the spool hold everything."""
    machine.config_dir.mkdir()
    (machine.config_dir / "settings.toml").write_text("[spool]\nmax_bytes = 100000000000\n")


def expected(calls: int, times: int) -> Counter[tuple[object, ...]]:
    """Count how often each operation was called when so many did their work."""
    turns = Counter(OPERATIONS[number % 3] for number in range(calls))
    return Counter({("s3", name, 200): count * times for name, count in turns.items()})


def recorded(machine: Machine, *, aggregate: bool) -> Counter[tuple[object, ...]]:
    """Sum up what the spool holds; every event in it has a uid of its own."""
    uids = [each.uid for each in entries(machine)]
    assert len(set(uids)) == len(uids)
    assert losses(machine) == 0
    if aggregate:
        return sum_of(events(machine, "aws_request_agg"))
    payloads = (each["payload"] for each in events(machine, "aws_request"))
    return Counter((each["service"], each["operation"], each["status_code"]) for each in payloads)


def sessions_of(machine: Machine) -> tuple[int, int]:
    """Count the session events, and the sessions that other events belong to."""
    found = events(machine, "session")
    belonging = {each["metadata"]["session_id"] for each in events(machine)}
    return len(found), len(belonging)


FORK = """
import multiprocessing, threading
from tests.support.crowds import in_threads, record, tracker_in
threads, calls, aggregate, ending = (int(each) for each in sys.argv[2:6])
tracker = tracker_in(sys.argv[1], aggregate=bool(aggregate))
work = lambda: record(tracker, calls)
beside = threading.Thread(target=work)  # Forks come amid the parent's own calls.
record(tracker, 1)
beside.start()
if ending == 2:
    context = multiprocessing.get_context("fork")
    def work_in_child():
        in_threads(threads, work)
        tracker.flush()
        record(tracker, 3)
    children = [context.Process(target=work_in_child) for _ in range(4)]
    for each in children:
        each.start()
    for each in children:
        each.join()
        assert each.exitcode == 0
else:
    for _ in range(4):
        if not os.fork():
            in_threads(threads, work)
            tracker.flush()
            if ending:
                os._exit(0)
            record(tracker, 3)
            sys.exit(0)
    for _ in range(4):
        assert os.wait()[1] == 0
beside.join()
"""


@FORMS
@pytest.mark.parametrize("ending", [0, 1, 2], ids=["exit", "os._exit", "multiprocessing"])
def test_forked_processes_record_exactly(ending: int, aggregate: bool, machine: Machine) -> None:  # noqa: FBT001
    """Every call of a parent and its children is there once, in one session."""
    run(machine, FORK, THREADS, CALLS, int(aggregate), ending)
    wanted = expected(CALLS, PROCESSES * THREADS + 1) + expected(1, 1)
    if ending != 1:
        wanted += expected(3, PROCESSES)
    assert recorded(machine, aggregate=aggregate) == wanted
    assert sessions_of(machine) == (1, 1)


SPAWN = """
import multiprocessing
from tests.support.crowds import spawned
threads, calls, aggregate = (int(each) for each in sys.argv[2:5])
context = multiprocessing.get_context("spawn")
children = [
    context.Process(
        target=spawned, args=(sys.argv[1], threads, calls), kwargs={"aggregate": bool(aggregate)}
    )
    for _ in range(4)
]
for each in children:
    each.start()
for each in children:
    each.join()
    assert each.exitcode == 0
"""


@FORMS
def test_spawned_processes_record_exactly(aggregate: bool, machine: Machine) -> None:  # noqa: FBT001
    """Processes that share nothing have a session each, and every call is there once."""
    run(machine, SPAWN, THREADS, CALLS, int(aggregate))
    assert recorded(machine, aggregate=aggregate) == expected(CALLS, PROCESSES * THREADS)
    assert sessions_of(machine) == (PROCESSES, PROCESSES)


PREFORK = """
from tests.support.crowds import record, tracker_in
tracker = tracker_in(sys.argv[1], aggregate=True)
for _ in range(4):
    if not os.fork():
        record(tracker, 3)
        if not os.fork():
            record(tracker, 3)
            sys.exit(0)
        os.wait()
        sys.exit(0)
for _ in range(4):
    os.wait()
"""


def test_forks_before_the_first_record(machine: Machine) -> None:
    """Each worker of a server that recorded nothing before it forked has a session of its own."""
    run(machine, PREFORK)
    assert recorded(machine, aggregate=True) == expected(3, 8)
    assert sessions_of(machine) == (4, 4)


FORKS_AMID_WRITES = """
from datetime import timedelta
from tests.support.crowds import record, tracker_in
from usagectl import Tracker
tracker = tracker_in(sys.argv[1], aggregate=False)
done = []
def work():
    while not done:
        record(tracker, 1)
        tracker.flush()
threading.Thread(target=work).start()
for _ in range(20):
    if not os.fork():
        record(tracker, 3)
        sys.exit(0)
for _ in range(20):
    assert os.wait()[1] == 0
done.append(1)
"""


def test_forks_amid_writes_leave_the_child_a_sound_store(machine: Machine) -> None:
    """No connection to the store lives on in a child, whose own writes it would lock out."""
    run(machine, FORKS_AMID_WRITES)
    counted = recorded(machine, aggregate=False)
    assert min(counted[key] for key in expected(3, 1)) >= 20
    assert sessions_of(machine) == (1, 1)


@FORMS
def test_threads_record_exactly_amid_flushes(aggregate: bool, machine: Machine) -> None:  # noqa: FBT001
    """While a period ends again and again, no call is missing and none is counted twice."""
    tracker = tracker_in(str(machine.folder), aggregate=aggregate)
    done: list[int] = []

    def work() -> None:
        record(tracker, CALLS)
        done.append(1)

    def flush() -> None:
        while len(done) < THREADS:
            tracker.flush()

    deeds = [work] * THREADS + [flush]
    in_threads(len(deeds), lambda: deeds.pop()())  # noqa: PLW0108  (each takes another)
    tracker.close()
    assert recorded(machine, aggregate=aggregate) == expected(CALLS, THREADS)


def test_coroutines_record_exactly(machine: Machine) -> None:
    """Many tasks of one loop share a tracker; a call gives control to no other."""
    tracker = tracker_in(str(machine.folder), aggregate=True)

    async def work() -> None:
        for _ in range(10):
            record(tracker, 3)
            await asyncio.sleep(0)

    async def crowd() -> None:
        await asyncio.gather(*(work() for _ in range(50)))

    asyncio.run(crowd())
    tracker.close()
    assert recorded(machine, aggregate=True) == expected(3, 500)


SIGNALS = """
from tests.support.crowds import in_threads, record, tracker_in
tracker = tracker_in(sys.argv[1], aggregate=bool(int(sys.argv[2])))
handled = rounds = 0
def handle(*_):
    global handled
    handled += 1
    record(tracker, 1)
    if handled % 50 == 0: tracker.flush()
record(tracker, 1)
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
while handled < 100:
    record(tracker, 40)
    rounds += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(rounds, handled)
"""


@FORMS
def test_the_handler_of_a_signal_may_record(aggregate: bool, machine: Machine) -> None:  # noqa: FBT001
    """A handler that comes in the midst of a record waits for nobody, and none is missing."""
    rounds, handled = map(int, run(machine, SIGNALS, int(aggregate)).split())
    wanted = expected(40, rounds) + expected(1, 1) + expected(1, handled)
    assert recorded(machine, aggregate=aggregate) == wanted


def test_a_deed_that_hangs_is_not_waited_for(machine: Machine) -> None:
    """Whoever asks the thread for something goes on after a while, the thread when it can."""
    gate, done = threading.Event(), threading.Event()
    tracker = tracker_in(str(machine.folder), aggregate=False)
    tracker.aws_request(**CALL)
    process.do(gate.wait, seconds=0.01)
    process.do(done.set, seconds=0.01)
    assert not done.is_set()
    gate.set()
    assert done.wait(20)
    tracker.close()
    assert len(events(machine)) == 2


def test_an_error_in_a_deed_stays_there() -> None:
    """The thread survives what it is asked to do, and the next deed is done."""
    done = threading.Event()
    process.do(lambda: 1 // 0)
    process.do(done.set)
    assert done.is_set()
    for _ in range(1000):
        if not any(each.name == "usagectl" for each in threading.enumerate()):
            return
        time.sleep(0.01)
    pytest.fail("the thread did not end")
