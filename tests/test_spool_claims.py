"""Tests of claims: who delivers has a segment alone, and what a kill leaves is claimed again."""

from __future__ import annotations

import os
import random
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import NOW
from tests.support.spooling import (
    EVENT,
    claimed,
    deliver,
    events_of,
    make_line,
    names,
    number,
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
from usagectl.errors import LockTimeoutError
from usagectl.spool import lines, queue

if TYPE_CHECKING:
    from tests.support.machine import Machine

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="these locks are POSIX")


def test_others_append_elsewhere_meanwhile(machine: Machine) -> None:
    """While a segment is claimed, other processes record at once, and lose nothing."""
    put(machine, number(1))
    with claimed(machine) as claims:
        (source,) = claims
        assert names(machine) == ["00000001.sending.jsonl"]
        run(machine, "spool.append(machine.environment(), b'{\"n\":2}', tool='t', kind='k')")
        assert read(machine) == [number(1), number(2)]
        assert next(lines.runs(source)).piece.amount == 1
    assert deliver(machine) == [number(1), number(2)]


def test_what_is_recorded_meanwhile_waits_for_the_next_time(machine: Machine) -> None:
    """A delivery ends, even when events come in faster than it sends."""
    put(machine, number(0))
    with claimed(machine) as claims:
        sent = []
        for batch in queue.batches(claims, lines.ALL, batch_size=1, batch_bytes=1):
            put(machine, number(9))
            batch.mark_done()
            sent += events_of([batch])
    assert sent == [number(0)]
    assert read(machine) == [number(9)]


def test_one_holds_the_spool(machine: Machine) -> None:
    """A second delivery waits, and then says that it waited in vain."""
    put(machine)
    environment = machine.environment()
    with claimed(machine), pytest.raises(LockTimeoutError), queue.held(environment, seconds=0.0):
        pass


def test_two_claims_never_hold_the_same_segment(machine: Machine) -> None:
    """Also where the spool's own lock does nothing, each segment has its own."""
    folder = spool_dir(machine)
    for count in range(4):
        put(machine, number(count), now=NOW + timedelta(days=count))
    with queue.Claims(folder, folder) as first, queue.Claims(folder, folder) as second:
        one = iter(first)
        held = {next(one).segment.path, next(one).segment.path}
        other = {source.segment.path for source in second}
        rest = {source.segment.path for source in one}
    assert (len(held), len(other), held & other, rest) == (2, 2, set(), set())


def test_names_that_are_taken(machine: Machine) -> None:
    """Where `5.sending` lies beside `5`, the claim takes another name, and both are delivered."""
    segment(machine, 5, ".sending").write_bytes(make_line(number(0)))
    segment(machine, 5).write_bytes(make_line(number(1)))
    segment(machine, 5, ".own").write_bytes(make_line(number(2)))
    segment(machine, 6, ".sending").write_bytes(make_line(number(3)))
    spool_dir(machine).joinpath("5.jsonl").write_bytes(make_line(number(4)))
    assert sorted(deliver(machine)) == [number(n) for n in range(5)]
    assert names(machine) == []


def test_a_folder_under_a_name_that_is_wanted(machine: Machine) -> None:
    """It is passed over: no event is lost to it, none waits for it."""
    segment(machine, 1, ".sending").mkdir()
    put(machine, number(1))
    segment(machine, 2).rename(segment(machine, 1))
    assert deliver(machine) == [number(1)]
    assert names(machine) == ["00000001.sending.jsonl"]


def test_a_live_writer_is_left_alone(machine: Machine) -> None:
    """What a process keeps open is not taken from it; once released, it is delivered."""
    with spool.Writer(machine.environment()) as writer:
        writer.append(number(1), tool="t", kind="k")
        put(machine, number(2))
        assert deliver(machine) == [number(2)]
        writer.append(number(3), tool="t", kind="k")
        assert names(machine) == ["00000001.own.jsonl"]
        writer.release()
        assert deliver(machine) == [number(1), number(3)]
        writer.append(number(4), tool="t", kind="k")
    assert deliver(machine) == [number(4)]
    assert names(machine) == []


DYING_WRITER = """
writer = spool.Writer(machine.environment())
for n in range(100):
    writer.append(b'{"n":%d}' % n, tool="t", kind="k")
print("ready", flush=True)
time.sleep(60)
"""


def test_what_a_killed_writer_left_is_delivered(machine: Machine) -> None:
    """Its lock ends with it, whatever killed it."""
    process = start(machine, DYING_WRITER)
    wait_for_word(process)
    assert deliver(machine) == []
    process.kill()
    process.communicate()
    assert deliver(machine) == [number(n) for n in range(100)]
    assert names(machine) == []


# Delivers one event after another, and says on stdout what it sent before it notes it.
DYING_DELIVERY = """
from tests.support.spooling import claimed
from usagectl.spool import lines, queue
with claimed(machine) as claims:
    for batch in queue.batches(claims, lines.ALL, batch_size=1, batch_bytes=1):
        os.write(1, bytes(batch.events[0]) + b"\\n")
        batch.mark_done()
        claims.settle()
"""


def test_a_killed_delivery_repeats_at_most_the_event_in_flight(machine: Machine) -> None:
    """After `kill -9` at any time the next delivery sends the rest: nothing lost, no more twice."""
    chance = random.Random(20261123)  # noqa: S311
    total = 3000
    for count in range(total):
        put(machine, number(count), now=NOW + timedelta(days=count // 1000))
    sent: list[bytes] = []
    kills = 0
    while names(machine):
        process = start(machine, DYING_DELIVERY)
        if kills < 8:
            time.sleep(0.2 + chance.random() * 0.2)
            process.send_signal(signal.SIGKILL)
            kills += 1
        sent += process.communicate()[0].split()
    assert set(sent) == {number(n) for n in range(total)}
    assert len(sent) - total <= kills
    assert sorted(set(sent), key=sent.index) == [number(n) for n in range(total)]


@pytest.mark.parametrize("amount", [1, 2])
def test_done_segments_go_while_others_are_sent(machine: Machine, amount: int) -> None:
    """A long delivery does not keep the bytes of what it has sent."""
    for count in range(3):
        put(machine, EVENT, now=NOW + timedelta(days=count))
    with claimed(machine) as claims:
        waiting = queue.batches(claims, lines.ALL, batch_size=1, batch_bytes=1)
        for _ in range(amount + 1):
            next(waiting).mark_done()
        claims.settle()
        left = [name for name in names(machine) if name.endswith(".jsonl")]
        assert len(left) == 3 - amount
    assert len(take(machine)) == (2 - amount > 0)
