"""Own what can be read off the queue, without changing or locking anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import FileUnreadableError, SpoolUnwritableError
from usagectl.machine import paths
from usagectl.spool import envelope, journal, logs, losses, segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.spool.envelope import Record
    from usagectl.spool.losses import Losses

BLOCK_BYTES = 256 * 1024
"""What is read at once; what was read of twice as much no longer lies in a processor's cache."""


class SpoolState(NamedTuple):
    """Hold the size of the spool.

    Attributes:
        path: the folder, None when there is no home.
        pending: events waiting.
        sent: events in the sent log.
        rejected: events that an endpoint refused, kept.
        bytes: size of all segments that wait.
        losses: events that were lost, and why.
        problem: a sentence when the spool cannot be read, else empty.
        unwritable: a sentence when the next event could not be kept, else empty.
    """

    path: Path | None
    pending: int = 0
    sent: int = 0
    rejected: int = 0
    bytes: int = 0
    losses: Losses = losses.Losses()
    problem: str = ""
    unwritable: str = ""


def state(environment: Environment) -> SpoolState:
    """Measure the spool; a problem is part of the answer."""
    folder = paths.spool_dir(environment)
    if folder is None:
        return SpoolState(None, problem="this account has no home to keep a spool in")
    found = SpoolState(folder, losses=losses.read(environment))
    try:
        folders = (folder, folder / logs.SENT, folder / logs.REJECTED)
        waiting, sent, rejected = (measure(each) for each in folders)
    except SpoolUnwritableError as error:
        return found._replace(problem=error.message)
    problem = next((each.problem for each in (waiting, sent, rejected) if each.problem), None)
    return found._replace(
        pending=waiting.events,
        sent=sent.events,
        rejected=rejected.events,
        bytes=waiting.bytes,
        problem=problem.message if problem else "",
        unwritable=_why_unwritable(folder),
    )


def _why_unwritable(folder: Path) -> str:
    """Say why the next event could not be kept, as far as that can be told without writing."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if os.access(there, os.W_OK | os.X_OK):
        return ""
    return f"{there} cannot be written, so that no event is kept in the spool."


class Measured(NamedTuple):
    """Hold how many events wait in a folder, the bytes of its segments, and what is unreadable."""

    events: int = 0
    bytes: int = 0
    problem: FileUnreadableError | None = None


def measure(folder: Path) -> Measured:
    """Count the waiting events of a folder of segments; what cannot be read keeps none back.

    Raises:
        SpoolUnwritableError: the folder cannot be listed.
    """
    found = Measured()
    for segment in list_segments(folder):
        try:
            waiting, size = _measure_one(segment)
        except FileUnreadableError as error:
            found = found._replace(problem=found.problem or error)
        else:
            found = found._replace(events=found.events + waiting, bytes=found.bytes + size)
    return found


def _measure_one(segment: segments.Segment) -> tuple[int, int]:
    descriptor = open_segment(segment)
    if descriptor is None:
        return 0, 0
    try:
        return journal.count_waiting(segment, descriptor), os.fstat(descriptor).st_size
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise FileUnreadableError(segment.path, reason=reason) from error
    finally:
        os.close(descriptor)


def list_segments(folder: Path) -> list[segments.Segment]:
    """List the segments of a folder, oldest first.

    Raises:
        SpoolUnwritableError: the folder cannot be listed.
    """
    try:
        found = segments.list_segments(folder)
        if not found and os.path.lexists(folder):
            os.scandir(folder).close()  # No folder at all looks as an empty one does.
    except OSError as error:
        raise SpoolUnwritableError(folder, reason=error.strerror or "unknown") from error
    return found


def open_segment(segment: segments.Segment) -> int | None:
    """Open a segment for reading; None when it is gone.

    Raises:
        FileUnreadableError: it cannot be read, or is no file.
    """
    try:
        return segments.open_existing(segment, for_writing=False)
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise FileUnreadableError(segment.path, reason=reason) from error


def records(environment: Environment) -> Iterator[Record]:
    """Read every waiting record, oldest first; lines that are none are passed over.

    Raises:
        SpoolUnwritableError: the folder cannot be listed.
        FileUnreadableError: a segment cannot be read.
    """
    folder = paths.spool_dir(environment)
    if folder is None:
        return
    for segment in list_segments(folder):
        yield from _records_of(segment)


def _records_of(segment: segments.Segment) -> Iterator[Record]:
    for block in blocks(segment):
        for line in block.split(b"\n"):
            record = envelope.parse_line(line)
            if record is not None:
                yield record


def blocks(segment: segments.Segment) -> Iterator[bytes]:
    """Read what waits in a segment in blocks of whole lines, a torn last one by itself.

    Raises:
        FileUnreadableError: it cannot be read.
    """
    return (block for _, block in placed_blocks(segment))


def placed_blocks(segment: segments.Segment) -> Iterator[tuple[int, bytes]]:
    """Read the same, each block with its first byte's place in the segment.

    Raises:
        FileUnreadableError: it cannot be read.
    """
    descriptor = open_segment(segment)
    if descriptor is None:
        return
    try:
        yield from waiting_blocks(segment, descriptor)
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise FileUnreadableError(segment.path, reason=reason) from error
    finally:
        os.close(descriptor)


def waiting_blocks(segment: segments.Segment, descriptor: int) -> Iterator[tuple[int, bytes]]:
    """Read what waits in an open segment in blocks of whole lines.

    Raises:
        OSError: it cannot be read.
    """
    size = os.fstat(descriptor).st_size
    for start, end in journal.gaps(journal.load(segment, descriptor), size):
        yield from _blocks_between(descriptor, start, end)


def _blocks_between(descriptor: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    while start < end:
        data = os.pread(descriptor, min(BLOCK_BYTES, end - start), start)
        if not data:
            return
        whole = data.rfind(b"\n") + 1
        while not whole and start + len(data) < end:  # A line that is longer than a block.
            length = min(BLOCK_BYTES, end - start - len(data))
            more = os.pread(descriptor, length, start + len(data))
            if not more:
                break
            whole = len(data) + more.rfind(b"\n") + 1 if b"\n" in more else 0
            data += more
        block = data[:whole] if whole else data
        yield start, block
        start += len(block)


def last_event(environment: Environment, *, tool: str) -> bytes | None:
    """Return the exact bytes of the tool's newest waiting event, None without one.

    Raises:
        SpoolUnwritableError: the folder cannot be listed.
        FileUnreadableError: a segment cannot be read.
    """
    folder = paths.spool_dir(environment)
    for segment in reversed(list_segments(folder) if folder else []):
        newest = None
        for record in _records_of(segment):
            if record.tool == tool:
                newest = record.event
        if newest is not None:
            return newest
    return None
