"""Tests of how large and how old the queue may get: the oldest goes first, and is counted."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import NOW
from tests.support.spooling import (
    EVENT,
    claimed,
    deliver,
    make_line,
    names,
    number,
    put,
    read,
    segment,
    spool_dir,
    start,
    take,
    wait_for_word,
)
from usagectl import spool
from usagectl.errors import SpoolUnwritableError
from usagectl.spool import bounds, losses, purging
from usagectl.spool.losses import Losses

if TYPE_CHECKING:
    from tests.support.machine import Machine

LARGE = 700_000
"""Of events this large each has a segment of its own."""


def limit(machine: Machine, text: str) -> None:
    """Write the user's bounds."""
    machine.config_dir.mkdir(exist_ok=True)
    (machine.config_dir / "settings.toml").write_text(f"[spool]\n{text}\n")


def put_large(machine: Machine, count: int, *, now: datetime = NOW) -> None:
    """Append an event that fills a segment."""
    put(machine, b'{"n":%d,"x":"%b"}' % (count, b"x" * LARGE), now=now)


def waiting(machine: Machine) -> list[int]:
    """Number the events that wait."""
    return [json.loads(event)["n"] for event in read(machine)]


def lost(machine: Machine) -> Losses:
    """Read how many events were lost."""
    return losses.read(machine.environment())


def test_without_settings_the_bounds_are_generous(machine: Machine) -> None:
    """32 MiB and 90 days; a settings file that cannot be understood changes neither."""
    assert bounds.load(machine.environment()) == (32 * 1024 * 1024, 90)
    limit(machine, "max_bytes = 'many'")
    assert bounds.load(machine.environment()) == (32 * 1024 * 1024, 90)
    limit(machine, "max_bytes = 5\nmax_days = 6")
    assert bounds.load(machine.environment()) == (5, 6)


def test_the_default_size_holds(machine: Machine) -> None:
    """The queue never has more than its size and one segment; what went is counted exactly."""
    most = bounds.MAX_BYTES + bounds.SEGMENT_BYTES
    for count in range(60):
        put_large(machine, count)
        if count > 45:
            assert spool.state(machine.environment()).bytes <= most
    left = waiting(machine)
    assert left == list(range(60 - len(left), 60))
    assert lost(machine) == Losses(full=60 - len(left))
    assert len(left) >= bounds.MAX_BYTES // bounds.SEGMENT_BYTES


def test_the_oldest_go_first(machine: Machine) -> None:
    """With room for two segments beside the newest, the two before it stay."""
    limit(machine, f"max_bytes = {2 * LARGE + 1000}")
    for count in range(6):
        put_large(machine, count)
    assert waiting(machine) == [3, 4, 5]
    assert lost(machine) == Losses(full=3)


def test_the_newest_always_stays(machine: Machine) -> None:
    """Whatever the bounds are, the event that was just recorded is there."""
    limit(machine, "max_bytes = 1\nmax_days = 1")
    for count in range(4):
        put_large(machine, count)
        assert waiting(machine) == [count]
    assert lost(machine) == Losses(full=3)


def test_many_events_of_a_segment_are_counted(machine: Machine) -> None:
    """What is counted are events, not segments: those that are done and torn lines do not count."""
    limit(machine, "max_bytes = 1")
    for count in range(10):
        put(machine, number(count))
    take(machine, batch_size=4, most=1)
    with segment(machine, 1, ".sending").open("ab") as stream:
        stream.write(b'{"uid":"torn')
    put(machine, EVENT, now=NOW + timedelta(days=1))
    assert read(machine) == [EVENT]
    assert lost(machine) == Losses(full=6)
    assert names(machine) == ["00000002.jsonl"]


def test_age(machine: Machine) -> None:
    """What is older than the bound goes when the next segment begins; the bound's day stays."""
    limit(machine, "max_days = 10")
    for day in range(20):
        put(machine, number(day), now=NOW + timedelta(days=day))
    assert waiting(machine) == list(range(10, 20))
    assert lost(machine) == Losses(old=10)


@pytest.mark.parametrize("days", [10**6, 10**12, 2**63, 10**30])
def test_no_number_of_days_is_too_many(machine: Machine, days: int) -> None:
    """A bound that no clock reaches drops nothing and crashes nothing."""
    if days < 2**63:  # TOML knows no larger number everywhere.
        limit(machine, f"max_days = {days}\nmax_bytes = {days}")
    put(machine, number(1), now=NOW - timedelta(days=30))
    put(machine, number(2))
    assert waiting(machine) == [1, 2]


@pytest.mark.parametrize("year", [1, 1970, 2025, 2028, 2100, 9999])
def test_a_clock_that_jumps(machine: Machine, year: int) -> None:
    """Years back or forward: nothing crashes, and every event waits or is counted."""
    other = datetime(year, 1, 1, tzinfo=UTC)
    for count, now in enumerate([NOW, other, NOW, other, NOW, NOW]):
        put(machine, number(count), now=now)
        assert waiting(machine)[-1] == count
    assert len(waiting(machine)) + lost(machine).old == 6
    assert lost(machine).total == lost(machine).old
    if year in (2028, 2100, 9999):
        assert lost(machine).old > 0
    assert deliver(machine)


def test_a_segment_that_is_held_is_not_dropped(machine: Machine) -> None:
    """Neither one that is being delivered nor one that a live writer keeps."""
    limit(machine, "max_bytes = 1")
    put(machine, number(0))
    with claimed(machine) as claims, spool.Writer(machine.environment()) as writer:
        assert len(list(claims)) == 1
        writer.append(number(1), tool="t", kind="k")
        for count in range(2, 5):
            put_large(machine, count)
        assert waiting(machine) == [0, 1, 4]
        assert lost(machine) == Losses(full=2)
    put_large(machine, 5)
    assert waiting(machine) == [5]
    assert lost(machine) == Losses(full=5)


HOLD = """
writer = spool.Writer(machine.environment())
writer.append(b'{"n":0}', tool="t", kind="k")
print("ready", flush=True)
sys.stdin.readline()
"""


def test_a_segment_of_another_process_is_not_dropped(machine: Machine) -> None:
    """Not while that process lives; afterwards it is as any other."""
    limit(machine, "max_bytes = 1")
    process = start(machine, HOLD)
    wait_for_word(process)
    put_large(machine, 1)
    put_large(machine, 2)
    assert waiting(machine) == [0, 2]
    process.communicate()
    put_large(machine, 3)
    assert waiting(machine) == [3]
    assert lost(machine) == Losses(full=3)


def test_something_that_is_no_segment_stops_no_pruning(machine: Machine) -> None:
    """A folder or a pipe under a segment's name is passed over, and the next one goes."""
    limit(machine, "max_bytes = 1")
    segment(machine, 1).mkdir()
    os.mkfifo(segment(machine, 2))
    segment(machine, 3).symlink_to(machine.folder / "nowhere")
    for count in range(3):
        put_large(machine, count)
    assert len(list(spool_dir(machine).glob("0*.jsonl"))) == 4
    assert lost(machine) == Losses(full=2)


def test_a_large_event_makes_room_for_itself(machine: Machine) -> None:
    """An event larger than a segment is kept, and the queue has its size and a segment at most."""
    limit(machine, f"max_bytes = {4 * LARGE}")
    most = 4 * LARGE + bounds.SEGMENT_BYTES
    for count in range(4):
        put_large(machine, count)
    put(machine, b'{"n":9,"x":"%b"}' % (b"x" * 3 * LARGE))
    assert spool.state(machine.environment()).bytes <= most
    assert waiting(machine) == [2, 3, 9]
    assert lost(machine) == Losses(full=2)


@pytest.mark.parametrize("is_own", [True, False], ids=["writer", "append"])
def test_an_event_larger_than_the_queue_is_lost_and_counted(
    machine: Machine, *, is_own: bool
) -> None:
    """Nothing else is dropped for what would never fit."""
    limit(machine, f"max_bytes = {LARGE}")
    put(machine, number(1))
    huge = b'{"x":"%b"}' % (b"x" * 4 * LARGE)
    with spool.Writer(machine.environment()) as own:
        add = partial(own.append if is_own else partial(spool.append, machine.environment()), huge)
        with pytest.raises(SpoolUnwritableError, match="larger than the spool may be"):
            add(tool="t", kind="k")
    assert read(machine) == [number(1)]
    assert lost(machine) == Losses(unwritable=1)


def test_a_segment_that_does_not_tell_its_age_keeps_no_other(machine: Machine) -> None:
    """Rubbish, an instant far ahead, a folder: what lies behind them still becomes too old."""
    limit(machine, "max_days = 10")
    segment(machine, 1).write_bytes(b"rubbish\n")
    put(machine, number(0), now=NOW + timedelta(days=3000))
    segment(machine, 3).mkdir()
    for count, day in enumerate([0, 20, 21], start=1):
        put(machine, number(count), now=NOW + timedelta(days=day))
    segment(machine, 3).rmdir()
    assert waiting(machine) == [0, 2, 3]
    assert lost(machine) == Losses(old=1)


@pytest.mark.parametrize("role", ["", ".own", ".sending"])
@pytest.mark.parametrize("nines", [17, 18, 19])
def test_a_planted_number_loses_nothing(machine: Machine, nines: int, role: str) -> None:
    """Whatever number somebody gave a file, the next events have names that are read."""
    planted = spool_dir(machine) / f"{'9' * nines}{role}.jsonl"
    planted.write_bytes(make_line(number(0)))
    (spool_dir(machine) / f"{'9' * (nines - 1)}8{role}.jsonl").write_bytes(make_line(number(8)))
    for count in range(1, 4):
        put(machine, number(count), now=NOW + timedelta(days=count))
    expected = [1, 2, 3] if nines > 18 else [0, 1, 2, 3, 8]
    assert sorted(waiting(machine)) == expected
    assert sorted(deliver(machine)) == [number(each) for each in expected]


def test_what_was_set_aside_is_bounded(machine: Machine) -> None:
    """Beyond four megabytes the older lines go; a purge of everything takes what is left."""
    for count in range(12):
        segment(machine, count + 1).write_bytes(b"%d" % count + b"x" * 1_000_000 + b"\n")
        deliver(machine)
    folder = spool_dir(machine) / "aside"
    assert sorted(each.name for each in folder.iterdir()) == ["lines.before.txt", "lines.txt"]
    assert sum(each.stat().st_size for each in folder.iterdir()) < 11_000_000
    assert (folder / "lines.txt").read_bytes().splitlines()[-1].startswith(b"11x")
    purging.purge(machine.environment())
    assert list(folder.iterdir()) == []
