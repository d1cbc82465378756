"""Tests of many at once: threads, forks and spawned processes that record, and none is missing.

`USAGECTL_CALLS=100000` makes each of 8 threads in each of 4 processes record so many calls.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.counting import events, ledgers, memory_of, sum_of
from tests.support.crowds import OPERATIONS, in_threads, record, tracker_in
from tests.support.spooling import run
from usagectl import spool
from usagectl.emitting import ledger
from usagectl.spool import losses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.machine import Machine

PROCESSES, THREADS = 4, 8
CALLS = int(os.environ.get("USAGECTL_CALLS", "600"))
"""Of each thread; a third of it is not less than one."""

FORMS = pytest.mark.parametrize("aggregate", [True, False], ids=["counted", "in full"])


@pytest.fixture
def memory(machine: Machine) -> Iterator[Path]:
    """Give the machine a memory file system, and a spool that may hold everything."""
    machine.config_dir.mkdir()
    (machine.config_dir / "settings.toml").write_text("[spool]\nmax_bytes = 100000000000\n")
    with memory_of(machine) as folder:
        yield folder


def expected(calls: int, times: int) -> dict[tuple[object, ...], int]:
    """Say how often each operation was called when so many did their work."""
    turns = Counter(OPERATIONS[number % 3] for number in range(calls))
    return {("s3", name, 200): count * times for name, count in turns.items()}


def recorded(machine: Machine, *, aggregate: bool) -> Counter[tuple[object, ...]]:
    """Sum up what the spool holds."""
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
    children = [context.Process(target=in_threads, args=(threads, work)) for _ in range(4)]
    for each in children:
        each.start()
    for each in children:
        each.join()
        assert each.exitcode == 0
else:
    for _ in range(4):
        if not os.fork():
            in_threads(threads, work)
            os._exit(0) if ending else sys.exit(0)
    for _ in range(4):
        assert os.wait()[1] == 0
beside.join()
"""


@FORMS
@pytest.mark.parametrize("ending", [0, 1, 2], ids=["exit", "os._exit", "multiprocessing"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_processes_record_exactly(
    ending: int,
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
    memory: Path,
) -> None:
    """Every call of a parent and its children is there once, in one session, however they end."""
    run(machine, FORK, THREADS, CALLS, int(aggregate), ending)
    if aggregate:  # In full, an end that would take too long leaves some to be recovered.
        assert bool(ledgers(memory)) == (ending == 1)
    ledger.recover(machine.environment())
    wanted = Counter(expected(CALLS, PROCESSES * THREADS + 1)) + Counter(expected(1, 1))
    assert recorded(machine, aggregate=aggregate) == wanted
    assert sessions_of(machine) == (1, 1)
    uids = [each.uid for each in spool.records(machine.environment())]
    assert len(set(uids)) == len(uids)
    assert ledgers(memory) == []
    assert spool.state(machine.environment()).losses == losses.Losses()


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
def test_spawned_processes_record_exactly(
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
    memory: Path,
) -> None:
    """Processes that share nothing have a session each, and every call is there once."""
    run(machine, SPAWN, THREADS, CALLS, int(aggregate))
    assert ledgers(memory) == []
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


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_was_forked_before_the_first_record(machine: Machine, memory: Path) -> None:
    """Each worker of a server that recorded nothing before it forked has a session of its own."""
    run(machine, PREFORK)
    assert recorded(machine, aggregate=True) == expected(3, 8)
    assert sessions_of(machine) == (4, 4)
    assert ledgers(memory) == []


@FORMS
def test_threads_record_exactly_amid_flushes(
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
    memory: Path,
) -> None:
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
    assert ledgers(memory) == []


@pytest.mark.usefixtures("memory")
def test_coroutines_record_exactly(machine: Machine) -> None:
    """Many tasks of one loop share a tracker; a call gives control to no other."""
    tracker = tracker_in(str(machine.folder), aggregate=True)

    async def work() -> None:
        for _ in range(30):
            record(tracker, 3)
            await asyncio.sleep(0)

    async def crowd() -> None:
        await asyncio.gather(*(work() for _ in range(50)))

    asyncio.run(crowd())
    tracker.close()
    assert recorded(machine, aggregate=True) == expected(3, 1500)


SIGNALS = """
from tests.support.crowds import in_threads, record, tracker_in
aggregate = bool(int(sys.argv[2]))
tracker = tracker_in(sys.argv[1], aggregate=aggregate)
handled = 0
def handle(*_):
    global handled
    handled += 1
    record(tracker, 1)
    if handled % 50 == 0:
        tracker.flush()
record(tracker, 1)
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
record(tracker, 30_000)
signal.setitimer(signal.ITIMER_REAL, 0)
print(handled)
"""


@FORMS
@pytest.mark.usefixtures("memory")
def test_the_handler_of_a_signal_may_record(
    aggregate: bool,  # noqa: FBT001
    machine: Machine,
) -> None:
    """A handler that comes in the midst of a record waits for nobody, and none is missing."""
    handled = int(run(machine, SIGNALS, int(aggregate)))
    assert handled > 50
    wanted = Counter(expected(30_000, 1)) + Counter(expected(1, handled + 1))
    assert recorded(machine, aggregate=aggregate) == wanted
    uids = [each.uid for each in spool.records(machine.environment())]
    assert len(set(uids)) == len(uids)
