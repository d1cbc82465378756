"""Tests of many at once: 64 processes that append, and deliveries and purges amid them.

Each of the 64 appends SPOOL_APPENDS events; 1,000 is the full run:
`SPOOL_APPENDS=1000 pytest tests/test_spool_concurrency.py`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.spooling import (
    aside,
    deliver,
    events_of,
    names,
    read,
    segment,
    spool_dir,
    start,
    take,
)
from usagectl import spool
from usagectl.spool import losses, purging

if TYPE_CHECKING:
    from subprocess import Popen

    from tests.support.machine import Machine

CROWD = 64
APPENDS = int(os.environ.get("SPOOL_APPENDS", "100"))

# Waits for the word to go, so that all are there, then appends events that say whose they are.
APPEND = """
import json
environment = machine.environment()
process, amount, kind = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
print("ready", flush=True)
sys.stdin.readline()
writer = spool.Writer(environment)
for number in range(amount):
    event = json.dumps({"n": [process, number]}).encode()
    if kind == "writer":
        writer.append(event, tool="t", kind="k")
        if number % 7 == 0:
            writer.release()
    else:
        spool.append(environment, event, tool="t", kind="k")
"""


def gather(machine: Machine, crowd: int, amount: int, *kinds: str) -> list[Popen[bytes]]:
    """Start processes that append, and let them go when all are there."""
    found = [start(machine, APPEND, n, amount, kinds[n % len(kinds)]) for n in range(crowd)]
    for process in found:
        assert process.stdout is not None
        assert process.stdout.readline()
    for process in found:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    return found


def end(crowd: list[Popen[bytes]]) -> None:
    """Wait until all have ended well."""
    for process in crowd:
        process.communicate(timeout=300)
    assert {process.returncode for process in crowd} == {0}


def pairs_of(events: list[bytes]) -> list[tuple[int, int]]:
    """Read whose events they are, and their numbers."""
    return [tuple(json.loads(event)["n"]) for event in events]


def test_64_processes_append(machine: Machine) -> None:
    """No line is torn, none is lost, and each process' events stay in their order."""
    end(gather(machine, CROWD, APPENDS, "append"))
    data = b"".join(file.read_bytes() for file in sorted(spool_dir(machine).glob("*.jsonl")))
    assert data.count(b"\n") == data.count(b"}}\n") == CROWD * APPENDS
    assert spool.state(machine.environment()).pending == CROWD * APPENDS
    pairs = pairs_of(deliver(machine))
    assert Counter(process for process, _ in pairs) == dict.fromkeys(range(CROWD), APPENDS)
    for process in range(CROWD):
        assert [number for each, number in pairs if each == process] == list(range(APPENDS))
    assert (aside(machine), names(machine)) == (b"", [])
    assert losses.read(machine.environment()).total == 0


def test_deliveries_amid_appends(machine: Machine) -> None:
    """While 8 processes append and let go, deliveries take every event once."""
    amount = 600
    crowd = gather(machine, 8, amount, "append", "writer")
    taken: list[bytes] = []
    while any(process.poll() is None for process in crowd):
        taken += events_of(take(machine, batch_size=50))
    end(crowd)
    taken += deliver(machine)
    expected = [(process, number) for process in range(8) for number in range(amount)]
    assert sorted(pairs_of(taken)) == expected
    assert (aside(machine), names(machine)) == (b"", [])
    assert losses.read(machine.environment()).total == 0


def test_reading_amid_appends(machine: Machine) -> None:
    """A reader sees whole events alone, and never fewer than before."""
    crowd = gather(machine, 4, 300, "append")
    seen = 0
    while any(process.poll() is None for process in crowd):
        before, seen = seen, len(pairs_of(read(machine)))
        assert before <= seen <= spool.state(machine.environment()).pending
    end(crowd)
    assert len(read(machine)) == 1200


def test_purges_amid_appends(machine: Machine) -> None:
    """What comes after a purge is kept; nothing is torn, and the last purge leaves nothing."""
    crowd = gather(machine, 4, 300, "append", "writer")
    gone = 0
    while any(process.poll() is None for process in crowd):
        gone += purging.purge(machine.environment())
    end(crowd)
    left = pairs_of(read(machine))
    assert gone + len(left) <= 1200
    assert aside(machine) == b""
    purging.purge(machine.environment())
    assert names(machine) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this signal is POSIX")
def test_appends_that_are_killed(machine: Machine) -> None:
    """After `kill -9` of 16 appending processes each left an unbroken beginning of its events."""
    crowd = gather(machine, 16, 100_000, "append", "writer")
    while sum(file.stat().st_size for file in spool_dir(machine).glob("*.jsonl")) < 200_000:
        pass
    for process in crowd:
        process.kill()
    for process in crowd:
        process.communicate()
    assert segment(machine).parent.exists()
    pairs = pairs_of(deliver(machine))
    assert len(pairs) > 1000
    for who in range(16):
        own = [number for each, number in pairs if each == who]
        assert sorted(own) == list(range(len(own)))
    assert (aside(machine), set(names(machine))) == (b"", set())
