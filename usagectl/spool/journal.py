"""Own which lines of a segment are done: delivered, rejected or set aside.

An entry is a line `START END UID`: from byte START up to END nothing waits any
more, and the line at START has that uid (a foreign one: that checksum). Where
it has not (the file was replaced), the entry means nothing: an event is rather
sent twice than lost.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from typing import TYPE_CHECKING, NamedTuple

from usagectl.spool import envelope, segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from usagectl.spool.segments import Segment

MAX_BYTES = 64 * 1024 * 1024
_HEAD_BYTES = 64
_MOST_DIGITS = 18
_HEAD, _END = b'{"uid":"', b"}}\n"


class Span(NamedTuple):
    """Hold a part of a segment: its first byte, the byte after its last, the uid at its start."""

    start: int
    end: int
    uid: bytes


def open_for_appending(segment: Segment) -> int:
    """Open the journal of a segment; it is made if missing.

    Raises:
        OSError: it cannot be opened, or something that is no file lies in its place.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | segments.SAFE
    descriptor = os.open(segment.journal, flags, 0o600)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "something that is no file lies in a journal's place")
    if not segments.ends_line(descriptor, status.st_size):
        os.write(descriptor, b"\n")  # What a killed process left must not spoil the next entry.
    return descriptor


def write(descriptor: int, spans: Iterable[Span]) -> None:
    """Note in an open journal that spans are done, with a single write.

    Raises:
        OSError: it was not noted.
    """
    text = b"".join(b"%d %d %b\n" % span for span in spans)
    if os.write(descriptor, text) != len(text):  # A torn entry says nothing.
        os.write(descriptor, b"\n")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_blank(descriptor: int) -> None:
    """Write an entry that says nothing: whoever can do that can note what is done.

    Raises:
        OSError: the disk is full, say.
    """
    os.write(descriptor, b"\n")


def append(segment: Segment, spans: Iterable[Span]) -> None:
    """Note that spans are done, with a single write.

    Raises:
        OSError: it was not noted.
    """
    descriptor = open_for_appending(segment)
    try:
        write(descriptor, spans)
    finally:
        os.close(descriptor)


def load(segment: Segment, descriptor: int) -> list[tuple[int, int]]:
    """Read what is done of a segment: byte ranges in order, none touching another."""
    try:  # A pipe in its place must not hang us.
        journal = os.open(segment.journal, os.O_RDONLY | segments.SAFE)
        with os.fdopen(journal, "rb") as stream:
            data = stream.read(MAX_BYTES) or b""
    except OSError:
        return []
    size = os.fstat(descriptor).st_size
    spans = (_parse(line) for line in data.split(b"\n")[:-1])
    found = sorted((s.start, s.end) for s in spans if s and _holds(s, descriptor, size))
    merged: list[tuple[int, int]] = []
    for start, end in found:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _parse(line: bytes) -> Span | None:
    parts = line.split(b" ")
    if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()):  # noqa: PLR2004
        return None
    if max(len(parts[0]), len(parts[1])) > _MOST_DIGITS:
        return None
    return Span(int(parts[0]), int(parts[1]), parts[2])


def _holds(span: Span, descriptor: int, size: int) -> bool:
    """Tell whether an entry speaks of this file: of whole lines, the first of which has its uid."""
    if not span.start < span.end <= size:
        return False
    head = os.pread(descriptor, min(_HEAD_BYTES, span.end - span.start), span.start)
    if label_of(head) != span.uid:
        return False
    around = os.pread(descriptor, 2, span.end - 1)  # A torn last line may have got its end since.
    return span.end == size or b"\n" in around


def label_of(head: bytes) -> bytes:
    """Name a line by its first 64 bytes: its uid, or a checksum where it has none."""
    return envelope.uid_of(head) or b"~%08x" % zlib.crc32(head)


def gaps(done: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Give the byte ranges of a file that are not done."""
    position = 0
    for start, end in done:
        if start > position:
            yield position, min(start, size)
        position = max(position, end)
    if position < size:
        yield position, size


def is_done(segment: Segment, descriptor: int) -> bool:
    """Tell whether nothing of a segment waits any more."""
    size = os.fstat(descriptor).st_size
    return next(gaps(load(segment, descriptor), size), None) is None


def count_waiting(segment: Segment, descriptor: int) -> int:
    """Count the whole lines of a segment that still wait."""
    size = os.fstat(descriptor).st_size
    ranges = gaps(load(segment, descriptor), size)
    return sum(_count_whole(os.pread(descriptor, end - start, start)) for start, end in ranges)


def _count_whole(data: bytes) -> int:
    lines = data.count(b"\n")
    if data.startswith(_HEAD) and data.endswith(_END) and lines == data.count(_END + _HEAD) + 1:
        return lines
    return sum(1 for line in data.split(b"\n") if envelope.looks_whole(line))
