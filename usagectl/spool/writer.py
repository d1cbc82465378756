"""Own how events get into the queue: one write call each, whole or not at all."""

from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from usagectl.errors import SpoolUnwritableError
from usagectl.machine import files, paths
from usagectl.spool import bounds, envelope, losses, segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime
    from pathlib import Path
    from types import TracebackType

    from usagectl.machine.environment import Environment

_SUPPLY = 256

_FORK_PATIENCE_SECONDS = 1.0

PATIENCE_SECONDS = 0.25
"""How long another process may hold the last segment before a new one is made."""


def append(
    environment: Environment,
    event: bytes,
    *,
    tool: str,
    kind: str,
    consent: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Add one event to the queue with a single write.

    Args:
        environment: whose.
        event: the exact bytes, without a line end.
        tool: whose event it is.
        kind: the event's name.
        consent: under which consent to send it is recorded; empty: it stays here.
        sleep: waits while another process writes.

    Raises:
        FolderUnknownError: this account has no home.
        SpoolUnwritableError: the event was not kept; it is counted as lost.
    """
    folder = paths.require_spool_dir(environment)
    now = environment.now()
    labels = envelope.build_labels(tool, kind, consent)
    line = envelope.build_line(event, labels, now=now, entropy=environment.entropy)
    try:
        bounds.refuse_what_is_too_large(environment, len(line))
        descriptor = _open_shared(environment, folder, now=now, room=len(line), sleep=sleep)
        try:
            _write(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        losses.add(environment, "unwritable", 1)
        raise SpoolUnwritableError(folder, reason=error.strerror or "unknown") from error


class Writer:
    """Add many events from one process, each with a single write.

    The segment it writes to is its own, so nothing is locked or looked up for
    an event. Others can deliver what it holds once it is full, or at `release`.
    Threads may share a writer; after a fork the child goes on in a segment of its own.

    Raises:
        FolderUnknownError: this account has no home.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._folder = paths.require_spool_dir(environment)
        self._labels: dict[tuple[str, str, str], bytes] = {}
        self._lock = threading.Lock()
        self._is_held = False
        self._descriptor: int | None = None
        self._size = 0
        self._day: date | None = None
        self._supply: list[str] = []
        self._assembler = envelope.Assembler()
        _writers.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def append(self, event: bytes, *, tool: str, kind: str, consent: str = "") -> None:
        """Add one event.

        Raises:
            SpoolUnwritableError: the event was not kept; it is counted as lost.
        """
        key = (tool, kind, consent)
        labels = self._labels.get(key)
        if labels is None:
            labels = self._labels[key] = envelope.build_labels(tool, kind, consent)
        with self._lock:
            now = self._environment.now()
            line = self._assembler.build_line(event, labels, now=now, drawn=self._draw())
            try:
                bounds.refuse_what_is_too_large(self._environment, len(line))
                _write(self._room_for(len(line), now.date()), line)
            except OSError as error:
                losses.add(self._environment, "unwritable", 1)
                reason = error.strerror or "unknown"
                raise SpoolUnwritableError(self._folder, reason=reason) from error
            self._size += len(line)

    def release(self) -> None:
        """Let others have what was written so far; the next event begins a new segment."""
        with self._lock:
            self._close()

    def wait_before_fork(self) -> None:
        """Let an append of another thread end first: the child inherits no half of one."""
        self._is_held = self._lock.acquire(timeout=_FORK_PATIENCE_SECONDS)

    def go_on_in_parent(self) -> None:
        """Let the other threads go on after a fork."""
        if self._is_held:
            self._is_held = False
            self._lock.release()

    def go_on_in_child(self) -> None:
        """Begin anew after a fork: a thread that is not here may have held the lock.

        The parent's segment stays open and locked there, and only there; its
        random digits are not used twice.
        """
        self._lock = threading.Lock()
        self._is_held = False
        self._supply = []
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _draw(self) -> str:
        """Take random digits for a uid out of a supply that one call to the system fills."""
        if not self._supply:
            digits = self._environment.entropy(envelope.UID_BYTES * _SUPPLY).hex()
            size = envelope.UID_BYTES * 2
            self._supply = [digits[at : at + size] for at in range(0, len(digits), size)]
        return self._supply.pop()

    def _room_for(self, size: int, day: date) -> int:
        """Open a segment with room; each holds one day, since it is dropped by its first event."""
        if self._descriptor is not None:
            fits = self._size + size <= bounds.SEGMENT_BYTES or not self._size
            if fits and day == self._day:
                return self._descriptor
            self._close()
        _, descriptor = _create(self._environment, self._folder, segments.OWN, room=size)
        self._descriptor, self._size, self._day = descriptor, 0, day
        return descriptor


_writers: WeakSet[Writer] = WeakSet()


def _wait_before_fork() -> None:
    for writer in list(_writers):
        writer.wait_before_fork()


def _go_on_in_parent() -> None:
    for writer in list(_writers):
        writer.go_on_in_parent()


def _go_on_in_child() -> None:
    for writer in list(_writers):
        writer.go_on_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_wait_before_fork,
        after_in_parent=_go_on_in_parent,
        after_in_child=_go_on_in_child,
    )


def _create(
    environment: Environment, folder: Path, role: str, *, room: int
) -> tuple[segments.Segment, int]:
    made = segments.create(folder, role)
    try:
        losses.prepare(folder)
        bounds.prune(environment, folder, room=room)
    except BaseException:
        os.close(made[1])  # What stays open stays locked.
        raise
    return made


def _open_shared(
    environment: Environment,
    folder: Path,
    *,
    now: datetime,
    room: int,
    sleep: Callable[[float], None],
) -> int:
    """Open the last shared segment, locked, or a new one."""
    waited = 0.0
    while waited < PATIENCE_SECONDS:
        shared = [each for each in segments.list_segments(folder) if each.role == segments.SHARED]
        if not shared:
            break
        descriptor = segments.try_open(shared[-1])
        if descriptor is None:  # It is gone, or something else lies there.
            break
        if files.try_lock(descriptor):
            if segments.is_still(shared[-1], descriptor):
                if _finds_usable(descriptor, now=now, room=room):
                    return descriptor
                os.close(descriptor)
                break
            os.close(descriptor)
            continue  # It was claimed while we opened it.
        os.close(descriptor)
        sleep(0.001)
        waited += 0.001
    return _create(environment, folder, segments.SHARED, room=room)[1]


def _finds_usable(descriptor: int, *, now: datetime, room: int) -> bool:
    try:
        return _is_usable(descriptor, now=now, room=room)
    except BaseException:
        os.close(descriptor)  # What stays open stays locked.
        raise


def _is_usable(descriptor: int, *, now: datetime, room: int) -> bool:
    """Tell whether a segment can take a line today: it is not full, and not of another day."""
    size = os.fstat(descriptor).st_size
    if not size:
        return room <= bounds.SEGMENT_BYTES  # For more, room is made first.
    if size + room > bounds.SEGMENT_BYTES:
        return False
    if envelope.day_of(segments.head_of(descriptor)) != now.isoformat()[:10]:
        return False
    if not segments.ends_line(descriptor, size):  # What a killed process left stays by itself.
        os.write(descriptor, b"\n")
    return True


def _write(descriptor: int, line: bytes) -> None:
    """Write a line at the end of a file that is ours alone; a part of one is taken back."""
    written = os.write(descriptor, line)
    if written != len(line):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
