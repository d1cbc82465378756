"""Tests of the logs of what left the queue: headers, bounds, torn lines, a full disk."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import NOW
from tests.support.spooling import aside, deliver, make_line, number, run, spool_dir, take
from usagectl import spool
from usagectl.spool import bounds, logs, losses
from usagectl.spool.logs import Handover
from usagectl.spool.losses import Losses

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

HANDOVER = logs.handover_now(NOW, to="http://127.0.0.1:9/v1", status=202, answer="ok")


def add(machine: Machine, name: str, *blocks: bytes) -> Path:
    """Append blocks of lines to a log, each under its header."""
    folder = spool_dir(machine) / name
    log = logs.Log(machine.environment(), folder)
    for block in blocks:
        log.append(HANDOVER, block)
    log.close()
    return folder


def data_of(folder: Path) -> bytes:
    """Join the segments of a log."""
    return b"".join(file.read_bytes() for file in sorted(folder.glob("*.jsonl")))


def test_a_header_says_when_where_and_what_came_back(machine: Machine) -> None:
    """The events follow it as they waited, byte for byte; only the owner can read it."""
    lines = make_line(number(1)) + make_line(number(2))
    folder = add(machine, "sent", lines, lines)
    header = logs.build_header(HANDOVER)
    assert json.loads(header) == {
        "at": NOW.isoformat(),
        "to": "http://127.0.0.1:9/v1",
        "status": 202,
        "answer": "ok",
    }
    assert data_of(folder) == (header + lines) * 2
    assert spool.state(machine.environment())[1:4] == (0, 4, 0)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


@settings(max_examples=100, database=None)
@given(st.text(), st.text(), st.integers(), st.text())
def test_headers_are_read_back(at: str, to: str, status: int, answer: str) -> None:
    """Whatever an endpoint answered, the header is one line, and no record."""
    handover = Handover(at, to, status, answer)
    line = logs.build_header(handover)
    assert line.count(b"\n") == 1
    assert logs.parse_header(line) == handover


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"at":',
        b'{"at":1,"to":"x","status":2}',
        b'{"at":"x","status":2}',
        b'{"at":"x","to":"y","status":"2"}',
        b'{"at":"x","to":"y","status":2,"answer":null}',
        b'{"at":"x"}}',
        b'{"at":' + b"[" * 100_000,
        b' {"at":"x","to":"y","status":2}',
        b'{"at":"\xff","to":"y","status":2}',
        b'{"at":"x","to":"y","status":' + b"9" * 5000 + b"}",
    ],
    ids=range(11),
)
def test_what_is_no_header(line: bytes) -> None:
    """A torn or foreign line is not taken for one."""
    assert logs.parse_header(line) is None


def test_an_answer_is_cut() -> None:
    """Only its first words are kept."""
    assert len(logs.handover_now(NOW, to="x", status=400, answer="y" * 9999).answer) == 500


def test_a_log_is_bounded(machine: Machine) -> None:
    """The sent log keeps the newest of its size; what goes of it was delivered, so not lost."""
    block = make_line(b'{"x":"%b"}' % (b"x" * 300_000))
    folder = add(machine, "sent", *[block] * 60)
    assert bounds.LOG_MAX_BYTES * 0.7 < len(data_of(folder)) <= bounds.LOG_MAX_BYTES
    assert all(file.stat().st_size <= bounds.LOG_SEGMENT_BYTES for file in folder.iterdir())
    assert losses.read(machine.environment()) == Losses()
    assert not (folder / "losses.json").exists()


def test_blocks_larger_than_a_segment_are_bounded_too(machine: Machine) -> None:
    """The bound is in bytes, not in files."""
    block = make_line(b'{"x":"%b"}' % (b"x" * 3_000_000))
    folder = add(machine, "sent", *[block] * 6)
    assert 5_000_000 < len(data_of(folder)) <= bounds.LOG_MAX_BYTES


def test_small_segments_do_not_push_each_other_out(machine: Machine) -> None:
    """Many small files (each replay of rejected events leaves one) are far below the bound."""
    for count in range(20):
        folder = add(machine, "rejected", make_line(number(count)))
        for file in folder.glob("*[0-9].jsonl"):
            file.rename(file.with_suffix(".sending.jsonl"))
    assert spool.state(machine.environment()).rejected == 20
    assert losses.read(machine.environment()) == Losses()


def test_rejected_events_that_go_are_counted(machine: Machine) -> None:
    """They were never delivered, so the user hears of it; each event counts, no header does."""
    block = make_line(b'{"x":"%b"}' % (b"x" * 150_000)) * 2
    add(machine, "rejected", *[block] * 60)
    left = spool.state(machine.environment()).rejected
    assert 0 < left < 120
    assert losses.read(machine.environment()) == Losses(full=120 - left)


@pytest.mark.parametrize("torn", [b'{"at":"2026', b'{"uid":"u"', b"\0\0\0", b"\xff"])
def test_a_torn_log_line_stays_by_itself(machine: Machine, torn: bytes) -> None:
    """What a killed delivery left of a log spoils no later header and no later event."""
    folder = add(machine, "rejected", make_line(number(1)))
    with next(folder.glob("*.jsonl")).open("ab") as stream:
        stream.write(torn)
    add(machine, "rejected", make_line(number(2)))
    assert torn + b"\n" + logs.build_header(HANDOVER) in data_of(folder)
    assert spool.state(machine.environment()).rejected == 2
    batches = take(machine, folder=folder)
    assert [bytes(event) for batch in batches for event in batch.events] == [number(1), number(2)]
    assert aside(machine) == torn + b"\n"
    assert list(folder.iterdir()) == []


def test_rejected_events_can_be_delivered_again(machine: Machine) -> None:
    """Headers between them are no events, break no batch's order, and are not set aside."""
    folder = add(machine, "rejected", *[make_line(number(n)) for n in range(5)])
    batches = take(machine, folder=folder, batch_size=2)
    assert [len(batch.events) for batch in batches] == [2, 2, 1]
    assert all(b'"at"' not in batch.lines for batch in batches)
    assert (aside(machine), list(folder.iterdir())) == (b"", [])
    assert deliver(machine) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system knows no such pipes")
def test_something_else_in_a_log_s_place(machine: Machine) -> None:
    """A pipe, a link or a folder under a segment's name neither hangs nor ends the logging."""
    folder = spool_dir(machine) / "sent"
    folder.mkdir()
    target = machine.folder / "mine"
    target.write_bytes(b"")
    os.mkfifo(folder / "00000001.jsonl")
    add(machine, "sent", make_line(number(1)))
    assert (folder / "00000002.jsonl").read_bytes().endswith(make_line(number(1)))
    (folder / "00000003.jsonl").symlink_to(target)
    add(machine, "sent", make_line(number(2)))
    assert target.read_bytes() == b""
    (folder / "00000005.jsonl").mkdir()
    add(machine, "sent", make_line(number(3)))
    assert (folder / "00000006.jsonl").read_bytes().endswith(make_line(number(3)))


FULL = """
import resource
from tests.support.spooling import make_line, spool_dir
from usagectl.spool import logs
log = logs.Log(machine.environment(), spool_dir(machine) / "sent")
handover = logs.Handover("t", "x", 200)
log.append(handover, make_line(b'{"n":1}'))
resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        log.append(handover, make_line(b'{"n":2}') * 10)
    except OSError:
        print("refused")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.append(handover, make_line(b'{"n":3}'))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this limit is POSIX")
def test_what_a_full_disk_cut_short_is_taken_back(machine: Machine) -> None:
    """A log never says that something was sent without the whole of it."""
    assert run(machine, FULL).split() == ["refused"] * 2
    header = logs.build_header(Handover("t", "x", 200))
    expected = b"".join(header + make_line(number(n)) for n in (1, 3))
    assert data_of(spool_dir(machine) / "sent") == expected
