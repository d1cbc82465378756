"""Tests of the queue's way out: batches of exact bytes, in order, cut at will, selected."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import NOW, Machine
from tests.support.spooling import (
    EVENT,
    aside,
    claimed,
    deliver,
    events_of,
    make_line,
    names,
    number,
    put,
    read,
    segment,
    take,
)
from usagectl import spool
from usagectl.errors import SpoolUnwritableError
from usagectl.spool import envelope, lines, queue
from usagectl.spool.lines import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.spool.queue import Batch

ODD = [
    b"{}",
    b'{"a":1,"a":2}',
    b'{"a": [1 , 2] }',
    b'{"n":%b}' % (b"9" * 5000),
    b'{"n":1e999,"m":-0.0E+1,"l":1E-400}',
    b'{"e":"\\u0041\\/\\ud83d\\ude00\\n"}',
    b'{"x":",\\"event\\":{}}"}',
    b'{"a":{"uid":"x","kind":"session","event":{"b":1}}}',
    b'{"kind":"session"}',
    '{"u":"\u2028\u0085é\x7f\ufeff\U0001f600"}'.encode(),
    b'{"d":%b1%b}' % (b"[" * 500, b"]" * 500),
]
plain = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers() | st.booleans(),
    max_size=3,
).map(lambda members: json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode())
written = st.lists(
    st.tuples(
        st.sampled_from(["cli_cmd", "aws_op_count", "session"]), plain | st.sampled_from(ODD)
    ),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize("event", ODD, ids=range(len(ODD)))
def test_odd_bytes_are_shown_and_sent_alike(machine: Machine, event: bytes) -> None:
    """What records show is what a batch holds, byte for byte, and alone as among others."""
    put(machine, event)
    assert read(machine) == [event]
    assert deliver(machine) == [event]
    for each in (EVENT, event, EVENT):
        put(machine, each)
    assert deliver(machine) == [EVENT, event, EVENT]
    assert (aside(machine), names(machine)) == (b"", [])


@settings(max_examples=150, database=None)
@given(written, st.integers(1, 8), st.integers(1, 3000), st.integers(0, 3))
def test_batches_hold_every_byte_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    pairs: list[tuple[str, bytes]],
    batch_size: int,
    batch_bytes: int,
    breaks: int,
) -> None:
    """Events and whole lines pass unchanged, within both bounds; sessions travel alone."""
    machine = Machine(tmp_path_factory.mktemp("queue"))
    with spool.Writer(machine.environment()) as writer:
        for count, (kind, event) in enumerate(pairs):
            writer.append(event, tool="usagectl", kind=kind)
            if breaks and count % breaks == 0:
                writer.release()
    files = sorted(segment(machine).parent.glob("*.jsonl"))
    data = b"".join(file.read_bytes() for file in files)
    batches = take(machine, batch_size=batch_size, batch_bytes=batch_bytes)
    assert events_of(batches) == [event for _, event in pairs]
    assert b"".join(batch.lines for batch in batches) == data
    for batch in batches:
        assert 1 <= len(batch.events) <= batch_size
        assert len(batch.lines) <= batch_bytes or len(batch.events) == 1
        assert sum(piece.amount for piece in batch.pieces) == len(batch.events)
        kinds = [kind_of(line) for line in batch.lines.split(b"\n")[:-1]]
        assert batch.is_session == ("session" in kinds)
        assert not batch.is_session or len(kinds) == 1
    assert (names(machine), aside(machine)) == ([], b"")


def kind_of(line: bytes) -> str:
    """Read the kind of a line."""
    record = envelope.parse_line(line)
    assert record is not None
    return record.kind


@settings(max_examples=100, database=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_a_batch_can_be_cut_down_to_single_events(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], random: object
) -> None:
    """However often it is cut, order, bytes and places stay; the parts can be done one by one."""
    machine = Machine(tmp_path_factory.mktemp("split"))
    with spool.Writer(machine.environment()) as writer:
        for count, size in enumerate(sizes):
            event = b'{"n":%d,"x":"%b"}' % (count, b"x" * size)
            writer.append(event, tool="usagectl", kind="k")
            if count % 17 == 16:
                writer.release()
    with claimed(machine) as claims:
        (batch,) = queue.batches(claims, lines.ALL, batch_size=1000, batch_bytes=1 << 20)
        singles = list(cut(batch, random))
        assert events_of(singles) == [bytes(event) for event in batch.events]
        assert b"".join(each.lines for each in singles) == batch.lines
        for each in singles:
            (record,) = [envelope.parse_line(each.lines[:-1])]
            assert record is not None
            assert [record.event] == events_of([each])
        half = len(singles) // 2
        for each in singles[:half]:
            each.mark_done()
    assert deliver(machine) == events_of(singles[half:])


def cut(batch: Batch, random: object) -> Iterator[Batch]:
    """Cut a batch at random places until each part has one event."""
    if len(batch.events) == 1:
        yield batch
        return
    count = random.randrange(1, len(batch.events))  # type: ignore[attr-defined]
    for part in batch.split(count):
        assert sum(piece.amount for piece in part.pieces) == len(part.events)
        yield from cut(part, random)


@pytest.mark.parametrize("sizes", [(1, 400), (400, 1), (50, 50)])
def test_large_blocks_are_cut_where_lines_end(machine: Machine, sizes: tuple[int, int]) -> None:
    """In a block of thousands of lines of uneven length, each cut falls on a line's end."""
    first, second = ([b"x" * size] * 2000 for size in sizes)
    with spool.Writer(machine.environment()) as writer:
        for count, fill in enumerate((*first, *second)):
            writer.append(b'{"n":%d,"x":"%b"}' % (count, fill), tool="usagectl", kind="k")
    batches = take(machine, batch_size=777, batch_bytes=100_000)
    assert [json.loads(event)["n"] for event in events_of(batches)] == list(range(4000))
    assert all(batch.lines.endswith(b"}}\n") for batch in batches)
    assert all(batch.lines.count(b"\n") == len(batch.events) <= 777 for batch in batches)


def test_uids_that_repeat_move_no_cut(machine: Machine) -> None:
    """A file that was copied together has a uid twice: each event still stands in its own line."""
    uids = [n // 3 if n < 30 else n % 7 for n in range(60)]
    lines_of = [make_line(number(n), uid=f"uid-{uid}") for n, uid in enumerate(uids)]
    segment(machine).write_bytes(b"".join(lines_of))
    with claimed(machine) as claims:
        for batch in queue.batches(claims, lines.ALL, batch_size=7, batch_bytes=1 << 20):
            assert batch.lines == b"".join(lines_of[json.loads(e)["n"]] for e in events_of([batch]))
            for part in batch.split(3)[:1]:
                part.mark_done()
    done = [n for n in range(60) if n % 7 < 3]
    assert read(machine) == [number(n) for n in range(60) if n not in done]


def test_an_event_larger_than_a_batch_goes_alone(machine: Machine) -> None:
    """It is sent all the same; its neighbours go before and after it."""
    large = b'{"x":"%b"}' % (b"x" * 5_000_000)
    for event in (number(1), large, number(2)):
        put(machine, event)
    batches = take(machine, batch_bytes=10_000)
    assert [events_of([batch]) for batch in batches] == [[number(1)], [large], [number(2)]]
    assert names(machine) == []


def fill(machine: Machine) -> None:
    """Put four events that differ in every member that a selection looks at."""
    put(machine, number(0), tool="a", kind="x", consent="c")
    put(machine, number(1), tool="b", kind="x", now=NOW + timedelta(minutes=1))
    put(machine, number(2), tool="a", kind="y", now=NOW + timedelta(minutes=2))
    put(machine, number(3), tool="b", kind="session", consent="d", now=NOW + timedelta(minutes=3))


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), [0, 1, 2, 3]),
        (Selection(tools=("a",)), [0, 2]),
        (Selection(tools=("a", "b"), events=("x",)), [0, 1]),
        (Selection(events=("session",)), [3]),
        (Selection(since=NOW + timedelta(minutes=1)), [1, 2, 3]),
        (Selection(until=NOW + timedelta(minutes=1)), [0]),
        (Selection(since=NOW + timedelta(minutes=1), until=NOW + timedelta(minutes=3)), [1, 2]),
        (Selection(consent="c"), [0]),
        (Selection(consent=""), [1, 2]),
        (Selection(uids=("nope",)), []),
    ],
)
def test_selection(machine: Machine, selection: Selection, expected: list[int]) -> None:
    """What is meant is sent, in order; the rest waits on, unharmed and in its order."""
    fill(machine)
    assert deliver(machine, selection=selection) == [number(n) for n in expected]
    rest = [number(n) for n in range(4) if n not in expected]
    assert read(machine) == rest
    assert spool.state(machine.environment()).pending == len(rest)
    assert deliver(machine) == rest
    assert names(machine) == []


def test_selection_by_uid(machine: Machine) -> None:
    """The beginning of a uid is enough."""
    fill(machine)
    uids = [record.uid for record in spool.records(machine.environment())]
    assert deliver(machine, selection=Selection(uids=(uids[2], uids[0][:-1]))) == [
        number(0),
        number(2),
    ]


def test_a_time_that_is_none_is_never_selected_by_time(machine: Machine) -> None:
    """A line with an odd time waits until everything is meant."""
    segment(machine).write_bytes(make_line().replace(b"2026-11", b"someday"))
    assert deliver(machine, selection=Selection(since=NOW - timedelta(days=9))) == []
    assert deliver(machine) == [EVENT]


def test_a_segment_that_cannot_be_removed_keeps_no_other(machine: Machine) -> None:
    """When one claim cannot be let go of, all others are, and what went wrong is said."""
    for count in range(3):
        put(machine, number(count), now=NOW + timedelta(days=count))
    first = segment(machine, 1, ".sending")

    def deliver_over_a_folder() -> None:
        with claimed(machine) as claims:
            for batch in queue.batches(claims, lines.ALL, batch_size=1, batch_bytes=1):
                batch.mark_done()
            first.unlink()
            first.mkdir()

    with pytest.raises(SpoolUnwritableError):
        deliver_over_a_folder()
    assert names(machine) == [first.with_suffix(".done").name, first.name]
    put(machine)
    assert deliver(machine) == [EVENT]
