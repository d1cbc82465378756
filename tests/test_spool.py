"""Tests of the store: what goes in comes out, and each question about it has its answer."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import NOW, Machine
from tests.support.spooling import (
    EVENT,
    HANDOVER,
    check_integrity,
    entries,
    lay,
    make_record,
    number,
    put,
    read,
    set_aside,
    spool_file,
)
from usagectl import spool
from usagectl.cli.spool import count_by
from usagectl.errors import FolderUnknownError, SpoolUnwritableError
from usagectl.spool import Batch, Bounds, Losses, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

HUGE = 1 << 40
AMOUNT = int(os.environ.get("USAGECTL_EVENTS", "20000"))
HOUR = timedelta(hours=1)


@pytest.fixture
def store(machine: Machine) -> Iterator[spool.Spool]:
    """Open a store without bounds."""
    with spool.opened(spool_file(machine)) as found:
        yield found


def numbers(found: Iterator[spool.Entry]) -> list[int]:
    """Name events by their numbers."""
    return [json.loads(entry.body)["n"] for entry in found]


def fill(store: spool.Spool, count: int, **labels: str) -> None:
    """Add numbered events, an hour apart, the last one now."""
    store.add(
        make_record(number(n), time=NOW - (count - 1 - n) * HOUR, **labels) for n in range(count)
    )


# What goes in comes out.


def test_an_event_and_its_labels(machine: Machine) -> None:
    """An entry is the record: uid, time, tool, name, consent, and the exact bytes."""
    put(machine, consent="setting:2026")
    (entry,) = entries(machine)
    assert (entry.tool, entry.event, entry.consent) == ("usagectl", "cli_cmd", "setting:2026")
    assert (entry.body, entry.size, entry.state) == (EVENT, len(EVENT), "pending")
    assert (datetime.fromisoformat(entry.time), entry.handover) == (NOW, None)
    assert (entry.record.uid, entry.record.event) == (entry.uid, EVENT)


def test_labels_that_have_no_bytes(store: spool.Spool) -> None:
    """Half of a surrogate pair in a label, or in what is asked for, harms nobody."""
    store.add([make_record(number(1), tool="a\ud800", kind="\udcff", uid="u\ud800")])
    (entry,) = store.entries(["pending"])
    assert (entry.tool, entry.event, entry.uid) == ("a?", "?", "u?")
    assert store.count(["pending"], Selection(tools=("\udcff",), uids=("\ud800",))) == 0


# Lists, counts, charts.


def test_entries_stand_in_order(store: spool.Spool) -> None:
    """State after state, and the oldest first in each, however many they are."""
    fill(store, 1100)
    store.settle(next(store.batches(size=3, max_bytes=HUGE)), "sent", HANDOVER)
    assert numbers(store.entries(["sent", "pending"])) == [*range(1100)]
    assert numbers(store.entries(["pending", "sent"])) == [*range(3, 1100), 0, 1, 2]
    assert {entry.handover for entry in store.entries(["sent"])} == {HANDOVER}


def test_the_newest_of_all_states(store: spool.Spool) -> None:
    """Only the newest so many are read: those that were added last, in the usual order."""
    fill(store, 10)
    first = next(store.batches(size=4, max_bytes=HUGE))
    store.settle(first._replace(ids=first.ids[:1]), "sent", HANDOVER)
    store.settle(Batch((8,), ()), "rejected", HANDOVER)
    found = {most: numbers(store.entries(spool.STATES, newest=most)) for most in (1, 3, 9, 99)}
    assert found == {
        1: [9],
        3: [8, 9, 7],
        9: [1, 2, 3, 4, 5, 6, 8, 9, 7],
        99: [1, 2, 3, 4, 5, 6, 8, 9, 0, 7],
    }
    assert numbers(store.entries(["pending"], Selection(until=NOW), newest=2)) == [6, 8]


ODD_TIMES = {
    "2026-11-23T06:30:00.123456+00:00": "2026-11-23",
    "2026-11-23T00:30:00+14:00": "2026-11-22",
    "2026-11-23T23:30:00-02:00": "2026-11-24",
    "2026-11-23": "2026-11-23",
    "2026-11-23T05:00": "2026-11-23",
    "1969-12-31T23:59:59.999999": "1969-12-31",
    "0001-01-01T00:00:00": "0001-01-01",
    "0001-01-01T00:00:00+14:00": "unknown",
    "9999-12-31T23:59:59-14:00": "unknown",
    "yesterday\x1b[2J": "unknown",
    "": "unknown",
}


def test_odd_times(store: spool.Spool) -> None:
    """An instant counts whatever its zone; without one it is UTC; what is none has no day."""
    store.add(make_record(time=time) for time in ODD_TIMES)
    stats = store.stats()
    assert count_by(stats, "day") == {
        (day,): [*ODD_TIMES.values()].count(day) for day in sorted({*ODD_TIMES.values()})
    }
    assert (stats.total, stats.bytes) == (len(ODD_TIMES), len(ODD_TIMES) * len(EVENT))
    chosen = Selection(since=NOW - HOUR, until=NOW + HOUR)
    assert [entry.time for entry in store.entries(["pending"], chosen)] == [next(iter(ODD_TIMES))]
    early = Selection(until=NOW - 50 * 365 * 24 * HOUR)
    assert [entry.time[:4] for entry in store.entries(["pending"], early)] == [
        "1969",
        "0001",
        "0001",
    ]


def test_selections(store: spool.Spool) -> None:
    """Tool, name, time, uid and consent choose, alone and together; each query agrees."""
    fill(store, 4, tool="a", kind="x")
    store.add([make_record(number(4), tool="b", kind="y", consent="c", uid="0123-x")])
    store.add([make_record(number(5), tool="c", kind="x", consent="d", uid="0124-x")])
    expected = {
        Selection(): [0, 1, 2, 3, 4, 5],
        Selection(tools=("a", "b", "none")): [0, 1, 2, 3, 4],
        Selection(events=("y",)): [4],
        Selection(without=("a", "c")): [4],
        Selection(tools=("a",), without=("a",)): [],
        Selection(since=NOW): [3, 4, 5],
        Selection(until=NOW): [0, 1, 2],
        Selection(since=NOW - 2 * HOUR, until=NOW): [1, 2],
        Selection(uids=("0123", "0124-")): [4, 5],
        Selection(uids=("%", "_", "*")): [],
        Selection(consent="c"): [4],
        Selection(consent=""): [0, 1, 2, 3],
        Selection(events=("x",), since=NOW, consent="d"): [5],
        Selection(tools=("'; DROP TABLE events; --",)): [],
    }
    found = {each: numbers(store.entries(["pending"], each)) for each in expected}
    assert found == expected
    for each, meant in expected.items():
        assert store.count(["pending"], each) == len(meant), each
        assert store.stats(["pending"], each).total == len(meant), each
        batches = store.batches(each, size=2, max_bytes=HUGE)
        assert [e for batch in batches for e in batch.events] == [number(n) for n in meant], each


# Batches.


def test_batches_hold_so_many_events_and_bytes(store: spool.Spool) -> None:
    """A batch is full at a number of events or of bytes; a larger event travels alone."""
    sizes = [10, 10, 10, 500, 10, 90, 10]
    store.add(make_record(b"x" * size) for size in sizes)

    def cut(*, size: int, max_bytes: int, limit: int | None = None) -> list[list[int]]:
        batches = store.batches(size=size, max_bytes=max_bytes, limit=limit)
        return [[len(each) for each in batch.events] for batch in batches]

    assert cut(size=2, max_bytes=HUGE) == [[10, 10], [10, 500], [10, 90], [10]]
    assert cut(size=9, max_bytes=100) == [[10, 10, 10], [500], [10, 90], [10]]
    assert cut(size=9, max_bytes=1) == [[size] for size in sizes]
    assert cut(size=4, max_bytes=HUGE, limit=6) == [[10, 10, 10, 500], [10, 90]]
    assert cut(size=4, max_bytes=HUGE, limit=0) == []


def test_a_session_travels_alone(store: spool.Spool) -> None:
    """A session event is a batch of its own, in its place among the others."""
    kinds = ["e", "e", "session", "session", "e", "e", "e", "session"]
    store.add(make_record(number(n), kind=kind) for n, kind in enumerate(kinds))
    found = [(len(batch.ids), batch.is_session) for batch in store.batches(size=3, max_bytes=HUGE)]
    assert found == [(2, False), (1, True), (1, True), (3, False), (1, True)]


def test_batches_while_rows_are_settled_and_added(store: spool.Spool) -> None:
    """Each event that was there comes once, whatever becomes of it; what is added is left."""
    fill(store, 10)
    seen: list[bytes] = []
    for turn, batch in enumerate(store.batches(size=3, max_bytes=HUGE)):
        seen += batch.events
        store.settle(batch, "sent" if turn % 2 else "rejected", HANDOVER)
        fill(store, 1)
    assert seen == [number(n) for n in range(10)]
    assert store.count(["pending"]) == 4
    again = 0
    for batch in store.batches(state="rejected", size=1, max_bytes=HUGE):
        store.settle(batch, "rejected", HANDOVER)
        again += 1
    assert (again, store.count(["rejected"])) == (6, 6)


def test_what_was_removed_meanwhile_is_not_settled(store: spool.Spool) -> None:
    """A batch names its rows for good: an event that is added later is never taken for one."""
    fill(store, 2)
    batch = next(store.batches(size=9, max_bytes=HUGE))
    store.purge()
    fill(store, 2)
    store.settle(batch, "sent", HANDOVER)
    assert (store.count(["sent"]), store.count(["pending"])) == (0, 2)


# Bounds and losses.


def test_the_oldest_go_first_and_are_counted(machine: Machine) -> None:
    """Beyond its bytes the spool drops its oldest events, and no more of them than it must."""
    with spool.opened(spool_file(machine), bounds=Bounds(max_bytes=5000)) as store:
        for count in range(100):
            assert store.add([make_record(number(count))]) == 1
        left = numbers(store.entries(["pending"]))
        assert left == [*range(100 - len(left), 100)]
        assert store.losses() == Losses(full=100 - len(left))
        assert 5000 - 200 < store.total("pending")[1] <= 5000
        store.add(make_record(number(count)) for count in range(100, 200))
        assert numbers(store.entries(["pending"]))[-1] == 199


def test_the_old_go_and_are_counted(machine: Machine) -> None:
    """Beyond so many days an event is dropped; a time that is none, or ahead, keeps none back."""
    with spool.opened(spool_file(machine), bounds=Bounds(max_days=2)) as store:
        store.add([make_record(number(1), time="yesterday")])
        store.add([make_record(number(2), time=NOW + 1000 * HOUR)])
        store.add([make_record(number(3), time=NOW - 49 * HOUR)])
        store.add([make_record(number(4), time=NOW - 47 * HOUR)])
        store.add([make_record(number(5))])
        assert numbers(store.entries(["pending"])) == [1, 2, 4, 5]
        assert store.losses() == Losses(old=1)
    with spool.opened(spool_file(machine), bounds=Bounds(max_days=10**12)) as store:
        store.add([make_record(number(6))])
        assert store.losses() == Losses(old=1)


def test_an_event_larger_than_the_spool(machine: Machine) -> None:
    """It is refused and counted, and no other makes room for it."""
    machine.config_dir.mkdir()
    (machine.config_dir / "settings.toml").write_text("[spool]\nmax_bytes = 2000\n")
    put(machine, number(1))
    with pytest.raises(SpoolUnwritableError, match="2000 bytes"):
        put(machine, b'{"a":"%b"}' % (b"x" * 3000))
    assert read(machine) == [number(1)]
    assert spool.state(machine.environment()).losses == Losses(unwritable=1)
    for count in range(30):
        put(machine, number(count))
    assert 0 < len(read(machine)) < 30


def test_the_logs_are_bounded(machine: Machine) -> None:
    """Of sent and rejected events the oldest go beyond 16 MiB; the rejected are counted as lost."""
    with spool.opened(spool_file(machine), bounds=Bounds(max_bytes=HUGE)) as store:
        for state in ("sent", "rejected"):
            store.add(make_record(b"x" * 1_000_000) for _ in range(20))
            for batch in store.batches(size=1, max_bytes=HUGE):
                store.settle(batch, state, HANDOVER)
            assert store.count([state]) == 16
        assert store.losses() == Losses(full=4)


# Settling and removing.


def test_what_is_purged_is_gone_for_good(machine: Machine) -> None:
    """No byte of a removed event is left in any file, and the room is given back."""
    secret = b"canary-7f" * 50
    with spool.opened(spool_file(machine), bounds=Bounds()) as store:
        store.add(
            make_record(b'{"a":"%b"}' % secret, tool="t" if n % 2 else "u") for n in range(3000)
        )
        for batch in store.batches(size=500, max_bytes=HUGE, limit=1500):
            store.settle(batch, "sent", HANDOVER)
    size = spool_file(machine).stat().st_size
    for selection, left in ((Selection(tools=("t",)), 1500), (spool.ALL, 0)):
        assert spool.purge(machine.environment(), states=spool.STATES, selection=selection) == 1500
        assert spool.purge(machine.environment(), states=spool.STATES, selection=selection) == 0
        held = b"".join(file.read_bytes() for file in machine.state_dir.glob("spool.db*"))
        assert held.count(secret) == left
    assert spool_file(machine).stat().st_size < size / 10
    assert check_integrity(spool_file(machine)) == "ok"


# The user's own spool.


def test_without_a_home(machine: Machine) -> None:
    """Without a folder nothing is kept, and appending says so."""
    bare = machine.environment(state_dir=None)
    assert spool.state(bare).problem
    assert spool.purge(bare) == 0
    with spool.open_spool(bare) as store:
        assert store.count(spool.STATES) == 0
    with pytest.raises(FolderUnknownError):
        spool.append(bare, EVENT, tool="usagectl", kind="k")


def test_the_state_of_the_spool(machine: Machine) -> None:
    """Events by state, bytes of those that wait, and losses are told without counting."""
    lay(machine, *(make_record() for _ in range(5)))
    lay(machine, make_record(), make_record(), state="sent")
    lay(machine, make_record(), state="rejected")
    state = spool.state(machine.environment())
    assert (state.pending, state.sent, state.rejected) == (5, 2, 1)
    assert (state.path, state.bytes) == (spool_file(machine), 5 * (150 + len(EVENT)))
    assert (state.problem, state.unwritable, set_aside(machine)) == ("", "", [])


def test_a_folder_that_is_removed_meanwhile(machine: Machine) -> None:
    """The next event makes it anew."""
    put(machine)
    for file in machine.state_dir.iterdir():
        file.unlink()
    machine.state_dir.rmdir()
    assert spool.state(machine.environment()).pending == 0
    put(machine)
    assert read(machine) == [EVENT]


def test_a_million_events_take_no_more_memory(machine: Machine) -> None:
    """Lists, counts, batches and purges hold a page at a time; USAGECTL_EVENTS=1000000 for all."""
    import tracemalloc

    with spool.opened(spool_file(machine)) as store:
        event = b'{"a":"' + b"x" * 900 + b'"}'
        for _ in range(AMOUNT // 1000):
            store.add(make_record(event, uid="u") for _ in range(1000))
        tracemalloc.start()
        try:
            assert sum(1 for _ in store.entries(["pending"])) == AMOUNT
            assert store.stats().total == AMOUNT
            for batch in store.batches(size=500, max_bytes=HUGE):
                store.settle(batch, "sent", HANDOVER)
            assert store.purge(["sent"]) == AMOUNT
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
        finally:
            tracemalloc.stop()
