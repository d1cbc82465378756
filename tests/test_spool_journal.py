"""Tests of what is noted as done: it holds after a restart, and never hides a waiting event."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.spooling import (
    aside,
    claimed,
    deliver,
    make_line,
    names,
    number,
    put,
    read,
    run,
    segment,
    take,
)
from usagectl import spool
from usagectl.errors import SpoolUnwritableError
from usagectl.spool.journal import Span

if TYPE_CHECKING:
    from tests.support.machine import Machine

LINES = [make_line(number(n), uid=f"uid-{n}") for n in range(4)]
SIZE = len(LINES[0])
ALL = [number(n) for n in range(4)]


def lay_out(machine: Machine, entries: bytes) -> None:
    """Leave a segment as a killed delivery leaves it, with a journal of the test's choosing."""
    segment(machine, 1, ".sending").write_bytes(b"".join(LINES))
    segment(machine, 1, ".sending").with_suffix(".done").write_bytes(entries)


def test_what_is_done_stays_done(machine: Machine) -> None:
    """After each restart the rest waits, is counted, and is sent once; then no file is left."""
    for event in ALL:
        put(machine, event)
    for count in range(4):
        assert read(machine) == ALL[count:]
        assert spool.state(machine.environment()).pending == 4 - count
        (batch,) = take(machine, batch_size=1, most=1)
        assert [bytes(event) for event in batch.events] == [number(count)]
    assert names(machine) == []


def test_an_entry_names_the_bytes_and_their_uid(machine: Machine) -> None:
    """A journal is text that a person can read: from, to, and the uid of the line at from."""
    lay_out(machine, b"")
    take(machine, batch_size=2, most=1)
    journal = segment(machine, 1, ".sending").with_suffix(".done")
    assert journal.read_bytes() == b"0 %d uid-0\n" % (2 * SIZE)


WRONG = {
    "another uid": b"0 %d uid-9\n" % SIZE,
    "another place": b"%d %d uid-0\n" % (SIZE, 2 * SIZE),
    "no line's start": b"3 %d uid-0\n" % SIZE,
    "the middle of a line": b"0 %d uid-0\n" % (SIZE // 2),
    "the middle of another line": b"0 %d uid-0\n" % (SIZE * 2 + 9),
    "beyond the end": b"0 %d uid-0\n" % (SIZE * 4 + 1),
    "backwards": b"%d 0 uid-1\n" % SIZE,
    "nothing": b"0 0 uid-0\n0 0 ~00000000\n",
    "negative": b"-1 %d uid-0\n0 -5 uid-0\n" % SIZE,
    "huge": b"%d %d uid-0\n0 %d uid-0\n" % (1 << 63, 1 << 70, 1 << 63),
    "very huge": b"%b %b uid-0\n" % (b"9" * 5000, b"9" * 6000),
    "torn": b"0 %d uid-" % SIZE,
    "torn within a number": b"0 1",
    "no numbers": b"a b uid-0\n0x0 0x99 uid-0\n",
    "too many words": b"0 %d uid-0 x\n" % SIZE,
    "no uid": b"0 %d \n0 %d\n" % (SIZE, SIZE),
    "NULs": b"\0" * 100 + b"\n",
    "no text": b"\xff\xfe\n\n\n",
}


@pytest.mark.parametrize("entries", WRONG.values(), ids=WRONG)
def test_a_wrong_entry_hides_no_event(machine: Machine, entries: bytes) -> None:
    """An event is rather sent twice than lost."""
    lay_out(machine, entries)
    assert read(machine) == ALL
    assert spool.state(machine.environment()).pending == 4
    assert deliver(machine) == ALL
    assert names(machine) == []


@pytest.mark.parametrize("entries", WRONG.values(), ids=WRONG)
def test_a_wrong_entry_spoils_no_right_one(machine: Machine, entries: bytes) -> None:
    """What is noted after it holds, a torn one before it included."""
    lay_out(machine, entries)
    with claimed(machine) as claims:
        (source,) = claims
        source.mark_done([Span(SIZE, 2 * SIZE, b"uid-1")])
    assert read(machine) == [number(0), number(2), number(3)]
    assert deliver(machine) == [number(0), number(2), number(3)]


def test_entries_that_overlap_are_one(machine: Machine) -> None:
    """In any order, repeated, within one another: the lines that none names wait."""
    entries = [(2, 3), (0, 1), (0, 2), (0, 1), (1, 2)]
    text = b"".join(b"%d %d uid-%d\n" % (a * SIZE, b * SIZE, a) for a, b in entries)
    lay_out(machine, text)
    assert deliver(machine) == [number(3)]
    lay_out(machine, text + b"%d %d uid-3\n" % (3 * SIZE, 4 * SIZE))
    assert spool.state(machine.environment()).pending == 0
    assert deliver(machine) == []
    assert names(machine) == []


def test_a_replaced_segment_is_read_anew(machine: Machine) -> None:
    """A journal that speaks of other events under the same name hides none of these."""
    lay_out(machine, b"0 %d uid-0\n" % (4 * SIZE))
    new = [make_line(number(n), uid=f"new-{n}") for n in range(4)]
    segment(machine, 1, ".sending").write_bytes(b"".join(new))
    assert deliver(machine) == ALL


def test_a_journal_without_its_segment_means_nothing(machine: Machine) -> None:
    """What a kill left beside a removed segment hides nothing of the next one of that number."""
    segment(machine, 1, ".sending").with_suffix(".done").write_bytes(b"0 %d uid-0\n" % SIZE)
    for event in ALL:
        put(machine, event)
    assert deliver(machine) == ALL
    assert names(machine) == []


def test_a_pipe_as_a_journal(machine: Machine) -> None:
    """It neither hangs nor hides; that nothing can be noted there is said before more is sent."""
    lay_out(machine, b"")
    journal = segment(machine, 1, ".sending").with_suffix(".done")
    journal.unlink()
    os.mkfifo(journal)
    assert read(machine) == ALL
    with pytest.raises(SpoolUnwritableError):
        deliver(machine)
    assert read(machine) == ALL


def test_a_link_as_a_journal(machine: Machine) -> None:
    """No note is led elsewhere."""
    lay_out(machine, b"")
    journal = segment(machine, 1, ".sending").with_suffix(".done")
    journal.unlink()
    target = machine.folder / "mine"
    target.write_bytes(b"")
    journal.symlink_to(target)
    with pytest.raises(SpoolUnwritableError):
        deliver(machine)
    assert target.read_bytes() == b""


def test_a_torn_last_line_is_set_aside_once(machine: Machine) -> None:
    """Also when the segment's end gets a line end after it was set aside."""
    file = segment(machine, 1, ".sending")
    file.write_bytes(LINES[0] + b'{"uid":"torn"')
    end = file.stat().st_size
    file.with_suffix(".done").write_bytes(b"%d %d torn\n" % (SIZE, end))
    assert deliver(machine) == [number(0)]
    assert aside(machine) == b""
    assert names(machine) == []


FULL = """
import resource
from tests.support.spooling import claimed
from usagectl.errors import SpoolUnwritableError
from usagectl.spool import lines, queue
with claimed(machine) as claims:
    batch = next(queue.batches(claims, lines.ALL, batch_size=1, batch_bytes=1 << 20))
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, resource.RLIM_INFINITY))
    try:
        batch.mark_done()
    except SpoolUnwritableError:
        print("refused")
"""


def test_a_note_that_was_half_written_is_an_error(machine: Machine) -> None:
    """On a full disk a delivery has to stop, else it would send everything twice the next time."""
    lay_out(machine, b"")
    assert run(machine, FULL) == "refused\n"
    assert deliver(machine) == ALL
