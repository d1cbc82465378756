"""Own the spool: a local queue of events, one JSON line each, that a person can read.

A record is a small envelope whose last member is the exact event bytes:
`{"uid":…,"time":…,"tool":…,"kind":…,"event":{…}}`. One event is one write
call on a file opened for appending, so processes at once do not mix lines.
The spool is bounded: the oldest segment goes first.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from usagectl import _files, paths
from usagectl.errors import SpoolUnwritableError, UsagectlError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from usagectl.environment import Environment

SEGMENT_BYTES = 256 * 1024
MAX_SEGMENTS = 16

_EVENT_KEY = b',"event":'
_SUFFIX = ".jsonl"
_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A link or a pipe in the place of a segment is refused; it neither leads away nor hangs."""


class Record(NamedTuple):
    """Hold one spooled event: its envelope's members and its exact bytes."""

    uid: str
    time: str
    tool: str
    kind: str
    event: bytes


class SpoolState(NamedTuple):
    """Hold the size of the queue.

    Attributes:
        path: the folder, None when there is no home.
        pending: events waiting.
        sent: events in the sent log.
        bytes: size of all segments.
        problem: a sentence when the spool cannot be read, else empty.
    """

    path: Path | None
    pending: int = 0
    sent: int = 0
    bytes: int = 0
    problem: str = ""


def append(environment: Environment, event: bytes, *, tool: str, kind: str) -> None:
    """Add one event to the queue with a single write.

    Raises:
        FolderUnknownError: this account has no home.
        SpoolUnwritableError: the event was not kept.
    """
    folder = paths.require_spool_dir(environment)
    now = environment.now()
    envelope = {
        "uid": _uuid7(environment, now),
        "time": now.isoformat(),
        "tool": tool,
        "kind": kind,
    }
    head = json.dumps(envelope, separators=(",", ":")).encode()[:-1]
    line = head + _EVENT_KEY + event + b"}\n"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _append_line(_segment_for(folder, len(line)), line)
    except OSError as error:
        raise SpoolUnwritableError(folder, reason=error.strerror or "unknown") from error


def _append_line(segment: Path, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _SAFE
    descriptor = os.open(segment, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):  # A pipe with a reader would take the event away.
            raise OSError(errno.EINVAL, "a segment is no file")
        if status.st_size and not _ends_line(segment):
            line = b"\n" + line  # A torn last line stays by itself; ours starts afresh.
        if os.write(descriptor, line) != len(line):  # The torn rest is passed over by readers.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _ends_line(segment: Path) -> bool:
    with segment.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def _segment_for(folder: Path, size: int) -> Path:
    segments = _segments(folder)
    if segments and segments[-1].stat().st_size + size <= SEGMENT_BYTES:
        return segments[-1]
    number = int(segments[-1].stem) + 1 if segments else 1
    for old in segments[: max(0, len(segments) + 1 - MAX_SEGMENTS)]:
        old.unlink(missing_ok=True)
    return folder / f"{number:08d}{_SUFFIX}"


def _segments(folder: Path) -> list[Path]:
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (name for name in names if name.endswith(_SUFFIX) and name[: -len(_SUFFIX)].isdecimal())
    return [folder / name for name in sorted(found)]


def records(environment: Environment) -> Iterator[Record]:
    """Read every waiting record, oldest first; lines that are none are passed over.

    Raises:
        SpoolUnwritableError: the folder cannot be listed.
        FileUnreadableError: a segment cannot be read.
    """
    folder = paths.spool_dir(environment)
    if folder is None:
        return
    for segment in _list_segments(folder):
        data = _files.read_bytes(segment, limit=64 * SEGMENT_BYTES) or b""
        for line in data.splitlines():
            record = _parse_line(line)
            if record is not None:
                yield record


def _list_segments(folder: Path) -> list[Path]:
    try:
        return _segments(folder)
    except OSError as error:
        raise SpoolUnwritableError(folder, reason=error.strerror or "unknown") from error


def _parse_line(line: bytes) -> Record | None:
    start = line.find(_EVENT_KEY)
    if start < 0 or not line.endswith(b"}"):
        return None
    event = line[start + len(_EVENT_KEY) : -1]
    try:
        envelope = json.loads(line[:start] + b"}")
        json.loads(event)
    except (ValueError, RecursionError):
        return None
    if not isinstance(envelope, dict):
        return None
    uid, time, tool, kind = (envelope.get(name) for name in ("uid", "time", "tool", "kind"))
    if not (isinstance(uid, str) and isinstance(time, str)):
        return None
    if not (isinstance(tool, str) and isinstance(kind, str)):
        return None
    return Record(uid, time, tool, kind, event)


def _looks_whole(line: bytes) -> bool:
    """Tell a record from a torn line without parsing it; status counts thousands."""
    return _EVENT_KEY in line and line.startswith(b"{") and line.endswith(b"}}")


def last_event(environment: Environment, *, tool: str) -> bytes | None:
    """Return the exact bytes of the tool's newest waiting event, None without one."""
    newest = None
    for record in records(environment):
        if record.tool == tool:
            newest = record.event
    return newest


def state(environment: Environment) -> SpoolState:
    """Measure the spool; a problem is part of the answer."""
    folder = paths.spool_dir(environment)
    if folder is None:
        return SpoolState(None, problem="this account has no home to keep a spool in")
    pending = size = 0
    try:
        for segment in _list_segments(folder):
            data = _files.read_bytes(segment, limit=64 * SEGMENT_BYTES) or b""
            pending += sum(1 for line in data.splitlines() if _looks_whole(line))
            size += len(data)
    except UsagectlError as error:
        return SpoolState(folder, pending, bytes=size, problem=error.message)
    return SpoolState(folder, pending, bytes=size)


def purge(environment: Environment, *, dry_run: bool = False) -> int:
    """Remove every waiting event.

    Returns:
        How many events went (or would go).

    Raises:
        SpoolUnwritableError: some are still there.
    """
    folder = paths.spool_dir(environment)
    if folder is None:
        return 0
    pending = state(environment).pending
    if dry_run:
        return pending
    for segment in _list_segments(folder):
        try:
            segment.unlink(missing_ok=True)
        except OSError as error:
            raise SpoolUnwritableError(folder, reason=error.strerror or "unknown") from error
    return pending


def _uuid7(environment: Environment, now: datetime) -> str:
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    value = milliseconds << 80 | int.from_bytes(environment.entropy(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
